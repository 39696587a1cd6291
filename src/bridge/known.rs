//! What an earlier start has found out about the server's era, and what this one does.

use std::time::SystemTime;

use serde_json::json;

use super::{Bridge, Settings};
use crate::era::{Beginning, Verdict};
use crate::remote::Remote;

/// The name under which the remote's era is remembered, and for how long it is believed, in seconds.
const ERA: &str = "era";
const BELIEVED: u64 = 7 * 24 * 3600;

impl<R: Remote> Bridge<R> {
    /// What the remote was found to be is remembered with its date, so that later starts need not ask.
    pub(super) fn remember_verdict(&mut self) {
        let verdict = self.translator.verdict();
        if verdict == self.verdict {
            return;
        }
        self.verdict = verdict;
        let era = verdict.map_or("unknown", Verdict::word);
        let settings = &self.road.settings;
        let at = seconds((settings.now)());
        let facts = settings.facts.clone();
        self.tracker
            .spawn_blocking(move || facts.learn(ERA, json!({ "era": era, "at": at })));
    }
}

/// How the translator begins: what the command line says, and what an earlier start has found.
pub(super) fn beginning(settings: &Settings) -> Beginning {
    let known = settings.facts.recall(ERA);
    let known = known.and_then(|known| {
        let age = seconds((settings.now)()).checked_sub(known.get("at")?.as_u64()?)?;
        // A stale legacy verdict never fails by itself, so it is not believed for ever (protocol.md 2.2).
        (age < BELIEVED).then(|| Verdict::from_word(known.get("era")?.as_str()?))?
    });
    let mut seed = [0; 32];
    if getrandom::fill(&mut seed).is_err() {
        tracing::warn!("the system gives no random numbers: parked calls can be guessed");
    }
    Beginning {
        protocol: settings.protocol,
        transport: settings.transport,
        remembered: known,
        seed,
        cache_ttl: settings.cache_ttl,
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
