//! `mcpipe logout`: revokes what can be revoked, then forgets it, whatever the server said (RFC 7009).

use std::fmt::Write as _;

use super::{on_stderr, print};
use crate::auth::kept::{self, Revocation, SignedOut};
use crate::auth::{self, Clock};
use crate::cli::LogoutArgs;
use crate::report::Failure;
use crate::settings::{self, Surroundings};

/// Signs out of one server, or of all.
///
/// # Errors
/// Wrong settings, or a vault that cannot be read or written.
pub async fn run(args: &LogoutArgs, around: &Surroundings) -> Result<(), Failure> {
    let vault = settings::vault(&args.vault, around, around.is_terminal)?;
    let places = match &args.url {
        Some(url) => {
            settings::address(url, settings::SERVER, args.network.allow_http)?;
            vec![(url.clone(), args.account.clone())]
        }
        None => kept::places(&vault).await?,
    };
    let client_key = settings::client_key(&args.key)?;
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
        let tls = settings::tls(&args.network, around, true)?;
        let http = settings::sign_in_http(tls, &settings, settings::proxies(around));
        let out = kept::logout(&settings, &vault, &http).await?;
        let shown = auth::without_query(&resource);
        let whose = match settings.account.as_str() {
            "default" => shown,
            account => format!("{shown} ({account})"),
        };
        if out.is_empty() {
            let _ = writeln!(text, "{whose}: nothing is stored");
        }
        for out in out {
            let _ = writeln!(text, "{whose}: forgotten{}", said(&out));
        }
    }
    print(if text.is_empty() {
        "Nothing is stored.\n"
    } else {
        &text
    })
}

fn said(out: &SignedOut) -> String {
    let word = |what: &str, revocation: &Revocation| match revocation {
        Revocation::Done => Some(format!("{what} token revoked")),
        Revocation::Nothing => None,
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
