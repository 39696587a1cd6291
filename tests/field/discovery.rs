//! From a challenge to tokens with authorization servers that are odd.
