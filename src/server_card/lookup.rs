//! The search for the endpoints of a target: its catalog, the cards that the catalog names, and the card at the place that
//! is reserved for it below the target's own address.
//!
//! Another party writes each document, and the client of the sign-in reads them: it goes only where a sign-in of the target
//! may go, in bounded time and with bounded bodies, and sends no credential.

use std::collections::HashSet;
use std::fmt::Display;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time;
use url::Url;

use crate::auth::net::http::conditional::Conditional;
use crate::auth::net::http::{Error, Http};
use crate::redirect::shown;
use crate::server_cache::ServerCache;
use crate::server_card::card;
use crate::server_card::catalog::{self, Entry, Place};
use crate::server_card::choice::{Findings, Given};
use crate::server_card::kept::{Kept, KeptDocument};

/// The time that a search may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most documents of one search that are asked for.
const MAX_DOCUMENTS: usize = 16;
/// The number of levels of catalogs in catalogs that are read.
const MAX_DEPTH: usize = 3;
/// The most places that a search tells of.
const MAX_TOLD: usize = 4;

/// The place of a site's catalog.
const CATALOG: &str = "/.well-known/ai-catalog.json";
/// The end of the place that is reserved for the card of an endpoint.
const CARD: &str = "/server-card";

const ACCEPT_CATALOG: &str = "application/ai-catalog+json, application/json;q=0.9";
const ACCEPT_CARD: &str = "application/mcp-server-card+json, application/json;q=0.9";

/// A search.
#[derive(Debug)]
pub struct Lookup {
    /// The client, with the rules for the target's addresses.
    pub http: Http,
    /// The target.
    pub target: Url,
    /// The facts about the target.
    pub cache: ServerCache,
    /// The headers that the user gives.
    pub given: Given,
    /// True where each document is asked for again, although its server has said that it may be used without a question.
    pub asks_always: bool,
    /// True where a kept document is used if it cannot be asked for again.
    pub trusts_kept: bool,
    /// The wall clock.
    pub now: fn() -> SystemTime,
}

/// The result of a search.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// The endpoints.
    pub findings: Findings,
    /// The endpoint that a person has chosen for the target before.
    pub chosen: Option<Url>,
    /// True where they are from the card below the target's own address, and not from a catalog.
    pub is_own_card: bool,
    /// The places that brought no document, each with the reason.
    pub absent: Vec<String>,
    /// True where one of them may bring a document later.
    pub may_pass: bool,
}

/// The state of a search.
struct Search<'a> {
    lookup: &'a Lookup,
    kept: Kept,
    looked: Looked,
    documents: Vec<(Url, KeptDocument)>,
    seen: HashSet<Url>,
}

/// A document that was looked for.
enum Read {
    Document(Value),
    /// The place holds no document.
    Absent,
    /// The place could not be asked.
    Failed(String),
}

impl Lookup {
    /// Searches, and keeps the documents that were found for later searches. Never fails: a search that finds nothing says
    /// where it has looked.
    pub async fn run(&self) -> Looked {
        let cache = self.cache.clone();
        let kept = tokio::task::spawn_blocking(move || Kept::load(&cache)).await;
        let kept = kept.unwrap_or_default();
        let mut search = Search {
            lookup: self,
            looked: Looked {
                chosen: kept.chosen().cloned(),
                ..Looked::default()
            },
            kept,
            documents: Vec::new(),
            seen: HashSet::new(),
        };
        if time::timeout(PATIENCE, search.run()).await.is_err() {
            let late = format!("no answer within {} s", PATIENCE.as_secs());
            search.looked.may_pass = true;
            search.looked.findings.unread.push(late.clone());
            search.looked.absent.push(late);
            return search.looked;
        }
        let Search {
            mut kept,
            documents,
            looked,
            ..
        } = search;
        kept.replace(documents);
        self.write(kept).await;
        tracing::debug!(?looked, target = %shown(&self.target), "server cards were looked for");
        looked
    }

