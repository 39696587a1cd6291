//! Signing in: who lends out a credential, and how one is got.
//!
//! A request meets a 401; [`Challenge`] reads what it said; the exchange asks the
//! [`Authorizer`] for something newer. The authorizer climbs a ladder, cheapest rung first: what another process has
//! already put into the vault, a refresh, a sign-in by a person. A sign-in is a chain of evidence, each link a value
//! that only the step before can make:
//!
//! 1. [`discovery`]: the protected resource (RFC 9728), then its authorization server (RFC 8414), names compared;
//! 2. [`registration`]: who we are there (pre-registered, metadata document, RFC 7591);
//! 3. [`scope`]: what to ask for;
//! 4. [`code`]: the browser goes out, [`loopback`] hears it come back, `state` and `iss` are checked;
//! 5. [`tokens`]: the code becomes tokens; [`entry`] is how they are kept.
//!
//! Where both servers know DPoP the tokens are bound to a key of ours (`binding`), and [`dpop`] proves it with each request.
//!
//! Where several processes need the same sign-in, `turn` decides which asks a person, in an `attempt`; it is done by a
//! [`helper`], a process that outlives the host. `device` is the way where no browser can come back (RFC 8628). Where
//! nobody signs in at all, [`machine`] asks for a token with what a program has to show.
//!
//! Nothing here knows of eras, frames or sessions, except the words an error needs to answer a frame.

pub mod adopt;
mod answers;
pub mod assertion;
mod attempt;
pub mod authorizer;
mod binding;
pub mod browser;
pub mod challenge;
pub mod client;
pub mod code;
mod device;
pub mod discovery;
pub mod dpop;
pub mod enterprise;
pub mod entry;
mod grant;
pub mod guard;
pub mod helper;
mod house;
pub mod http;
mod identity;
pub mod kept;
mod ladder;
pub mod learned;
pub mod lent;
pub mod loopback;
pub mod machine;
mod names;
mod progress;
pub mod providers;
pub mod registration;
mod renewal;
mod resolver;
mod revocation;
pub mod scope;
mod settings;
mod signin;
pub mod signing;
pub mod tokens;
mod turn;
mod wire;
pub mod workload;

use std::sync::Arc;
use std::time::SystemTime;

use ::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use url::{Origin, Url};

pub use authorizer::{Authorizer, PendingSignIn};
pub use dpop::Dpop;
pub use helper::Helper;
pub use settings::{Announce, Browser, Clock, Notice, Pasted, Settings};

use crate::frame::{Trouble, capitalised, is_mark};
use crate::secret::Secret;
use crate::store;
use challenge::Challenge;
use dpop::{Heard, Mended, Prover, Side};

/// What is shown to the remote with each request.
#[derive(Clone, Debug)]
pub struct Credential {
    generation: u64,
    token: Secret,
    home: Origin,
    /// Of a token that is bound to a key.
    prover: Option<Prover>,
}

impl Credential {
    /// Adds `Authorization` to a request's headers (U-01, U-03), and a fresh proof where the token is bound. The only place
    /// that does, and only for the origin the token was got for (U-02).
    pub fn apply(&self, to: &mut HeaderMap, method: &str, url: &Url, now: SystemTime) {
        self.apply_with(to, method, url, None, now);
    }

    /// The same, with a nonce for this request alone ([`Mended::nonce`]).
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
                let whom = (Side::Resource, method, url);
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

    /// What the server has said about proofs up to now; nothing where none are made.
    pub fn heard(&self) -> Heard {
        let prover = self.prover.as_ref();
        prover.map_or_else(Heard::default, |prover| {
            prover.servers().heard(Side::Resource, &self.home)
        })
    }

    /// Takes what an answer from `url` says about proofs.
    pub fn learn(&self, url: &Url, headers: &HeaderMap, now: SystemTime) {
        if let Some(prover) = &self.prover
            && url.origin() == self.home
        {
            prover
                .servers()
                .learn(Side::Resource, &self.home, headers, now);
        }
    }

