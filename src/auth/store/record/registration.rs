//! The form of a registration in the vault, and the client that it shares with entries.

use serde::{Deserialize, Serialize};

use super::{SCHEMA, written};
use crate::auth::client::{AssertionSigning, Client, Method, Source};
use crate::auth::oauth::jws::Algorithm;
use crate::auth::oauth::scope::Scopes;
use crate::auth::settings::Settings;
use crate::secret::Secret;

/// A registration by mcpipe, good for one redirect URI.
#[derive(Clone, Debug)]
pub struct ClientRecord {
    /// The registered client.
    pub client: Client,
    /// The redirect URI that was registered.
    pub redirect_uri: String,
    /// The end of the client's secret.
    pub expires_at: Option<u64>,
    /// The time at which the server last accepted the client.
    pub known_at: u64,
}

impl ClientRecord {
    /// Returns the registration's name in the vault: the issuer, and mcpipe's metadata for a registration.
    pub fn name(issuer: &str, settings: &Settings) -> String {
        let metadata = serde_json::to_string(&settings.client_metadata).unwrap_or_default();
        let pinned = settings.scope.as_ref().map(Scopes::to_string);
        let mut parts: Vec<String> = vec![
            "client".to_owned(),
            issuer.to_owned(),
            settings.client_name.clone(),
            settings.callback_host.clone().unwrap_or_default(),
            settings.callback_path.clone().unwrap_or_default(),
            settings.redirect_uri.clone().unwrap_or_default(),
            pinned.unwrap_or_default(),
            metadata,
        ];
        // An expected issuer does not prove which server holds the registration: a client that one MCP server's
        // metadata led to is not shown to another authorization server of the same name.
        if settings.expected_issuer.is_some() {
            parts.push(settings.canonical_resource());
        }
        serde_json::to_string(&parts).unwrap_or_default()
    }

    /// Returns the text that the vault encrypts.
    pub fn write(&self) -> Secret {
        written(&StoredClientRecord {
            schema: SCHEMA,
            client: StoredClient::of(&self.client),
            redirect_uri: self.redirect_uri.clone(),
            expires_at: self.expires_at,
            known_at: self.known_at,
        })
    }

    /// Reads a registration; `None` if this version does not know its form.
    pub fn read(content: &Secret) -> Option<Self> {
        let stored: StoredClientRecord = serde_json::from_str(content.expose()).ok()?;
        (stored.schema == SCHEMA).then(|| Self {
            client: stored.client.read(),
            redirect_uri: stored.redirect_uri,
            expires_at: stored.expires_at,
            known_at: stored.known_at,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct StoredClientRecord {
    schema: u32,
    #[serde(flatten)]
    client: StoredClient,
    redirect_uri: String,
    expires_at: Option<u64>,
    #[serde(default)]
    known_at: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredClient {
    client_id: String,
    client_secret: Option<String>,
    auth_method: String,
    #[serde(default)]
    other_method: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    header_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assertion_alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assertion_aud: Option<String>,
    client_source: String,
}

impl StoredClient {
    /// Returns the stored form of a client, without the key, which is the user's.
    pub(super) fn of(client: &Client) -> Self {
        let signing = client.signing.as_ref();
        Self {
            client_id: client.id.clone(),
            client_secret: client.secret.as_ref().map(|it| it.expose().to_owned()),
            auth_method: client.method.name().to_owned(),
            other_method: client.other.map(|other| other.name().to_owned()),
            header_only: client.header_only,
            assertion_alg: signing.map(|it| it.algorithm.name().to_owned()),
            assertion_aud: signing.map(|it| it.audience.clone()),
            client_source: client.source.name().to_owned(),
        }
    }

    pub(super) fn read(self) -> Client {
        let algorithm = self.assertion_alg.as_deref().and_then(Algorithm::named);
        let signing = algorithm.zip(self.assertion_aud);
        Client {
            signing: signing.map(|(algorithm, audience)| AssertionSigning {
                algorithm,
                audience,
                signer: None,
            }),
            id: self.client_id,
            secret: self.client_secret.map(Secret::new),
            method: Method::named(&self.auth_method).unwrap_or(Method::None),
            header_only: self.header_only,
            other: self.other_method.as_deref().and_then(Method::named),
            source: Source::named(&self.client_source),
        }
    }
}
