//! Workload identity: a JWT that the platform gives a program, shown for a token.
//!
//! Platforms replace it every few minutes, so it is read anew each time, from a file or a program. It is passed on as it
//! is: whose it is and for whom is between those two. One that was refused is not shown again, by any process.
//!
//! RFC 7523 section 2.1; MCP extension `io.modelcontextprotocol/auth/wif` (SEP-1933).

use std::fs::File;
use std::io::Read as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::auth::Cause;
use crate::auth::error::UnattendedError;
use crate::auth::flow::token_request::TokenRequest;
use crate::auth::grant::{AssertionError, Assertions, GrantType};
use crate::auth::oauth::token_endpoint::JWT_BEARER;
use crate::auth::oauth::token_endpoint::{self, TokenSet};
use crate::auth::store::credential_store::CredentialStore;
use crate::process::PATIENCE;
use crate::secret::Secret;
use crate::text::without_mark;

/// The one that is there now.
///
/// # Errors
/// See [`AssertionError`]; none quotes it.
pub(in crate::auth) async fn read(assertions: &Assertions) -> Result<Secret, AssertionError> {
    let ours = assertions.clone();
    let read = tokio::task::spawn_blocking(move || read_blocking(&ours));
    // A program has its own time limit, and is ended then; a file may be a pipe that no program writes to.
    match tokio::time::timeout(PATIENCE * 2, read).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) | Err(_) => Err(AssertionError::Slow(assertions.to_string())),
    }
}

fn read_blocking(assertions: &Assertions) -> Result<Secret, AssertionError> {
    let bytes = match assertions {
        Assertions::File(path) => {
            let mut bytes = Zeroizing::new(Vec::new());
            let limit = u64::try_from(LONGEST + 1).unwrap_or(u64::MAX);
            let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
            read.map_err(|source| AssertionError::Unreadable {
                path: path.clone(),
                source,
            })?;
            bytes
        }
        Assertions::Command(words) => words.run_up_to(None, PATIENCE, LONGEST + 1)?,
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let text = without_mark(text).trim();
    let (what, nothing) = match assertions {
        Assertions::File(_) => (
            format!("what {assertions} holds"),
            format!("{assertions} is empty"),
        ),
        Assertions::Command(_) => (
            format!("what {assertions} printed"),
            format!("{assertions} printed nothing"),
        ),
    };
    if bytes.trim_ascii().is_empty() {
        return Err(AssertionError::Empty(nothing));
    }
    if bytes.len() > LONGEST || !is_token(text) {
        return Err(AssertionError::NotAToken(what));
    }
    Ok(Secret::new(text))
}

/// Says whether a text has the shape of a signed JSON web token (RFC 7515 section 7.1).
pub(in crate::auth) fn is_token(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && BASE64_URL_SAFE_NO_PAD.decode(part).is_ok();
    text.split('.').count() == 3 && text.split('.').all(is_part)
}

/// The longest assertion, in bytes.
const LONGEST: usize = 64 * 1024;

/// A refused assertion, as it is remembered.
#[derive(Serialize, Deserialize)]
struct Refusal {
    /// SHA-256 of it, and of what was asked for.
    hash: String,
    code: String,
}

/// Shows the assertion that is there now, unless it was refused before, to the same question; a user who asks again is
/// not argued with.
pub(in crate::auth) async fn request_token(
    store: &CredentialStore,
    assertions: &Assertions,
    request: &TokenRequest<'_>,
) -> Result<TokenSet, Cause> {
    let assertion = read(assertions).await.map_err(UnattendedError::from)?;
    let endpoint = &request.endpoint;
    let shown = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(assertion.expose()));
    let question = (
        shown,
        endpoint.url.as_str(),
        &endpoint.client.id,
        endpoint.resource,
        request.scope.map(ToString::to_string),
    );
    let question = serde_json::to_string(&question).unwrap_or_default();
    let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(question));
    let name = store.lock_name("assertion");
    let note = store.vault().side_file(&name).await.unwrap_or_default();
    let before: Option<Refusal> = note.and_then(|text| serde_json::from_str(&text).ok());
    if let Some(before) = before.filter(|it| it.hash == hash && !request.is_requested) {
        return Err(UnattendedError::from(AssertionError::Spent {
            from: assertions.to_string(),
            code: before.code,
        })
        .into());
    }
    let shown = [("assertion", &assertion)];
    let granted = endpoint.grant(JWT_BEARER, &shown, request.scope);
    let error = match granted.await {
        Ok(tokens) => return Ok(tokens),
        Err(error) => error,
    };
    if let token_endpoint::Error::Refused { code, .. } = &error {
        let code = code.clone();
        let note = serde_json::to_string(&Refusal { hash, code }).unwrap_or_default();
        if let Err(why) = store.vault().write_side_file(&name, &note).await {
            tracing::warn!(%why, "other processes will show the refused assertion again");
        }
    }
    Err(Cause::refused_grant(GrantType::Workload, error))
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
        assert_eq!(read(&place).await.unwrap().expose(), "e30.e30.c2ln");
        let long = format!("e30.e30.{}", "c2ln".repeat(LONGEST / 4));
        std::fs::write(file.path(), " \n").unwrap();
        let nothing = read(&place).await.unwrap_err();
        assert!(nothing.to_string().ends_with("is empty"), "{nothing}");
        for text in ["s3cret", &long] {
            std::fs::write(file.path(), text).unwrap();
            let error = read(&place).await.unwrap_err();
            assert!(matches!(error, AssertionError::NotAToken(_)), "{error}");
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
