//! Proofs that a token is shown by whom it was issued to (DPoP): a key per sign-in, a signed proof per request.
//!
//! [`Prover`] makes the proofs and remembers what the servers said about them: the nonce each wants to see, and how far its
//! clock is from ours. Nonces of authorization servers and of resources are kept apart, and each is shown only to the
//! origin it came from. Whether to use all this is `binding`'s to say; keeping the key is [`super::entry`]'s, with the
//! tokens that are bound to it. It helps against tokens that leak, not against a vault that is stolen.
//!
//! RFC 9449; protocol.md X-03; security.md 3.10.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ::http::header::{DATE, HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::{Origin, Url};

use super::settings::Clock;
use super::signing::{Algorithm, Error, Head, Key};
use crate::secret::Secret;

/// Whether tokens are bound to a key (`--dpop`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dpop {
    /// Where both servers know it.
    #[default]
    Auto,
    /// Always: a token that is not bound is not taken.
    Require,
    /// Never.
    Off,
}

impl Dpop {
    /// Whether kept tokens may be used that are bound, or are not.
    pub fn allows(self, is_bound: bool) -> bool {
        match self {
            Self::Auto => true,
            Self::Require => is_bound,
            Self::Off => !is_bound,
        }
    }
}

/// Whom a proof is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The authorization server.
    Issuer,
    /// The MCP server.
    Resource,
}

/// What servers have said about proofs; shared by whoever talks to them, and by all keys.
#[derive(Clone, Default)]
pub struct Servers(Arc<Mutex<HashMap<(Side, Origin), Heard>>>);

/// What one server has said.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// What it wants to see in the next proof.
    nonce: Option<Box<str>>,
    /// By how many seconds proofs for it are dated ahead of our clock: not at all, until it has refused one.
    ahead: i64,
    /// How far its `Date` is ahead of our clock. Who wrote that, a cache perhaps, need not be who looks at proofs.
    date: Option<i64>,
}

impl Servers {
    fn all(&self) -> MutexGuard<'_, HashMap<(Side, Origin), Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it has said up to now.
    pub fn heard(&self, side: Side, at: &Origin) -> Heard {
        let key = (side, at.clone());
        self.all().get(&key).cloned().unwrap_or_default()
    }

    /// Takes what an answer of it says: `DPoP-Nonce` (RFC 9449 section 8.2) and `Date`. `now` is when it came.
    pub fn learn(&self, side: Side, at: &Origin, headers: &HeaderMap, now: SystemTime) {
        let (nonce, date) = (nonce(headers), ahead(headers, now));
        if nonce.is_none() && date.is_none() {
            return;
        }
        let mut all = self.all();
        let heard = all.entry((side, at.clone())).or_default();
        if nonce.is_some() {
            heard.nonce = nonce;
        }
        heard.date = date.or(heard.date);
    }

    /// Whether a request whose proof was refused may be sent again at once: it spent nothing, and the answer taught what the
    /// next proof needs (RFC 9449 sections 8 and 9). `before` is what was heard when it was sent; the code and the headers are the answer's.
    pub fn mend(
        &self,
        mended: &mut Mended,
        (side, at): (Side, &Origin),
        (code, headers): (Option<&str>, &HeaderMap),
        before: &Heard,
        now: SystemTime,
    ) -> bool {
        self.learn(side, at, headers, now);
        let said = Heard {
            nonce: nonce(headers),
            date: ahead(headers, now),
            ahead: before.ahead,
        };
        let Some(ahead) = mended.again(code, before, said) else {
            return false;
        };
        self.all().entry((side, at.clone())).or_default().ahead = ahead;
        true
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Servers")
    }
}

/// One key, and what it has to know to be believed.
#[derive(Clone, Debug)]
pub struct Prover {
    key: Key,
    servers: Servers,
}

impl Prover {
    /// Proves with this key.
    pub fn new(key: Key, servers: &Servers) -> Self {
        Self {
            key,
            servers: servers.clone(),
        }
    }

    /// The key, to be kept with the tokens that are bound to it.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What servers have said.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Makes the one proof for one request; a request that is sent again needs another. `token` is the access token that goes
    /// with it.
    ///
    /// # Errors
    /// [`Error::Unsigned`].
    pub fn proof(
        &self,
        side: Side,
        method: &str,
        url: &Url,
        token: Option<&Secret>,
        now: SystemTime,
    ) -> Result<Secret, Error> {
        let heard = self.servers.heard(side, &url.origin());
        self.proof_of(&heard, method, url, token, now)
    }

