//! The parts that the steps of a renewal and of a sign-in use together.
//!
//! Holds no credential and knows nothing of the renewal in progress: that is [`crate::auth::shared`]'s. A step that needs
//! less takes the part itself.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::flow::late_callbacks::LateCallbacks;
use crate::auth::flow::sign_in_status::SignInStatus;
use crate::auth::net::http::Http;
use crate::auth::oauth::dpop::HintCache;
use crate::auth::settings::Settings;
use crate::auth::store::credential_store::CredentialStore;

/// The settings, the stores and the network of one account at one server.
pub(in crate::auth) struct Context {
    pub(in crate::auth) settings: Arc<Settings>,
    pub(in crate::auth) http: Http,
    /// The servers' hints about proofs, which outlive the keys.
    pub(in crate::auth) hints: HintCache,
    pub(in crate::auth) store: CredentialStore,
    pub(in crate::auth) status: Arc<SignInStatus>,
    pub(in crate::auth) late_callbacks: LateCallbacks,
    /// Tasks that leaving waits for.
    pub(in crate::auth) tasks: TaskTracker,
    pub(in crate::auth) leaving: CancellationToken,
    /// Cancelled when mcpipe asks no user any more, regardless of the settings.
    pub(in crate::auth) unattended: CancellationToken,
}

impl Context {
    /// Returns the time in seconds since 1970.
    pub(in crate::auth) fn now(&self) -> u64 {
        self.settings.now.seconds()
    }
}
