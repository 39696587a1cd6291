//! From a challenge to tokens with authorization servers that are odd.

mod answers; // answers of token, page and device endpoints
mod clients; // client ids and secrets
mod issuers; // issuers with other names
mod places; // documents at the metadata addresses
mod refreshes; // refusals of a refresh
mod registrations; // answers of registration endpoints
