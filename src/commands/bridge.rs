//! The bridge: wires the banks to the road and waits for a reason to leave.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time;
use tokio_util::task::TaskTracker;

use super::announced_on;
use super::secrets::Secrets;
use crate::auth::Authorizer;
use crate::bridge::{self, Parts, Stop};
use crate::cli::BridgeArgs;
use crate::ledger::Ledger;
use crate::logging::Output;
use crate::recorder::Recorder;
use crate::remote::Remote;
use crate::remote::https::Https;
use crate::remote::recorded::Recorded;
use crate::report::{Failure, Kind};
use crate::settings::{self, Surroundings, Target};
use crate::stdio::Host;
use crate::store::Vault;
use crate::transcript::redact::Redactor;

/// How long a token request that is under way may take to be stored when everything else is done: a rotated refresh
/// token that is lost is a sign-in that is lost (T21).
const LAST_TOKEN: Duration = Duration::from_secs(5);
/// How long the last lines of a recording may take to reach the disk.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What is remembered of a server: whether it wants a credential. So a start that needs none does not open the vault, and
/// one that does opens it while the host is still speaking (security.md 2.10). A server that changes its mind costs one
/// challenge.
const AUTH: &str = "auth";
const OAUTH: &str = "oauth";
const NONE: &str = "none";

/// Runs until the host leaves, a signal comes, or stdout is closed.
///
/// # Errors
/// Wrong settings. What happens later is told to the host, not returned.
pub async fn run(
    mut args: BridgeArgs,
    around: &Surroundings,
    stderr: &Output,
) -> Result<(), Failure> {
    args.target.sign_in.callback_port = args.callback_port();
    let mut target = settings::target(&args.target, around)?;
    super::warn_of_typed_secrets(&target);
    if let Some(warning) = args.compat.warning() {
        tracing::warn!("{warning}");
    }
    let vault = if target.brings_authorization && target.templates.is_empty() {
        Vault::in_memory()
    } else {
        settings::bridges_vault(&args.target.vault, around)?
    };
    let vault = Arc::new(vault);
    let authorizer = Arc::new(authorizer(
        &args,
        &target,
        Arc::clone(&vault),
        around,
        stderr,
    )?);
    let secrets = Secrets::default();
    let recorder = args.speaking.record.as_deref().map(recorder).transpose()?;
    if let (Some(recorder), Some(command)) = (&recorder, &target.https.command) {
        command.tell(recorder.learner());
    }
    let mut speaking = settings::speaking(
        &args.speaking,
        &target,
        &args.target.sign_in.account,
        around,
    );
    speaking.extensions = authorizer.extensions();
    target.https.late = secrets.fetch(&vault, &target, &authorizer, speaking.sign_in_patience);
    let facts = speaking.facts.clone();
    match facts.recall(AUTH).as_ref().and_then(Value::as_str) {
        Some(OAUTH) => authorizer.begin(),
        Some(NONE) => authorizer.wait_to_be_asked(),
        _ => {}
    }
    let max_message = target.https.max_message;
    let remote =
        Https::new(target.https, target.tls).map_err(|error| Failure::new(Kind::Failed, error))?;
    let stop = Stop::default();
    let parts = Parts {
        host: Host::of_this_process(max_message),
        remote,
        authorizer: Arc::clone(&authorizer),
        settings: speaking,
        stop: stop.clone(),
    };
    let carried = async {
        match recorder {
            None => _ = bridge::run(parts).await,
            Some(recorder) => recorded(parts, recorder).await,
        }
        authorizer.settle(LAST_TOKEN).await;
        secrets.settle().await;
        if let Some(is_wanted) = authorizer.wants_credential() {
            let is_wanted = if is_wanted { OAUTH } else { NONE };
            // Learning may have to wait for other processes, and this thread carries the last answers.
            let learning = move || facts.learn(AUTH, is_wanted.into());
            let _ = tokio::task::spawn_blocking(learning).await;
        }
    };
    tokio::select! {
        () = carried => Ok(()),
        failure = secrets.mistake() => Err(failure),
        never = signals(stop) => match never {},
    }
}

fn authorizer(
    args: &BridgeArgs,
    target: &Target,
    vault: Arc<Vault>,
    around: &Surroundings,
    stderr: &Output,
) -> Result<Authorizer, Failure> {
    if target.brings_authorization {
        return Ok(Authorizer::off());
    }
    let target_args = &args.target;
    let mut settings = settings::sign_in(
        target,
        &target_args.network,
        &target_args.sign_in,
        around,
        announced_on(stderr),
    )?;
    // The host may leave before the person has signed in.
    settings.helper = around.helper();
    settings.waits_for_unlock = true;
    let http = settings::sign_in_http(target.tls.clone(), &settings, target.https.proxies.clone());
    Ok(Authorizer::new(settings, vault, http))
}

fn recorder(path: &Path) -> Result<Recorder, Failure> {
    let ledger = Ledger::open(path)
        .map_err(|error| Failure::usage(error).hint("--record takes a file that can be written"))?;
    Ok(Recorder::new(ledger, Redactor::default()))
}

async fn recorded(parts: Parts<impl Remote>, recorder: Recorder) {
    let tracker = TaskTracker::new();
    let parts = Parts {
        host: recorder.host(parts.host, &tracker),
        remote: Recorded::new(parts.remote, recorder.clone()),
        authorizer: parts.authorizer,
        settings: parts.settings,
        stop: parts.stop,
    };
    bridge::run(parts).await;
    match time::timeout(LAST_LINES, recorder.finish()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the recording is not whole"),
        Err(_) => tracing::warn!("the recording may lack its last lines"),
    }
}
/// Passes signals on: the first asks to leave properly, the second at once (T-13).
#[cfg(unix)]
async fn signals(stop: Stop) -> std::convert::Infallible {
    use tokio::signal::unix::{SignalKind, signal};
    let streams = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = streams else {
        tracing::warn!("signals cannot be watched");
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        if stop.soon.is_cancelled() {
            stop.now.cancel();
        }
        stop.soon.cancel();
    }
}

/// Passes Ctrl-C and Ctrl-Break on, as on Unix.
#[cfg(not(unix))]
async fn signals(stop: Stop) -> std::convert::Infallible {
    loop {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        if stop.soon.is_cancelled() {
            stop.now.cancel();
        }
        stop.soon.cancel();
    }
}
