//! The vault's part in a bridge's headers: fetched beside everything else, from the moment the bridge starts.

use std::future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Authorizer;
use crate::auth::store::locked_vault::{self, Closed, WaitingForUnlock, asking_long};
use crate::header_secrets::{self, Part, Template};
use crate::remote::deferred_headers::{
    self, DeferredHeaders, HeadersSender, HeadersUnavailable, Reader,
};
use crate::report::Failure;
use crate::settings::{self, Anew, Target};
use crate::store::{self, Vault};

/// The time that the note of a secret's use may take when everything else is done.
const LAST_NOTE: Duration = Duration::from_secs(1);

/// The time for which a program that prints a header is left alone after it was run because of a refusal.
const QUIET: Duration = Duration::from_secs(30);

/// The interval at which a bridge looks whether the user has locked the vault that its headers are from.
const WATCH: Duration = Duration::from_millis(250);

/// The tasks that fetch secrets, and the mistake that they may find.
#[derive(Debug)]
pub(super) struct Secrets {
    tasks: TaskTracker,
    mistake: Arc<Mutex<Option<Failure>>>,
    is_made: watch::Sender<bool>,
    leaving: CancellationToken,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            tasks: TaskTracker::new(),
            mistake: Arc::default(),
            is_made: watch::Sender::new(false),
            leaving: CancellationToken::new(),
        }
    }
}

impl Secrets {
    /// Begins to fetch the secrets for the target's headers. Fetches nothing, and leaves the vault alone, if no header
    /// needs one. While the vault is locked, requests wait for the secrets for `patience`, or for ever.
    pub(super) fn fetch(
        &self,
        vault: &Arc<Vault>,
        target: &Target,
        authorizer: &Arc<Authorizer>,
        patience: Option<Duration>,
    ) -> Option<DeferredHeaders> {
        let anew = target.anew.clone()?;
        let origin = settings::origin(&target.https.url);
        let (sender, deferred) = deferred_headers::channel(reader(vault, anew, origin.clone()));
        let (vault, templates) = (Arc::clone(vault), target.templates.clone());
        let plain = target.https.headers.clone();
        if templates.is_empty() {
            sender.settle(Ok(plain));
            return Some(deferred);
        }
        let fetch = Fetch {
            vault,
            templates,
            origin,
            plain,
            sender,
            patience,
            authorizer: Arc::clone(authorizer),
            mistake: Arc::clone(&self.mistake),
            is_made: self.is_made.clone(),
            leaving: self.leaving.clone(),
        };
        self.tasks.spawn(fetch.run());
        Some(deferred)
    }

    /// Waits for a mistake in the user's arguments: a secret of another server's, or a name that no secret has.
    pub(super) async fn mistake(&self) -> Failure {
        let mut is_made = self.is_made.subscribe();
        // The sender is in `self`, so the wait cannot fail.
        let _ = is_made.wait_for(|is_made| *is_made).await;
        let mistake = self
            .mistake
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match mistake {
            Some(failure) => failure,
            None => future::pending().await,
        }
    }

    /// Waits until the use of the secrets is written down.
    pub(super) async fn settle(&self) {
        self.leaving.cancel();
        self.tasks.close();
        let _ = time::timeout(LAST_NOTE, self.tasks.wait()).await;
    }
}

/// The task that fetches the secrets of one target's headers, and fetches them again after the user has locked the vault.
struct Fetch {
    vault: Arc<Vault>,
    templates: Vec<Template>,
    origin: String,
    /// The headers without secrets.
    plain: HeaderMap,
    sender: HeadersSender,
    /// The time for which requests wait while the vault is locked.
    patience: Option<Duration>,
    authorizer: Arc<Authorizer>,
    mistake: Arc<Mutex<Option<Failure>>>,
    is_made: watch::Sender<bool>,
    leaving: CancellationToken,
}

