//! `mcpipe logout`: revokes tokens where the server can, then forgets them, whatever the server said (RFC 7009).

use std::fmt::Write as _;

use crate::auth;
use crate::auth::flow::accounts::{self, Revocation, SignedOut};
use crate::cli::LogoutArgs;
use crate::clock::Clock;
use crate::commands::{on_stderr, print};
use crate::header_secrets::{self, SecretSummary};
use crate::report::Failure;
use crate::settings::{self, Environment};

/// Signs out of one server, or of all.
///
/// # Errors
/// Wrong settings, a vault that cannot be read or written, or nothing stored for an address beside one that is.
pub async fn run(args: &LogoutArgs, env: &Environment) -> Result<(), Failure> {
    let vault = settings::vault(&args.vault, env, env.is_terminal)?;
    let places = match &args.url {
        Some(url) => {
            settings::address(url, settings::SERVER, args.network.allow_http)?;
            vec![(url.clone(), args.account.clone())]
        }
        None => accounts::places(&vault).await?,
    };
    let client_key = settings::client_key(&args.key, env)?;
    let mut text = String::new();
    for (resource, account) in places {
        let defaults = auth::Settings::new(resource.clone(), Clock::new(settings::now))
            .map_err(Failure::usage)?;
        let settings = auth::Settings {
            account,
            client_key: client_key.clone(),
            allow_http: args.network.allow_http,
            allow_private: args.network.allow_private,
            announce: on_stderr(),
            ..defaults
        };
        let tls = settings::tls(&args.network, env, true)?;
        let http = settings::sign_in_http(tls, &settings, settings::proxies(env));
        let out = accounts::logout(&settings, &vault, &http).await?;
        let shown = crate::text::without_query(&resource);
        let whose = match settings.account.as_str() {
            "default" => shown,
            account => format!("{shown} ({account})"),
        };
        if out.is_empty() {
            if let Some(failure) = crate::commands::suggestions::failure(
                &vault,
                &resource,
                Some(&settings.account),
                "logout",
            )
            .await?
            {
                return Err(failure);
            }
            let _ = writeln!(text, "{whose}: nothing is stored");
        }
        for out in out {
            let _ = writeln!(text, "{whose}: forgotten{}", said(&out));
        }
    }
    if args.all {
        let registrations = accounts::forget_all_registrations(&vault).await?;
        if registrations > 0 {
            let _ = writeln!(text, "Client registrations forgotten: {registrations}.");
        }
        text.push_str(&of_secrets(
            &header_secrets::list(&vault).await?,
            text.is_empty(),
        ));
    }
    print(&text)
}

/// Returns the note of `--all` on the keys it leaves: those that the user put into the vault belong to no sign-in.
fn of_secrets(secrets: &[SecretSummary], is_all: bool) -> String {
    let names: Vec<_> = secrets.iter().map(|secret| secret.name.as_str()).collect();
    match (names.as_slice(), is_all) {
        ([], true) => "Nothing is stored.\n".to_owned(),
        ([], false) => String::new(),
        (names, _) => {
            let none = if is_all { "Nobody is signed in.\n" } else { "" };
            format!(
                "{none}Keys stay in the vault: {}. `mcpipe vault rm NAME` removes one.\n",
                names.join(", ")
            )
        }
    }
}

fn said(out: &SignedOut) -> String {
    let word = |what: &str, revocation: &Revocation| match revocation {
        Revocation::Done => Some(format!("{what} token revoked")),
        Revocation::Nothing => None,
        Revocation::Unreadable => Some(
            "the tokens of another version of mcpipe stay good until they end (not readable here)"
                .to_owned(),
        ),
        Revocation::NotOffered => Some(format!(
            "{what} token stays good until it ends (no revocation offered)"
        )),
        Revocation::Failed(why) => Some(format!("{what} token could not be revoked: {why}")),
    };
    let words: Vec<_> = [word("refresh", &out.refresh), word("access", &out.access)]
        .into_iter()
        .flatten()
        .collect();
    if words.is_empty() {
        String::new()
    } else {
        format!("; at {}: {}", out.issuer, words.join(", "))
    }
}
