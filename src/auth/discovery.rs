//! Where to sign in: the protected resource's metadata, then its authorization server's.
//!
//! Both are found at addresses in a required order, and both must name themselves as they were asked for, or nothing
//! in them counts. [`ProtectedResource`] and [`AuthorizationServer`] can be made only here, by the comparison, so that
//! holding one is the proof.
//!
//! RFC 9728 section 3, RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4; protocol.md D-01 to D-11.

use serde_json::{Value, json};
use url::Url;

use super::guard::Refusal;
use super::http::{Document, Fault, Http, host_of};
use super::names::{covers, is_plain, is_tenant_of, issuer_places, resource_places, same_issuer};
use super::providers::quirks;
use super::scope::Scopes;

/// What a server says about itself as a resource, its name compared with the URL we were given.
#[derive(Clone, Debug)]
pub struct ProtectedResource {
    name: Option<String>,
    servers: Vec<String>,
    scopes: Option<Scopes>,
    takes_dpop: bool,
    origin: String,
}

impl ProtectedResource {
    /// One that says nothing about itself.
    pub fn unsaid(url: &Url) -> Self {
        Self {
            name: None,
            servers: Vec::new(),
            scopes: None,
            takes_dpop: false,
            origin: url.origin().ascii_serialization(),
        }
    }

    /// `resource`, byte for byte as its metadata has it; `None` if it has no metadata (2025-03-26).
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// `scopes_supported`.
    pub fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    /// Whether it says that it takes tokens bound to a key like ours (RFC 9728 section 2).
    pub fn takes_dpop(&self) -> bool {
        self.takes_dpop
    }

    /// Whether this issuer may still be used for it (D-11).
    pub fn trusts(&self, issuer: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|named| same_issuer(named, issuer))
    }
}

/// In the metadata of both.
const DPOP_ALGORITHMS: &str = "dpop_signing_alg_values_supported";
/// What our keys sign with.
const ES256: &str = "ES256";

/// An authorization server whose metadata named itself as it was asked for.
#[derive(Clone, Debug)]
pub struct AuthorizationServer {
    issuer: String,
    authorization: Option<Url>,
    token: Url,
    registration: Option<Url>,
    revocation: Option<Url>,
    device: Option<Url>,
    scopes: Option<Scopes>,
    auth_methods: Option<Vec<String>>,
    auth_algorithms: Option<Vec<String>>,
    knows_pkce: bool,
    takes_documents: bool,
    sends_issuer: bool,
    is_openid: bool,
    offers_dpop: bool,
    is_assumed: bool,
}

