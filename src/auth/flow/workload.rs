//! Workload identity: a JWT that the platform gives a program, shown for a token.
//!
//! Platforms replace it every few minutes, so it is read anew each time, from a file or a program. It is passed on as it
//! is: whose it is and for whom is between those two. One that was refused is not shown again, by any process.
//!
//! RFC 7523 section 2.1; MCP extension `io.modelcontextprotocol/auth/wif` (SEP-1933).

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::auth::Cause;
use crate::auth::flow::unattended::{self, Asking, JWT_BEARER, refused};
use crate::auth::oauth::token_endpoint::{self, TokenSet};
use crate::auth::shared::House;
use crate::auth::store::record::Granted;
use crate::secret::Secret;
use crate::store::program::{self, Words};
use crate::text::without_mark;

/// Where assertions come from.
#[derive(Clone, Debug)]
pub enum Assertions {
    /// A file.
    File(PathBuf),
    /// A program that prints one.
    Command(Words),
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program gave none.
    #[error("{0}")]
    Program(#[from] program::Error),
    /// It took too long.
    #[error("{0} gave nothing within {seconds} s", seconds = PATIENCE.as_secs())]
    Slow(String),
    /// Not three parts of base64url, or longer than any.
    #[error("{0} is not a JSON web token")]
    NotAToken(String),
    /// Nothing at all.
    #[error("{0}")]
    Empty(String),
    /// It was refused already.
    #[error("the assertion from {from} was refused before ({code}), and is not shown again")]
    Spent {
        /// Where it came from.
        from: String,
        /// The server's word for it.
        code: String,
    },
}

impl Error {
    pub(in crate::auth) fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check the path and its permissions",
            Self::Program(_) | Self::Slow(_) => "check --assertion-command by running it yourself",
            Self::NotAToken(_) | Self::Empty(_) => {
                "it has to be the token and nothing else: three parts with dots between them"
            }
            Self::Spent { .. } => {
                "wait for the platform to give another; `mcpipe login` shows this one again"
            }
        }
        .to_owned()
    }
}

impl Assertions {
    /// Tells places apart, without saying what they are: a command may hold a secret.
    pub(in crate::auth) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        match self {
            Self::File(path) => hash.update(path.as_os_str().as_encoded_bytes()),
            Self::Command(words) => {
                for word in words.iter() {
                    hash.update(word.as_bytes());
                    hash.update([0]);
                }
            }
        }
        let hash = hash.finalize();
        BASE64_URL_SAFE_NO_PAD.encode(hash.get(..12).unwrap_or_default())
    }

    /// The one that is there now.
    ///
    /// # Errors
    /// See [`Error`]; none quotes it.
    pub(in crate::auth) async fn read(&self) -> Result<Secret, Error> {
        let ours = self.clone();
        let read = tokio::task::spawn_blocking(move || ours.read_blocking());
        // A program has its own time limit, and is ended then; a file may be a pipe nobody writes to.
        match tokio::time::timeout(PATIENCE * 2, read).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) | Err(_) => Err(Error::Slow(self.to_string())),
        }
    }

    fn read_blocking(&self) -> Result<Secret, Error> {
        let bytes = match self {
            Self::File(path) => {
                let mut bytes = Zeroizing::new(Vec::new());
                let limit = u64::try_from(LONGEST + 1).unwrap_or(u64::MAX);
                let read =
                    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
                read.map_err(|source| Error::Unreadable {
                    path: path.clone(),
                    source,
                })?;
                bytes
            }
            Self::Command(words) => words.run_up_to(None, PATIENCE, LONGEST + 1)?,
        };
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let text = without_mark(text).trim();
        let (what, nothing) = match self {
            Self::File(_) => (format!("what {self} holds"), format!("{self} is empty")),
            Self::Command(_) => (
                format!("what {self} printed"),
                format!("{self} printed nothing"),
            ),
        };
        if bytes.trim_ascii().is_empty() {
            return Err(Error::Empty(nothing));
        }
        if bytes.len() > LONGEST || !is_token(text) {
            return Err(Error::NotAToken(what));
        }
        Ok(Secret::new(text))
    }
}