impl Fetch {
    async fn run(self) {
        let mut waiting = None;
        loop {
            let locks = self.vault.heed_lock().await;
            let now = settings::now();
            match self.headers(now, &mut waiting).await {
                Ok(headers) => {
                    let mut all = self.plain.clone();
                    all.extend(headers);
                    self.sender.settle(Ok(all));
                    waiting = None;
                    header_secrets::note_use(&self.vault, &self.templates, now).await;
                    if !self.vault.is_lockable() {
                        return;
                    }
                    let locked = async {
                        while self.vault.heed_lock().await == locks {
                            time::sleep(WATCH).await;
                        }
                    };
                    if self.leaving.run_until_cancelled(locked).await.is_none() {
                        return;
                    }
                    self.sender.withdraw();
                }
                Err(header_secrets::Error::Vault(error @ store::Error::Locked { .. })) => {
                    waiting.get_or_insert_with(|| self.authorizer.wait_for_unlock(Closed::Locked));
                    let why = HeadersUnavailable {
                        why: error.to_string(),
                        hint: Closed::Locked.to_bridge_error().hint,
                    };
                    self.sender.is_locked(why, self.patience);
                    let pause = time::sleep(locked_vault::POLL);
                    if self.leaving.run_until_cancelled(pause).await.is_none() {
                        return;
                    }
                }
                // The user who configured it must be told; a host would show an answer to the model.
                Err(error) if error.is_usage() => return self.report(error).await,
                Err(error) => {
                    tracing::warn!(%error, "no secret for the headers");
                    self.sender.settle(Err(withheld(&error)));
                    return;
                }
            }
        }
    }

    /// Returns the headers from the vault. While a program that gives the vault's key asks the user, requests wait as for
    /// an unlock.
    async fn headers(
        &self,
        now: SystemTime,
        waiting: &mut Option<WaitingForUnlock>,
    ) -> Result<HeaderMap, header_secrets::Error> {
        let fetched = header_secrets::headers(&self.vault, &self.templates, &self.origin, now);
        let mut fetched = std::pin::pin!(fetched);
        tokio::select! {
            biased;
            headers = &mut fetched => headers,
            () = asking_long(self.vault.is_asking()) => {
                let why = Closed::Asking;
                waiting.get_or_insert_with(|| self.authorizer.wait_for_unlock(why));
                let bridge_error = why.to_bridge_error();
                let why = HeadersUnavailable { why: bridge_error.message, hint: bridge_error.hint };
                self.sender.is_locked(why, self.patience);
                fetched.await
            }
        }
    }

    /// Reports a mistake in the user's arguments. Never returns, and no request is answered: the process ends.
    async fn report(self, error: header_secrets::Error) {
        *self.mistake.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.into());
        self.is_made.send_replace(true);
        future::pending::<()>().await;
    }
}

/// Returns the function that reads the headers again, from their files and the vault.
fn reader(vault: &Arc<Vault>, anew: Anew, origin: String) -> Reader {
    let vault = Arc::clone(vault);
    let ran_at: Arc<Mutex<Option<Instant>>> = Arc::default();
    Arc::new(move || {
        let (vault, anew, origin) = (Arc::clone(&vault), anew.clone(), origin.clone());
        let ran_at = Arc::clone(&ran_at);
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || anew.read()).await;
            let Ok(Some((mut plain, templates))) = read else {
                return Err(HeadersUnavailable {
                    why: "a file or a variable of the headers cannot be read".to_owned(),
                    hint: None,
                });
            };
            let mut parts = templates.iter().flat_map(|template| &template.parts);
            if parts.any(|part| matches!(part, Part::Program(_))) && !may_run(&ran_at) {
                return Err(HeadersUnavailable {
                    why: "a program that prints a header has just run".to_owned(),
                    hint: None,
                });
            }
            let now = settings::now();
            let headers = header_secrets::headers(&vault, &templates, &origin, now).await;
            plain.extend(headers.map_err(|error| withheld(&error))?);
            header_secrets::note_use(&vault, &templates, now).await;
            Ok(plain)
        })
    })
}

/// Says whether a program may run again, and notes that it does: what it prints was refused, and each refused request asks.
fn may_run(ran_at: &Mutex<Option<Instant>>) -> bool {
    let mut ran_at = ran_at.lock().unwrap_or_else(PoisonError::into_inner);
    let may_run = ran_at.is_none_or(|at| at.elapsed() >= QUIET);
    if may_run {
        *ran_at = Some(Instant::now());
    }
    may_run
}

fn withheld(error: &header_secrets::Error) -> HeadersUnavailable {
    HeadersUnavailable {
        hint: error.hint(),
        why: error.to_string(),
    }
}