impl AuthorizationServer {
    /// The only way to make one: `asked` is the issuer the document was looked up for.
    fn checked(http: &Http, asked: &str, document: &Value) -> Result<Self, Error> {
        let found = text(document, "issuer").unwrap_or_default();
        if let Some(odd) = [asked, found].into_iter().find(|name| !is_plain(name)) {
            return Err(Error::BadIssuer(super::plain(odd, 200)));
        }
        if !same_issuer(asked, found) && !is_tenant_of(asked, found) {
            return Err(Error::OtherIssuer {
                asked: super::plain(asked, 200),
                found: super::plain(found, 200),
            });
        }
        let endpoint = |name: &'static str| -> Result<Option<Url>, Error> {
            let Some(written) = text(document, name) else {
                return Ok(None);
            };
            let bad = || Error::BadEndpoint {
                issuer: super::plain(asked, 200),
                name,
            };
            if written.chars().any(char::is_control) {
                return Err(bad());
            }
            let url = Url::parse(written).map_err(|_| bad())?;
            http.check(&url)?;
            Ok(Some(url))
        };
        let missing = |name| Error::BadEndpoint {
            issuer: super::plain(asked, 200),
            name,
        };
        let list = |name: &str| -> Option<Vec<String>> {
            let items = document.get(name)?.as_array()?;
            Some(
                items
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
            )
        };
        let truth = |name: &str| document.get(name).and_then(Value::as_bool) == Some(true);
        let scopes = list("scopes_supported");
        let challenges = list("code_challenge_methods_supported").unwrap_or_default();
        Ok(Self {
            issuer: if found.contains("{tenantid}") {
                asked
            } else {
                found
            }
            .to_owned(),
            authorization: endpoint("authorization_endpoint")?,
            token: endpoint("token_endpoint")?.ok_or_else(|| missing("token_endpoint"))?,
            // Not needed by every sign-in: a bad one is as good as none.
            registration: endpoint("registration_endpoint").unwrap_or_default(),
            revocation: endpoint("revocation_endpoint").unwrap_or_default(),
            device: endpoint("device_authorization_endpoint").unwrap_or_default(),
            is_openid: document.get("subject_types_supported").is_some(),
            is_assumed: false,
            offers_dpop: list(DPOP_ALGORITHMS)
                .is_some_and(|them| them.iter().any(|it| it == ES256)),
            scopes: scopes.map(|all| all.iter().map(String::as_str).collect()),
            auth_methods: list("token_endpoint_auth_methods_supported"),
            auth_algorithms: list("token_endpoint_auth_signing_alg_values_supported"),
            knows_pkce: challenges.iter().any(|method| method == "S256"),
            takes_documents: truth("client_id_metadata_document_supported"),
            sends_issuer: truth("authorization_response_iss_parameter_supported"),
        })
    }

    /// One for a test, from its metadata; nothing is visited.
    #[cfg(test)]
    pub(super) fn of_document(http: &Http, document: &Value) -> Self {
        let issuer = text(document, "issuer").unwrap();
        Self::checked(http, issuer, document).unwrap()
    }

    /// The issuer, byte for byte as its metadata has it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its host, for people.
    pub fn host(&self) -> String {
        Url::parse(&self.issuer).map_or_else(|_| host_of(&self.token), |url| host_of(&url))
    }

    /// Where the browser goes.
    pub fn authorization_endpoint(&self) -> Option<&Url> {
        self.authorization.as_ref()
    }

    /// Where codes and refresh tokens are redeemed.
    pub fn token_endpoint(&self) -> &Url {
        &self.token
    }

    /// Where clients register (RFC 7591).
    pub fn registration_endpoint(&self) -> Option<&Url> {
        self.registration.as_ref()
    }

    /// Where tokens are revoked (RFC 7009).
    pub fn revocation_endpoint(&self) -> Option<&Url> {
        self.revocation.as_ref()
    }

    /// Where device codes are given (RFC 8628).
    pub fn device_endpoint(&self) -> Option<&Url> {
        self.device.as_ref()
    }

    /// `scopes_supported`.
    pub fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    /// `token_endpoint_auth_methods_supported`, if it says.
    pub fn auth_methods(&self) -> Option<&[String]> {
        self.auth_methods.as_deref()
    }

    /// `token_endpoint_auth_signing_alg_values_supported`, if it says.
    pub fn auth_algorithms(&self) -> Option<&[String]> {
        self.auth_algorithms.as_deref()
    }

    /// Whether it says that it binds tokens to a key like ours (RFC 9449 section 5.1).
    pub fn offers_dpop(&self) -> bool {
        self.offers_dpop
    }

    /// Whether it says that it knows PKCE with S256, or is known to (D-09).
    pub fn knows_pkce(&self) -> bool {
        self.knows_pkce || quirks(&self.issuer).knows_pkce
    }

    /// Whether a client id may be the address of a metadata document.
    pub fn takes_documents(&self) -> bool {
        self.takes_documents
    }

    /// Whether its answers carry `iss` (RFC 9207).
    pub fn sends_issuer(&self) -> bool {
        self.sends_issuer
    }

    /// Whether it is a guess: the server has no metadata, and these are the endpoints that revision 2025-03-26 has for
    /// such servers (basic/authorization, "Fallbacks for Servers without Metadata Discovery").
    pub fn is_assumed(&self) -> bool {
        self.is_assumed
    }

    /// Whether it is an OpenID provider.
    pub fn is_openid(&self) -> bool {
        self.is_openid
    }
}

/// Why it is not known where to sign in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A document's place is forbidden, unreachable or unwell.
    #[error("looking for where to sign in: {0}")]
    Http(#[from] Fault),
    /// The resource metadata is about something else (D-04).
    #[error("the server's metadata {}, and {wanted} is wanted", names(found))]
    OtherResource {
        /// The URL we were given.
        wanted: String,
        /// What the metadata names.
        found: String,
    },
    /// The authorization server's metadata is about another one (D-07).
    #[error("the authorization server {asked} calls itself {found:?} in its metadata")]
    OtherIssuer {
        /// Whose metadata was looked up.
        asked: String,
        /// Whom it names.
        found: String,
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
    /// The address of an issuer is none.
    #[error("the name {0:?} is not the address of an authorization server")]
    BadIssuer(String),
    /// It does not say that it knows PKCE (D-09).
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
    /// What helps, beside signing in anew.
    pub(super) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::OtherResource { found, .. } if !found.is_empty() => {
                format!("if that is the server that is meant, configure its address: {found}")
            }
            Self::NoMetadata { .. } | Self::BadEndpoint { .. } | Self::BadIssuer(_) => {
                "--authorization-server URL names another authorization server".to_owned()
            }
            Self::NoPkce(_) => "if it supports PKCE all the same, --assume-pkce goes on".to_owned(),
            Self::Http(Fault::Refused {
                why: Refusal::Inside,
                ..
            }) => "if that network is yours, --allow-private goes there".to_owned(),
            Self::Http(_) | Self::OtherResource { .. } | Self::OtherIssuer { .. } => return None,
        })
    }
}

