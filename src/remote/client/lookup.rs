//! Name resolution, once for all that ask at the same time.
//!
//! The system's resolver blocks, so each lookup takes a thread. A burst of exchanges opens as many connections at once,
//! and all of them wait for the answer to one question. Nothing is remembered beyond that: addresses change, and the
//! system caches better.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::OnceCell;
use tower_service::Service;

/// The addresses of a name, or the kind and the words of the system's error, which cannot be cloned.
type Found = Result<Vec<SocketAddr>, (io::ErrorKind, String)>;

/// The lookups that are under way. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Lookups(Arc<Mutex<HashMap<Name, Arc<OnceCell<Found>>>>>);

impl Lookups {
    /// Returns the addresses of a name; joins a lookup of the same name that is under way. If the one that began it is
    /// dropped, another that waits goes on.
    async fn addresses(self, name: Name) -> io::Result<vec::IntoIter<SocketAddr>> {
        let lookup = Arc::clone(self.underway().entry(name.clone()).or_default());
        let found = lookup.get_or_init(|| resolve(&name)).await.clone();
        let mut underway = self.underway();
        if underway
            .get(&name)
            .is_some_and(|it| Arc::ptr_eq(it, &lookup))
        {
            underway.remove(&name);
        }
        match found {
            Ok(addresses) => Ok(addresses.into_iter()),
            Err((kind, why)) => Err(io::Error::new(kind, why)),
        }
    }

    fn underway(&self) -> MutexGuard<'_, HashMap<Name, Arc<OnceCell<Found>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn resolve(name: &Name) -> Found {
    match tokio::net::lookup_host((name.as_str(), 0)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err((error.kind(), error.to_string())),
    }
}

impl Service<Name> for Lookups {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().addresses(name))
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn lookups_of_one_name_at_the_same_time_are_one() {
        let lookups = Lookups::default();
        let name = Name::from_str("localhost").unwrap();
        let asked = (0..100).map(|_| lookups.clone().addresses(name.clone()));
        let mut asked = Box::pin(join_all(asked));
        assert!(futures_util::poll!(&mut asked).is_pending());
        assert_eq!(lookups.underway().len(), 1);
        let found = asked.await;
        assert!(found.into_iter().all(|found| found.unwrap().len() > 0));
        assert!(lookups.underway().is_empty());
    }

    #[tokio::test]
    async fn a_lookup_outlives_the_exchange_that_began_it() {
        let lookups = Lookups::default();
        let name = Name::from_str("localhost").unwrap();
        let mut first = Box::pin(lookups.clone().addresses(name.clone()));
        let mut second = Box::pin(lookups.clone().addresses(name));
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        assert!(second.await.unwrap().len() > 0);
        assert!(lookups.underway().is_empty());
    }
}
