//! The credential of a request, with the only function that adds it to the request's headers.

use std::time::SystemTime;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use url::{Origin, Url};

use super::oauth::challenge::Challenge;
use super::oauth::dpop::{ProofRetry, Prover, ServerHints, ServerRole};
use crate::secret::Secret;

/// A token that mcpipe sends to the remote with each request.
#[derive(Clone, Debug)]
pub struct Credential {
    pub(super) generation: u64,
    pub(super) token: Secret,
    pub(super) home: Origin,
    /// The prover for a token that is bound to a key.
    pub(super) prover: Option<Prover>,
}

impl Credential {
    /// Adds `Authorization` to a request's headers (RFC 6750 section 2.1), and a fresh proof where the token is bound
    /// to a key. No other function adds it, and this one only for the origin that the token was issued for.
    pub fn apply(&self, to: &mut HeaderMap, method: &str, url: &Url, now: SystemTime) {
        self.apply_with(to, method, url, None, now);
    }

    /// Adds the same headers, with a nonce for this request alone ([`ProofRetry::nonce`]).
    pub fn apply_with(
        &self,
        to: &mut HeaderMap,
        method: &str,
        url: &Url,
        nonce: Option<Box<str>>,
        now: SystemTime,
    ) {
        if url.origin() != self.home {
            return;
        }
        let scheme = match &self.prover {
            Some(prover) => {
                let whom = (ServerRole::Resource, method, url);
                prover.apply(to, whom, Some(&self.token), nonce, now);
                "DPoP"
            }
            None => "Bearer",
        };
        let shown = format!("{scheme} {}", self.token.expose());
        if let Ok(mut value) = HeaderValue::try_from(shown) {
            value.set_sensitive(true);
            to.insert(AUTHORIZATION, value);
        }
    }

    /// Returns what the server has said about proofs so far; nothing for a token that needs none.
    pub fn hints(&self) -> ServerHints {
        let prover = self.prover.as_ref();
        prover.map_or_else(ServerHints::default, |prover| {
            prover.hints().hints_of(ServerRole::Resource, &self.home)
        })
    }

    /// Remembers what an answer from `url` says about proofs.
    pub fn learn(&self, url: &Url, headers: &HeaderMap, now: SystemTime) {
        if let Some(prover) = &self.prover
            && url.origin() == self.home
        {
            prover
                .hints()
                .learn(ServerRole::Resource, &self.home, headers, now);
        }
    }

    /// Says whether a request that met this challenge may be sent again with the same token and another proof (RFC 9449
    /// section 9). `before` holds the server's hints at the time of the request, `headers` are the answer's.
    pub fn proves_again(
        &self,
        retry: &mut ProofRetry,
        why: &Challenge,
        before: &ServerHints,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> bool {
        self.prover.as_ref().is_some_and(|prover| {
            let said = (why.error.as_deref(), headers);
            let whom = (ServerRole::Resource, &self.home);
            prover.hints().should_retry(retry, whom, said, before, now)
        })
    }

    /// Returns the credential's number among those that this process has held; a larger one is newer.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_goes_only_where_it_belongs() {
        let home = Url::parse("https://mcp.example.com/mcp").unwrap();
        let credential = Credential {
            generation: 1,
            token: Secret::new("canary"),
            home: home.origin(),
            prover: None,
        };
        for (there, goes) in [
            ("https://mcp.example.com/messages?x=1", true),
            ("https://mcp.example.com:8443/mcp", false),
            ("http://mcp.example.com/mcp", false),
            ("https://evil.example/mcp", false),
        ] {
            let mut headers = HeaderMap::new();
            let url = Url::parse(there).unwrap();
            credential.apply(&mut headers, "POST", &url, SystemTime::UNIX_EPOCH);
            assert_eq!(headers.contains_key(AUTHORIZATION), goes, "{there}");
            assert!(!format!("{headers:?} {credential:?}").contains("canary"));
        }
    }
}
