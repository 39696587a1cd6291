//! The helper: does a sign-in for other processes and outlives them ([`crate::auth::flow::helper`]). Not for users.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::time::Duration;

use crate::auth::flow::helper::{self, MAX_HANDOFF};
use crate::auth::user_key::UserKey;
use crate::auth::{self, Announce};
use crate::cli::{self, Command, ParseError, TargetArgs};
use crate::commands::connection;
use crate::logging::{self, LAST_LINES, Output, Reader};
use crate::report::Failure;
use crate::settings;
use crate::settings::environment::Environment;

/// The time that the last page may take to be shown when everything is stored.
const LAST_PAGE: Duration = Duration::from_secs(10);

/// Leaves the sender's session, reads the hand-off on stdin, and does the sign-in it asks for. Processes that wait are
/// told through the vault.
///
/// # Errors
/// A hand-off that is not from mcpipe, or a sign-in that did not end well.
pub async fn run(env: &Environment, stderr: &Output) -> Result<(), Failure> {
    // The end of the sender's session or process group is not meant for the helper.
    #[cfg(unix)]
    let _ = rustix::process::setsid();
    let mut text = zeroize::Zeroizing::new(String::new());
    io::stdin()
        .take(MAX_HANDOFF)
        .read_to_string(&mut text)
        .map_err(Failure::usage)?;
    let handoff = helper::read(&text).ok_or_else(stranger)?;
    let env = env
        .of_the_sender(&handoff.caller_environment)
        .ok_or_else(stranger)?;
    let (args, keys) = target(&env)?;
    let log = logging::install(
        &args.log,
        env.get("MCPIPE_LOG"),
        false,
        stderr,
        Reader::Host,
    )?;
    let target = settings::target(&args, &env)?;
    let announce = Announce::nowhere();
    let settings = settings::sign_in(&target, &args.network, &args.sign_in, &env, announce)?;
    let settings = auth::Settings {
        keys,
        waits_for_unlock: true,
        ..settings
    };
    let vault = settings::opened_vault(&env, handoff.root);
    let authorizer = connection::authorizer(&target, settings, vault.into());
    let done = authorizer.sign_in_for_others(handoff.request).await;
    // The waiting processes have their tokens; only a browser may still come, and come again.
    authorizer.last_visits().await;
    authorizer.settle(LAST_PAGE).await;
    log.finish(LAST_LINES);
    done.map_err(Failure::from)
}

/// Returns the sender's target, as far as it matters here, and its keys: the sender's headers are for the remote only,
/// and the keys' names for messages.
fn target(env: &Environment) -> Result<(TargetArgs, Vec<UserKey>), Failure> {
    let words = env.arguments.iter().flatten().map(OsString::from);
    let words: Vec<_> = words.collect();
    let asked = cli::parse(words.iter().cloned()).map_err(|unread| match unread {
        ParseError::Usage(mistake) => mistake.into(),
        ParseError::Help(_) => stranger(),
    })?;
    let asked = settings::configured(asked, &words, env)?;
    let mut args = match asked.command {
        None => asked.bridge.into_target(),
        Some(Command::Login(args)) => *args,
        // None of these signs in through a helper.
        Some(
            Command::Logout(_)
            | Command::Status(_)
            | Command::Token(_)
            | Command::Vault(_)
            | Command::Audit(_)
            | Command::Import(_)
            | Command::Pins(_)
            | Command::Config(_)
            | Command::Helper,
        ) => return Err(stranger()),
    };
    let keys = settings::keys_beside_signing_in(&settings::given(&args.network));
    args.network.headers.clear();
    args.network.header_files.clear();
    args.network.configured.clear();
    args.network.header_command = None;
    Ok((args, keys))
}

fn stranger() -> Failure {
    Failure::usage("this command is started by mcpipe itself").hint("see `mcpipe --help`")
}
