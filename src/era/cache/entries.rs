//! The answers that are kept: few, small, and the oldest goes first.

use std::collections::VecDeque;
use std::time::Duration;

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
}

impl CachedResult {
    fn size(&self) -> usize {
        self.key.len() + self.answer.length()
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
        freshness: Freshness,
        since: Duration,
    ) {
        self.keep(|entry| entry.key != key);
        let entry = CachedResult {
            key,
            request,
            answer: answer.detached(),
            freshness,
            since,
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
