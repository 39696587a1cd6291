//! Headers that are known a little later than the rest: somebody is opening the vault for them.
//!
//! Whoever sends waits for them; what keeps them back is the answer to every request that would have carried them.

use http::HeaderMap;
use tokio::sync::watch;

use super::Fault;

type Outcome = Option<Result<HeaderMap, Withheld>>;

/// Why there are no such headers, in words for a person. No secrets.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// What is in the way.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The one who waits.
#[derive(Clone, Debug)]
pub struct Late(watch::Receiver<Outcome>);

/// The one who is waited for.
#[derive(Debug)]
pub struct Promise(watch::Sender<Outcome>);

/// Headers that are promised.
pub fn promise() -> (Promise, Late) {
    let (sender, receiver) = watch::channel(None);
    (Promise(sender), Late(receiver))
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
        let mut receiver = self.0.clone();
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
}
