//! Failures on the bridge's own side of a request. Their code is never one that MCP gives a meaning of its own.

use std::time::Duration;

use serde_json::Value;

use super::{Frame, INTERNAL_ERROR, INVALID_PARAMS, Id, Stage};
use crate::secret::live;
use crate::text::capitalised;

/// Something that went wrong on the bridge's side of a request, in words for a person reading it in a chat window and
/// in data for a program.
#[derive(Clone, Debug)]
pub struct BridgeError {
    /// A stable word for programs: `unreachable`, `sign_in_needed`, `leaving`, `bad_answer`, …; all of them stand
    /// in `fixtures/pins/kinds.txt`. It decides the exit code when stdin has ended: `reason_of` in `bridge/unanswered.rs`
    /// takes a word that it does not know for exit code 1. `too_large` is a message that could not be read.
    pub kind: &'static str,
    /// A sentence for people. No secrets, no bodies from the remote.
    pub message: String,
    /// The thing to do about it, if anything.
    pub hint: Option<String>,
    /// The address it is about, without query.
    pub url: Option<Box<str>>,
    /// The HTTP status that caused it.
    pub status: Option<u16>,
    /// True where the same request may succeed if sent again.
    pub retryable: bool,
    /// The time to wait before that.
    pub retry_after: Option<Duration>,
    /// True where a sign-in was begun for the request: nothing is tried for the same request that would begin another.
    pub is_after_a_sign_in: bool,
    /// The revisions the remote names, as an array, where the failure is that it names no other. In a box: errors are small.
    pub supported: Option<Box<Value>>,
    /// The stage in which its time ran out, where it did.
    pub stage: Option<Stage>,
    /// The rule of the user's policy that refuses it, and the place where the rule was set. In a box: errors are small.
    pub rule: Option<Box<(String, String)>>,
}

impl BridgeError {
    /// Makes an error with only its kind and sentence set.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            url: None,
            status: None,
            retryable: false,
            retry_after: None,
            is_after_a_sign_in: false,
            supported: None,
            stage: None,
            rule: None,
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

    /// The JSON-RPC error that answers `id` with it. `era::error_reply` is for an answer that was lost, where the
    /// server may have carried the request out; an answer that came and is withheld takes this one.
    pub fn reply(&self, id: &Id) -> Frame {
        self.reply_with(id, INTERNAL_ERROR, None)
    }

    /// The error that answers an `initialize` for `requested`: where no revision is in common it has the code and the
    /// members that hosts of that era look for (MCP 2025-11-25, basic/lifecycle, "Error Handling").
    pub fn reply_to_initialize(&self, id: &Id, requested: Option<&str>) -> Frame {
        match &self.supported {
            None => self.reply(id),
            Some(_) => self.reply_with(id, INVALID_PARAMS, requested),
        }
    }

    fn reply_with(&self, id: &Id, code: i64, requested: Option<&str>) -> Frame {
        // A server's own words may be in here, and a token that it said back in them.
        let mut data = serde_json::Map::new();
        data.insert("source".into(), "mcpipe".into());
        data.insert("kind".into(), self.kind.into());
        if let Some(hint) = &self.hint {
            data.insert("hint".into(), live::without(hint).into());
        }
        if let Some(url) = &self.url {
            data.insert("url".into(), live::without(url).into());
        }
        if let Some(status) = self.status {
            data.insert("status".into(), status.into());
        }
        data.insert("retryable".into(), self.retryable.into());
        if let Some(after) = self.retry_after {
            let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            data.insert("retryAfterMs".into(), millis.into());
        }
        if let Some(stage) = self.stage {
            data.insert("stage".into(), stage.word().into());
            data.insert("mayHaveRun".into(), stage.may_have_run().into());
        }
        if let Some((rule, origin)) = self.rule.as_deref() {
            data.insert("rule".into(), rule.as_str().into());
            data.insert("origin".into(), origin.as_str().into());
        }
        if let Some(supported) = &self.supported {
            data.insert("supported".into(), Value::clone(supported));
        }
        if let Some(requested) = requested {
            data.insert("requested".into(), requested.into());
        }
        let message = match &self.hint {
            Some(hint) => format!("{} {}", self.message, capitalised(hint)),
            None => self.message.clone(),
        };
        Frame::error(
            Some(id),
            code,
            &live::without(&message),
            Some(&Value::Object(data)),
        )
    }
}
