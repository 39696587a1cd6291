//! Decides if the tokens of a sign-in are to be bound to a key of ours, and to which key.
//!
//! Both servers have to know DPoP: the authorization server says so in its metadata, the resource in its metadata or by
//! challenging with it. Most authorization servers offer it to every client today, most MCP servers take nothing but
//! bearer tokens, and a bound token is of no use there; so the one's word is not enough unless the user insists.
//!
//! That a server has stopped offering it is noticed where it matters, and not by asking at each start: a renewal that brings
//! an unbound token, or refuses the proof, or a challenge that a renewal does not answer, ends in a sign-in, and a sign-in
//! begins with discovery. There `require` is an error; `auto` signs in without, and says so.
//!
//! RFC 9449 sections 5.1, 7.2, 10; RFC 9728 section 2.

use crate::auth::Cause;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery::{AuthorizationServer, ProtectedResource};
use crate::auth::oauth::dpop::{HintCache, Prover, Proving};
use crate::auth::oauth::jws::Key;
use crate::auth::settings::{Dpop, Settings};
use crate::auth::store::record::TokenRecord;

/// Says whether the tokens to come are to be bound. `before` is what is kept of the same issuer.
///
/// # Errors
/// The user insists, and the authorization server does not offer it.
pub(in crate::auth) fn is_wanted(
    settings: &Settings,
    challenge: &Challenge,
    resource: &ProtectedResource,
    server: &AuthorizationServer,
    before: Option<&TokenRecord>,
) -> Result<bool, Cause> {
    let is_offered = server.offers_dpop();
    let was_bound = before.is_some_and(TokenRecord::is_bound);
    // Nothing was said by a server that lets every client in at first; then what it took before counts.
    let is_unsaid = challenge.status == 0 && was_bound;
    let is_taken = resource.takes_dpop() || challenge.takes_dpop || is_unsaid;
    let is_wanted = match settings.dpop {
        Dpop::Off => false,
        // What is shown in place of an access token is bound to nothing.
        Dpop::Auto => is_offered && is_taken && !settings.use_id_token,
        Dpop::Require if is_offered => true,
        Dpop::Require => {
            return Err(Cause::NotBound {
                host: server.host(),
            });
        }
    };
    if !is_wanted && settings.dpop == Dpop::Auto && was_bound {
        let (host, resource) = (server.host(), settings.canonical_resource());
        tracing::warn!(
            %host, %resource, is_offered, is_taken,
            "DPoP is no longer offered: the new tokens are good for whoever has them"
        );
    }
    Ok(is_wanted)
}

/// Makes a key of its own for a new sign-in.
pub(in crate::auth) fn new_prover(
    hints: &HintCache,
    is_wanted: bool,
) -> Result<Option<Prover>, Cause> {
    let key = is_wanted.then(Key::generate).transpose()?;
    Ok(key.map(|key| Prover::new(key, hints)))
}

/// Returns the prover of a stored record.
pub(in crate::auth) fn prover_of(hints: &HintCache, entry: &TokenRecord) -> Option<Prover> {
    let key = entry.dpop_key.clone()?;
    Some(Prover::new(key, hints))
}

/// Returns the proof for a token request. Without a prover the tokens are taken as they come.
pub(in crate::auth) fn proving<'a>(
    settings: &'a Settings,
    prover: Option<&'a Prover>,
) -> Option<Proving<'a>> {
    Some(Proving {
        prover: prover?,
        clock: &settings.now,
        insists: settings.dpop == Dpop::Require,
    })
}
