//! What went wrong on the bridge's own side of a request (E-13).

use std::time::Duration;

use serde_json::Value;

use super::{Frame, INTERNAL_ERROR, Id};

/// Something that went wrong on the bridge's side of a request, in words for a person reading it in a chat window and
/// in data for a program (E-13: the code is never one of a peer's).
#[derive(Clone, Debug)]
pub struct Trouble {
    /// A stable word for programs: `unreachable`, `sign_in_needed`, `leaving`, `bad_answer`, …
    pub kind: &'static str,
    /// A sentence for people. No secrets, no bodies from the remote.
    pub message: String,
    /// What to do about it, if anything.
    pub hint: Option<String>,
    /// The address it is about, without query.
    pub url: Option<String>,
    /// The HTTP status that caused it.
    pub status: Option<u16>,
    /// Whether the same request may succeed if sent again.
    pub retryable: bool,
    /// How long to wait before that.
    pub retry_after: Option<Duration>,
}

impl Trouble {
    /// A trouble with only its kind and sentence set.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            url: None,
            status: None,
            retryable: false,
            retry_after: None,
        }
    }

    /// Says that sending the same request again may work.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The JSON-RPC error that answers `id` with it.
    pub fn reply(&self, id: &Id) -> Frame {
        let mut data = serde_json::Map::new();
        data.insert("source".into(), "mcpipe".into());
        data.insert("kind".into(), self.kind.into());
        if let Some(hint) = &self.hint {
            data.insert("hint".into(), hint.as_str().into());
        }
        if let Some(url) = &self.url {
            data.insert("url".into(), url.as_str().into());
        }
        if let Some(status) = self.status {
            data.insert("status".into(), status.into());
        }
        data.insert("retryable".into(), self.retryable.into());
        if let Some(after) = self.retry_after {
            let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            data.insert("retryAfterMs".into(), millis.into());
        }
        let message = match &self.hint {
            Some(hint) => format!("{} {hint}", self.message),
            None => self.message.clone(),
        };
        Frame::error(
            Some(id),
            INTERNAL_ERROR,
            &message,
            Some(&Value::Object(data)),
        )
    }
}
