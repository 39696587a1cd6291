//! The memory of a server from one start to the next: the era that it speaks, and its handshakes.
//!
//! Eras and discover results that are given as the server's own are dated. An era is believed for a week; a result for
//! as long as the server has allowed its repetition, and only if every caller may get it, for the next start may come
//! with other credentials. A result may depend on the capabilities that a host declared, so it is kept by these.
//!
//! For early answers, which the server's own follows, the last handshake of either era is kept without an end. The
//! memory is one account's, but another user may sign in to it, and before the sign-in it is not known who will. So of a
//! private result only the part is kept that is about the server ([`remembered::repeatable_part`]).

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::bridge::settings::Settings;
use crate::clock::seconds;
use crate::era::{self, Options, RememberedDiscover, ServerEra, Translator, remembered};
use crate::random;
use crate::server_cache::ServerCache;

const ERA: &str = "era";
const DISCOVER: &str = "discover";
/// The server's last answer to `initialize`.
const IDENTITY: &str = "identity";
/// The part of the server's last answer to `server/discover` that may be repeated at any time.
const LAST_DISCOVER: &str = "lastDiscover";
/// The longest time for which any fact is believed.
const BELIEVED: Duration = Duration::from_secs(7 * 24 * 3600);
/// The number of results kept of one server, the newest first: hosts with different capabilities take turns with it.
const MAX_KNOWN: usize = 4;
/// The bytes that the results may take together.
const MAX_SIZE: usize = 64 * 1024;

/// The memory of one server, for a run of the bridge. Writes run beside the loop, one after the other, for each writes the
/// whole file.
#[derive(Debug)]
pub(super) struct ServerMemory {
    facts: ServerCache,
    now: fn() -> SystemTime,
    /// The verdict of this run that has been remembered.
    verdict: Option<Discovered>,
    /// The last discover result of this run is for its caller alone.
    is_private: bool,
    /// The writes that are under way.
    writes: TaskTracker,
}

impl ServerMemory {
    /// Returns the memory that keeps its facts in this place.
    pub(super) fn new(facts: ServerCache, now: fn() -> SystemTime) -> Self {
        Self {
            facts,
            now,
            verdict: None,
            is_private: false,
            writes: TaskTracker::new(),
        }
    }

    /// Returns the options that the translator begins with: those of the command line, and the findings of an earlier
    /// start.
    pub(super) fn options(&self, settings: &Settings) -> Options {
        let now = seconds((self.now)());
        let seed = random::bytes().unwrap_or_else(|_| {
            tracing::warn!("the system gives no random numbers: parked calls can be guessed");
            [0; 32]
        });
        let learned = verdict(&self.facts, now);
        let remembered = learned.map(|learned| learned.verdict);
        let known = match remembered {
            Some(ServerEra::Modern) => known(self.facts.recall(DISCOVER).as_ref(), now),
            _ => Vec::new(),
        };
        Options {
            protocol: settings.protocol,
            transport: settings.transport,
            remembered,
            is_legacy_untried: learned.is_some_and(|learned| learned.is_legacy_untried),
            known: known.into_iter().map(|(known, ..)| known).collect(),
            server: settings.server.clone(),
            seed,
            extensions: settings.extensions.clone(),
            cache_ttl: settings.cache_ttl,
        }
    }

    /// Remembers, with its date, the era of the server, so that later starts need not ask.
    pub(super) fn remember(&mut self, translator: &mut Translator) {
        let verdict = translator.server_era().map(|verdict| Discovered {
            verdict,
            is_legacy_untried: translator.is_legacy_untried(),
        });
        let is_new = verdict != self.verdict;
        let known = translator.take_discovered();
        if let Some(initialized) = translator.take_initialized()
            && let Ok(initialized) = serde_json::from_str(&initialized)
        {
            self.remember_identity(initialized);
        }
        if !is_new && known.is_none() {
            return;
        }
        if let Some(known) = &known {
            self.is_private = !remembered::is_public(&known.discover);
        }
        self.verdict = verdict;
        let now = (self.now)();
        let facts = self.facts.clone();
        self.writes.spawn_blocking(move || {
            if is_new {
                learn_verdict(&facts, verdict, now);
            }
            if let Some(known) = known {
                learn_last(&facts, &known.discover);
                learn_known(&facts, known, now);
            }
        });
    }

