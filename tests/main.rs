//! What the binary promises.
mod login; // from 401 to a credential, and everything that can go wrong on the way
mod support;
