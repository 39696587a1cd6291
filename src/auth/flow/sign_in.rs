//! One attempt at a sign-in, by the process that holds the sign-in lock: the chain of evidence from the challenge to the
//! tokens, and the outcome that is left in the status of the sign-in.
//!
//! Each step returns a value that only its module makes, and the next step needs that value. [`run`] and [`sign_in_at`]
//! show the steps in order:
//!
//! 1. the protected resource (RFC 9728);
//! 2. its authorization server (RFC 8414), which is the one of the last sign-in or accepted by the user;
//! 3. the scopes, and the limits on asking the user again;
//! 4. a code typed on another device (RFC 8628), where that is the way: `device` ends the chain then;
//! 5. the client, with the listener of its redirect;
//! 6. the authorization code, with `state` and `iss` verified;
//! 7. the tokens, and their record.
//!
//! `coordinate` decides which process signs in. Grants without a user leave before all this: `unattended` takes steps 1
//! to 3, and requests its tokens in the place of the others. A refresh takes none of them: `stored_refresh`.
//!
//! MCP 2026-07-28, basic/authorization, "Authorization Server Binding". `tests/login` and `tests/coordination` have the
//! tests.

use crate::auth::Cause;
use crate::auth::flow::attempt::Attempt;
use crate::auth::flow::browser_flow::BrowserSignIn;
use crate::auth::flow::callback::Unfinished;
use crate::auth::flow::client_and_listener::ClientAndListener;
use crate::auth::flow::context::Context;
use crate::auth::flow::previous::Previous;
use crate::auth::flow::sign_in_status::attempt_name;
use crate::auth::flow::status_record::{FailedAttempt, Phase, StatusRecord};
use crate::auth::flow::trigger::{Origin, Trigger};
use crate::auth::flow::{device, dpop_policy, issuer_check, limits};
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery::{self, AuthorizationServer, Preference, ProtectedResource};
use crate::auth::oauth::scope::{Scopes, Wishes, choose};
use crate::auth::settings::Settings;
use crate::auth::store::record::TokenRecord;
use crate::store::VaultLock;

/// Obtains tokens for the user: asks the server where to sign in, then signs in there.
async fn run(
    context: &Context,
    attempt: &str,
    why: &Trigger,
    challenge: &Challenge,
    before: Option<TokenRecord>,
) -> Result<TokenRecord, Cause> {
    let resource = protected_resource(context, challenge).await?;
    let server = authorization_server(context, why, &resource).await?;
    let guess = server.is_assumed().then(|| resource.oddity());
    let record = sign_in_at(context, attempt, why, challenge, before, &resource, &server);
    Box::pin(record).await.map_err(|why| match guess {
        Some(said) => why.into_guess(challenge, said, &context.settings.keys),
        None => why,
    })
}

async fn sign_in_at(
    context: &Context,
    attempt: &str,
    why: &Trigger,
    challenge: &Challenge,
    before: Option<TokenRecord>,
    resource: &ProtectedResource,
    server: &AuthorizationServer,
) -> Result<TokenRecord, Cause> {
    let (settings, status) = (&*context.settings, &*context.status);
    // The scopes and refusals of another issuer say nothing about this one (SEP-2352).
    let before = before.filter(|record| record.issuer == server.issuer());
    let before = before.as_ref();
    let scope = scope(settings, challenge, resource, server, before);
    if !why.is_requested() {
        limits::may_sign_in(status, why, server, before, scope.as_ref(), context.now()).await?;
    }
    let attempt = Attempt {
        name: attempt,
        is_requested: why.is_requested(),
        resource,
        server,
        scope,
        uses_dpop: dpop_policy::is_wanted(settings, challenge, resource, server, before)?,
        previous: previous(why, challenge, resource, before),
    };
    if device::is_wanted(settings, server)?
        && let Some(record) = device::run(context, &attempt).await?
    {
        return Ok(record);
    }
    let mut browser = BrowserSignIn::begin(context, attempt).await?;
    loop {
        let client = browser.select_client().await?;
        let asked = client.client.clone();
        match sign_in_with(&mut browser, client).await {
            Ok(record) => return Ok(record),
            Err(unfinished) => browser.adjust(&asked, unfinished).await?,
        }
    }
}

/// Has the user sign in with this client: the code, the tokens for it, and their record in the vault.
async fn sign_in_with(
    browser: &mut BrowserSignIn<'_>,
    client: ClientAndListener,
) -> Result<TokenRecord, Unfinished> {
    let mut authorized = browser.authorize(client).await?;
    let record = browser.redeem(&mut authorized).await?;
    Ok(browser.save(authorized, record).await)
}