    /// Returns the server's answer to `initialize` of an earlier time, or what its `DiscoverResult` comes to.
    /// `fallback_name` is the name for a server that does not give its own.
    pub(super) fn initialize_result(&self, fallback_name: &str) -> Option<Value> {
        let own = self.facts.recall(IDENTITY);
        let of_discover = || {
            let last = self.last_discover()?;
            let translated = remembered::initialize_of_discover(&last, fallback_name);
            serde_json::from_str(&translated).ok()
        };
        // A legacy host's handshake with a modern server is made of a discover result, the last of which is here.
        match self.last_verdict() {
            Some(ServerEra::Modern) => of_discover().or(own),
            _ => own.or_else(of_discover),
        }
    }

    /// Returns the server's `DiscoverResult` of an earlier time, or what its answer to `initialize` comes to.
    pub(super) fn discover_result(&self) -> Option<String> {
        let of_initialize = || {
            let initialized = self.facts.recall(IDENTITY)?;
            initialized.is_object().then(|| {
                let initialized = initialized.to_string();
                remembered::discover_of_initialize(&initialized)
            })
        };
        match self.last_verdict() {
            Some(ServerEra::Legacy) => of_initialize().or_else(|| self.last_discover()),
            _ => self.last_discover().or_else(of_initialize),
        }
    }

    fn last_discover(&self) -> Option<String> {
        let last = self.facts.recall(LAST_DISCOVER)?;
        last.get("result")?.as_str().map(str::to_owned)
    }

    /// Returns the last verdict, however old it is.
    fn last_verdict(&self) -> Option<ServerEra> {
        let known = self.facts.recall(ERA)?;
        ServerEra::from_word(known.get("era")?.as_str()?)
    }

    /// Remembers the server's identity as it was told to a legacy host from a `DiscoverResult`: without its instructions
    /// where they are for the caller alone.
    pub(super) fn remember_translated(&self, mut identity: Value) {
        if let Some(members) = identity.as_object_mut().filter(|_| self.is_private) {
            members.remove("instructions");
        }
        self.remember_identity(identity);
    }

    /// Remembers the server's identity.
    pub(super) fn remember_identity(&self, identity: Value) {
        // The host waits for its first answer meanwhile, and a thread for nothing takes a tenth of a start.
        if self.facts.recall(IDENTITY).as_ref() == Some(&identity) {
            return;
        }
        let facts = self.facts.clone();
        self.writes
            .spawn_blocking(move || facts.store(IDENTITY, identity));
    }

    /// Waits until everything is written.
    pub(super) async fn written(&self) {
        self.writes.close();
        self.writes.wait().await;
    }
}

/// The findings of an earlier start about the eras of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Discovered {
    verdict: ServerEra,
    is_legacy_untried: bool,
}

/// Remembers which era the server speaks, or that it cannot be told. Blocks for one small write.
fn learn_verdict(facts: &ServerCache, learned: Option<Discovered>, now: SystemTime) {
    let verdict = learned.map(|learned| learned.verdict);
    if verdict != Some(ServerEra::Modern) {
        facts.store(DISCOVER, Value::Null);
    }
    if verdict == Some(ServerEra::Legacy) {
        facts.store(LAST_DISCOVER, Value::Null);
    }
    let era = verdict.map_or("unknown", ServerEra::word);
    let is_tried = !learned.is_some_and(|learned| learned.is_legacy_untried);
    facts.store(
        ERA,
        json!({ "era": era, "at": seconds(now), "initializeTried": is_tried }),
    );
}

/// Remembers the repeatable part of the last discover result. Blocks for one small write.
fn learn_last(facts: &ServerCache, discover: &str) {
    let part = remembered::repeatable_part(discover);
    let last = Some(json!({ "result": part })).filter(|_| part.len() <= MAX_SIZE);
    // A look at the file, under its lock, costs more than the rest.
    if facts.recall(LAST_DISCOVER) != last {
        facts.store(LAST_DISCOVER, last.unwrap_or(Value::Null));
    }
}

