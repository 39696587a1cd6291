//! `WWW-Authenticate` challenges, as MCP servers send them.
//!
//! Reads the fields of a 401 or 403 and keeps what a client can act on: where the resource metadata is, the scopes
//! wanted, and why. Several fields, several challenges in a field, quoted strings with commas, token68, upper and lower
//! case, and common deviations (unquoted addresses, no comma between parameters) are read. Unknown parameters are
//! skipped, malformed ones lose only themselves; a challenge that cannot be read at all is still a challenge. Fetches
//! nothing.
//!
//! RFC 9110 section 11 for the grammar, RFC 6750 section 3 for the parameters, RFC 9728 section 5.1 for
//! `resource_metadata`, RFC 9449 section 7.1 for the `DPoP` scheme.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// The content of a 401 or 403, as the server sent it, unchecked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The HTTP status, 401 or 403.
    pub status: u16,
    /// `resource_metadata`, as written.
    pub resource_metadata: Option<String>,
    /// `scope`, as written.
    pub scope: Option<String>,
    /// `error`.
    pub error: Option<String>,
    /// `error_description`.
    pub description: Option<String>,
    /// True where the server asked for a token that is bound to a key, among others (RFC 9449 section 7.1).
    pub takes_dpop: bool,
}

impl Challenge {
    /// Reads a response's `WWW-Authenticate` fields. A challenge that cannot be read at all is still a challenge.
    pub fn read(status: u16, headers: &HeaderMap) -> Self {
        let offers: Vec<Offer> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .take(MAX_FIELDS)
            .flat_map(|field| {
                let bytes = field.as_bytes();
                let text = String::from_utf8_lossy(bytes.get(..MAX_FIELD).unwrap_or(bytes));
                offers(&text)
            })
            .collect();
        let of = |scheme: &'static str| {
            offers
                .iter()
                .filter(move |offer| offer.scheme.eq_ignore_ascii_case(scheme))
        };
        // Both schemes carry the same parameters. An error that only a proof can have is about a proof.
        let asked = |name: &str| {
            of("bearer")
                .chain(of("dpop"))
                .find_map(|it| it.parameter(name))
        };
        let refused = of("dpop").find(|offer| {
            let error = offer.parameter("error");
            error.is_some_and(|error| PROOF_ERRORS.contains(&error.as_str()))
        });
        let parameter = |name: &str| match refused {
            Some(offer) => offer.parameter(name),
            None => asked(name),
        };
        Self {
            status,
            resource_metadata: asked("resource_metadata"),
            scope: asked("scope"),
            error: parameter("error"),
            description: parameter("error_description"),
            takes_dpop: of("dpop").next().is_some(),
        }
    }

    /// Says whether the credential was good but did not allow enough (RFC 6750 section 3.1), so that a refresh is no
    /// help.
    pub fn wants_more_scope(&self) -> bool {
        self.error.as_deref() == Some("insufficient_scope")
    }
}

/// The errors of proofs (RFC 9449 section 12.2).
const PROOF_ERRORS: [&str; 2] = ["use_dpop_nonce", "invalid_dpop_proof"];
const MAX_FIELDS: usize = 16;
const MAX_FIELD: usize = 16 * 1024;

/// A challenge: a scheme and its parameters.
#[derive(Debug)]
struct Offer {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offer {
    fn parameter(&self, name: &str) -> Option<String> {
        self.parameters
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    }
}

/// Splits one field into challenges. Commas separate challenges and parameters alike and decide nothing: a word
/// followed by `=` is a parameter, a word alone is a scheme.
fn offers(field: &str) -> Vec<Offer> {
    let mut found: Vec<Offer> = Vec::new();
    let mut rest = field;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return found;
        }
        let Some((word, after)) = token(rest) else {
            rest = past_next_break(rest);
            continue;
        };
        let unspaced = after.trim_start_matches([' ', '\t']);
        match (unspaced.strip_prefix('='), found.last_mut()) {
            (Some(value), Some(offer)) => {
                let (value, after) = parameter_value(value.trim_start_matches([' ', '\t']));
                if let Some(value) = value {
                    offer.parameters.push((word.to_owned(), value));
                }
                rest = after;
            }
            (Some(_), None) => rest = past_next_break(after),
            (None, _) => {
                found.push(Offer {
                    scheme: word.to_owned(),
                    parameters: Vec::new(),
                });
                rest = past_token68(after);
            }
        }
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)))
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Reads a quoted string, or anything up to a space or comma: servers write addresses without quotes. `None` if the
/// quote is never closed.
fn parameter_value(text: &str) -> (Option<String>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([' ', '\t', ',']).unwrap_or(text.len()));
        return ((!value.is_empty()).then(|| value.to_owned()), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (Some(value), quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (None, "")
}

/// Returns the rest after a scheme's token68, if a token68 stands there: `Negotiate YII=, Bearer …`.
fn past_token68(text: &str) -> &str {
    let body = text.trim_start_matches([' ', '\t']);
    let end = body
        .find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/".contains(c)))
        .unwrap_or(body.len());
    let (_, tail) = body.split_at(end);
    let after = tail.trim_start_matches('=').trim_start_matches([' ', '\t']);
    let whole = after.is_empty() || after.starts_with(',');
    if end > 0 && whole { after } else { text }
}

fn past_next_break(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    let text = chars.as_str();
    text.find([' ', '\t', ',', '"'])
        .and_then(|at| text.get(at..))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
