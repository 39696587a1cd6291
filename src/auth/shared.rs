//! What is held for one remote, and the climb that is to bring another: one at a time, on a task of its own.
//!
//! Keeps what changes behind one lock, and knows what a credential that comes replaces: whether requests go on in the
//! same name, and when to try again what failed. How a climb gets up is for `ladder`; who may have what is held, for the
//! [`Authorizer`].

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::authorizer::{Authorizer, PendingSignIn};
use crate::auth::flow::late_callbacks::Lingering;
use crate::auth::flow::locked_vault::{Closed, asking_long};
use crate::auth::net::http::Http;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::dpop::HintCache;
use crate::auth::settings::Settings;
use crate::auth::store::record::Entry;
use crate::auth::{Cause, Credential, Error};
use crate::backoff;
use crate::store::Vault;

/// The longest pause between renewals that fail in a row.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Everything a climb needs; shared with the task it runs on.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) vault: Arc<Vault>,
    pub(super) http: Http,
    /// What is known of proofs; outlives the keys that come and go.
    pub(super) hints: HintCache,
    pub(super) tasks: TaskTracker,
    /// The generation of the newest credential.
    pub(super) newest: watch::Sender<u64>,
    /// What leaving does not wait for.
    pub(super) lingering: TaskTracker,
    pub(super) leaving: CancellationToken,
    /// No user is asked any more, whatever the settings say.
    pub(super) unattended: CancellationToken,
    pub(super) person: watch::Sender<bool>,
    pub(super) pending: watch::Sender<Option<PendingSignIn>>,
    /// Why the vault is not open that a user is waited for to open.
    pub(super) closed: watch::Sender<Option<Closed>>,
    /// Signs a person in at the enterprise's provider, where that is how a token is come by.
    pub(super) provider: Option<Authorizer>,
    pub(super) resource: Arc<str>,
    /// What all that this process tries is counted under ([`crate::auth::flow::sign_in_status::fingerprint`]).
    pub(super) tried: String,
    pub(super) state: Mutex<State>,
}

/// What changes. Never locked across a wait.
#[derive(Default)]
pub(super) struct State {
    pub(super) has_looked: bool,
    /// The look into the vault that has begun; tells when it is done.
    look: Option<watch::Receiver<bool>>,
    /// It waits for a program that has not answered for a moment.
    is_looking_long: bool,
    /// A request went out without a credential.
    pub(super) has_lent_nothing: bool,
    /// The remote has asked for one.
    pub(super) is_challenged: bool,
    generation: u64,
    /// Counts changes of who we are there.
    pub(super) identity: u64,
    pub(super) held: Option<Current>,
    start_renewal: Option<Renewal>,
    /// Failed renewals in a row, the last of them, and when to try again (seconds since 1970).
    failures: u32,
    pub(super) last_fault: Option<Arc<Cause>>,
    pub(super) retry_at: u64,
    /// When a token was refused that no person is needed for, what the remote had said, and why.
    pub(super) refused: Option<(u64, Challenge, Arc<Cause>)>,
    /// What the vault would not take: the only place where a spent refresh token's successor is.
    pub(super) unsaved: Option<(String, Entry)>,
    /// How often the vault was locked, as far as was heeded.
    pub(super) locks: u64,
    /// What was held is in a vault that the user has locked.
    pub(super) is_locked_out: bool,
    /// A task looks whether the user has locked the vault.
    pub(super) is_watching: bool,
    /// The climb has come to where a person is asked.
    pub(super) is_signing_in: bool,
    /// The listener of the last sign-in.
    pub(super) lingering: Option<Lingering>,
}

/// A credential, and what is known of it.
#[derive(Clone)]
pub(super) struct Current {
    pub(super) credential: Credential,
    pub(super) entry: Arc<Entry>,
}

/// How a credential came to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was in the vault.
    Stored,
    /// We renewed it.
    Refreshed,
    /// We renewed what somebody else had put into the vault.
    TakenOver,
    /// Somebody signed in.
    SignedIn,
}

