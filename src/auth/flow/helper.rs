//! The helper: a process of the same binary that does a sign-in for other processes, and outlives the one that sent it.
//!
//! Hosts start a server twice and kill the first, or give up while a user is looking for a password. So a process that
//! belongs to no host waits for the page: it has a session of its own and inherits nothing but a few variables. What it
//! has to know comes over a pipe, in a hand-off that is read to its end before anything else happens; neither its
//! arguments nor its environment hold a secret.
//!
//! The command that sends the helper writes its own part of the hand-off (`caller_environment`), which is not read here;
//! this file adds the request for the sign-in.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::auth::oauth::challenge::Challenge;
use crate::auth::settings::Helper;
use crate::process;
use crate::secret::Secret;
use crate::store::primitives::{Key, decode, encode};

/// A sign-in that a helper is to do.
#[derive(Clone, Debug)]
pub struct SignInRequest {
    /// The server's challenge.
    pub challenge: Challenge,
    /// The token it said that of.
    pub stale: Option<Secret>,
    /// The attempt that was over when the request was made; a later one is news.
    pub old: Option<String>,
}

/// The hand-off as it was read.
#[derive(Debug)]
pub struct ReceivedHandoff {
    /// The part of the command that sends the helper.
    pub caller_environment: Secret,
    /// The sign-in to do.
    pub request: SignInRequest,
    /// Opens the vault; `None` if it is still to be made.
    pub root: Option<Key>,
}

/// The longest hand-off, in bytes.
pub const MAX_HANDOFF: u64 = 4 << 20;

/// The longest time in which a new process may read its hand-off.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Serialize, Deserialize)]
struct Handoff {
    /// The version of the process that wrote it: the binary may have been replaced meanwhile.
    version: String,
    #[serde(rename = "door")]
    caller_environment: String,
    status: u16,
    resource_metadata: Option<String>,
    scope: Option<String>,
    error: Option<String>,
    takes_dpop: bool,
    stale: Option<String>,
    old: Option<String>,
    root: Option<String>,
}

/// Starts a helper and writes its hand-off.
pub(in crate::auth) async fn send(
    helper: &Helper,
    request: &SignInRequest,
    root: Option<&Key>,
) -> io::Result<Child> {
    let handoff = write(helper, request, root)?;
    let mut command = Command::from(process::command(&helper.program));
    command
        .args(&helper.arguments)
        .env_clear()
        .envs(helper.environment.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // On Unix the helper leaves our session itself; a process group given here would forbid it to.
    #[cfg(windows)]
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
    let mut child = command.spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        tokio::time::timeout(PATIENCE, pipe.write_all(handoff.as_bytes())).await??;
    }
    Ok(child)
}

#[cfg(windows)]
const DETACHED_PROCESS: u32 = 0x8;
#[cfg(windows)]
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

fn write(
    helper: &Helper,
    request: &SignInRequest,
    root: Option<&Key>,
) -> io::Result<Zeroizing<String>> {
    let handoff = Handoff {
        version: VERSION.to_owned(),
        caller_environment: helper.caller_environment.expose().to_owned(),
        status: request.challenge.status,
        resource_metadata: request.challenge.resource_metadata.clone(),
        scope: request.challenge.scope.clone(),
        error: request.challenge.error.clone(),
        takes_dpop: request.challenge.takes_dpop,
        stale: request
            .stale
            .as_ref()
            .map(|token| token.expose().to_owned()),
        old: request.old.clone(),
        root: root.map(|root| encode(root.expose())),
    };
    Ok(Zeroizing::new(serde_json::to_string(&handoff)?))
}

/// Reads a hand-off; `None` if mcpipe has not written it, or another version has.
pub fn read(text: &str) -> Option<ReceivedHandoff> {
    let handoff: Handoff = serde_json::from_str(text).ok()?;
    (handoff.version == VERSION).then_some(())?;
    let root = match handoff.root {
        Some(root) => Some(Key::new(decode(&root)?)),
        None => None,
    };
    Some(ReceivedHandoff {
        caller_environment: Secret::new(handoff.caller_environment),
        request: SignInRequest {
            challenge: Challenge {
                status: handoff.status,
                resource_metadata: handoff.resource_metadata,
                scope: handoff.scope,
                error: handoff.error,
                description: None,
                takes_dpop: handoff.takes_dpop,
            },
            stale: handoff.stale.map(Secret::new),
            old: handoff.old,
        },
        root,
    })
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_as_it_was_written_and_only_by_its_own_version() {
        let helper = Helper {
            program: "mcpipe".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            caller_environment: Secret::new("{}"),
        };
        let request = SignInRequest {
            challenge: Challenge {
                status: 403,
                scope: Some("a b".to_owned()),
                takes_dpop: true,
                ..Challenge::default()
            },
            stale: Some(Secret::new("canary")),
            old: Some("attempt".to_owned()),
        };
        let text = write(&helper, &request, Some(&Key::new([7; 32]))).unwrap();
        let opened = read(&text).unwrap();
        assert_eq!(opened.request.challenge, request.challenge);
        assert!(opened.request.stale.as_ref().unwrap().same_as("canary"));
        assert!(opened.root.as_ref().unwrap().same_as(&[7; 32]));
        assert!(!format!("{opened:?}").contains("canary"));
        assert!(read(&text.replace(VERSION, "0.0.0-other")).is_none());
    }

    /// A helper of the same version number may be another build: what is handed to it keeps its words.
    #[test]
    fn a_letter_is_written_with_these_words() {
        let helper = Helper {
            program: "mcpipe".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            caller_environment: Secret::new("{}"),
        };
        let request = SignInRequest {
            challenge: Challenge {
                status: 401,
                resource_metadata: Some("https://a.example/prm".to_owned()),
                scope: Some("a b".to_owned()),
                error: Some("invalid_token".to_owned()),
                description: Some("is not handed over".to_owned()),
                takes_dpop: true,
            },
            stale: Some(Secret::new("token")),
            old: Some("attempt".to_owned()),
        };
        let text = write(&helper, &request, Some(&Key::new([7; 32]))).unwrap();
        assert_eq!(
            text.replace(VERSION, "VERSION"),
            r#"{"version":"VERSION","door":"{}","status":401,"resource_metadata":"https://a.example/prm","scope":"a b","error":"invalid_token","takes_dpop":true,"stale":"token","old":"attempt","root":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}"#
        );
    }
}
