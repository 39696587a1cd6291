//! Headers that are known a little later than the rest: the vault is being opened for them.
//!
//! A request waits for them; what keeps them back is the answer to every request that would have carried them. A vault that
//! is locked is waited for as long as for a sign-in.

use std::time::Duration;

use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::{self, Instant};

use super::Fault;

/// How long a request that comes while the vault is locked waits at least.
const LATECOMER: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
enum State {
    Promised,
    There(HeaderMap),
    Withheld(Withheld),
    /// Since when, and how long a request waits for it.
    Locked(Withheld, Instant, Option<Duration>),
}

/// Why there are no such headers, in words for a user. No secrets.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// What is in the way.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The side that waits.
#[derive(Clone, Debug)]
pub struct Late(watch::Receiver<State>);

/// The side that is waited for.
#[derive(Debug)]
pub struct Promise(watch::Sender<State>);

/// Headers that are promised.
pub fn promise() -> (Promise, Late) {
    let (sender, receiver) = watch::channel(State::Promised);
    (Promise(sender), Late(receiver))
}

impl Promise {
    /// Keeps the promise, or says why not.
    pub fn settle(&self, outcome: Result<HeaderMap, Withheld>) {
        self.0.send_replace(match outcome {
            Ok(headers) => State::There(headers),
            Err(withheld) => State::Withheld(withheld),
        });
    }

    /// Takes the headers back, and promises them anew.
    pub fn withdraw(&self) {
        self.0.send_replace(State::Promised);
    }

    /// Says that the vault is locked, which a request waits for that long, or for ever.
    pub fn is_locked(&self, why: Withheld, patience: Option<Duration>) {
        self.0.send_if_modified(|state| {
            let is_new = !matches!(state, State::Locked(..));
            if is_new {
                *state = State::Locked(why, Instant::now(), patience);
            }
            is_new
        });
    }
}

impl Late {
    /// The headers, as soon as they are there.
    pub(super) async fn headers(&self) -> Result<HeaderMap, Fault> {
        let begun = Instant::now();
        let mut receiver = self.0.clone();
        loop {
            let state = receiver.borrow_and_update().clone();
            let enough = match state {
                State::There(headers) => return Ok(headers),
                State::Withheld(withheld) => return Err(withheld.fault(false)),
                State::Promised => None,
                State::Locked(withheld, since, patience) => {
                    patience.map(|patience| (withheld, (since + patience).max(begun + LATECOMER)))
                }
            };
            let over = async {
                match enough {
                    Some((withheld, enough)) => {
                        time::sleep_until(enough).await;
                        withheld
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = receiver.changed() => if changed.is_err() {
                    let why = "mcpipe is leaving".to_owned();
                    return Err(Withheld { why, hint: None }.fault(false));
                },
                withheld = over => return Err(withheld.fault(true)),
            }
        }
    }
}

impl Withheld {
    fn fault(self, is_locked: bool) -> Fault {
        let Self { why, hint } = self;
        Fault::Withheld {
            why,
            hint,
            is_locked,
        }
    }
}