    fn proof_of(
        &self,
        heard: &Heard,
        method: &str,
        url: &Url,
        token: Option<&Secret>,
        now: SystemTime,
    ) -> Result<Secret, Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Error::Unsigned)?;
        let claims = claims(&Claims {
            id,
            method,
            url,
            issued_at: since_1970(now).saturating_add(heard.ahead).max(0),
            token,
            nonce: heard.nonce.as_deref(),
        });
        let head = Head {
            kind: Some("dpop+jwt"),
            shows_key: true,
        };
        self.key.sign(Algorithm::Es256, head, &claims)
    }

    /// Puts the proof into a request's headers, in the place of any that is there. `nonce` is one for this request alone.
    pub(super) fn apply(
        &self,
        to: &mut HeaderMap,
        (side, method, url): (Side, &str, &Url),
        token: Option<&Secret>,
        nonce: Option<Box<str>>,
        now: SystemTime,
    ) {
        let mut heard = self.servers.heard(side, &url.origin());
        heard.nonce = nonce.or(heard.nonce);
        match self.proof_of(&heard, method, url, token, now) {
            Ok(proof) => {
                if let Ok(mut value) = HeaderValue::try_from(proof.expose()) {
                    value.set_sensitive(true);
                    to.insert(PROOF, value);
                }
            }
            // Without one the server refuses the request, and says so.
            Err(why) => tracing::error!(%why, "no proof could be made"),
        }
    }
}

/// A prover at a token endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Proving<'a> {
    /// Whose proof.
    pub prover: &'a Prover,
    /// When.
    pub clock: &'a Clock,
    /// Whether tokens that are not bound are turned down.
    pub insists: bool,
}

/// What has been put right about the refused proofs of one request.
#[derive(Clone, Debug, Default)]
pub struct Mended {
    /// How often its nonce was not the one.
    nonces: u32,
    clock: bool,
    own: Option<Box<str>>,
}

impl Mended {
    /// The nonce that the refusal of this very request brought, once: others are getting theirs meanwhile, and a nonce may
    /// be good for one proof. If that one is refused too the newest is as good as any.
    pub fn nonce(&mut self) -> Option<Box<str>> {
        self.own.take()
    }

    /// Whether the nonces of others who ask at the same time are in the way, so that it is better to ask one by one.
    pub fn is_crowded(&self) -> bool {
        self.nonces > 1
    }

