//! The addresses that requests go to: the endpoint as configured or as the server moved it, and the one that HTTP+SSE
//! names beside it.
//!
//! Remembers; sends nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use url::Url;

use crate::redirect::{below_the_same_prefix, followed, shown};

/// The addresses of one server.
#[derive(Debug)]
pub(super) struct Endpoints {
    /// The endpoint: as configured, or the https address it redirected to.
    endpoint: RwLock<Url>,
    /// The URL that answered the last GET, which HTTP+SSE's `endpoint` is relative to.
    answered: RwLock<Option<Url>>,
    /// True where the address that `endpoint` names was found below the prefix of a gateway.
    is_prefixed: AtomicBool,
}

impl Endpoints {
    pub(super) fn new(configured: &Url) -> Self {
        Self {
            endpoint: RwLock::new(configured.clone()),
            answered: RwLock::default(),
            is_prefixed: AtomicBool::new(false),
        }
    }

    pub(super) fn endpoint(&self) -> Url {
        let endpoint = self.endpoint.read();
        endpoint.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on requests go to https at once: what they carry should not be seen on the way to a redirect.
    pub(super) fn note_upgrade(&self, to: &Url) {
        tracing::warn!(address = %shown(to), "the server redirects to https: configure that address");
        write(&self.endpoint).clone_from(to);
    }

    pub(super) fn note_answer(&self, by: Url) {
        *write(&self.answered) = Some(by);
    }

    /// The address that HTTP+SSE's `endpoint` names, relative to the URL that answered, and another to try where there is
    /// no such place.
    ///
    /// # Errors
    /// The address as a message may show it, if it is on another host.
    pub(super) fn named(&self, endpoint: &str) -> Result<(Url, Option<Url>), String> {
        let answered = self.answered.read();
        let answered = answered.unwrap_or_else(PoisonError::into_inner).clone();
        let base = answered.unwrap_or_else(|| self.endpoint());
        let named = base.join(endpoint).ok();
        let Some(url) = named.as_ref().and_then(|named| followed(&base, named)) else {
            return Err(named.as_ref().map(shown).unwrap_or_default());
        };
        Ok(match below_the_same_prefix(&base, endpoint) {
            Some(other) if self.is_prefixed.load(Ordering::Relaxed) => (other, None),
            other => (url, other),
        })
    }

    /// The other address is the one.
    pub(super) fn note_prefix(&self) {
        self.is_prefixed.store(true, Ordering::Relaxed);
    }
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