/// Remembers the discover result of a modern server, if it may be repeated. Blocks for one small write.
fn learn_known(facts: &ServerCache, new: RememberedDiscover, now: SystemTime) {
    let lasts = era::lasts(&new.discover);
    if lasts.is_none() && facts.recall(DISCOVER).is_none() {
        return;
    }
    let now = seconds(now);
    let mut all = known(facts.load(DISCOVER).as_ref(), now);
    all.retain(|(known, ..)| known.capabilities != new.capabilities);
    if let Some(lasts) = lasts {
        let until = now.saturating_add(lasts.min(BELIEVED).as_secs());
        all.insert(0, (new, now, until));
    }
    all.truncate(MAX_KNOWN);
    let mut left = MAX_SIZE;
    all.retain(|(known, ..)| {
        let size = known.capabilities.len() + known.discover.len();
        let fits = size <= left;
        left -= if fits { size } else { 0 };
        fits
    });
    let all: Vec<Value> = all
        .into_iter()
        .map(|(known, at, until)| {
            json!({ "for": known.capabilities, "result": known.discover, "at": at, "until": until })
        })
        .collect();
    let all = Some(Value::from(all)).filter(|all| all != &json!([]));
    facts.store(DISCOVER, all.unwrap_or(Value::Null));
}

fn verdict(facts: &ServerCache, now: u64) -> Option<Discovered> {
    let known = facts.recall(ERA)?;
    let age = now.checked_sub(known.get("at")?.as_u64()?)?;
    let learned = Discovered {
        verdict: ServerEra::from_word(known.get("era")?.as_str()?)?,
        // Versions of mcpipe that know two verdicts only do not write the member; their verdicts are found out anew.
        is_legacy_untried: !known.get("initializeTried")?.as_bool()?,
    };
    // A stale legacy verdict never fails by itself, so it is not believed for ever.
    (age < BELIEVED.as_secs()).then_some(learned)
}

