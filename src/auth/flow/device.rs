//! The sign-in on another device: a short code, typed into a page that is open anywhere else (RFC 8628).
//!
//! For where no page can be shown and no browser can come back. `oauth2` makes the requests and keeps to the server's
//! pace; they go through our client, and a code is asked for only under the sign-in's lock, so that one process polls.

use futures_util::future::BoxFuture;
use oauth2::{
    AsyncHttpClient, DeviceAuthorizationUrl, HttpRequest, HttpResponse, RequestTokenError, Scope,
    StandardDeviceAuthorizationResponse,
};
use serde_json::json;
use url::Url;

use crate::auth::Cause;
use crate::auth::client::{Client, ClientSource};
use crate::auth::flow::attempt::Attempt;
use crate::auth::flow::context::Context;
use crate::auth::flow::new_record::{self, NewTokens};
use crate::auth::flow::status_record::WaitingPage;
use crate::auth::flow::{
    adjust, client_and_listener, device_poll, dpop_policy, token_request, userinfo,
};
use crate::auth::net::http::{self, Http, host_of};
use crate::auth::oauth::client_auth::authenticated;
use crate::auth::oauth::discovery::{self, AuthorizationServer};
use crate::auth::oauth::oauth2_adapter;
use crate::auth::oauth::registration;
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_endpoint::{self, ClientAuthAttempts};
use crate::auth::oauth::token_response::normalize_device;
use crate::auth::settings::{Browser, Settings};
use crate::auth::store::record::{ClientRecord, TokenRecord};
use crate::auth::text_limits::{MAX_CODE, MAX_DESCRIPTION, MAX_NAME};
use crate::text::plain;

/// Says whether the sign-in at this server is by device code: the user says so, or no page can be shown and the
/// server has it.
///
/// # Errors
/// The user wants it and the server has none.
pub(in crate::auth) fn is_wanted(
    settings: &Settings,
    server: &AuthorizationServer,
) -> Result<bool, Cause> {
    let is_offered = server.device_endpoint().is_some();
    if settings.device_code && !is_offered {
        return Err(discovery::Error::BadEndpoint {
            issuer: plain(server.issuer(), MAX_NAME),
            name: "device_authorization_endpoint",
        }
        .into());
    }
    Ok(settings.device_code || is_offered && settings.browser == Browser::Nowhere)
}

/// Has the user type a code on another device, and stores the tokens. Returns `None` if the server gives this client no
/// code.
pub(in crate::auth) async fn run(
    context: &Context,
    attempt: &Attempt<'_>,
) -> Result<Option<TokenRecord>, Cause> {
    let Some(code) = request_code(context, attempt).await? else {
        return Ok(None);
    };
    show_code(context, attempt, &code.details).await?;
    let mut record = redeem(context, attempt, code).await?;
    let Context {
        settings,
        http,
        store,
        ..
    } = context;
    new_record::save(store, settings, &record).await;
    userinfo::find_out_user(http, store, attempt.server, &mut record).await;
    userinfo::announce_sign_in(settings, store.vault(), &record).await;
    Ok(Some(record))
}

/// A device code, with the request that brought it.
struct DeviceCode {
    details: StandardDeviceAuthorizationResponse,
    client: Client,
    /// The `resource` parameter of the request.
    resource: Option<String>,
    /// True if the first request had a `resource` parameter, which the server may have refused.
    was_resource_sent: bool,
}

