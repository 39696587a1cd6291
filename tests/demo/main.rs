//! The demonstration. (next)
fn main() {}
