//! The sign-in on another device: a short code, typed into a page that is open anywhere else (RFC 8628).
//!
//! For where no page can be shown and no browser can come back. `oauth2` makes the requests and keeps to the server's
//! pace; they go through our client, and a code is asked for only under the sign-in's lock, so that one process polls.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::http::StatusCode;
use futures_util::future::BoxFuture;
use oauth2::{
    AsyncHttpClient, DeviceAuthorizationUrl, DeviceCodeErrorResponseType, HttpRequest,
    HttpResponse, RequestTokenError, Scope, StandardDeviceAuthorizationResponse, TokenUrl,
};
use serde_json::json;
use url::Url;

use crate::auth::Cause;
use crate::auth::client::{Client, Source};
use crate::auth::flow::previous::Past;
use crate::auth::flow::status_record::Shown;
use crate::auth::net::http::{self, Http, host_of, time_is_up};
use crate::auth::oauth::client_auth::proved;
use crate::auth::oauth::discovery::{self, AuthorizationServer, ProtectedResource};
use crate::auth::oauth::oauth2_adapter;
use crate::auth::oauth::observed_quirks::Adjustment;
use crate::auth::oauth::registration;
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_endpoint::{self, ClientAuthAttempts, Endpoint};
use crate::auth::oauth::token_response::{
    MAX_POLL_INTERVAL, MIN_POLL_INTERVAL, code_of, normalize_device, number, read_object,
    unavailable, whole_seconds,
};
use crate::auth::settings::{Browser, Settings};
use crate::auth::shared::Shared;
use crate::auth::store::record::{ClientRecord, TokenRecord};
use crate::store::{EntryKind, Expected};
use crate::text::plain;

/// Longer than any code is good.
const NEVER: Duration = Duration::from_secs(7 * 24 * 3600);

impl Shared {
    /// Says whether the sign-in at this server is by device code: the user says so, or no page can be shown and the
    /// server has it.
    ///
    /// # Errors
    /// The user wants it and the server has none.
    pub(in crate::auth) fn is_by_device(
        &self,
        server: &AuthorizationServer,
    ) -> Result<bool, Cause> {
        let is_offered = server.device_endpoint().is_some();
        if self.settings.device_code && !is_offered {
            return Err(discovery::Error::BadEndpoint {
                issuer: plain(server.issuer(), 200),
                name: "device_authorization_endpoint",
            }
            .into());
        }
        Ok(self.settings.device_code || is_offered && self.settings.browser == Browser::Nowhere)
    }

