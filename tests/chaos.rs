//! The promise of the whole bridge, over random schedules: whatever host and remote do, each request gets exactly one
//! outcome unless it was cancelled, and none after that; nothing reaches the host that the server did not say; no call is done
//! twice; and the bridge ends.
//!
//! The remote is in memory and time is paused, so a case takes a millisecond. `MCPIPE_CHAOS_CASES` plays more of them
//! (default 300), `MCPIPE_CHAOS_SEED` others; a failure names the schedule, shrunk.

mod model; // the server, its failures, and the outcomes that are allowed
mod schedule; // random schedules, and how they shrink

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{self, Instant};
use tokio_util::task::TaskTracker;

use self::model::Model;
use self::schedule::{End, Said, Schedule, schedules};
use crate::support::host::{INITIALIZED, InProcess, call_timeout, cancelled, json, settings};
use crate::support::memory::Memory;

/// The host's book: what it said and heard.
#[derive(Default)]
struct Book {
    /// Every request's id, and whether it must be answered.
    requests: BTreeMap<String, bool>,
    in_order: Vec<String>,
    /// Cancelled, and how many lines had been heard when that was certainly known.
    cancelled: BTreeMap<String, usize>,
    initializes: BTreeSet<String>,
    /// Those that are answered in one line.
    batches: Vec<Vec<String>>,
}