/// Returns the results that are known and not too old, with the time of each and the end of its validity.
fn known(stored: Option<&Value>, now: u64) -> Vec<(RememberedDiscover, u64, u64)> {
    let read = |stored: &Value| {
        let text = |name| stored.get(name)?.as_str().map(str::to_owned);
        let number = |name| stored.get(name)?.as_u64();
        let known = RememberedDiscover {
            capabilities: text("for")?,
            discover: text("result")?,
        };
        Some((known, number("at")?, number("until")?))
    };
    let stored = stored.and_then(Value::as_array);
    stored
        .into_iter()
        .flatten()
        .filter_map(read)
        // A clock that was set back tells nothing of age.
        .filter(|(_, at, until)| *at <= now && now < *until)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(home: &tempfile::TempDir) -> ServerCache {
        ServerCache::about(Some(home.path()), "https://a.example/mcp", "default")
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn word(capabilities: &str, discover: &str) -> RememberedDiscover {
        RememberedDiscover {
            capabilities: capabilities.into(),
            discover: discover.into(),
        }
    }

    const PUBLIC: &str = r#"{"capabilities":{},"ttlMs":60000,"cacheScope":"public"}"#;

    fn recalled(facts: &ServerCache, now: u64) -> Vec<RememberedDiscover> {
        let known = known(facts.load(DISCOVER).as_ref(), now).into_iter();
        known.map(|(known, ..)| known).collect()
    }

    #[test]
    fn a_word_is_repeated_while_its_server_says_so_and_no_longer() {
        let home = tempfile::tempdir().unwrap();
        let facts = facts(&home);
        learn_known(&facts, word("{}", PUBLIC), at(1000));
        assert_eq!(recalled(&facts, 1059), [word("{}", PUBLIC)]);
        assert!(recalled(&facts, 1060).is_empty());
        assert!(recalled(&facts, 999).is_empty());
        // A newer result that may not be repeated removes the older one.
        let private = PUBLIC.replace("public", "private");
        learn_known(&facts, word("{}", &private), at(1001));
        assert!(recalled(&facts, 1002).is_empty());
    }

    #[test]
    fn words_are_kept_by_what_a_host_can_do_a_few_and_not_too_long() {
        let home = tempfile::tempdir().unwrap();
        let facts = facts(&home);
        for number in 0..6 {
            learn_known(
                &facts,
                word(&format!("{{\"{number}\":{{}}}}"), PUBLIC),
                at(1000),
            );
        }
        let kept = recalled(&facts, 1000);
        assert_eq!(kept.len(), MAX_KNOWN);
        assert_eq!(kept[0].capabilities, r#"{"5":{}}"#);
        let long = PUBLIC.replace("{}", &format!("\"{}\"", "x".repeat(MAX_SIZE)));
        learn_known(&facts, word("{}", &long), at(1000));
        assert_eq!(recalled(&facts, 1000).len(), MAX_KNOWN - 1);
    }

    #[test]
    fn an_era_is_believed_for_a_week_and_takes_the_word_of_the_other_with_it() {
        let home = tempfile::tempdir().unwrap();
        let facts = facts(&home);
        let learned = |verdict| Discovered {
            verdict,
            is_legacy_untried: false,
        };
        learn_verdict(&facts, Some(learned(ServerEra::Modern)), at(1000));
        learn_known(&facts, word("{}", PUBLIC), at(1000));
        learn_last(&facts, PUBLIC);
        assert_eq!(verdict(&facts, 1000), Some(learned(ServerEra::Modern)));
        assert_eq!(verdict(&facts, 1000 + 7 * 24 * 3600), None);
        assert_eq!(verdict(&facts, 999), None);
        learn_verdict(&facts, Some(learned(ServerEra::Legacy)), at(1000));
        assert_eq!(verdict(&facts, 1000), Some(learned(ServerEra::Legacy)));
        assert!(recalled(&facts, 1000).is_empty());
        assert_eq!(facts.load(LAST_DISCOVER), None);
        learn_verdict(&facts, None, at(1000));
        assert_eq!(verdict(&facts, 1000), None);
    }

    #[test]
    fn what_was_remembered_before_there_were_three_verdicts_is_found_out_anew() {
        let home = tempfile::tempdir().unwrap();
        let facts = facts(&home);
        for word in ["modern", "legacy", "both", "a word of a version to come"] {
            facts.store(ERA, json!({ "era": word, "at": 1000 }));
            assert_eq!(verdict(&facts, 1000), None, "{word}");
        }
        for (word, is_tried, expected) in [
            ("both", true, Some((ServerEra::Both, false))),
            ("modern", false, Some((ServerEra::Modern, true))),
            ("unknown", true, None),
        ] {
            let known = json!({ "era": word, "at": 1000, "initializeTried": is_tried });
            facts.store(ERA, known);
            let found = verdict(&facts, 1000);
            let found = found.map(|it| (it.verdict, it.is_legacy_untried));
            assert_eq!(found, expected, "{word}");
        }
    }

    /// Another version of mcpipe reads the same file, and keeps members that it does not know.
    #[test]
    fn a_server_is_remembered_in_this_file_with_these_words() {
        let home = tempfile::tempdir().unwrap();
        let facts = facts(&home);
        let learned = Discovered {
            verdict: ServerEra::Modern,
            is_legacy_untried: true,
        };
        learn_verdict(&facts, Some(learned), at(1000));
        learn_last(&facts, PUBLIC);
        learn_known(&facts, word("{}", PUBLIC), at(1000));
        let file = "cache/servers/5c8be6373a3d8e733337cac95f2dcfe9.json";
        let text = std::fs::read_to_string(home.path().join(file)).unwrap();
        assert_eq!(
            text,
            r#"{"discover":[{"at":1000,"for":"{}","result":"{\"capabilities\":{},\"ttlMs\":60000,\"cacheScope\":\"public\"}","until":1060}],"era":{"at":1000,"era":"modern","initializeTried":false},"lastDiscover":{"result":"{\"resultType\":\"complete\",\"capabilities\":{},\"ttlMs\":0,\"cacheScope\":\"private\"}"}}"#
        );
        for (era, word) in [
            (ServerEra::Legacy, "legacy"),
            (ServerEra::Modern, "modern"),
            (ServerEra::Both, "both"),
        ] {
            assert_eq!(era.word(), word);
        }
    }
}
