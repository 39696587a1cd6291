//! Tools that are called as tasks only, and the state of a call that is one (MCP 2025-11-25, basic/utilities/tasks).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::era::task::{PACE, pace};
use crate::frame::{Frame, METHOD_NOT_FOUND, Object, member_of, string};

/// The name under which a message says what task it belongs to.
const RELATED: &str = "io.modelcontextprotocol/related-task";
/// The parameter that makes a call a task: the server is to keep it and its result for a day, in milliseconds. Servers
/// count from the beginning of the task, and drop one at work too.
const TASK: &str = r#"{"ttl":86400000}"#;
/// The most tools that are kept in mind.
const MAX_TOOLS: usize = 10_000;

/// The tools that the server calls as tasks only, by the JSON text of their names.
#[derive(Default)]
pub(super) struct TaskTools(BTreeSet<String>);

impl TaskTools {
    /// Learns from a page of `tools/list`.
    pub(super) fn learn(&mut self, frame: &Frame) {
        let tools = frame.member_in("result", "tools");
        let tools: Option<Vec<&RawValue>> =
            tools.and_then(|tools| serde_json::from_str(tools).ok());
        for tool in tools.into_iter().flatten() {
            let Some(name) = member_of(tool.get(), "name") else {
                continue;
            };
            let support = member_of(tool.get(), "execution")
                .and_then(|execution| member_of(execution, "taskSupport"));
            if support == Some(r#""required""#) {
                self.require(name);
            } else {
                self.0.remove(name);
            }
        }
    }

    /// Notes that the tool of that name, as JSON text, is called as a task only.
    pub(super) fn require(&mut self, name: &str) {
        if self.0.len() < MAX_TOOLS {
            self.0.insert(name.to_owned());
        }
    }

    /// Says whether a request calls such a tool.
    pub(super) fn are_called_by(&self, request: &Frame) -> bool {
        request.method() == Some("tools/call")
            && request
                .param("name")
                .is_some_and(|name| self.0.contains(name))
    }

    /// Takes over what another session has learnt of the same server.
    pub(super) fn join(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }
}

/// Returns a call as one that is to become a task.
pub(super) fn as_task(request: &Frame) -> Frame {
    request.edit(|message| message.edit("params", |params| params.set("task", TASK)))
}

/// Says whether an answer refuses a call because the tool is called as a task only: the error of the specification, or
/// the tool's result that servers of the official TypeScript SDK make of it.
pub(super) fn wants_task(answer: &Frame) -> bool {
    if answer.is_error() {
        return answer.error_code() == Some(METHOD_NOT_FOUND);
    }
    let is_error = answer.member_in("result", "isError") == Some("true");
    let content = answer
        .member_in("result", "content")
        .filter(|_| is_error)
        .unwrap_or("[]");
    let content: Vec<&RawValue> = serde_json::from_str(content).unwrap_or_default();
    let [text] = content.as_slice() else {
        return false;
    };
    let text = member_of(text.get(), "text").and_then(string);
    text.is_some_and(|text| {
        text.starts_with(&format!("MCP error {METHOD_NOT_FOUND}: Tool "))
            && text.ends_with(" requires task augmentation (taskSupport: 'required')")
    })
}

/// Returns the id of the task that a message says it belongs to, as JSON text.
pub(super) fn related(frame: &Frame) -> Option<&str> {
    member_of(frame.meta(RELATED)?, "taskId")
}

/// Returns the result of a task without what only a legacy host knows.
pub(super) fn without_related(frame: &Frame) -> Frame {
    let meta = frame.member_in("result", "_meta").and_then(Object::read);
    let Some(mut meta) = meta.filter(|meta| meta.get(RELATED).is_some()) else {
        return frame.clone();
    };
    meta.remove(RELATED);
    frame.edit(|message| {
        message.edit("result", |result| match meta.is_empty() {
            true => {
                result.remove("_meta");
            }
            false => result.set_object("_meta", meta.clone()),
        });
    })
}

