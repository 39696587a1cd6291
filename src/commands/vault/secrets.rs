//! Secrets that the user puts into the vault, lists and takes out.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read as _};
use std::time::Duration;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cli::{NameArgs, PutArgs, ShowArgs};
use crate::clock;
use crate::commands::print;
use crate::commands::vault::new_passphrase::blocking;
use crate::commands::vault::text::lasting;
use crate::header_secrets::{self, Error, SecretSummary};
use crate::report::{Failure, Kind};
use crate::secret::Secret;
use crate::settings::{self, Environment};
use crate::store::passphrase;
use crate::text::without_mark;

/// Longest secret, in bytes.
const MAX: usize = 1 << 20;

pub(super) async fn put(args: &PutArgs, env: &Environment) -> Result<(), Failure> {
    header_secrets::check_name(&args.name)?;
    let origin = match &args.origin {
        // The use of the secret decides whether plain http is allowed.
        Some(url) => Some(settings::origin(&settings::address(url, "--for", true)?)),
        None => None,
    };
    let vault = settings::vault(&args.common.vault, env, env.is_terminal)?;
    if vault.location().is_none() {
        let error = "a secret that is kept in memory only ends with this command";
        return Err(Failure::usage(error).hint("leave out --vault none"));
    }
    // The user is told of a wrong passphrase before typing the secret.
    if vault.status().await?.generation.is_some() {
        vault.root_key().await?;
    }
    let name = &args.name;
    let secret = {
        let name = name.clone();
        blocking(move || typed_or_piped(&name)).await?
    };
    let origin = header_secrets::put(&vault, name, &secret, origin, settings::now()).await?;
    let whose = origin.map_or_else(
        || "the first server that uses it".to_owned(),
        |origin| format!("{origin} only"),
    );
    print(&format!(
        "Kept, for {whose}. Use it as --bearer {name}, or in a header as ${{vault:{name}}}.\n"
    ))
}

pub(super) async fn list(args: &ShowArgs, env: &Environment) -> Result<(), Failure> {
    let vault = settings::vault(&args.common.vault, env, env.is_terminal)?;
    let secrets = header_secrets::list(&vault).await?;
    if args.json {
        let secrets: Vec<Value> = secrets.iter().map(json_of).collect();
        return print(&format!("{:#}\n", Value::from(secrets)));
    }
    if secrets.is_empty() {
        return print("No secret was put. `mcpipe vault put NAME --for URL` keeps one.\n");
    }
    let now = clock::seconds(settings::now());
    let ago = |at: u64| lasting(Duration::from_secs(now.saturating_sub(at))) + " ago";
    let mut text = String::new();
    for secret in &secrets {
        let _ = writeln!(
            text,
            "{:<20} put {:<12} used {:<12} for {}",
            secret.name,
            ago(secret.put_at),
            secret.used_at.map_or_else(|| "never".to_owned(), ago),
            secret.origin.as_deref().unwrap_or("whoever is first"),
        );
    }
    print(&text)
}

pub(super) async fn remove(args: &NameArgs, env: &Environment) -> Result<(), Failure> {
    let vault = settings::vault(&args.common.vault, env, env.is_terminal)?;
    if !header_secrets::remove(&vault, &args.name).await? {
        let error = Error::Unknown(args.name.clone());
        return Err(
            Failure::new(Kind::Failed, error).hint("`mcpipe vault list` shows what there is")
        );
    }
    print("Forgotten here. If others may know it, revoke it where it was issued.\n")
}

/// Reads a secret from the terminal if stdin is one, else all of stdin, without the newline it may end with.
fn typed_or_piped(name: &str) -> Result<Secret, Failure> {
    let failed = |error: io::Error| Failure::new(Kind::Failed, error);
    let mut text = Zeroizing::new(String::new());
    if io::stdin().is_terminal() {
        let typed = passphrase::terminal(&format!("Secret {name} (not shown): "));
        *text = typed.map_err(|source| passphrase::Error::Terminal { source })?;
    } else {
        let limit = u64::try_from(MAX).unwrap_or(u64::MAX);
        let read = io::stdin().take(limit + 1).read_to_string(&mut text);
        read.map_err(failed)?;
    }
    if text.len() > MAX {
        return Err(Failure::usage(format!(
            "the secret is longer than {MAX} bytes"
        )));
    }
    let secret = without_mark(&text);
    let secret = secret.strip_suffix('\n').unwrap_or(secret);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(Failure::usage("the secret is empty").hint(format!(
            "type it, or pipe it: mcpipe vault put {name} < file"
        )));
    }
    Ok(Secret::new(secret))
}

fn json_of(secret: &SecretSummary) -> Value {
    json!({
        "name": secret.name,
        "origin": secret.origin,
        "put_at": secret.put_at,
        "used_at": secret.used_at,
    })
}
