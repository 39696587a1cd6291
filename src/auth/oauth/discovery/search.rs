//! The search for metadata: the places that are looked at, their order, and the end of the search.
//!
//! An obstacle at one place (an outage, a refusal, a document of another kind) never ends the search while there is
//! another place; the first fault is reported if none is left. Two things end the search: a document of the right kind
//! that is about another subject, and an outage before the endpoints of 2025-03-26 would be guessed.
//!
//! RFC 9728 section 3, RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4; MCP 2025-03-26, "Fallbacks for
//! Servers without Metadata Discovery".

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::members::text;
use super::{AuthorizationServer, Error, ProtectedResource};
use crate::auth::net::http::{self, Document, Http};
use crate::auth::oauth::metadata_urls::{
    issuer_of_place, issuer_places, resource_places, same_issuer,
};
use crate::auth::text_limits::MAX_NAME;
use crate::text::plain;

/// Asks the resource for its metadata: at the place that the challenge named, else at the well-known ones. A named
/// place that may not be visited counts as unnamed. Where the document named in the challenge is about another
/// resource, only the place made from the URL that the user typed is tried. The absence of metadata is an answer too.
///
/// # Errors
/// Metadata were found, and name another resource.
pub async fn protected_resource(
    http: &Http,
    url: &Url,
    named: Option<&str>,
) -> Result<ProtectedResource, Error> {
    let named = named.and_then(|written| url.join(written.trim()).ok());
    let mut places = resource_places(url);
    let typed = places.first().cloned();
    if let Some(named) = &named {
        places.retain(|place| place != named);
        places.insert(0, named.clone());
    }
    let (mut first, mut oddity) = (None, None);
    let (mut is_other, mut only_typed) = (false, false);
    for place in places {
        let is_named = Some(&place) == named.as_ref();
        if only_typed && Some(&place) != typed.as_ref() {
            break;
        }
        match http.document(&place).await {
            Ok(Document::Found(document)) if describes_a_resource(&document) => {
                match ProtectedResource::checked(url, &document) {
                    Ok(resource) => return Ok(resource),
                    Err(error) => {
                        first.get_or_insert(error);
                        is_other = true;
                        only_typed |= is_named;
                    }
                }
            }
            Ok(Document::Found(_)) => {
                oddity.get_or_insert_with(|| Error::other_resource(url, ""));
            }
            Ok(_) => {}
            Err(http::Error::Refused { .. }) if is_named => {}
            Err(fault) => {
                first.get_or_insert(fault.into());
            }
        }
    }
    match first {
        Some(error) if is_other => Err(error),
        fault => Ok(ProtectedResource {
            fault,
            oddity,
            ..ProtectedResource::unsaid(url)
        }),
    }
}

/// The criteria for one authorization server where there is a choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Preference<'a> {
    /// The user's choice, above the server's.
    pub fixed: Option<&'a str>,
    /// A server for which the vault holds a record.
    pub held: Option<&'a str>,
    /// The name that, as the user says, the server gives itself.
    pub expected: Option<&'a str>,
    /// True where a server that does not say that it supports PKCE is taken only if there is no other.
    pub pkce: bool,
}

/// Asks the resource's authorization servers for their metadata, each at its well-known places in their order, and
/// takes the first that is usable. Without resource metadata the server's own origin is asked, and if nothing stands
/// there either, the endpoints of 2025-03-26 are assumed there.
///
/// # Errors
/// See [`Error`].
pub async fn authorization_server(
    http: &Http,
    resource: &ProtectedResource,
    preference: Preference<'_>,
) -> Result<AuthorizationServer, Error> {
    let found = match preference.fixed {
        Some(issuer) => by_name(http, issuer, preference.expected).await,
        None if resource.servers.is_empty() => at_the_resource(http, resource, preference).await,
        None => among(http, &resource.servers, preference).await,
    };
    match found {
        Ok(server) => Ok(server),
        Err(error) => Err(with_way_out(http, error).await),
    }
}

