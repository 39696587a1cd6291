//! The server of the soak: it answers calls as streams that it cuts, and keeps the books.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::Era;
use super::remote::{Ask, Reply, Server, Step, ordinary, result_of};

/// The remote's side of the books.
pub(super) struct Books {
    era: Era,
    /// No connection is cut, and every second answer is JSON.
    holds: bool,
    random: u64,
    /// What a stream still has to say, by the stream's number. Only a legacy server keeps it.
    store: HashMap<u64, Kept>,
    streams: u64,
    notes: u64,
    /// Notifications that reached the other side as a whole, or will when the stream is resumed.
    pub(super) notes_said: u64,
    /// How often each call was done.
    pub(super) done: HashMap<u64, u32>,
    /// Calls whose answer was cut and cannot be resumed.
    pub(super) lost: HashSet<u64>,
    pub(super) cuts: u64,
    pub(super) resumptions: u64,
}

/// The events of a stream, and how often in a row it was cut before it brought one.
struct Kept {
    events: Vec<String>,
    barren: u32,
}

/// The most cuts of one stream in a row that bring no event. The bridge gives a stream up after eight.
const MOST_BARREN: u32 = 3;

/// Starts the server.
pub(super) async fn serve(books: &Arc<Mutex<Books>>) -> Server {
    let books = Arc::clone(books);
    let server = Server::that(move |ask| books.lock().unwrap().answer(ask)).await;
    server.is_keeping.store(false, Ordering::SeqCst);
    server
}

impl Books {
    pub(super) fn new(era: Era, seed: u64, holds: bool) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            era,
            holds,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            store: HashMap::new(),
            streams: 0,
            notes: 0,
            notes_said: 0,
            done: HashMap::new(),
            lost: HashSet::new(),
            cuts: 0,
            resumptions: 0,
        }))
    }

    /// Xorshift: repeatable, and random enough to cut with.
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit
    }

    fn answer(&mut self, ask: &Ask) -> Reply {
        if let Some(last) = ask.header("last-event-id") {
            self.resumptions += 1;
            let (stream, nth) = last.split_once('.').unwrap();
            return self.stream(stream.parse().unwrap(), nth.parse().unwrap());
        }
        match (ask.label().as_str(), self.era) {
            ("POST tools/call", _) => {}
            ("POST server/discover", Era::Modern) => {
                return Reply::result(
                    ask,
                    r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":3600000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"soak","version":"1"}}}"#,
                );
            }
            ("POST server/discover", Era::Legacy) | ("POST initialize", Era::Modern) => {
                return Reply::status(404);
            }
            _ => return ordinary(ask),
        }
        let (_, nth) = ask.body.split_once(r#""call":"#).unwrap();
        let digits = nth.find(|it: char| !it.is_ascii_digit()).unwrap();
        let nth: u64 = nth[..digits].parse().unwrap();
        *self.done.entry(nth).or_default() += 1;
        let result = match self.era {
            Era::Legacy => format!(r#"{{"echo":{nth}}}"#),
            Era::Modern => format!(r#"{{"echo":{nth},"resultType":"complete"}}"#),
        };
        if self.holds && nth.is_multiple_of(2) {
            return Reply::result(ask, &result);
        }
        let mut events = Vec::new();
        for _ in 0..self.below(4) {
            self.notes += 1;
            events.push(format!(
                r#"{{"jsonrpc":"2.0","method":"n","params":{{"nth":{}}}}}"#,
                self.notes
            ));
        }
        events.push(result_of(ask, &result));
        match self.era {
            Era::Legacy => {
                self.notes_said += events.len() as u64 - 1;
                self.streams += 1;
                self.store.insert(self.streams, Kept { events, barren: 0 });
                self.stream(self.streams, 0)
            }
            Era::Modern => self.stream_once(nth, &events),
        }
    }

    /// A legacy server's stream from one event on, perhaps cut.
    fn stream(&mut self, stream: u64, from: usize) -> Reply {
        let mut text = format!("id: {stream}.{from}\nretry: 1\ndata:\n\n");
        let first = text.len();
        let kept = &self.store[&stream];
        let barren = kept.barren;
        let mut end_of_event = None;
        for (at, event) in kept.events.iter().enumerate().skip(from) {
            text.push_str(&format!("id: {stream}.{}\ndata: {event}\n\n", at + 1));
            end_of_event.get_or_insert(text.len());
        }
        let at = first + usize::try_from(self.below((text.len() - first) as u64)).unwrap();
        let is_barren = end_of_event.is_some_and(|end| at < end);
        // The bridge waits longer after each loss that follows another without an event in between: those are few.
        let is_too_much = is_barren && (barren >= MOST_BARREN || self.below(16) != 0);
        let is_first = from == 0 && barren == 0;
        if !self.is_cut() || (is_too_much && !is_first) {
            self.store.remove(&stream);
            return Reply::events([Step::text(text)]);
        }
        let kept = self.store.get_mut(&stream).unwrap();
        kept.barren = if is_barren { barren + 1 } else { 0 };
        self.cuts += 1;
        Reply::events([Step::text(&text[..at]), Step::Cut])
    }

    /// A modern server's stream, perhaps cut for good.
    fn stream_once(&mut self, call: u64, events: &[String]) -> Reply {
        let text: String = events
            .iter()
            .map(|event| format!("data: {event}\n\n"))
            .collect();
        if !self.is_cut() {
            self.notes_said += events.len() as u64 - 1;
            return Reply::events([Step::text(text)]);
        }
        self.cuts += 1;
        let at = usize::try_from(self.below(text.len() as u64)).unwrap();
        // The last event is the answer, and of that at least the last byte is missing.
        self.notes_said += text[..at].matches("\n\n").count() as u64;
        self.lost.insert(call);
        Reply::events([Step::text(&text[..at]), Step::Cut])
    }

    fn is_cut(&mut self) -> bool {
        !self.holds && self.below(5) != 0
    }
}
