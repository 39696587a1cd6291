//! The promise of the whole bridge, over random schedules: whatever host and remote do, each request gets exactly one
//! outcome unless it was cancelled, and none after that; nothing reaches the host that nobody said; no call is done
//! twice; and the bridge ends.
//!
//! The remote is in memory and time is paused, so a case takes a millisecond. `MCPIPE_CHAOS_CASES` plays more of them
//! (default 400), `MCPIPE_CHAOS_SEED` others; a failure names the schedule, shrunk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpipe::era::Transport;
use mcpipe::frame::Frame;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{self, Instant};
use tokio_util::task::TaskTracker;

use crate::support::host::{INITIALIZED, Near, cancelled, json, settings, text};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Body, Reply, Step, result_of};

/// What the host does, in order.
#[derive(Clone, Debug)]
enum Said {
    /// A request that may do harm, or one that does none.
    Call,
    List,
    /// Several requests in one line.
    Batch(usize),
    Ping,
    Note,
    Subscribe,
    Initialize,
    /// Cancels one of the requests said so far.
    Cancel(prop::sample::Index),
    /// Answers the remote's oldest open question.
    Answer,
    Wait(u64),
    /// The remote forgets its session and its streams.
    Restart,
}

/// How the remote takes one request.
#[derive(Clone, Debug)]
enum Mood {
    Plain {
        after: u64,
    },
    /// Truncated in the middle of its body.
    Short {
        at: usize,
    },
    Stream {
        has_ids: bool,
        notes: usize,
        asks: bool,
        cut: Option<usize>,
        after: u64,
    },
    Refuse {
        status: u16,
        retry: Option<u64>,
    },
    Unreachable,
    Cut,
    Accepted,
    Nonsense,
    ForAnother,
    Never,
}

/// How the remote takes a GET.
#[derive(Clone, Debug)]
enum Standing {
    NotOffered,
    Notes { notes: usize, cut: Option<usize> },
    Busy,
    Never,
    Unreachable,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Eof,
    Told,
    ToldTwice,
    Deaf,
}

#[derive(Clone, Debug)]
struct Schedule {
    transport: Transport,
    said: Vec<Said>,
    moods: Vec<Mood>,
    openings: Vec<Mood>,
    standings: Vec<Standing>,
    /// How long the host takes to read a line.
    reading: u64,
    max_in_flight: usize,
    call_timeout: Option<u64>,
    end: End,
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let said = prop_oneof![
        6 => Just(Said::Call),
        3 => Just(Said::List),
        1 => (0..4usize).prop_map(Said::Batch),
        1 => Just(Said::Ping),
        1 => Just(Said::Note),
        1 => Just(Said::Subscribe),
        1 => Just(Said::Initialize),
        3 => any::<prop::sample::Index>().prop_map(Said::Cancel),
        2 => Just(Said::Answer),
        3 => (0..20_000u64).prop_map(Said::Wait),
        2 => Just(Said::Restart),
    ];
    let after = || prop_oneof![3 => Just(0), 1 => 0..40_000u64];
    let cut = || prop_oneof![1 => Just(None), 2 => (0..600usize).prop_map(Some)];
    let stream = (any::<bool>(), 0..4usize, any::<bool>(), cut(), after()).prop_map(
        |(has_ids, notes, asks, cut, after)| Mood::Stream {
            has_ids,
            notes,
            asks,
            cut,
            after,
        },
    );
    let refuse = (
        prop::sample::select(vec![400, 403, 404, 408, 410, 429, 500, 502, 503, 504]),
        prop::option::of(0..50u64),
    )
        .prop_map(|(status, retry)| Mood::Refuse { status, retry });
    let mood = prop_oneof![
        4 => after().prop_map(|after| Mood::Plain { after }),
        2 => (0..60usize).prop_map(|at| Mood::Short { at }),
        6 => stream,
        2 => refuse,
        1 => Just(Mood::Unreachable),
        1 => Just(Mood::Cut),
        1 => Just(Mood::Accepted),
        1 => Just(Mood::Nonsense),
        1 => Just(Mood::ForAnother),
        1 => Just(Mood::Never),
    ];
    let opening = prop_oneof![
        8 => after().prop_map(|after| Mood::Plain { after }),
        1 => Just(Mood::Refuse { status: 500, retry: None }),
        1 => Just(Mood::Unreachable),
        1 => Just(Mood::Cut),
        1 => (0..60usize).prop_map(|at| Mood::Short { at }),
    ];
    let standing = prop_oneof![
        2 => Just(Standing::NotOffered),
        4 => (0..4usize, cut()).prop_map(|(notes, cut)| Standing::Notes { notes, cut }),
        1 => Just(Standing::Busy),
        1 => Just(Standing::Never),
        1 => Just(Standing::Unreachable),
    ];
    let end = prop_oneof![
        4 => Just(End::Eof),
        2 => Just(End::Told),
        1 => Just(End::ToldTwice),
        1 => Just(End::Deaf),
    ];
    let transport = prop_oneof![
        4 => Just(Transport::HttpFirst),
        1 => Just(Transport::SseOnly),
        1 => Just(Transport::SseFirst),
    ];
    (
        (transport, prop::collection::vec(said, 1..25)),
        prop::collection::vec(mood, 1..12),
        prop::collection::vec(opening, 1..4),
        prop::collection::vec(standing, 1..4),
        (
            prop_oneof![2 => Just(0u64), 1 => 0..300u64],
            prop_oneof![Just(512usize), 1..4usize],
            prop_oneof![2 => Just(None), 1 => (1..60_000u64).prop_map(Some)],
        ),
        end,
    )
        .prop_map(
            |(
                (transport, said),
                moods,
                openings,
                standings,
                (reading, max_in_flight, call_timeout),
                end,
            )| Schedule {
                transport,
                said,
                moods,
                openings,
                standings,
                reading,
                max_in_flight,
                call_timeout,
                end,
            },
        )
}

