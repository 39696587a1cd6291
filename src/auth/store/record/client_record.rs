//! The record of a client that mcpipe has registered.

use serde::{Deserialize, Serialize};

use super::form::{SCHEMA, StoredClient, written};
use crate::auth::client::Client;
use crate::auth::settings::Settings;
use crate::auth::store::name;
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
    /// Returns the record's name in the vault.
    pub fn name(issuer: &str, settings: &Settings) -> String {
        name::of_client(settings, issuer)
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
