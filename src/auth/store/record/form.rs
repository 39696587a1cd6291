//! The JSON that the records of tokens and of clients share: the version, and the client.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::auth::client::{AssertionSigning, Client, ClientSource, Method};
use crate::auth::oauth::jws::Algorithm;
use crate::secret::Secret;

/// The version of the form. A record of another version is not read.
pub(super) const SCHEMA: u32 = 1;

/// Returns the text that the vault encrypts.
pub(super) fn written(stored: &impl Serialize) -> Secret {
    let text = Zeroizing::new(serde_json::to_string(stored).unwrap_or_default());
    Secret::new(text.as_str())
}

/// The stored form of a client.
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
            source: ClientSource::named(&self.client_source),
        }
    }
}
