//! One refresh: the request as the record and the deviations found of this server say, and the deviations that its
//! refusal shows.
//!
//! Locks, counts of refusals and saving are for `renew`.

use crate::auth::Cause;
use crate::auth::client::{Client, ClientSource, Method};
use crate::auth::flow::{adjust, token_request};
use crate::auth::net::http::Http;
use crate::auth::oauth::dpop::{Prover, Proving};
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::observed_quirks::{Adjustment, speaks_for_itself};
use crate::auth::oauth::registration;
use crate::auth::oauth::token_endpoint::{Endpoint, Error, TokenSet};
use crate::auth::settings::Settings;
use crate::auth::store::record::TokenRecord;
use crate::secret::Secret;

/// Spends the entry's refresh token at the endpoint it came from. A request that is refused for how it is put is
/// put otherwise, once, and the entry remembers; the caller saves it. `prover` is the entry's, if its tokens are bound: what
/// comes back then has to be bound too.
///
/// # Errors
/// As [`Endpoint::refresh`]; and a client of the user's own that is not taken is their mistake to mend.
pub(in crate::auth) async fn refresh(
    http: &Http,
    settings: &Settings,
    prover: Option<&Prover>,
    entry: &mut TokenRecord,
    token: &Secret,
) -> Result<TokenSet, Cause> {
    entry.client = current(entry, settings);
    let first = once(http, settings, prover, entry, token).await;
    let error = match first {
        Err(error) if unlearned(entry, &error) => {
            match once(http, settings, prover, entry, token).await {
                Err(error) => error,
                Ok(tokens) => return Ok(tokens),
            }
        }
        Err(error) => error,
        Ok(tokens) => return Ok(tokens),
    };
    if may_be_the_resource(entry, settings, &error) {
        // Some say nothing of what they do not take (RFC 8707 has `invalid_target` for it).
        let sent = entry.resource_sent.take();
        let again = once(http, settings, prover, entry, token).await;
        if let Ok(tokens) = again {
            entry.learned.refuses_resource = true;
            tracing::info!(learned = ?entry.learned.words(), "the authorization server differs");
            return Ok(tokens);
        }
        entry.resource_sent = sent;
    }
    Err(match registration::not_taken(&entry.client, &error) {
        Some(error) => error.into(),
        None => error.into(),
    })
}

async fn once(
    http: &Http,
    settings: &Settings,
    prover: Option<&Prover>,
    entry: &TokenRecord,
    token: &Secret,
) -> Result<TokenSet, Error> {
    let proof = prover.map(|prover| Proving {
        prover,
        clock: &settings.now,
        insists: true,
    });
    let endpoint = Endpoint {
        extra: &settings.refresh_params,
        ..token_request::endpoint(
            http,
            settings,
            &entry.token_endpoint,
            &entry.client,
            entry.resource_sent.as_deref(),
            proof,
        )
    };
    let repeats =
        known_quirks(&entry.issuer).scope_on_refresh || entry.learned.wants_scope_on_refresh;
    let scope = entry.scope_requested.as_ref().filter(|_| repeats);
    tracing::debug!(issuer = %entry.issuer, "refreshing");
    endpoint.refresh(token, scope).await
}

/// Says whether a refusal may be of the `resource` parameter although it does not say so, and the user does not insist on it.
fn may_be_the_resource(entry: &TokenRecord, settings: &Settings, error: &Error) -> bool {
    let is_open = |code: &str| !speaks_for_itself(code);
    entry.resource_sent.is_some()
        && adjust::decides_on_resource(settings)
        && matches!(error, Error::Refused { code, .. } if is_open(code))
}

/// Takes the lesson of a refusal, if there is one the entry has not had.
fn unlearned(entry: &mut TokenRecord, error: &Error) -> bool {
    let Error::Refused {
        code, description, ..
    } = error
    else {
        return false;
    };
    match Adjustment::of(code, description.as_deref()) {
        Some(Adjustment::NoResource) if entry.resource_sent.is_some() => {
            entry.resource_sent = None;
            entry.learned.refuses_resource = true;
        }
        Some(Adjustment::RepeatScope)
            if !entry.learned.wants_scope_on_refresh && entry.scope_requested.is_some() =>
        {
            entry.learned.wants_scope_on_refresh = true;
        }
        _ => return false,
    }
    tracing::info!(learned = ?entry.learned.words(), "the authorization server differs");
    true
}

/// A secret the user changed meanwhile is the one to show; a key is theirs to bring each time.
pub(in crate::auth) fn current(entry: &TokenRecord, settings: &Settings) -> Client {
    let mut client = entry.client.clone();
    let named = match client.source {
        ClientSource::Given => settings.client_id.as_deref(),
        ClientSource::Document => settings.client_metadata_url.as_deref(),
        ClientSource::Registered => None,
    };
    let is_theirs = named == Some(&client.id);
    if let (true, Method::PrivateKeyJwt, Some(key)) =
        (is_theirs, client.method, &settings.client_key)
    {
        let was = client
            .signing
            .as_ref()
            .map(|it| it.algorithm.name().to_owned());
        let (issuer, endpoint) = (&entry.issuer, &entry.token_endpoint);
        let listed = was.as_ref().map(std::slice::from_ref);
        // A key of another kind than last time: what the server lists was not kept, and it will say.
        client.signing = key
            .signing(issuer, endpoint, listed, &settings.now)
            .or_else(|| key.signing(issuer, endpoint, None, &settings.now));
    }
    if is_theirs && client.secret.is_some() && settings.client_secret.is_some() {
        client.secret.clone_from(&settings.client_secret);
    }
    client
}