impl Book {
    fn request(&mut self, method: &str) -> String {
        let nth = self.requests.len();
        let id = if nth.is_multiple_of(2) {
            nth.to_string()
        } else {
            format!("\"{nth}\"")
        };
        self.requests.insert(id.clone(), true);
        self.in_order.push(id.clone());
        let params = format!(r#"{{"uri":"file:///{}"}}"#, nth % 3);
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
    }

    fn initialize(&mut self) -> String {
        let line = self.request("initialize");
        self.initializes
            .insert(self.in_order.last().unwrap().clone());
        line
    }
}

type ServerHints = Arc<Mutex<Vec<String>>>;

/// Enough time for everything said to have been dealt with by a bridge that has nothing to wait for.
async fn settle(schedule: &Schedule) {
    time::sleep(Duration::from_millis(1 + 70 * schedule.reading)).await;
}

async fn play(schedule: &Schedule) {
    let model = Arc::new(Mutex::new(Model::new(schedule.clone())));
    let answering = Arc::clone(&model);
    let remote = Memory::that(move |ask| answering.lock().unwrap().answer(ask));
    let mut settings = settings();
    settings.transport = schedule.transport;
    settings.max_in_flight = schedule.max_in_flight;
    let ceiling = schedule.call_timeout.map(Duration::from_millis);
    settings.policy.call_timeout = ceiling.map(call_timeout).unwrap_or_default();
    let mut host = InProcess::bridged_to(remote.remote(), settings);

    let heard = ServerHints::default();
    let mut out = std::mem::replace(&mut host.out, mpsc::channel(1).1);
    let (reading, ear) = (schedule.reading, Arc::clone(&heard));
    let reader = TaskTracker::new().spawn(async move {
        while let Some(line) = out.recv().await {
            ear.lock().unwrap().push(line.text());
            if reading > 0 {
                time::sleep(Duration::from_millis(reading)).await;
            }
        }
    });

    let mut book = Book::default();
    host.send(book.initialize()).await;
    host.send(INITIALIZED).await;
    let mut answered = 0;
    for said in &schedule.said {
        let line = match said {
            Said::Call => book.request("tools/call"),
            Said::List => book.request("tools/list"),
            Said::Ping => book.request("ping"),
            Said::Subscribe => book.request("resources/subscribe"),
            Said::Initialize => book.initialize(),
            Said::Note => r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#.into(),
            Said::Batch(size) => {
                let mut members: Vec<_> = (0..*size).map(|_| book.request("tools/call")).collect();
                members.push(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#.into());
                let ids = book.in_order.iter().rev().take(*size).cloned();
                book.batches.push(ids.collect());
                format!("[{}]", members.join(","))
            }
            Said::Wait(millis) => {
                time::sleep(Duration::from_millis(*millis)).await;
                continue;
            }
            Said::Restart => {
                model.lock().unwrap().restart();
                continue;
            }
            Said::Answer => {
                let question = questions(&heard.lock().unwrap()).into_iter().nth(answered);
                let Some(id) = question else { continue };
                answered += 1;
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
            }
            Said::Cancel(which) => {
                let id = which.get(&book.in_order).clone();
                host.send(cancelled(&id)).await;
                settle(schedule).await;
                let known = heard.lock().unwrap().len();
                if !book.initializes.contains(&id) {
                    book.cancelled.entry(id).or_insert(known);
                }
                continue;
            }
        };
        host.send(line).await;
    }

    if schedule.stays {
        time::sleep(Duration::from_secs(3600)).await;
        let mut silenced = model.lock().unwrap().silenced.clone();
        for batch in &book.batches {
            if batch.iter().any(|id| silenced.contains(id)) {
                silenced.extend(batch.iter().cloned());
            }
        }
        // With few places, those who wait for ever keep the others out.
        let is_jammed =
            schedule.call_timeout.is_none() && schedule.max_in_flight < 10 && !silenced.is_empty();
        let outcomes = outcomes(&heard.lock().unwrap());
        for id in book.requests.keys().filter(|_| !is_jammed) {
            let is_silenced = silenced.contains(id) && schedule.call_timeout.is_none();
            let is_settled =
                is_silenced || book.cancelled.contains_key(id) || outcomes.contains_key(id);
            assert!(is_settled, "{id} waits for nothing");
        }
    }

    let begun = Instant::now();
    match schedule.end {
        End::Eof => host.close(),
        End::Told => host.stop.soon.cancel(),
        End::ToldTwice => {
            host.stop.soon.cancel();
            host.stop.now.cancel();
        }
        End::Deaf => reader.abort(),
    }
    // As long as the grace after end of input, and then some for a slow reader.
    let latest = match schedule.end {
        End::Eof => Duration::from_secs(35),
        _ => Duration::from_secs(3),
    };
    let latest = latest + Duration::from_millis(schedule.reading * 400);
    let ended = time::timeout(latest, host.run).await;
    assert!(ended.is_ok(), "still there after {:?}", begun.elapsed());
    ended.unwrap().unwrap();
    let _ = reader.await;

    check(schedule, &book, &heard.lock().unwrap());
    for (id, times) in &model.lock().unwrap().done {
        assert!(*times <= 1, "call {id} was done {times} times");
    }
}

fn members(line: &str) -> Vec<Value> {
    match json(line) {
        Value::Array(members) => members,
        one => vec![one],
    }
}

/// How often each id was answered.
fn outcomes(heard: &[String]) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for message in heard.iter().flat_map(|line| members(line)) {
        if message.get("method").is_none() {
            *outcomes.entry(message["id"].to_string()).or_default() += 1;
        }
    }
    outcomes
}

/// The ids of the remote's questions, in order.
fn questions(heard: &[String]) -> Vec<String> {
    let lines = heard.iter().flat_map(|line| members(line));
    let questions = lines.filter(|line| line["method"] == "elicitation/create");
    questions.map(|line| line["id"].to_string()).collect()
}

fn check(schedule: &Schedule, book: &Book, heard: &[String]) {
    let outcomes = outcomes(heard);
    let mut seen = BTreeSet::new();
    for (at, line) in heard.iter().enumerate() {
        for message in members(line) {
            match message.get("method").and_then(Value::as_str) {
                None => {
                    let id = message["id"].to_string();
                    assert!(
                        book.requests.contains_key(&id),
                        "nobody asked for {message}"
                    );
                    if let Some(known) = book.cancelled.get(&id) {
                        assert!(at < *known, "answered after its cancellation: {message}");
                    }
                    if let Some(echo) = message["result"].get("echo") {
                        assert_eq!(echo.to_string(), id, "somebody else's answer");
                    }
                }
                Some("n" | "elicitation/create") => {
                    assert!(seen.insert(message.to_string()), "heard twice: {message}");
                }
                Some("notifications/tools/list_changed" | "notifications/resources/updated") => {}
                Some(_) => panic!("nobody said {message}"),
            }
        }
    }
    for id in book.requests.keys() {
        let times = outcomes.get(id).copied().unwrap_or_default();
        let is_owed = !book.cancelled.contains_key(id) && !matches!(schedule.end, End::Deaf);
        assert!(times <= 1, "{id} has {times} outcomes");
        assert!(times == 1 || !is_owed, "{id} has no outcome");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long and how differently to play is the caller's to say"
)]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_request_has_one_outcome_whatever_happens() {
    let cases = number("MCPIPE_CHAOS_CASES").unwrap_or(300);
    let seed = number("MCPIPE_CHAOS_SEED").unwrap_or(20_251_125);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: u32::try_from(cases).unwrap(),
        max_shrink_iters: 3000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let outcome = runner.run(&schedules(), |schedule| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(play(&schedule));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("MCPIPE_CHAOS_SEED={seed}: {error}");
    }
}
