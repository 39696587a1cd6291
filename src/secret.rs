//! Text that must not be seen.
//!
//! A [`Secret`] prints as `(redacted)`, has no `Display` and no `Serialize`, is wiped when dropped, and is read only
//! through [`Secret::expose`], so that a search for that word finds every place where a secret leaves its type.

mod escaped; // texts in which characters are spelt with escapes
pub mod live;
pub(crate) mod shapes;
mod webhooks;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// A token, key, code, verifier or passphrase.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes ownership of the text; the caller's copy is gone, not wiped.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// Shows the text to code that must send or store it. Never pass the result to a log, an error or a format string
    /// that reaches one.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Compares in time that depends on the lengths only.
    pub fn same_as(&self, other: &str) -> bool {
        self.expose().as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "only its Debug is looked at")]
        struct Held {
            token: Secret,
        }
        let held = Held {
            token: Secret::new("hunter2"),
        };
        assert!(!format!("{held:?} {held:#?}").contains("hunter2"));
    }

    #[test]
    fn secrets_are_compared_whole() {
        let secret = Secret::new("abc");
        assert!(secret.same_as("abc"));
        assert!(!secret.same_as("abd"));
        assert!(!secret.same_as("ab"));
    }
}
