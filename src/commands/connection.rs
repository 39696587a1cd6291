//! The way from a target to its server, for all commands: headers from the vault, the sign-in's HTTP client, the server.

use crate::auth;
use crate::auth::net::http::Http;
use crate::header_secrets;
use crate::remote::https::Https;
use crate::report::{Failure, Kind};
use crate::settings::{self, Target};
use crate::store::Vault;

/// Adds the headers whose values the vault has a part in. Leaves the vault alone where no header needs it.
pub(super) async fn add_vault_headers(
    target: &mut Target,
    vault: &Vault,
) -> Result<(), header_secrets::Error> {
    if !target.templates.is_empty() {
        let (origin, now) = (settings::origin(&target.https.url), settings::now());
        let headers = header_secrets::headers(vault, &target.templates, &origin, now).await?;
        target.https.headers.extend(headers);
    }
    Ok(())
}

/// Returns the HTTP client for signing in at the target's server.
pub(super) fn sign_in_http(target: &Target, settings: &auth::Settings) -> Http {
    settings::sign_in_http(target.tls.clone(), settings, target.https.proxies.clone())
}

/// Returns the target's server, to which nothing has been sent yet.
pub(super) fn server(target: Target) -> Result<Https, Failure> {
    Https::new(target.https, target.tls).map_err(|error| Failure::new(Kind::Failed, error))
}
