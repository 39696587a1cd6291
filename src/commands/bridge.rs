//! The bridge: connects the host to the server and waits for a reason to leave.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;
use url::Url;

use crate::auth::PendingSignIn;
use crate::bridge::{Elsewhere, Ended, Reason, Stop, Unanswered};
use crate::cli::{BridgeArgs, PolicyLayer};
use crate::commands::connection::{self, Arguments, Connection};
use crate::commands::server_cards::{self, Missing};
use crate::commands::sign_in_display::SignInTexts;
use crate::frame::{BridgeError, Parsed};
use crate::logging::Output;
use crate::recorder::Recorder;
use crate::report::{Failure, Kind};
use crate::server_card::domain::domain;
use crate::settings::environment::open_terminal;
use crate::settings::{self, Environment, SERVER};
use crate::stdio::{Host, Unwritten, Written};

/// A host that was handed over, and what goes on with it.
struct Resumed {
    host: Host,
    unwritten: Unwritten,
    recorder: Option<Recorder>,
}

/// Runs until the host leaves, a signal comes, or stdout is closed.
///
/// # Errors
/// Wrong settings, or a bare domain without an endpoint that may be used. Later errors are reported to the host; when stdin
/// has ended, requests that the server has not answered are an error of this too.
pub async fn run(mut args: BridgeArgs, env: &Environment, stderr: &Output) -> Result<(), Failure> {
    args.target.sign_in.callback_port = args.callback_port();
    let typed = args.target.url.clone().unwrap_or_default();
    let origin = domain(&typed);
    let allow_http = args.target.network.allow_http;
    let target = origin
        .clone()
        .or_else(|| settings::address(&typed, SERVER, allow_http).ok());
    let search = |found: Option<&Url>| {
        let target = target.as_ref()?;
        let args = &args.target;
        Some(server_cards::of_running_bridge(target, args, env, found))
    };
    let (mut to, mut resumed) = match origin {
        None => match Box::pin(carried(&args, env, stderr, None, search(None))).await? {
            Some((to, resumed)) => (to, Some(resumed)),
            None => return Ok(()),
        },
        Some(target) => {
            let missing = Missing {
                typed: typed.clone(),
                target,
                status: None,
            };
            match server_cards::of_bridge(&missing, &args.target, env).await? {
                Ok(to) => (to, None),
                Err(refusal) => {
                    if !env.is_typed_into {
                        tell_host(&refusal.for_host(None)).await;
                    }
                    return Err(refusal.into());
                }
            }
        }
    };
    // A card that was kept may name an endpoint that has moved since.
    for is_last in [false, true] {
        let (cli, env) = server_cards::retyped(&typed, &to, env)?;
        let mut moved = cli.bridge;
        moved.target.sign_in.callback_port = moved.callback_port();
        add_guard_rails(&mut moved.policy.files, &args.policy.files);
        let search = search(Some(&to)).filter(|_| !is_last);
        let carrying = carried(&moved, &env, stderr, resumed.take(), search);
        match Box::pin(carrying).await? {
            Some((next, host)) => (to, resumed) = (next, Some(host)),
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Adds the rules of the target to those of the endpoint: both hold.
fn add_guard_rails(endpoints: &mut Vec<PolicyLayer>, targets: &[PolicyLayer]) {
    for layer in targets {
        let is_same = |it: &PolicyLayer| it.path == layer.path && it.lines == layer.lines;
        if !endpoints.iter().any(is_same) {
            endpoints.push(layer.clone());
        }
    }
}

/// Answers the host's first request with this error: hosts show it, and few show stderr.
async fn tell_host(error: &BridgeError) {
    let (mut host, _) = Host::of_this_process(MAX_FIRST_LINE);
    let told = async {
        while let Some(line) = host.lines.recv().await {
            let Ok(Parsed::One(frame)) = line else {
                continue;
            };
            if let Some(id) = frame.id().filter(|_| frame.is_request()) {
                let _ = host.out.send(Written::One(error.reply(id))).await;
                break;
            }
        }
        drop(host.out);
        let _ = host.flushed.await;
    };
    let _ = time::timeout(FIRST_LINE, told).await;
}

/// The time that a host's first request may take, where nothing but an error answers it.
const FIRST_LINE: Duration = Duration::from_secs(2);
/// The longest first request of that host, in bytes.
const MAX_FIRST_LINE: usize = 1024 * 1024;

/// Carries the host's messages to the target. Returns the server's address, and the host, where the server was found
/// elsewhere.
async fn carried(
    args: &BridgeArgs,
    env: &Environment,
    stderr: &Output,
    resumed: Option<Resumed>,
    elsewhere: Option<Elsewhere>,
) -> Result<Option<(Url, Resumed)>, Failure> {
    let target = connection::target(&args.target, env)?;
    let is_first = resumed.is_none();
    if let Some(warning) = args.compat.warning().filter(|_| is_first) {
        tracing::warn!("{warning}");
    }
    let address = crate::text::without_query(&target.typed);
    let max_message = target.https.max_message;
    let (pipes, recorder) = match resumed {
        Some(resumed) => (Some((resumed.host, resumed.unwritten)), resumed.recorder),
        None => (None, None),
    };
    let arguments = Arguments {
        target: &args.target,
        options: &args.options,
        policy: &args.policy,
        env,
        stderr,
        announce: SignInTexts::of_a_bridge(&args.target.sign_in, env).announce_on(stderr),
        recorder,
    };
    let mut connection = Connection::new(target, arguments)?;
    connection.search_by(elsewhere.clone());
    if is_first && env.is_typed_into && !args.target.log.silent {
        stderr.say(&for_who_types(&address));
    }
    let waiting = SignInWait::for_sign_in_of(&connection, env);
    let stop = Stop::default();
    let (host, unwritten) = pipes.unwrap_or_else(|| Host::of_this_process(max_message));
    let is_interrupted = AtomicBool::new(false);
    let (outcome, recorder) = tokio::select! {
        outcome = connection.run(host, stop.clone()) => outcome?,
        never = waiting.tell(stderr) => match never {},
        never = signals(stop, &is_interrupted) => match never {},
    };
    if let Some(moved) = elsewhere.and_then(|elsewhere| elsewhere.take()) {
        let resumed = Resumed {
            host: moved.host,
            unwritten,
            recorder,
        };
        return Ok(Some((moved.to, resumed)));
    }
    if let Some(error) = unwritten.get() {
        let error = format!("answers are lost: cannot write to stdout: {error}");
        return Err(Failure::new(Kind::Failed, error));
    }
    match (outcome.ended, outcome.unanswered) {
        (Ended::HostGone, Some(unanswered)) => {
            let is_interrupted = is_interrupted.load(Ordering::Relaxed);
            Err(failure(unanswered, &address, is_interrupted))
        }
        _ => Ok(None),
    }
}

/// Returns the text for a user who has started a bridge in a terminal.
fn for_who_types(address: &str) -> String {
    format!(
        "mcpipe waits here for the messages of an MCP host: JSON-RPC, one message a line. Ctrl-D ends it.\n\
         To sign in, run `mcpipe login {address}`. To use the server, name `mcpipe {address}` in your host's configuration.\n"
    )
}

/// Returns the kind of failure, and with it the exit code, for the reason why the server has not answered a request.
pub(super) fn kind(reason: Reason) -> Kind {
    match reason {
        Reason::Locked | Reason::Key | Reason::SignIn => Kind::SignIn,
        Reason::Network => Kind::Network,
        Reason::Protocol => Kind::Protocol,
        Reason::Other => Kind::Failed,
    }
}

/// Returns the failure, with its exit code, when stdin has ended and the server has not answered requests.
fn failure(unanswered: Unanswered, address: &str, is_interrupted: bool) -> Failure {
    let Unanswered {
        reason,
        requests,
        of,
    } = unanswered;
    let kind = kind(reason);
    let why = match reason {
        Reason::Locked => "the vault was locked",
        Reason::Key => "a credential of yours was refused",
        Reason::SignIn => "a sign-in was needed",
        Reason::Network => "it was not reached, or did not answer",
        Reason::Protocol => "it did not keep to the protocol",
        Reason::Other => "the errors on stdout say why",
    };
    let hint = match reason {
        Reason::Locked => "run `mcpipe vault unlock`, and then this again".to_owned(),
        Reason::Key => "the error on stdout says which, and what to do".to_owned(),
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
struct SignInWait {
    awaits: watch::Receiver<bool>,
    pending: watch::Receiver<Option<PendingSignIn>>,
    /// The time that the bridge waits; `None` where it waits as long as the sign-in takes.
    patience: Option<Duration>,
    /// True where the page's address has been said on a terminal.
    is_terminal: bool,
}

impl SignInWait {
    fn for_sign_in_of(connection: &Connection, env: &Environment) -> Self {
        let settings = connection.settings();
        Self {
            awaits: settings.awaits_sign_in.subscribe(),
            pending: connection.pending(),
            patience: settings.sign_in_patience.map(|_| settings.grace),
            is_terminal: env.is_terminal,
        }
    }

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
