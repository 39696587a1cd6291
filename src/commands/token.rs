//! `mcpipe token`: a token that is valid now, on stdout and nothing else there, for curl and scripts.

use std::sync::Arc;

use serde_json::json;
use zeroize::Zeroizing;

use crate::auth;
use crate::auth::flow::accounts;
use crate::auth::grant::GrantType;
use crate::auth::oauth::challenge::Challenge;
use crate::cli::TokenArgs;
use crate::commands::connection::{self, LAST_TOKEN};
use crate::commands::first_challenge::challenge;
use crate::commands::suggestions::{self, Near};
use crate::commands::{on_stderr, print};
use crate::report::{Failure, Kind};
use crate::settings::{self, Environment, Target};
use crate::store::Vault;

/// Prints the token, renewed first if need be. Does not ask the user to sign in: a script is no place for that.
///
/// # Errors
/// Wrong settings, a vault that does not open, no user signed in, or a renewal that failed.
pub async fn run(args: &TokenArgs, env: &Environment) -> Result<(), Failure> {
    let asked = &args.target;
    let target = connection::target(asked, env)?;
    if target.brings_authorization {
        let error = "the --header that sets Authorization replaces the token";
        return Err(Failure::usage(error).hint("leave that header out"));
    }
    let settings = settings::sign_in(&target, &asked.network, &asked.sign_in, env, on_stderr())?;
    let settings = auth::Settings {
        attended: false,
        ..settings
    };
    let resource = settings.canonical_resource();
    let account = settings.account.clone();
    let vault = Arc::new(settings::vault(&asked.vault, env, env.is_terminal)?);
    // A vault that does not open may hold a sign-in.
    vault.list().await?;
    let grant = settings.grant.kind();
    let authorizer = connection::authorizer(&target, settings, Arc::clone(&vault));
    let probe = async || probed(target, &vault).await.unwrap_or_default();
    let access_token = authorizer.access_token(probe).await;
    authorizer.settle(LAST_TOKEN).await;
    let Some(access_token) = access_token? else {
        let (whose, flag) = match account.as_str() {
            "default" => (String::new(), String::new()),
            account => (format!(" as {account}"), format!(" --account {account}")),
        };
        // A token of the client's own is found with its flags only: they name the client, and say how to get the next
        // token.
        let record = accounts::status(&vault).await?.into_iter().find(|record| {
            accounts::is_same_place(&record.resource, &resource)
                && record.account == account
                && record.grant != grant
        });
        if let Some(record) = record.filter(|record| record.grant != GrantType::User) {
            let grant = record.grant.name();
            let error = format!("what is kept for {resource}{whose} was got by {grant}");
            let hint = "give the flags it was got with: they are needed for the next token too";
            return Err(Failure::new(Kind::SignIn, error).hint(hint));
        }
        let error = format!("nobody is signed in to {resource}{whose}");
        let login = format!("run `mcpipe login {resource}{flag}`");
        let near = suggestions::found(&vault, &resource, Some(&account), "token").await?;
        return Err(match near {
            None => Failure::new(Kind::SignIn, error).hint(login),
            Some(Near { stored, command }) => {
                let error = format!("{error}; stored is {stored}");
                Failure::new(Kind::SignIn, error).hint(format!("{command}, or {login}"))
            }
        });
    };
    if access_token.is_bound {
        let error = "this sign-in is bound to a key (DPoP), which never leaves the vault";
        let hint = format!(
            "bridges use it; for scripts sign in beside it: `mcpipe login {resource} --account scripts --dpop off`, with the flags you have"
        );
        return Err(Failure::new(Kind::Failed, error).hint(hint));
    }
    let token = access_token.token.expose();
    let text = Zeroizing::new(match args.json {
        false => format!("{token}\n"),
        true => {
            let json = json!({
                "access_token": token,
                "token_type": "Bearer",
                "expires_at": access_token.expires_at,
                "resource": access_token.resource,
            });
            format!("{json}\n")
        }
    });
    print(&text)
}

/// Returns the server's challenge to a request without a credential, so that the command asks for no more than a bridge
/// would. A server without a challenge is no failure: its metadata are looked at all the same.
async fn probed(mut target: Target, vault: &Vault) -> Option<Challenge> {
    connection::add_vault_headers(&mut target, vault)
        .await
        .ok()?;
    let remote = connection::server(target).ok()?;
    match challenge(&remote).await {
        Ok(challenge) => challenge,
        Err(why) => {
            tracing::debug!(%why, "the server was asked what it wants");
            None
        }
    }
}
