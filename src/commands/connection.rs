//! The way from arguments to a connection, once for all commands: the target, the headers from the vault, the sign-in,
//! the server, and the bridge between a host and that server.
//!
//! A command brings the host and the texts for its user; it gets the reason of the end, and everything is stored by then.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time;
use tokio_util::task::TaskTracker;

use crate::auth::net::http::Http;
use crate::auth::{self, Announce, Authorizer, PendingSignIn};
use crate::bridge::{self, Elsewhere, Ended, Outcome, Parts, PinSettings, Stop};
use crate::cli::{BridgeOptions, PolicyArgs, TargetArgs};
use crate::commands::vault_headers::Secrets;
use crate::commands::{auditing, pins, recording};
use crate::header_secrets;
use crate::logging::Output;
use crate::recorder::Recorder;
use crate::remote::https::Https;
use crate::remote::recording::Recorded;
use crate::report::{Failure, Kind};
use crate::server_cache::ServerCache;
use crate::settings::{self, Environment, Target};
use crate::stdio::Host;
use crate::store::Vault;

/// The time that a token request under way may take to be stored when everything else is done: a rotated refresh token
/// that is lost is a sign-in that is lost.
pub(super) const LAST_TOKEN: Duration = Duration::from_secs(5);

/// The time for which a start waits for its pins before the host's first line: those of an open vault take milliseconds.
const PINS_PATIENCE: Duration = Duration::from_secs(1);

/// The fact remembered of a server whether it wants a credential. With it a start that needs none does not open the
/// vault, and one that does opens the vault while the host is still speaking. A server that changes its mind costs one
/// challenge.
const AUTH: &str = "auth";
const OAUTH: &str = "oauth";
const NONE: &str = "none";

/// The arguments of a connection, with the texts and the place of its messages to the user.
pub(super) struct Arguments<'a> {
    pub(super) target: &'a TargetArgs,
    pub(super) options: &'a BridgeOptions,
    pub(super) policy: &'a PolicyArgs,
    pub(super) env: &'a Environment,
    pub(super) stderr: &'a Output,
    /// The function that says where to sign in.
    pub(super) announce: Announce,
    /// The recording that goes on, for a host that was handed over.
    pub(super) recorder: Option<Recorder>,
}

/// A connection to a server that waits for its host. Nothing has been sent yet.
#[derive(Debug)]
pub(super) struct Connection {
    remote: Recorded<Https>,
    recorder: Option<Recorder>,
    /// True where the host's lines come through the recorder already.
    is_host_recorded: bool,
    authorizer: Arc<Authorizer>,
    secrets: Secrets,
    settings: bridge::Settings,
}

impl Connection {
    /// Wires the parts of a connection. Where the server is known to want a credential, the vault begins to be opened.
    ///
    /// # Errors
    /// Wrong settings, or a recording that cannot be written.
    pub(super) fn new(mut target: Target, mut arguments: Arguments<'_>) -> Result<Self, Failure> {
        let begun = arguments.recorder.take();
        let Arguments {
            options,
            env,
            stderr,
            ..
        } = arguments;
        let vault = Arc::new(vault(&target, arguments.target, env)?);
        let is_silent = arguments.target.log.silent;
        let is_host_recorded = begun.is_some();
        let recorder = match begun {
            Some(begun) => Some(begun),
            None => recording::begin(options, &target, (!is_silent).then_some(stderr))?,
        };
        let account = &arguments.target.sign_in.account;
        let mut settings = settings::bridge(options, &target, account, env);
        settings.policy = settings::policy::rules(arguments.policy, env)?;
        settings.audit = auditing::begin(arguments.policy, &target, account)?;
        if settings.policy.pin_tools.is_some() {
            let vault = pins_vault(&vault, arguments.target, env)?;
            settings.pins = Some(pins::of_bridge(&target.https.url, account, vault)?);
        }
        let authorizer = authorizer_of(&target, &vault, arguments, recorder.as_ref())?;
        let authorizer = Arc::new(authorizer);
        settings.extensions = authorizer.extensions();
        if let (Some(recorder), Some(command)) = (&recorder, &target.https.command) {
            command.tell(recorder.learner());
        }
        let secrets = Secrets::default();
        let patience = settings.sign_in_patience;
        target.https.deferred = secrets.fetch(&vault, &target, &authorizer, patience);
        match settings.facts.recall(AUTH).as_ref().and_then(Value::as_str) {
            Some(OAUTH) => authorizer.begin(),
            Some(NONE) => authorizer.wait_to_be_asked(),
            _ => {}
        }
        Ok(Self {
            remote: Recorded::new(server(target)?, recorder.clone()),
            recorder,
            is_host_recorded,
            authorizer,
            secrets,
            settings,
        })
    }

