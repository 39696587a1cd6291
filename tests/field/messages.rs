//! Answers with other ids, types and places than the specification has.
