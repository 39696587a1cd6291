//! The sign-in by a person: listener, registration, request, browser, answer, tokens.
//!
//! The listener is open before anything is registered or shown, because its address is in both (see
//! [`crate::auth::flow::client_and_listener`]).

use std::time::Duration;

use oauth2::CsrfToken;
use url::Url;

use crate::auth::Cause;
use crate::auth::client::{Client, Source};
use crate::auth::flow::client_and_listener::Identity;
use crate::auth::flow::previous::Past;
use crate::auth::flow::status_record::Shown;
use crate::auth::net::browser;
use crate::auth::net::http::time_is_up;
use crate::auth::net::loopback::{CallbackPage, CallbackRequest, Loopback, StartLink};
use crate::auth::notice::Notice;
use crate::auth::oauth::authorization_code::{
    self, AuthorizationRequest, Callback, PendingAuthorization, VerifiedCode,
};
use crate::auth::oauth::discovery::{AuthorizationServer, ProtectedResource};
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::observed_quirks::{Adjustment, ObservedQuirks};
use crate::auth::oauth::prompt::Prompts;
use crate::auth::oauth::registration;
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_endpoint::{self, Endpoint, TokenSet};
use crate::auth::settings::{Pasted, SelectAccount, Settings};
use crate::auth::shared::Shared;
use crate::auth::store::record::{TokenRecord, TokenState};
use crate::random;
use crate::secret::Secret;
use crate::store::Expected;

impl Shared {
    /// Has a person sign in, and keeps what comes of it. What a refusal teaches is put right and asked again, each
    /// once: a registration the server has forgotten is made anew, a scope it does not know is left out, and so is the
    /// `resource` it does not want. It is asked in the window that is open: its page still waits to be
    /// told how the sign-in ended, and is sent to the authorization server once more.
    pub(in crate::auth) async fn browser_sign_in(
        &self,
        attempt: &str,
        resource: &ProtectedResource,
        server: &AuthorizationServer,
        scope: Option<Scopes>,
        is_told: bool,
        mut past: Past,
    ) -> Result<TokenRecord, Cause> {
        authorization_code::supports_pkce(server, &self.settings)?;
        let mut scope = scope;
        let mut is_registered_anew = false;
        let mut window = None;
        let issuer = server.issuer();
        let is_second = self.has_other_account(issuer).await;
        let mut prompts = Prompts::new(server, &self.settings, scope.as_ref(), is_second);
        let mut is_choice_missed = is_second
            && self.settings.select_account == SelectAccount::Auto
            && !self.settings.authorizes_with("prompt");
        if is_choice_missed && !prompts.selects() {
            is_choice_missed = false;
            self.tell_no_choice(server, false);
        }
        loop {
            let sent = self.resource_parameter(resource, server, &past.learned);
            let identity = match self
                .identity(server, sent.as_deref(), scope.as_ref(), &past)
                .await
            {
                Ok(identity) => identity,
                Err(why) => {
                    answer(window, CallbackPage::Failed);
                    return Err(why);
                }
            };
            let client = identity.client.clone();
            let asked = Asked {
                sent: sent.as_deref(),
                scope: scope.as_ref(),
                prompt: prompts.value(),
                window,
            };
            let Ended { why, request } = match self
                .one_request(attempt, server, identity, asked, &past)
                .await
            {
                Ok(entry) => return Ok(entry),
                Err(ended) => ended,
            };
            let may_ask_again =
                is_told || request.as_ref().is_some_and(CallbackRequest::is_waiting);
            let lesson = why
                .refusal()
                .filter(|_| may_ask_again)
                .and_then(|(code, description)| {
                    if matches!(code, "invalid_client" | "unauthorized_client") {
                        let is_ours = client.source == Source::Registered;
                        (is_ours && !is_registered_anew).then_some(Repair::Register)
                    } else if code == "invalid_scope" {
                        (scope.is_some() && self.settings.scope.is_none())
                            .then_some(Repair::LeaveOutScope)
                    } else if Adjustment::of(code, description) == Some(Adjustment::NoResource)
                        && sent.is_some()
                        && !past.learned.refuses_resource
                        && self.settings.resource_parameter.is_none()
                        && self.settings.send_resource.is_none()
                    {
                        Some(Repair::LeaveOutResource)
                    } else {
                        prompts
                            .refused(code, description)
                            .then_some(Repair::OtherPrompt)
                    }
                });
            match lesson {
                Some(Repair::Register) => {
                    is_registered_anew = true;
                    self.store
                        .forget_registration(server.issuer(), &client)
                        .await;
                }
                Some(Repair::LeaveOutScope) => scope = None,
                Some(Repair::OtherPrompt) => {
                    if is_choice_missed && !prompts.selects() {
                        is_choice_missed = false;
                        self.tell_no_choice(server, true);
                    }
                }
                Some(Repair::LeaveOutResource) => past.learned.refuses_resource = true,
                None => {
                    answer(request, CallbackPage::Failed);
                    // What the server has forgotten is of no use to the next attempt either.
                    let is_about_client = why.refusal().is_some_and(|(code, _)| {
                        matches!(code, "invalid_client" | "unauthorized_client")
                    });
                    if is_about_client && !is_registered_anew {
                        self.store
                            .forget_registration(server.issuer(), &client)
                            .await;
                    }
                    if let Cause::Tokens(error) = &why
                        && let Some(error) = registration::not_taken(&client, error)
                    {
                        return Err(error.into());
                    }
                    return Err(why);
                }
            }
            tracing::info!(%why, "asking once more, otherwise");
            window = request;
        }
    }

