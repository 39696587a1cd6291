//! Tokens without a user: requested whenever one is needed, by what a program has to show.
//!
//! There is one step. Under the credential's lock the vault is read for a token that another process stored, and if it
//! does not serve, a token is requested and stored, so that of many processes one asks. There is no refresh token: a new
//! token is the renewal. No user is sent to a browser here; a server that turns down a token that was issued a moment
//! ago, or wants a scope that was asked for already, gets an error and not another request.
//!
//! RFC 6749 section 4.4, RFC 7523, MCP's authorization extensions (SEP-1046, SEP-990, SEP-1933).

use std::sync::Arc;

use crate::auth::Cause;
use crate::auth::client::{Client, ClientSource};
use crate::auth::error::UnattendedError;
use crate::auth::flow::attempt::Attempt;
use crate::auth::flow::context::Context;
use crate::auth::flow::new_record::NewTokens;
use crate::auth::flow::previous::Previous;
use crate::auth::flow::token_checks::{is_enough, is_other, is_other_than};
use crate::auth::flow::token_request::{self, TokenRequest};
use crate::auth::flow::trigger::{Current, Origin, Start, Trigger};
use crate::auth::flow::{adjust, dpop_policy, enterprise, issuer_check, limits, refresh, workload};
use crate::auth::grant::{GrantConfig, GrantType};
use crate::auth::net::http::Http;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery::{self, AuthorizationServer, Preference, ProtectedResource};
use crate::auth::oauth::dpop::{Prover, Proving};
use crate::auth::oauth::registration;
use crate::auth::oauth::scope::{Scopes, Wishes, choose};
use crate::auth::oauth::token_endpoint::{self, JWT_BEARER, TokenSet};
use crate::auth::settings::Settings;
use crate::auth::store::credential_store::CredentialStore;
use crate::auth::store::record::TokenRecord;
use crate::random;
use crate::secret::Secret;
use crate::store::Expected;

/// Obtains a record: a stored one, or one that is requested now.
pub(in crate::auth) async fn obtain(
    context: &Context,
    start: Start<'_>,
) -> Result<(TokenRecord, Origin), Cause> {
    let Context {
        settings, store, ..
    } = context;
    let why = start.why;
    let held = start.held.as_ref();
    let mut lock = store.lock().await?;
    if let Some(record) = already_there(context, why, held).await? {
        return Ok((record, Origin::Stored));
    }
    if let Some(refused) = &start.refused
        && refused.covers(why, context.now())
    {
        return Err(Cause::RefusedRecently(Arc::clone(&refused.cause)));
    }
    let record = match start.id_tokens {
        None => request(context, why, None).await?,
        Some(id_tokens) => {
            // The user may have to sign in there, and no other process's token waits for that.
            drop(lock);
            let id_token = id_tokens(None).await?;
            lock = store.lock().await?;
            if let Some(record) = already_there(context, why, held).await? {
                return Ok((record, Origin::Stored));
            }
            match request(context, why, Some(&id_token.token)).await {
                Err(Cause::Unattended(UnattendedError::Provider(error)))
                    if error.is_about_user() =>
                {
                    drop(lock);
                    let newer = id_tokens(Some(id_token)).await?;
                    lock = store.lock().await?;
                    request(context, why, Some(&newer.token)).await?
                }
                outcome => outcome?,
            }
        }
    };
    let name = record.name(settings);
    store.save(&name, &record, Expected::Anything).await;
    store.supersede(&name, &record.issuer).await;
    drop(lock);
    tracing::info!(issuer = %record.issuer, by = record.grant.name(), "a token was granted");
    // Who is behind an assertion cannot be told; a client is the same client.
    let origin = match settings.grant {
        GrantConfig::ClientCredentials if held.is_some() => Origin::Refreshed,
        _ => Origin::SignedIn,
    };
    Ok((record, origin))
}

/// Returns the result of another process.
async fn already_there(
    context: &Context,
    why: &Trigger,
    held: Option<&Current>,
) -> Result<Option<TokenRecord>, Cause> {
    let Some(entry) = context.store.stored().await?.map(|stored| stored.entry) else {
        return Ok(None);
    };
    let now = context.now();
    let serves = match why {
        Trigger::Requested(_) => false,
        Trigger::Expiring => !entry.is_due(now) && is_other(&entry, held),
        Trigger::Challenged { challenge, .. } => {
            is_other_than(why, &entry) && is_enough(challenge, &entry)
        }
    };
    Ok((serves && !entry.has_expired(now)).then_some(entry))
}