    /// Whether a request that met this challenge may be sent again with the same token and another proof (RFC 9449
    /// section 9). `before` is what was heard when it was sent, `headers` are the answer's.
    pub fn proves_again(
        &self,
        mended: &mut Mended,
        why: &Challenge,
        before: &Heard,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> bool {
        self.prover.as_ref().is_some_and(|prover| {
            let said = (why.error.as_deref(), headers);
            let whom = (Side::Resource, &self.home);
            prover.servers().mend(mended, whom, said, before, now)
        })
    }

    /// Counts up with each credential this process has held; a larger one is newer.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

/// Why there is no credential, and for which server.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Error {
    resource: Arc<str>,
    #[source]
    why: Arc<Cause>,
}

/// What went wrong with a sign-in: one variant per thing a caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The user brings the `Authorization` header, and the server does not take it.
    #[error("the server refuses the Authorization header it is given (HTTP {status}){}", said(.words.as_deref()))]
    HeaderRefused {
        /// 401 or 403.
        status: u16,
        /// The challenge's own words, cleaned.
        words: Option<String>,
    },
    /// What is kept cannot be read or written.
    #[error("{0}")]
    Vault(#[from] store::Error),
    /// What the vault holds for this server is not readable as ours.
    #[error("the stored entry for this server was written by another version")]
    ForeignEntry,
    /// Somebody cannot be reached, or does not answer sensibly, now.
    #[error("{0}")]
    Network(#[from] http::Fault),
    /// The server does not say, or says wrongly, where to sign in.
    #[error("{0}")]
    Discovery(#[from] discovery::Error),
    /// The authorization server does not know us and will not.
    #[error("{0}")]
    Registration(#[from] registration::Error),
    /// The token endpoint said no.
    #[error("{0}")]
    Tokens(#[from] tokens::Error),
    /// The sign-in page sent the browser back with an error.
    #[error("the sign-in at {host} ended with {code}{}", said(.description.as_deref()))]
    Denied {
        /// The authorization server.
        host: String,
        /// RFC 6749 section 4.1.2.1, cleaned.
        code: String,
        /// `error_description`, cleaned.
        description: Option<String>,
    },
    /// The answer named another authorization server, or none although this one promises to (RFC 9207).
    #[error("the sign-in answer did not come from {host}: it was dropped unread")]
    ForeignAnswer {
        /// The authorization server that was asked.
        host: String,
    },
    /// Nobody finished the sign-in.
    #[error("nobody finished the sign-in at {host} within {seconds} s")]
    TooLate {
        /// The authorization server.
        host: String,
        /// `--auth-timeout`.
        seconds: u64,
    },
    /// A person is needed and none is expected.
    #[error("a sign-in is needed")]
    NobodyThere,
    /// An earlier sign-in was refused or abandoned, and windows do not reopen by themselves.
    #[error("{0} (no new window is opened by itself)")]
    Abandoned(Arc<Self>),
    /// The sign-in that another process did for us came to nothing.
    #[error("{text}")]
    Elsewhere {
        /// What it says.
        text: String,
        /// What a person can do about it.
        hint: Option<String>,
        /// Whether it may succeed later without anybody doing anything.
        is_passing: bool,
    },
    /// The same was refused a moment ago, and is not asked again yet.
    #[error("{0}")]
    Lately(Arc<Self>),
    /// Another process does the sign-in now.
    #[error("another mcpipe has taken this sign-in over")]
    Superseded,
    /// The user wants tokens that are bound to a key, and they are not to be had.
    #[error("{host} does not offer DPoP with ES256, and --dpop require takes nothing else")]
    NotBound {
        /// The authorization server.
        host: String,
    },
    /// There is no key to be had.
    #[error("a key for this sign-in: {0}")]
    Key(#[from] signing::Error),
    /// The process that was to do the sign-in does not start.
    #[error("the process that does the sign-in does not start")]
    Helper(#[source] std::io::Error),
    /// The server turns down tokens that were issued for it a moment ago.
    #[error("the server rejects the token that {host} issued for it a moment ago")]
    Rejected {
        /// The authorization server.
        host: String,
    },
    /// The key the client is proved by is not to be had.
    #[error("the client's key: {0}")]
    ClientKey(#[from] assertion::Error),
    /// There is no token without a person, in the way the user wants it.
    #[error("{0}")]
    Machine(#[from] machine::Error),
    /// More scope is wanted than another sign-in would bring.
    #[error("the server wants more than the sign-in allows{}", said(.scope.as_deref()))]
    ScopeRefused {
        /// What the challenge asked for, cleaned.
        scope: Option<String>,
    },
    /// The loopback listener cannot listen.
    #[error("cannot listen for the sign-in on {place}")]
    Listener {
        /// Host and port.
        place: String,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// The process is leaving.
    #[error("mcpipe is leaving")]
    Leaving,
}

impl Error {
    pub(crate) fn new(resource: &Arc<str>, why: impl Into<Arc<Cause>>) -> Self {
        Self {
            resource: Arc::clone(resource),
            why: why.into(),
        }
    }

    /// What went wrong.
    pub fn cause(&self) -> &Cause {
        &self.why
    }

    /// Whether the same request may succeed later without anybody doing anything.
    pub fn is_passing(&self) -> bool {
        self.why.is_passing()
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        self.why.hint(&self.resource)
    }

    /// The error that answers a request that waited for the sign-in.
    pub fn trouble(&self) -> Trouble {
        let kind = match &*self.why {
            Cause::Leaving => "leaving",
            Cause::Vault(_) => "vault",
            why if why.is_passing() => "unreachable",
            _ => "sign_in_needed",
        };
        let mut trouble = Trouble::new(kind, format!("{}.", capitalised(&self.to_string())));
        trouble.url = (!self.resource.is_empty()).then(|| self.resource.to_string());
        trouble.hint = self.hint();
        trouble.retryable = self.is_passing();
        if let Cause::HeaderRefused { status, .. } = *self.why {
            trouble.status = Some(status);
        }
        if let Some(http::Fault::Unwell { retry_after, .. }) = self.why.fault() {
            trouble.retry_after = *retry_after;
        }
        trouble
    }
}

impl Cause {
    /// The user's own header was turned down.
    pub(crate) fn header_refused(challenge: &Challenge) -> Self {
        let (code, text) = (&challenge.error, &challenge.description);
        let words = match (code, text) {
            (Some(code), Some(text)) => Some(format!("{code}: {text}")),
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        };
        Self::HeaderRefused {
            status: challenge.status,
            words: words.map(|words| plain(&words, 300)),
        }
    }

    /// A refusal by the authorization server, in its words, at the page or at the token endpoint.
    pub(super) fn refusal(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::Denied {
                code, description, ..
            }
            | Self::Tokens(tokens::Error::Refused {
                code, description, ..
            }) => Some((code, description.as_deref())),
            _ => None,
        }
    }

    fn fault(&self) -> Option<&http::Fault> {
        match self {
            Self::Network(fault)
            | Self::Discovery(discovery::Error::Http(fault))
            | Self::Registration(registration::Error::Http(fault))
            | Self::Tokens(tokens::Error::Failed(fault)) => Some(fault),
            Self::Machine(error) => error.fault(),
            _ => None,
        }
    }

    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Elsewhere { is_passing, .. } => *is_passing,
            // Somebody is at it, and meets a slow server.
            Self::Vault(store::Error::Busy { .. }) => true,
            _ => self.fault().is_some_and(http::Fault::is_passing),
        }
    }

    pub(crate) fn hint(&self, resource: &str) -> Option<String> {
        Some(match self {
            Self::HeaderRefused { .. } => {
                "check the --header that sets Authorization, or leave it out to sign in with OAuth"
                    .to_owned()
            }
            Self::Vault(error) => return error.hint(),
            Self::Leaving => return None,
            why if matches!(why.fault(), Some(http::Fault::Unwelcome { .. })) => {
                crate::remote::tls::Unwelcome::HINT.to_owned()
            }
            why if why.is_passing() => return None,
            Self::Elsewhere {
                hint: Some(hint), ..
            } => hint.clone(),
            Self::Abandoned(why) | Self::Lately(why) => return why.hint(resource),
            Self::Registration(error) => error.hint(resource),
            Self::Tokens(tokens::Error::NoKey(_)) => {
                "give the key again with --client-key".to_owned()
            }
            Self::ClientKey(error) => return error.hint(),
            Self::Machine(error) => return error.hint(resource),
            Self::Rejected { .. } => {
                "check the audience and the scopes: --resource, --scope, --authorize-param"
                    .to_owned()
            }
            Self::Discovery(error) if error.way_out(resource).is_some() => {
                return error.way_out(resource);
            }
            Self::Listener { .. } => "--callback-port chooses another port".to_owned(),
            Self::NotBound { .. } | Self::Tokens(tokens::Error::Unbound { .. }) => {
                "leave out --dpop require to take bearer tokens, or have DPoP switched on there"
                    .to_owned()
            }
            Self::Tokens(error) if error.is("invalid_dpop_proof") => {
                "check this machine's clock; --dpop off signs in without proofs".to_owned()
            }
            _ => format!("run `mcpipe login {resource}`"),
        })
    }
}

/// Somebody else's text, fit for a terminal, a log or a chat window: no control or direction marks, at most `longest`
/// characters (T25).
pub(crate) fn plain(text: &str, longest: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut plain: String = clean.filter(|c| !is_mark(*c)).take(longest + 1).collect();
    if plain.chars().count() > longest {
        plain.pop();
        plain.push('…');
    }
    plain.trim().to_owned()
}

fn said(text: Option<&str>) -> String {
    match text {
        Some(text) if !text.is_empty() => format!(": {text}"),
        _ => String::new(),
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

    #[test]
    fn what_others_say_cannot_move_a_terminal() {
        assert_eq!(plain("\x1b]0;owned\x07ok\u{202e}", 80), "]0;owned ok");
        assert_eq!(plain("äöü", 2), "äö…");
        let hidden = "a\u{61c}b\u{200b}c\u{2028}d\u{feff}e";
        let shown = (plain(hidden, 80), crate::frame::printable(hidden, 80));
        assert_eq!(shown, ("abcde".to_owned(), "abcde".to_owned()));
    }
}
