//! The listener that stays for a little while after a sign-in, for a browser that comes back once more.
//!
//! A browser may fetch the address ahead of the user, repeat it, or do so at the user's wish. The tokens have been kept by
//! then and nothing waits for this: it ends with the process, with the next attempt in any process, which may want the port,
//! and after ten seconds. A user who comes after the time for the sign-in is told so, for a few minutes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::auth::flow::sign_in_status::SignInStatus;
use crate::auth::net::loopback::{
    CallbackPage, CallbackRequest, Ending, ListenAddress, ListenerHandle, Loopback, Reason,
};
use crate::auth::oauth::authorization_code::{Callback, PendingAuthorization};
use crate::clock::Clock;

/// The time for which the listener stays.
const STAY: Duration = Duration::from_secs(10);
/// The longest time for which the listener tells a user that the time is over.
const LATE: Duration = Duration::from_secs(300);
/// The interval at which it looks if another attempt has begun.
const LOOK: Duration = Duration::from_millis(250);
/// The time for which an attempt waits for a port that the listener of an earlier one may still hold.
const HANDOVER: Duration = Duration::from_secs(2);

/// A listener that stays.
#[derive(Clone, Debug)]
pub(in crate::auth) struct Lingering {
    handle: ListenerHandle,
    seen: tokio::sync::watch::Receiver<bool>,
}

/// The listener of the last sign-in, and the task that still answers at it.
#[derive(Debug, Default)]
pub(in crate::auth) struct LateCallbacks {
    tasks: TaskTracker,
    last: Mutex<Option<Lingering>>,
}

impl LateCallbacks {
    /// Takes the tracker of the tasks that leaving does not wait for.
    pub(in crate::auth) fn new(tasks: TaskTracker) -> Self {
        Self {
            tasks,
            last: Mutex::new(None),
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Lingering>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the listener is closed: for a process that has nothing else to do.
    pub(in crate::auth) async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Waits until the user has seen how the last sign-in ended, where only a browser that looks ahead has.
    pub(in crate::auth) async fn page_seen(&self) {
        let lingering = self.last().clone();
        if let Some(Lingering { handle, mut seen }) = lingering {
            tokio::select! {
                _ = seen.wait_for(|seen| *seen) => {}
                () = handle.closed() => {}
            }
        }
    }

    /// Lets the listener of an attempt that brought tokens stay. `is_seen` tells that a person has seen the page.
    pub(in crate::auth) async fn linger(
        &self,
        status: &Arc<SignInStatus>,
        now: u64,
        attempt: &str,
        listener: Loopback,
        pending: PendingAuthorization,
        is_seen: bool,
    ) {
        let (saw, seen) = tokio::sync::watch::channel(is_seen);
        let page = move |request: &CallbackRequest| {
            let page = match pending.verify(&request.parameters) {
                Callback::NotOurs => CallbackPage::NotOurs,
                _ if !request.is_from_opener && request.is_post => CallbackPage::AsGet,
                _ if !request.is_from_opener => CallbackPage::OtherBrowser,
                Callback::Code(_) | Callback::Failed(_) => CallbackPage::SignedIn,
            };
            if page == CallbackPage::SignedIn && !request.is_prefetch {
                saw.send_replace(true);
            }
            page
        };
        let stay = until(now, STAY);
        self.stay(status, attempt, listener, stay, seen, page).await;
    }

    /// Lets the listener of an attempt whose time is over stay for at most `patience`, and tell so.
    pub(in crate::auth) async fn outlive(
        &self,
        status: &Arc<SignInStatus>,
        now: u64,
        attempt: &str,
        listener: Loopback,
        patience: Duration,
    ) {
        if let Some(start) = listener.start() {
            start.expire();
        }
        let (_, seen) = tokio::sync::watch::channel(true);
        let page = |request: &CallbackRequest| match request.is_from_opener {
            true => CallbackPage::Failed(Ending {
                reason: Reason::TooLate,
                hint: None,
            }),
            false => CallbackPage::NotOurs,
        };
        let stay = until(now, patience.min(LATE));
        self.stay(status, attempt, listener, stay, seen, page).await;
    }

    /// Answers at a listener with these pages, for a time and until the second at which that time is over.
    async fn stay(
        &self,
        status: &Arc<SignInStatus>,
        attempt: &str,
        mut listener: Loopback,
        (stay, until): (Duration, u64),
        seen: tokio::sync::watch::Receiver<bool>,
        page: impl Fn(&CallbackRequest) -> CallbackPage + Send + Sync + 'static,
    ) {
        status
            .update(attempt, |record| record.listens_until = Some(until))
            .await;
        let handle = listener.handle();
        *self.last() = Some(Lingering {
            handle: handle.clone(),
            seen,
        });
        let status = Arc::clone(status);
        let attempt = attempt.to_owned();
        self.tasks.spawn(async move {
            let another = async {
                loop {
                    tokio::time::sleep(LOOK).await;
                    let record = status.written().await;
                    if record.is_some_and(|record| record.attempt != attempt) {
                        return;
                    }
                }
            };
            let requests = async {
                loop {
                    let request = listener.next_request().await;
                    let page = page(&request);
                    request.answer(page);
                }
            };
            tokio::select! {
                () = requests => {}
                () = another => {}
                () = handle.closed() => {}
                () = tokio::time::sleep(stay) => {}
            }
        });
    }

    /// Frees the port of the last attempt.
    pub(in crate::auth) fn stop(&self) {
        let lingering = self.last().take();
        if let Some(lingering) = lingering {
            lingering.handle.close();
        }
    }

    /// Opens a listener, waiting a moment for a port that another process may be about to let go.
    pub(in crate::auth) async fn open(
        &self,
        place: &ListenAddress,
        status: &SignInStatus,
        tasks: &TaskTracker,
        clock: &Clock,
    ) -> std::io::Result<Loopback> {
        self.stop();
        let may_be_held = async {
            let record = status.record().await;
            let now = clock.seconds();
            record.listens_until.is_some_and(|until| now <= until)
        };
        let first = match Loopback::open(place, tasks).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && may_be_held.await => {
                error
            }
            opened => return opened,
        };
        let again = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if let Ok(listener) = Loopback::open(place, tasks).await {
                    return listener;
                }
            }
        };
        let opened = tokio::time::timeout(HANDOVER, again).await;
        opened.map_err(|_| first)
    }
}

/// Returns a time, with the second in which it is over.
fn until(now: u64, stay: Duration) -> (Duration, u64) {
    (stay, now.saturating_add(stay.as_secs()))
}
