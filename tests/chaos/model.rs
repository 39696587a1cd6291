//! The remote of a case: sessions, an event store, HTTP+SSE, and its moods.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcpipe::era::Transport;
use mcpipe::frame::Frame;
use tokio::sync::mpsc;

use super::schedule::{Mood, Schedule, Standing};
use crate::support::remote::{Ask, Body, Reply, Step, result_of};

/// The remote: sessions, an event store, and its moods.
pub(super) struct Model {
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
    pub(super) done: BTreeMap<String, usize>,
    /// Requests that the remote took and will never answer.
    pub(super) silenced: BTreeSet<String>,
}

impl Model {
    pub(super) fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            turns: BTreeMap::new(),
            opened: 0,
            is_known: false,
            store: BTreeMap::new(),
            stream: None,
            minted: 0,
            done: BTreeMap::new(),
            silenced: BTreeSet::new(),
        }
    }

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

    pub(super) fn answer(&mut self, ask: &Ask) -> Reply {
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
                let result = r#"{"protocolVersion":"2025-03-26","capabilities":{"tools":{"listChanged":true}}}"#;
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
            return self.old_answer(ask, mood, answer);
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
            Mood::ForAnother { spelling, stays } => {
                let id = misspelt(&ask.id(), *spelling);
                let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
                // On a stream that goes on, the id of another open request is believed.
                let may_stay = spelling % 6 != 4;
                match spelling / 6 % 2 {
                    0 => Reply::json(answer),
                    _ => {
                        let mut steps = vec![Step::event(answer)];
                        steps.extend((*stays && may_stay).then(Step::forever));
                        Reply::events(steps)
                    }
                }
            }
            Mood::Never => {
                self.silenced.insert(ask.id());
                Reply::accepted().after(Step::forever())
            }
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

    fn old_answer(&mut self, ask: &Ask, mood: &Mood, answer: String) -> Reply {
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
            Mood::ForAnother { spelling, .. } => {
                // Only in its type: on a stream of many answers a wrong id may be a right one, of another.
                let id = misspelt(&ask.id(), spelling % 2);
                say(Step::event(answer.replacen(
                    &format!(r#""id":{}"#, ask.id()),
                    &format!(r#""id":{id}"#),
                    1,
                )));
            }
            Mood::Accepted | Mood::Never => {
                self.silenced.insert(ask.id());
            }
        }
        Reply::accepted()
    }

    pub(super) fn restart(&mut self) {
        self.is_known = false;
        self.store.clear();
        self.stream = None;
    }
}

/// The id as servers write it that keep to none of its type and value.
fn misspelt(id: &str, spelling: u8) -> String {
    let bare = id.trim_matches('"');
    match spelling % 6 {
        0 if id.starts_with('"') => bare.into(),
        0 => format!("\"{bare}\""),
        1 if id.starts_with('"') => format!("{bare}.0"),
        1 => format!("{bare}.00"),
        2 => "0".into(),
        3 => "null".into(),
        4 => (bare.parse::<u64>().unwrap_or_default() + 1).to_string(),
        _ => "\"nobody\"".into(),
    }
}

/// A stream of these events from that one on, cut after so many bytes.
pub(super) fn stream(
    name: Option<&str>,
    from: usize,
    events: &[String],
    cut: Option<usize>,
) -> Reply {
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