/// Requests a token: as the last time, or after the server was asked whom to ask.
async fn request(
    context: &Context,
    why: &Trigger,
    id_token: Option<&Secret>,
) -> Result<TokenRecord, Cause> {
    if context.leaving.is_cancelled() {
        return Err(Cause::Leaving);
    }
    let before = context.store.stored().await?.map(|stored| stored.entry);
    match (why, before) {
        (Trigger::Expiring, Some(before)) => repeat(context, before, id_token).await,
        (Trigger::Expiring, None) => Err(Cause::NoUser),
        (Trigger::Challenged { challenge, .. } | Trigger::Requested(challenge), before) => {
            request_anew(context, why, challenge, before, id_token).await
        }
    }
}

/// Requests a token as the last time, without looking again whom to ask: a server that moved refuses, and is looked for
/// then.
async fn repeat(
    context: &Context,
    mut record: TokenRecord,
    id_token: Option<&Secret>,
) -> Result<TokenRecord, Cause> {
    let Context {
        settings,
        http,
        store,
        hints,
        ..
    } = context;
    record.client = refresh::current(&record, settings);
    let prover = dpop_policy::prover_of(hints, &record);
    // What was bound stays bound.
    let proof = dpop_policy::proving(settings, prover.as_ref()).map(|proof| Proving {
        insists: true,
        ..proof
    });
    let request = TokenRequest {
        endpoint: token_request::endpoint(
            http,
            settings,
            &record.token_endpoint,
            &record.client,
            record.resource_sent.as_deref(),
            proof,
        ),
        issuer: &record.issuer,
        scope: record.scope_requested.as_ref(),
        id_token,
        is_requested: false,
    };
    let sent_at = context.now();
    let tokens = send(http, settings, store, &request).await?;
    record.renew(tokens, sent_at, random::fraction());
    record.refresh = None;
    Ok(record)
}

/// Requests a token after discovery: the first steps of the chain in `sign_in`, then the grant.
async fn request_anew(
    context: &Context,
    why: &Trigger,
    challenge: &Challenge,
    before: Option<TokenRecord>,
    id_token: Option<&Secret>,
) -> Result<TokenRecord, Cause> {
    let Context {
        settings,
        http,
        store,
        ..
    } = context;
    let named = challenge.resource_metadata.as_deref();
    let resource = discovery::protected_resource(http, &settings.url, named).await?;
    let last = issuer_check::last_used(store, settings).await?;
    let server = discover(http, settings, &resource, last.issuer()).await?;
    issuer_check::may_be_used(store, settings, why, &last, &resource, &server).await?;
    let guess = server.is_assumed().then(|| resource.oddity());
    let record = request_at(
        context, why, challenge, before, id_token, &resource, &server,
    );
    Box::pin(record).await.map_err(|why| match guess {
        Some(said) => why.into_guess(challenge, said, &settings.keys),
        None => why,
    })
}

async fn request_at(
    context: &Context,
    why: &Trigger,
    challenge: &Challenge,
    before: Option<TokenRecord>,
    id_token: Option<&Secret>,
    resource: &ProtectedResource,
    server: &AuthorizationServer,
) -> Result<TokenRecord, Cause> {
    let settings = &*context.settings;
    let before = before.filter(|record| record.issuer == server.issuer());
    let before = before.as_ref();
    let client = select_client(&context.store, settings, server).await?;
    let challenged = challenge.scope.as_deref().map(Scopes::parse);
    // Without `server`: these grants have no use for a refresh token.
    let scope = choose(&Wishes {
        step_up: challenge.wants_more_scope(),
        pinned: settings.scope.as_ref(),
        challenge: challenged.as_ref(),
        resource: resource.scopes(),
        before: before.and_then(|record| record.scope_requested.as_ref()),
        server: None,
    });
    limits::may_request_grant(
        why,
        challenge,
        server,
        before,
        scope.as_ref(),
        context.now(),
    )?;
    let named = challenged.as_ref().or(resource.scopes());
    let mut attempt = Attempt {
        name: "",
        is_requested: why.is_requested(),
        resource,
        server,
        scope,
        uses_dpop: dpop_policy::is_wanted(settings, challenge, resource, server, before)?,
        previous: Previous::new(before, named),
    };
    let prover = dpop_policy::new_prover(&context.hints, attempt.uses_dpop)?;
    loop {
        let sent = request_once(context, &attempt, &client, prover.as_ref(), id_token).await;
        let error = match sent {
            Ok(record) => return Ok(record),
            Err(error) => error,
        };
        if !adjust_request(settings, challenge, &mut attempt, &error) {
            return Err(error);
        }
        tracing::info!(%error, "asking once more, otherwise");
    }
}

