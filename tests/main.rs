//! What the binary promises. (next)
