//! The bridge: connects the host to the server and waits for a reason to leave.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time;
use tokio_util::task::TaskTracker;

use crate::auth::{Authorizer, PendingSignIn};
use crate::bridge::{self, Ended, Parts, Reason, Stop, Unanswered};
use crate::cli::BridgeArgs;
use crate::commands::connection;
use crate::commands::preamble;
use crate::commands::sign_in_display::Words;
use crate::commands::vault_headers::Secrets;
use crate::ledger::Ledger;
use crate::logging::Output;
use crate::recorder::Recorder;
use crate::remote::recording::Recorded;
use crate::report::{Failure, Kind};
use crate::settings::environment::open_terminal;
use crate::settings::{self, Environment, Target};
use crate::stdio::Host;
use crate::store::Vault;
use crate::transcript::redact::Redactor;

/// The time that a token request under way may take to be stored when everything else is done: a rotated refresh token
/// that is lost is a sign-in that is lost.
const LAST_TOKEN: Duration = Duration::from_secs(5);
/// The time that the last lines of a recording may take to reach the disk.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The fact remembered of a server whether it wants a credential. With it a start that needs none does not open the
/// vault, and one that does opens the vault while the host is still speaking. A server that changes its mind costs one
/// challenge.
const AUTH: &str = "auth";
const OAUTH: &str = "oauth";
const NONE: &str = "none";

/// Runs until the host leaves, a signal comes, or stdout is closed.
///
/// # Errors
/// Wrong settings. Later errors are told to the host; when stdin has ended, requests that the server has not answered
/// are an error of this too.
pub async fn run(mut args: BridgeArgs, env: &Environment, stderr: &Output) -> Result<(), Failure> {
    args.target.sign_in.callback_port = args.callback_port();
    let mut target = settings::target(&args.target, env)?;
    crate::commands::warn_of_typed_secrets(&target);
    if let Some(warning) = args.compat.warning() {
        tracing::warn!("{warning}");
    }
    let vault = if target.brings_authorization && target.templates.is_empty() {
        Vault::in_memory()
    } else {
        settings::bridges_vault(&args.target.vault, env)?
    };
    let recorder = recorder(&args, &target, stderr)?;
    let vault = Arc::new(vault);
    let authorizer = Arc::new(authorizer(
        &args,
        &target,
        Arc::clone(&vault),
        env,
        stderr,
        recorder.as_ref(),
    )?);
    let secrets = Secrets::default();
    if let (Some(recorder), Some(command)) = (&recorder, &target.https.command) {
        command.tell(recorder.learner());
    }
    let mut settings = settings::bridge(&args.options, &target, &args.target.sign_in.account, env);
    settings.extensions = authorizer.extensions();
    target.https.deferred = secrets.fetch(&vault, &target, &authorizer, settings.sign_in_patience);
    let facts = settings.facts.clone();
    match facts.recall(AUTH).as_ref().and_then(Value::as_str) {
        Some(OAUTH) => authorizer.begin(),
        Some(NONE) => authorizer.wait_to_be_asked(),
        _ => {}
    }
    let address = crate::text::without_query(&target.typed);
    let is_given = target.brings_authorization;
    if env.is_typed_into && !args.target.log.silent {
        stderr.say(&for_who_types(&address));
    }
    let waiting = Waiting {
        awaits: settings.awaits_sign_in.subscribe(),
        pending: authorizer.pending(),
        patience: settings.sign_in_patience.map(|_| settings.grace),
        is_terminal: env.is_terminal,
    };
    let max_message = target.https.max_message;
    let remote = Recorded::new(connection::server(target)?, recorder.clone());
    let stop = Stop::default();
    let (host, unwritten) = Host::of_this_process(max_message);
    let host = match &recorder {
        Some(recorder) => recorder.host(host, &TaskTracker::new()),
        None => host,
    };
    let parts = Parts {
        host,
        remote,
        authorizer: Arc::clone(&authorizer),
        settings,
        stop: stop.clone(),
    };
    let carried = async {
        let outcome = bridge::run(parts).await;
        if let Some(recorder) = recorder {
            finish(recorder).await;
        }
        authorizer.settle(LAST_TOKEN).await;
        secrets.settle().await;
        if let Some(is_wanted) = authorizer.wants_credential() {
            let is_wanted = if is_wanted { OAUTH } else { NONE };
            // Learning may have to wait for other processes, and this thread carries the last answers.
            let learning = move || facts.learn(AUTH, is_wanted.into());
            let _ = tokio::task::spawn_blocking(learning).await;
        }
        outcome
    };
    let is_interrupted = AtomicBool::new(false);
    let outcome = tokio::select! {
        outcome = carried => outcome,
        failure = secrets.mistake() => return Err(failure),
        never = waiting.tell(stderr) => match never {},
        never = signals(stop, &is_interrupted) => match never {},
    };
    if let Some(error) = unwritten.get() {
        let error = format!("answers are lost: cannot write to stdout: {error}");
        return Err(Failure::new(Kind::Failed, error));
    }
    match (outcome.ended, outcome.unanswered) {
        (Ended::HostGone, Some(unanswered)) => {
            let is_interrupted = is_interrupted.load(Ordering::Relaxed);
            Err(failure(unanswered, &address, is_given, is_interrupted))
        }
        _ => Ok(()),
    }
}