    async fn one_request(
        &self,
        attempt: &str,
        server: &AuthorizationServer,
        identity: Identity,
        asked: Asked<'_>,
        past: &Past,
    ) -> Result<TokenRecord, Ended> {
        let Identity {
            client,
            mut listener,
        } = identity;
        let Asked {
            sent,
            scope,
            prompt,
            window,
        } = asked;
        let prover = self.new_prover(past.binds)?;
        let key = prover.as_ref().map(|prover| prover.key().thumbprint());
        let asking = AuthorizationRequest {
            server,
            client: &client,
            redirect_uri: listener.uri(),
            resource: sent,
            scope,
            key: key.as_deref(),
            prompt,
        };
        let state = Secret::new(CsrfToken::new_random_len(32).into_secret());
        let pending = authorization_code::begin(&asking, &self.settings, state)?;
        self.http.check(pending.url()).map_err(Cause::from)?;
        tracing::info!(host = server.host(), "waiting for a sign-in");
        let start = listener.start().cloned();
        let page = match &start {
            Some(start) => {
                start.leads_to(pending.url().clone());
                start.url()
            }
            None => pending.url(),
        };
        match window {
            // By way of the start page: this request may be answered at another address than the one before.
            Some(request) => request.answer(CallbackPage::Again(page.clone())),
            None => self.show_page(attempt, server, page, &pending).await,
        }
        let redirected = self.answer(attempt, &mut listener, &pending, server);
        let (redirected, request) = redirected.await?;
        let endpoint = Endpoint {
            http: &self.http,
            url: server.token_endpoint(),
            client: &client,
            resource: sent,
            extra: &self.settings.token_params,
            use_id_token: self.settings.use_id_token,
            proof: self.proving(prover.as_ref()),
        };
        let sent_at = self.settings.now.seconds();
        let (tokens, is_with_resource) = match self.redeemed(&redirected, &endpoint).await {
            Ok(redeemed) => redeemed,
            Err(error) => {
                let why = error.into();
                return Err(Ended { why, request });
            }
        };
        if start.as_ref().is_some_and(StartLink::is_contested) {
            let why = contested(server);
            return Err(Ended { why, request });
        }
        if let Some(start) = &start {
            start.finish();
        }
        let key = tokens.bound_by(prover.as_ref());
        let mut entry = self.entry(server, client, scope, tokens, sent_at, past);
        entry.dpop_key = key;
        entry.learned.refuses_resource |= sent.is_some() && !is_with_resource;
        entry.resource_sent = sent.filter(|_| is_with_resource).map(str::to_owned);
        self.keep(&entry).await;
        self.store
            .confirm_registration(&entry, listener.uri())
            .await;
        if entry.refresh.is_none() && entry.expires_at.is_some() {
            let host = server.host();
            tracing::warn!(
                host,
                "no refresh token was given: when this token ends, a person has to sign in again"
            );
        }
        let is_seen = request.as_ref().is_none_or(|request| !request.is_prefetch);
        answer(request, CallbackPage::SignedIn);
        self.late_callbacks
            .linger(
                &self.status,
                self.settings.now.seconds(),
                attempt,
                listener,
                pending,
                is_seen,
            )
            .await;
        self.find_out_user(server, &mut entry).await;
        self.signed_in(&entry).await;
        Ok(entry)
    }

