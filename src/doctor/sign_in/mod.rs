//! Checks of the sign-in: the steps that it would take, what is stored of it, and this machine's part in it.
//!
//! The steps are those of the sign-in itself ([`crate::auth::flow::preview`]). Nothing is registered, renewed or shown, and
//! no secret is sent.

mod browser;
mod callback;
mod challenge;
mod client;
mod device;
mod dpop;
mod flags;
mod last;
mod pkce;
mod places;
mod resource;
mod scopes;
mod server;
mod stored;
mod vault;

use std::time::Duration;

use super::check::{Check, Group, PATIENCE};
use super::context::Context;
use crate::auth::grant::GrantConfig;
use crate::text::plain;

/// The time for the search of metadata: each place may take its own time.
const SEARCH: Duration = Duration::from_secs(90);

/// Makes a check of the sign-in.
macro_rules! check {
    ($name:literal, $after:expr, $patience:expr, $module:ident) => {
        Check {
            name: $name,
            group: Group::SignIn,
            after: $after,
            patience: $patience,
            run: |context| Box::pin($module::check(context)),
        }
    };
}

const SERVER: &[&str] = &["authorization server"];

/// The checks, in the order of their output.
pub(super) const CHECKS: &[Check<Context>] = &[
    check!("challenge", &["request"], PATIENCE, challenge),
    check!("vault", &[], PATIENCE, vault),
    check!("stored sign-in", &["vault", "request"], PATIENCE, stored),
    check!("last sign-in", &[], PATIENCE, last),
    check!("resource metadata", &["request"], SEARCH, resource),
    check!(
        "authorization server",
        &["resource metadata", "stored sign-in"],
        SEARCH,
        server
    ),
    check!("PKCE", SERVER, PATIENCE, pkce),
    check!("client", SERVER, PATIENCE, client),
    check!("scopes", SERVER, PATIENCE, scopes),
    check!("DPoP", SERVER, PATIENCE, dpop),
    check!("device code", SERVER, PATIENCE, device),
    check!("sign-in flags", SERVER, PATIENCE, flags),
    check!("callback", &["client", "last sign-in"], PATIENCE, callback),
    check!("browser", &[], PATIENCE, browser),
];

/// Returns a server's text, fit to be shown.
fn shown_name(text: &str) -> String {
    const LONGEST: usize = 300;
    plain(text, LONGEST)
}

/// Says whether a user signs in: other grants need no browser.
fn has_user(context: &Context) -> bool {
    matches!(
        context.sign_in.grant,
        GrantConfig::User | GrantConfig::Enterprise(_)
    )
}
