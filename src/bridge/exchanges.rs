//! The parts that all exchanges share, and the reports of an exchange to the loop.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::auth::Authorizer;
use crate::bridge::enforcement::admission::Admission;
use crate::bridge::outstanding::Outstanding;
use crate::bridge::settings::Settings;
use crate::bridge::startup::Startup;
use crate::era::{Arrival, ExchangeId, Post};
use crate::frame::{Frame, Id};

/// The parts that all exchanges share.
pub(super) struct Exchanges<R> {
    pub(super) remote: R,
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) settings: Settings,
    pub(super) events: mpsc::Sender<ExchangeEvent>,
    pub(super) requests: Semaphore,
    /// The turns of answers to the server.
    pub(super) answers: Semaphore,
    /// The requests that wait for an answer on an exchange of their own.
    pub(super) outstanding: Outstanding,
    /// The time since when a user has been asked to sign in.
    pub(super) asking_since: watch::Sender<Option<Instant>>,
    /// The signal that the host has left: the bridge no longer waits for a server that cannot be reached.
    pub(super) leaving: CancellationToken,
    /// True where the last attempt found the remote there.
    pub(super) is_reached: AtomicBool,
    /// The host's `notifications/initialized`, where the server wants a credential for it and the host has not sent a
    /// request yet for which a user could be asked.
    pub(super) refused_initialized: Mutex<Option<Post>>,
    /// The state of a server that may still be starting.
    pub(super) startup: Startup,
}

/// A report of an exchange to the loop.
#[derive(Debug)]
pub(super) enum ExchangeEvent {
    /// The arrival of messages, or of the end, in their order.
    Arrivals(ExchangeId, Vec<Arrival>),
    /// The end of a time that the translator asked for.
    TimerFired(u64),
    /// The exchange waits for a credential, or no longer does.
    Waiting(ExchangeId, Option<Waiting>),
    /// The exchange was opened for one answer, and stands as long as the session.
    Standing(ExchangeId),
    /// The policy has decided on a message of the host that it could not decide on at once. Of a request the id is named.
    Admitted(Option<Id>, Admission),
    /// The policy asks the server.
    Ask(Frame),
    /// The policy has news for the host.
    News(Frame),
}

impl ExchangeEvent {
    /// Returns the number of reports in it.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Arrivals(_, arrivals) => arrivals.len(),
            _ => 1,
        }
    }
}

/// An exchange that waits for a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The server turned the request down, and so did not process it.
    ToSend,
    /// The server turned down the request for the rest of a response: the first request may have been processed.
    ToResume,
}