    /// Has the user type a code on another device, and keeps what comes of it. `None` if the server gives no code to
    /// us.
    pub(in crate::auth) async fn ask_by_device(
        &self,
        attempt: &str,
        resource: &ProtectedResource,
        server: &AuthorizationServer,
        scope: Option<&Scopes>,
        past: &Past,
    ) -> Result<Option<TokenRecord>, Cause> {
        let Some(at) = server.device_endpoint() else {
            return Ok(None);
        };
        let mut sent = self.resource_parameter(resource, server, past.learned());
        let was_sent = sent.is_some();
        let mut is_registered_anew = false;
        let (client, details) = loop {
            let (name, mut client) = self.device_client(server).await?;
            past.learned().correct(&mut client);
            match self.code(at, &client, sent.as_deref(), scope).await {
                Ok((details, client)) => break (client, details),
                Err(error)
                    if error.is_about_client()
                        && client.source == Source::Registered
                        && !is_registered_anew =>
                {
                    is_registered_anew = true;
                    self.store.vault().remove(&name).await?;
                }
                Err(error) if sent.is_some() && self.is_of_resource(&error) => {
                    tracing::info!(%error, "asking once more, without the resource parameter");
                    sent = None;
                }
                Err(
                    error @ (token_endpoint::Error::Refused { .. }
                    | token_endpoint::Error::Unusable { .. }),
                ) if !self.settings.device_code => {
                    tracing::info!(%error, "no device code; asking with a page");
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        };
        let page = shown_page(&details);
        self.http.check(&page)?;
        let shown = Shown {
            url: page.to_string(),
            host: server.host(),
            user_code: Some(plain(details.user_code().secret(), 40)),
            opened: false,
            code_good_until: Some(
                self.settings
                    .now
                    .seconds()
                    .saturating_add(details.expires_in().as_secs()),
            ),
        };
        self.status.show(attempt, shown).await;
        let sent_at = self.settings.now.seconds();
        let prover = self.new_prover(past.binds())?;
        let endpoint = Endpoint {
            http: &self.http,
            url: server.token_endpoint(),
            client: &client,
            resource: sent.as_deref(),
            extra: &self.settings.token_params,
            use_id_token: self.settings.use_id_token,
            proof: self.proving(prover.as_ref()),
        };
        let (tokens, is_with_resource) = tokio::select! {
            tokens = self.poll_in_each_way(&endpoint, &details, server) => tokens?,
            () = self.leaving.cancelled() => return Err(Cause::Leaving),
            () = self.status.superseded(attempt) => return Err(Cause::TakenOver),
        };
        let key = tokens.bound_by(prover.as_ref());
        let mut entry = self.entry(server, client, scope, tokens, sent_at, past);
        entry.dpop_key = key;
        entry.resource_sent = sent.filter(|_| is_with_resource);
        entry.learned.refuses_resource |= was_sent && entry.resource_sent.is_none();
        self.keep(&entry).await;
        self.find_out_user(server, &mut entry).await;
        self.signed_in(&entry).await;
        Ok(Some(entry))
    }

    /// Polls, and goes on in another way where the server refuses how the request is put: that spends nothing. Tells
    /// whether `resource` was sent with the request that brought the tokens.
    async fn poll_in_each_way(
        &self,
        endpoint: &Endpoint<'_>,
        details: &StandardDeviceAuthorizationResponse,
        server: &AuthorizationServer,
    ) -> Result<(token_endpoint::TokenSet, bool), Cause> {
        let mut shown = vec![endpoint.client.clone()];
        let mut resource = endpoint.resource;
        let budget = Budget::new(details.expires_in().min(self.settings.auth_timeout));
        loop {
            let client = shown.last().unwrap_or(endpoint.client);
            let endpoint = Endpoint {
                client,
                resource,
                ..*endpoint
            };
            let denied = match self.poll(&endpoint, details, server, &budget).await {
                Ok(tokens) => return Ok((tokens, resource.is_some())),
                Err(denied @ Cause::Denied { .. }) => denied,
                Err(why) => return Err(why),
            };
            let Some((code, description)) = denied.refusal() else {
                return Err(denied);
            };
            let next = client.after_refusal(code, description);
            let next = next.filter(|next| shown.iter().all(|it| !it.authenticates_as(next)));
            let is_of_resource = Adjustment::of(code, description) == Some(Adjustment::NoResource)
                && self.settings.resource_parameter.is_none()
                && self.settings.send_resource.is_none();
            match next {
                Some(next) => shown.push(next),
                None if is_of_resource && resource.is_some() => resource = None,
                None => return Err(denied),
            }
        }
    }

    async fn poll(
        &self,
        endpoint: &Endpoint<'_>,
        details: &StandardDeviceAuthorizationResponse,
        server: &AuthorizationServer,
        budget: &Budget,
    ) -> Result<token_endpoint::TokenSet, Cause> {
        let wire = oauth2_adapter::client(endpoint.client)
            .set_token_uri(TokenUrl::from_url(endpoint.url.clone()));
        let mut request = wire
            .exchange_device_access_token(details)
            .set_max_backoff_interval(Duration::from_secs(MAX_POLL_INTERVAL));
        for (name, value) in endpoint.parameters() {
            request = request.add_extra_param(name, value);
        }
        let polls = Polls { endpoint, budget };
        // Not by the wall clock, which goes on while this process stands still: the budget counts what is spent.
        let pause = |pause| budget.pause(pause);
        let answer = request.request_async(&polls, pause, Some(NEVER)).await;
        let host = server.host();
        let too_late = || Cause::TooLate {
            host: server.host(),
            seconds: budget.whole.as_secs(),
        };
        match answer {
            Ok(tokens) => Ok(endpoint.take(&tokens)?),
            Err(RequestTokenError::ServerResponse(refusal)) => Err(match refusal.error() {
                DeviceCodeErrorResponseType::ExpiredToken => too_late(),
                code => Cause::Denied {
                    host,
                    code: plain(code.as_ref(), 100),
                    description: refusal.error_description().map(|text| plain(text, 300)),
                },
            }),
            Err(RequestTokenError::Request(fault)) => Err(fault.into()),
            Err(_) => Err(endpoint.unusable("the answer").into()),
        }
    }

    /// Asks for a code; with it the client as the server has taken it.
    async fn code(
        &self,
        at: &Url,
        client: &Client,
        resource: Option<&str>,
        scope: Option<&Scopes>,
    ) -> Result<(StandardDeviceAuthorizationResponse, Client), token_endpoint::Error> {
        let mut attempts = ClientAuthAttempts::of(client);
        loop {
            let client = attempts.next().clone();
            let answer = self.code_once(at, &client, resource, scope).await;
            if let Some(answer) = attempts.after(answer) {
                return answer.map(|details| (details, client));
            }
        }
    }

    async fn code_once(
        &self,
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
        let adapter = Plain {
            http: &self.http,
            url: at,
            client,
        };
        let host = host_of(at);
        match request.request_async(&adapter).await {
            Ok(details) => Ok(details),
            Err(RequestTokenError::Request(fault)) => Err(fault.into()),
            Err(RequestTokenError::ServerResponse(refusal)) => {
                Err(token_endpoint::Error::Refused {
                    host,
                    code: plain(refusal.error().as_ref(), 100),
                    description: refusal.error_description().map(|text| plain(text, 300)),
                })
            }
            Err(_) => Err(token_endpoint::Error::Unusable {
                host,
                why: "the device code",
                successor: None,
            }),
        }
    }

    /// Returns the client that we are there, and the name of the registration if it is one: not the browser's, which
    /// may not do this.
    async fn device_client(&self, server: &AuthorizationServer) -> Result<(String, Client), Cause> {
        let mut settings = Settings::clone(&self.settings);
        settings
            .client_metadata
            .entry("grant_types")
            .or_insert_with(|| json!(["authorization_code", "refresh_token", DEVICE_CODE]));
        let name = ClientRecord::name(server.issuer(), &settings);
        if let Some(client) = registration::known(server, &self.settings)? {
            if client.source == Source::Given {
                self.store.belongs_there(Some(&client.id), server).await?;
            }
            return Ok((name, client));
        }
        if let Some(kept) = self.store.registration(&name).await? {
            return Ok((name, kept.client));
        }
        if self.settings.registration_token.is_some() {
            self.store.belongs_there(None, server).await?;
        }
        let client = self
            .registered_for_devices(server, &settings, &name)
            .await?;
        Ok((name, client))
    }

    async fn registered_for_devices(
        &self,
        server: &AuthorizationServer,
        settings: &Settings,
        name: &str,
    ) -> Result<Client, Cause> {
        // Never visited, but a registration without one is refused.
        let mut redirect_uri = "http://127.0.0.1/oauth/callback";
        let registered = match self.registered(server, settings, redirect_uri).await {
            Err(error) if error.is_about_address() => {
                redirect_uri = "http://localhost/oauth/callback";
                let again = self.registered(server, settings, redirect_uri).await;
                again.map_err(|_| error)?
            }
            registered => registered?,
        };
        let kept = ClientRecord {
            client: registered.client,
            redirect_uri: redirect_uri.to_owned(),
            expires_at: registered.expires_at,
            known_at: self.settings.now.seconds(),
        };
        let (kind, content) = (EntryKind::ClientRegistration, kept.write());
        if let Err(why) = self
            .store
            .vault()
            .put(name, kind, &content, Expected::Anything)
            .await
        {
            tracing::warn!(%why, "the registration cannot be kept");
        }
        Ok(kept.client)
    }
}

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The time that the last poll may take.
const LAST_POLL: Duration = Duration::from_secs(2);

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
struct Plain<'a> {
    http: &'a Http,
    url: &'a Url,
    client: &'a Client,
}

impl<'c> AsyncHttpClient<'c> for Plain<'_> {
    type Error = http::Error;
    type Future = BoxFuture<'c, Result<HttpResponse, http::Error>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = proved(self.client, body)?;
            let answer = self.http.post(self.url, head.headers, body).await?;
            let (status, value) = normalize_device(&answer, self.url)?;
            Ok(oauth2_adapter::response(
                status,
                value.to_string().into_bytes(),
            ))
        })
    }
}

