//! What a server or a host can cause as often as it likes is said once a minute.
//!
//! A kind is a place in the code that says something. This covers every such place by where it stands, so none has to
//! know of it; what the user's own settings and files cause is said each time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::output::{Lost, Output};

const MINUTE: Duration = Duration::from_secs(60);

/// Modules that say what servers, hosts and authorization servers do.
const PEERS: [&str; 6] = ["auth", "bridge", "era", "frame", "remote", "stdio"];

/// A layer that keeps repetitions from those below it.
pub(super) struct Repeats {
    said: Mutex<HashMap<Identifier, Said>>,
    to: Output,
    left_out: Lost,
}

struct Said {
    at: Instant,
    repeated: u64,
}

impl Repeats {
    /// Says on `to`, in the words of `left_out`, how many lines were kept back.
    pub(super) fn new(to: Output, left_out: Lost) -> Self {
        Self {
            said: Mutex::default(),
            to,
            left_out,
        }
    }

    /// How many lines of this kind were kept back since the last one, if this one may be said.
    fn may_say(&self, kind: Identifier, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get_mut(&kind) {
            Some(last) if now.duration_since(last.at) < MINUTE => {
                last.repeated += 1;
                None
            }
            last => {
                let repeated = last.map_or(0, |last| last.repeated);
                let at = Said {
                    at: now,
                    repeated: 0,
                };
                said.insert(kind, at);
                Some(repeated)
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for Repeats {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if !is_caused_by_peers(metadata) {
            return true;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a layer is given events, and no time"
        )]
        let now = Instant::now();
        let Some(repeated) = self.may_say(metadata.callsite(), now) else {
            return false;
        };
        if repeated > 0 {
            self.to.line((self.left_out)(repeated).as_bytes());
        }
        true
    }
}

/// At debug, each is wanted.
fn is_caused_by_peers(metadata: &Metadata<'_>) -> bool {
    let room = metadata.target().strip_prefix("mcpipe::");
    let room = room.and_then(|rest| rest.split("::").next());
    *metadata.level() <= Level::INFO && room.is_some_and(|room| PEERS.contains(&room))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;

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

    #[test]
    fn each_kind_is_said_once_and_what_the_user_causes_each_time() {
        let page = Page::default();
        let writer = page.clone();
        let repeats = Repeats::new(Output::direct(io::sink()), |_| String::new());
        let log = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .without_time();
        let subscriber = tracing_subscriber::registry().with(log).with(repeats);
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..5 {
                tracing::warn!(target: "mcpipe::bridge::follow", number, "not a message");
                tracing::info!(target: "mcpipe::remote", number, "other");
                tracing::warn!(target: "mcpipe::settings", number, "a file");
                tracing::debug!(target: "mcpipe::bridge", number, "detail");
            }
        });
        let said = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        for (words, times) in [
            ("not a message", 1),
            ("other", 1),
            ("a file", 5),
            ("detail", 5),
        ] {
            assert_eq!(said.matches(words).count(), times, "{words}: {said}");
        }
    }

    #[test]
    fn the_next_minute_says_how_many_there_were() {
        let repeats = Repeats::new(Output::direct(io::sink()), |_| String::new());
        let kind =
            tracing::callsite!(name: "a", kind: tracing::metadata::Kind::EVENT, fields: message);
        let kind = tracing::callsite::Callsite::metadata(kind).callsite();
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(repeats.may_say(kind.clone(), begun), Some(0));
        assert_eq!(repeats.may_say(kind.clone(), after(1)), None);
        assert_eq!(repeats.may_say(kind.clone(), after(59)), None);
        assert_eq!(repeats.may_say(kind.clone(), after(60)), Some(2));
        assert_eq!(repeats.may_say(kind, after(61)), None);
    }
}
