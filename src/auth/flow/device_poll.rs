//! The polling for the tokens of a device code (RFC 8628 sections 3.4 and 3.5).
//!
//! `oauth2` keeps to the server's pace; this file keeps to the time that the user has, and changes the form of the
//! request where the server refuses it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::http::StatusCode;
use futures_util::future::BoxFuture;
use oauth2::{
    AsyncHttpClient, DeviceCodeErrorResponseType, HttpRequest, HttpResponse, RequestTokenError,
    StandardDeviceAuthorizationResponse, TokenUrl,
};
use serde_json::json;

use crate::auth::Cause;
use crate::auth::flow::adjust;
use crate::auth::net::http::{self, host_of, time_is_up};
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::oauth::oauth2_adapter;
use crate::auth::oauth::token_endpoint::{self, Endpoint};
use crate::auth::oauth::token_response::{
    MAX_POLL_INTERVAL, MIN_POLL_INTERVAL, code_of, number, read_object, unavailable, whole_seconds,
};
use crate::auth::settings::Settings;
use crate::auth::text_limits::{MAX_CODE, MAX_DESCRIPTION};
use crate::text::plain;

/// Longer than any code is good.
const NEVER: Duration = Duration::from_secs(7 * 24 * 3600);
/// The time that the last poll may take.
const LAST_POLL: Duration = Duration::from_secs(2);

/// TokenPoll, and goes on in another way where the server refuses how the request is put: that spends nothing. Tells
/// whether `resource` was sent with the request that brought the tokens.
pub(in crate::auth) async fn run(
    settings: &Settings,
    endpoint: &Endpoint<'_>,
    details: &StandardDeviceAuthorizationResponse,
    server: &AuthorizationServer,
) -> Result<(token_endpoint::TokenSet, bool), Cause> {
    let mut shown = vec![endpoint.client.clone()];
    let mut resource = endpoint.resource;
    let budget = Budget::new(details.expires_in().min(settings.auth_timeout));
    loop {
        let client = shown.last().unwrap_or(endpoint.client);
        let endpoint = Endpoint {
            client,
            resource,
            ..*endpoint
        };
        let denied = match poll(&endpoint, details, server, &budget).await {
            Ok(tokens) => return Ok((tokens, resource.is_some())),
            Err(denied @ Cause::Denied { .. }) => denied,
            Err(why) => return Err(why),
        };
        let Some((code, description)) = denied.refusal() else {
            return Err(denied);
        };
        let next = client.after_refusal(code, description);
        let next = next.filter(|next| shown.iter().all(|it| !it.authenticates_as(next)));
        let is_of_resource = adjust::is_of_resource(settings, code, description);
        match next {
            Some(next) => shown.push(next),
            None if is_of_resource && resource.is_some() => resource = None,
            None => return Err(denied),
        }
    }
}

async fn poll(
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
    let poll_client = TokenPoll { endpoint, budget };
    // Not by the wall clock, which goes on while this process stands still: the budget counts what is spent.
    let pause = |pause| budget.pause(pause);
    let answer = request
        .request_async(&poll_client, pause, Some(NEVER))
        .await;
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
                code: plain(code.as_ref(), MAX_CODE),
                description: refusal
                    .error_description()
                    .map(|text| plain(text, MAX_DESCRIPTION)),
            },
        }),
        Err(RequestTokenError::Request(fault)) => Err(fault.into()),
        Err(_) => Err(endpoint.unusable("the answer").into()),
    }
}

/// Token answers made regular, except for the one word that only polling knows.
struct TokenPoll<'a> {
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

impl TokenPoll<'_> {
    /// TokenPoll once, and gives up when the user's time is over.
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

impl<'c> AsyncHttpClient<'c> for TokenPoll<'_> {
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