/// Returns the first usable authorization server of those that the resource names.
async fn among(
    http: &Http,
    servers: &[String],
    preference: Preference<'_>,
) -> Result<AuthorizationServer, Error> {
    let is_held = |issuer: &&String| {
        let held = preference.held;
        held.is_some_and(|held| same_issuer(issuer, held))
    };
    let held = servers.iter().filter(is_held);
    let others = servers.iter().filter(|issuer| !is_held(issuer));
    let (mut first, mut lesser) = (None, None);
    for issuer in held.chain(others).take(MAX_SERVERS) {
        match by_name(http, issuer, preference.expected).await {
            Ok(server) if preference.pkce && !server.knows_pkce() => {
                lesser.get_or_insert(server);
            }
            Ok(server) => return Ok(server),
            Err(error) => {
                tracing::debug!(%error, "an authorization server that cannot be used");
                first.get_or_insert(error);
            }
        }
    }
    match (lesser, first) {
        (Some(server), _) => Ok(server),
        (None, Some(error)) => Err(error),
        (None, None) => Err(Error::BadIssuer(String::new())),
    }
}

/// Returns the authorization server of a resource that names none: its own origin, as in 2025-03-26.
async fn at_the_resource(
    http: &Http,
    resource: &ProtectedResource,
    preference: Preference<'_>,
) -> Result<AuthorizationServer, Error> {
    let (origin, expected) = (resource.origin.as_str(), preference.expected);
    let found = search(http, origin, |document| {
        let claimed = text(document, "issuer").unwrap_or(origin);
        let is_here =
            Url::parse(claimed).is_ok_and(|url| url.origin().ascii_serialization() == origin);
        if !is_here && expected != Some(claimed) {
            return Ok(IssuerLookup::OtherIssuer(claimed.to_owned()));
        }
        let mut server = AuthorizationServer::checked(http, claimed, expected, document)?;
        // 2025-03-26 required PKCE of clients, and no list of servers.
        server.knows_pkce = true;
        Ok(IssuerLookup::Server(Box::new(server)))
    });
    match found.await {
        Ok(Some(IssuerLookup::Server(server))) => Ok(*server),
        // The document's statement that another server is the issuer counts only if that server says so too.
        Ok(Some(IssuerLookup::OtherIssuer(claimed))) => match by_name(http, &claimed, expected)
            .await
        {
            Err(Error::NoMetadata { .. } | Error::OtherIssuer { .. }) => Err(Error::OtherIssuer {
                asked: plain(origin, MAX_NAME),
                found: plain(&claimed, MAX_NAME),
                agrees: false,
            }),
            other => other,
        },
        Ok(None) => match (&resource.fault, expected) {
            // An outage is no evidence of a server without metadata.
            (Some(fault), _) => Err(fault.clone()),
            (None, Some(_)) => Err(Error::NoMetadata {
                issuer: plain(origin, MAX_NAME),
            }),
            (None, None) => AuthorizationServer::guessed(http, origin, &assumed(origin)),
        },
        Err(error) => Err(resource.fault.clone().unwrap_or(error)),
    }
}

/// Returns the authorization server that has its token endpoint here, as the user says: nothing is looked up. Its
/// issuer is the user's, else the endpoint's origin.
///
/// # Errors
/// The endpoint may not be visited.
pub fn known(
    http: &Http,
    endpoint: &Url,
    issuer: Option<&str>,
) -> Result<AuthorizationServer, Error> {
    let origin = endpoint.origin().ascii_serialization();
    let issuer = issuer.unwrap_or(&origin);
    let document = json!({ "issuer": issuer, "token_endpoint": endpoint.as_str() });
    AuthorizationServer::checked(http, issuer, None, &document)
}

/// Asks an authorization server for its metadata, by its issuer.
///
/// # Errors
/// See [`Error`].
pub async fn by_issuer(http: &Http, issuer: &str) -> Result<AuthorizationServer, Error> {
    by_name(http, issuer, None).await
}

