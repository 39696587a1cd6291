//! A request of the host that has passed: the facts that its answer is judged by.

use std::sync::Arc;

use crate::bridge::enforcement::audit::Call;
use crate::bridge::enforcement::limits::PassedCall;
use crate::era::protocol::META_VERSION;
use crate::frame::{Frame, member_of, string};
use crate::policy::Kind;

/// A request of the host, from its admission to its answer.
#[derive(Debug, Default)]
pub(in crate::bridge) struct Request {
    /// The method.
    pub(super) method: Box<str>,
    /// The tool, for a call of one.
    pub(super) tool: Option<Box<str>>,
    /// The cursor of the page, for a list.
    pub(super) cursor: Option<String>,
    /// The task that it asks for.
    pub(super) task: Option<String>,
    /// True in revision 2026-07-28 and later.
    pub(super) is_modern: bool,
    /// The call, while it is under way.
    pub(super) call: Option<PassedCall>,
    /// The account of the audit, where there is one.
    pub(super) audited: Option<Arc<Call>>,
    /// The lists whose changes it listens for (MCP 2026-07-28, basic/patterns/subscriptions).
    pub(super) listens: Vec<Kind>,
}

impl Request {
    /// Returns the facts of a message of the host.
    pub(super) fn of(frame: &Frame) -> Self {
        Self {
            method: frame.method().unwrap_or_default().into(),
            tool: None,
            cursor: frame.param("cursor").and_then(string),
            task: frame.param("taskId").and_then(string),
            is_modern: frame.meta(META_VERSION).is_some(),
            call: None,
            audited: None,
            listens: match frame.method() {
                Some("subscriptions/listen") => listens(frame),
                _ => Vec::new(),
            },
        }
    }
}

fn listens(frame: &Frame) -> Vec<Kind> {
    let filter = frame.param("notifications").unwrap_or("{}");
    [
        ("toolsListChanged", Kind::Tools),
        ("promptsListChanged", Kind::Prompts),
    ]
    .into_iter()
    .filter(|(member, _)| member_of(filter, member) == Some("true"))
    .map(|(_, kind)| kind)
    .collect()
}
