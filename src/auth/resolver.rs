//! Names to addresses, for what a sign-in visits.
//!
//! Hands out only addresses that may be visited, so that what was judged is what is connected to: a name that leads one
//! way when it is looked at and another when it is used gets nobody inside. Which addresses those are is the
//! [`Guard`]'s to say; what is asked for over them is not known here.
//!
//! security.md D2 to D5.

use std::collections::HashSet;
use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::OnceCell;

use super::guard::{Class, Guard, Refusal, classify};

/// Turns a name into addresses. For tests; in earnest the system does.
pub type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// As the system does it.
pub(super) fn of_the_system() -> Lookup {
    Arc::new(|name| Box::pin(system_lookup(name)))
}

/// What a client of reqwest is given.
#[derive(Clone)]
pub(super) struct Resolver(Arc<Guarded>);

struct Guarded {
    guard: Arc<Guard>,
    /// Names we were sent to. Any other name asked for is the system's proxy, which the user chose.
    guarded: Mutex<HashSet<String>>,
    home: OnceCell<Option<Class>>,
    lookup: Lookup,
}

impl Resolver {
    pub(super) fn new(guard: Arc<Guard>, lookup: Lookup) -> Self {
        Self(Arc::new(Guarded {
            guard,
            guarded: Mutex::default(),
            home: OnceCell::new(),
            lookup,
        }))
    }

    pub(super) fn lookup(&self) -> Lookup {
        Arc::clone(&self.0.lookup)
    }

    /// From now on this name is one that we were sent to.
    pub(super) fn guards(&self, name: &str) {
        let guarded = &self.0.guarded;
        let mut guarded = guarded.lock().unwrap_or_else(PoisonError::into_inner);
        guarded.insert(name.trim_end_matches('.').to_owned());
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = this.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

impl Guarded {
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Box<dyn StdError + Send + Sync>> {
        let name = name.trim_end_matches('.');
        let found = (self.lookup)(name.to_owned()).await?;
        let is_guarded = {
            let guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
            guarded.contains(name)
        };
        if !is_guarded {
            return Ok(found);
        }
        let judged = |home| {
            let fine = |ip: &IpAddr| self.guard.check_address(*ip, home).is_ok();
            found.iter().copied().filter(fine).collect::<Vec<_>>()
        };
        let mut admitted = judged(None);
        if admitted.is_empty() {
            let home = *self.home.get_or_init(|| self.class_of_home()).await;
            admitted = judged(home);
        }
        if admitted.is_empty() {
            return Err(Box::new(Refusal::Inside));
        }
        Ok(admitted)
    }

    /// A company's server may name its company's authorization server (D4): asked only when something inside is met.
    async fn class_of_home(&self) -> Option<Class> {
        let name = self.guard.unknown_home()?;
        let found = (self.lookup)(name.to_owned()).await.ok()?;
        found.into_iter().map(classify).max()
    }
}

async fn system_lookup(name: String) -> std::io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
    Ok(found.map(|address| address.ip()).collect())
}