    /// Adds the search for the server at another address.
    pub(super) fn search_by(&mut self, elsewhere: Option<Elsewhere>) {
        self.settings.elsewhere = elsewhere;
    }

    /// The settings of the bridge.
    pub(super) fn settings(&self) -> &bridge::Settings {
        &self.settings
    }

    /// The page that waits for the user, to be watched.
    pub(super) fn pending(&self) -> watch::Receiver<Option<PendingSignIn>> {
        self.authorizer.pending()
    }

    /// Runs the bridge between this host and the server, and waits until everything is stored. Returns the recording too,
    /// where it goes on with the server at another address.
    ///
    /// # Errors
    /// A mistake in the arguments that shows only in the opened vault. The bridge is dropped then.
    pub(super) async fn run(
        self,
        host: Host,
        stop: Stop,
    ) -> Result<(Outcome, Option<Recorder>), Failure> {
        if let Some(pins) = &self.settings.pins {
            check_pins(pins).await?;
        }
        let facts = self.settings.facts.clone();
        let audit = self.settings.audit.clone();
        let host = match &self.recorder {
            Some(recorder) if !self.is_host_recorded => recorder.host(host, &TaskTracker::new()),
            _ => host,
        };
        let parts = Parts {
            host,
            remote: self.remote,
            authorizer: Arc::clone(&self.authorizer),
            settings: self.settings,
            stop,
        };
        let carried = async {
            let outcome = bridge::run(parts).await;
            let mut recorder = self.recorder;
            if outcome.ended != Ended::Moved
                && let Some(recorder) = recorder.take()
            {
                recording::finish(recorder).await;
            }
            if let Some(audit) = &audit {
                auditing::finish(audit).await;
            }
            self.authorizer.settle(LAST_TOKEN).await;
            self.secrets.settle().await;
            remember_auth(facts, &self.authorizer).await;
            (outcome, recorder)
        };
        tokio::select! {
            outcome = carried => Ok(outcome),
            failure = self.secrets.mistake() => Err(failure),
        }
    }
}

/// Remembers whether the server wants a credential.
async fn remember_auth(facts: ServerCache, authorizer: &Authorizer) {
    if let Some(is_wanted) = authorizer.wants_credential() {
        let is_wanted = if is_wanted { OAUTH } else { NONE };
        // Learning may have to wait for other processes, and this thread carries the last answers.
        let learning = move || facts.store(AUTH, is_wanted.into());
        let _ = tokio::task::spawn_blocking(learning).await;
    }
}

/// Returns the vault of a connection; one in memory where neither a header nor a sign-in needs the user's.
fn vault(target: &Target, args: &TargetArgs, env: &Environment) -> Result<Vault, Failure> {
    if target.brings_authorization && target.templates.is_empty() {
        Ok(Vault::in_memory())
    } else {
        settings::bridges_vault(&args.vault, env)
    }
}

