//! The requests that the server left unanswered, and the reasons, for the exit code of a bridge whose stdin has ended.
//!
//! An answer of the server's counts, and so does an error of the server's. An error of mcpipe's own is no answer,
//! whatever its text; `data.source` tells it from the server's.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::frame::{Frame, member_of};

/// The reason why a request went without an answer of the server's. Of several reasons the first in this order counts:
/// it has to be mended before any other can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A user has to unlock the vault.
    Locked,
    /// A user has to sign in.
    SignIn,
    /// The server has refused a key of the user's own: no sign-in would help.
    Key,
    /// The server was not reached, did not answer, or said that it is unwell.
    Network,
    /// The server answered with a body that is no MCP.
    Protocol,
    /// Any other reason: a refusal, a line that is no message, the end of the grace.
    Other,
}

/// The requests without an answer of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The reason that has to be mended first.
    pub reason: Reason,
    /// The number of requests.
    pub requests: usize,
    /// The number of all requests.
    pub of: usize,
}

/// Counters of requests and answers.
#[derive(Debug, Default)]
pub(super) struct Tally {
    asked: usize,
    unanswered: BTreeMap<Reason, usize>,
}

impl Tally {
    /// Counts a request, or a line that was meant to be one.
    pub(super) fn ask(&mut self) {
        self.asked += 1;
    }

    /// Counts an answer on its way to the host.
    pub(super) fn answer(&mut self, answer: &Frame) {
        if let Some(reason) = reason_of(answer) {
            self.miss(reason);
        }
    }

    /// Counts a request that got no answer of the server's.
    pub(super) fn miss(&mut self, reason: Reason) {
        *self.unanswered.entry(reason).or_default() += 1;
    }

    pub(super) fn unanswered(&self) -> Option<Unanswered> {
        let (reason, _) = self.unanswered.first_key_value()?;
        Some(Unanswered {
            reason: *reason,
            requests: self.unanswered.values().sum(),
            of: self.asked,
        })
    }
}

/// Returns the reason why this is no answer of the server's; `None` if it is one.
pub(super) fn reason_of(answer: &Frame) -> Option<Reason> {
    #[derive(Deserialize)]
    struct Data {
        source: String,
        kind: String,
        status: Option<u16>,
    }
    let data = member_of(answer.member("error")?, "data")?;
    let data: Data = serde_json::from_str(data).ok()?;
    if data.source != "mcpipe" {
        return None;
    }
    Some(match (data.kind.as_str(), data.status) {
        ("vault_locked", _) => Reason::Locked,
        // The status belongs to the refusal of a header of the user's own.
        ("sign_in_needed", Some(_)) => Reason::Key,
        ("sign_in_needed", None) => Reason::SignIn,
        (
            "unreachable" | "cut" | "session_lost" | "timed_out" | "client_certificate"
            | "circuit_open" | "overloaded",
            _,
        ) => Reason::Network,
        ("refused", Some(408 | 425 | 429 | 500..=599)) => Reason::Network,
        ("bad_answer" | "too_large" | "unsupported_version" | "unclear" | "unanswered", _) => {
            Reason::Protocol
        }
        _ => Reason::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{BridgeError, Id};

    fn answer(kind: &'static str, status: Option<u16>) -> Frame {
        let error = BridgeError {
            status,
            ..BridgeError::new(kind, "x")
        };
        error.reply(&Id::ours(1))
    }

    #[test]
    fn the_reason_that_has_to_be_mended_first_counts() {
        let mut tally = Tally::default();
        assert_eq!(tally.unanswered(), None);
        for (kind, status, reason, requests) in [
            ("leaving", None, Reason::Other, 1),
            ("refused", Some(404), Reason::Other, 2),
            ("bad_answer", None, Reason::Protocol, 3),
            ("refused", Some(503), Reason::Network, 4),
            ("session_lost", None, Reason::Network, 5),
            ("sign_in_needed", Some(401), Reason::Key, 6),
            ("sign_in_needed", None, Reason::SignIn, 7),
            ("vault_locked", None, Reason::Locked, 8),
            ("unreachable", None, Reason::Locked, 9),
        ] {
            tally.ask();
            tally.answer(&answer(kind, status));
            let of = requests;
            let unanswered = Some(Unanswered {
                reason,
                requests,
                of,
            });
            assert_eq!(tally.unanswered(), unanswered, "{kind}");
        }
    }

    #[test]
    fn what_the_server_says_is_an_answer_whatever_it_is() {
        let id = Id::ours(1);
        let data = serde_json::json!({"source": "gateway", "kind": "unreachable"});
        for answer in [
            Frame::result(&id, "{}"),
            Frame::error(Some(&id), -32603, "no", None),
            Frame::error(Some(&id), -32603, "no", Some(&data)),
        ] {
            assert_eq!(reason_of(&answer), None, "{answer:?}");
        }
    }
}
