//! The parts that all exchanges share, and the reports of an exchange to the loop.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::outstanding::Outstanding;
use super::startup::Startup;
use crate::auth::Authorizer;
use crate::auth::oauth::challenge::Challenge;
use crate::era::{Arrival, ExchangeId, Post};
use crate::frame::BridgeError;

/// The parts that all exchanges share.
pub(super) struct Exchanges<R> {
    pub(super) remote: R,
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) settings: Settings,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) requests: Semaphore,
    /// The requests that wait for an answer on an exchange of their own.
    pub(super) outstanding: Outstanding,
    /// Since when a person is being asked to sign in.
    pub(super) asking_since: watch::Sender<Option<Instant>>,
    /// The host has left: no more patience with a remote that cannot be reached.
    pub(super) leaving: CancellationToken,
    /// True where the last attempt found the remote there.
    pub(super) is_reached: AtomicBool,
    /// The host's `notifications/initialized`, where the remote wants a credential for it and the host has not asked for
    /// anything yet that a person could be asked for.
    pub(super) unsaid: Mutex<Option<Post>>,
    /// Knows if the remote may still be starting.
    pub(super) startup: Startup,
}

/// A report of an exchange to the loop.
#[derive(Debug)]
pub(super) enum Event {
    /// Something came.
    Arrival(ExchangeId, Arrival),
    /// A time that the translator asked for is over.
    Woke(u64),
    /// The exchange waits for a credential, or no longer does.
    Waiting(ExchangeId, Option<Waiting>),
    /// The exchange was opened for one answer, and stands as long as the session.
    Standing(ExchangeId),
}

/// An exchange that waits for a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Its request was turned down, and so was not processed.
    ToSend,
    /// The rest of a response was: the request itself may have been processed.
    ToResume,
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
