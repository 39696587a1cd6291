//! The credential of an exchange: the challenges that it meets, and the time for which it waits for the user.
//!
//! An exchange sends with the current credential. After a challenge it waits for a newer one and sends again; after the
//! patience of the bridge its host hears that a sign-in is going on. Obtains no credential itself
//! ([`crate::auth::Authorizer`]).

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::{self, Instant};

use crate::auth::oauth::challenge::Challenge;
use crate::auth::{Authorizer, Credential};
use crate::bridge::exchanges::{ExchangeEvent, Exchanges, Waiting};
use crate::era::{ExchangeId, Post};
use crate::frame::{BridgeError, Stage};
use crate::remote::{Answer, Outgoing, Progress, Remote, TransportError, Verb};

/// The number of challenges to one exchange before it gives up: an expired token, a rejected new one, and one step up.
const MAX_CHALLENGES: u32 = 4;
/// The least time for which a request waits that comes while a user is being asked.
const LATECOMER: Duration = Duration::from_secs(2);

impl Waiting {
    fn of(verb: Verb<'_>) -> Self {
        match verb {
            Verb::Post(_) => Self::ToSend,
            Verb::Get | Verb::Delete => Self::ToResume,
        }
    }
}

/// The reason why a sending ended without any answer.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) error: BridgeError,
    /// True where a step was taken about a credential that is not repeated for the same request.
    pub(super) is_final: bool,
}

impl Stopped {
    fn at(error: BridgeError) -> Self {
        Self {
            error,
            is_final: false,
        }
    }

    fn by(error: &crate::auth::Error) -> Self {
        let bridge_error = error.to_bridge_error();
        // An authorization server that names a time is not asked before it.
        let is_final = !error.may_repeat() || bridge_error.retry_after.is_some();
        Self {
            error: bridge_error,
            is_final,
        }
    }

    pub(super) fn to_bridge_error(&self) -> &BridgeError {
        &self.error
    }

    pub(super) fn into_bridge_error(self) -> BridgeError {
        self.error
    }
}

impl<R: Remote> Exchanges<R> {
    /// Sends a request with a credential, and again with better ones while the remote asks for them.
    pub(super) async fn exchange(
        &self,
        exchange: ExchangeId,
        endpoint: Option<&str>,
        verb: Verb<'_>,
        headers: &HeaderMap,
        is_asked_by_host: bool,
        progress: Option<&Progress>,
    ) -> Result<Answer, Stopped> {
        let note = |stage| {
            if let Some(progress) = progress {
                progress.set(stage);
            }
        };
        note(Stage::Credential);
        let current = self.authorizer.current().await;
        let mut challenges = 0;
        let mut credential = current.map_err(|error| Stopped::by(&error))?;
        loop {
            let outgoing = Outgoing {
                to: endpoint,
                verb,
                headers,
                credential: credential.as_ref(),
                progress,
            };
            // For an implementation that does not say more.
            note(Stage::Response);
            // The credential is in a vault that was locked since: the exchange waits for it, as after a challenge.
            let answer = match credential.is_none() && self.authorizer.is_locked_out() {
                true => Ok(Answer::Challenged(Challenge::default())),
                false => self.remote.send(outgoing).await,
            };
            self.startup.note(&answer);
            self.is_reached.store(
                !answer.as_ref().is_err_and(TransportError::is_unconnected),
                Ordering::Relaxed,
            );
            match answer {
                Ok(Answer::Challenged(challenge)) if challenges < MAX_CHALLENGES => {
                    challenges += 1;
                    tracing::debug!(
                        exchange = exchange.0,
                        status = challenge.status,
                        "challenged"
                    );
                    note(Stage::Credential);
                    let stale = credential.as_ref();
                    // Boxed, as is all that most exchanges do without: they are made small.
                    let renewed = match is_asked_by_host {
                        true => {
                            let renewed = self.renew(exchange, verb, stale, &challenge);
                            Some(Box::pin(renewed).await?)
                        }
                        false => {
                            let renewed = self.renew_silently(exchange, verb, stale, &challenge);
                            Box::pin(renewed).await?
                        }
                    };
                    let Some(renewed) = renewed else {
                        return Ok(Answer::Challenged(challenge));
                    };
                    if is_asked_by_host {
                        Box::pin(self.send_refused_initialized(&renewed)).await;
                    }
                    credential = Some(renewed);
                }
                Ok(answer) => return Ok(answer),
                Err(fault) => return Err(Stopped::at(fault.to_bridge_error())),
            }
        }
    }