impl fmt::Display for Assertions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Command(words) => write!(out, "`{}`", words.program()),
        }
    }
}

/// Whether a text has the shape of a signed JSON web token (RFC 7515 section 7.1).
pub(in crate::auth) fn is_token(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && BASE64_URL_SAFE_NO_PAD.decode(part).is_ok();
    text.split('.').count() == 3 && text.split('.').all(is_part)
}

/// How long a program may take.
const PATIENCE: Duration = program::PATIENCE;
/// The longest assertion, in bytes.
const LONGEST: usize = 64 * 1024;

/// What is remembered of one that was refused.
#[derive(Serialize, Deserialize)]
struct Refusal {
    /// SHA-256 of it, and of what was asked for.
    hash: String,
    code: String,
}

impl House {
    /// Shows the assertion that is there now, unless it was refused before, to the same question; a user who asks again is
    /// not argued with.
    pub(in crate::auth) async fn by_assertion(
        &self,
        assertions: &Assertions,
        asking: &Asking<'_>,
    ) -> Result<TokenSet, Cause> {
        let assertion = assertions.read().await.map_err(unattended::Error::from)?;
        let endpoint = &asking.endpoint;
        let shown = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(assertion.expose()));
        let question = (
            shown,
            endpoint.url.as_str(),
            &endpoint.client.id,
            endpoint.resource,
            asking.scope.map(ToString::to_string),
        );
        let question = serde_json::to_string(&question).unwrap_or_default();
        let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(question));
        let name = self.lock_name("assertion");
        let note = self.vault.note(&name).await.unwrap_or_default();
        let before: Option<Refusal> = note.and_then(|text| serde_json::from_str(&text).ok());
        if let Some(before) = before.filter(|it| it.hash == hash && !asking.is_told) {
            return Err(unattended::Error::from(Error::Spent {
                from: assertions.to_string(),
                code: before.code,
            })
            .into());
        }
        let shown = [("assertion", &assertion)];
        let granted = endpoint.grant(JWT_BEARER, &shown, asking.scope);
        let error = match granted.await {
            Ok(tokens) => return Ok(tokens),
            Err(error) => error,
        };
        if let token_endpoint::Error::Refused { code, .. } = &error {
            let code = code.clone();
            let note = serde_json::to_string(&Refusal { hash, code }).unwrap_or_default();
            if let Err(why) = self.vault.leave_note(&name, &note).await {
                tracing::warn!(%why, "other processes will show the refused assertion again");
            }
        }
        Err(refused(Granted::Workload, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_three_parts() {
        for (text, is_one) in [
            ("e30.e30.c2ln", true),
            ("e30.e30.", false),
            ("e30.e30", false),
            ("e30.e30.c2ln.c2ln", false),
            ("e30.e 30.c2ln", false),
            ("", false),
        ] {
            assert_eq!(is_token(text), is_one, "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_not_a_token_is_refused_and_not_quoted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let place = Assertions::File(file.path().to_owned());
        std::fs::write(file.path(), " e30.e30.c2ln\n").unwrap();
        assert_eq!(place.read().await.unwrap().expose(), "e30.e30.c2ln");
        let long = format!("e30.e30.{}", "c2ln".repeat(LONGEST / 4));
        std::fs::write(file.path(), " \n").unwrap();
        let nothing = place.read().await.unwrap_err();
        assert!(nothing.to_string().ends_with("is empty"), "{nothing}");
        for text in ["s3cret", &long] {
            std::fs::write(file.path(), text).unwrap();
            let error = place.read().await.unwrap_err();
            assert!(matches!(error, Error::NotAToken(_)), "{error}");
            let said = format!("{error} {error:?} {}", error.hint());
            assert!(!said.contains("s3cret") && !said.contains("e30"), "{said}");
        }
    }

    #[test]
    fn a_refusal_is_noted_with_these_words() {
        let refusal = Refusal {
            hash: "h".to_owned(),
            code: "invalid_grant".to_owned(),
        };
        assert_eq!(
            serde_json::to_string(&refusal).unwrap(),
            r#"{"hash":"h","code":"invalid_grant"}"#
        );
    }
}
