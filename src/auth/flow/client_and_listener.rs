//! Which client we are at a server, and where we listen under its name.
//!
//! A registration is reused as long as its redirect URI can be listened on again and the server still knows it; otherwise
//! there is a new one. What the user brought for one issuer does not go to another.

use std::time::Duration;

use oauth2::CsrfToken;
use url::Url;

use crate::auth::Cause;
use crate::auth::client::{Client, ClientSource};
use crate::auth::flow::attempt::Attempt;
use crate::auth::flow::context::Context;
use crate::auth::net::http::{self, Http, host_of};
use crate::auth::net::loopback::{ListenAddress, Loopback};
use crate::auth::oauth::authorization_code::{self, AuthorizationRequest};
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::registration::{self, FIXED_PATH, Registered};
use crate::auth::settings::Settings;
use crate::auth::store::record::ClientRecord;
use crate::secret::Secret;

/// A client with the listener of its redirect.
pub(in crate::auth) struct ClientAndListener {
    pub(in crate::auth) client: Client,
    pub(in crate::auth) listener: Loopback,
}

/// Returns the client for this authorization server, and a listener that may be named to it: the client that the user or a
/// metadata document names, else the stored registration, else a new one.
pub(in crate::auth) async fn select(
    context: &Context,
    attempt: &Attempt<'_>,
    resource: Option<&str>,
) -> Result<ClientAndListener, Cause> {
    let (settings, store, server) = (&*context.settings, &context.store, attempt.server);
    let learned = &attempt.previous.learned;
    if let Some(mut client) = registration::known(server, settings)? {
        if client.source == ClientSource::Given {
            store.belongs_there(Some(&client.id), server).await?;
        }
        learned.correct(&mut client);
        let address = listen_address(settings, server, Some(FIXED_PATH), None);
        let listener = listen(context, &address).await?;
        return Ok(ClientAndListener { client, listener });
    }
    let name = ClientRecord::name(server.issuer(), settings);
    if let Some(stored) = store.registration(&name).await?
        && let Some(found) = reuse(context, attempt, resource, stored).await?
    {
        return Ok(found);
    }
    if settings.registration_token.is_some() {
        store.belongs_there(None, server).await?;
    }
    let (mut registered, listener) = register_and_listen(context, server).await?;
    learned.correct(&mut registered.client);
    let record = ClientRecord {
        client: registered.client.clone(),
        redirect_uri: listener.uri().to_owned(),
        expires_at: registered.expires_at,
        known_at: context.now(),
    };
    store.save_registration(&name, &record).await;
    Ok(ClientAndListener {
        client: registered.client,
        listener,
    })
}

/// Returns the stored client, if its redirect URI can be listened on again and the server still knows the client.
async fn reuse(
    context: &Context,
    attempt: &Attempt<'_>,
    resource: Option<&str>,
    stored: ClientRecord,
) -> Result<Option<ClientAndListener>, Cause> {
    let Context {
        settings,
        status,
        late_callbacks,
        tasks,
        ..
    } = context;
    let server = attempt.server;
    let redirect_uri = Url::parse(&stored.redirect_uri).ok();
    let address = listen_address(settings, server, None, redirect_uri.as_ref());
    let listener = late_callbacks
        .open(&address, status, tasks, &settings.now)
        .await;
    let listener = match listener {
        Ok(listener) if listener.uri() == stored.redirect_uri => listener,
        _ => return Ok(None),
    };
    let request = AuthorizationRequest {
        server,
        client: &stored.client,
        redirect_uri: listener.uri(),
        resource,
        scope: attempt.scope.as_ref(),
        key: None,
        prompt: None,
    };
    let is_trusted =
        !attempt.previous.is_client_doubted && is_trusted(stored.known_at, context.now());
    if is_trusted || !is_forgotten(&context.http, settings, &request).await? {
        let client = stored.client;
        return Ok(Some(ClientAndListener { client, listener }));
    }
    tracing::info!(host = server.host(), "the registration is lost there");
    Ok(None)
}

/// Registers a client with the redirect URI of a new listener; under the name `localhost`, where the server does not take
/// the address and the user has fixed neither.
async fn register_and_listen(
    context: &Context,
    server: &AuthorizationServer,
) -> Result<(Registered, Loopback), Cause> {
    let settings = &*context.settings;
    let address = listen_address(settings, server, None, None);
    let listener = listen(context, &address).await?;
    let registered = Box::pin(register(context, server, settings, listener.uri())).await;
    let is_free = settings.callback_host.is_none() && settings.redirect_uri.is_none();
    match registered {
        Err(error) if error.is_about_address() && is_free && address.host != "localhost" => {
            drop(listener);
            let address = ListenAddress {
                host: "localhost".to_owned(),
                ..address
            };
            let listener = listen(context, &address).await?;
            let again = Box::pin(register(context, server, settings, listener.uri())).await;
            // The first refusal says more, if it was not the name that was at fault.
            Ok((again.map_err(|_| error)?, listener))
        }
        registered => Ok((registered?, listener)),
    }
}

