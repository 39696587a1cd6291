//! Headers that are read again while a bridge runs, and the keys in them.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

use crate::auth::user_key::UserKey;
use crate::cli::NetworkArgs;
use crate::header_secrets::Template;
use crate::settings::environment::Environment;
use crate::settings::headers;

/// A function that reads the headers again: those whose values are known, and those with secrets from the vault.
#[derive(Clone)]
pub struct Anew(Arc<dyn Fn() -> Option<(HeaderMap, Vec<Template>)> + Send + Sync>);

impl Anew {
    /// Reads the headers. May read files.
    pub fn read(&self) -> Option<(HeaderMap, Vec<Template>)> {
        (self.0)()
    }

    pub(super) fn new(args: &NetworkArgs, env: &Environment) -> Self {
        let (args, env) = (args.clone(), env.clone());
        Self(Arc::new(move || {
            let headers = headers::read(&args, &env).ok()?;
            Some((headers.plain, headers.templates))
        }))
    }
}

impl fmt::Debug for Anew {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Anew")
    }
}

/// Returns the keys that go with a request beside the access token of a sign-in.
pub fn keys_beside_signing_in(given: &[UserKey]) -> Vec<UserKey> {
    let beside = given.iter().filter(|given| !given.is_authorization());
    beside.cloned().collect()
}
