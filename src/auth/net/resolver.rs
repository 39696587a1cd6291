//! The resolver of names for a sign-in's HTTP client.
//!
//! The resolver returns only addresses that may be visited, so that the judged address is the one connected to: a name
//! that resolves to one address when it is judged and to another when it is used makes no internal connection. A
//! company's server may name its company's authorization server: the address that answered decides if the server itself
//! is internal, not a look at its name. The [`Guard`] decides on addresses; the resolver does not know the requests.

use std::collections::HashSet;
use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use crate::address_class::{Class, classify};
use crate::auth::net::guard::{self, Guard};

/// A function from a name to addresses. Tests supply their own; otherwise the system resolves.
pub type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Returns a lookup by the system's resolver.
pub(in crate::auth) fn of_the_system() -> Lookup {
    Arc::new(|name| Box::pin(system_lookup(name)))
}

/// The resolver that a client of reqwest is given.
#[derive(Clone)]
pub(in crate::auth) struct Resolver(Arc<Guarded>);

struct Guarded {
    guard: Arc<Guard>,
    /// The names that documents named. Any other name asked for is the system's proxy, which the user chose.
    guarded: Mutex<HashSet<String>>,
    /// The class of the configured server's address, known when a request was answered from it. A name server's answer
    /// alone is no evidence: the owner of a name may point it at an internal address.
    home: OnceLock<Class>,
    lookup: Lookup,
}

impl Resolver {
    pub(in crate::auth) fn new(guard: Arc<Guard>, lookup: Lookup) -> Self {
        Self(Arc::new(Guarded {
            guard,
            guarded: Mutex::default(),
            home: OnceLock::new(),
            lookup,
        }))
    }

    pub(in crate::auth) fn lookup(&self) -> Lookup {
        Arc::clone(&self.0.lookup)
    }

    /// Notes the address that answered a request to this URL, if that is the configured server's.
    pub(in crate::auth) fn answered(&self, url: &Url, address: IpAddr) {
        let is_home =
            self.0.guard.unknown_home().is_some() && url.domain() == self.0.guard.unknown_home();
        if is_home {
            self.0.home.get_or_init(|| classify(address));
        }
    }

    /// Says whether more addresses would be admitted if the class of the configured server were known.
    pub(in crate::auth) fn wants_home(&self, url: &Url) -> bool {
        let home = self.0.guard.unknown_home();
        home.is_some() && url.domain() != home && self.0.home.get().is_none()
    }

    /// Notes that a document named this name: its addresses are judged from now on.
    pub(in crate::auth) fn guards(&self, name: &str) {
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
        let home = self.home.get().copied();
        // The user named that host. Until it has answered, each of its addresses is as good as the others.
        let is_unmet_home = home.is_none() && self.guard.unknown_home() == Some(name);
        let admitted: Vec<IpAddr> = found
            .into_iter()
            .filter(|ip| match is_unmet_home {
                true => classify(*ip) != Class::Forbidden,
                false => self.guard.check_address(*ip, home).is_ok(),
            })
            .collect();
        match admitted.is_empty() {
            true => Err(Box::new(guard::Error::Inside)),
            false => Ok(admitted),
        }
    }
}

async fn system_lookup(name: String) -> std::io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
    Ok(found.map(|address| address.ip()).collect())
}
