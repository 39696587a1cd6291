//! DPoP: proofs that the client that shows a token is the client it was issued to. A key per sign-in, a signed proof
//! per request.
//!
//! [`Prover`] makes the proofs and remembers what the servers said about them: the nonce that each wants to see, and
//! how far its clock is from ours. Nonces of authorization servers and of resources are kept apart, and each is shown
//! only to the origin that it came from. `auth/flow/dpop_policy.rs` decides on the use of DPoP;
//! [`crate::auth::store::record`] keeps the key, with the tokens that are bound to it. DPoP helps against tokens that
//! leak, not against a vault that is stolen.
//!
//! RFC 9449; MCP extension `io.modelcontextprotocol/auth/dpop` (SEP-1932).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::{Origin, Url};

use crate::auth::oauth::jws::{Algorithm, Error, Key, TokenHeader};
use crate::clock::{self, Clock};
use crate::http_fields;
use crate::random;
use crate::secret::Secret;

/// The server that a proof is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerRole {
    /// The authorization server.
    Authorization,
    /// The MCP server.
    Resource,
}

/// Hints of servers about proofs; shared by all requests to them, and by all keys.
#[derive(Clone, Default)]
pub struct HintCache(Arc<Mutex<HashMap<(ServerRole, Origin), ServerHints>>>);

/// The hints of one server.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServerHints {
    /// The nonce that the server wants to see in the next proof.
    nonce: Option<Box<str>>,
    /// The seconds by which proofs for the server are dated ahead of our clock: zero, until it has refused a proof.
    ahead: i64,
    /// The seconds by which the server's `Date` is ahead of our clock. The writer of the header, a cache perhaps, need
    /// not be the server that checks proofs.
    date: Option<i64>,
}

impl HintCache {
    fn all(&self) -> MutexGuard<'_, HashMap<(ServerRole, Origin), ServerHints>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the server's hints up to now.
    pub fn hints_of(&self, server: ServerRole, at: &Origin) -> ServerHints {
        let key = (server, at.clone());
        self.all().get(&key).cloned().unwrap_or_default()
    }

    /// Takes the hints of an answer: `DPoP-Nonce` (RFC 9449 section 8.2) and `Date`. `now` is the time at which the
    /// answer came.
    pub fn learn(&self, server: ServerRole, at: &Origin, headers: &HeaderMap, now: SystemTime) {
        let (nonce, date) = (nonce(headers), ahead(headers, now));
        if nonce.is_none() && date.is_none() {
            return;
        }
        let mut all = self.all();
        let hints = all.entry((server, at.clone())).or_default();
        if nonce.is_some() {
            hints.nonce = nonce;
        }
        hints.date = date.or(hints.date);
    }

    /// Says whether a request whose proof was refused may be sent again at once: it spent nothing, and the answer
    /// taught what the next proof needs (RFC 9449 sections 8 and 9). `before` holds the hints at the time of sending;
    /// the code and the headers are the answer's.
    pub fn should_retry(
        &self,
        retry: &mut ProofRetry,
        (server, at): (ServerRole, &Origin),
        (code, headers): (Option<&str>, &HeaderMap),
        before: &ServerHints,
        now: SystemTime,
    ) -> bool {
        self.learn(server, at, headers, now);
        let said = ServerHints {
            nonce: nonce(headers),
            date: ahead(headers, now),
            ahead: before.ahead,
        };
        let Some(ahead) = retry.next_offset(code, before, said) else {
            return false;
        };
        self.all().entry((server, at.clone())).or_default().ahead = ahead;
        true
    }
}

impl fmt::Debug for HintCache {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("HintCache")
    }
}

/// A key, and the hints that its proofs depend on.
#[derive(Clone, Debug)]
pub struct Prover {
    key: Key,
    hints: HintCache,
}

impl Prover {
    /// Makes a prover with this key.
    pub fn new(key: Key, hints: &HintCache) -> Self {
        Self {
            key,
            hints: hints.clone(),
        }
    }

    /// Returns the key, to be kept with the tokens that are bound to it.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Returns the hints of all servers.
    pub fn hints(&self) -> &HintCache {
        &self.hints
    }

    /// Makes the proof for one request; a request that is sent again needs another. `token` is the access token that
    /// goes with the proof.
    ///
    /// # Errors
    /// [`Error::Unsigned`].
    pub fn proof(
        &self,
        server: ServerRole,
        method: &str,
        url: &Url,
        token: Option<&Secret>,
        now: SystemTime,
    ) -> Result<Secret, Error> {
        let hints = self.hints.hints_of(server, &url.origin());
        self.proof_of(&hints, method, url, token, now)
    }

    fn proof_of(
        &self,
        hints: &ServerHints,
        method: &str,
        url: &Url,
        token: Option<&Secret>,
        now: SystemTime,
    ) -> Result<Secret, Error> {
        let id = random::bytes().map_err(|_| Error::Unsigned)?;
        let claims = claims(&ProofClaims {
            id,
            method,
            url,
            issued_at: since_1970(now).saturating_add(hints.ahead).max(0),
            token,
            nonce: hints.nonce.as_deref(),
        });
        let head = TokenHeader {
            kind: Some("dpop+jwt"),
            shows_key: true,
        };
        self.key.sign(Algorithm::Es256, head, &claims)
    }

