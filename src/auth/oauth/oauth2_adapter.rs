//! Our types as those of the crate `oauth2`: the client, and answers in the form it reads.
//!
//! The caller decides on the request and its address; `token_response` has made the answers regular before.

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, StatusCode};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AuthType, ClientId, ExtraTokenFields, HttpResponse, StandardRevocableToken,
    StandardTokenResponse,
};
use serde::{Deserialize, Serialize};

use crate::auth::client::Client;
use crate::auth::oauth::id_token::IdTokenClaims;

/// The answer of a token endpoint.
pub(in crate::auth) type TokenResponse = StandardTokenResponse<OpenIdFields, BasicTokenType>;

/// The members that OpenID Connect adds to the answer: the user whom the ID token names (`token_response` has read
/// that).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::auth) struct OpenIdFields {
    #[serde(default)]
    pub(in crate::auth) id_token: Option<IdTokenClaims>,
}

impl ExtraTokenFields for OpenIdFields {}

/// A client of `oauth2`'s that reads such answers.
pub(in crate::auth) type OAuth2Client = oauth2::Client<
    BasicErrorResponse,
    TokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// Returns our client, whose requests name it in the form. `client_auth` authenticates it where the form is sent.
pub(in crate::auth) fn client(client: &Client) -> OAuth2Client {
    OAuth2Client::new(ClientId::new(client.id.clone())).set_auth_type(AuthType::RequestBody)
}

/// Makes an answer of JSON.
pub(in crate::auth) fn response(status: StatusCode, body: Vec<u8>) -> HttpResponse {
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
