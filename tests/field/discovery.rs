//! From a challenge to tokens with authorization servers that are odd.

mod clients; // how a client's id and secret are taken
mod issuers; // names of authorization servers that are not the ones they were looked up by
mod places; // what stands where metadata are looked for, and what is tried then
