//! Who looks at proofs of possession (RFC 9449 section 4.3), for an authorization server or a resource.
//!
//! Shares no code with what makes them: the signature is checked with ring on the key in the header, the thumbprint and
//! the hash are made here.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderMap;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What it wants, and what it saw.
#[derive(Default)]
pub struct Verifier {
    /// A proof without its nonce is refused.
    pub wants_nonce: bool,
    /// A nonce is good for one proof.
    pub rotates: bool,
    /// No nonce is ever the one it wants.
    pub never: bool,
    /// Each answer has a nonce of its own, good for one proof, whatever the others do.
    pub scatters: bool,
    /// What it takes the time to be, in seconds since 1970; any will do if unset.
    pub clock: Option<u64>,
    /// What its answers say that time is, if that is not it.
    pub date: Option<u64>,
    /// The good proofs, in order.
    pub proofs: Vec<Proof>,
    /// What was said of the others.
    pub refusals: Vec<&'static str>,
    seen: HashSet<String>,
    turn: usize,
    /// How many nonces were scattered, and which are still good.
    scattered: Mutex<(usize, HashSet<String>)>,
}

/// A proof that was good.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The thumbprint of its key (RFC 7638).
    pub key: String,
    pub claims: Value,
}

impl Verifier {
    /// Judges the proof of a request, if it has one. `token` is the access token that came with it.
    ///
    /// # Errors
    /// The code of the refusal.
    pub fn judge(
        &mut self,
        method: &str,
        url: &str,
        headers: &HeaderMap,
        token: Option<&str>,
    ) -> Result<Option<Proof>, &'static str> {
        let mut shown = headers.get_all("dpop").iter();
        let Some(proof) = shown.next() else {
            return Ok(None);
        };
        self.turn += usize::from(self.never);
        let judged = match shown.next() {
            Some(_) => Err("invalid_dpop_proof"),
            None => self.read(method, url, proof.to_str().unwrap(), token),
        };
        match judged {
            Ok(proof) => {
                self.turn += usize::from(self.rotates);
                self.proofs.push(proof.clone());
                Ok(Some(proof))
            }
            Err(code) => {
                self.refusals.push(code);
                Err(code)
            }
        }
    }

    fn read(
        &mut self,
        method: &str,
        url: &str,
        proof: &str,
        token: Option<&str>,
    ) -> Result<Proof, &'static str> {
        let (key, claims) = verified(proof).ok_or("invalid_dpop_proof")?;
        let hash = token.map(|token| BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(token)));
        let id = claims["jti"].as_str().unwrap_or_default();
        let at = claims["iat"].as_u64().unwrap_or_default();
        let is_good = claims["htm"] == method
            && claims["htu"] == url
            && claims.get("ath").and_then(Value::as_str) == hash.as_deref()
            && id.len() >= 22
            && self.seen.insert(id.to_owned())
            && self.clock.is_none_or(|now| now.abs_diff(at) <= 60);
        if !is_good {
            return Err("invalid_dpop_proof");
        }
        let is_theirs = match self.scatters {
            true => {
                let nonce = claims["nonce"].as_str().unwrap_or_default();
                self.scattered.lock().unwrap().1.remove(nonce)
            }
            false => claims["nonce"] == self.nonce(),
        };
        if self.wants_nonce && !is_theirs {
            return Err("use_dpop_nonce");
        }
        Ok(Proof { key, claims })
    }

    fn fresh_nonce(&self) -> String {
        if !self.scatters {
            return self.nonce();
        }
        let mut scattered = self.scattered.lock().unwrap();
        scattered.0 += 1;
        let nonce = format!("scattered-{}", scattered.0);
        scattered.1.insert(nonce.clone());
        nonce
    }

    fn nonce(&self) -> String {
        format!("nonce-{}", self.turn)
    }

    /// What its answers say.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let nonce = self.wants_nonce.then(|| ("dpop-nonce", self.fresh_nonce()));
        let date = self.date.or(self.clock).map(|now| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
            ("date", httpdate::fmt_http_date(now))
        });
        nonce.into_iter().chain(date).collect()
    }

    /// The keys of the good proofs, each once.
    pub fn keys(&self) -> HashSet<String> {
        self.proofs.iter().map(|proof| proof.key.clone()).collect()
    }
}

/// The thumbprint and the claims, if the signature is good and the header as it has to be.
fn verified(proof: &str) -> Option<(String, Value)> {
    let bytes = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let json = |text: &str| -> Option<Value> { serde_json::from_slice(&bytes(text)?).ok() };
    let (signed, signature) = proof.rsplit_once('.')?;
    let (head, claims) = signed.split_once('.')?;
    let (head, claims) = (json(head)?, json(claims)?);
    let jwk = head["jwk"].as_object()?;
    let names: Vec<_> = jwk.keys().map(String::as_str).collect();
    let is_fine = head["typ"] == "dpop+jwt"
        && head["alg"] == "ES256"
        && names == ["crv", "kty", "x", "y"]
        && (&jwk["kty"], &jwk["crv"]) == (&"EC".into(), &"P-256".into());
    if !is_fine {
        return None;
    }
    let (x, y) = (jwk["x"].as_str()?, jwk["y"].as_str()?);
    let point = [vec![4], bytes(x)?, bytes(y)?].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(signed.as_bytes(), &bytes(signature)?).ok()?;
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let print = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(canonical));
    Some((print, claims))
}