/// Returns the text for a user who has started a bridge in a terminal.
fn for_who_types(address: &str) -> String {
    format!(
        "mcpipe waits here for the messages of an MCP host: JSON-RPC, one message a line. Ctrl-D ends it.\n\
         To sign in, run `mcpipe login {address}`. To use the server, name `mcpipe {address}` in your host's configuration.\n"
    )
}

/// The reason of a request that failed although the user has given a credential.
const REFUSED: &str = "a credential of yours was refused";
const WHICH: &str = "the error on stdout says which, and what to do";

/// Returns the failure, with its exit code, when stdin has ended and the server has not answered requests. `is_given`
/// says that the user has given the credential, and mcpipe does not sign in.
fn failure(unanswered: Unanswered, address: &str, is_given: bool, is_interrupted: bool) -> Failure {
    let Unanswered {
        reason,
        requests,
        of,
    } = unanswered;
    let (kind, why) = match reason {
        Reason::Locked => (Kind::SignIn, "the vault was locked"),
        Reason::Key => (Kind::SignIn, REFUSED),
        Reason::SignIn if is_given => (Kind::SignIn, REFUSED),
        Reason::SignIn => (Kind::SignIn, "a sign-in was needed"),
        Reason::Network => (Kind::Network, "it was not reached, or did not answer"),
        Reason::Protocol => (Kind::Protocol, "it did not keep to the protocol"),
        Reason::Other => (Kind::Failed, "the errors on stdout say why"),
    };
    let hint = match reason {
        Reason::Locked => "run `mcpipe vault unlock`, and then this again".to_owned(),
        Reason::Key => WHICH.to_owned(),
        Reason::SignIn if is_given => WHICH.to_owned(),
        Reason::SignIn => format!("run `mcpipe login {address}`, and then this again"),
        _ => "the errors on stdout say what happened, and whether trying again may help".to_owned(),
    };
    let were = if requests == 1 { "was" } else { "were" };
    let said = format!("{requests} of {of} requests {were} not answered by the server: {why}");
    match (is_interrupted, reason) {
        (true, _) => Failure::new(Kind::Interrupted, said),
        (false, Reason::Other) => Failure::new(kind, said),
        (false, _) => Failure::new(kind, said).hint(hint),
    }
}

/// The message that the bridge waits for a sign-in when stdin has ended.
struct Waiting {
    awaits: watch::Receiver<bool>,
    pending: watch::Receiver<Option<PendingSignIn>>,
    /// The time that the bridge waits; `None` where it waits as long as the sign-in takes.
    patience: Option<Duration>,
    /// True where the page's address has been said on a terminal.
    is_terminal: bool,
}

impl Waiting {
    async fn tell(mut self, stderr: &Output) -> std::convert::Infallible {
        if self.awaits.wait_for(|awaits| *awaits).await.is_ok() {
            let pending = self.pending.wait_for(Option::is_some).await;
            let page = pending.ok().and_then(|pending| (*pending).clone());
            if let Some(page) = page {
                self.tell_of(&page, stderr);
            }
        }
        std::future::pending().await
    }