/// What a climb is for.
#[derive(Clone, Debug)]
pub(super) enum Trigger {
    /// The token is about to end. Never leads to a sign-in.
    Due,
    /// The remote wants another.
    Challenged {
        stale: Option<Credential>,
        challenge: Challenge,
        /// Whether the host waits for it, so that a person may be asked.
        is_asked: bool,
    },
    /// The user wants to sign in.
    Told(Challenge),
}

/// A climb somebody may watch.
#[derive(Clone)]
pub(super) struct Renewal {
    /// Whether it goes up to a sign-in, if it has to.
    pub(super) is_whole: bool,
    outcome: watch::Receiver<Option<Result<Credential, Error>>>,
    resource: Arc<str>,
}

impl Renewal {
    pub(super) async fn outcome(&self) -> Result<Credential, Error> {
        let mut watched = self.outcome.clone();
        let outcome = watched.wait_for(Option::is_some).await;
        match outcome.ok().and_then(|outcome| outcome.clone()) {
            Some(outcome) => outcome,
            None => Err(Error::new(&self.resource, Cause::Leaving)),
        }
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the vault, once. Nothing there is remembered too: what a sibling brings later is found by a challenge.
    pub(super) async fn look(self: &Arc<Self>) {
        let mut looked = self.begin_look();
        let _ = looked.wait_for(|is_done| *is_done).await;
    }

    /// As [`Shared::look`], but not waiting for a program that does not answer for a moment: many servers want no credential,
    /// and one that wants it says so.
    pub(super) async fn look_briefly(self: &Arc<Self>) {
        if self.state().is_looking_long {
            return;
        }
        let mut looked = self.begin_look();
        tokio::select! {
            biased;
            _ = looked.wait_for(|is_done| *is_done) => {}
            () = asking_long(self.vault.is_asking()) => {
                tracing::info!("the vault is not open yet; going on without a credential meanwhile");
                self.state().is_looking_long = true;
            }
        }
    }

    /// Begins to read the vault, unless that has begun. Leaving does not wait for it: it may be a program that hangs.
    pub(super) fn begin_look(self: &Arc<Self>) -> watch::Receiver<bool> {
        let mut state = self.state();
        if state.has_looked {
            return watch::Sender::new(true).subscribe();
        }
        if let Some(look) = &state.look {
            return look.clone();
        }
        let (done, look) = watch::channel(false);
        state.look = Some(look.clone());
        let shared = Arc::clone(self);
        self.lingering.spawn(async move {
            shared.read_vault().await;
            done.send_replace(true);
        });
        look
    }

    async fn read_vault(&self) {
        let found = match self.stored().await {
            Ok(found) => found,
            Err(why) if why.is_locked() => {
                tracing::warn!("the vault is locked; only a request that needs a credential waits");
                None
            }
            Err(why) => {
                tracing::warn!(%why, "the vault is not readable; going on without a credential");
                None
            }
        };
        let mut state = self.state();
        if let Some(kept) = found
            && state.held.is_none()
        {
            self.install(&mut state, kept.entry, Origin::Stored);
        }
        state.has_looked = true;
        state.is_looking_long = false;
    }

    /// Joins the climb that is going, or begins one.
    pub(super) fn start_renewal(self: &Arc<Self>, why: Trigger) -> Renewal {
        self.start_or_join(why).0
    }

    /// The same, and whether it was begun for this.
    fn start_or_join(self: &Arc<Self>, why: Trigger) -> (Renewal, bool) {
        let mut state = self.state();
        // One whose task is gone without an outcome is over.
        if let Some(start_renewal) = &state.start_renewal
            && start_renewal.outcome.has_changed().is_ok()
        {
            return (start_renewal.clone(), false);
        }
        let is_due = matches!(why, Trigger::Due);
        let may_ask = !matches!(
            why,
            Trigger::Due
                | Trigger::Challenged {
                    is_asked: false,
                    ..
                }
        );
        let (tell, outcome) = watch::channel(None);
        let start_renewal = Renewal {
            is_whole: may_ask,
            outcome,
            resource: Arc::clone(&self.resource),
        };
        if self.leaving.is_cancelled() {
            return (start_renewal, true);
        }
        state.start_renewal = Some(start_renewal.clone());
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            let reached = Box::pin(shared.ladder(&why)).await;
            let mut state = shared.state();
            state.start_renewal = None;
            let was_signing_in = std::mem::take(&mut state.is_signing_in);
            let outcome = match reached {
                Ok((entry, origin)) => {
                    state.failures = 0;
                    state.last_fault = None;
                    state.retry_at = 0;
                    state.refused = None;
                    Ok(shared.install(&mut state, entry, origin))
                }
                Err(cause) => {
                    let cause = Arc::new(cause);
                    let now = shared.settings.now.seconds();
                    if cause.is_passing() {
                        state.back_off(now, &cause);
                    } else if is_due {
                        state.retry_at = now + 30;
                    }
                    if let Trigger::Challenged { challenge, .. } = why
                        && cause.is_refused_machine()
                    {
                        state.refused = Some((now, challenge, Arc::clone(&cause)));
                    }
                    tracing::info!(why = %cause, "no credential");
                    let error = Error::new(&shared.resource, cause);
                    Err(match was_signing_in {
                        true => error.after_a_sign_in(),
                        false => error,
                    })
                }
            };
            tell.send_replace(Some(outcome));
        });
        (start_renewal, true)
    }

    /// A credential newer than `stale`. Nobody is asked for one unless the host waits for it.
    pub(super) async fn renew(
        self: &Arc<Self>,
        stale: Option<&Credential>,
        why: &Challenge,
        is_asked: bool,
    ) -> Result<Credential, Error> {
        let seen = stale.map_or(0, Credential::generation);
        loop {
            if let Some(held) = &self.state().held
                && held.credential.generation > seen
            {
                return Ok(held.credential.clone());
            }
            let (start_renewal, is_own) = self.start_or_join(Trigger::Challenged {
                stale: stale.cloned(),
                challenge: why.clone(),
                is_asked,
            });
            let outcome = match is_asked {
                true => start_renewal.outcome().await,
                // The host does not wait for it, so neither a user nor what comes after it is kept waiting by it.
                false => {
                    let mut person = self.person.subscribe();
                    tokio::select! {
                        biased;
                        outcome = start_renewal.outcome() => outcome,
                        _ = person.wait_for(|is_asked| *is_asked) => {
                            return Err(Error::new(&self.resource, Cause::NobodyThere));
                        }
                    }
                }
            };
            match outcome {
                Ok(credential) if credential.generation > seen => return Ok(credential),
                // One that was going on anyway knew nothing of the challenge, or went less far.
                outcome if is_own || start_renewal.is_whole => return outcome,
                _ => {}
            }
        }
    }

    fn install(&self, state: &mut State, entry: Entry, origin: Origin) -> Credential {
        let is_the_same = |held: &Current| {
            let (old, new) = (&held.entry, &entry);
            origin == Origin::Refreshed
                && (&old.issuer, &old.client.id, &old.account)
                    == (&new.issuer, &new.client.id, &new.account)
        };
        if !state.held.as_ref().is_some_and(is_the_same) {
            state.identity += 1;
        }
        state.generation += 1;
        state.is_locked_out = false;
        self.newest.send_replace(state.generation);
        let credential = Credential {
            generation: state.generation,
            token: entry.access.clone(),
            home: self.settings.url.origin(),
            prover: self.prover_of(&entry),
        };
        state.held = Some(Current {
            credential: credential.clone(),
            entry: Arc::new(entry),
        });
        credential
    }
}

impl State {
    /// Has the vault read once more before the next request.
    pub(super) fn look_again(&mut self) {
        self.has_looked = false;
        self.look = None;
    }

    /// The first failure may be a hiccup; after it 2, 4, 8 … 60 s.
    fn back_off(&mut self, now: u64, why: &Arc<Cause>) {
        let wait = match self.failures {
            0 => 0,
            failures => backoff::doubled(Duration::from_secs(1), failures, LONGEST_PAUSE).as_secs(),
        };
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + wait;
        self.last_fault = Some(Arc::clone(why));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "House({})", self.resource)
    }
}