/// Token answers made regular, except for the one word that only polling knows.
struct Polls<'a> {
    endpoint: &'a Endpoint<'a>,
    budget: &'a Budget,
}

/// The time that the user may take, over all polls: the time of this process, not of a clock that goes on while it
/// stands still.
struct Budget {
    whole: Duration,
    spent: Mutex<Duration>,
    /// The shortest pause that an answer has asked for since the first.
    shortest: Mutex<Duration>,
}

impl Budget {
    fn new(whole: Duration) -> Self {
        Self {
            whole,
            spent: Mutex::default(),
            shortest: Mutex::new(Duration::from_secs(MIN_POLL_INTERVAL)),
        }
    }

    fn left(&self) -> Duration {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        self.whole.saturating_sub(*spent)
    }

    fn spend(&self, time: Duration) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        *spent = spent.saturating_add(time);
    }

    /// Takes an interval, in seconds, for the shortest from now on.
    fn slow_down(&self, interval: Option<f64>) {
        let Some(seconds) = interval else { return };
        let seconds = whole_seconds(seconds).clamp(MIN_POLL_INTERVAL, MAX_POLL_INTERVAL);
        let mut shortest = self.shortest.lock().unwrap_or_else(PoisonError::into_inner);
        *shortest = shortest.max(Duration::from_secs(seconds));
    }

    /// Waits as long as the server wants, within bounds, and no longer than the user has.
    async fn pause(&self, wanted: Duration) {
        let shortest = *self.shortest.lock().unwrap_or_else(PoisonError::into_inner);
        let bounded = wanted.clamp(shortest, Duration::from_secs(MAX_POLL_INTERVAL));
        let pause = bounded.min(self.left());
        tokio::time::sleep(pause).await;
        self.spend(pause);
    }

    fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