/// Registers us, unless the server has asked for patience and the time is not over. A short while is waited for; a long
/// one is kept, so that no process asks before it is over, and is said.
pub(in crate::auth) async fn register(
    context: &Context,
    server: &AuthorizationServer,
    settings: &Settings,
    redirect_uri: &str,
) -> Result<Registered, registration::Error> {
    let now = || context.now();
    let name = format!("patience {}", server.issuer());
    if let Ok(Some(note)) = context.store.vault().side_file(&name).await
        && let Ok(until) = note.trim().parse::<u64>()
        && (now()..=now() + LONGEST_PATIENCE).contains(&until)
        && until > now()
    {
        return Err(too_many(server, until - now()).into());
    }
    let mut registered =
        registration::register(&context.http, server, settings, redirect_uri).await;
    if let Some(wait) = wanted_patience(&registered)
        && wait <= SHORT_PATIENCE
    {
        tracing::info!(seconds = wait, "the authorization server asks for patience");
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(wait)) => {}
            () = context.leaving.cancelled() => return registered,
        }
        registered = registration::register(&context.http, server, settings, redirect_uri).await;
    }
    if let Some(wait) = wanted_patience(&registered) {
        let until = now() + wait.min(LONGEST_PATIENCE);
        if let Err(why) = context
            .store
            .vault()
            .write_side_file(&name, &until.to_string())
            .await
        {
            tracing::debug!(%why, "other processes will not know that patience was asked for");
        }
    }
    registered
}

/// Says whether the server has honoured a registration so lately that it is not asked after.
fn is_trusted(known_at: u64, now: u64) -> bool {
    (known_at..known_at.saturating_add(TRUSTED)).contains(&now)
}

/// Says whether the server has lost a registration of ours.
async fn is_forgotten(
    http: &Http,
    settings: &Settings,
    request: &AuthorizationRequest<'_>,
) -> Result<bool, Cause> {
    // What is looked at is not the page that will be shown: its state and verifier are thrown away.
    let state = Secret::new(CsrfToken::new_random_len(32).into_secret());
    let page = authorization_code::begin(request, settings, state)?;
    http.check(page.url())?;
    Ok(registration::is_forgotten(http, page.url(), request.redirect_uri).await)
}

async fn listen(context: &Context, address: &ListenAddress) -> Result<Loopback, Cause> {
    context
        .late_callbacks
        .open(
            address,
            &context.status,
            &context.tasks,
            &context.settings.now,
        )
        .await
        .map_err(|error| Cause::Listener {
            place: format!("{}:{}", address.host, address.port),
            error,
        })
}

/// Chooses where to listen: as the user says, else as the stored registration says, else anywhere, under a path that
/// cannot be guessed unless `fixed` has to be it.
fn listen_address(
    settings: &Settings,
    server: &AuthorizationServer,
    fixed: Option<&str>,
    registered: Option<&Url>,
) -> ListenAddress {
    let announced = settings.redirect_uri.as_deref();
    let parsed = announced.and_then(|uri| Url::parse(uri).ok());
    let pattern = parsed.as_ref().or(registered);
    let host = settings
        .callback_host
        .clone()
        .or_else(|| {
            known_quirks(server.issuer())
                .callback_host
                .map(str::to_owned)
        })
        .or_else(|| {
            registered?
                .host_str()
                .map(|host| host.trim_matches(['[', ']']).to_owned())
        });
    let path = settings
        .callback_path
        .as_deref()
        .or(pattern.map(Url::path))
        .or(fixed)
        .map_or_else(unguessable_path, str::to_owned);
    let port = settings.callback_port.or(pattern.and_then(Url::port));
    ListenAddress {
        host: host.unwrap_or_else(|| "127.0.0.1".to_owned()),
        port: port.unwrap_or(0),
        path,
        announced: announced.map(str::to_owned),
        onward: settings.success_url.clone(),
        lifetime: settings.auth_timeout.saturating_add(AFTERWARDS),
    }
}

/// Returns the seconds for which a server that takes no more registrations now (HTTP 429) wants no request.
fn wanted_patience(registered: &Result<Registered, registration::Error>) -> Option<u64> {
    match registered {
        Err(registration::Error::Http(http::Error::Unavailable {
            status: 429,
            retry_after,
            ..
        })) => Some(retry_after.map_or(UNSAID_PATIENCE, |wait| wait.as_secs())),
        _ => None,
    }
}

fn too_many(server: &AuthorizationServer, seconds: u64) -> http::Error {
    http::Error::Unavailable {
        host: server
            .registration_endpoint()
            .map_or_else(|| server.host(), host_of),
        status: 429,
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

/// Seconds that are waited for at once.
const SHORT_PATIENCE: u64 = 10;
/// Seconds a server is left alone that does not say for how long.
const UNSAID_PATIENCE: u64 = 30;
/// Seconds a server is left alone at most.
const LONGEST_PATIENCE: u64 = 3600;
/// Seconds in which a registration the server has honoured is not asked after.
const TRUSTED: u64 = 600;
/// The time in which a browser that has signed in may come again.
const AFTERWARDS: Duration = Duration::from_secs(60);

fn unguessable_path() -> String {
    format!("/cb/{}", CsrfToken::new_random_len(16).into_secret())
}
