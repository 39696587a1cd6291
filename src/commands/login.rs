//! `mcpipe login`: signs in now, whatever the vault holds, and stores the result.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::mpsc;
use url::Url;

use crate::auth::flow::accounts;
use crate::auth::grant::GrantType;
use crate::auth::{self, Announce, Cause, Error, Notice, Pasted};
use crate::cli::{Command, TargetArgs};
use crate::commands::connection::{self, LAST_TOKEN};
use crate::commands::first_challenge::{Greeting, greeting};
use crate::commands::print;
use crate::commands::server_cards::{self, Missing};
use crate::commands::sign_in_display::SignInTexts;
use crate::logging::Output;
use crate::remote::TransportError;
use crate::report::{Failure, Kind, NETWORK};
use crate::server_card::domain::domain;
use crate::server_card::lookup::Looked;
use crate::settings::{self, Environment};
use crate::store::Vault;
use crate::text::without_query;

/// Asks the server for its challenge, and signs in accordingly. A target that names no server is looked up in server cards.
///
/// # Errors
/// Wrong settings, a server that cannot be reached or is not there, or a sign-in that did not end well.
pub async fn run(args: &TargetArgs, env: &Environment) -> Result<(), Failure> {
    let typed = args.url.clone().unwrap_or_default();
    let Some(origin) = domain(&typed) else {
        return sign_in(args, env, None, true).await;
    };
    let missing = Missing {
        typed,
        target: origin,
        status: None,
    };
    let stderr = Output::direct(io::stderr());
    match server_cards::of_login(&missing, args, env, &stderr).await? {
        Some(endpoint) => sign_in_at(&endpoint, &missing.typed, env, None).await,
        None => Ok(()),
    }
}

/// Signs in at an endpoint as if it had been typed in the place of the target.
async fn sign_in_at(
    endpoint: &Url,
    typed: &str,
    env: &Environment,
    vault: Option<Arc<Vault>>,
) -> Result<(), Failure> {
    let (cli, env) = server_cards::retyped(typed, endpoint, env)?;
    match cli.command {
        Some(Command::Login(args)) => Box::pin(sign_in(&args, &env, vault, false)).await,
        _ => Err(Failure::usage(format!("the server is at {endpoint}"))
            .hint(format!("run `mcpipe login {endpoint}`"))),
    }
}

/// Signs in at the target. With `may_search` the server is searched for elsewhere if none is there; `vault` is one that has
/// been opened.
async fn sign_in(
    args: &TargetArgs,
    env: &Environment,
    vault: Option<Arc<Vault>>,
    may_search: bool,
) -> Result<(), Failure> {
    let mut target = connection::target(args, env)?;
    if target.brings_authorization {
        let error = "the --header that sets Authorization replaces signing in";
        return Err(Failure::usage(error).hint("leave that header out to sign in"));
    }
    let stderr = Output::direct(io::stderr());
    let words = SignInTexts::of_a_command(&args.sign_in, env);
    let announce = words.clone().announce_on(&stderr);
    let mut settings = settings::sign_in(&target, &args.network, &args.sign_in, env, announce)?;
    // A caller that wants no browser may be a program that brings the answer.
    if args.sign_in.no_browser || env.is_typed_into && env.is_terminal {
        take_pasted(&mut settings, words, stderr);
    }
    let vault = match vault {
        Some(vault) => vault,
        None => Arc::new(settings::vault(&args.vault, env, env.is_terminal)?),
    };
    if vault.location().is_none() {
        let error = "a sign-in that is kept in memory only ends with this command";
        return Err(Failure::usage(error).hint("leave out --vault none"));
    }
    // The passphrase, where one is needed, is asked for before the user is sent anywhere.
    vault.open_or_prepare().await?;
    connection::add_vault_headers(&mut target, &vault).await?;
    let account = settings.account.clone();
    let command = target.https.command.clone();
    let resource = settings.canonical_resource();
    let url = target.https.url.clone();
    let authorizer = connection::authorizer(&target, settings, Arc::clone(&vault));
    let remote = connection::server(target)?;
    let greeting = greeting(&remote).await;
    if command.is_some_and(|command| command.has_authorization()) {
        let error = "the Authorization that --header-command brings replaces signing in";
        return Err(Failure::usage(error).hint("leave that command out to sign in"));
    }
    let greeting = greeting.map_err(|fault| {
        let hint = fault.to_bridge_error().hint.unwrap_or_default();
        let kind = match fault {
            TransportError::NoHeaders(_) => Kind::Failed,
            _ => Kind::Network,
        };
        Failure::new(kind, fault).hint(hint)
    })?;
    if let Greeting::Absent(status) = greeting {
        let missing = Missing {
            typed: without_query(args.url.as_deref().unwrap_or_default()),
            target: url,
            status: Some(status),
        };
        let stderr = Output::direct(io::stderr());
        let found = match may_search {
            true => server_cards::of_login(&missing, args, env, &stderr).await?,
            // No user is sent to sign in at a place that does not exist.
            false if status == 404 => return Err(missing.nothing(&Looked::default()).into()),
            false => None,
        };
        if let Some(endpoint) = found {
            let typed = args.url.clone().unwrap_or_default();
            return sign_in_at(&endpoint, &typed, env, Some(vault)).await;
        }
    }
    let credential = authorizer
        .login(&greeting.challenge().unwrap_or_default())
        .await;
    authorizer.page_seen().await;
    authorizer.settle(LAST_TOKEN).await;
    match (credential, greeting) {
        (Ok(_), _) => {
            let text = signed_in(&vault, &resource, &account, env).await?;
            print(&text)
        }
        (Err(error), Greeting::Challenged(_)) => Err(after_login(error)),
        (Err(error), greeting) => Err(unasked(error, &greeting)),
    }
}

