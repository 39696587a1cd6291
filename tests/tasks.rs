//! Tasks of servers whose host leaves, with the real binary: the server hears of each task that nobody waits for before
//! the process has ended.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::host::{Exit, INITIALIZED, Process, cancelled, json};
use crate::support::remote::{Ask, Reply, Server, Step};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"host","version":"1"}}}"#;

/// The time that leaving may measure on a busy machine.
const SOON: Duration = Duration::from_secs(5);

fn call(id: u32, tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#
    )
}

/// A modern server that makes a task of each call, named for the tool, and never finishes one. A call of `block` is not
/// answered.
fn makes_tasks(ask: &Ask) -> Reply {
    let body = json(&ask.body);
    match ask.label().as_str() {
        "POST server/discover" => Reply::result(
            ask,
            r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},"ttlMs":0,"cacheScope":"private","resultType":"complete"}"#,
        ),
        "POST tools/call" if body["params"]["name"] == "block" => {
            Reply::accepted().after(Step::forever())
        }
        "POST tools/call" => {
            let task = body["params"]["name"].as_str().unwrap();
            Reply::result(
                ask,
                &format!(
                    r#"{{"resultType":"task","taskId":"{task}","status":"working","pollIntervalMs":100}}"#
                ),
            )
        }
        "POST tasks/get" => {
            let task = body["params"]["taskId"].as_str().unwrap();
            Reply::result(
                ask,
                &format!(
                    r#"{{"resultType":"complete","taskId":"{task}","status":"working","pollIntervalMs":100}}"#
                ),
            )
        }
        "POST initialize" => Reply::status(400),
        _ => Reply::result(ask, r#"{"resultType":"complete"}"#),
    }
}

/// The same, but a cancellation is not answered.
fn slow_to_cancel(ask: &Ask) -> Reply {
    match ask.label().as_str() {
        "POST tasks/cancel" => Reply::accepted().after(Step::forever()),
        _ => makes_tasks(ask),
    }
}

/// A host whose calls have become tasks of these names.
async fn with_tasks(server: &Server, arguments: &[&str], tasks: &[&str]) -> Process {
    let url = server.url();
    let arguments: Vec<_> = arguments.iter().copied().chain([&*url]).collect();
    let mut host = Process::start_with(&arguments, &[("MCPIPE_PROTOCOL", "auto")]);
    host.send(INITIALIZE).await;
    assert!(host.next().await.contains("protocolVersion"));
    host.send(INITIALIZED).await;
    for (id, task) in (1..).zip(tasks) {
        host.send(call(id, task)).await;
    }
    server.asked("POST tools/call", tasks.len()).await;
    server.asked("POST tasks/get", tasks.len()).await;
    host
}

/// The tasks that the server was told to cancel.
fn cancelled_tasks(server: &Server) -> Vec<String> {
    let cancels = server.all();
    let cancels = cancels
        .iter()
        .filter(|ask| ask.label() == "POST tasks/cancel");
    let tasks = cancels.map(|ask| {
        let task = json(&ask.body)["params"]["taskId"].clone();
        assert_eq!(ask.header("mcp-name"), task.as_str());
        task.as_str().unwrap().to_owned()
    });
    tasks.collect()
}

fn all_cancelled(server: &Server, tasks: &[&str], left: &Exit) {
    let cancelled = cancelled_tasks(server);
    let once: BTreeSet<_> = cancelled.iter().map(String::as_str).collect();
    assert_eq!(once, tasks.iter().copied().collect(), "{}", left.stderr);
    assert_eq!(cancelled.len(), tasks.len());
}

const TASKS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[tokio::test]
async fn a_host_that_closes_its_end_leaves_no_task_at_work() {
    let server = Server::that(makes_tasks).await;
    let host = with_tasks(&server, &["--grace", "1"], &TASKS).await;
    let left = host.closed().await;
    assert!(left.took < SOON, "{:?}", left.took);
    all_cancelled(&server, &TASKS, &left);
    assert_eq!(left.answers().len(), TASKS.len());
}

#[cfg(unix)]
#[tokio::test]
async fn a_bridge_that_is_told_to_stop_leaves_no_task_at_work() {
    for remote in [makes_tasks as fn(&Ask) -> Reply, slow_to_cancel] {
        let server = Server::that(remote).await;
        let host = with_tasks(&server, &[], &TASKS).await;
        host.signal(rustix::process::Signal::TERM);
        let left = host.exit().await;
        assert!(left.took < SOON, "{:?}", left.took);
        all_cancelled(&server, &TASKS, &left);
    }
}

#[tokio::test]
async fn a_host_that_stops_reading_leaves_no_task_at_work() {
    let server = Server::that(makes_tasks).await;
    let mut host = with_tasks(&server, &[], &TASKS).await;
    host.stop_reading();
    // The bridge sees it when it writes.
    host.send(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#)
        .await;
    let left = host.exit().await;
    all_cancelled(&server, &TASKS, &left);
}

#[tokio::test]
async fn a_task_is_cancelled_although_the_server_has_all_the_requests_that_it_may_get() {
    let server = Server::that(makes_tasks).await;
    let mut host = with_tasks(&server, &["--max-in-flight", "1"], &["a"]).await;
    host.send(call(2, "block")).await;
    server.asked("POST tools/call", 2).await;
    host.send(cancelled(1)).await;
    server.asked("POST tasks/cancel", 1).await;
    assert_eq!(cancelled_tasks(&server), ["a"]);
    host.send(cancelled(2)).await;
    host.closed().await;
}
