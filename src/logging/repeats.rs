//! Repetitions in the log. A line that a server or a host can cause as often as it likes is said once a minute, and at
//! debug up to a quota per exchange. The number kept back follows: with the next line of its kind, when the exchange
//! ends, and when the process does.
//!
//! A kind is a place in the code that writes a line. The filter goes by the place alone, so no such place has to know
//! of it; a line that the user's own settings and files cause is said each time. An exchange is a span of the name
//! [`EXCHANGE`] with a field of that name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::output::{Lost, Output};

const MINUTE: Duration = Duration::from_secs(60);

/// The name of an exchange's span, and of the field in it that holds its number.
const EXCHANGE: &str = "exchange";

/// Modules whose lines are about servers, hosts and authorization servers.
const PEERS: [&str; 6] = ["auth", "bridge", "era", "frame", "remote", "stdio"];

/// The number of lines of one kind that are said in a minute.
#[derive(Clone, Copy)]
struct Quota {
    per_exchange: u32,
    in_all: u32,
}

impl Quota {
    /// Returns the quota of a level. At debug nearly every line is wanted, but the log must not fill a disk.
    fn of(level: Level) -> Self {
        match level <= Level::INFO {
            true => Self {
                per_exchange: 1,
                in_all: 1,
            },
            false => Self {
                per_exchange: 500,
                in_all: 5000,
            },
        }
    }
}

/// Words for the number of further lines like one in the log, given that number and their place in the code.
pub(super) type More = fn(u64, &str) -> String;

/// A layer that keeps repetitions from the layers below. Clones keep one count.
#[derive(Clone)]
pub(super) struct Repeats(Arc<Parts>);

struct Parts {
    said: Mutex<Book>,
    to: Output,
    left_out: Lost,
    more: More,
}

/// The lines that were said, by kind. The second part of a key is the line's exchange, if it had one.
#[derive(Default)]
struct Book {
    lines: HashMap<(Identifier, Option<u64>), Said>,
    in_all: HashMap<Identifier, Count>,
}

struct Said {
    count: Count,
    /// Lines kept back since the last one.
    kept_back: u64,
    /// The place in the code.
    message: String,
}

/// Lines in the minute that began with the first of them.
struct Count {
    since: Instant,
    lines: u32,
}

impl Count {
    fn from(now: Instant) -> Self {
        Self {
            since: now,
            lines: 0,
        }
    }

    /// Counts one more line if it is within the quota, and says whether it is.
    fn takes(&mut self, quota: u32, now: Instant) -> bool {
        if now.duration_since(self.since) >= MINUTE {
            *self = Self::from(now);
        }
        let takes = self.lines < quota;
        self.lines += u32::from(takes);
        takes
    }
}

impl Book {
    /// Returns how many lines of this kind were kept back since the last one, if this one may be said.
    fn may_say(
        &mut self,
        kind: &Identifier,
        exchange: Option<u64>,
        quota: Quota,
        now: Instant,
        message: impl FnOnce() -> String,
    ) -> Option<u64> {
        let in_all = self.in_all.entry(kind.clone());
        let in_all = in_all.or_insert_with(|| Count::from(now));
        let said = match self.lines.entry((kind.clone(), exchange)) {
            Entry::Occupied(said) => said.into_mut(),
            Entry::Vacant(free) => {
                // Exchanges that have no count of their own share one.
                if !in_all.takes(quota.in_all, now) {
                    let rest = self.lines.entry((kind.clone(), None));
                    rest.or_insert_with(|| Said::nothing(now, message()))
                        .kept_back += 1;
                    return None;
                }
                let said = free.insert(Said::nothing(now, message()));
                said.count.takes(quota.per_exchange, now);
                return Some(0);
            }
        };
        if said.count.takes(quota.per_exchange, now) && in_all.takes(quota.in_all, now) {
            Some(std::mem::take(&mut said.kept_back))
        } else {
            said.kept_back += 1;
            None
        }
    }

    /// Returns the lines kept back in this exchange, or in all.
    fn close(&mut self, exchange: Option<u64>) -> Vec<(u64, String)> {
        let is_over = |(_, of): &(Identifier, Option<u64>)| exchange.is_none() || *of == exchange;
        let closed = self.lines.extract_if(|key, _| is_over(key));
        let mut closed: Vec<_> = closed
            .filter(|(_, said)| said.kept_back > 0)
            .map(|(_, said)| (said.kept_back, said.message))
            .collect();
        closed.sort_unstable();
        closed
    }
}

impl Said {
    fn nothing(now: Instant, message: String) -> Self {
        Self {
            count: Count::from(now),
            kept_back: 0,
            message,
        }
    }
}

