//! The errors of a sign-in: one variant for each case in which a caller or the user can do something different.

use std::sync::Arc;

use super::grant::{AssertionError, GrantType};
use super::net::http;
use super::oauth::challenge::Challenge;
use super::oauth::{authorization_code, discovery, jws, registration, token_endpoint};
use super::store::credential_store;
use super::user_key::UserKey;
use super::{client, issuer_change};
use crate::auth::text_limits::MAX_DESCRIPTION;
use crate::store;
use crate::text::{plain, said};
use std::io;

mod remedy;

/// Seconds in which mcpipe does not reopen a closed window, and in which it counts windows.
pub(in crate::auth) const WINDOW_PERIOD: u64 = 600;

/// The reason why there is no credential, with the server that wants one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Error {
    resource: Arc<str>,
    #[source]
    why: Arc<Cause>,
    /// True if a sign-in was begun: the authorization server may have registered a client, and the user may have seen a
    /// window.
    is_after_a_sign_in: bool,
}

/// The cause of a failed sign-in: one variant for each reaction of a caller.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A header with the user's own key that the server has refused.
    #[error("{}", given.refused(*status, words.as_deref()))]
    HeaderRefused {
        /// 401 or 403.
        status: u16,
        /// The words of the challenge, cleaned.
        words: Option<String>,
        /// The header and its source.
        given: Box<UserKey>,
    },
    /// A vault that cannot be read or written.
    #[error("{0}")]
    Vault(#[from] store::Error),
    /// A stored entry for this server that this version cannot read.
    #[error("the stored entry for this server was written by another version")]
    ForeignRecord,
    /// A server that cannot be reached, or gives no usable answer, now.
    #[error("{0}")]
    Network(#[from] http::Error),
    /// A server whose metadata does not say, or says wrongly, where to sign in.
    #[error("{0}")]
    Discovery(#[from] discovery::Error),
    /// A client that the authorization server does not know and does not register.
    #[error("{0}")]
    Registration(#[from] registration::Error),
    /// A refusal by the token endpoint.
    #[error("{0}")]
    Tokens(#[from] token_endpoint::Error),
    /// A browser that the sign-in page has sent back with an error.
    #[error("the sign-in at {host} ended with {code}{}", said(.description.as_deref()))]
    Denied {
        /// The authorization server.
        host: String,
        /// The error code (RFC 6749 section 4.1.2.1), cleaned.
        code: String,
        /// `error_description`, cleaned.
        description: Option<String>,
    },
    /// An answer that named another authorization server, or none although this one promises to (RFC 9207).
    #[error("the sign-in answer did not come from {host}: it was dropped unread")]
    ForeignAnswer {
        /// The authorization server of the sign-in.
        host: String,
    },
    /// A start page that two browsers or programs have opened, so that mcpipe cannot tell which of them is the user's.
    #[error(
        "the sign-in at {host} was opened by another browser or program first, and has ended: nothing was stored"
    )]
    OpenedTwice {
        /// The authorization server of the sign-in.
        host: String,
    },
    /// A sign-in that the user has not finished in time.
    #[error("nobody finished the sign-in at {host} within {seconds} s")]
    TooLate {
        /// The authorization server.
        host: String,
        /// The value of `--auth-timeout`.
        seconds: u64,
    },
    /// A sign-in that needs a user where none is expected.
    #[error("a sign-in is needed")]
    NoUser,
    /// An earlier sign-in that was refused or abandoned; mcpipe does not reopen its window by itself.
    #[error("{0} (no new window is opened by itself)")]
    Abandoned(Arc<Self>),
    /// A sign-in by another process that has failed.
    #[error("{text}")]
    OtherProcessFailed {
        /// The message of the other process.
        text: String,
        /// The hint for the user.
        hint: Option<String>,
        /// True if the sign-in may succeed later without the user's doing anything.
        is_passing: bool,
    },
    /// An authorization server other than the one used last, which the user has not accepted.
    #[error("{0}")]
    OtherIssuer(#[from] issuer_change::Undecided),
    /// A failed guess at the sign-in of a server that names no way to a credential.
    #[error(
        "{said}; a sign-in at its own address was a guess (as revision 2025-03-26 has it), and failed: {why}"
    )]
    Guessed {
        /// The cause of the failed guess.
        why: Arc<Self>,
        /// A summary of what the server says about getting a credential.
        said: String,
        /// The user's own key that the server has refused, if mcpipe sent one.
        key: Option<Box<UserKey>>,
    },
    /// A refusal of a moment ago, after which mcpipe does not ask again yet.
    #[error("{0}")]
    RefusedRecently(Arc<Self>),
    /// A sign-in that another process has taken over.
    #[error("another mcpipe has taken this sign-in over")]
    TakenOver,
    /// Bound tokens that the user requires and the authorization server does not offer.
    #[error(
        "the authorization server at {host} does not offer DPoP with ES256, and --dpop require takes nothing else"
    )]
    NotBound {
        /// The authorization server.
        host: String,
    },
    /// A key for the sign-in that cannot be obtained.
    #[error("a key for this sign-in: {0}")]
    Key(#[from] jws::Error),
    /// A sign-in process that does not start.
    #[error("the process that does the sign-in does not start")]
    Helper(#[source] io::Error),
    /// Tokens that the server refuses although they were issued for it a moment ago, sent, and have not ended.
    #[error("the server rejects the token that {host} issued for it a moment ago")]
    Rejected {
        /// The authorization server.
        host: String,
        /// True if another token can be obtained a little later without a user.
        is_renewable: bool,
    },
    /// Too many recent windows: mcpipe shows no more unless the user asks for one.
    #[error(
        "{windows} sign-in windows were shown within {} minutes, and no more are opened by themselves{}",
        WINDOW_PERIOD / 60,
        .last.as_ref().map_or_else(String::new, |last| format!("; the last one ended so: {last}"))
    )]
    TooManyWindows {
        /// The count of windows.
        windows: usize,
        /// The cause of the last failure, if the last window brought no tokens.
        last: Option<Arc<Self>>,
    },
    /// A key of the client's that cannot be obtained.
    #[error("the client's key: {0}")]
    ClientKey(#[from] client::Error),
    /// A grant without a user that brings no token.
    #[error("{0}")]
    Unattended(#[from] UnattendedError),
    /// A challenge for more scope than another sign-in would bring.
    #[error("the server wants more than the sign-in allows{}", said(.scope.as_deref()))]
    ScopeRefused {
        /// The scope in the challenge, cleaned.
        scope: Option<String>,
    },
    /// A loopback listener that cannot listen.
    #[error("cannot listen for the sign-in on {place}")]
    Listener {
        /// The host and port of the listener.
        place: String,
        /// The error of the operating system.
        #[source]
        error: io::Error,
    },
    /// A process that is leaving.
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

    /// Says whether the same request may be repeated at once, without telling the host: nothing was done that would
    /// then be done twice.
    pub fn may_repeat(&self) -> bool {
        self.is_passing() && !self.is_after_a_sign_in
    }

    /// Returns the cause.
    pub fn cause(&self) -> &Cause {
        &self.why
    }

    /// Says whether the same request may succeed later without the user's doing anything.
    pub fn is_passing(&self) -> bool {
        self.why.is_passing()
    }
}

impl Cause {
    /// Returns the cause for the token endpoint's refusal of a grant without a user.
    pub(in crate::auth) fn refused_grant(by: GrantType, error: token_endpoint::Error) -> Self {
        match error {
            error @ (token_endpoint::Error::Refused { .. }
            | token_endpoint::Error::Unusable { .. }) => {
                UnattendedError::Refused { by, error }.into()
            }
            error => error.into(),
        }
    }

    /// Returns the cause for a server's refusal of the user's own header.
    pub(crate) fn header_refused(challenge: &Challenge, given: &UserKey) -> Self {
        let (code, text) = (&challenge.error, &challenge.description);
        let words = match (code, text) {
            (Some(code), Some(text)) => Some(format!("{code}: {text}")),
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        };
        Self::HeaderRefused {
            status: challenge.status,
            words: words.map(|words| plain(&words, MAX_DESCRIPTION)),
            given: Box::new(given.clone()),
        }
    }

    /// Returns the authorization server's code and words of a refusal, at the page or at the token endpoint.
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

    pub(in crate::auth) fn http_error(&self) -> Option<&http::Error> {
        match self {
            Self::Network(fault)
            | Self::Discovery(discovery::Error::Http(fault))
            | Self::Registration(registration::Error::Http(fault))
            | Self::Tokens(token_endpoint::Error::Failed(fault)) => Some(fault),
            Self::Unattended(error) => error.http_error(),
            Self::Guessed { why, .. } => why.http_error(),
            _ => None,
        }
    }

    /// Returns the cause as one at a guessed authorization server. Causes that do not depend on the guess, such as the
    /// user's own refusal, stay as they are. `said` describes what the server has in the place of its metadata, if it
    /// has anything. `keys` are the user's own that mcpipe sent.
    pub(in crate::auth) fn into_guess(
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
            | Self::TakenOver
            | Self::Vault(_)
            | Self::ClientKey(_)
            | Self::Unattended(
                UnattendedError::Assertion(_) | UnattendedError::Provider(_),
            )
            | Self::TooManyWindows { .. }
            | Self::OpenedTwice { .. }
            | Self::Denied { .. }) => why,
            why => Self::Guessed {
                why: Arc::new(why),
                said: said.unwrap_or_else(nothing),
                key: key.cloned().map(Box::new),
            },
        }
    }

    /// Returns the cause itself, without the guess around it.
    pub(in crate::auth) fn bare(&self) -> &Self {
        match self {
            Self::Guessed { why, .. } => why.bare(),
            why => why,
        }
    }

    /// Says whether only a locked vault is in the way.
    pub(in crate::auth) fn is_locked(&self) -> bool {
        matches!(
            self,
            Self::Vault(store::Error::Locked { .. })
                | Self::ClientKey(client::Error::Vault(crate::header_secrets::Error::Vault(
                    store::Error::Locked { .. }
                )))
        )
    }

    /// Says whether a server has refused that would refuse the same again.
    pub(in crate::auth) fn is_refused_unattended(&self) -> bool {
        match self.bare() {
            Self::Unattended(UnattendedError::Refused { error, .. }) => {
                matches!(error, token_endpoint::Error::Refused { .. })
            }
            Self::Unattended(UnattendedError::Provider(ProviderError::Refused(error))) => {
                matches!(error, token_endpoint::Error::Refused { .. })
            }
            Self::Registration(registration::Error::NotTaken { .. }) => true,
            _ => false,
        }
    }

    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::OtherProcessFailed { is_passing, .. } => *is_passing,
            // Another process holds the lock, and waits for a slow server.
            Self::Vault(store::Error::Busy { .. }) => true,
            _ => self.http_error().is_some_and(http::Error::is_passing),
        }
    }
}