/// The remote: sessions, an event store, and its moods.
struct Model {
    schedule: Schedule,
    turns: BTreeMap<&'static str, usize>,
    opened: usize,
    is_known: bool,
    /// What is left of each resumable stream: its events.
    store: BTreeMap<String, Vec<String>>,
    /// HTTP+SSE's stream.
    stream: Option<mpsc::UnboundedSender<Step>>,
    minted: usize,
    /// How often each call may have been done.
    done: BTreeMap<String, usize>,
}

impl Model {
    fn turn(&mut self, of: &'static str) -> usize {
        let turn = self.turns.entry(of).or_default();
        *turn += 1;
        *turn - 1
    }

    fn mint(&mut self) -> usize {
        self.minted += 1;
        self.minted
    }

    fn note(&mut self) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","method":"n","params":{{"nth":{}}}}}"#,
            self.mint()
        )
    }

    fn answer(&mut self, ask: &Ask) -> Reply {
        let is_inside = ask.header("mcp-session-id") == Some(&format!("session-{}", self.opened));
        let is_old = self.schedule.transport != Transport::HttpFirst;
        if is_old && ask.path == "/mcp" {
            return self.old_stream(ask);
        }
        match (ask.verb.as_str(), Frame::parse(&ask.body)) {
            ("DELETE", _) => Reply::status(200),
            ("POST", Ok(frame)) if frame.method() == Some("initialize") => {
                let turn = self.turn("opening");
                let mood = self.schedule.openings[turn % self.schedule.openings.len()].clone();
                self.opened += 1;
                self.is_known = true;
                let session = format!("session-{}", self.opened);
                let result = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}}}"#;
                self.moody(ask, &mood, result)
                    .with("Mcp-Session-Id", &session)
            }
            _ if !(is_old || is_inside && self.is_known) => Reply::status(404),
            ("GET", _) => self.standing(ask),
            ("POST", Ok(frame)) if frame.is_request() => {
                let turn = self.turn("request");
                let mood = self.schedule.moods[turn % self.schedule.moods.len()].clone();
                let may_be_done = match mood {
                    Mood::Unreachable
                    | Mood::Refuse {
                        status: 404 | 410 | 429,
                        ..
                    } => false,
                    Mood::Refuse { status: 503, retry } => retry.is_none(),
                    _ => true,
                };
                if frame.method() == Some("tools/call") && may_be_done {
                    *self.done.entry(ask.id()).or_default() += 1;
                }
                let result = format!(r#"{{"echo":{}}}"#, ask.id());
                self.moody(ask, &mood, &result)
            }
            ("POST", _) => match self.turn("word") % 7 {
                3 => Reply::accepted().after(Step::Pause(Duration::from_millis(700))),
                4 if ask.label() == "POST notifications/cancelled" => Reply::status(500),
                5 if ask.label() == "POST answer" => Reply::cut(),
                _ => Reply::accepted(),
            },
            _ => Reply::status(405),
        }
    }

    fn moody(&mut self, ask: &Ask, mood: &Mood, result: &str) -> Reply {
        let answer = result_of(ask, result);
        let pause = |after: &u64| Step::Pause(Duration::from_millis(*after));
        if self.schedule.transport != Transport::HttpFirst {
            return self.old_answer(mood, answer);
        }
        match mood {
            Mood::Plain { after } => Reply::json(answer).after(pause(after)),
            Mood::Short { at } => {
                let mut reply = Reply::json("");
                let at = (*at).min(answer.len() - 1);
                reply.body = Body::Announced(answer.len(), vec![Step::text(&answer[..at])]);
                reply
            }
            Mood::Stream {
                has_ids,
                notes,
                asks,
                cut,
                after,
            } => {
                let mut events: Vec<String> = (0..*notes).map(|_| self.note()).collect();
                if *asks {
                    let id = self.mint();
                    events.push(format!(
                        r#"{{"jsonrpc":"2.0","id":"q{id}","method":"elicitation/create"}}"#
                    ));
                }
                events.push(answer);
                let name = format!("s{}", self.mint());
                if *has_ids {
                    self.store.insert(name.clone(), events.clone());
                }
                stream(has_ids.then_some(name.as_str()), 0, &events, *cut).after(pause(after))
            }
            Mood::Refuse { status, retry } => {
                let reply = Reply::status(*status);
                match retry {
                    Some(seconds) => reply.with("Retry-After", &seconds.to_string()),
                    None => reply,
                }
            }
            Mood::Unreachable => Reply::unreachable(),
            Mood::Cut => Reply::cut(),
            Mood::Accepted => Reply::accepted(),
            Mood::Nonsense => Reply::json("<html>"),
            Mood::ForAnother => Reply::json(r#"{"jsonrpc":"2.0","id":"nobody","result":{}}"#),
            Mood::Never => Reply::accepted().after(Step::forever()),
        }
    }

    fn standing(&mut self, ask: &Ask) -> Reply {
        if let Some(last) = ask.header("last-event-id") {
            let (name, nth) = last.split_once('.').unwrap();
            let seen: usize = nth.parse().unwrap();
            return match (self.turn("resumption") % 5, self.store.get(name)) {
                (1, _) => Reply::status(409),
                (3, Some(events)) => stream(Some(name), seen, events, Some(90)),
                (_, Some(events)) => stream(Some(name), seen, events, None),
                (_, None) => Reply::status(400),
            };
        }
        let turn = self.turn("standing");
        match self.schedule.standings[turn % self.schedule.standings.len()].clone() {
            Standing::NotOffered => Reply::status(405),
            Standing::Busy => Reply::status(503),
            Standing::Never => Reply::events([]).after(Step::forever()),
            Standing::Unreachable => Reply::unreachable(),
            Standing::Notes { notes, cut } => {
                let events: Vec<_> = (0..notes).map(|_| self.note()).collect();
                let name = format!("s{}", self.mint());
                self.store.insert(name.clone(), events.clone());
                let mut reply = stream(Some(&name), 0, &events, cut);
                if let (Body::Chunked(steps), None) = (&mut reply.body, cut) {
                    steps.push(Step::forever());
                }
                reply
            }
        }
    }

    /// HTTP+SSE: the stream, or a refusal to be posted to.
    fn old_stream(&mut self, ask: &Ask) -> Reply {
        if ask.verb != "GET" {
            return Reply::status(405);
        }
        let turn = self.turn("standing");
        match self.schedule.standings[turn % self.schedule.standings.len()] {
            Standing::NotOffered | Standing::Busy => Reply::status(503),
            Standing::Unreachable => Reply::unreachable(),
            Standing::Never => Reply::events([Step::forever()]),
            Standing::Notes { .. } => {
                let (reply, steps) = Reply::live();
                steps
                    .send(Step::text("event: endpoint\ndata: /m\n\n"))
                    .unwrap();
                self.stream = Some(steps);
                reply
            }
        }
    }

    fn old_answer(&mut self, mood: &Mood, answer: String) -> Reply {
        let note = self.note();
        let Some(stream) = &self.stream else {
            return Reply::status(400);
        };
        let say = |step| drop(stream.send(step));
        match mood {
            Mood::Plain { after } => {
                say(Step::Pause(Duration::from_millis(*after / 10)));
                say(Step::event(answer));
            }
            Mood::Stream { .. } => {
                say(Step::event(note));
                say(Step::event(&answer));
                say(Step::event(answer));
            }
            Mood::Short { .. } | Mood::Nonsense => {
                say(Step::event(note));
                say(Step::text("data: {\"jsonrpc\":"));
                say(Step::Cut);
                self.stream = None;
            }
            Mood::Cut => self.stream = None,
            Mood::Refuse { status, .. } => return Reply::status(*status),
            Mood::Unreachable => return Reply::unreachable(),
            Mood::ForAnother | Mood::Accepted | Mood::Never => {}
        }
        Reply::accepted()
    }

    fn restart(&mut self) {
        self.is_known = false;
        self.store.clear();
        self.stream = None;
    }
}