    /// Puts the proof into a request's headers, in place of any earlier proof. `nonce` is a nonce for this request
    /// alone.
    pub(in crate::auth) fn apply(
        &self,
        to: &mut HeaderMap,
        (server, method, url): (ServerRole, &str, &Url),
        token: Option<&Secret>,
        nonce: Option<Box<str>>,
        now: SystemTime,
    ) {
        let mut hints = self.hints.hints_of(server, &url.origin());
        hints.nonce = nonce.or(hints.nonce);
        match self.proof_of(&hints, method, url, token, now) {
            Ok(proof) => {
                if let Ok(mut value) = HeaderValue::try_from(proof.expose()) {
                    value.set_sensitive(true);
                    to.insert(PROOF, value);
                }
            }
            // Without a proof the server refuses the request, and says so.
            Err(why) => tracing::error!(%why, "no proof could be made"),
        }
    }
}

/// A prover at a token endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Proving<'a> {
    /// The prover.
    pub prover: &'a Prover,
    /// The clock.
    pub clock: &'a Clock,
    /// True where tokens that are not bound are turned down.
    pub insists: bool,
}

/// The corrections to the refused proofs of one request.
#[derive(Clone, Debug, Default)]
pub struct ProofRetry {
    /// The number of refusals for a wrong nonce.
    nonces: u32,
    clock: bool,
    own: Option<Box<str>>,
}

impl ProofRetry {
    /// Returns the nonce that the refusal of this very request brought, once: other requests get theirs meanwhile, and
    /// a nonce may be good for one proof. If that nonce is refused too, the newest is as good as any.
    pub fn nonce(&mut self) -> Option<Box<str>> {
        self.own.take()
    }

    /// Says whether the nonces of simultaneous requests are in the way, so that it is better to send one request at a
    /// time.
    pub fn is_contended(&self) -> bool {
        self.nonces > 1
    }

    /// Returns the seconds by which the next proof is to be dated ahead, if there is to be a next proof.
    fn next_offset(
        &mut self,
        code: Option<&str>,
        before: &ServerHints,
        said: ServerHints,
    ) -> Option<i64> {
        let has_newer_nonce = said.nonce.is_some() && said.nonce != before.nonce;
        match code {
            Some(NONCE_WANTED) if has_newer_nonce && self.nonces < MAX_NONCE_RETRIES => {
                self.nonces += 1;
                self.own = said.nonce.filter(|_| self.nonces == 1);
                Some(before.ahead)
            }
            Some("invalid_dpop_proof") if !self.clock => {
                // By the server's `Date`, where that is news (it counts whole seconds), else back to our own clock.
                let other = [said.date, Some(0)].into_iter().flatten();
                let other = other
                    .into_iter()
                    .find(|ahead| ahead.abs_diff(before.ahead) > 1);
                let is_first_nonce = before.nonce.is_none() && said.nonce.is_some();
                let again = other.or(is_first_nonce.then_some(before.ahead));
                self.clock = again.is_some();
                self.own = said.nonce.filter(|_| self.clock);
                again
            }
            _ => None,
        }
    }
}

/// The error code of a server that wants its nonce in the proof (RFC 9449 section 12.2).
pub const NONCE_WANTED: &str = "use_dpop_nonce";
/// The number of times that one request is sent again for its nonce alone.
const MAX_NONCE_RETRIES: u32 = 5;
/// The header of a proof.
const PROOF: HeaderName = HeaderName::from_static("dpop");
/// The header of a nonce.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// Longer nonces are not kept: they would travel with every request.
const MAX_NONCE: usize = 1024;

/// The claims of a proof.
struct ProofClaims<'a> {
    id: [u8; 16],
    method: &'a str,
    url: &'a Url,
    /// Seconds since 1970.
    issued_at: i64,
    token: Option<&'a Secret>,
    nonce: Option<&'a str>,
}

/// Returns the claims of a proof (RFC 9449 section 4.2).
fn claims(of: &ProofClaims<'_>) -> Value {
    let mut target = of.url.clone();
    target.set_query(None);
    target.set_fragment(None);
    // User name and password are no part of the target: the client sends them as a header.
    let _ = (target.set_username(""), target.set_password(None));
    let hash = of.token.map(|token| {
        let hash = Sha256::digest(token.expose().as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(hash)
    });
    let always = [
        ("jti", BASE64_URL_SAFE_NO_PAD.encode(of.id).into()),
        ("htm", of.method.into()),
        ("htu", target.as_str().into()),
        ("iat", of.issued_at.into()),
    ];
    let perhaps = [
        ("ath", hash.map(Value::from)),
        ("nonce", of.nonce.map(Value::from)),
    ];
    let perhaps = perhaps
        .into_iter()
        .filter_map(|(name, it)| Some((name, it?)));
    let all = always.into_iter().chain(perhaps);
    Value::Object(all.map(|(name, it)| (name.to_owned(), it)).collect())
}

/// Returns the nonce of an answer, if it is valid (RFC 9449 section 8.1: visible ASCII without quotes and backslashes).
fn nonce(headers: &HeaderMap) -> Option<Box<str>> {
    let nonce = headers.get(NONCE)?.as_bytes();
    let is_fine = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let is_nonce = (1..=MAX_NONCE).contains(&nonce.len()) && nonce.iter().all(is_fine);
    let text = std::str::from_utf8(nonce).ok().filter(|_| is_nonce)?;
    Some(text.into())
}

fn ahead(headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    let theirs = http_fields::date(headers)?;
    Some(since_1970(theirs).saturating_sub(since_1970(now)))
}

fn since_1970(time: SystemTime) -> i64 {
    i64::try_from(clock::seconds(time)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
