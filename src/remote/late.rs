//! Headers that are known a little later than the rest, because the vault has to be opened for them; and read anew when the
//! server turns them down, because the user may have changed a key meanwhile.
//!
//! Whoever sends waits for them; what keeps them back is the answer to every request that would have carried them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use http::HeaderMap;
use tokio::sync::watch;

use super::Fault;

type Outcome = Option<Result<HeaderMap, Withheld>>;

/// Reads them anew.
pub type Reader = Arc<dyn Fn() -> BoxFuture<'static, Result<HeaderMap, Withheld>> + Send + Sync>;

/// Why there are no such headers, in words for a person. No secrets.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// What is in the way.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The one who waits. Clones share what was read.
#[derive(Clone)]
pub struct Late(Arc<Parts>);

struct Parts {
    first: watch::Receiver<Outcome>,
    reader: Reader,
    /// What was read since.
    newer: Mutex<Option<HeaderMap>>,
    /// Of many that were turned down together, one reads.
    reading: tokio::sync::Mutex<()>,
}

/// The one who is waited for.
#[derive(Debug)]
pub struct Promise(watch::Sender<Outcome>);

/// Headers that are promised, and read anew by `reader`.
pub fn promise(reader: Reader) -> (Promise, Late) {
    let (sender, first) = watch::channel(None);
    let late = Late(Arc::new(Parts {
        first,
        reader,
        newer: Mutex::default(),
        reading: tokio::sync::Mutex::default(),
    }));
    (Promise(sender), late)
}

impl Promise {
    /// Keeps the promise, or says why not.
    pub fn settle(self, outcome: Result<HeaderMap, Withheld>) {
        self.0.send_replace(Some(outcome));
    }
}

impl Late {
    /// The headers, as soon as they are there.
    pub(super) async fn headers(&self) -> Result<HeaderMap, Fault> {
        let newer = self
            .0
            .newer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(newer) = newer {
            return Ok(newer);
        }
        let mut receiver = self.0.first.clone();
        let outcome = receiver.wait_for(Option::is_some).await;
        match outcome.ok().and_then(|outcome| outcome.clone()) {
            Some(Ok(headers)) => Ok(headers),
            Some(Err(Withheld { why, hint })) => Err(Fault::Withheld { why, hint }),
            None => Err(Fault::Withheld {
                why: "mcpipe is leaving".to_owned(),
                hint: None,
            }),
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
            Err(Withheld { why, .. }) => {
                tracing::debug!(why, "the headers cannot be read anew");
                false
            }
        }
    }
}

impl fmt::Debug for Late {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Late")
    }
}
