//! Limits that processes share: the real binary, many of them.

use std::path::Path;

use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call;
use crate::support::host::{INITIALIZE, INITIALIZED, Process};
use crate::support::remote::{Server, Step, ordinary};

const PROCESSES: usize = 20;
const CALLS: u32 = 50;

async fn opened_in(home: &Path, arguments: &[&str], url: &str) -> Process {
    let arguments = [arguments, &[url]].concat();
    let mut host = Process::start_in(home, &arguments, &[]);
    host.send(INITIALIZE).await;
    assert!(host.next().await.contains("protocolVersion"));
    host.send(INITIALIZED).await;
    host
}

/// Lets each of many processes make many calls at once; returns the answers.
async fn flooded(
    home: &Path,
    arguments: &[&str],
    url: &str,
    heard: &watch::Sender<usize>,
) -> Vec<Value> {
    let mut hosts = Vec::new();
    for _ in 0..PROCESSES {
        hosts.push(opened_in(home, arguments, url).await);
    }
    let tracker = TaskTracker::new();
    let tasks: Vec<_> = hosts
        .into_iter()
        .map(|mut host| {
            let heard = heard.clone();
            tracker.spawn(async move {
                let lines: Vec<_> = (1..=CALLS).map(|id| call(id, "x")).collect();
                host.send(lines.join("\n")).await;
                let mut answers = Vec::new();
                for _ in 1..=CALLS {
                    answers.push(host.next_json().await);
                    heard.send_modify(|heard| *heard += 1);
                }
                host.closed().await;
                answers
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.unwrap());
    }
    answers
}

/// Checks that each answer is a result or a truthful refusal; returns the number of results.
fn passed(answers: &[Value], longest: u64) -> usize {
    assert_eq!(answers.len(), PROCESSES * usize::try_from(CALLS).unwrap());
    let mut passed = 0;
    for answer in answers {
        let data = &answer["error"]["data"];
        if answer.get("result").is_some() {
            passed += 1;
            continue;
        }
        assert_eq!(data["kind"], "rate_limited", "{answer}");
        let wait = data["retryAfterMs"].as_u64().unwrap();
        assert!((1..=longest).contains(&wait), "{answer}");
    }
    passed
}

#[tokio::test]
async fn a_thousand_calls_of_twenty_processes_take_one_bucket() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::that(ordinary).await;
    let started = tokio::time::Instant::now();
    let (url, arguments) = (server.url(), ["--rate-limit", "120/h"]);
    let answers = flooded(home.path(), &arguments, &url, &watch::Sender::new(0)).await;
    let passed = passed(&answers, 30_000);
    // One more for each half minute that the test took.
    let refilled = usize::try_from(started.elapsed().as_secs() / 30).unwrap();
    assert!((120..=121 + refilled).contains(&passed), "{passed}");
    assert_eq!(server.count("POST tools/call"), passed);
}

#[tokio::test]
async fn a_thousand_calls_of_twenty_processes_are_never_more_at_once_than_allowed() {
    let home = tempfile::tempdir().unwrap();
    let gate = CancellationToken::new();
    let opened = gate.clone();
    let server = Server::that(move |ask| match ask.label().as_str() {
        "POST tools/call" => ordinary(ask).after(Step::Until(opened.clone())),
        _ => ordinary(ask),
    })
    .await;
    let heard = watch::Sender::new(0);
    let all_refused = async {
        let mut heard = heard.subscribe();
        heard.wait_for(|heard| *heard == 993).await.unwrap();
        server.asked("POST tools/call", 7).await;
        assert_eq!(server.count("POST tools/call"), 7);
        gate.cancel();
    };
    let (url, arguments) = (server.url(), ["--max-concurrent", "7"]);
    let flood = flooded(home.path(), &arguments, &url, &heard);
    let (answers, ()) = tokio::join!(flood, all_refused);
    assert_eq!(passed(&answers, 1000), 7);
}

#[cfg(unix)]
#[tokio::test]
async fn places_of_a_killed_process_come_back() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" if ask.body.contains("hang") => ordinary(ask).after(Step::forever()),
        _ => ordinary(ask),
    })
    .await;
    let url = server.url();
    let mut first = opened_in(home.path(), &["--max-concurrent", "2"], &url).await;
    for id in 1..=2 {
        first.send(call(id, "hang")).await;
    }
    server.asked("POST tools/call", 2).await;
    let mut second = opened_in(home.path(), &["--max-concurrent", "2"], &url).await;
    second.send(call(1, "x")).await;
    assert_eq!(
        second.next_json().await["error"]["data"]["kind"],
        "rate_limited"
    );
    first.signal(rustix::process::Signal::KILL);
    first.exit().await;
    second.send(call(2, "x")).await;
    assert!(second.next_json().await.get("result").is_some());
}
