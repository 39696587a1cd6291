//! The reason why discovery has failed, and the user's way out.

use url::Url;

use crate::auth::net::{guard, http};
use crate::auth::text_limits::MAX_NAME;
use crate::text::plain;

/// The reason why the place to sign in is not known.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A document's place is forbidden, unreachable or unwell.
    #[error("looking for where to sign in: {0}")]
    Http(#[from] http::Error),
    /// The resource metadata are about another resource (RFC 9728 section 3.3).
    #[error("the server's metadata {}, and {wanted} is wanted", names(found))]
    OtherResource {
        /// The URL that was configured.
        wanted: String,
        /// The resource that the metadata name.
        found: String,
    },
    /// The authorization server's metadata are about another server (RFC 8414 section 3.3).
    #[error("the authorization server {asked} calls itself {found:?} in its metadata")]
    OtherIssuer {
        /// The issuer whose metadata were looked up.
        asked: String,
        /// The issuer that the metadata name.
        found: String,
        /// True where the metadata of the named issuer were looked up too, and name themselves.
        agrees: bool,
    },
    /// The authorization server's metadata are not about the issuer that the user expects there.
    #[error(
        "the authorization server {asked} calls itself {found:?} in its metadata, and {expected:?} is expected"
    )]
    Unexpected {
        /// The issuer whose metadata were looked up.
        asked: String,
        /// The issuer that the metadata name.
        found: String,
        /// The issuer that the user expects.
        expected: String,
    },
    /// The server names an authorization server that has no metadata.
    #[error("the authorization server {issuer} has no metadata")]
    NoMetadata {
        /// The issuer.
        issuer: String,
    },
    /// An endpoint is missing, or is not an address to visit.
    #[error("the metadata of {issuer} has no usable {name}")]
    BadEndpoint {
        /// The issuer.
        issuer: String,
        /// The member.
        name: &'static str,
    },
    /// The name of an issuer is no address.
    #[error("the name {0:?} is not the address of an authorization server")]
    BadIssuer(String),
    /// The authorization server does not announce PKCE.
    #[error("the authorization server {0} does not say that it supports PKCE (S256)")]
    NoPkce(String),
}

fn names(found: &str) -> String {
    match found {
        "" => "names no resource".to_owned(),
        found => format!("is for {found}"),
    }
}

impl Error {
    pub(super) fn other_resource(wanted: &Url, found: &str) -> Self {
        Self::OtherResource {
            wanted: plain(wanted.as_str(), MAX_NAME),
            found: plain(found, MAX_NAME),
        }
    }

    /// Returns the advice that helps, beside signing in anew as before.
    pub(in crate::auth) fn hint(&self, resource: &str) -> Option<String> {
        Some(match self {
            Self::OtherResource { found, .. } if !found.is_empty() => {
                format!("if that is the server that is meant, configure its address: {found}")
            }
            Self::NoMetadata { .. } | Self::BadEndpoint { .. } | Self::BadIssuer(_) => {
                "--authorization-server URL names another authorization server".to_owned()
            }
            Self::OtherIssuer { found, agrees, .. } => by_its_name(resource, found, *agrees),
            Self::Unexpected { .. } => "correct --expect-issuer, or leave it out".to_owned(),
            Self::NoPkce(_) => "if it supports PKCE all the same, --assume-pkce goes on".to_owned(),
            Self::Http(http::Error::Refused {
                why: guard::Error::Inside,
                ..
            }) => "if that is a private network of yours, --allow-private goes there".to_owned(),
            Self::Http(_) | Self::OtherResource { .. } => return None,
        })
    }
}

/// Returns the user's way out where an authorization server goes by another name. `agrees`: the metadata of that name
/// name themselves.
fn by_its_name(resource: &str, name: &str, agrees: bool) -> String {
    if !is_fit_for_a_command(name) {
        return "only its operator can mend that: `issuer` has to be what it is looked up by (RFC 8414 section 3.3)"
            .to_owned();
    }
    let flag = match agrees {
        true => "--authorization-server",
        false => "--expect-issuer",
    };
    format!(
        "if that is who is to sign you in, run `mcpipe login {resource} {flag} {name}`, and give the host the same flag"
    )
}

/// Says whether a server's name for itself can stand in a command that a user may copy: an address, and nothing that a
/// shell would interpret.
fn is_fit_for_a_command(issuer: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/%".contains(c);
    !issuer.is_empty() && issuer.chars().all(is_plain) && Url::parse(issuer).is_ok()
}