impl Repeats {
    /// Makes a layer that says on `to` how many lines were kept back: in the words of `left_out` before the next of
    /// their kind, in those of `more` where none follows.
    pub(super) fn new(to: Output, left_out: Lost, more: More) -> Self {
        Self(Arc::new(Parts {
            said: Mutex::default(),
            to,
            left_out,
            more,
        }))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how many lines were kept back and not told of yet: those of one exchange, or all.
    pub(super) fn close(&self, exchange: Option<u64>) {
        let closed = self.book().close(exchange);
        for (lines, message) in closed {
            let text = (self.0.more)(lines, &message);
            self.0.to.line(text.as_bytes());
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Repeats {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().name() != EXCHANGE {
            return;
        }
        let mut number = Number(None);
        attributes.record(&mut number);
        if let (Some(span), Some(number)) = (context.span(id), number.0) {
            span.extensions_mut().insert(Exchange(number));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id);
        let exchange = span.and_then(|span| span.extensions().get::<Exchange>().map(|it| it.0));
        if exchange.is_some() {
            self.close(exchange);
        }
    }

    fn event_enabled(&self, event: &Event<'_>, context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if !is_caused_by_peers(metadata) {
            return true;
        }
        let mut spans = context.event_scope(event).into_iter().flatten();
        let exchange = spans.find_map(|span| span.extensions().get::<Exchange>().map(|it| it.0));
        #[expect(
            clippy::disallowed_methods,
            reason = "a layer is given events, and no time"
        )]
        let now = Instant::now();
        let quota = Quota::of(*metadata.level());
        let kind = metadata.callsite();
        let message = || place(metadata);
        let kept_back = self.book().may_say(&kind, exchange, quota, now, message);
        let Some(kept_back) = kept_back else {
            return false;
        };
        if kept_back > 0 {
            let text = (self.0.left_out)(kept_back);
            self.0.to.line(text.as_bytes());
        }
        true
    }
}

/// The number of an exchange, kept with its span.
struct Exchange(u64);

/// A visitor that reads the number of an exchange.
struct Number(Option<u64>);

impl Visit for Number {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == EXCHANGE {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Returns the place in the code of a kind of line.
fn place(metadata: &Metadata<'_>) -> String {
    match metadata.line() {
        Some(line) => format!("{}:{line}", metadata.target()),
        None => metadata.target().to_owned(),
    }
}

fn is_caused_by_peers(metadata: &Metadata<'_>) -> bool {
    let room = metadata.target().strip_prefix("mcpipe::");
    let room = room.and_then(|rest| rest.split("::").next());
    room.is_some_and(|room| PEERS.contains(&room))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the text written while `talk` runs, and the text at the end.
    fn said(talk: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let repeats = Repeats::new(
            Output::direct(page.clone()),
            |lines| format!("{lines} before this\n"),
            |lines, message| format!("{lines} more like {message}\n"),
        );
        let log = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time();
        let subscriber = tracing_subscriber::registry()
            .with(log)
            .with(repeats.clone());
        tracing::subscriber::with_default(subscriber, talk);
        repeats.close(None);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn each_kind_is_said_once_and_what_the_user_causes_each_time() {
        let said = said(|| {
            for number in 0..5 {
                tracing::warn!(target: "mcpipe::bridge::response_stream", number, "not a message");
                tracing::info!(target: "mcpipe::remote", number, "other");
                tracing::warn!(target: "mcpipe::settings", number, "a file");
                tracing::debug!(target: "mcpipe::bridge", number, "detail");
            }
        });
        for (words, times) in [
            ("not a message number=", 1),
            ("4 more like mcpipe::bridge::response_stream", 1),
            ("other number=", 1),
            ("4 more like mcpipe::remote", 1),
            ("a file", 5),
            ("detail", 5),
        ] {
            assert_eq!(said.matches(words).count(), times, "{words}: {said}");
        }
    }

    #[test]
    fn the_count_follows_when_the_exchange_ends_and_that_of_others_at_the_end() {
        let said = said(|| {
            for number in 0..30_u64 {
                let span = tracing::error_span!(target: "mcpipe", "exchange", exchange = number);
                span.in_scope(|| {
                    for _ in 0..3 {
                        tracing::warn!(target: "mcpipe::bridge", "nonsense");
                    }
                });
            }
        });
        assert_eq!(said.matches("WARN exchange").count(), 1, "{said}");
        assert!(said.contains("\n2 more like mcpipe::bridge"), "{said}");
        // The count of the exchanges that have none of their own.
        assert!(said.contains("\n87 more like mcpipe::bridge"), "{said}");
    }

    #[test]
    fn details_have_an_end_too() {
        let said = said(|| {
            for _ in 0..800 {
                tracing::debug!(target: "mcpipe::era", "detail");
            }
        });
        assert_eq!(said.matches("DEBUG").count(), 500);
        assert!(said.contains("300 more like mcpipe::era"), "{said}");
    }

    #[test]
    fn the_next_minute_says_how_many_there_were() {
        let mut book = Book::default();
        let kind =
            tracing::callsite!(name: "a", kind: tracing::metadata::Kind::EVENT, fields: message);
        let kind = tracing::callsite::Callsite::metadata(kind).callsite();
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let begun = Instant::now();
        let quota = Quota::of(Level::WARN);
        let mut may_say = |seconds| {
            let now = begun + Duration::from_secs(seconds);
            book.may_say(&kind, None, quota, now, String::new)
        };
        assert_eq!(may_say(0), Some(0));
        assert_eq!(may_say(1), None);
        assert_eq!(may_say(59), None);
        assert_eq!(may_say(60), Some(2));
        assert_eq!(may_say(61), None);
    }
}