impl Polls<'_> {
    /// Polls once, and gives up when the user's time is over.
    async fn poll_in_time(&self, request: HttpRequest) -> Result<HttpResponse, http::Error> {
        // The last one has what an answer takes that is on its way.
        let patience = self.budget.left().max(LAST_POLL);
        let begun = tokio::time::Instant::now();
        let polled = tokio::select! {
            biased;
            polled = self.poll(request) => polled,
            () = time_is_up(patience) => Err(http::Error::Unreachable {
                host: host_of(self.endpoint.url),
                why: format!("no answer within {} s", patience.as_secs()),
            }),
        };
        self.budget.spend(begun.elapsed().min(patience));
        polled
    }

    async fn poll(&self, request: HttpRequest) -> Result<HttpResponse, http::Error> {
        let (head, body) = request.into_parts();
        let endpoint = self.endpoint;
        let answer = endpoint.post(head.headers, body).await?;
        // What stands in the way of one poll is gone at the next.
        if matches!(answer.status, 400 | 401) && read_object(&answer).is_none() {
            return Err(unavailable(&answer, endpoint.url));
        }
        if code_of(&answer).as_deref() == Some("slow_down") {
            // GitHub says in the same answer how slow.
            let said = read_object(&answer);
            let interval = said.as_ref().and_then(|said| number(said.get("interval")?));
            self.budget.slow_down(interval);
            return Ok(refusal("slow_down"));
        }
        endpoint.normalize(&answer)
    }
}

/// Says whether the answer is that the user is not done yet.
fn is_to_go_on(answer: &HttpResponse) -> bool {
    let said: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let code = said.get("error").and_then(serde_json::Value::as_str);
    matches!(code, Some("authorization_pending" | "slow_down"))
}

fn refusal(code: &str) -> HttpResponse {
    let body = json!({ "error": code }).to_string();
    oauth2_adapter::response(StatusCode::BAD_REQUEST, body.into_bytes())
}

impl<'c> AsyncHttpClient<'c> for Polls<'_> {
    type Error = http::Error;
    type Future = BoxFuture<'c, Result<HttpResponse, http::Error>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let is_last = self.budget.is_over();
            match self.poll_in_time(request).await {
                Ok(answer) if !is_last || answer.status().is_success() => Ok(answer),
                Err(fault) if !is_last => Err(fault),
                Ok(answer) if !is_to_go_on(&answer) => Ok(answer),
                _ => Ok(refusal("expired_token")),
            }
        })
    }
}