    /// Shows the user where to go: the start page, and nothing that another reader could sign in with.
    async fn show_page(
        &self,
        attempt: &str,
        server: &AuthorizationServer,
        page: &Url,
        pending: &PendingAuthorization,
    ) {
        let Settings {
            browser,
            browser_environment,
            announce,
            ..
        } = &*self.settings;
        let opened = browser::show(browser, browser_environment, page).await;
        let shown = Shown {
            url: page.to_string(),
            host: server.host(),
            user_code: None,
            opened,
            code_good_until: None,
        };
        self.status.show(attempt, shown).await;
        if !opened && self.settings.pasted.is_some() {
            // Only what is pasted counts from wherever this one is opened.
            announce.tell(&Notice::Elsewhere {
                request: pending.url().as_str(),
                is_tied: page != pending.url(),
            });
        }
    }

    /// Spends the code, once more without `resource` where that is what is refused: the user is not asked twice for it. With the
    /// tokens, whether it was sent for them.
    async fn redeemed(
        &self,
        redirected: &VerifiedCode,
        endpoint: &Endpoint<'_>,
    ) -> Result<(TokenSet, bool), token_endpoint::Error> {
        let error = match redirected.redeem(endpoint).await {
            Ok(tokens) => return Ok((tokens, endpoint.resource.is_some())),
            Err(error) => error,
        };
        if endpoint.resource.is_none() || !self.is_of_resource(&error) {
            return Err(error);
        }
        tracing::info!(%error, "spending the code without the resource parameter");
        let without = Endpoint {
            resource: None,
            ..*endpoint
        };
        match redirected.redeem(&without).await {
            Ok(tokens) => Ok((tokens, false)),
            Err(_) => Err(error),
        }
    }

    /// Says whether a refusal is of the `resource` parameter, by its words, and the user does not insist on it.
    pub(in crate::auth) fn is_of_resource(&self, error: &token_endpoint::Error) -> bool {
        let Settings {
            resource_parameter,
            send_resource,
            ..
        } = &*self.settings;
        let is_ours_to_say = resource_parameter.is_none() && send_resource.is_none();
        is_ours_to_say && error.adjustment() == Some(Adjustment::NoResource)
    }

    fn tell_no_choice(&self, server: &AuthorizationServer, is_refused: bool) {
        self.settings.announce.tell(&Notice::NoChoice {
            host: &server.host(),
            is_refused,
        });
    }

    /// Waits for the answer; everybody else who calls is turned away and forgotten: another page of this machine must
    /// not be able to end the sign-in.
    async fn answer(
        &self,
        attempt: &str,
        listener: &mut Loopback,
        pending: &PendingAuthorization,
        server: &AuthorizationServer,
    ) -> Result<(VerifiedCode, Option<CallbackRequest>), Ended> {
        let patience = self.settings.auth_timeout;
        let end = time_is_up(patience);
        let superseded = self.status.superseded(attempt);
        let start = listener.start().cloned();
        let second = StartLink::contested(start.as_ref());
        tokio::pin!(end, superseded, second);
        let pasted = self.settings.pasted.as_ref();
        loop {
            let (callback, request) = tokio::select! {
                // What has come is looked at before the clock.
                biased;
                () = &mut second => return Err(contested(server).into()),
                request = listener.next_request() => (pending.verify(&request.parameters), Some(request)),
                line = Pasted::next(pasted) => (pending.verify_pasted(&line), None),
                () = self.leaving.cancelled() => return Err(Cause::Leaving.into()),
                () = &mut superseded => return Err(Cause::TakenOver.into()),
                () = &mut end => {
                    let (host, seconds) = (server.host(), patience.as_secs());
                    return Err(Cause::TooLate { host, seconds }.into());
                }
            };
            let Some(request) = request else {
                match callback {
                    Callback::NotOurs => self.settings.announce.tell(&Notice::NotOurs),
                    Callback::Code(redirected) => return Ok((redirected, None)),
                    Callback::Failed(why) => return Err(why.into()),
                }
                continue;
            };
            match callback {
                Callback::NotOurs => request.answer(CallbackPage::NotOurs),
                _ if !request.is_from_opener && request.is_post => {
                    request.answer(CallbackPage::AsGet)
                }
                _ if !request.is_from_opener => {
                    tracing::info!(
                        "an answer came from a browser that did not begin the sign-in: it does not count"
                    );
                    request.answer(CallbackPage::OtherBrowser);
                }
                Callback::Code(redirected) => return Ok((redirected, Some(request))),
                Callback::Failed(why) => {
                    let (why, request) = (why.into(), Some(request));
                    return Err(Ended { why, request });
                }
            }
        }
    }

