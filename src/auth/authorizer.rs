//! Who holds the credential; the ladder of renewal; one sign-in at a time.

use std::time::Duration;

use tokio::sync::watch;

use super::challenge::Challenge;
use super::{Credential, Error};

/// Lends out the credential for one remote.
#[derive(Debug)]
pub struct Authorizer {
    person: watch::Sender<bool>,
}

impl Authorizer {
    /// For a remote whose `Authorization` the user brings: never a credential, and a challenge is an error.
    pub fn off() -> Self {
        Self {
            person: watch::Sender::new(false),
        }
    }

    /// The credential to use now: stored, renewed first if it is due; `None` if none is held, which is not an error:
    /// a sign-in starts from a challenge, not before (D-01).
    ///
    /// # Errors
    /// The vault cannot be read.
    pub async fn current(&self) -> Result<Option<Credential>, Error> {
        Ok(None)
    }

    /// A credential newer than `stale`, by the cheapest rung that brings one: somebody else's, a refresh, a sign-in.
    /// Many may ask at once; one climbs. Dropping the future leaves the climb going.
    ///
    /// # Errors
    /// Refused, given up, nobody there to sign in.
    pub async fn renew(
        &self,
        _stale: Option<&Credential>,
        _why: &Challenge,
    ) -> Result<Credential, Error> {
        Err(Error::Unbuilt)
    }

    /// Whether a climb is going that waits for a person. Leaving does not wait for those.
    pub fn waits_for_a_person(&self) -> watch::Receiver<bool> {
        self.person.subscribe()
    }

    /// Waits until a refresh that is under way is stored, at most `grace`; for leaving (T21). Ends a sign-in.
    pub async fn settle(&self, _grace: Duration) {}
}
