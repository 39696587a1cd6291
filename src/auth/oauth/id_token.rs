//! The user who has signed in, as the authorization server names the user: for display, and to tell two users apart.
//!
//! Reads the claims of an ID token that came with tokens. The signature is not checked: the token came over TLS from
//! the token endpoint itself (OpenID Connect Core section 3.1.3.7 item 6). Its expiry is not checked either: a wrong
//! clock here does not make another user of it. A name decides nothing; a user is an issuer and a subject
//! (section 5.7).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::auth::oauth::metadata_urls::{names_itself, same_issuer};
use crate::text::plain;

/// A user of an authorization server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The issuer that knows the user by that subject.
    pub issuer: String,
    /// The identifier of the user there; never given to another user (OpenID Connect Core section 2).
    pub subject: String,
    /// The user's name for display, cleaned, if the server sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The claims of an ID token, before it is known that the token is for this client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdTokenClaims {
    iss: String,
    sub: String,
    aud: Vec<String>,
    azp: Option<String>,
    nonce: Option<String>,
    name: Option<String>,
}

impl User {
    /// Returns the user whom these claims name, if they are of this issuer and for this client (OpenID Connect Core
    /// section 3.1.3.7 items 2 to 5).
    pub(in crate::auth) fn of(claims: &IdTokenClaims, issuer: &str, client: &str) -> Option<Self> {
        // Google leaves the scheme out in some ID tokens.
        let is_bare = issuer.strip_prefix("https://") == Some(claims.iss.as_str());
        let is_theirs = is_bare || names_itself(issuer, &claims.iss);
        let is_ours = claims.aud.iter().any(|aud| aud == client)
            && claims.azp.as_ref().is_none_or(|azp| azp == client);
        if !is_theirs || !is_ours {
            tracing::debug!("an ID token that is not for this client names no user");
            return None;
        }
        let is_same = is_bare || same_issuer(issuer, &claims.iss);
        Some(Self {
            issuer: if is_same { issuer } else { &claims.iss }.to_owned(),
            subject: claims.sub.clone(),
            name: claims.name.clone(),
        })
    }

    /// Returns the user whom an answer of this issuer names (UserInfo, or introspection).
    pub(in crate::auth) fn of_answer(answer: &Map<String, Value>, issuer: &str) -> Option<Self> {
        Some(Self {
            issuer: issuer.to_owned(),
            subject: subject(answer)?,
            name: name(answer),
        })
    }

    /// Says whether both are one user.
    pub fn is(&self, other: &Self) -> bool {
        self.subject == other.subject && same_issuer(&self.issuer, &other.issuer)
    }

    /// Returns the user as text for display.
    pub fn words(&self) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None => plain(&self.subject, MAX_DISPLAY_NAME),
        }
    }

    /// Reads the user in a record. A user that cannot be read counts as none, and the tokens beside it are good.
    pub(in crate::auth) fn read_lenient<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Self>, D::Error> {
        let value = Option::<Value>::deserialize(from)?;
        Ok(value.and_then(|value| serde_json::from_value(value).ok()))
    }
}

impl IdTokenClaims {
    /// Reads the claims of an ID token; `None` if the text is none, or only another party can read it (JWE).
    pub(in crate::auth) fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let payload = payload.trim_end_matches('=');
        let payload = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?);
        let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let aud = match claims.get("aud")? {
            Value::String(one) => vec![one.clone()],
            Value::Array(all) => all
                .iter()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect(),
            _ => return None,
        };
        Some(Self {
            iss: text("iss")?,
            sub: subject(&claims)?,
            aud,
            azp: text("azp"),
            nonce: text("nonce"),
            name: name(&claims),
        })
    }

    /// Says whether the claims may answer the request that this nonce was sent with. A missing nonce is no fault: PKCE
    /// ties the code to the request already (RFC 9700 section 2.1.1), and some providers leave the nonce out.
    pub(in crate::auth) fn answer(&self, nonce: Option<&str>) -> bool {
        match (&self.nonce, nonce) {
            (Some(theirs), Some(ours)) => theirs == ours,
            _ => true,
        }
    }
}

fn subject(claims: &Map<String, Value>) -> Option<String> {
    let subject = match claims.get("sub")? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let fits = !subject.trim().is_empty() && subject.chars().count() <= MAX_SUBJECT;
    fits.then_some(subject)
}

/// Returns the first of the claims by which users know each other: unique claims first. `upn` and `unique_name` are
/// Microsoft's, `username` is of introspection (RFC 7662 section 2.2).
fn name(claims: &Map<String, Value>) -> Option<String> {
    let names = [
        "email",
        "preferred_username",
        "upn",
        "unique_name",
        "username",
        "name",
        "nickname",
    ];
    names.iter().find_map(|name| {
        let text = plain(claims.get(*name)?.as_str()?, MAX_DISPLAY_NAME);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(text)
    })
}

/// The number of characters of a name that are shown.
const MAX_DISPLAY_NAME: usize = 100;
/// The longest subject that is read. OpenID Connect Core section 2 has 255; a little more is no reason to drop the
/// user.
const MAX_SUBJECT: usize = 1024;

#[cfg(test)]
mod tests;
