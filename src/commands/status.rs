//! `mcpipe status`: the stored sign-ins, with account and expiry; never a secret.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::auth::accounts;
use crate::auth::flow::accounts::{self, Status};
use crate::auth::grant::GrantType;
use crate::auth::oauth::scope::{OFFLINE, Scopes};
use crate::auth::store::record::TokenState;
use crate::cli::StatusArgs;
use crate::commands::print;
use crate::commands::suggestions;
use crate::report::Failure;
use crate::settings::{self, Environment};
use crate::store;
use crate::text::{plain, printable, without_query};

/// Prints the stored sign-ins.
///
/// # Errors
/// Wrong settings, a vault that cannot be read, or nothing stored for an address beside one that is.
pub async fn run(args: &StatusArgs, env: &Environment) -> Result<(), Failure> {
    let vault = settings::vault(&args.vault, env, env.is_terminal)?;
    let all = accounts::status(&vault).await?;
    let mut records = all.clone();
    if let Some(url) = &args.url {
        settings::address(url, settings::SERVER, true)?;
        records.retain(|record| accounts::is_same_place(&record.resource, url));
    }
    let near = match &args.url {
        Some(url) if records.is_empty() => {
            suggestions::failure(&vault, url, None, "status").await?
        }
        _ => None,
    };
    records.sort_by(|a, b| (&a.resource, &a.account).cmp(&(&b.resource, &b.account)));
    let about = vault.status().await?;
    if args.json {
        let text = json!({ "vault": vault_json(&about), "entries": records.iter().map(|record| entry_json(record, &all)).collect::<Vec<_>>() });
        print(&format!("{text:#}\n"))?;
        return near.map_or(Ok(()), Err);
    }
    if let Some(near) = near {
        return Err(near);
    }
    let mut text = vault_text(&about);
    if records.is_empty() {
        let url = args.url.as_deref().map(without_query);
        let (to, url) = match &url {
            Some(url) => (format!(" to {url}"), url.as_str()),
            None => (String::new(), "URL"),
        };
        let _ = writeln!(
            text,
            "Nobody is signed in{to}. `mcpipe login {url}` signs in."
        );
    }
    let now = settings::now();
    for record in &records {
        let _ = write!(text, "\n{}", entry_text(record, &all, now));
    }
    print(&text)
}

fn vault_text(about: &store::VaultStatus) -> String {
    match (&about.path, about.level) {
        (Some(path), Some(level)) => format!("Vault: {} (protection: {level})\n", path.display()),
        (Some(path), None) => format!("Vault: {} (not made yet)\n", path.display()),
        (None, _) => "Vault: in memory only\n".to_owned(),
    }
}

fn vault_json(about: &store::VaultStatus) -> Value {
    json!({
        "path": about.path.as_ref().map(|path| path.display().to_string()),
        "exists": about.generation.is_some(),
        "protection": about.level.map(|level| level.to_string()),
    })
}

fn entry_text(record: &Status, all: &[Status], now: SystemTime) -> String {
    let mut text = format!("{}\n", without_query(&record.resource));
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<9} {}", printable(&value, 500));
    };
    line("account", record.account.clone());
    if let Some(user) = user(record, all) {
        line("person", user);
    }
    match record.provider {
        Some(name) => line("issuer", format!("{} ({name})", record.issuer)),
        None => line("issuer", record.issuer.clone()),
    }
    if record.grant != GrantType::User {
        line("grant", record.grant.name().to_owned());
    }
    if !record.client_id.is_empty() {
        line("client", record.client_id.clone());
    }
    let granted = record
        .scope_granted
        .as_ref()
        .or(record.scope_requested.as_ref());
    match granted
        .map(ToString::to_string)
        .filter(|scopes| !scopes.is_empty())
    {
        Some(scopes) => line("scopes", scopes),
        None => line("scopes", "(the server's choice)".to_owned()),
    }
    if let (Some(asked), Some(granted)) = (&record.scope_requested, &record.scope_granted) {
        // The scope that makes a sign-in last is none to many servers: they grant it without naming it.
        let named: Scopes = asked.iter().filter(|scope| *scope != OFFLINE).collect();
        let differs = match (granted.covers(&named), asked.covers(granted)) {
            (true, true) => "",
            (false, _) => " (more than was granted)",
            (true, false) => " (less than was granted)",
        };
        line("asked", format!("{asked}{differs}"));
    }
    if let Some(surplus) = record.surplus() {
        line(
            "surplus",
            format!(
                "{surplus} (held, though the server never asked for it: --scope asks for less)"
            ),
        );
    }
    for words in &record.quirks {
        line("known", words.clone());
    }
    for words in &record.learned {
        line("learned", words.clone());
    }
    if record.is_bound {
        line("bound", "sender-constrained (DPoP)".to_owned());
    }
    line("token", until(record, now));
    line("state", state(record));
    text
}

/// Returns the user, where the sign-in has one.
fn user(record: &Status, all: &[Status]) -> Option<String> {
    let Some(user) = &record.user else {
        let is_one = matches!(record.grant, GrantType::User | GrantType::Enterprise);
        return is_one.then(|| "not told".to_owned());
    };
    let others = accounts::accounts_of(all, user, &record.account);
    Some(match others.is_empty() {
        true => user.words(),
        false => format!("{} (the same as {})", user.words(), accounts(&others)),
    })
}

fn until(record: &Status, now: SystemTime) -> String {
    let renewal = if record.is_renewable {
        "renewed when needed"
    } else {
        "cannot be renewed"
    };
    match record.expires_at {
        None => format!("no known end, {renewal}"),
        Some(seconds) => {
            let end = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let tense = if end > now { "until" } else { "ended" };
            format!("{tense} {}, {renewal}", httpdate::fmt_http_date(end))
        }
    }
}

fn state(record: &Status) -> String {
    let because = record
        .last_error
        .as_ref()
        .map(|error| format!(" ({error})"))
        .unwrap_or_default();
    match record.state {
        TokenState::Ok => "ok".to_owned(),
        TokenState::Suspect => format!("refused once{because}; still tried"),
        TokenState::NeedsLogin => {
            format!("sign-in needed{because}: mcpipe login {}", record.resource)
        }
    }
}

fn entry_json(record: &Status, all: &[Status]) -> Value {
    let user = record.user.as_ref();
    let others = user.map(|user| accounts::accounts_of(all, user, &record.account));
    json!({
        "resource": record.resource,
        "account": record.account,
        "person": user.map(|user| json!({
            "name": user.name,
            "subject": plain(&user.subject, 1024),
            "issuer": user.issuer,
        })),
        "same_person_as": others.unwrap_or_default(),
        "issuer": record.issuer,
        "client_id": record.client_id,
        "grant": record.grant,
        "scope_requested": record.scope_requested.as_ref().map(ToString::to_string),
        "scope_wanted": record.scope_wanted.as_ref().map(ToString::to_string),
        "scope_surplus": record.surplus().map(|surplus| surplus.to_string()),
        "provider": record.provider,
        "known": record.quirks,
        "learned": record.learned,
        "sender_constrained": record.is_bound,
        "scope_granted": record.scope_granted.as_ref().map(ToString::to_string),
        "obtained_at": record.obtained_at,
        "expires_at": record.expires_at,
        "renewable": record.is_renewable,
        "state": match record.state {
            TokenState::Ok => "ok",
            TokenState::Suspect => "suspect",
            TokenState::NeedsLogin => "sign_in_needed",
        },
        "last_error": record.last_error,
    })
}
