//! The remote's requests as questions in results (protocol.md 1.10).
