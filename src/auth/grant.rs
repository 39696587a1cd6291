//! The ways to get tokens: as the user configures them, and as they are kept with the tokens.

use std::fmt;
use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::secret::Secret;
use crate::store::program::{self, Words};

/// The way to get tokens that the user has chosen.
#[derive(Clone, Debug, Default)]
pub enum GrantConfig {
    /// The user signs in.
    #[default]
    User,
    /// The client's own credentials are enough.
    ClientCredentials,
    /// The platform a program runs on says what it is.
    Workload(Assertions),
    /// An enterprise's provider vouches for a person who has signed in there.
    Enterprise(Box<Provider>),
}

impl GrantConfig {
    /// What is kept of it with the tokens.
    pub fn kind(&self) -> GrantType {
        match self {
            Self::User => GrantType::User,
            Self::ClientCredentials => GrantType::ClientCredentials,
            Self::Workload(_) => GrantType::Workload,
            Self::Enterprise(_) => GrantType::Enterprise,
        }
    }

    /// What keeps its tokens apart from others'; `None` for a person's.
    pub(in crate::auth) fn pin(&self) -> Option<[String; 2]> {
        let of = match self {
            Self::User => return None,
            Self::ClientCredentials => String::new(),
            Self::Workload(assertions) => assertions.fingerprint(),
            Self::Enterprise(provider) => provider.pin(),
        };
        Some([self.kind().name().to_owned(), of])
    }
}

/// The way in which tokens were obtained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// The user signed in.
    #[default]
    #[serde(rename = "person")]
    User,
    /// The client's own credentials were enough (RFC 6749 section 4.4).
    ClientCredentials,
    /// An assertion of the platform that a program runs on (RFC 7523).
    Workload,
    /// An enterprise's provider vouched for a person (ID-JAG).
    Enterprise,
}

impl GrantType {
    /// Whether a new token is had without what the entry holds, whenever one is needed.
    pub fn is_repeatable(self) -> bool {
        self != Self::User
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "sign-in",
            Self::ClientCredentials => "client credentials",
            Self::Workload => "workload identity",
            Self::Enterprise => "enterprise provider",
        }
    }

    /// The extension of MCP that it is, by the name under which clients declare it (SEP-1046, SEP-990, SEP-1933).
    pub(in crate::auth) fn extension(self) -> Option<&'static str> {
        match self {
            Self::User => None,
            Self::ClientCredentials => Some("io.modelcontextprotocol/oauth-client-credentials"),
            Self::Workload => Some("io.modelcontextprotocol/auth/wif"),
            Self::Enterprise => Some("io.modelcontextprotocol/enterprise-managed-authorization"),
        }
    }
}

/// Where assertions come from.
#[derive(Clone, Debug)]
pub enum Assertions {
    /// A file.
    File(PathBuf),
    /// A program that prints one.
    Command(Words),
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program gave none.
    #[error("{0}")]
    Program(#[from] program::Error),
    /// It took too long.
    #[error("{0} gave nothing within {seconds} s", seconds = program::PATIENCE.as_secs())]
    Slow(String),
    /// Not three parts of base64url, or longer than any.
    #[error("{0} is not a JSON web token")]
    NotAToken(String),
    /// Nothing at all.
    #[error("{0}")]
    Empty(String),
    /// It was refused already.
    #[error("the assertion from {from} was refused before ({code}), and is not shown again")]
    Spent {
        /// Where it came from.
        from: String,
        /// The server's word for it.
        code: String,
    },
}

impl Assertions {
    /// Tells places apart, without saying what they are: a command may hold a secret.
    pub(in crate::auth) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        match self {
            Self::File(path) => hash.update(path.as_os_str().as_encoded_bytes()),
            Self::Command(words) => {
                for word in words.iter() {
                    hash.update(word.as_bytes());
                    hash.update([0]);
                }
            }
        }
        let hash = hash.finalize();
        BASE64_URL_SAFE_NO_PAD.encode(hash.get(..12).unwrap_or_default())
    }
}

impl fmt::Display for Assertions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Command(words) => write!(out, "`{}`", words.program()),
        }
    }
}

/// The enterprise's provider, and who we are there.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name.
    pub issuer: Url,
    /// The same, byte for byte as the user wrote it.
    pub name: String,
    /// Where it exchanges tokens; `None` is looked up.
    pub token_endpoint: Option<Url>,
    /// Our client id there.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Option<Secret>,
    /// Where an ID token is; `None` has a person sign in.
    pub id_token: Option<PathBuf>,
}

impl Provider {
    /// What keeps tokens apart that different providers, or clients there, vouched for.
    pub(in crate::auth) fn pin(&self) -> String {
        let file = self.id_token.as_ref();
        let file = file.map(|path| path.display().to_string());
        serde_json::to_string(&(&self.name, &self.client_id, file)).unwrap_or_default()
    }
}
