//! The answers that are kept: few, small, and the oldest goes first.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::Duration;

use super::digests::{Digests, FileDigest};
use super::key::{CacheableRequest, Freshness};
use crate::frame::Frame;

/// The most answers that are kept.
pub(super) const MAX_ENTRIES: usize = 256;
/// The most bytes that all answers may have, with their keys.
pub(super) const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Answers, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Entries {
    entries: VecDeque<CachedResult>,
    bytes: usize,
}

#[derive(Debug)]
struct CachedResult {
    key: String,
    request: CacheableRequest,
    /// As the host was told.
    answer: Frame,
    freshness: Freshness,
    since: Duration,
    /// The digests of files that it tells.
    digests: Option<Digests>,
    /// The digest of the file that it is the content of, once that has been asked for.
    file: OnceLock<Option<FileDigest>>,
}

impl CachedResult {
    fn size(&self) -> usize {
        let digests = self.digests.as_ref().map_or(0, Digests::size);
        self.key.len() + self.answer.length() + digests
    }

    /// Says whether `newer` tells something else of a skill or a file than this tells of it, or is of it.
    fn is_contradicted(&self, newer: &Digests) -> bool {
        let told = self.request.resource().and_then(|uri| {
            let told = newer.told(uri)?;
            let file = self.file.get_or_init(|| FileDigest::of(&self.answer, uri));
            Some(told.is_none() || told != *file)
        });
        let digests = self.digests.as_ref();
        told == Some(true) || digests.is_some_and(|digests| digests.contradict(newer))
    }

    /// Returns the time for which the answer is still fresh.
    fn left(&self, now: Duration) -> Option<Duration> {
        let age = now.checked_sub(self.since)?;
        self.freshness
            .ttl
            .checked_sub(age)
            .filter(|left| !left.is_zero())
    }
}

impl Entries {
    /// Keeps an answer that came at `since`, in the place of an older one.
    pub(super) fn put(
        &mut self,
        key: String,
        request: CacheableRequest,
        answer: &Frame,
        digests: Option<Digests>,
        (freshness, since): (Freshness, Duration),
    ) {
        self.keep(|entry| entry.key != key);
        let entry = CachedResult {
            key,
            request,
            answer: answer.detached(),
            freshness,
            since,
            digests,
            file: OnceLock::new(),
        };
        if entry.size() > MAX_BYTES {
            return;
        }
        self.bytes += entry.size();
        self.entries.push_back(entry);
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.size();
        }
    }

    /// Returns the answer that is kept under this key, if it is fresh (MCP 2026-07-28, server/utilities/caching), under
    /// the id it was first given with. What it says of its own life is what is left of that.
    pub(super) fn serve(&mut self, key: &str, now: Duration) -> Option<Frame> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let served = entry
            .left(now)
            .and_then(|left| with_ttl_left(&entry.answer, left));
        if served.is_none() {
            self.keep(|entry| entry.key != key);
        }
        served
    }

    pub(super) fn drop_where(&mut self, is_it: impl Fn(&CacheableRequest) -> bool) {
        self.keep(|entry| !is_it(&entry.request));
    }

    /// Drops the results that a newer one shows to be old, by the digests that it tells.
    pub(super) fn drop_contradicted(&mut self, newer: &Digests) {
        self.keep(|entry| !entry.is_contradicted(newer));
    }

    /// Drops the results that tell digests and name this skill, or this file; all of them if none is named.
    pub(super) fn drop_digests_of(&mut self, uri: Option<&str>) {
        let names = |digests: &Digests| uri.is_none_or(|uri| digests.name(uri));
        self.keep(|entry| !entry.digests.as_ref().is_some_and(names));
    }

    /// Returns what fresh results tell of a file, if any does: its digest, or that there is none to compare.
    pub(super) fn told(&self, uri: &str, now: Duration) -> Option<Option<FileDigest>> {
        let fresh = self
            .entries
            .iter()
            .filter(|entry| entry.left(now).is_some());
        let mut digests = fresh.filter_map(|entry| entry.digests.as_ref());
        digests.find_map(|digests| digests.told(uri))
    }

    /// Drops what may be told to one caller only.
    pub(super) fn drop_private(&mut self) {
        self.keep(|entry| !entry.freshness.is_private);
    }

    pub(super) fn clear(&mut self) {
        self.keep(|_| false);
    }

    fn keep(&mut self, is_kept: impl Fn(&CachedResult) -> bool) {
        self.entries.retain(is_kept);
        self.bytes = self.entries.iter().map(CachedResult::size).sum();
    }
}

/// Returns the same answer, its `ttlMs` no more than what is left; not a byte else.
fn with_ttl_left(answer: &Frame, left: Duration) -> Option<Frame> {
    let left = left.as_millis();
    let Some(place) = answer.place_in("result", "ttlMs") else {
        return Some(answer.clone());
    };
    let text = answer.text();
    let stated = text.get(place.clone())?;
    if stated.parse::<u128>().is_ok_and(|stated| stated <= left) {
        return Some(answer.clone());
    }
    let (before, after) = (text.get(..place.start)?, text.get(place.end..)?);
    Frame::parse(&format!("{before}{left}{after}")).ok()
}