/// A call that is made as a task.
#[derive(Default)]
pub(super) struct CalledTask {
    /// Its id as JSON text; none before the server has named it.
    pub(super) id: Option<String>,
    /// The opening of the session that it was begun in, where that could be lost.
    pub(super) opening: Option<u64>,
    /// The words of its status, as JSON text.
    pub(super) words: Option<String>,
    pub(super) pace: Duration,
    /// Answers in a row that did not come.
    pub(super) failures: u32,
    /// A poll is out, or the time for one is set.
    pub(super) is_polled: bool,
    /// The server has said that the work is over: what it answers to `tasks/result` is the answer.
    pub(super) is_over: bool,
    /// The number of the `tasks/result` that is with the server.
    pub(super) result: Option<u64>,
    /// The server does not answer `tasks/result` before the work is over.
    pub(super) is_result_late: bool,
    /// The server's error to a poll.
    pub(super) fault: Option<Frame>,
}

/// The status of a task.
pub(super) enum TaskStatus {
    Working,
    /// The server asks for something on the stream of `tasks/result`.
    InputRequired,
    /// It is completed, or has failed.
    Over,
    Cancelled,
}

impl CalledTask {
    /// Takes the server's answer to the call, and says whether it names a task.
    pub(super) fn begin(&mut self, answer: &Frame, opening: Option<u64>) -> bool {
        let task = answer
            .member_in("result", "task")
            .filter(|_| !answer.is_error());
        let id = task.and_then(|task| member_of(task, "taskId"));
        let (Some(task), Some(id)) = (task, id.filter(|id| id.starts_with('"'))) else {
            return false;
        };
        self.id = Some(id.to_owned());
        self.opening = opening;
        self.pace = PACE;
        self.read(task);
        true
    }

    /// Takes a status, which is the text of an object.
    pub(super) fn read(&mut self, task: &str) -> TaskStatus {
        self.pace = pace(member_of(task, "pollInterval"), self.pace);
        self.words = member_of(task, "statusMessage").map(str::to_owned);
        match member_of(task, "status").and_then(string).as_deref() {
            Some("input_required") => TaskStatus::InputRequired,
            Some("completed" | "failed") => TaskStatus::Over,
            Some("cancelled") => TaskStatus::Cancelled,
            _ => TaskStatus::Working,
        }
    }

    /// Returns the parameters of a request about it.
    pub(super) fn params(&self) -> Option<String> {
        Some(format!(r#"{{"taskId":{}}}"#, self.id.as_ref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Frame {
        Frame::parse(&format!(r#"{{"jsonrpc":"2.0","id":1,{text}}}"#)).unwrap()
    }

    #[test]
    fn a_refusal_for_want_of_a_task_is_told_from_others() {
        let of_sdk = |words: &str| {
            format!(r#""result":{{"content":[{{"type":"text","text":"{words}"}}],"isError":true}}"#)
        };
        for (text, wants) in [
            (r#""error":{"code":-32601,"message":"x"}"#.to_owned(), true),
            (r#""error":{"code":-32602,"message":"x"}"#.to_owned(), false),
            (
                of_sdk(
                    "MCP error -32601: Tool dig requires task augmentation (taskSupport: 'required')",
                ),
                true,
            ),
            (of_sdk("MCP error -32601: Tool dig was not found"), false),
            (
                of_sdk("It requires task augmentation (taskSupport: 'required')"),
                false,
            ),
            (r#""result":{"content":[]}"#.to_owned(), false),
        ] {
            assert_eq!(wants_task(&answer(&text)), wants, "{text}");
        }
    }

    #[test]
    fn a_list_says_which_tools_are_called_as_tasks() {
        let mut tools = TaskTools::default();
        let calls = |name: &str| {
            let params = format!(r#"{{"name":"{name}"}}"#);
            Frame::request(&crate::frame::Id::ours(1), "tools/call", Some(&params))
        };
        tools.learn(&answer(
            r#""result":{"tools":[{"name":"a","execution":{"taskSupport":"required"}},{"name":"b","execution":{"taskSupport":"optional"}},{"name":"c"},3]}"#,
        ));
        assert!(tools.are_called_by(&calls("a")));
        assert!(!tools.are_called_by(&calls("b")) && !tools.are_called_by(&calls("c")));
        tools.learn(&answer(r#""result":{"tools":[{"name":"a"}]}"#));
        assert!(!tools.are_called_by(&calls("a")));
    }
}