    /// The user's word, else the resource's own name byte for byte, else the canonical URI (RFC 8707); nothing where
    /// the server is known not to take it.
    pub(in crate::auth) fn resource_parameter(
        &self,
        resource: &ProtectedResource,
        server: &AuthorizationServer,
        learned: &ObservedQuirks,
    ) -> Option<String> {
        let Settings {
            resource_parameter,
            send_resource,
            ..
        } = &*self.settings;
        let takes_it = known_quirks(server.issuer()).takes_resource && !learned.refuses_resource
            || resource_parameter.is_some();
        send_resource.unwrap_or(takes_it).then(|| {
            resource_parameter
                .clone()
                .or_else(|| resource.name().map(str::to_owned))
                .unwrap_or_else(|| self.settings.canonical_resource())
        })
    }

    pub(in crate::auth) fn entry(
        &self,
        server: &AuthorizationServer,
        client: Client,
        scope: Option<&Scopes>,
        tokens: TokenSet,
        sent_at: u64,
        past: &Past,
    ) -> TokenRecord {
        let mut entry = TokenRecord {
            resource: self.settings.canonical_resource(),
            account: self.settings.account.clone(),
            issuer: server.issuer().to_owned(),
            token_endpoint: server.token_endpoint().clone(),
            revocation_endpoint: server.revocation_endpoint().cloned(),
            client,
            access: tokens.access.clone(),
            refresh: None,
            obtained_at: sent_at,
            expires_at: None,
            refresh_at: None,
            resource_sent: None,
            scope_requested: scope.cloned(),
            // What is not said was granted as asked (RFC 6749 section 5.1).
            scope_granted: scope.cloned(),
            state: TokenState::Ok,
            strikes: 0,
            last_error: None,
            scope_wanted: past.wanted.clone(),
            learned: past.learned.clone(),
            grant: self.settings.grant.kind(),
            dpop_key: None,
            issued_anew: vec![sent_at],
            signed_in_at: sent_at,
            authorization_origin: server.authorization_origin(),
            user: None,
            endpoint_origins: server.endpoint_origins(),
        };
        entry.renew(tokens, sent_at, random::fraction());
        entry
    }

    pub(in crate::auth) async fn keep(&self, entry: &TokenRecord) {
        // A process that stands still with the lock loses nothing by it: what it renews meanwhile is older than this, and
        // is not written over it.
        let lock = self.store.lock_within(UNSAVED_LIFETIME).await;
        if let Err(why) = &lock {
            tracing::warn!(%why, "keeping the tokens all the same");
        }
        let name = entry.name(&self.settings);
        self.store.save(&name, entry, Expected::Anything).await;
        self.store.supersede(&name, &entry.issuer).await;
    }
}

/// The time for which tokens that a user has waited for wait for another process.
const UNSAVED_LIFETIME: Duration = Duration::from_secs(10);

/// The parts of one authorization request.
struct Asked<'a> {
    /// The `resource` parameter, if one is sent.
    sent: Option<&'a str>,
    scope: Option<&'a Scopes>,
    prompt: Option<&'a str>,
    /// The visitor whose window is open already.
    window: Option<CallbackRequest>,
}

/// The change with which the authorization server is asked once more.
enum Repair {
    Register,
    LeaveOutScope,
    LeaveOutResource,
    OtherPrompt,
}

/// The end of a request without tokens, and the browser that still waits for a page.
struct Ended {
    why: Cause,
    request: Option<CallbackRequest>,
}

impl<C: Into<Cause>> From<C> for Ended {
    fn from(why: C) -> Self {
        Self {
            why: why.into(),
            request: None,
        }
    }
}

fn contested(server: &AuthorizationServer) -> Cause {
    Cause::OpenedTwice {
        host: server.host(),
    }
}

/// Answers the browser; a user who pasted the address sees no page.
fn answer(request: Option<CallbackRequest>, page: CallbackPage) {
    if let Some(request) = request {
        request.answer(page);
    }
}
