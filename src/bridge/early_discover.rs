//! The early answer to a modern host whose `server/discover` must wait for a user to sign in.
//!
//! Hosts give up on `server/discover` after half a second (github/copilot-cli#4525) to a minute, and a host of both eras
//! then begins with `initialize` instead (MCP 2026-07-28, basic/transports/stdio). So the host gets the server's
//! discover result of an earlier time, or as little as a handshake needs; the real request goes on waiting. If it fails,
//! the bridge sends it again, unseen, before the next request of the host.
//!
//! Decides; sends nothing and reads no clock.

use serde_json::{Value, json};

use crate::bridge::early_initialize::instructions;
use crate::bridge::unanswered::reason_of;
use crate::era::protocol::modern;
use crate::frame::{Frame, Id, member_of};

/// The requests `server/discover` of one host.
#[derive(Debug, Default)]
pub(super) struct EarlyDiscover {
    /// The requests without an answer, each with the server's own result of an earlier time where that may still be
    /// given as such.
    unanswered: Vec<(Frame, Option<String>)>,
    /// The requests that have an early answer, while the server's is still to come.
    answered: Vec<AnsweredRequest>,
    /// Requests of the host under the id of one that has an early answer: the server's answer would be taken for theirs.
    held: Vec<Frame>,
    /// The number of requests sent again.
    replays: u64,
}

#[derive(Debug)]
struct AnsweredRequest {
    /// As it was sent last.
    request: Frame,
    /// The capabilities that the host was told.
    capabilities: Option<Value>,
    /// The request has failed, and is to be sent again.
    has_failed: bool,
}

/// The server's answer to a request that has an early one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LateAnswer {
    /// The server's result; `is_other` says that the host was told other capabilities.
    Result { is_other: bool },
    /// An error.
    Error,
}

impl EarlyDiscover {
    /// Notes that the host asks for the discover result. `own` is the server's own result of an earlier time, if that may
    /// still be given as such.
    pub(super) fn ask(&mut self, discover: &Frame, own: Option<&str>) {
        // It asks the server anew in the place of the one that has failed.
        self.answered.retain(|answered| !answered.has_failed);
        self.unanswered
            .push((discover.clone(), own.map(str::to_owned)));
    }

    /// Forgets everything: the host begins with `initialize`, and any discover result comes too late for it.
    pub(super) fn give_up(&mut self) {
        self.unanswered.clear();
        self.answered.retain(|answered| !answered.has_failed);
    }