/// Returns the resource as its metadata describes it. A provider that users sign in to for its own sake is no resource.
async fn protected_resource(
    context: &Context,
    challenge: &Challenge,
) -> Result<ProtectedResource, Cause> {
    let Settings {
        url,
        resource,
        authorization_server,
        ..
    } = &*context.settings;
    if authorization_server.as_ref() == Some(resource) {
        return Ok(ProtectedResource::unsaid(url));
    }
    let named = challenge.resource_metadata.as_deref();
    Ok(discovery::protected_resource(&context.http, url, named).await?)
}

/// Returns the authorization server that the resource names, if it may be used after the last one.
async fn authorization_server(
    context: &Context,
    why: &Trigger,
    resource: &ProtectedResource,
) -> Result<AuthorizationServer, Cause> {
    let Context {
        settings,
        http,
        store,
        ..
    } = context;
    let last = issuer_check::last_used(store, settings).await?;
    let preference = Preference {
        fixed: settings.authorization_server.as_deref(),
        held: last.issuer(),
        expected: settings.expected_issuer.as_deref(),
        pkce: !settings.assume_pkce,
    };
    let server = discovery::authorization_server(http, resource, preference).await?;
    issuer_check::may_be_used(store, settings, why, &last, resource, &server).await?;
    Ok(server)
}

fn scope(
    settings: &Settings,
    challenge: &Challenge,
    resource: &ProtectedResource,
    server: &AuthorizationServer,
    before: Option<&TokenRecord>,
) -> Option<Scopes> {
    let challenged = challenge.scope.as_deref().map(Scopes::parse);
    choose(&Wishes {
        step_up: challenge.wants_more_scope(),
        pinned: settings.scope.as_ref(),
        challenge: challenged.as_ref(),
        resource: resource.scopes(),
        before: before.and_then(|record| record.scope_requested.as_ref()),
        server: server.scopes(),
    })
}

fn previous(
    why: &Trigger,
    challenge: &Challenge,
    resource: &ProtectedResource,
    before: Option<&TokenRecord>,
) -> Previous {
    let challenged = challenge.scope.as_deref().map(Scopes::parse);
    let named = challenged.as_ref().or(resource.scopes());
    Previous {
        // A token that this client was given is turned down: the authorization server may have lost the client as well.
        is_client_doubted: before.is_some_and(|before| limits::is_turned_down(why, before)),
        ..Previous::new(before, named)
    }
}

/// Signs in, with the sign-in lock held, and leaves the outcome in the status of the sign-in.
pub(in crate::auth) async fn sign_in(
    context: &Context,
    _lock: VaultLock,
    why: &Trigger,
    challenge: &Challenge,
    before: Option<TokenRecord>,
) -> Result<(TokenRecord, Origin), Cause> {
    let status = &*context.status;
    let mut record = status.record().await;
    if !why.is_requested()
        && let Some(ended) = record.abandoned(status.tried(), context.now())
    {
        return Err(Cause::Abandoned(ended.cause().into()));
    }
    let attempt = attempt_name();
    record.attempt.clone_from(&attempt);
    record.phase = Phase::Started;
    status.write(&record).await;
    let outcome = run(context, &attempt, why, challenge, before).await;
    leave_outcome(context, &attempt, &outcome).await;
    outcome.map(|record| (record, Origin::SignedIn))
}

async fn leave_outcome(context: &Context, attempt: &str, outcome: &Result<TokenRecord, Cause>) {
    let status = &*context.status;
    let is_saved = context.store.unsaved().is_none();
    let now = context.now();
    let resource = context.settings.canonical_resource();
    let edit = |record: &mut StatusRecord| match outcome {
        Ok(_) if is_saved => record.succeed(status.tried(), now),
        Ok(_) => {
            let ended = FailedAttempt {
                text: "signed in, but the tokens could not be kept".to_owned(),
                hint: None,
                is_passing: false,
            };
            record.fail(ended, false, status.tried(), now);
        }
        Err(Cause::Leaving | Cause::TakenOver) => record.phase = Phase::Idle,
        Err(why) => {
            let ended = FailedAttempt {
                text: why.to_string(),
                hint: why.hint(&resource),
                is_passing: why.is_passing(),
            };
            // The user said no, or was not there, or another program meddled.
            let is_abandoned = matches!(
                why.bare(),
                Cause::Denied { .. }
                    | Cause::TooLate { .. }
                    | Cause::ForeignAnswer { .. }
                    | Cause::OpenedTwice { .. }
            );
            record.fail(ended, is_abandoned, status.tried(), now);
        }
    };
    status.update(attempt, edit).await;
}