    /// Remembers that a person has chosen this endpoint for the target.
    pub async fn remember(&self, endpoint: &Url) {
        let cache = self.cache.clone();
        let endpoint = endpoint.clone();
        let writing = move || {
            let mut kept = Kept::load(&cache);
            kept.choose(&endpoint);
            kept.store(&cache);
        };
        let _ = tokio::task::spawn_blocking(writing).await;
    }

    async fn write(&self, kept: Kept) {
        let cache = self.cache.clone();
        let _ = tokio::task::spawn_blocking(move || kept.store(&cache)).await;
    }
}

impl Search<'_> {
    async fn run(&mut self) {
        let target = &self.lookup.target;
        if let Ok(place) = target.join(CATALOG) {
            self.catalogs(place).await;
        }
        let found = &self.looked.findings;
        let is_found = !found.endpoints.is_empty() || !found.incomplete.is_empty();
        if is_found || !found.unread.is_empty() {
            return;
        }
        let mut place = target.clone();
        place.set_path(&format!("{}{CARD}", target.path().trim_end_matches('/')));
        place.set_query(None);
        let entry = Entry {
            is_catalog: false,
            name: String::new(),
            place: Place::At(place),
        };
        self.looked.is_own_card = true;
        self.cards(vec![entry]).await;
        // A place that no catalog names is no server that was left out.
        self.looked.findings.unread.clear();
    }

    /// Reads the catalog of a site, the catalogs that it names, and the cards of all of them.
    async fn catalogs(&mut self, first: Url) {
        let mut level = vec![Entry {
            is_catalog: true,
            name: String::new(),
            place: Place::At(first),
        }];
        let mut cards = Vec::new();
        for depth in 0..MAX_DEPTH {
            let mut next = Vec::new();
            for (_, base, read) in self.read(level, ACCEPT_CATALOG).await {
                let document = match read {
                    Read::Document(document) => document,
                    Read::Failed(why) if depth > 0 => {
                        self.looked.findings.unread.push(why);
                        continue;
                    }
                    Read::Failed(_) | Read::Absent => continue,
                };
                match catalog::read(&document, &base) {
                    Some(entries) => next.extend(entries),
                    None => {
                        self.note_absent(&base, "is no catalog", false);
                    }
                }
            }
            let (catalogs, found): (Vec<_>, Vec<_>) =
                next.into_iter().partition(|entry| entry.is_catalog);
            cards.extend(found);
            if catalogs.is_empty() {
                break;
            }
            level = catalogs;
        }
        self.cards(cards).await;
    }

    async fn cards(&mut self, entries: Vec<Entry>) {
        for (name, place, read) in self.read(entries, ACCEPT_CARD).await {
            let document = match read {
                Read::Document(document) => document,
                Read::Absent => continue,
                Read::Failed(why) => {
                    self.looked.findings.unread.push(why);
                    continue;
                }
            };
            let Some(card) = card::read(&document) else {
                self.note_absent(&place, "is no server card with an endpoint", false);
                continue;
            };
            let Lookup {
                target,
                given,
                http,
                ..
            } = self.lookup;
            let may_visit = |url: &Url| {
                let checked = http.check(url);
                checked
                    .inspect_err(|error| tracing::warn!(%error, "an endpoint of a server card"))
                    .is_ok()
            };
            let findings = &mut self.looked.findings;
            findings.add(&card, &name, target, given, may_visit);
        }
    }

    /// Reads documents, those at addresses all at once. Returns each with the name of its entry and its address, or that of
    /// the target for one that stood in its catalog.
    async fn read(
        &mut self,
        entries: Vec<Entry>,
        accept: &'static str,
    ) -> Vec<(String, Url, Read)> {
        let mut done = Vec::new();
        let mut asked = Vec::new();
        let mut left_out = 0;
        for Entry { name, place, .. } in entries {
            match place {
                Place::Inline(document) => {
                    let base = self.lookup.target.clone();
                    done.push((name, base, Read::Document(document)));
                }
                Place::At(url) if self.seen.contains(&url) => {}
                Place::At(_) if self.seen.len() >= MAX_DOCUMENTS => left_out += 1,
                Place::At(url) => {
                    self.seen.insert(url.clone());
                    asked.push((name, url));
                }
            }
        }
        if left_out > 0 {
            let more = format!("{left_out} more, of which the cards were not read");
            self.looked.findings.unread.push(more);
        }
        let asking = asked.iter().map(|(_, url)| {
            let kept = self.kept.document(url).cloned();
            self.lookup.ask(url, accept, kept)
        });
        let answers = join_all(asking).await;
        for ((name, url), answer) in asked.into_iter().zip(answers) {
            let read = self.take(&url, answer);
            done.push((name, url, read));
        }
        done
    }

    /// Takes what came of a question.
    fn take(&mut self, url: &Url, answer: Asked) -> Read {
        match answer {
            Asked::Found(content, keeping) => {
                self.documents
                    .extend(keeping.map(|kept| (url.clone(), kept)));
                Read::Document(content)
            }
            Asked::Absent(why) => {
                self.note_absent(url, why, false);
                Read::Absent
            }
            Asked::Failed(error) => {
                let may_pass = error.is_passing();
                let why = self.note_absent(url, format!("was not read: {error}"), may_pass);
                match may_pass {
                    true => Read::Failed(why),
                    false => Read::Absent,
                }
            }
        }
    }

    fn note_absent(&mut self, url: &Url, why: impl Display, may_pass: bool) -> String {
        let text = format!("{} {why}", shown(url));
        self.looked.may_pass |= may_pass;
        if self.looked.absent.len() < MAX_TOLD {
            self.looked.absent.push(text.clone());
        }
        text
    }
}

