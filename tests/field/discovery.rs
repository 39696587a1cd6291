//! From a challenge to tokens with authorization servers that are odd.

mod clients; // how a client's id and secret are taken
