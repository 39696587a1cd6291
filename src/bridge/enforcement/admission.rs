//! The decision on a message of the host.

use crate::bridge::enforcement::requests::Request;
use crate::frame::Frame;

/// A decision on a message of the host.
#[derive(Debug)]
pub(in crate::bridge) enum Admission {
    /// It is sent on. A request is noted until it is answered.
    Pass(Frame, Option<Box<Request>>),
    /// It is answered here.
    Answer(Frame),
    /// It is a notification that is not sent.
    Drop,
}