async fn request_once(
    context: &Context,
    attempt: &Attempt<'_>,
    client: &Client,
    prover: Option<&Prover>,
    id_token: Option<&Secret>,
) -> Result<TokenRecord, Cause> {
    let Context {
        settings,
        http,
        store,
        ..
    } = context;
    let server = attempt.server;
    let resource = attempt.resource_parameter(settings);
    let request = TokenRequest {
        endpoint: token_request::endpoint(
            http,
            settings,
            server.token_endpoint(),
            client,
            resource.as_deref(),
            dpop_policy::proving(settings, prover),
        ),
        issuer: server.issuer(),
        scope: attempt.scope.as_ref(),
        id_token,
        is_requested: attempt.is_requested,
    };
    let sent_at = context.now();
    let tokens = NewTokens {
        server,
        client: client.clone(),
        scope: attempt.scope.as_ref(),
        tokens: send(http, settings, store, &request).await?,
        prover,
        resource_sent: resource,
        sent_at,
    };
    let mut record = tokens.into_record(settings, &attempt.previous);
    record.refresh = None;
    Ok(record)
}

/// Changes the next request as a refusal wants it, and says whether there is a change. Only what spends nothing is
/// requested twice.
fn adjust_request(
    settings: &Settings,
    challenge: &Challenge,
    attempt: &mut Attempt<'_>,
    error: &Cause,
) -> bool {
    let Cause::Unattended(UnattendedError::Refused {
        by: GrantType::ClientCredentials,
        error: token_endpoint::Error::Refused {
            code, description, ..
        },
    }) = error
    else {
        return false;
    };
    if adjust::is_of_resource(settings, code, description.as_deref())
        && attempt.resource_parameter(settings).is_some()
    {
        attempt.previous.learned.refuses_resource = true;
    } else if code == "invalid_scope"
        && adjust::may_leave_out_scope(settings, attempt.scope.as_ref())
        && !challenge.wants_more_scope()
    {
        attempt.scope = None;
    } else {
        return false;
    }
    true
}

async fn discover(
    http: &Http,
    settings: &Settings,
    resource: &ProtectedResource,
    held: Option<&str>,
) -> Result<AuthorizationServer, Cause> {
    let fixed = settings.authorization_server.as_deref();
    if let Some(endpoint) = &settings.token_endpoint {
        let issuer = settings.expected_issuer.as_deref().or(fixed);
        return Ok(discovery::known(http, endpoint, issuer)?);
    }
    let preference = Preference {
        fixed,
        held,
        expected: settings.expected_issuer.as_deref(),
        pkce: false,
    };
    Ok(discovery::authorization_server(http, resource, preference).await?)
}

/// Returns the client for this server; there is no registration for these grants.
async fn select_client(
    store: &CredentialStore,
    settings: &Settings,
    server: &AuthorizationServer,
) -> Result<Client, Cause> {
    let is_workload = matches!(settings.grant, GrantConfig::Workload(_));
    match registration::known(server, settings)? {
        Some(client) => {
            if client.source == ClientSource::Given {
                store.belongs_there(Some(&client.id), server).await?;
            }
            Ok(client)
        }
        None if is_workload => {
            store.belongs_there(None, server).await?;
            Ok(Client::anonymous())
        }
        None => Err(UnattendedError::NoClient {
            host: server.host(),
        }
        .into()),
    }
}

/// Sends one request of the configured grant.
async fn send(
    http: &Http,
    settings: &Settings,
    store: &CredentialStore,
    request: &TokenRequest<'_>,
) -> Result<TokenSet, Cause> {
    let endpoint = &request.endpoint;
    let by = settings.grant.kind();
    let granted = match &settings.grant {
        GrantConfig::User => return Err(Cause::NoUser),
        GrantConfig::ClientCredentials => {
            endpoint
                .grant("client_credentials", &[], request.scope)
                .await
        }
        GrantConfig::Workload(assertions) => {
            return workload::request_token(store, assertions, request).await;
        }
        GrantConfig::Enterprise(provider) => {
            let (grant, user) =
                enterprise::exchange_id_token(http, settings, provider, request).await?;
            let granted = endpoint
                .grant(JWT_BEARER, &[("assertion", &grant)], request.scope)
                .await;
            granted.map(|tokens| TokenSet { user, ..tokens })
        }
    };
    granted.map_err(
        |error| match registration::not_taken(endpoint.client, &error) {
            Some(error) if by == GrantType::ClientCredentials => error.into(),
            _ => Cause::refused_grant(by, error),
        },
    )
}
