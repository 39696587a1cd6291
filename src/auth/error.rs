//! The errors of a sign-in: one variant for each thing that a caller or the user can do about it, with its remedy.

use std::sync::Arc;

use super::flow::{issuer_change, sign_in_status, unattended};
use super::net::http;
use super::oauth::challenge::Challenge;
use super::oauth::{client_auth, discovery, jws, registration, token_endpoint};
use super::user_key::UserKey;
use crate::frame::BridgeError;
use crate::store;
use crate::text::{capitalised, plain, said, without_query};

/// Why there is no credential, and for which server.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Error {
    resource: Arc<str>,
    #[source]
    why: Arc<Cause>,
    /// A sign-in was begun: the authorization server may have registered a client, and a person may have seen a window.
    is_after_a_sign_in: bool,
}

/// What went wrong with a sign-in: one variant per thing a caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The user brings the `Authorization` header, and the server does not take it.
    #[error("{}", given.refused(*status, words.as_deref()))]
    HeaderRefused {
        /// 401 or 403.
        status: u16,
        /// The challenge's own words, cleaned.
        words: Option<String>,
        /// Where the header comes from.
        given: Box<UserKey>,
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
    Tokens(#[from] token_endpoint::Error),
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
    /// Two browsers or programs opened the start page, and nothing tells which of them is the user's.
    #[error(
        "the sign-in at {host} was opened by another browser or program first, and has ended: nothing was stored"
    )]
    OpenedTwice {
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
    /// The authorization server is another than the one used last, and the user has not said that this is right.
    #[error("{0}")]
    OtherIssuer(#[from] issuer_change::Undecided),
    /// The server names no way to a credential, and what was tried instead came to nothing.
    #[error(
        "{said}; a sign-in at its own address was a guess (as revision 2025-03-26 has it), and failed: {why}"
    )]
    Guessed {
        /// What became of it.
        why: Arc<Self>,
        /// What the server says of how to get one.
        said: String,
        /// The user's own key that it turned down, if one was sent.
        key: Option<Box<UserKey>>,
    },
    /// The same was refused a moment ago, and is not asked again yet.
    #[error("{0}")]
    Lately(Arc<Self>),
    /// Another process does the sign-in now.
    #[error("another mcpipe has taken this sign-in over")]
    Superseded,
    /// The user wants tokens that are bound to a key, and they are not to be had.
    #[error(
        "the authorization server at {host} does not offer DPoP with ES256, and --dpop require takes nothing else"
    )]
    NotBound {
        /// The authorization server.
        host: String,
    },
    /// There is no key to be had.
    #[error("a key for this sign-in: {0}")]
    Key(#[from] jws::Error),
    /// The process that was to do the sign-in does not start.
    #[error("the process that does the sign-in does not start")]
    Helper(#[source] std::io::Error),
    /// The server turns down tokens that were issued for it a moment ago, sent, and have not ended.
    #[error("the server rejects the token that {host} issued for it a moment ago")]
    Rejected {
        /// The authorization server.
        host: String,
        /// Whether another is had a little later without a person.
        is_renewable: bool,
    },
    /// Many windows were shown of late, and no more are shown unless the user asks for one.
    #[error(
        "{windows} sign-in windows were shown within {} minutes, and no more are opened by themselves{}",
        sign_in_status::QUIET / 60,
        .last.as_ref().map_or_else(String::new, |last| format!("; the last one ended so: {last}"))
    )]
    Braked {
        /// How many.
        windows: usize,
        /// How the last one ended, if it brought no tokens.
        last: Option<Arc<Self>>,
    },
    /// The key the client is proved by is not to be had.
    #[error("the client's key: {0}")]
    ClientKey(#[from] client_auth::Error),
    /// There is no token without a person, in the way the user wants it.
    #[error("{0}")]
    Machine(#[from] unattended::Error),
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
            is_after_a_sign_in: false,
        }
    }

    pub(crate) fn after_a_sign_in(self) -> Self {
        Self {
            is_after_a_sign_in: true,
            ..self
        }
    }

    /// Whether the same request may be tried again at once, unseen: nothing was done that would then be done twice.
    pub fn may_repeat(&self) -> bool {
        self.is_passing() && !self.is_after_a_sign_in
    }

    /// What went wrong.
    pub fn cause(&self) -> &Cause {
        &self.why
    }

    /// Whether the same request may succeed later without anybody doing anything.
    pub fn is_passing(&self) -> bool {
        self.why.is_passing()
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        self.why.hint(&self.resource)
    }

    /// The same for a user who has just signed in: not to do that again.
    pub fn hint_after_login(&self) -> Option<String> {
        self.why.way_out(&without_query(&self.resource))
    }

    /// The error that answers a request that waited for the sign-in.
    pub fn to_bridge_error(&self) -> BridgeError {
        let kind = match &*self.why {
            Cause::Leaving => "leaving",
            why if why.is_locked() => "vault_locked",
            Cause::Vault(_) => "vault",
            why if why.is_passing() => "unreachable",
            _ => "sign_in_needed",
        };
        let mut error = BridgeError::new(kind, format!("{}.", capitalised(&self.to_string())));
        error.url = (!self.resource.is_empty()).then(|| without_query(&self.resource));
        error.hint = self.hint();
        error.retryable = self.is_passing()
            || self.why.is_locked()
            || matches!(
                *self.why,
                Cause::Rejected {
                    is_renewable: true,
                    ..
                }
            );
        error.status = self.why.key_refused();
        if let Some(http::Fault::Unwell { retry_after, .. }) = self.why.fault() {
            error.retry_after = *retry_after;
        }
        error.is_after_a_sign_in = self.is_after_a_sign_in;
        error
    }
}