/// Requests a device code: once more with a new registration where the server has forgotten the client, and once more
/// without `resource` where that is refused. Returns `None` if a page is to be shown instead.
async fn request_code(
    context: &Context,
    attempt: &Attempt<'_>,
) -> Result<Option<DeviceCode>, Cause> {
    let (settings, server) = (&context.settings, attempt.server);
    let learned = &attempt.previous.learned;
    let Some(at) = server.device_endpoint() else {
        return Ok(None);
    };
    let mut resource = attempt.resource_parameter(settings);
    let was_resource_sent = resource.is_some();
    let mut is_registered_anew = false;
    loop {
        let (name, mut client) = select_client(context, server).await?;
        learned.correct(&mut client);
        let scope = attempt.scope.as_ref();
        match code(&context.http, at, &client, resource.as_deref(), scope).await {
            Ok((details, client)) => {
                return Ok(Some(DeviceCode {
                    details,
                    client,
                    resource,
                    was_resource_sent,
                }));
            }
            Err(error)
                if error.is_about_client()
                    && client.source == ClientSource::Registered
                    && !is_registered_anew =>
            {
                is_registered_anew = true;
                context.store.vault().remove(&name).await?;
            }
            Err(error) if resource.is_some() && adjust::is_about_resource(settings, &error) => {
                tracing::info!(%error, "asking once more, without the resource parameter");
                resource = None;
            }
            Err(
                error @ (token_endpoint::Error::Refused { .. }
                | token_endpoint::Error::Unusable { .. }),
            ) if !settings.device_code => {
                tracing::info!(%error, "no device code; asking with a page");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn show_code(
    context: &Context,
    attempt: &Attempt<'_>,
    details: &StandardDeviceAuthorizationResponse,
) -> Result<(), Cause> {
    let page = shown_page(details);
    context.http.check(&page)?;
    let shown = WaitingPage {
        url: page.to_string(),
        host: attempt.server.host(),
        user_code: Some(plain(details.user_code().secret(), 40)),
        opened: false,
        code_good_until: Some(context.now().saturating_add(details.expires_in().as_secs())),
    };
    context.status.show(attempt.name, shown).await;
    Ok(())
}

/// Polls until the user has typed the code, and returns the record of the tokens.
async fn redeem(
    context: &Context,
    attempt: &Attempt<'_>,
    code: DeviceCode,
) -> Result<TokenRecord, Cause> {
    let (settings, server) = (&*context.settings, attempt.server);
    let sent_at = context.now();
    let prover = dpop_policy::new_prover(&context.hints, attempt.uses_dpop)?;
    let endpoint = token_request::endpoint(
        &context.http,
        settings,
        server.token_endpoint(),
        &code.client,
        code.resource.as_deref(),
        dpop_policy::proving(settings, prover.as_ref()),
    );
    let (tokens, is_with_resource) = tokio::select! {
        tokens = device_poll::run(settings, &endpoint, &code.details, server) => tokens?,
        () = context.leaving.cancelled() => return Err(Cause::Leaving),
        () = context.status.superseded(attempt.name) => return Err(Cause::TakenOver),
    };
    let tokens = NewTokens {
        server,
        client: code.client.clone(),
        scope: attempt.scope.as_ref(),
        tokens,
        prover: prover.as_ref(),
        resource_sent: code.resource.clone().filter(|_| is_with_resource),
        sent_at,
    };
    let mut record = tokens.into_record(settings, &attempt.previous);
    record.learned.refuses_resource |= code.was_resource_sent && record.resource_sent.is_none();
    Ok(record)
}

/// Asks for a code; with it the client as the server has taken it.
async fn code(
    http: &Http,
    at: &Url,
    client: &Client,
    resource: Option<&str>,
    scope: Option<&Scopes>,
) -> Result<(StandardDeviceAuthorizationResponse, Client), token_endpoint::Error> {
    let mut ways = ClientAuthAttempts::of(client);
    loop {
        let client = ways.next().clone();
        let answer = code_once(http, at, &client, resource, scope).await;
        if let Some(answer) = ways.after(answer) {
            return answer.map(|details| (details, client));
        }
    }
}

async fn code_once(
    http: &Http,
    at: &Url,
    client: &Client,
    resource: Option<&str>,
    scope: Option<&Scopes>,
) -> Result<StandardDeviceAuthorizationResponse, token_endpoint::Error> {
    let wire = oauth2_adapter::client(client)
        .set_device_authorization_url(DeviceAuthorizationUrl::from_url(at.clone()));
    let mut request = wire.exchange_device_code();
    if let Some(resource) = resource {
        request = request.add_extra_param("resource", resource.to_owned());
    }
    for scope in scope.iter().flat_map(|scopes| scopes.iter()) {
        request = request.add_scope(Scope::new(scope.to_owned()));
    }
    let adapter = CodeClient {
        http,
        url: at,
        client,
    };
    let host = host_of(at);
    match request.request_async(&adapter).await {
        Ok(details) => Ok(details),
        Err(RequestTokenError::Request(fault)) => Err(fault.into()),
        Err(RequestTokenError::ServerResponse(refusal)) => Err(token_endpoint::Error::Refused {
            host,
            code: plain(refusal.error().as_ref(), MAX_CODE),
            description: refusal
                .error_description()
                .map(|text| plain(text, MAX_DESCRIPTION)),
        }),
        Err(_) => Err(token_endpoint::Error::Unusable {
            host,
            why: "the device code",
            successor: None,
        }),
    }
}

/// Returns the client that we are there, and the name of the registration if it is one: not the browser's, which
/// may not do this.
async fn select_client(
    context: &Context,
    server: &AuthorizationServer,
) -> Result<(String, Client), Cause> {
    let mut settings = Settings::clone(&context.settings);
    settings
        .client_metadata
        .entry("grant_types")
        .or_insert_with(|| json!(["authorization_code", "refresh_token", DEVICE_CODE]));
    let name = ClientRecord::name(server.issuer(), &settings);
    if let Some(client) = registration::known(server, &context.settings)? {
        if client.source == ClientSource::Given {
            context
                .store
                .belongs_there(Some(&client.id), server)
                .await?;
        }
        return Ok((name, client));
    }
    if let Some(registered) = context.store.registration(&name).await? {
        return Ok((name, registered.client));
    }
    if context.settings.registration_token.is_some() {
        context.store.belongs_there(None, server).await?;
    }
    let client = register(context, server, &settings, &name).await?;
    Ok((name, client))
}

async fn register(
    context: &Context,
    server: &AuthorizationServer,
    settings: &Settings,
    name: &str,
) -> Result<Client, Cause> {
    // Never visited, but a registration without one is refused.
    let mut redirect_uri = "http://127.0.0.1/oauth/callback";
    let registered =
        match client_and_listener::register(context, server, settings, redirect_uri).await {
            Err(error) if error.is_about_address() => {
                redirect_uri = "http://localhost/oauth/callback";
                let again =
                    client_and_listener::register(context, server, settings, redirect_uri).await;
                again.map_err(|_| error)?
            }
            registered => registered?,
        };
    let registered = ClientRecord {
        client: registered.client,
        redirect_uri: redirect_uri.to_owned(),
        expires_at: registered.expires_at,
        known_at: context.now(),
    };
    context.store.save_registration(name, &registered).await;
    Ok(registered.client)
}

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The page that knows the code already, if it is on the same origin as the one to type it into.
fn shown_page(details: &StandardDeviceAuthorizationResponse) -> Url {
    let page = details.verification_uri().url();
    let complete = details
        .verification_uri_complete()
        .and_then(|complete| Url::parse(complete.secret()).ok());
    match complete {
        Some(complete) if complete.origin() == page.origin() => complete,
        _ => page.clone(),
    }
}

/// Answers of the device authorization endpoint, made regular.
struct CodeClient<'a> {
    http: &'a Http,
    url: &'a Url,
    client: &'a Client,
}

impl<'c> AsyncHttpClient<'c> for CodeClient<'_> {
    type Error = http::Error;
    type Future = BoxFuture<'c, Result<HttpResponse, http::Error>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let (headers, body) = authenticated(self.client, head.headers, &body)?;
            let answer = self.http.post(self.url, headers, body).await?;
            let (status, value) = normalize_device(&answer, self.url)?;
            Ok(oauth2_adapter::response(
                status,
                value.to_string().into_bytes(),
            ))
        })
    }
}
