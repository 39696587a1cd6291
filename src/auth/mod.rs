//! Signing in: who lends out a credential, and how one is got.

pub mod authorizer;
pub mod challenge;
pub mod scope;

use http::HeaderMap;
use std::time::SystemTime;
use url::Url;

pub use authorizer::Authorizer;

use crate::frame::Trouble;
use crate::secret::Secret;

/// What is shown to the remote with each request.
#[derive(Clone, Debug)]
pub struct Credential {
    generation: u64,
    token: Secret,
}

impl Credential {
    /// Adds `Authorization` to a request's headers (U-01, U-03). The only place that does.
    pub fn apply(&self, _to: &mut HeaderMap, _method: &str, _url: &Url, _now: SystemTime) {
        let _ = (&self.token, self.generation);
    }
}

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// To be written with the sign-in.
    #[error("sign-in is not built yet")]
    Unbuilt,
}

impl Error {
    /// The error that answers a request that waited for the sign-in.
    pub fn trouble(&self) -> Trouble {
        Trouble::new("sign_in_needed", self.to_string())
    }
}
