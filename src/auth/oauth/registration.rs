//! The client's identity at an authorization server.
//!
//! The identity is a client that the user registered, our metadata document where the server takes documents, or a
//! registration of our own; in that order, and kept per issuer. A registration belongs to one redirect URI: another
//! redirect URI needs another registration.
//!
//! RFC 7591, OAuth Client ID Metadata Document (draft), RFC 8252 section 7.3. The request itself is in `request`.

use url::Url;

use crate::auth::client::Audience;
use crate::auth::net::http::{self, Http, is_unavailable};
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::settings::Settings;
use crate::auth::text_limits::MAX_NAME;

mod request;

pub use crate::auth::client::{Client, ClientSource, Method};
use crate::text::{plain, said};
pub use request::{Registered, register};

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
    fn names_address(&self) -> bool {
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
    fn names_nothing(&self) -> bool {
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

/// Returns the identity that needs no registration: the user's, or our document's where the server takes documents.
///
/// # Errors
/// [`Error::BadDocument`].
pub fn known(server: &AuthorizationServer, settings: &Settings) -> Result<Option<Client>, Error> {
    if let Some(id) = &settings.client_id {
        if let Some(client) = signed(id, ClientSource::Given, server, settings)? {
            return Ok(Some(client));
        }
        let mut client = Client {
            id: id.clone(),
            secret: settings.client_secret.clone(),
            method: settings
                .client_method
                .filter(|method| *method != Method::PrivateKeyJwt)
                .filter(|method| (*method == Method::None) != settings.client_secret.is_some())
                .unwrap_or_else(|| {
                    let has_secret = settings.client_secret.is_some();
                    method(None, has_secret, server.auth_methods())
                }),
            header_only: false,
            other: None,
            source: ClientSource::Given,
            signing: None,
        };
        client.other = other(&client, server.auth_methods());
        return Ok(Some(client));
    }
    let Some(url) = settings
        .client_metadata_url
        .as_ref()
        .filter(|_| server.takes_documents())
    else {
        return Ok(None);
    };
    if !is_document_address(url) {
        return Err(Error::BadDocument(plain(url, MAX_NAME)));
    }
    if let Some(client) = signed(url, ClientSource::Document, server, settings)? {
        return Ok(Some(client));
    }
    Ok(Some(Client {
        id: url.clone(),
        secret: None,
        method: Method::None,
        header_only: false,
        other: None,
        source: ClientSource::Document,
        signing: None,
    }))
}

/// Returns this client, proved by the user's key; `None` if there is no key.
fn signed(
    id: &str,
    source: ClientSource,
    server: &AuthorizationServer,
    settings: &Settings,
) -> Result<Option<Client>, Error> {
    let Some(key) = &settings.client_key else {
        return Ok(None);
    };
    let (issuer, endpoint) = (server.issuer(), server.token_endpoint());
    let listed = server.auth_algorithms();
    let is_pinned = settings.authorization_server.is_some() || settings.token_endpoint.is_some();
    // A server that gets an assertion meant for another server can present it there.
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
    if let Audience::Fixed(audience) = &key.audience
        && !is_pinned
        && ![origin(issuer), Some(endpoint.origin())].contains(&origin(audience))
    {
        return Err(Error::OtherServer {
            what: "what the client's key signs".to_owned(),
            was: plain(audience, MAX_NAME),
            now: plain(issuer, MAX_NAME),
        });
    }
    let signing = key
        .signing(issuer, endpoint, listed, &settings.now)
        .ok_or_else(|| Error::NoAlgorithm {
            host: server.host(),
            listed: plain(&listed.unwrap_or_default().join(" "), MAX_NAME),
        })?;
    Ok(Some(Client {
        id: id.to_owned(),
        secret: None,
        method: Method::PrivateKeyJwt,
        header_only: false,
        other: None,
        source,
        signing: Some(signing),
    }))
}

/// Says whether the page for this client's sign-in is an error page: the server has lost the registration. A page that
/// cannot be looked at is no evidence.
pub async fn is_forgotten(http: &Http, page: &Url, redirect_uri: &str) -> bool {
    let (status, to) = match http.look(page).await {
        Ok(seen) => seen,
        Err(why) => {
            tracing::debug!(%why, "the sign-in page cannot be looked at beforehand");
            return false;
        }
    };
    if let Some(to) = to.filter(|to| to.as_str().starts_with(redirect_uri)) {
        return to.query_pairs().any(|(name, value)| {
            name == "error" && matches!(&*value, "invalid_client" | "unauthorized_client")
        });
    }
    (400..500).contains(&status) && !is_unavailable(status)
}

/// Returns the refusal of a client that is not ours to replace; `None` for any other error.
pub fn not_taken(
    client: &Client,
    refusal: &crate::auth::oauth::token_endpoint::Error,
) -> Option<Error> {
    let crate::auth::oauth::token_endpoint::Error::Refused {
        host,
        code,
        description,
    } = refusal
    else {
        return None;
    };
    (refusal.is_about_client() && client.source != ClientSource::Registered).then(|| {
        Error::NotTaken {
            host: host.clone(),
            client: plain(&client.id, MAX_NAME),
            code: code.clone(),
            description: description.clone(),
            by: client.source,
        }
    })
}

/// Returns the redirect URI that a client registered by hand has to have: no part of it is made anew each time.
fn by_hand(settings: &Settings, redirect_uri: &str) -> String {
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

/// Returns the method that the registration names, if the server lists it; else a method that the secret allows and the
/// server lists (RFC 8414 section 2). A secret that came unasked is meant to be used.
pub(in crate::auth) fn method(
    returned: Option<&str>,
    has_secret: bool,
    listed: Option<&[String]>,
) -> Method {
    let lists = |method: Method| {
        listed.is_none_or(|listed| listed.iter().any(|name| name == method.name()))
    };
    let returned = returned
        .and_then(Method::named)
        .filter(|method| lists(*method));
    match (returned, has_secret) {
        (_, false) => Method::None,
        (Some(method @ (Method::Basic | Method::Post)), true) => method,
        (_, true) if lists(Method::Basic) => Method::Basic,
        (_, true) => Method::Post,
    }
}

/// Returns the other method by which this server takes a secret, if it lists one, or lists none at all.
pub(in crate::auth) fn other(client: &Client, listed: Option<&[String]>) -> Option<Method> {
    client.secret.as_ref()?;
    [Method::Basic, Method::Post].into_iter().find(|method| {
        *method != client.method
            && listed.is_none_or(|listed| listed.iter().any(|name| name == method.name()))
    })
}

fn is_document_address(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let dotted = text
        .split(['/', '?'])
        .any(|part| part == "." || part == "..");
    url.scheme() == "https"
        && url.path().len() > 1
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && !dotted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_the_registrations_then_the_servers() {
        let both = ["client_secret_basic", "client_secret_post"].map(str::to_owned);
        let post = ["client_secret_post"].map(str::to_owned);
        let none = ["none"].map(str::to_owned);
        for (returned, has_secret, listed, wanted) in [
            (None, false, None, Method::None),
            (None, true, None, Method::Basic),
            (None, true, Some(&both[..]), Method::Basic),
            (None, true, Some(&post[..]), Method::Post),
            (
                Some("client_secret_post"),
                true,
                Some(&both[..]),
                Method::Post,
            ),
            (
                Some("client_secret_basic"),
                true,
                Some(&post[..]),
                Method::Post,
            ),
            // Figma: a secret that was not asked for, and then required in the body.
            (Some("none"), true, Some(&none[..]), Method::Post),
            (Some("private_key_jwt"), true, None, Method::Basic),
            (Some("client_secret_basic"), false, None, Method::None),
        ] {
            assert_eq!(
                method(returned, has_secret, listed),
                wanted,
                "{returned:?} {listed:?}"
            );
        }
    }

    #[test]
    fn a_document_address_is_exact() {
        assert!(is_document_address("https://c.example/client.json"));
        for bad in [
            "https://c.example",
            "https://c.example/",
            "http://c.example/client.json",
            "https://c.example/a/../client.json",
            "https://u@c.example/client.json",
            "https://c.example/client.json#x",
        ] {
            assert!(!is_document_address(bad), "{bad}");
        }
    }
}
