//! Headers that are known a little later than the rest, because the vault has to be opened for them; and read anew when the
//! server turns them down, because the user may have changed a key meanwhile.
//!
//! A request waits for them; what keeps them back is the answer to every request that would have carried them. A vault that
//! is locked is waited for as long as for a sign-in.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::{self, Instant};

use crate::remote::transport_error::TransportError;

/// The least time for which a request waits that comes while the vault is locked.
const LATECOMER: Duration = Duration::from_secs(2);

/// Reads them anew.
pub type Reader =
    Arc<dyn Fn() -> BoxFuture<'static, Result<HeaderMap, HeadersUnavailable>> + Send + Sync>;

/// The headers that a refused request has read since the headers were available; forgotten when the headers are withdrawn.
type Newer = Arc<Mutex<Option<HeaderMap>>>;

#[derive(Clone)]
enum Readiness {
    Pending,
    Available(HeaderMap),
    HeadersUnavailable(HeadersUnavailable),
    /// Since when, and how long a request waits for it.
    Locked(HeadersUnavailable, Instant, Option<Duration>),
}

/// The reason why there are no such headers, in words for a user. No secrets.
#[derive(Clone, Debug)]
pub struct HeadersUnavailable {
    /// The obstacle.
    pub why: String,
    /// The thing to do about it.
    pub hint: Option<String>,
}

/// The side that waits. Clones share what was read.
#[derive(Clone)]
pub struct DeferredHeaders(Arc<DeferredInner>);

struct DeferredInner {
    state: watch::Receiver<Readiness>,
    reader: Reader,
    newer: Newer,
    /// Of many that were turned down together, one reads.
    reading: tokio::sync::Mutex<()>,
}

/// The side that is waited for.
pub struct HeadersSender {
    state: watch::Sender<Readiness>,
    newer: Newer,
}

/// Returns the two sides of headers that are still to come, and that `reader` reads again.
pub fn channel(reader: Reader) -> (HeadersSender, DeferredHeaders) {
    let (sender, receiver) = watch::channel(Readiness::Pending);
    let newer = Newer::default();
    let deferred = DeferredHeaders(Arc::new(DeferredInner {
        state: receiver,
        reader,
        newer: Arc::clone(&newer),
        reading: tokio::sync::Mutex::default(),
    }));
    let sender_side = HeadersSender {
        state: sender,
        newer,
    };
    (sender_side, deferred)
}

impl HeadersSender {
    /// Sends the headers, or the reason why there are none.
    pub fn settle(&self, outcome: Result<HeaderMap, HeadersUnavailable>) {
        self.forget_newer();
        self.state.send_replace(match outcome {
            Ok(headers) => Readiness::Available(headers),
            Err(withheld) => Readiness::HeadersUnavailable(withheld),
        });
    }

    /// Withdraws the headers: requests wait for the next ones.
    pub fn withdraw(&self) {
        self.forget_newer();
        self.state.send_replace(Readiness::Pending);
    }

    /// Says that the vault is locked, which a request waits for that long, or for ever.
    pub fn is_locked(&self, why: HeadersUnavailable, patience: Option<Duration>) {
        self.state.send_if_modified(|state| {
            let is_new = !matches!(state, Readiness::Locked(..));
            if is_new {
                *state = Readiness::Locked(why, Instant::now(), patience);
            }
            is_new
        });
    }

    fn forget_newer(&self) {
        *self.newer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl DeferredInner {
    fn newer(&self) -> Option<HeaderMap> {
        let newer = self.newer.lock().unwrap_or_else(PoisonError::into_inner);
        newer.clone()
    }
}

impl DeferredHeaders {
    /// The headers, as soon as they are there.
    pub(super) async fn headers(&self) -> Result<HeaderMap, TransportError> {
        let begun = Instant::now();
        let mut receiver = self.0.state.clone();
        loop {
            let state = receiver.borrow_and_update().clone();
            let enough = match state {
                Readiness::Available(headers) => return Ok(self.0.newer().unwrap_or(headers)),
                Readiness::HeadersUnavailable(withheld) => return Err(withheld.fault(false)),
                Readiness::Pending => None,
                Readiness::Locked(withheld, since, patience) => {
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
                    return Err(HeadersUnavailable { why, hint: None }.fault(false));
                },
                withheld = over => return Err(withheld.fault(true)),
            }
        }
    }

    /// Reads them anew, unless another request has done so since `stale` were sent; false if they are the same.
    pub(super) async fn are_other_than(&self, stale: &HeaderMap) -> bool {
        let _reading = self.0.reading.lock().await;
        let Ok(now) = self.headers().await else {
            return false;
        };
        if now != *stale {
            return true;
        }
        match (self.0.reader)().await {
            Ok(read) if read != now => {
                let mut newer = self.0.newer.lock().unwrap_or_else(PoisonError::into_inner);
                *newer = Some(read);
                true
            }
            Ok(_) => false,
            Err(HeadersUnavailable { why, .. }) => {
                tracing::debug!(why, "the headers cannot be read anew");
                false
            }
        }
    }
}

impl HeadersUnavailable {
    fn fault(self, is_locked: bool) -> TransportError {
        let Self { why, hint } = self;
        TransportError::HeadersUnavailable {
            why,
            hint,
            is_locked,
        }
    }
}

impl fmt::Debug for DeferredHeaders {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Late")
    }
}
