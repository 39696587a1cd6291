//! The last failures of a server: for a person who looks into them later, when the host has shown one line and forgotten it.
//!
//! One small private file per server and account in the state directory holds the newest, and nothing secret: no contents of
//! messages, only what mcpipe said of the failure itself. It may be deleted at any time, and no failure to write it troubles
//! the bridge. Processes take turns at it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::frame::{Frame, member_of};
use crate::server_cache::ServerCache;
use crate::text::printable;

/// The failures that are kept of one server.
pub const MOST: usize = 20;
/// The longest message and method that are kept, in characters.
const LONGEST: usize = 400;
const NAME: &str = "failures";

/// The place where the last failures of one server are kept.
#[derive(Clone, Debug)]
pub struct RecentFailures(ServerCache);

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRequest {
    /// The time, in seconds since 1970.
    pub at: u64,
    /// The method of the request.
    pub method: String,
    /// The kind of the error, as hosts get it in `data.kind`.
    pub kind: String,
    /// The sentence that the host got.
    pub message: String,
    /// The HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The stage in which its time ran out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// True where the server may have carried the request out.
    #[serde(rename = "mayHaveRun", skip_serializing_if = "Option::is_none")]
    pub may_have_run: Option<bool>,
}

impl FailedRequest {
    /// Reads the failure in an error that mcpipe answers a request with. `None` for an answer of the server's, and for a
    /// refusal by the user's own rule, which is no failure.
    pub fn of(answer: &Frame, method: &str, at: u64) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            source: String,
            kind: String,
            status: Option<u16>,
            stage: Option<String>,
            may_have_run: Option<bool>,
            rule: Option<String>,
        }
        let error = answer.member("error")?;
        let data: Data = serde_json::from_str(member_of(error, "data")?).ok()?;
        let message: String = serde_json::from_str(member_of(error, "message")?).ok()?;
        (data.source == "mcpipe" && data.rule.is_none()).then(|| Self {
            at,
            method: printable(method, LONGEST),
            kind: data.kind,
            message: printable(&message, LONGEST),
            status: data.status,
            stage: data.stage,
            may_have_run: data.may_have_run,
        })
    }
}

impl RecentFailures {
    /// In this file; nowhere without one.
    pub fn in_file(path: Option<PathBuf>) -> Self {
        Self(path.map_or_else(ServerCache::nowhere, ServerCache::in_file))
    }

    /// Returns the failures, the oldest first. Blocks for one small read.
    pub fn load(&self) -> Vec<FailedRequest> {
        let kept = self.0.load(NAME).unwrap_or_default();
        let kept = kept.as_array().cloned().unwrap_or_default();
        // An entry of another version is passed over.
        let read = kept.into_iter().map(serde_json::from_value);
        read.filter_map(Result::ok).collect()
    }

    /// Adds a failure, and forgets the oldest beyond [`MOST`]. Blocks for one small write.
    pub fn add(&self, failed: &FailedRequest) {
        let Ok(new) = serde_json::to_value(failed) else {
            return;
        };
        self.0.change(NAME, |kept| {
            let mut all = match kept {
                Some(Value::Array(all)) => all,
                _ => Vec::new(),
            };
            all.push(new);
            let beyond = all.len().saturating_sub(MOST);
            all.drain(..beyond);
            all.into()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{BridgeError, Id, Stage};

    fn one() -> Id {
        Frame::parse(r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#)
            .unwrap()
            .id()
            .cloned()
            .unwrap()
    }

    fn failed(kind: &'static str, at: u64) -> FailedRequest {
        let error = BridgeError {
            stage: Some(Stage::Response),
            status: Some(504),
            ..BridgeError::new(kind, "No response within 300 s (--headers-timeout).")
        };
        FailedRequest::of(&error.reply(&one()), "tools/call", at).unwrap()
    }

    #[test]
    fn the_newest_are_kept_with_what_is_known_of_them() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state/failures/x.json");
        let failures = RecentFailures::in_file(Some(path.clone()));
        assert_eq!(failures.load(), []);
        std::thread::scope(|scope| {
            for at in 0..25 {
                let failures = RecentFailures::in_file(Some(path.clone()));
                scope.spawn(move || failures.add(&failed("timed_out", at)));
            }
        });
        let kept = failures.load();
        assert_eq!(kept.len(), MOST);
        let first = &kept[0];
        assert_eq!(first.method, "tools/call");
        assert_eq!((first.status, first.may_have_run), (Some(504), Some(true)));
        assert!(first.message.contains("--headers-timeout"), "{first:?}");
    }

    #[test]
    fn a_rule_of_the_user_s_and_an_error_of_the_server_are_no_failures() {
        let refused = BridgeError {
            rule: Some(Box::new((
                "deny-tool x".to_owned(),
                "--deny-tool".to_owned(),
            ))),
            ..BridgeError::new("denied", "No.")
        };
        assert_eq!(
            FailedRequest::of(&refused.reply(&one()), "tools/call", 1),
            None
        );
        let of_server =
            Frame::parse(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"x"}}"#).unwrap();
        assert_eq!(FailedRequest::of(&of_server, "tools/call", 1), None);
    }
}
