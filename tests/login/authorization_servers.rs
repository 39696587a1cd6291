//! From a challenge to tokens with authorization servers that are odd.

mod answers; // what token endpoints, pages and device endpoints answer
mod clients; // how a client's id and secret are taken
mod issuers; // names of authorization servers that are not the ones they were looked up by
mod places; // what stands where metadata are looked for, and what is tried then
mod refreshes; // refusals of a refresh, and what is taken for one
mod registrations; // what registration endpoints refuse and answer
