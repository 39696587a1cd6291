//! `mcpipe tasks`: the tasks of a server (MCP 2025-11-25, basic/utilities/tasks, and the extension of SEP-2663).

use serde_json::{Value, json};

use crate::cli::{TasksAction, TasksArgs};
use crate::commands::print;
use crate::commands::requests::simple::result_of;
use crate::logging::Output;
use crate::report::{Failure, Kind};
use crate::settings::Environment;
use crate::text::printable;

/// The capabilities of a client that knows the extension.
const CAPABILITIES: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

/// Lists tasks, shows or cancels one, or prints its result.
///
/// # Errors
/// An action without the task's id, all that a session fails of, or an action that the server's era does not have.
pub(super) async fn run(
    args: TasksArgs,
    env: &Environment,
    stderr: &Output,
) -> Result<(), Failure> {
    let action = args.action.unwrap_or(TasksAction::List);
    let id = match (action, args.id) {
        (TasksAction::List, _) => String::new(),
        (_, Some(id)) => id,
        (_, None) => {
            return Err(Failure::usage("the task's id is missing").hint(
                "`mcpipe tasks TARGET list` shows the ids, where the server lists its tasks",
            ));
        }
    };
    let request = |is_modern| {
        let by_id = || json!({ "taskId": id }).to_string();
        Ok(match (action, is_modern) {
            (TasksAction::List, false) => ("tasks/list", "{}".to_owned()),
            (TasksAction::List, true) => {
                let what = "a server of 2026-07-28 does not list its tasks";
                return Err(Failure::new(Kind::Failed, what).hint(
                    "run `mcpipe tasks TARGET get ID` with the id that the call has printed",
                ));
            }
            (TasksAction::Cancel, _) => ("tasks/cancel", by_id()),
            (TasksAction::Result, false) => ("tasks/result", by_id()),
            // There a finished task has its result with it.
            (TasksAction::Get, _) | (TasksAction::Result, true) => ("tasks/get", by_id()),
        })
    };
    let answer = result_of(args.client, CAPABILITIES, env, stderr, request).await?;
    if args.json || action == TasksAction::Result && !answer.is_modern {
        return print(&format!("{}\n", answer.result));
    }
    let result: Value = serde_json::from_str(&answer.result).unwrap_or_default();
    if action == TasksAction::Result {
        return match result.get("result") {
            Some(result) => print(&format!("{result}\n")),
            None => Err(Failure::new(
                Kind::Failed,
                format!("the task has no result: it is {}", status(&result)),
            )
            .hint("run `mcpipe tasks TARGET get ID` again later")),
        };
    }
    let tasks = match result.get("tasks").and_then(Value::as_array) {
        Some(tasks) => tasks.as_slice(),
        None if action == TasksAction::List => &[],
        None => std::slice::from_ref(&result),
    };
    if action == TasksAction::Cancel && tasks.iter().all(|task| task.get("taskId").is_none()) {
        return print("The server has taken the cancellation.\n");
    }
    print(&tasks.iter().map(line).collect::<String>())
}

fn status(task: &Value) -> String {
    let status = task.get("status").and_then(Value::as_str);
    printable(status.unwrap_or("without a status"), 40)
}

/// Returns a task as a line: its id, its status, and what the server says of it.
fn line(task: &Value) -> String {
    let member = |name| task.get(name).and_then(Value::as_str).unwrap_or_default();
    let words = [
        printable(member("taskId"), 200),
        status(task),
        printable(member("createdAt"), 40),
        printable(member("statusMessage"), 500),
    ];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join("  ") + "\n"
}
