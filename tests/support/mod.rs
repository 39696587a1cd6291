//! The worlds that tests live in. Loopback only.
#![allow(dead_code, reason = "not every test turns every knob")]
#![allow(unreachable_pub, reason = "a test target has no outside")]

pub mod authority;
pub mod browser;
