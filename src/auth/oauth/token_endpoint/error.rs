//! The reason why a token endpoint gave no tokens.

use crate::auth::client::Client;
use crate::auth::net::http;
use crate::auth::oauth::observed_quirks::Adjustment;
use crate::auth::text_limits::MAX_NAME;
use crate::secret::Secret;
use crate::text::{plain, said};

/// The reason why the endpoint gave no tokens.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint cannot be reached, or cannot answer now; what was sent may be sent again later.
    #[error("getting a token: {0}")]
    Failed(#[from] http::Error),
    /// The endpoint refused the request (RFC 6749 section 5.2).
    #[error("the token endpoint at {host} refused a token: {code}{}", said(.description.as_deref()))]
    Refused {
        /// The token endpoint's host.
        host: String,
        /// The server's error code, cleaned; `http_NNN` if it sent none.
        code: String,
        /// The server's description, cleaned, our secrets taken out.
        description: Option<String>,
    },
    /// A key proves the client, and the user has not brought the key this time.
    #[error("the client {0} is proved by a key, and no --client-key is given")]
    NoKey(String),
    /// A bearer token came where one bound to our key was asked for, and nothing else is taken.
    #[error(
        "the token endpoint at {host} sent a bearer token in place of one that is bound to our key (DPoP)"
    )]
    Unbound {
        /// The token endpoint's host.
        host: String,
    },
    /// A renewal brought tokens of another user than the one who has signed in (OpenID Connect Core section 12.2).
    #[error(
        "the token endpoint at {host} renewed the sign-in for another user than the one who signed in"
    )]
    OtherUser {
        /// The token endpoint's host.
        host: String,
    },
    /// The endpoint has failed to answer for so long that waiting is no help.
    #[error(
        "the token endpoint at {host} has answered HTTP {status} to every renewal for {minutes} minutes"
    )]
    Failing {
        /// The token endpoint's host.
        host: String,
        /// The last status.
        status: u16,
        /// The minutes for which the endpoint has failed.
        minutes: u64,
    },
    /// The endpoint answered with success, and no token in the answer can be used.
    #[error("the token endpoint at {host} sent tokens that cannot be used: {why}")]
    Unusable {
        /// The token endpoint's host.
        host: String,
        /// The member at fault.
        why: &'static str,
        /// The refresh token that came with them, which may be the only one that is still good.
        successor: Option<Secret>,
    },
}

impl Error {
    /// Says whether the endpoint refused with this code.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// Returns the server's code for its refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Says whether the client itself is unknown there.
    pub fn is_about_client(&self) -> bool {
        self.is("invalid_client") || self.is("unauthorized_client")
    }

    /// Returns what a refusal teaches by its words.
    pub(in crate::auth) fn adjustment(&self) -> Option<Adjustment> {
        match self {
            Self::Refused {
                code, description, ..
            } => Adjustment::of(code, description.as_deref()),
            _ => None,
        }
    }

    /// Returns the refused client in another form that the server may take.
    pub(super) fn alternate_client(&self, refused: &Client) -> Option<Client> {
        match self {
            Self::Refused {
                code, description, ..
            } => refused.after_refusal(code, description.as_deref()),
            _ => None,
        }
    }
}

/// Checks that a client that is proved by a key has its key.
pub(in crate::auth) fn has_key(client: &Client) -> Result<(), Error> {
    if client.lacks_key() {
        return Err(Error::NoKey(plain(&client.id, MAX_NAME)));
    }
    Ok(())
}