impl Cause {
    /// The status with which a key of the user's own was turned down.
    fn key_refused(&self) -> Option<u16> {
        match self {
            Self::HeaderRefused { status, .. } => Some(*status),
            // Only with this status is the key what was turned down.
            Self::Guessed { key: Some(_), .. } => Some(401),
            Self::Abandoned(why) | Self::Lately(why) => why.key_refused(),
            _ => None,
        }
    }

    /// The user's own header was turned down.
    pub(crate) fn header_refused(challenge: &Challenge, given: &UserKey) -> Self {
        let (code, text) = (&challenge.error, &challenge.description);
        let words = match (code, text) {
            (Some(code), Some(text)) => Some(format!("{code}: {text}")),
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        };
        Self::HeaderRefused {
            status: challenge.status,
            words: words.map(|words| plain(&words, 300)),
            given: Box::new(given.clone()),
        }
    }

    /// A refusal by the authorization server, in its words, at the page or at the token endpoint.
    pub(in crate::auth) fn refusal(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::Denied {
                code, description, ..
            }
            | Self::Tokens(token_endpoint::Error::Refused {
                code, description, ..
            }) => Some((code, description.as_deref())),
            _ => None,
        }
    }

    pub(in crate::auth) fn fault(&self) -> Option<&http::Fault> {
        match self {
            Self::Network(fault)
            | Self::Discovery(discovery::Error::Http(fault))
            | Self::Registration(registration::Error::Http(fault))
            | Self::Tokens(token_endpoint::Error::Failed(fault)) => Some(fault),
            Self::Machine(error) => error.fault(),
            Self::Guessed { why, .. } => why.fault(),
            _ => None,
        }
    }

    /// As it was at an authorization server that is a guess. What the user did there is no guess's fault.
    /// `said` is what stands in the place of the server's metadata, if anything does.
    /// `keys` are the user's own that were sent.
    pub(in crate::auth) fn at_a_guess(
        self,
        challenge: &Challenge,
        said: Option<String>,
        keys: &[UserKey],
    ) -> Self {
        let key = keys.first().filter(|_| challenge.status == 401);
        let nothing = || match (challenge.status, key) {
            (status, Some(key)) => key.refused(status, None),
            (0, None) => "the server does not say where to sign in".to_owned(),
            (_, None) => {
                "the server asks for a credential and does not say how to get one".to_owned()
            }
        };
        match self {
            why @ (Self::Leaving
            | Self::Superseded
            | Self::Vault(_)
            | Self::ClientKey(_)
            | Self::Machine(
                unattended::Error::Assertion(_) | unattended::Error::Provider(_),
            )
            | Self::Braked { .. }
            | Self::OpenedTwice { .. }
            | Self::Denied { .. }) => why,
            why => Self::Guessed {
                why: Arc::new(why),
                said: said.unwrap_or_else(nothing),
                key: key.cloned().map(Box::new),
            },
        }
    }

    /// The cause itself, where it was one at a guess.
    pub(in crate::auth) fn bare(&self) -> &Self {
        match self {
            Self::Guessed { why, .. } => why.bare(),
            why => why,
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

    /// What the user can do about it: the way out that is known, or signing in anew.
    pub(crate) fn hint(&self, resource: &str) -> Option<String> {
        let resource = &without_query(resource);
        let login = || format!("run `mcpipe login {resource}`");
        match self {
            Self::Leaving | Self::Vault(_) | Self::Elsewhere { hint: Some(_), .. } => {
                self.way_out(resource)
            }
            Self::Abandoned(why) | Self::Lately(why) => why.hint(resource),
            // The user's own word opens a window again, whatever ended the last one.
            Self::Braked {
                last: Some(why), ..
            } => why.hint(resource).or_else(|| Some(login())),
            Self::TooLate { .. } => Some(login()),
            Self::OtherIssuer(undecided) => Some(undecided.hint(resource)),
            Self::Rejected { .. } => self
                .way_out(resource)
                .map(|check| format!("{check}; if nothing is wrong with them, {}", login())),
            Self::ScopeRefused { .. } => self
                .way_out(resource)
                .map(|more| format!("{more}; {} as a user who may do this", login())),
            Self::Tokens(token_endpoint::Error::Failed(http::Fault::Unwell { .. })) => {
                Some(format!("try again later; if it stays so, {}", login()))
            }
            why if why.is_passing() => self.way_out(resource),
            Self::Machine(_) | Self::ClientKey(_) => self.way_out(resource),
            _ => self.way_out(resource).or_else(|| Some(login())),
        }
    }

    /// The command or flag that helps here, where there is one beside signing in anew.
    fn way_out(&self, resource: &str) -> Option<String> {
        Some(match self {
            Self::HeaderRefused { given, .. } => given.hint(),
            Self::Vault(error) => return error.hint(),
            why if matches!(why.fault(), Some(http::Fault::Unwelcome { .. })) => {
                crate::tls::Unwelcome::HINT.to_owned()
            }
            why if let Some(http::Fault::Untrusted { why, .. }) = why.fault() => {
                why.hint().to_owned()
            }
            Self::Guessed { why, .. } if matches!(**why, Self::Machine(_)) => {
                return why.way_out(resource);
            }
            Self::Guessed { key: Some(key), .. } => key.hint(),
            Self::Guessed { .. } => {
                "if it takes a key: `mcpipe vault put NAME` keeps one, and --bearer NAME or --header \
                 'X-Api-Key: ${vault:NAME}' sends it; if it has an authorization server, \
                 --authorization-server URL names it"
                    .to_owned()
            }
            Self::Elsewhere { hint, .. } => return hint.clone(),
            why if why.is_passing() => return None,
            Self::Abandoned(why)
            | Self::Lately(why)
            | Self::Braked {
                last: Some(why), ..
            } => return why.way_out(resource),
            Self::Registration(error) => return error.hint(resource),
            Self::Discovery(error) => return error.hint(resource),
            Self::Tokens(token_endpoint::Error::NoKey(_)) => {
                "give the key again with --client-key".to_owned()
            }
            Self::ClientKey(error) => return error.hint(),
            Self::Machine(error) => return error.hint(resource),
            Self::Rejected { .. } => {
                "check the audience and the scopes: --resource, --scope, --authorize-param"
                    .to_owned()
            }
            Self::ScopeRefused { .. } => {
                "--scope says what to ask for; another --account may be allowed more".to_owned()
            }
            Self::TooLate { .. } => "--auth-timeout SECONDS gives the user longer".to_owned(),
            Self::OpenedTwice { .. } => format!(
                "`mcpipe login {resource}` begins anew: open its address in one browser only (--no-browser lets you choose \
                 which); if you did not open it twice, another program on this machine did"
            ),
            Self::ForeignEntry => "use the newest mcpipe".to_owned(),
            Self::Listener { .. } => "--callback-port chooses another port".to_owned(),
            Self::NotBound { .. } | Self::Tokens(token_endpoint::Error::Unbound { .. }) => {
                "leave out --dpop require to take bearer tokens, or have DPoP switched on there"
                    .to_owned()
            }
            Self::Tokens(error) if error.is("invalid_dpop_proof") => {
                "check this machine's clock; --dpop off signs in without proofs".to_owned()
            }
            why => return why.refusal().and_then(way_out_of).map(str::to_owned),
        })
    }
}

/// What helps against a refusal in these words (RFC 6749 section 4.1.2.1 and 5.2, RFC 8707 section 2).
fn way_out_of((code, description): (&str, Option<&str>)) -> Option<&'static str> {
    let names_resource = || {
        let words = description.unwrap_or_default().to_ascii_lowercase();
        words.contains("resource") || words.contains("audience")
    };
    match code {
        "invalid_scope" => Some("--scope says what to ask for; '' asks for none"),
        "invalid_target" => Some(RESOURCE),
        "invalid_request" if names_resource() => Some(RESOURCE),
        "invalid_client" | "unauthorized_client" => Some(
            "--client-id names a client that is registered there (and --client-secret-env VAR its secret)",
        ),
        _ => None,
    }
}

