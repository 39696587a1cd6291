//! Deviations of one authorization server, learnt from its refusals, that its metadata do not state.
//!
//! The vault keeps them with the record, so that a mistake is made once; `status` shows them, so that a user can see
//! why a request looks as it does. [`crate::auth::oauth::known_providers`] holds what is known beforehand; the user's
//! settings go before both.

use serde::{Deserialize, Serialize};

use crate::auth::client::{Client, Method};

/// The deviations learnt from one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObservedQuirks {
    /// True where the server turns a request down for its `resource` parameter (RFC 8707).
    pub refuses_resource: bool,
    /// True where the server turns a refresh down that does not repeat the scope.
    pub wants_scope_on_refresh: bool,
    /// The method by which the server takes our secret, whatever its metadata say; the name as in metadata.
    pub auth_method: Option<String>,
    /// True where the server takes `client_id` in the form for a second method of authentication, beside a secret in
    /// the header.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub header_only: bool,
}

/// The lesson of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjustment {
    /// Leave `resource` out.
    NoResource,
    /// Repeat the scope when refreshing.
    RepeatScope,
}

/// Texts in a code or its description, and their meaning. Entra answers `invalid_request` and the like to everything;
/// only its number tells.
const TABLE: &[(&str, Adjustment)] = &[
    ("invalid_target", Adjustment::NoResource),
    ("AADSTS9010010", Adjustment::NoResource),
    ("AADSTS901002", Adjustment::NoResource),
    ("AADSTS90009", Adjustment::RepeatScope),
    ("AADSTS650053", Adjustment::RepeatScope),
];

impl Adjustment {
    /// Returns the lesson of this refusal, if there is one.
    pub fn of(code: &str, description: Option<&str>) -> Option<Self> {
        Self::known(code, description)
            .or_else(|| names_resource(code, description?).then_some(Self::NoResource))
    }

    fn known(code: &str, description: Option<&str>) -> Option<Self> {
        let says = |number: &str| {
            let mut rest = description.unwrap_or_default();
            while let Some(at) = rest.find(number) {
                rest = rest.get(at + number.len()..).unwrap_or_default();
                // 901002 is not 9010021.
                if !rest.starts_with(|next: char| next.is_ascii_digit()) {
                    return true;
                }
            }
            false
        };
        TABLE
            .iter()
            .find(|(words, _)| code == *words || says(words))
            .map(|(_, lesson)| *lesson)
    }
}

/// Says whether the text of a refusal is about the parameter `resource`: `invalid_request: unknown parameter resource`.
/// Any refusal may mention the resource owner and the resource server.
fn names_resource(code: &str, words: &str) -> bool {
    if speaks_for_itself(code) {
        return false;
    }
    let words = words.to_ascii_lowercase();
    words.match_indices("resource").any(|(at, name)| {
        let rest = words.get(at + name.len()..).unwrap_or_default();
        let is_word = !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
        let rest = rest.trim_start_matches([' ', '-', '_']);
        is_word && !rest.starts_with("owner") && !rest.starts_with("server")
    })
}

/// Says whether a code explains the refusal alone, so that no parameter is at fault.
pub fn speaks_for_itself(code: &str) -> bool {
    let of_the_standards = [
        "invalid_grant",
        "invalid_client",
        "unauthorized_client",
        "invalid_scope",
        "access_denied",
        "invalid_dpop_proof",
        "use_dpop_nonce",
        "http_401",
    ];
    of_the_standards.contains(&code)
}

impl ObservedQuirks {
    /// Says whether nothing was learnt.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Remembers the method by which a secret was taken, where it is not the method we would have used.
    pub fn note_method(&mut self, expected: Method, taken: Method) {
        if expected != taken {
            self.auth_method = Some(taken.name().to_owned());
        }
    }

    /// Changes the client to the form that this server takes.
    pub fn correct(&self, client: &mut Client) {
        client.header_only |= self.header_only;
        let taken = self.auth_method.as_deref().and_then(Method::named);
        if let Some(taken) = taken.filter(|taken| client.other == Some(*taken)) {
            client.other = Some(client.method);
            client.method = taken;
        }
    }

    /// Returns the deviations as text for the user.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.refuses_resource {
            words.push("refuses the resource parameter, which is left out".to_owned());
        }
        if self.wants_scope_on_refresh {
            words.push("wants the scope repeated when tokens are renewed".to_owned());
        }
        if let Some(method) = &self.auth_method {
            words.push(format!("takes the client secret as {method} only"));
        }
        if self.header_only {
            words.push("takes no client_id beside a secret in the header".to_owned());
        }
        words
    }
}

#[cfg(test)]
mod tests;
