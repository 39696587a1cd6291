//! What a browser finds that comes back once more: the listener stays for a little while behind the sign-in.
//!
//! A browser may fetch the address ahead of the person, repeat it, or be told to by the person. The tokens have been kept by
//! then and nothing waits for this: it ends with the process, with the next attempt in any process, which may want the port,
//! and after ten seconds.

use std::time::Duration;

use crate::auth::authorizer::Authorizer;
use crate::auth::net::loopback::{Door, Loopback, Page};
use crate::auth::oauth::authorization_code::{Pending, Verdict};
use crate::auth::shared::Shared;

/// How long the listener stays.
const STAY: Duration = Duration::from_secs(10);
/// How often it is looked whether another attempt has begun.
const LOOK: Duration = Duration::from_millis(250);
/// How long an attempt waits for a port that the listener of an earlier one may still hold.
const HANDOVER: Duration = Duration::from_secs(2);

/// A listener that stays.
#[derive(Clone, Debug)]
pub(in crate::auth) struct Lingering {
    door: Door,
    seen: tokio::sync::watch::Receiver<bool>,
}

impl Shared {
    /// Lets the listener of an attempt that brought tokens stay. `is_seen` tells that a person has seen the page.
    pub(in crate::auth) async fn linger(
        &self,
        attempt: &str,
        mut listener: Loopback,
        pending: Pending,
        is_seen: bool,
    ) {
        let until = self.settings.now.seconds() + STAY.as_secs();
        self.update(attempt, |record| record.listens_until = Some(until))
            .await;
        let (saw, seen) = tokio::sync::watch::channel(is_seen);
        let door = listener.door();
        self.state().lingering = Some(Lingering {
            door: door.clone(),
            seen,
        });
        let (vault, name) = (
            std::sync::Arc::clone(&self.vault),
            self.lock_name("sign-in"),
        );
        let attempt = attempt.to_owned();
        self.lingering.spawn(async move {
            let another = async {
                loop {
                    tokio::time::sleep(LOOK).await;
                    let note = vault.note(&name).await.ok().flatten();
                    let record = note
                        .as_deref()
                        .map(crate::auth::flow::sign_in_status::Record::read);
                    if record.is_some_and(|record| record.attempt != attempt) {
                        return;
                    }
                }
            };
            let visits = async {
                loop {
                    let visit = listener.visit().await;
                    let page = match pending.judge(&visit.parameters) {
                        Verdict::NotOurs => Page::NotOurs,
                        _ if !visit.is_of_opener && visit.is_posted => Page::AsGet,
                        _ if !visit.is_of_opener => Page::OtherBrowser,
                        Verdict::Code(_) | Verdict::Ended(_) => Page::SignedIn,
                    };
                    if page == Page::SignedIn && !visit.is_ahead {
                        saw.send_replace(true);
                    }
                    visit.answer(page);
                }
            };
            tokio::select! {
                () = visits => {}
                () = another => {}
                () = door.closed() => {}
                () = tokio::time::sleep(STAY) => {}
            }
        });
    }

    /// Frees the port of the last attempt.
    pub(in crate::auth) fn stop_lingering(&self) {
        let lingering = self.state().lingering.take();
        if let Some(lingering) = lingering {
            lingering.door.close();
        }
    }

    /// Opens a listener, waiting a moment for a port that another process may be about to let go.
    pub(in crate::auth) async fn open(
        &self,
        place: &crate::auth::net::loopback::Place,
    ) -> std::io::Result<Loopback> {
        self.stop_lingering();
        let may_be_held = async {
            let record = self.record().await;
            let now = self.settings.now.seconds();
            record.listens_until.is_some_and(|until| now <= until)
        };
        let first = match Loopback::open(place, &self.tasks).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && may_be_held.await => {
                error
            }
            opened => return opened,
        };
        let again = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if let Ok(listener) = Loopback::open(place, &self.tasks).await {
                    return listener;
                }
            }
        };
        let opened = tokio::time::timeout(HANDOVER, again).await;
        opened.map_err(|_| first)
    }
}

impl Authorizer {
    /// Waits until the listener of the last sign-in is closed: for a process that has nothing else to do.
    pub async fn last_visits(&self) {
        if let Some(shared) = &self.shared {
            shared.lingering.close();
            shared.lingering.wait().await;
        }
    }

    /// Waits until a person has seen how the last sign-in ended, where only a browser that looks ahead has.
    pub async fn page_seen(&self) {
        let lingering = self
            .shared
            .as_ref()
            .and_then(|shared| shared.state().lingering.clone());
        if let Some(Lingering { door, mut seen }) = lingering {
            tokio::select! {
                _ = seen.wait_for(|seen| *seen) => {}
                () = door.closed() => {}
            }
        }
    }
}

impl Drop for Authorizer {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.stop_lingering();
        }
    }
}
