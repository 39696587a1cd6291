//! The state that checks share: the target, the settings, the clients, and what earlier checks have learnt.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use url::Url;

use crate::auth::{self, net::http::Http};
use crate::cli::DoctorArgs;
use crate::doctor::typed::Typed;
use crate::recent_failures::RecentFailures;
use crate::server_cache::ServerCache;
use crate::settings::{Environment, Target};
use crate::store::Vault;

/// The state that checks share.
#[derive(Debug)]
pub struct Context {
    /// The server: its address, the headers and the limits of requests, TLS, the proxies. Requests are to be made with a copy.
    pub target: Target,
    /// The settings of the sign-in. Nothing is announced by them, and they start no helper.
    pub sign_in: auth::Settings,
    /// The HTTP client of the sign-in, with its guard.
    pub http: Http,
    /// The vault, which asks no user for a passphrase.
    pub vault: Arc<Vault>,
    /// The account.
    pub account: String,
    /// The facts remembered about the server. Checks read them only.
    pub facts: ServerCache,
    /// The last failures of hosts with the server.
    pub failures: RecentFailures,
    /// The command line.
    pub arguments: Arc<DoctorArgs>,
    /// The environment.
    pub env: Environment,
    /// The user's words, for remedies.
    pub typed: Typed,
    /// The wall clock.
    pub now: fn() -> SystemTime,
    /// The evidence of checks, by type.
    pub learnt: Learnt,
}

impl Context {
    /// The server's address.
    pub fn url(&self) -> &Url {
        &self.target.https.url
    }

    /// Keeps what a check has learnt, for those after it. One value of a type is kept.
    pub fn learn<T: Any + Send + Sync>(&self, value: T) {
        let mut values = self.learnt.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// Returns what an earlier check has learnt. The check that asks names the earlier one in its `after`.
    pub fn known<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let values = self.learnt.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.get(&TypeId::of::<T>())?;
        Arc::clone(value).downcast().ok()
    }
}

/// The evidence of checks, one value of each type.
#[derive(Default)]
pub struct Learnt(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl fmt::Debug for Learnt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Learnt")
    }
}
