//! What a person is told, and that it is true.
