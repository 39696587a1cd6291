//! The errors of a sign-in: one variant for each thing that a caller or the user can do about it, with its remedy.

use std::sync::Arc;

use super::grant::{AssertionError, GrantType};
use super::net::http;
use super::oauth::challenge::Challenge;
use super::oauth::{authorization_code, discovery, jws, registration, token_endpoint};
use super::store::credential_store;
use super::user_key::UserKey;
use super::{client, issuer_change};
use crate::store;
use crate::text::{plain, said};
use std::io;

mod remedy;

/// Seconds in which a window that was closed stays closed, and in which windows are counted.
pub(in crate::auth) const QUIET: u64 = 600;

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
    Helper(#[source] io::Error),
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
        QUIET / 60,
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
    ClientKey(#[from] client::Error),
    /// There is no token without a person, in the way the user wants it.
    #[error("{0}")]
    Machine(#[from] UnattendedError),
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
        error: io::Error,
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
}

impl Cause {
    /// A refusal by the token endpoint of a grant without a user.
    pub(in crate::auth) fn refused_grant(by: GrantType, error: token_endpoint::Error) -> Self {
        match error {
            error @ (token_endpoint::Error::Refused { .. }
            | token_endpoint::Error::Unusable { .. }) => {
                UnattendedError::Refused { by, error }.into()
            }
            error => error.into(),
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
            | Self::Machine(UnattendedError::Assertion(_) | UnattendedError::Provider(_))
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

    /// Whether only a locked vault is in the way.
    pub(in crate::auth) fn is_locked(&self) -> bool {
        matches!(
            self,
            Self::Vault(store::Error::Locked { .. })
                | Self::ClientKey(client::Error::Vault(crate::header_secrets::Error::Vault(
                    store::Error::Locked { .. }
                )))
        )
    }

    /// Whether somebody has said no who would say it again.
    pub(in crate::auth) fn is_refused_machine(&self) -> bool {
        match self.bare() {
            Self::Machine(UnattendedError::Refused { error, .. }) => {
                matches!(error, token_endpoint::Error::Refused { .. })
            }
            Self::Machine(UnattendedError::Provider(ProviderError::Refused(error))) => {
                matches!(error, token_endpoint::Error::Refused { .. })
            }
            Self::Registration(registration::Error::NotTaken { .. }) => true,
            _ => false,
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
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum UnattendedError {
    /// The authorization server, or the provider, said no.
    #[error("{error}")]
    Refused {
        /// What was asked for.
        by: GrantType,
        /// Its words.
        error: token_endpoint::Error,
    },
    /// The server takes a client, and there is none.
    #[error("the authorization server at {host} has to be told which client this is")]
    NoClient {
        /// The authorization server.
        host: String,
    },
    /// There is no assertion to show.
    #[error("{0}")]
    Assertion(#[from] AssertionError),
    /// The provider did not vouch for anybody.
    #[error("{0}")]
    Provider(#[from] ProviderError),
}

impl UnattendedError {
    pub(in crate::auth) fn fault(&self) -> Option<&http::Fault> {
        match self {
            Self::Refused {
                error: token_endpoint::Error::Failed(fault),
                ..
            } => Some(fault),
            Self::Provider(error) => error.fault(),
            _ => None,
        }
    }

    /// Whether it is something on this machine that is wrong, and no server has been asked.
    pub(crate) fn is_at_home(&self) -> bool {
        match self {
            Self::Assertion(AssertionError::Spent { .. }) => false,
            Self::Assertion(_) => true,
            Self::Provider(error) => error.is_at_home(),
            Self::Refused { .. } | Self::NoClient { .. } => false,
        }
    }
}

/// Why nobody was vouched for.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// There is no ID token.
    #[error("{0}")]
    IdToken(#[from] AssertionError),
    /// What is held is not an ID token for us from this provider.
    #[error("the provider at {host} gave no ID token for this client")]
    NotForUs {
        /// The provider.
        host: String,
    },
    /// The sign-in at the provider came to nothing.
    #[error("signing in at {host}: {why}")]
    SignIn {
        /// The provider.
        host: String,
        /// Why.
        why: Error,
    },
    /// The provider's metadata cannot be used.
    #[error("{0}")]
    Discovery(#[from] discovery::Error),
    /// It said no.
    #[error("{0}")]
    Refused(token_endpoint::Error),
    /// It gave something else.
    #[error(
        "the provider at {host} answered with something other than a grant for the server: {why}"
    )]
    NotAGrant {
        /// The provider.
        host: String,
        /// The member at fault.
        why: &'static str,
    },
}

impl ProviderError {
    pub(in crate::auth) fn fault(&self) -> Option<&http::Fault> {
        match self {
            Self::Discovery(discovery::Error::Http(fault))
            | Self::Refused(token_endpoint::Error::Failed(fault)) => Some(fault),
            Self::SignIn { why, .. } => why.cause().fault(),
            _ => None,
        }
    }

    /// Whether it is the user's own file that is wrong.
    pub(in crate::auth) fn is_at_home(&self) -> bool {
        matches!(self, Self::IdToken(_))
    }

    /// Whether another ID token may be taken where this one was not.
    pub(in crate::auth) fn is_about_the_person(&self) -> bool {
        match self {
            Self::NotForUs { .. } => true,
            Self::Refused(error) => error.is("invalid_grant") || error.is("invalid_token"),
            _ => false,
        }
    }
}

impl From<credential_store::Error> for Cause {
    fn from(error: credential_store::Error) -> Self {
        match error {
            credential_store::Error::Vault(error) => Self::Vault(error),
            credential_store::Error::ForeignEntry => Self::ForeignEntry,
            credential_store::Error::Registration(error) => Self::Registration(error),
        }
    }
}

impl From<authorization_code::Error> for Cause {
    fn from(error: authorization_code::Error) -> Self {
        match error {
            authorization_code::Error::Denied {
                host,
                code,
                description,
            } => Self::Denied {
                host,
                code,
                description,
            },
            authorization_code::Error::ForeignAnswer { host } => Self::ForeignAnswer { host },
        }
    }
}

#[cfg(test)]
mod tests;