const RESOURCE: &str = "--disable-resource-parameter signs in without naming the server; --resource URI names it otherwise";

#[cfg(test)]
mod tests {
    use super::*;

    /// The hint, and what is left of it for a user who has just signed in.
    #[test]
    fn each_cause_names_its_way_out_and_after_a_login_not_to_log_in_again() {
        let host = || "as.example.com".to_owned();
        let braked = |last: Option<Cause>| Cause::Braked {
            windows: 3,
            last: last.map(Arc::new),
        };
        let failing = token_endpoint::Error::Failing {
            host: host(),
            status: 500,
            minutes: 10,
        };
        let seconds = 60;
        for (why, login, flag) in [
            (braked(None), true, None),
            (
                braked(Some(Cause::NotBound { host: host() })),
                false,
                Some("--dpop"),
            ),
            (
                braked(Some(Cause::TooLate {
                    host: host(),
                    seconds,
                })),
                true,
                Some("--auth-timeout"),
            ),
            (
                Cause::Rejected {
                    host: host(),
                    is_renewable: false,
                },
                true,
                Some("--resource"),
            ),
            (failing.into(), true, None),
            (
                discovery::Error::Unexpected {
                    asked: "a".to_owned(),
                    found: "b".to_owned(),
                    expected: "c".to_owned(),
                }
                .into(),
                false,
                Some("--expect-issuer"),
            ),
        ] {
            let hint = why.hint("https://mcp.example.com?key=k").unwrap();
            assert_eq!(hint.contains("`mcpipe login"), login, "{why}: {hint}");
            assert!(!hint.contains("key"), "{hint}");
            let after = why.way_out("https://mcp.example.com");
            assert_eq!(after.is_some(), flag.is_some(), "{why}: {after:?}");
            let after = after.unwrap_or_default();
            assert!(after.contains(flag.unwrap_or_default()), "{why}: {after}");
            assert!(!after.contains("`mcpipe login"), "{why}: {after}");
        }
        let why = braked(None).at_a_guess(&Challenge::default(), None, &[]);
        assert!(matches!(why, Cause::Braked { .. }), "{why:?}");
    }

    #[test]
    fn a_sign_in_elsewhere_keeps_its_hint_and_a_refused_scope_names_the_command() {
        let elsewhere = Cause::Elsewhere {
            text: "the server answered HTTP 500".to_owned(),
            hint: Some("try again later".to_owned()),
            is_passing: true,
        };
        assert_eq!(elsewhere.hint("r").as_deref(), Some("try again later"));
        let refused = Cause::ScopeRefused { scope: None };
        let hint = refused.hint("https://a.example/mcp?key=canary").unwrap();
        assert!(
            hint.contains("`mcpipe login https://a.example/mcp?…`"),
            "{hint}"
        );
        assert!(hint.contains("--scope"), "{hint}");
        // Where that command has just been run.
        assert!(!refused.way_out("r").unwrap().contains("mcpipe login"));
    }
}
