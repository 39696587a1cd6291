//! Failures of a request, for people and as JSON.

use serde_json::json;

use crate::client;
use crate::commands::bridge::kind;
use crate::commands::print;
use crate::report::{Failure, Kind};

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        let (of, hint) = match &error {
            client::Error::Answer { reason, hint, .. } => {
                (reason.map_or(Kind::Failed, kind), hint.clone())
            }
            client::Error::NoObject => (Kind::Usage, None),
            client::Error::Unanswerable(_) => (Kind::Failed, None),
            client::Error::TooManyQuestions(_) => (Kind::Protocol, None),
            client::Error::Ended => (Kind::Network, None),
        };
        let failure = Self::new(of, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Prints the failure as the one JSON document on stdout, and returns it for stderr and the exit code.
pub(super) fn as_json(failure: Failure) -> Failure {
    let answer = failure.error.downcast_ref::<client::Error>();
    let (kind, code) = match answer {
        Some(client::Error::Answer { kind, code, .. }) => {
            let kind = kind.as_deref().unwrap_or("server_error");
            (kind.to_owned(), Some(*code))
        }
        _ => (failure.kind.word().to_owned(), None),
    };
    let document = json!({ "error": {
        "kind": kind,
        "code": code,
        "message": failure.message(),
        "hint": failure.hint,
    }});
    // A reader that has left needs no second failure.
    let _ = print(&format!("{document}\n"));
    failure
}