/// A stream of these events from that one on, cut after so many bytes.
fn stream(name: Option<&str>, from: usize, events: &[String], cut: Option<usize>) -> Reply {
    let mut text = String::new();
    for (at, event) in events.iter().enumerate().skip(from) {
        match name {
            Some(name) => text.push_str(&format!("id: {name}.{}\ndata: {event}\n\n", at + 1)),
            None => text.push_str(&format!("data: {event}\n\n")),
        }
    }
    // A store also offers a way back when nothing has been said yet.
    if let (Some(name), 0) = (name, from) {
        text.insert_str(0, &format!("id: {name}.0\nretry: 10\ndata:\n\n"));
    }
    match cut {
        Some(at) if at < text.len() => Reply::events([Step::text(&text[..at]), Step::Cut]),
        _ => Reply::events([Step::text(text)]),
    }
}

/// The host's book: what it said and heard.
#[derive(Default)]
struct Book {
    /// Every request's id, and whether it must be answered.
    requests: BTreeMap<String, bool>,
    in_order: Vec<String>,
    /// Cancelled, and how many lines had been heard when that was certainly known.
    cancelled: BTreeMap<String, usize>,
    initializes: BTreeSet<String>,
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

type Heard = Arc<Mutex<Vec<String>>>;

/// Enough time for everything said to have been dealt with by a bridge that has nothing to wait for.
async fn settle(schedule: &Schedule) {
    time::sleep(Duration::from_millis(1 + 70 * schedule.reading)).await;
}

async fn play(schedule: &Schedule) {
    let model = Arc::new(Mutex::new(Model {
        schedule: schedule.clone(),
        turns: BTreeMap::new(),
        opened: 0,
        is_known: false,
        store: BTreeMap::new(),
        stream: None,
        minted: 0,
        done: BTreeMap::new(),
    }));
    let answering = Arc::clone(&model);
    let remote = Memory::that(move |ask| answering.lock().unwrap().answer(ask));
    let mut settings = settings();
    settings.transport = schedule.transport;
    settings.max_in_flight = schedule.max_in_flight;
    settings.call_timeout = schedule.call_timeout.map(Duration::from_millis);
    let mut host = Near::bridged_to(remote.remote(), settings);

    let heard = Heard::default();
    let mut out = std::mem::replace(&mut host.out, mpsc::channel(1).1);
    let (reading, ear) = (schedule.reading, Arc::clone(&heard));
    let reader = TaskTracker::new().spawn(async move {
        while let Some(line) = out.recv().await {
            ear.lock().unwrap().push(text(&line));
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

/// The ids of the remote's questions, in order.
fn questions(heard: &[String]) -> Vec<String> {
    let lines = heard.iter().flat_map(|line| members(line));
    let questions = lines.filter(|line| line["method"] == "elicitation/create");
    questions.map(|line| line["id"].to_string()).collect()
}

fn check(schedule: &Schedule, book: &Book, heard: &[String]) {
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
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
                    *outcomes.entry(id).or_default() += 1;
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
    let cases = number("MCPIPE_CHAOS_CASES").unwrap_or(400);
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