    /// Says whether the host waits for an answer that needs a user first.
    pub(super) fn is_waiting(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Returns the answers that need not wait, each with the server's own words of an earlier time or not.
    /// `remembered` is what the server said then, as far as it may be repeated; `is_locked` names the obstacle: the
    /// vault, or a sign-in.
    pub(super) fn early_results(
        &mut self,
        is_locked: bool,
        remembered: Option<&str>,
    ) -> Vec<(Frame, bool)> {
        let unanswered = std::mem::take(&mut self.unanswered).into_iter();
        let answers = unanswered.filter_map(|(request, own)| {
            let id = request.id()?.clone();
            let remembered = own.as_deref().or(remembered);
            let result =
                remembered.map_or_else(|| least_result(is_locked).to_string(), str::to_owned);
            self.answered.push(AnsweredRequest {
                request,
                capabilities: capabilities_of(&result),
                has_failed: false,
            });
            Some((Frame::result(&id, &result), remembered.is_some()))
        });
        answers.collect()
    }

    /// Returns the request to be sent to the server again, if it failed unseen by the host.
    pub(super) fn replay(&mut self) -> Option<Frame> {
        let (failed, waiting): (Vec<_>, _) = std::mem::take(&mut self.answered)
            .into_iter()
            .partition(|answered| answered.has_failed);
        self.answered = waiting;
        // Several were told the same: one answer will do.
        let last = failed.into_iter().next_back()?;
        self.replays += 1;
        // The host may have given its id to another request since.
        let id = Id::parse(&format!("\"bridge:discover:{}\"", self.replays))?;
        let request = last.request.with_id(&id);
        self.answered.push(AnsweredRequest {
            request: request.clone(),
            has_failed: false,
            ..last
        });
        Some(request)
    }

    /// Holds a request of the host that has the id of one that the server has still to answer; returns any other.
    pub(super) fn hold(&mut self, frame: Frame) -> Option<Frame> {
        let id = frame.id().filter(|_| frame.is_request());
        match id.is_some_and(|id| self.has_answered(id)) {
            true => {
                self.held.push(frame);
                None
            }
            false => Some(frame),
        }
    }

    /// Says whether the host has an early answer to the request of that id, and the server's is still to come.
    pub(super) fn has_answered(&self, id: &Id) -> bool {
        let is_it =
            |answered: &AnsweredRequest| !answered.has_failed && answered.request.id() == Some(id);
        self.answered.iter().any(is_it)
    }

    /// Returns the held requests that may be sent now.
    pub(super) fn release(&mut self) -> Vec<Frame> {
        let held = std::mem::take(&mut self.held);
        held.into_iter()
            .filter_map(|frame| self.hold(frame))
            .collect()
    }

    /// Forgets a request that the host has cancelled. Says whether it was held here, and is known nowhere else.
    pub(super) fn cancel(&mut self, id: &Id) -> bool {
        self.unanswered
            .retain(|(request, _)| request.id() != Some(id));
        let held = self.held.len();
        self.held.retain(|frame| frame.id() != Some(id));
        self.held.len() < held
    }

    /// Looks at an answer on its way to the host.
    pub(super) fn on_server_message(&mut self, frame: &Frame) -> Option<LateAnswer> {
        let id = frame.id().filter(|_| frame.is_response())?;
        self.unanswered
            .retain(|(request, _)| request.id() != Some(id));
        let is_it =
            |answered: &AnsweredRequest| !answered.has_failed && answered.request.id() == Some(id);
        let place = self.answered.iter().position(is_it)?;
        let Some(result) = frame.member("result") else {
            match reason_of(frame) {
                // An error of mcpipe's own: the server has not been asked, or has not answered.
                Some(_) => self.answered.get_mut(place)?.has_failed = true,
                None => drop(self.answered.remove(place)),
            }
            return Some(LateAnswer::Error);
        };
        let told = self.answered.remove(place).capabilities;
        // The server has been heard now.
        self.answered.retain(|answered| !answered.has_failed);
        let is_other = told != capabilities_of(result);
        Some(LateAnswer::Result { is_other })
    }
}

/// Returns the result of a server of which nothing is known: its name is none of the bridge's to invent.
fn least_result(is_locked: bool) -> Value {
    let list = json!({ "listChanged": true });
    json!({
        "resultType": "complete",
        "supportedVersions": modern().collect::<Vec<_>>(),
        "capabilities": { "tools": list, "prompts": list, "resources": list },
        "instructions": instructions(is_locked),
        "ttlMs": 0,
        "cacheScope": "private",
    })
}

fn capabilities_of(result: &str) -> Option<Value> {
    serde_json::from_str(member_of(result, "capabilities")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::BridgeError;

    fn discover(id: u64) -> Frame {
        Frame::request(&Id::ours(id), "server/discover", None)
    }

    fn told(early: &mut EarlyDiscover, remembered: Option<&str>) -> Value {
        let answers = early.early_results(false, remembered);
        let [(answer, _)] = &answers[..] else {
            panic!("{answers:?}")
        };
        serde_json::from_str(answer.member("result").unwrap()).unwrap()
    }

    const KNOWN: &str = r#"{"capabilities":{"tools":{}}}"#;

    #[test]
    fn a_result_that_may_still_be_given_comes_before_what_is_only_remembered() {
        let mut early = EarlyDiscover::default();
        early.ask(&discover(1), Some(KNOWN));
        assert!(early.is_waiting());
        let remembered = r#"{"capabilities":{}}"#;
        assert_eq!(
            told(&mut early, Some(remembered)),
            json!({"capabilities": {"tools": {}}})
        );
        assert!(!early.is_waiting());
        early.ask(&discover(2), None);
        assert_eq!(
            told(&mut early, Some(remembered)),
            json!({"capabilities": {}})
        );
        early.ask(&discover(3), None);
        let least = told(&mut early, None);
        assert_eq!(least["capabilities"]["prompts"]["listChanged"], true);
        assert_eq!(least["ttlMs"], 0);
    }

    #[test]
    fn the_late_result_is_compared_with_what_the_host_was_told() {
        for (real, is_other) in [
            (r#"{"capabilities":{ "tools":{} },"ttlMs":1}"#, false),
            (
                r#"{"capabilities":{"tools":{},"extensions":{"a/b":{}}}}"#,
                true,
            ),
        ] {
            let mut early = EarlyDiscover::default();
            early.ask(&discover(1), None);
            told(&mut early, Some(KNOWN));
            let late = early.on_server_message(&Frame::result(&Id::ours(1), real));
            assert_eq!(late, Some(LateAnswer::Result { is_other }), "{real}");
            let again = early.on_server_message(&Frame::result(&Id::ours(1), real));
            assert_eq!(again, None);
        }
    }

    #[test]
    fn a_request_that_failed_is_sent_again_under_another_id_until_the_server_has_answered() {
        let mut early = EarlyDiscover::default();
        early.ask(&discover(1), None);
        told(&mut early, None);
        assert!(early.replay().is_none());
        let mut id = Id::ours(1);
        for _ in 0..2 {
            let waits = BridgeError::new("sign_in_needed", "x").reply(&id);
            assert_eq!(early.on_server_message(&waits), Some(LateAnswer::Error));
            let again = early.replay().unwrap();
            assert_ne!(again.id(), Some(&id));
            id = again.id().unwrap().clone();
            assert!(early.replay().is_none());
        }
        let refused = Frame::error(Some(&id), -32021, "no", None);
        assert_eq!(early.on_server_message(&refused), Some(LateAnswer::Error));
        assert!(early.replay().is_none(), "the server itself has refused it");
    }

    #[test]
    fn a_request_under_the_same_id_waits_until_the_server_has_answered_the_first() {
        let mut early = EarlyDiscover::default();
        early.ask(&discover(1), None);
        told(&mut early, None);
        let list = |id| Frame::request(&Id::ours(id), "tools/list", None);
        assert!(early.hold(list(2)).is_some());
        assert!(early.hold(list(1)).is_none());
        assert!(early.release().is_empty());
        early.on_server_message(&Frame::result(&Id::ours(1), KNOWN));
        assert_eq!(early.release().len(), 1);
        assert!(early.hold(list(1)).is_some());
    }
}
