//! `oauth2`'s words for ours: the client it is to be, and answers as it takes them.
//!
//! What is asked and where is for who asks; what an answer says was made regular before (`answers`).

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, StatusCode};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AuthType, ClientId, ClientSecret, ExtraTokenFields, HttpResponse, StandardRevocableToken,
    StandardTokenResponse,
};
use serde::{Deserialize, Serialize};

use crate::auth::client::{Client, Method};
use crate::auth::oauth::id_token::Claims;

/// What a token endpoint answers.
pub(in crate::auth) type TokenResponse = StandardTokenResponse<OpenId, BasicTokenType>;

/// What OpenID Connect adds to it: of the ID token, who it names (`answers` has read that).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::auth) struct OpenId {
    #[serde(default)]
    pub(in crate::auth) id_token: Option<Claims>,
}

impl ExtraTokenFields for OpenId {}

/// A client of `oauth2`'s that reads such answers.
pub(in crate::auth) type Wire = oauth2::Client<
    BasicErrorResponse,
    TokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// Our client, proved the way it is registered for. One that is proved by a key is proved where its form is sent.
pub(in crate::auth) fn client(client: &Client) -> Wire {
    let wire = Wire::new(ClientId::new(client.id.clone())).set_auth_type(match client.method {
        Method::Basic => AuthType::BasicAuth,
        Method::None | Method::Post | Method::PrivateKeyJwt => AuthType::RequestBody,
    });
    match (&client.secret, client.method) {
        (Some(secret), Method::Basic | Method::Post) => {
            wire.set_client_secret(ClientSecret::new(secret.expose().to_owned()))
        }
        _ => wire,
    }
}

/// An answer of JSON.
pub(in crate::auth) fn response(status: StatusCode, body: Vec<u8>) -> HttpResponse {
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