    fn tell_of(&self, page: &PendingSignIn, stderr: &Output) {
        let bound = match self.patience {
            Some(patience) => format!(
                "for {} s at most (--grace; --wait-for-login waits as long as it takes)",
                patience.as_secs_f64()
            ),
            None => "for as long as it takes (--wait-for-login)".to_owned(),
        };
        let waits = format!("mcpipe waits for this sign-in, {bound}. Then the server answers.\n");
        stderr.say(&waits);
        if self.is_terminal {
            return;
        }
        // The user has sent stderr elsewhere, and may be at a terminal all the same.
        if let Ok(mut terminal) = open_terminal() {
            let code = page.user_code.as_ref();
            let code = code
                .map(|code| format!(" and enter the code {code}"))
                .unwrap_or_default();
            let url = &page.url_to_show;
            let visit = format!("A sign-in is needed: visit {url}{code}\n{waits}");
            let _ = terminal.write_all(visit.as_bytes());
        }
    }
}

fn authorizer(
    args: &BridgeArgs,
    target: &Target,
    vault: Arc<Vault>,
    env: &Environment,
    stderr: &Output,
    recorder: Option<&Recorder>,
) -> Result<Authorizer, Failure> {
    if target.brings_authorization {
        let mut given = target.given.iter();
        let given = given.find(|given| given.is_authorization());
        return Ok(Authorizer::replaced_by(given.cloned()));
    }
    let target_args = &args.target;
    let mut settings = settings::sign_in(
        target,
        &target_args.network,
        &target_args.sign_in,
        env,
        Words::of_a_bridge(&target_args.sign_in, env).announce_on(stderr),
    )?;
    // The host may leave before the user has signed in.
    settings.helper = env.helper();
    settings.waits_for_unlock = true;
    let mut http = connection::sign_in_http(target, &settings);
    if let Some(recorder) = recorder {
        http = http.observed_by(Arc::new(recorder.sign_ins()));
    }
    Ok(Authorizer::new(settings, vault, http))
}

/// Makes the recording, if the user asks for one, and begins it with the facts that its reader needs.
fn recorder(
    args: &BridgeArgs,
    target: &Target,
    stderr: &Output,
) -> Result<Option<Recorder>, Failure> {
    let Some(path) = args.options.record.as_deref() else {
        return Ok(None);
    };
    let ledger = Ledger::open(path)
        .map_err(|error| Failure::usage(error).hint("--record takes a file that can be written"))?;
    let (redactor, kept) = match args.options.record_content {
        true => (
            Redactor::default(),
            "with the content of messages: read it before you pass it on",
        ),
        false => (
            Redactor::default().of_shapes(),
            "without the content of messages (--record-content keeps it)",
        ),
    };
    let recorder = Recorder::new(ledger, redactor);
    recorder.begin(preamble::recorded(&target.https.url, &args.options));
    if !args.target.log.silent {
        stderr.say(&format!("Recording to {} {kept}.\n", path.display()));
    }
    Ok(Some(recorder))
}

/// Waits until the recording is on disk, but no longer than [`LAST_LINES`].
async fn finish(recorder: Recorder) {
    match time::timeout(LAST_LINES, recorder.finish()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the recording is not whole"),
        Err(_) => tracing::warn!("the recording may lack its last lines"),
    }
}

/// Passes signals on: the first asks to leave properly, the second at once. Notes an interrupt (Ctrl-C).
#[cfg(unix)]
async fn signals(stop: Stop, is_interrupted: &AtomicBool) -> std::convert::Infallible {
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
            _ = interrupt.recv() => is_interrupted.store(true, Ordering::Relaxed),
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
async fn signals(stop: Stop, is_interrupted: &AtomicBool) -> std::convert::Infallible {
    loop {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        is_interrupted.store(true, Ordering::Relaxed);
        if stop.soon.is_cancelled() {
            stop.now.cancel();
        }
        stop.soon.cancel();
    }
}
