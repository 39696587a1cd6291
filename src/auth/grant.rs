//! The ways to get tokens: as the user configures them, and as they are stored with the tokens.

use std::fmt;
use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::process;
use crate::process::argv::{self, Argv};
use crate::secret::Secret;

/// The way to get tokens that the user has chosen.
#[derive(Clone, Debug, Default)]
pub enum GrantConfig {
    /// A sign-in of the user.
    #[default]
    User,
    /// The client's own credentials alone.
    ClientCredentials,
    /// An assertion of the platform that a program runs on.
    Workload(Assertions),
    /// An assertion of an enterprise's provider for a user who has signed in there.
    Enterprise(Box<Provider>),
}

impl GrantConfig {
    /// Returns the part of the configuration that is stored with the tokens.
    pub fn kind(&self) -> GrantType {
        match self {
            Self::User => GrantType::User,
            Self::ClientCredentials => GrantType::ClientCredentials,
            Self::Workload(_) => GrantType::Workload,
            Self::Enterprise(_) => GrantType::Enterprise,
        }
    }

    /// Returns the texts that keep the grant's tokens apart from others; `None` for a user's tokens.
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
    /// A sign-in of the user.
    #[default]
    #[serde(rename = "person")]
    User,
    /// The client's own credentials (RFC 6749 section 4.4).
    ClientCredentials,
    /// An assertion of the platform that a program runs on (RFC 7523).
    Workload,
    /// An assertion of an enterprise's provider for a user (ID-JAG).
    Enterprise,
}

impl GrantType {
    /// Says whether a new token can be obtained without what the entry holds, whenever one is needed.
    pub fn is_repeatable(self) -> bool {
        self != Self::User
    }

    /// Returns the name for messages to the user.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "sign-in",
            Self::ClientCredentials => "client credentials",
            Self::Workload => "workload identity",
            Self::Enterprise => "enterprise provider",
        }
    }

    /// Returns the name under which clients declare the grant as an extension of MCP (SEP-1046, SEP-990, SEP-1933).
    pub(in crate::auth) fn extension(self) -> Option<&'static str> {
        match self {
            Self::User => None,
            Self::ClientCredentials => Some("io.modelcontextprotocol/oauth-client-credentials"),
            Self::Workload => Some("io.modelcontextprotocol/auth/wif"),
            Self::Enterprise => Some("io.modelcontextprotocol/enterprise-managed-authorization"),
        }
    }
}

/// The source of assertions.
#[derive(Clone, Debug)]
pub enum Assertions {
    /// A file.
    File(PathBuf),
    /// A program that prints one.
    Command(Argv),
}

/// The reason why there is no assertion.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A program that gave no assertion.
    #[error("{0}")]
    Program(#[from] argv::Error),
    /// A program that took too long.
    #[error("{0} gave nothing within {seconds} s", seconds = process::PATIENCE.as_secs())]
    Slow(String),
    /// A text that is not three parts of base64url, or is too long.
    #[error("{0} is not a JSON web token")]
    NotAToken(String),
    /// An empty file or output.
    #[error("{0}")]
    Empty(String),
    /// An assertion that the server has refused already.
    #[error("the assertion from {from} was refused before ({code}), and is not shown again")]
    Spent {
        /// The source of the assertion.
        from: String,
        /// The server's error code.
        code: String,
    },
}

impl Assertions {
    /// Returns a text that tells sources apart without naming them: a command may hold a secret.
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

/// The enterprise's provider, with mcpipe's client there.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The provider's issuer.
    pub issuer: Url,
    /// The issuer, byte for byte as the user wrote it.
    pub name: String,
    /// The endpoint where the provider exchanges tokens; `None` takes the one in its metadata.
    pub token_endpoint: Option<Url>,
    /// mcpipe's client id at the provider.
    pub client_id: String,
    /// The secret of the client.
    pub client_secret: Option<Secret>,
    /// The path of a file with an ID token; `None` makes the user sign in.
    pub id_token: Option<PathBuf>,
}

impl Provider {
    /// Returns the text that keeps tokens apart for which different providers, or different clients there, vouched.
    pub(in crate::auth) fn pin(&self) -> String {
        let file = self.id_token.as_ref();
        let file = file.map(|path| path.display().to_string());
        serde_json::to_string(&(&self.name, &self.client_id, file)).unwrap_or_default()
    }
}