/// Does as [`by_issuer`], where the server may go by the name that the user expects.
async fn by_name(
    http: &Http,
    issuer: &str,
    expected: Option<&str>,
) -> Result<AuthorizationServer, Error> {
    let mut asked = issuer.to_owned();
    for _ in 0..=MAX_REFERRALS {
        let found = search(http, &asked, |document| {
            let server = AuthorizationServer::checked(http, &asked, expected, document)?;
            Ok(IssuerLookup::Server(Box::new(server)))
        });
        match found.await? {
            Some(IssuerLookup::Server(server)) => return Ok(*server),
            // The server names another server, which has to name itself in turn.
            Some(IssuerLookup::OtherIssuer(named)) => asked = named,
            None => break,
        }
    }
    Err(Error::NoMetadata {
        issuer: plain(issuer, MAX_NAME),
    })
}

/// The result of a look at the places of an issuer.
enum IssuerLookup {
    Server(Box<AuthorizationServer>),
    /// The name of another issuer.
    OtherIssuer(String),
}

/// Looks at the places of an issuer until `judge` takes a document. A document about another issuer ends the search: a
/// document at a later place is no better evidence of the issuer. A document that does not announce PKCE may have a
/// second one that does: many servers have the member in one of the two only.
async fn search(
    http: &Http,
    issuer: &str,
    judge: impl Fn(&Value) -> Result<IssuerLookup, Error>,
) -> Result<Option<IssuerLookup>, Error> {
    let places = issuer_places(issuer);
    let (mut first, mut lesser) = (None, None);
    for place in places.ok_or_else(|| Error::BadIssuer(plain(issuer, MAX_NAME)))? {
        let fault = match http.document(&place).await {
            Ok(Document::Found(document)) if describes_a_server(&document) => {
                match judge(&document) {
                    Ok(IssuerLookup::Server(server)) if !server.knows_pkce() => {
                        lesser.get_or_insert(IssuerLookup::Server(server));
                        continue;
                    }
                    Ok(found) => return Ok(Some(found)),
                    Err(error @ (Error::OtherIssuer { .. } | Error::Unexpected { .. })) => {
                        return lesser.map(Some).ok_or(error);
                    }
                    Err(error) => error,
                }
            }
            Ok(Document::Redirect { to }) => match issuer_of_place(&to) {
                Some(_) if lesser.is_some() => break,
                Some(named) => return Ok(Some(IssuerLookup::OtherIssuer(named))),
                None => continue,
            },
            Ok(_) => continue,
            Err(fault) => fault.into(),
        };
        first.get_or_insert(fault);
    }
    match (lesser, first) {
        (None, Some(error)) => Err(error),
        (lesser, _) => Ok(lesser),
    }
}

/// Finds out which way out works for a server that goes by another name: the document of that name may agree with
/// itself, or not.
async fn with_way_out(http: &Http, error: Error) -> Error {
    let Error::OtherIssuer { asked, found, .. } = error else {
        return error;
    };
    let look = tokio::time::timeout(LOOK_PATIENCE, by_name(http, &found, None)).await;
    let agrees = found != asked && matches!(look, Ok(Ok(_)));
    Error::OtherIssuer {
        asked,
        found,
        agrees,
    }
}

fn describes_a_resource(document: &Value) -> bool {
    ["resource", "authorization_servers"]
        .iter()
        .any(|name| document.get(name).is_some())
}

fn describes_a_server(document: &Value) -> bool {
    ["token_endpoint", "authorization_endpoint"]
        .iter()
        .any(|name| document.get(name).is_some())
}

fn assumed(origin: &str) -> Value {
    json!({
        "issuer": origin,
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "registration_endpoint": format!("{origin}/register"),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": Value::Null,
    })
}

/// The number of authorization servers of a resource that are asked.
const MAX_SERVERS: usize = 8;
/// The number of times that an authorization server may refer to another.
const MAX_REFERRALS: usize = 2;
/// The time for which a way out of an error is looked for.
const LOOK_PATIENCE: Duration = Duration::from_secs(5);