/// Asks the resource about itself: at the place the challenge named, else at the well-known ones (D-02). A place the
/// challenge named that holds nothing is as good as unnamed. No metadata at all is an answer too.
///
/// # Errors
/// The metadata names another resource, or a place is forbidden, unreachable or unwell.
pub async fn protected_resource(
    http: &Http,
    url: &Url,
    named: Option<&str>,
) -> Result<ProtectedResource, Error> {
    let named = named.and_then(|written| url.join(written.trim()).ok());
    let places = named.into_iter().chain(resource_places(url));
    for place in places {
        let Document::Found(document) = http.document(&place).await? else {
            continue;
        };
        // A string (RFC 9728 section 2); GitLab has sent a list of one.
        let name = match document.get("resource") {
            Some(Value::Array(names)) if names.len() == 1 => names.first(),
            name => name,
        };
        let name = name.and_then(Value::as_str).unwrap_or_default();
        if !covers(name, url) {
            return Err(Error::OtherResource {
                wanted: super::plain(url.as_str(), 200),
                found: super::plain(name, 200),
            });
        }
        let strings = |member: &str| -> Option<Vec<&str>> {
            let items = document.get(member)?.as_array()?;
            Some(items.iter().filter_map(Value::as_str).collect())
        };
        // One that cannot be a name is passed over for the others that are named.
        let named = strings("authorization_servers").unwrap_or_default();
        let (servers, odd): (Vec<&str>, Vec<&str>) = named.into_iter().partition(|it| is_plain(it));
        if let (true, Some(odd)) = (servers.is_empty(), odd.first()) {
            return Err(Error::BadIssuer(super::plain(odd, 200)));
        }
        return Ok(ProtectedResource {
            name: Some(name.to_owned()),
            servers: servers.into_iter().map(str::to_owned).collect(),
            scopes: strings("scopes_supported").map(|all| all.into_iter().collect()),
            takes_dpop: strings(DPOP_ALGORITHMS).is_some_and(|them| them.contains(&ES256))
                || document.get("dpop_bound_access_tokens_required") == Some(&Value::Bool(true)),
            origin: url.origin().ascii_serialization(),
        });
    }
    Ok(ProtectedResource::unsaid(url))
}

/// Which authorization server to take where there is a choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Preference<'a> {
    /// The user's word, above the server's.
    pub fixed: Option<&'a str>,
    /// One we hold something of.
    pub held: Option<&'a str>,
}

/// Asks the resource's authorization server about itself, at its well-known places in their order (D-06). Without
/// resource metadata the server's own origin is asked, and if that has none either, the endpoints of 2025-03-26 are
/// assumed there (D-08).
///
/// # Errors
/// See [`Error`].
pub async fn authorization_server(
    http: &Http,
    resource: &ProtectedResource,
    preference: Preference<'_>,
) -> Result<AuthorizationServer, Error> {
    let held = preference.held.and_then(|held| {
        resource
            .servers
            .iter()
            .find(|named| same_issuer(named, held))
    });
    let named = held
        .or_else(|| resource.servers.first())
        .map(String::as_str);
    if let Some(issuer) = preference.fixed.or(named) {
        return by_issuer(http, issuer).await;
    }
    let origin = resource.origin.as_str();
    let Some(document) = find(http, origin).await? else {
        let mut server = AuthorizationServer::checked(http, origin, &assumed(origin))?;
        server.is_assumed = true;
        return Ok(server);
    };
    let claimed = text(&document, "issuer").unwrap_or(origin).to_owned();
    let is_here =
        Url::parse(&claimed).is_ok_and(|url| url.origin().ascii_serialization() == origin);
    if !is_here {
        // Its word that somebody else is the issuer counts only if that one says so too.
        return by_issuer(http, &claimed).await;
    }
    let mut server = AuthorizationServer::checked(http, &claimed, &document)?;
    // 2025-03-26 required PKCE of clients, and no list of servers.
    server.knows_pkce = true;
    Ok(server)
}

/// The authorization server that has its token endpoint here, by the user's word: nothing is looked up. Its issuer is
/// what the user says, else the endpoint's origin.
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
    AuthorizationServer::checked(http, issuer, &document)
}

/// Asks an authorization server about itself, by its name.
///
/// # Errors
/// See [`Error`].
pub async fn by_issuer(http: &Http, issuer: &str) -> Result<AuthorizationServer, Error> {
    match find(http, issuer).await? {
        Some(document) => AuthorizationServer::checked(http, issuer, &document),
        None => Err(Error::NoMetadata {
            issuer: super::plain(issuer, 200),
        }),
    }
}

async fn find(http: &Http, issuer: &str) -> Result<Option<Value>, Error> {
    let places = issuer_places(issuer);
    let bad = || Error::BadIssuer(super::plain(issuer, 200));
    for place in places.ok_or_else(bad)? {
        if let Document::Found(document) = http.document(&place).await? {
            return Ok(Some(document));
        }
    }
    Ok(None)
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

fn text<'a>(document: &'a Value, name: &str) -> Option<&'a str> {
    document.get(name)?.as_str()
}