    async fn renew(
        &self,
        exchange: ExchangeId,
        verb: Verb<'_>,
        stale: Option<&Credential>,
        challenge: &Challenge,
    ) -> Result<Credential, Stopped> {
        let _ = self
            .events
            .send(ExchangeEvent::Waiting(exchange, Some(Waiting::of(verb))))
            .await;
        let renewed = tokio::select! {
            renewed = self.authorizer.renew(stale, challenge) => renewed.map_err(|error| Stopped::by(&error)),
            () = self.user_patience() => Err(Stopped {
                error: sign_in_going_on(&self.authorizer),
                is_final: true,
            }),
        };
        let _ = self
            .events
            .send(ExchangeEvent::Waiting(exchange, None))
            .await;
        renewed
    }

    async fn renew_silently(
        &self,
        exchange: ExchangeId,
        verb: Verb<'_>,
        stale: Option<&Credential>,
        challenge: &Challenge,
    ) -> Result<Option<Credential>, Stopped> {
        let _ = self
            .events
            .send(ExchangeEvent::Waiting(exchange, Some(Waiting::of(verb))))
            .await;
        let renewed = self.authorizer.renew_silently(stale, challenge).await;
        let _ = self
            .events
            .send(ExchangeEvent::Waiting(exchange, None))
            .await;
        renewed.map_err(|error| Stopped::by(&error))
    }

    /// Returns when a user has been asked to sign in for so long that the host should hear of it. A refresh, which
    /// needs no user, may take its time. When stdin has ended, `drain` decides on the time.
    async fn user_patience(&self) {
        let Some(patience) = self.settings.sign_in_patience else {
            return std::future::pending().await;
        };
        let begun = Instant::now();
        let mut since = self.asking_since.subscribe();
        loop {
            let asked = *since.borrow_and_update();
            let enough = async {
                match asked {
                    Some(asked) => {
                        time::sleep_until((asked + patience).max(begun + LATECOMER)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.leaving.cancelled() => return std::future::pending().await,
                () = enough => return,
                changed = since.changed() => if changed.is_err() { return std::future::pending().await },
            }
        }
    }

    /// The host's `notifications/initialized` that the server has not taken.
    pub(super) fn refused_initialized(&self) -> std::sync::MutexGuard<'_, Option<Post>> {
        self.refused_initialized
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends `notifications/initialized` where the server had turned it down for want of the credential that is there
    /// now.
    async fn send_refused_initialized(&self, credential: &Credential) {
        let Some(refused_initialized) = self.refused_initialized().take() else {
            return;
        };
        let outgoing = Outgoing {
            to: refused_initialized.endpoint.as_deref(),
            verb: Verb::Post(&refused_initialized.frame),
            headers: &refused_initialized.headers,
            credential: Some(credential),
            progress: None,
        };
        let said = self.remote.send(outgoing).await;
        tracing::debug!(?said, "initialized, said again");
    }
}

/// Returns the answer to a request that waits for a user: it names the page to visit, for the user reads it in the chat
/// window.
pub(super) fn sign_in_going_on(authorizer: &Authorizer) -> BridgeError {
    if let Some(closed) = authorizer.vault_is_closed() {
        return closed.to_bridge_error();
    }
    let pending = authorizer.pending();
    let pending = pending.borrow();
    let error =
        BridgeError::new("sign_in_needed", "A sign-in is needed, and is going on.").retryable();
    match &*pending {
        Some(pending) => {
            let code = pending.user_code.as_ref();
            let code = code
                .map(|code| format!(" with the code {code}"))
                .unwrap_or_default();
            let hint = format!("Finish it{code} and try again: {}", pending.url_to_show);
            BridgeError {
                url: Some(pending.url_to_show.as_str().into()),
                ..error.hint(hint)
            }
        }
        None => error.hint("Finish it in the browser and try again."),
    }
}

/// Returns when there is a newer credential than at the last call.
pub(super) async fn newer(news: &mut Option<watch::Receiver<u64>>) {
    if let Some(news) = news
        && news.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// Returns the error for a request whose credentials the server has refused as often as they were renewed.
pub(super) fn still_challenged(challenge: &Challenge) -> BridgeError {
    BridgeError {
        status: Some(challenge.status),
        ..BridgeError::new(
            "sign_in_needed",
            "The server keeps refusing the credentials it asked for.",
        )
        .hint("Check what is asked for: --scope, --resource; `mcpipe login` with the server's address signs in anew.")
    }
}