    /// By how much the next proof is to be dated ahead, if there is to be one.
    fn again(&mut self, code: Option<&str>, before: &Heard, said: Heard) -> Option<i64> {
        let has_newer_nonce = said.nonce.is_some() && said.nonce != before.nonce;
        match code {
            Some(NONCE_WANTED) if has_newer_nonce && self.nonces < MOST_NONCES => {
                self.nonces += 1;
                self.own = said.nonce.filter(|_| self.nonces == 1);
                Some(before.ahead)
            }
            Some("invalid_dpop_proof") if !self.clock => {
                // By its `Date`, where that is news (it counts whole seconds), else back to our own clock.
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

/// How a server says that a proof has to have its nonce (RFC 9449 section 12.2).
pub const NONCE_WANTED: &str = "use_dpop_nonce";
/// How often one request is sent again for its nonce alone.
const MOST_NONCES: u32 = 5;
/// The header of a proof.
const PROOF: HeaderName = HeaderName::from_static("dpop");
/// The header of a nonce.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// Longer nonces are not kept: they would travel with every request.
const LONGEST_NONCE: usize = 1024;

/// What a proof claims.
struct Claims<'a> {
    id: [u8; 16],
    method: &'a str,
    url: &'a Url,
    /// Seconds since 1970.
    issued_at: i64,
    token: Option<&'a Secret>,
    nonce: Option<&'a str>,
}

/// RFC 9449 section 4.2.
fn claims(of: &Claims<'_>) -> Value {
    let mut target = of.url.clone();
    target.set_query(None);
    target.set_fragment(None);
    // No part of what is asked for: the client sends it as a header.
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

/// The nonce of an answer, if it is one (RFC 9449 section 8.1: visible ASCII without quotes and backslashes).
fn nonce(headers: &HeaderMap) -> Option<Box<str>> {
    let nonce = headers.get(NONCE)?.as_bytes();
    let is_fine = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let is_nonce = (1..=LONGEST_NONCE).contains(&nonce.len()) && nonce.iter().all(is_fine);
    let text = std::str::from_utf8(nonce).ok().filter(|_| is_nonce)?;
    Some(text.into())
}

fn ahead(headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let theirs = httpdate::parse_http_date(date).ok()?;
    Some(since_1970(theirs).saturating_sub(since_1970(now)))
}

fn since_1970(time: SystemTime) -> i64 {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH);
    seconds.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_562_262_616;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn prover() -> Prover {
        Prover::new(Key::generate().unwrap(), &Servers::default())
    }

    fn said(fields: &[(&'static str, &str)]) -> HeaderMap {
        let fields = fields.iter();
        fields
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn read(proof: &Secret) -> (Value, Value) {
        let mut parts = proof.expose().split('.');
        let mut part = || {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(parts.next().unwrap());
            serde_json::from_slice(&bytes.unwrap()).unwrap()
        };
        (part(), part())
    }

    /// The example of RFC 9449 section 7.1, its access token and its hash.
    #[test]
    fn the_claims_are_those_of_the_rfc() {
        let token = Secret::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
        let at = url("https://resource.example.org/protectedresource?secret=1#part");
        let mut of = Claims {
            id: [0; 16],
            method: "GET",
            url: &at,
            issued_at: 1_562_262_618,
            token: Some(&token),
            nonce: Some("eyJ7S_zG.eyJH0-Z.HX4w-7v"),
        };
        let wanted = json!({
            "jti": "AAAAAAAAAAAAAAAAAAAAAA",
            "htm": "GET",
            "htu": "https://resource.example.org/protectedresource",
            "iat": 1_562_262_618,
            "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
            "nonce": "eyJ7S_zG.eyJH0-Z.HX4w-7v",
        });
        assert_eq!(claims(&of), wanted);
        (of.token, of.nonce) = (None, None);
        let bare = claims(&of);
        assert_eq!((bare.get("ath"), bare.get("nonce")), (None, None));
    }

    /// Byte for byte as it is sent, for those who compare text.
    #[test]
    fn a_proof_names_the_target_without_what_is_not_sent_in_it() {
        for (text, wanted) in [
            ("https://me:s3cret@a.example/mcp", "https://a.example/mcp"),
            ("https://A.example:443", "https://a.example/"),
            (
                "http://a.example:8080/a%20b/%7e?x#y",
                "http://a.example:8080/a%20b/%7e",
            ),
        ] {
            let at = url(text);
            let proof = prover().proof(Side::Resource, "POST", &at, None, now());
            assert_eq!(read(&proof.unwrap()).1["htu"], wanted);
        }
    }

    #[test]
    fn a_proof_shows_the_public_key_only_and_no_two_are_alike() {
        let prover = prover();
        let at = url("https://as.example/token");
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            let proof = prover
                .proof(Side::Issuer, "POST", &at, None, now())
                .unwrap();
            let (head, body) = read(&proof);
            assert_eq!(
                (&head["typ"], &head["alg"]),
                (&json!("dpop+jwt"), &json!("ES256"))
            );
            let names: Vec<_> = head["jwk"].as_object().unwrap().keys().cloned().collect();
            assert_eq!(names, ["crv", "kty", "x", "y"], "and never `d`");
            assert_eq!(body["iat"], NOW);
            assert!(seen.insert(body["jti"].as_str().unwrap().to_owned()));
        }
        assert!(!format!("{prover:?}").contains("PRIVATE"));
    }

    #[test]
    fn nonces_stay_with_the_side_and_the_origin_they_came_from() {
        let prover = prover();
        let (here, there) = (
            url("https://a.example/token"),
            url("https://b.example/token"),
        );
        let servers = prover.servers();
        servers.learn(
            Side::Issuer,
            &here.origin(),
            &said(&[("dpop-nonce", "one")]),
            now(),
        );
        let nonce = |side, at: &Url| {
            let proof = prover.proof(side, "POST", at, None, now()).unwrap();
            read(&proof).1.get("nonce").cloned()
        };
        assert_eq!(nonce(Side::Issuer, &here), Some(json!("one")));
        assert_eq!(nonce(Side::Resource, &here), None);
        assert_eq!(nonce(Side::Issuer, &there), None);
        servers.learn(
            Side::Issuer,
            &here.origin(),
            &said(&[("dpop-nonce", "two")]),
            now(),
        );
        servers.learn(Side::Issuer, &here.origin(), &HeaderMap::new(), now());
        assert_eq!(nonce(Side::Issuer, &here), Some(json!("two")));
    }

    #[test]
    fn what_is_no_nonce_is_not_kept() {
        let long = "n".repeat(LONGEST_NONCE + 1);
        for bad in ["", "two words", "a\"b", "a\\b", "né", &long] {
            let mut headers = HeaderMap::new();
            headers.insert(NONCE, HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            assert_eq!(nonce(&headers), None, "{bad}");
        }
        let longest = "n".repeat(LONGEST_NONCE);
        let headers = said(&[("dpop-nonce", longest.as_str())]);
        assert_eq!(nonce(&headers).as_deref(), Some(longest.as_str()));
    }

    #[test]
    fn a_proof_is_dated_by_our_clock_until_it_is_refused_for_it() {
        let prover = prover();
        let at = url("https://a.example/mcp");
        let (servers, there) = (prover.servers(), at.origin());
        let dated = || {
            let proof = prover.proof(Side::Resource, "GET", &at, None, now());
            read(&proof.unwrap()).1["iat"].as_i64().unwrap() - i64::try_from(NOW).unwrap()
        };
        for (date, ahead) in [
            ("Thu, 04 Jul 2019 18:06:56 GMT", 1000),
            ("Thu, 04 Jul 2019 16:50:16 GMT", -3600),
            // It is not that, then.
            ("yesterday", 0),
            ("Thu, 01 Jan 1970 00:00:00 GMT", -1_562_262_616),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ] {
            let said = said(&[("date", date)]);
            let before = dated();
            servers.learn(Side::Resource, &there, &said, now());
            assert_eq!(dated(), before, "{date}");
            let heard = servers.heard(Side::Resource, &there);
            let (mut mended, whom) = (Mended::default(), (Side::Resource, &there));
            let code = Some("invalid_dpop_proof");
            assert!(servers.mend(&mut mended, whom, (code, &said), &heard, now()));
            assert_eq!(dated(), ahead, "{date}");
            let heard = servers.heard(Side::Resource, &there);
            assert!(!servers.mend(&mut mended, whom, (code, &said), &heard, now()));
        }
    }

    #[test]
    fn a_refused_proof_is_made_again_for_each_reason_and_not_for_ever() {
        let heard = |nonce: &str| Heard {
            nonce: (!nonce.is_empty()).then(|| nonce.into()),
            ..Heard::default()
        };
        let (none, one, two) = (heard(""), heard("one"), heard("two"));
        let mut mended = Mended::default();
        let code = Some("use_dpop_nonce");
        let mut again =
            |code, before: &Heard, said: &Heard| mended.again(code, before, said.clone());
        assert_eq!(again(code, &none, &none), None, "no nonce came with it");
        assert_eq!(again(code, &one, &one), None, "the one it refused");
        assert_eq!(again(Some("invalid_token"), &one, &two), None);
        assert_eq!(again(None, &one, &two), None);
        for _ in 0..MOST_NONCES {
            assert_eq!(again(code, &one, &two), Some(0));
        }
        assert_eq!(again(code, &two, &one), None);

        let code = Some("invalid_dpop_proof");
        assert_eq!(again(code, &one, &two), None, "the clock is right");
        assert_eq!(again(code, &none, &one), Some(0), "it meant a nonce");
        assert_eq!(again(code, &none, &one), None, "twice in a row");
    }

    #[test]
    fn the_nonce_of_ones_own_refusal_is_tried_first() {
        let mut mended = Mended::default();
        let code = Some("use_dpop_nonce");
        for (nonce, own) in [("one", Some("one")), ("two", None)] {
            let said = Heard {
                nonce: Some(nonce.into()),
                ..Heard::default()
            };
            assert!(mended.again(code, &Heard::default(), said).is_some());
            assert_eq!(mended.nonce().as_deref(), own);
            assert_eq!(mended.nonce(), None);
        }
        assert!(mended.is_crowded());
    }
}