/// The answer to a question for a document.
enum Asked {
    /// The document, and what is kept of it.
    Found(Value, Option<KeptDocument>),
    Absent(String),
    Failed(Error),
}

impl Lookup {
    /// Asks for a document, unless the kept one may be used without a question.
    async fn ask(&self, url: &Url, accept: &'static str, kept: Option<KeptDocument>) -> Asked {
        if let Some(kept) = &kept
            && !self.asks_always
            && kept.is_fresh((self.now)())
        {
            return Asked::Found(kept.content.clone(), Some(kept.clone()));
        }
        let etag = kept.as_ref().and_then(|kept| kept.etag.as_deref());
        let answer = self.http.conditional(url, accept, etag).await;
        match (answer, kept) {
            (Ok(Conditional::Found(content, validity)), _) => {
                let keeping = KeptDocument::new((*content).clone(), validity, (self.now)());
                Asked::Found(*content, keeping)
            }
            (Ok(Conditional::Unchanged(mut validity)), Some(kept)) => {
                // RFC 9110 section 15.4.5: what a 304 leaves out is as it was.
                validity.etag = validity.etag.or(kept.etag);
                let keeping = KeptDocument::new(kept.content.clone(), validity, (self.now)());
                Asked::Found(kept.content, keeping)
            }
            (Ok(Conditional::Unchanged(_)), None) => Asked::Absent("answered 304".to_owned()),
            (Ok(Conditional::Redirect { to }), _) => Asked::Absent(format!(
                "redirects to {}, which is not followed",
                shown(&to)
            )),
            (Ok(Conditional::Absent { status: 200 }), _) => {
                Asked::Absent("answered with something else than a JSON object".to_owned())
            }
            (Ok(Conditional::Absent { status }), _) => Asked::Absent(format!("answered {status}")),
            (Err(error), Some(kept)) if self.trusts_kept && is_outage(&error) => {
                tracing::warn!(
                    %error,
                    url = %shown(url),
                    "the copy from an earlier start is used: the document could not be asked for again"
                );
                Asked::Found(kept.content.clone(), Some(kept))
            }
            (Err(error), _) => Asked::Failed(error),
        }
    }
}

/// Says whether the place did not answer, or is unwell: it has said nothing of the document.
fn is_outage(error: &Error) -> bool {
    matches!(error, Error::Unreachable { .. } | Error::Unavailable { .. })
}

#[cfg(test)]
mod tests;
