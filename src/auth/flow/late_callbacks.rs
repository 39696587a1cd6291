//! The listener that stays for a little while after a sign-in, for a browser that comes back once more.
//!
//! A browser may fetch the address ahead of the user, repeat it, or do so at the user's wish. The tokens have been kept by
//! then and nothing waits for this: it ends with the process, with the next attempt in any process, which may want the port,
//! and after ten seconds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::auth::flow::sign_in_status::SignInStatus;
use crate::auth::net::loopback::{CallbackPage, ListenAddress, ListenerHandle, Loopback};
use crate::auth::oauth::authorization_code::{Callback, PendingAuthorization};
use crate::clock::Clock;

/// The time for which the listener stays.
const STAY: Duration = Duration::from_secs(10);
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
        mut listener: Loopback,
        pending: PendingAuthorization,
        is_seen: bool,
    ) {
        let until = now + STAY.as_secs();
        status
            .update(attempt, |record| record.listens_until = Some(until))
            .await;
        let (saw, seen) = tokio::sync::watch::channel(is_seen);
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
                    let page = match pending.verify(&request.parameters) {
                        Callback::NotOurs => CallbackPage::NotOurs,
                        _ if !request.is_from_opener && request.is_post => CallbackPage::AsGet,
                        _ if !request.is_from_opener => CallbackPage::OtherBrowser,
                        Callback::Code(_) | Callback::Failed(_) => CallbackPage::SignedIn,
                    };
                    if page == CallbackPage::SignedIn && !request.is_prefetch {
                        saw.send_replace(true);
                    }
                    request.answer(page);
                }
            };
            tokio::select! {
                () = requests => {}
                () = another => {}
                () = handle.closed() => {}
                () = tokio::time::sleep(STAY) => {}
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