/// Refuses to start where the pins cannot be what they should be, before anything is sent. A vault that waits for its user,
/// or for a program of the user's, is not wrong.
///
/// # Errors
/// The vault's file cannot be used or is no vault, or the pins in it are none that this version can read.
async fn check_pins(pins: &PinSettings) -> Result<(), Failure> {
    match time::timeout(PINS_PATIENCE, pins.store.read()).await {
        Ok(Err(error)) if error.is_of_content() => {
            let hint = error.hint();
            let failure = Failure::usage(error);
            Err(match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            })
        }
        _ => Ok(()),
    }
}

/// Returns the vault of a connection's pins: the user's, also where no sign-in needs it.
fn pins_vault(
    vault: &Arc<Vault>,
    args: &TargetArgs,
    env: &Environment,
) -> Result<Arc<Vault>, Failure> {
    match vault.location() {
        Some(_) => Ok(Arc::clone(vault)),
        None => settings::bridges_vault(&args.vault, env).map(Arc::new),
    }
}

/// Returns the source of a connection's credentials: the user's own header, or a sign-in that outlives the host.
fn authorizer_of(
    target: &Target,
    vault: &Arc<Vault>,
    arguments: Arguments<'_>,
    recorder: Option<&Recorder>,
) -> Result<Authorizer, Failure> {
    if target.brings_authorization {
        let mut given = target.given.iter();
        let given = given.find(|given| given.is_authorization());
        return Ok(Authorizer::replaced_by(given.cloned()));
    }
    let Arguments {
        target: args, env, ..
    } = arguments;
    let (network, sign_in) = (&args.network, &args.sign_in);
    let mut settings = settings::sign_in(target, network, sign_in, env, arguments.announce)?;
    // The host may leave before the user has signed in.
    settings.helper = env.helper();
    settings.waits_for_unlock = true;
    let mut http = sign_in_http(target, &settings);
    if let Some(recorder) = recorder {
        http = http.observed_by(Arc::new(recorder.sign_ins()));
    }
    Ok(Authorizer::new(settings, Arc::clone(vault), http))
}

/// Returns the target of a command, and says which headers hold a secret that stands in the open in the arguments.
///
/// # Errors
/// See [`settings::target`].
pub(super) fn target(args: &TargetArgs, env: &Environment) -> Result<Target, Failure> {
    let target = settings::target(args, env)?;
    for name in &target.typed_secrets {
        tracing::warn!(
            header = %name,
            "a secret in the arguments can be read by every user of this machine; use ${{NAME}}, ${{vault:NAME}} or --header-file"
        );
    }
    for name in &target.open_secrets {
        tracing::warn!(
            header = %name,
            "others can read this header's secret in mcpipe.toml: `chmod 600` it, or use ${{vault:NAME}}"
        );
    }
    Ok(target)
}

/// Adds the headers whose values the vault has a part in. Leaves the vault alone where no header needs it.
pub(super) async fn add_vault_headers(
    target: &mut Target,
    vault: &Vault,
) -> Result<(), header_secrets::Error> {
    if !target.templates.is_empty() {
        let (origin, now) = (settings::origin(&target.https.url), settings::now());
        let headers = header_secrets::headers(vault, &target.templates, &origin, now).await?;
        target.https.headers.extend(headers);
    }
    Ok(())
}

/// Returns the authorizer of a command that signs in, or uses a sign-in, at the target's server.
pub(super) fn authorizer(
    target: &Target,
    settings: auth::Settings,
    vault: Arc<Vault>,
) -> Authorizer {
    let http = sign_in_http(target, &settings);
    Authorizer::new(settings, vault, http)
}

/// Returns the HTTP client for signing in at the target's server.
pub(super) fn sign_in_http(target: &Target, settings: &auth::Settings) -> Http {
    settings::sign_in_http(target.tls.clone(), settings, target.https.proxies.clone())
}

/// Returns the target's server, to which nothing has been sent yet.
pub(super) fn server(target: Target) -> Result<Https, Failure> {
    Https::new(target.https, target.tls).map_err(|error| Failure::new(Kind::Failed, error))
}
