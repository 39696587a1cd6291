//! What the authority knows of grants without a person, and of clients that prove themselves with a key.

use std::collections::HashSet;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mcpipe::auth::oauth::jws::{Algorithm, Key, TokenHeader};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use super::{Authority, Registered, Seen, State};

pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// What it wants and has seen.
#[derive(Default)]
pub struct Grants {
    /// The assertions it takes.
    pub(crate) assertions: Vec<String>,
    /// Whose grants (ID-JAG) it takes besides.
    pub(crate) provider: Option<Authority>,
    /// Whether it gives ID tokens with the others.
    pub(crate) gives_id_tokens: bool,
    /// Members put over the claims of its ID tokens; null takes one away.
    pub(crate) claims: Option<Value>,
    /// Members put over the answer of an exchange.
    pub(crate) exchange: Option<Value>,
    /// ID tokens it has given, and those of them that are good no more.
    id_tokens: Vec<String>,
    dead: HashSet<String>,
    /// Grants it has given.
    vouched: Vec<String>,
    /// `jti` of every assertion of a client.
    ids: HashSet<String>,
}

impl Authority {
    /// A client that proves itself with a key for ES256.
    pub(crate) fn add_signing_client(&self, id: &str, key: &Key) {
        let head = TokenHeader {
            shows_key: true,
            ..TokenHeader::default()
        };
        let shown = key.sign(Algorithm::Es256, head, &json!({})).unwrap();
        let header = part(shown.expose(), 0);
        let client = Registered {
            redirect_uris: Vec::new(),
            secret: Some(header["jwk"].to_string()),
            method: "private_key_jwt".to_owned(),
        };
        self.add_client(id, client);
    }

    /// A client with a secret.
    pub(crate) fn add_secret_client(&self, id: &str, secret: &str, method: &str) {
        let client = Registered {
            redirect_uris: Vec::new(),
            secret: Some(secret.to_owned()),
            method: method.to_owned(),
        };
        self.add_client(id, client);
    }

    /// Every grant for a server that it has given.
    pub(crate) fn vouched(&self) -> Vec<String> {
        self.state().grants.vouched.clone()
    }

    /// Every ID token that it has given.
    pub(crate) fn id_tokens(&self) -> Vec<String> {
        self.state().grants.id_tokens.clone()
    }

    /// Takes none of the ID tokens given so far.
    pub(crate) fn end_id_tokens(&self) {
        let mut state = self.state();
        let given = state.grants.id_tokens.clone();
        state.grants.dead.extend(given);
    }

    pub(crate) fn turn_grants(&self, with: impl FnOnce(&mut Grants)) {
        with(&mut self.state().grants);
    }
}

/// A member of a JSON web token: 0 is its header, 1 its claims.
pub(crate) fn part(token: &str, nth: usize) -> Value {
    let part = token.split('.').nth(nth).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A text in the shape of a token, made of these claims.
pub(crate) fn token(claims: &Value) -> String {
    let text = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.c2lnbmVk",
        text(&json!({"alg": "ES256"})),
        text(claims)
    )
}

/// The client that signed the assertion in here, if everything about it is as RFC 7523 and MCP want it.
pub(super) fn proved(state: &mut State, issuer: &str, seen: &Seen) -> Option<String> {
    let assertion = seen.field("client_assertion")?;
    assert_eq!(
        seen.field("client_assertion_type"),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
    assert_eq!(
        seen.field("client_id"),
        None,
        "the assertion says who it is"
    );
    let claims = part(assertion, 1);
    let id = claims["sub"].as_str()?.to_owned();
    let client = state.clients.get(&id)?;
    assert_eq!(client.method, "private_key_jwt");
    let jwk: Value = serde_json::from_str(client.secret.as_deref()?).unwrap();
    let mut point = vec![4];
    for member in ["x", "y"] {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap());
        point.extend(bytes.unwrap());
    }
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(signed.as_bytes(), &signature).ok()?;
    let life = claims["exp"].as_u64()? - claims["iat"].as_u64()?;
    assert!(life <= 60, "{life} s");
    let is_right = claims["iss"] == id.as_str() && claims["aud"] == issuer;
    let is_new = state.grants.ids.insert(claims["jti"].as_str()?.to_owned());
    (is_right && is_new).then_some(id)
}

/// A client that shows an assertion and no client authentication.
pub(super) fn nobody(seen: &Seen) -> Option<String> {
    let is_nobody =
        seen.field("client_id").is_none() && !seen.headers.contains_key("authorization");
    (seen.field("grant_type") == Some(JWT_BEARER) && is_nobody).then(String::new)
}

/// Whether the assertion in here is good for a token.
pub(super) fn is_taken(state: &State, seen: &Seen) -> bool {
    let shown = seen.field("assertion").unwrap_or_default().to_owned();
    let provider = state.grants.provider.as_ref();
    let is_vouched = provider.is_some_and(|provider| {
        provider.vouched().contains(&shown) && {
            let claims = part(&shown, 1);
            claims["resource"] == seen.field("resource").unwrap_or_default()
        }
    });
    is_vouched || state.grants.assertions.contains(&shown)
}

/// The grant for a server, for an ID token; or why not.
pub(super) fn exchanged(state: &mut State, client: &str, seen: &Seen) -> Result<Value, String> {
    for (name, wanted) in [
        ("requested_token_type", ID_JAG),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:id_token",
        ),
    ] {
        assert_eq!(seen.field(name), Some(wanted));
    }
    let shown = seen.field("subject_token").unwrap().to_owned();
    let is_known =
        state.grants.id_tokens.contains(&shown) || state.grants.assertions.contains(&shown);
    if !is_known || state.grants.dead.contains(&shown) {
        return Err(format!("the ID token {shown} is good no more"));
    }
    let vouched = token(&json!({
        "canary": "id-jag",
        "client": client,
        "aud": seen.field("audience").unwrap(),
        "resource": seen.field("resource").unwrap(),
        "number": state.grants.vouched.len(),
    }));
    state.grants.vouched.push(vouched.clone());
    let mut answer = json!({
        "access_token": vouched,
        "issued_token_type": ID_JAG,
        "token_type": "N_A",
        "expires_in": 300,
    });
    if let Some(over) = &state.grants.exchange {
        super::overlay(&mut answer, over);
    }
    Ok(answer)
}

/// An ID token for this client, if it gives such.
pub(super) fn id_token(state: &mut State, issuer: &str, client: &str) -> Option<String> {
    if !state.grants.gives_id_tokens {
        return None;
    }
    let number = state.grants.id_tokens.len();
    let mut claims = json!({
        "iss": issuer, "aud": client, "iat": 1000, "exp": 1600, "sub": "canary", "number": number,
    });
    if let Some(over) = &state.grants.claims {
        super::overlay(&mut claims, over);
    }
    let made = token(&claims);
    state.grants.id_tokens.push(made.clone());
    Some(made)
}