/// The reason why a grant without a user brings no token.
#[derive(Debug, thiserror::Error)]
pub enum UnattendedError {
    /// A refusal by the authorization server or the provider.
    #[error("{error}")]
    Refused {
        /// The grant that mcpipe asked for.
        by: GrantType,
        /// The server's error.
        error: token_endpoint::Error,
    },
    /// A server that needs a client where the user has named none.
    #[error("the authorization server at {host} has to be told which client this is")]
    NoClient {
        /// The authorization server.
        host: String,
    },
    /// An assertion that cannot be had.
    #[error("{0}")]
    Assertion(#[from] AssertionError),
    /// A provider that vouches for no user.
    #[error("{0}")]
    Provider(#[from] ProviderError),
}

impl UnattendedError {
    pub(in crate::auth) fn http_error(&self) -> Option<&http::Error> {
        match self {
            Self::Refused {
                error: token_endpoint::Error::Failed(fault),
                ..
            } => Some(fault),
            Self::Provider(error) => error.http_error(),
            _ => None,
        }
    }

    /// Says whether the fault is on this machine, so that mcpipe has asked no server.
    pub(crate) fn is_at_home(&self) -> bool {
        match self {
            Self::Assertion(AssertionError::Spent { .. }) => false,
            Self::Assertion(_) => true,
            Self::Provider(error) => error.is_at_home(),
            Self::Refused { .. } | Self::NoClient { .. } => false,
        }
    }
}

/// The reason why the provider vouches for no user.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// An ID token that cannot be had.
    #[error("{0}")]
    IdToken(#[from] AssertionError),
    /// A held token that is not an ID token for this client from this provider.
    #[error("the provider at {host} gave no ID token for this client")]
    NotForUs {
        /// The provider.
        host: String,
    },
    /// A sign-in at the provider that has failed.
    #[error("signing in at {host}: {why}")]
    SignIn {
        /// The provider.
        host: String,
        /// The cause of the failure.
        why: Error,
    },
    /// Metadata of the provider that cannot be used.
    #[error("{0}")]
    Discovery(#[from] discovery::Error),
    /// A refusal by the provider.
    #[error("{0}")]
    Refused(token_endpoint::Error),
    /// An answer of the provider that is not a grant.
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
    pub(in crate::auth) fn http_error(&self) -> Option<&http::Error> {
        match self {
            Self::Discovery(discovery::Error::Http(fault))
            | Self::Refused(token_endpoint::Error::Failed(fault)) => Some(fault),
            Self::SignIn { why, .. } => why.cause().http_error(),
            _ => None,
        }
    }

    /// Says whether the fault is in the user's own file.
    pub(in crate::auth) fn is_at_home(&self) -> bool {
        matches!(self, Self::IdToken(_))
    }

    /// Says whether the provider may accept another ID token where it refused this one.
    pub(in crate::auth) fn is_about_user(&self) -> bool {
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
            credential_store::Error::ForeignRecord => Self::ForeignRecord,
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
