//! The reasons why there is no identity at an authorization server, and what helps.

use url::Url;

use crate::auth::client::ClientSource;
use crate::auth::net::http;
use crate::auth::settings::Settings;
use crate::text::said;

/// The reason why there is no identity at an authorization server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The authorization server cannot be reached, or cannot answer now.
    #[error("registering as a client: {0}")]
    Http(#[from] http::Error),
    /// The authorization server takes no registrations, and there is no other identity.
    #[error(
        "the authorization server at {host} takes no registrations: a client registered there beforehand is needed"
    )]
    NotOffered {
        /// The authorization server.
        host: String,
        /// The redirect URI that such a client needs.
        redirect_uri: String,
        /// Advice for getting such a client there.
        advice: Option<&'static str>,
    },
    /// The registration endpoint refused the client.
    #[error("the registration endpoint {endpoint} refuses this client (HTTP {status}){}", said(Some(.words)))]
    Refused {
        /// The registration endpoint, without its query.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// `error` of RFC 7591 section 3.2.2, if there was one.
        code: Option<String>,
        /// The server's description of its refusal, cleaned.
        words: String,
        /// The redirect URI that a client registered by hand needs.
        redirect_uri: String,
        /// Advice for getting such a client there.
        advice: Option<&'static str>,
    },
    /// The authorization server does not accept the user's client, or our metadata document.
    #[error("the authorization server at {host} does not accept the client {client}: {code}{}", said(.description.as_deref()))]
    NotTaken {
        /// The authorization server.
        host: String,
        /// The client id, cleaned.
        client: String,
        /// The server's error code.
        code: String,
        /// The server's description, cleaned.
        description: Option<String>,
        /// The source of the client.
        by: ClientSource,
    },
    /// The identity that the user brought belongs to another authorization server than the server names now.
    #[error("the server now names another sign-in service, {now}: {what} belongs to {was}")]
    OtherServer {
        /// The kind of identity; no secret.
        what: String,
        /// The issuer it was used with.
        was: String,
        /// The issuer named now.
        now: String,
    },
    /// The registration endpoint answered with success but without a client id, or a page came in place of its answer.
    #[error("the registration endpoint at {host} answered without a client id")]
    NoId {
        /// The registration endpoint's host.
        host: String,
    },
    /// The user's key does not sign with an algorithm that the server takes.
    #[error(
        "the authorization server at {host} takes no signature that the client's key makes ({listed})"
    )]
    NoAlgorithm {
        /// The authorization server.
        host: String,
        /// The methods that it takes, cleaned.
        listed: String,
    },
    /// The client metadata address is not valid (draft-ietf-oauth-client-id-metadata-document).
    #[error("the client id {0:?} of --client-metadata-url has to be an https address with a path")]
    BadDocument(String),
}

impl Error {
    /// Says whether the server seems to have refused a redirect URI on `127.0.0.1`: its answer names the address, or
    /// names nothing. Some servers know this machine only by its name, whatever RFC 8252 section 7.3 says.
    pub(in crate::auth) fn is_about_address(&self) -> bool {
        self.names_address() || self.names_nothing()
    }

    /// Says whether the server's text is about the redirect URI (RFC 7591 section 3.2.2 has a code for it, which many
    /// do not use).
    pub(super) fn names_address(&self) -> bool {
        let Self::Refused { code, words, .. } = self else {
            return false;
        };
        let words = words.to_ascii_lowercase();
        let names = ["127.0.0.1", "redirect", "loopback", "localhost", "callback"];
        let kinds = [
            "uri", "uris", "url", "urls", "ip", "host", "hostname", "domain",
        ];
        let mut each = words.split(|c: char| !c.is_ascii_alphanumeric());
        code.as_deref() == Some("invalid_redirect_uri")
            || names.iter().any(|name| words.contains(name))
            || each.any(|word| kinds.contains(&word))
    }

    /// Says whether the server calls a request bad and does not say what is bad about it.
    pub(super) fn names_nothing(&self) -> bool {
        let Self::Refused {
            code,
            words,
            status: 400 | 422,
            ..
        } = self
        else {
            return false;
        };
        let is_bare = code.as_ref().is_some_and(|code| words == code);
        let codes = ["invalid_client_metadata", "invalid_request"];
        words.is_empty()
            || words.starts_with('<')
            || is_bare && codes.iter().any(|code| words == code)
    }

    /// Returns what helps, beside signing in anew.
    pub(in crate::auth) fn hint(&self, resource: &str) -> Option<String> {
        Some(match self {
            Self::NotOffered {
                redirect_uri,
                advice,
                ..
            }
            | Self::Refused {
                redirect_uri,
                advice,
                ..
            } => {
                let port = Url::parse(redirect_uri).ok().and_then(|uri| uri.port());
                let port = port.map_or_else(String::new, |port| format!(" --callback-port {port}"));
                let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
                format!(
                    "register a client with the redirect URI {redirect_uri} there, then run \
                     `mcpipe login {resource} --client-id ID{port}` (and --client-secret-env VAR if it got a secret){advice}"
                )
            }
            Self::NoAlgorithm { .. } => {
                "give another --client-key, or --client-alg if the server takes more than it says".to_owned()
            }
            Self::BadDocument(_) => "correct --client-metadata-url".to_owned(),
            Self::NotTaken { by, .. } => match by {
                ClientSource::Document => "correct --client-metadata-url, or leave it out".to_owned(),
                _ => "check --client-id and what proves it (--client-secret-env, --client-secret-file, --client-key), and that \
                      this client is still registered there"
                    .to_owned(),
            },
            Self::OtherServer { now, .. } => format!(
                "if it really moved, say so with --authorization-server {now} and with what that one gave you"
            ),
            Self::Http(_) | Self::NoId { .. } => return None,
        })
    }
}

/// Returns the redirect URI that a client registered by hand has to have: no part of it is made anew each time.
pub(super) fn by_hand(settings: &Settings, redirect_uri: &str) -> String {
    if settings.redirect_uri.is_some() || settings.callback_path.is_some() {
        return redirect_uri.to_owned();
    }
    Url::parse(redirect_uri).map_or_else(
        |_| redirect_uri.to_owned(),
        |mut uri| {
            uri.set_path(FIXED_PATH);
            uri.into()
        },
    )
}

/// The path of the redirect URI where the URI has to be known beforehand.
pub const FIXED_PATH: &str = "/oauth/callback";
