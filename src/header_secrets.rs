//! Secrets that the user put into the vault, for headers: `${vault:NAME}`; and those that a program prints:
//! `${command:PROGRAM}`.
//!
//! Each belongs to one origin, named when it was put or else the first that used it, and is sent to no other: a host's
//! configuration that names another server with the same secret gets an error, not the secret. Opening the vault for
//! them begins when the bridge does and is waited for by the first request, so that it overlaps with everything else; a
//! start without such a reference never comes here. The last use is written down at most once an hour, after the fact.
//!
//! Knows nothing of how the vault is kept, nor of what a header means.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::clock::seconds;
use crate::process::PATIENCE;
use crate::process::argv::{self, Argv};
use crate::secret::Secret;
use crate::store::{self, EntryKind, Expected, Vault};
use crate::text::may_be_secret;

/// Longest name, in bytes.
///
/// Shorter than tokens are: a token that was typed in a name's place is not taken for a name, and not shown.
pub const MAX_NAME: usize = 32;

/// The age that a note of the last use has to have before another write.
const OFTEN: Duration = Duration::from_secs(3600);

/// Tries at a write that other processes keep overtaking.
const TRIES: usize = 5;

/// A secret, without itself. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSummary {
    /// The name.
    pub name: String,
    /// The only origin the secret is sent to; none yet if the user has not named one.
    pub origin: Option<String>,
    /// The time at which the user put the secret.
    pub put_at: u64,
    /// The time of the last use, to the hour.
    pub used_at: Option<u64>,
}

/// The reason why a secret is not handed out, or not stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text that no secret can have as its name.
    #[error("that is not a name for a secret")]
    Name,
    /// No secret has this name.
    #[error("the vault has no secret {}", called(.0))]
    Unknown(String),
    /// The secret belongs to another server.
    #[error("the secret {name:?} belongs to {bound} and is not sent to {wanted}")]
    Elsewhere {
        /// The secret.
        name: String,
        /// The origin that the secret may go to.
        bound: String,
        /// The origin that the secret was to go to.
        wanted: String,
    },
    /// An entry that is not a secret, or one of another version, under that name.
    #[error("the secret {0:?} was written by another version")]
    Foreign(String),
    /// The secret holds characters that no header can carry.
    #[error("the secret {0:?} cannot be sent in a header")]
    Unsendable(String),
    /// A program that was to print the value of a header, or a part of it.
    #[error("the program for the header {header} gave no secret")]
    Program {
        /// The header.
        header: HeaderName,
        /// The reason.
        source: argv::Error,
    },
    /// A program that printed nothing, or no text.
    #[error("the program for the header {0} printed no text")]
    Silent(HeaderName),
    /// An error of the vault.
    #[error(transparent)]
    Vault(#[from] store::Error),
}

/// Returns a name for messages, where the name is not perhaps the secret itself: users give that to --bearer.
fn called(name: &str) -> String {
    match may_be_secret(name) {
        true => "of that name".to_owned(),
        false => format!("{name:?}"),
    }
}

impl Error {
    /// Says whether the error is the user's mistake, rather than the vault in the way.
    pub fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::Vault(_) | Self::Foreign(_) | Self::Program { .. } | Self::Silent(_)
        )
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Name => Some(format!(
                "letters, digits, '.', '_' and '-', at most {MAX_NAME} of them"
            )),
            Self::Unknown(name) => {
                let name = if may_be_secret(name) { "NAME" } else { name };
                Some(format!("`mcpipe vault put {name} --for URL` puts it there"))
            }
            Self::Elsewhere { .. } => Some(
                "put a secret of its own for this server: `mcpipe vault put NAME --for URL`"
                    .to_owned(),
            ),
            Self::Unsendable(name) => Some(format!(
                "header values are printable ASCII on one line; `mcpipe vault put {name}` replaces it"
            )),
            Self::Program { .. } | Self::Silent(_) => {
                Some("run that program yourself: it prints the secret and nothing else".to_owned())
            }
            Self::Foreign(_) => Some("use the newest mcpipe".to_owned()),
            Self::Vault(error) => error.hint(),
        }
    }
}

