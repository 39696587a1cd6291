//! `--sanitize`, carried out: texts of the server on their way to the host, and the server's names on the way back.

use crate::bridge::enforcement::Enforcement;
use crate::frame::Frame;
use crate::policy::sanitize::Sanitized;

impl Enforcement {
    /// Returns a message of the host with the server's own names. The first step: rules judge what is sent.
    pub(super) fn own_names(&self, frame: Frame) -> Frame {
        match &self.state().sanitizer {
            Some(sanitizer) => sanitizer.request(frame),
            None => frame,
        }
    }

    /// Returns an answer of the server as the host may read it, and says once for each place what was escaped.
    pub(super) fn sanitized_answer(&self, method: &str, frame: Frame) -> Frame {
        match &mut self.state().sanitizer {
            Some(sanitizer) => said(sanitizer.answer(method, frame)),
            None => frame,
        }
    }

    /// Returns a request or notification of the server as the host may read it.
    pub(super) fn sanitized_message(&self, frame: Frame) -> Frame {
        match &mut self.state().sanitizer {
            Some(sanitizer) => said(sanitizer.message(frame)),
            None => frame,
        }
    }
}

fn said(sanitized: Sanitized) -> Frame {
    // The sanitizer bounds them, and each is of another place: all are said.
    for notice in sanitized.notices {
        tracing::warn!(target: "mcpipe::policy", "{notice}");
    }
    sanitized.frame
}
