//! The client's identity at an authorization server.
//!
//! The identity is a client that the user registered, our metadata document where the server takes documents, or a
//! registration of our own; in that order, and kept per issuer. A registration belongs to one redirect URI: another
//! redirect URI needs another registration.
//!
//! RFC 7591, OAuth Client ID Metadata Document (draft), RFC 8252 section 7.3. The request itself is in `request`.

use url::Url;

use crate::auth::client::Audience;
use crate::auth::net::http::{Http, is_unavailable};
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::settings::Settings;
use crate::auth::text_limits::MAX_NAME;

mod error;
mod method;
mod request;

pub use crate::auth::client::{Client, ClientSource, Method};
use crate::text::plain;
pub use error::{Error, FIXED_PATH};
pub(in crate::auth) use method::{method, other};
pub use request::{Registered, register};

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
