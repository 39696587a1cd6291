//! The vault's part in a bridge's headers: fetched beside everything else, from the moment the bridge starts.

use std::future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Authorizer;
use crate::auth::store::locked_vault::{self, Closed, asking_long};
use crate::header_secrets;
use crate::remote::deferred_headers::{self, DeferredHeaders, HeadersUnavailable, Reader};
use crate::report::Failure;
use crate::settings::{self, Anew, Target};
use crate::store::{self, Vault};

/// The time that the note of a secret's use may take when everything else is done.
const LAST_NOTE: Duration = Duration::from_secs(1);

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
        let (promise, deferred) = deferred_headers::promise(reader(vault, anew, origin.clone()));
        let (vault, templates) = (Arc::clone(vault), target.templates.clone());
        let plain = target.https.headers.clone();
        if templates.is_empty() {
            promise.settle(Ok(plain));
            return Some(deferred);
        }
        let (mistake, is_made) = (Arc::clone(&self.mistake), self.is_made.clone());
        let (authorizer, leaving) = (Arc::clone(authorizer), self.leaving.clone());
        self.tasks.spawn(async move {
            let mut waiting = None;
            loop {
                let locks = vault.heed_lock().await;
                let now = settings::now();
                let lending = header_secrets::headers(&vault, &templates, &origin, now);
                let mut lending = std::pin::pin!(lending);
                let access_token = tokio::select! {
                    biased;
                    access_token = &mut lending => access_token,
                    // A program that gives the key may ask the user.
                    () = asking_long(vault.is_asking()) => {
                        let why = Closed::Asking;
                        waiting.get_or_insert_with(|| authorizer.wait_for_unlock(why));
                        let bridge_error = why.to_bridge_error();
                        let why = HeadersUnavailable { why: bridge_error.message, hint: bridge_error.hint };
                        promise.is_locked(why, patience);
                        lending.await
                    }
                };
                match access_token {
                    Ok(headers) => {
                        let mut all = plain.clone();
                        all.extend(headers);
                        promise.settle(Ok(all));
                        waiting = None;
                        header_secrets::note_use(&vault, &templates, now).await;
                        if !vault.is_lockable() {
                            return;
                        }
                        let locked = async {
                            while vault.heed_lock().await == locks {
                                time::sleep(WATCH).await;
                            }
                        };
                        if leaving.run_until_cancelled(locked).await.is_none() {
                            return;
                        }
                        promise.withdraw();
                    }
                    Err(header_secrets::Error::Vault(error @ store::Error::Locked { .. })) => {
                        waiting.get_or_insert_with(|| authorizer.wait_for_unlock(Closed::Locked));
                        let bridge_error = Closed::Locked.to_bridge_error();
                        let why = HeadersUnavailable {
                            why: error.to_string(),
                            hint: bridge_error.hint,
                        };
                        promise.is_locked(why, patience);
                        let glance = time::sleep(locked_vault::POLL);
                        if leaving.run_until_cancelled(glance).await.is_none() {
                            return;
                        }
                    }
                    // The user who configured it must be told; a host would show an answer to the model.
                    Err(error) if error.is_usage() => {
                        *mistake.lock().unwrap_or_else(PoisonError::into_inner) =
                            Some(error.into());
                        is_made.send_replace(true);
                        // No request is answered: the process ends.
                        future::pending::<()>().await;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "no secret for the headers");
                        promise.settle(Err(withheld(&error)));
                        return;
                    }
                }
            }
        });
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

/// Returns the function that reads the headers again, from their files and the vault.
fn reader(vault: &Arc<Vault>, anew: Anew, origin: String) -> Reader {
    let vault = Arc::clone(vault);
    Arc::new(move || {
        let (vault, anew, origin) = (Arc::clone(&vault), anew.clone(), origin.clone());
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || anew.read()).await;
            let Ok(Some((mut plain, templates))) = read else {
                return Err(HeadersUnavailable {
                    why: "a file of --header-file cannot be read".to_owned(),
                    hint: None,
                });
            };
            let now = settings::now();
            let headers = header_secrets::headers(&vault, &templates, &origin, now).await;
            plain.extend(headers.map_err(|error| withheld(&error))?);
            header_secrets::note_use(&vault, &templates, now).await;
            Ok(plain)
        })
    })
}

fn withheld(error: &header_secrets::Error) -> HeadersUnavailable {
    HeadersUnavailable {
        hint: error.hint(),
        why: error.to_string(),
    }
}