/// Returns the text for a user who has signed in, from the record that the vault has by now.
async fn signed_in(
    vault: &Vault,
    resource: &str,
    account: &str,
    env: &Environment,
) -> Result<String, Failure> {
    let records = accounts::status(vault).await?;
    let record = records
        .iter()
        .filter(|record| {
            accounts::is_same_place(&record.resource, resource) && record.account == account
        })
        .max_by_key(|record| record.revision);
    let Some(record) = record else {
        return Err(
            Failure::new(Kind::Failed, "signed in, but the tokens could not be kept")
                .hint("the log says why; mend that and sign in again"),
        );
    };
    if record.grant != GrantType::User {
        let whom = record.user.as_ref();
        let whom = whom.map_or_else(String::new, |it| format!(" for {}", it.words()));
        return Ok(format!(
            "Got a token for {resource} by {}{whom}.\n",
            record.grant.name()
        ));
    }
    let lasting = if record.is_renewable || record.expires_at.is_none() {
        ""
    } else {
        "No refresh token was given: when this token ends, you have to sign in again.\n"
    };
    let signed_in = auth::signed_in(resource, account, record.user.as_ref());
    // Stderr has said it; where both streams are one terminal the text is said once.
    let is_said = env.is_terminal && io::stdout().is_terminal();
    let signed_in = if is_said { "" } else { &signed_in };
    Ok(format!("{signed_in}{lasting}"))
}

/// Lets the user paste the address where the browser ended, which may be on another machine. Reads the terminal from
/// when there is something to paste, so that a passphrase asked for before is not taken for it.
fn take_pasted(settings: &mut auth::Settings, words: SignInTexts, stderr: Output) {
    let (typed, lines) = mpsc::channel(1);
    let typed = Mutex::new(Some(typed));
    settings.pasted = Some(Pasted::new(lines));
    settings.announce = Announce::new(move |notice| {
        stderr.say(&words.text(notice));
        if !matches!(notice, Notice::Elsewhere { .. }) {
            return;
        }
        let typed = typed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(typed) = typed {
            thread::spawn(move || read_lines(&typed));
        }
    });
}

/// Reads lines until the input ends, or the sign-in wants no more; a read under way is abandoned with the process.
fn read_lines(typed: &mpsc::Sender<String>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        if !line.trim().is_empty() && typed.blocking_send(line).is_err() {
            return;
        }
    }
}

/// Returns the failure of a sign-in. Its hint is not to sign in, which the user has just done.
fn after_login(error: Error) -> Failure {
    let hint = error.hint_after_login();
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None if failure.kind == Kind::Network => failure.hint(NETWORK),
        None => Failure {
            hint: None,
            ..failure
        },
    }
}

/// Returns the failure of a sign-in at a server that never asked for one.
fn unasked(error: Error, greeting: &Greeting) -> Failure {
    let needless = match greeting {
        Greeting::Refused(status) | Greeting::Absent(status) => {
            format!("this server asked for no sign-in: it answered HTTP {status}")
        }
        _ => "this server answers without a sign-in; perhaps none is needed".to_owned(),
    };
    // Where no authorization server takes sign-ins, that is the reason; a refusal by one is worth its own hint.
    let is_nowhere =
        error.is_passing() || matches!(error.cause(), Cause::Registration(_) | Cause::Discovery(_));
    let failure = after_login(error);
    let hint = match &failure.hint {
        Some(hint) if !is_nowhere => format!("{hint}; and {needless}"),
        _ => needless,
    };
    failure.hint(hint)
}