/// A header whose value has secrets in it.
#[derive(Clone, Debug)]
pub struct Template {
    /// The header.
    pub name: HeaderName,
    /// The pieces of its value, in order.
    pub parts: Vec<Part>,
}

/// A piece of a header's value.
#[derive(Clone)]
pub enum Part {
    /// Text sent unchanged. May come from the environment.
    Text(String),
    /// The secret of this name.
    Secret(String),
    /// The text that this program prints, without the line ends behind it.
    Program(Argv),
}

impl Part {
    /// Says whether the text is known without the vault and without a program.
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Text(_))
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => out.write_str("(redacted)"),
            Self::Secret(name) => write!(out, "${{vault:{name}}}"),
            Self::Program(program) => write!(out, "${{command:{program:?}}}"),
        }
    }
}

/// Checks that a secret may have this name.
///
/// # Errors
/// [`Error::Name`].
pub fn check_name(name: &str) -> Result<(), Error> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_fine) {
        return Err(Error::Name);
    }
    Ok(())
}

/// Keeps a secret, for this origin if one is named. A secret of the same name is replaced; its origin stays unless
/// another is named. Returns the origin that the secret belongs to.
///
/// # Errors
/// [`Error::Name`], [`Error::Vault`].
pub async fn put(
    vault: &Vault,
    name: &str,
    secret: &Secret,
    origin: Option<String>,
    now: SystemTime,
) -> Result<Option<String>, Error> {
    check_name(name)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let (expected, before) = match read(vault, name).await {
            Ok(Some((stored, rev))) => (Expected::Revision(rev), stored.origin.clone()),
            Ok(None) => (Expected::Absent, None),
            Err(Error::Foreign(_)) => (Expected::Anything, None),
            Err(error) => return Err(error),
        };
        let origin = origin.clone().or(before);
        let stored = StoredSecret {
            schema: SCHEMA,
            value: Zeroizing::new(secret.expose().to_owned()),
            origin: origin.clone(),
            put_at: seconds(now),
            used_at: None,
        };
        match write(vault, name, &stored, expected).await {
            Ok(()) => return Ok(origin),
            Err(Error::Vault(store::Error::Stale)) if tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns all secrets, by name.
///
/// # Errors
/// [`Error::Vault`].
pub async fn list(vault: &Vault) -> Result<Vec<SecretSummary>, Error> {
    let mut found = Vec::new();
    for (entry, kind) in vault.list().await? {
        let Some(name) = entry
            .strip_prefix(PREFIX)
            .filter(|_| kind == EntryKind::ApiKey)
        else {
            continue;
        };
        if let Some((stored, _)) = read(vault, name).await? {
            found.push(SecretSummary {
                name: name.to_owned(),
                origin: stored.origin.clone(),
                put_at: stored.put_at,
                used_at: stored.used_at,
            });
        }
    }
    Ok(found)
}

/// Removes a secret; returns false if there was none.
///
/// # Errors
/// [`Error::Vault`].
pub async fn remove(vault: &Vault, name: &str) -> Result<bool, Error> {
    check_name(name)?;
    Ok(vault.remove(&entry(name)).await?)
}

/// Returns the headers of these templates, for this origin. A secret that belongs to no server yet belongs to it from
/// now on.
///
/// # Errors
/// Any, before a secret is bound or a header sent.
pub async fn headers(
    vault: &Vault,
    templates: &[Template],
    origin: &str,
    now: SystemTime,
) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for template in templates {
        let mut value = Zeroizing::new(String::new());
        let mut last = String::new();
        for part in &template.parts {
            match part {
                Part::Text(text) => value.push_str(text),
                Part::Secret(name) => {
                    value.push_str(secret_for(vault, name, origin, now).await?.expose());
                    last.clone_from(name);
                }
                Part::Program(program) => {
                    value.push_str(output(&template.name, program).await?.expose());
                }
            }
        }
        let mut value =
            HeaderValue::try_from(value.as_str()).map_err(|_| match last.is_empty() {
                true => Error::Silent(template.name.clone()),
                false => Error::Unsendable(last),
            })?;
        value.set_sensitive(true);
        headers.insert(template.name.clone(), value);
    }
    Ok(headers)
}

/// Runs a program for a header, and returns its output.
async fn output(header: &HeaderName, program: &Argv) -> Result<Secret, Error> {
    let program = program.clone();
    let run = move || program.run(None, PATIENCE);
    let output = match tokio::task::spawn_blocking(run).await {
        Ok(output) => output.map_err(|source| Error::Program {
            header: header.clone(),
            source,
        })?,
        // The process is leaving.
        Err(_) => return Err(Error::Silent(header.clone())),
    };
    printed(&output).ok_or_else(|| Error::Silent(header.clone()))
}

/// Returns the secret that a program has printed, without the line ends behind it; `None` if there is no text.
pub fn printed(output: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(output).ok()?;
    let text = text.trim_end_matches(['\r', '\n']);
    (!text.is_empty()).then(|| Secret::new(text))
}

/// Writes down that the secrets of these templates were used, unless the last note is recent enough.
pub async fn note_use(vault: &Arc<Vault>, templates: &[Template], now: SystemTime) {
    let names = templates.iter().flat_map(|template| &template.parts);
    for part in names {
        let Part::Secret(name) = part else { continue };
        let Ok(Some((mut stored, rev))) = read(vault, name).await else {
            continue;
        };
        let now = seconds(now);
        if stored
            .used_at
            .is_some_and(|used| used <= now && now - used < OFTEN.as_secs())
        {
            continue;
        }
        stored.used_at = Some(now);
        // Another process that was faster has written it down.
        if let Err(error) = write(vault, name, &stored, Expected::Revision(rev)).await {
            tracing::debug!(%error, name, "the use of a secret is not written down");
        }
    }
}

/// Returns the secret itself, for this origin. A secret that belongs to no server yet belongs to this one from now on.
///
/// # Errors
/// Any, before the secret is bound.
pub async fn secret_for(
    vault: &Vault,
    name: &str,
    origin: &str,
    now: SystemTime,
) -> Result<Secret, Error> {
    check_name(name)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let (mut stored, rev) = read(vault, name)
            .await?
            .ok_or_else(|| Error::Unknown(name.to_owned()))?;
        match &stored.origin {
            Some(bound) if bound == origin => return Ok(Secret::new(stored.value.as_str())),
            Some(bound) => {
                return Err(Error::Elsewhere {
                    name: name.to_owned(),
                    bound: bound.clone(),
                    wanted: origin.to_owned(),
                });
            }
            None => {}
        }
        stored.origin = Some(origin.to_owned());
        stored.used_at = Some(seconds(now));
        match write(vault, name, &stored, Expected::Revision(rev)).await {
            Ok(()) => {
                tracing::warn!(
                    name,
                    origin,
                    "this secret belongs to this server from now on"
                );
                return Ok(Secret::new(stored.value.as_str()));
            }
            // Perhaps another server's bridge has bound the secret; the next look tells.
            Err(Error::Vault(store::Error::Stale)) if tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

const PREFIX: &str = "secret:";
const SCHEMA: u32 = 1;

fn entry(name: &str) -> String {
    format!("{PREFIX}{name}")
}

#[derive(Deserialize, Serialize)]
struct StoredSecret {
    schema: u32,
    value: Zeroizing<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    put_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used_at: Option<u64>,
}

async fn read(vault: &Vault, name: &str) -> Result<Option<(StoredSecret, u64)>, Error> {
    let Some(found) = vault.read(&entry(name)).await? else {
        return Ok(None);
    };
    let stored: Option<StoredSecret> = serde_json::from_str(found.content.expose()).ok();
    match stored.filter(|stored| found.kind == EntryKind::ApiKey && stored.schema == SCHEMA) {
        Some(stored) => Ok(Some((stored, found.rev))),
        None => Err(Error::Foreign(name.to_owned())),
    }
}

async fn write(
    vault: &Vault,
    name: &str,
    stored: &StoredSecret,
    expected: Expected,
) -> Result<(), Error> {
    let text = serde_json::to_string(stored).map_err(|_| Error::Foreign(name.to_owned()))?;
    let (name, text) = (entry(name), Secret::new(text));
    vault.put(&name, EntryKind::ApiKey, &text, expected).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
