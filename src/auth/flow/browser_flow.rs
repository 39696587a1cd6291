//! The sign-in in the user's browser: the authorization request, the callback, and the tokens for its code.
//!
//! The listener is open before anything is registered or shown, because its address is in both (see
//! [`crate::auth::flow::client_and_listener`]).

use oauth2::CsrfToken;
use url::Url;

use crate::auth::Cause;
use crate::auth::client::{Client, ClientSource};
use crate::auth::flow::attempt::Attempt;
use crate::auth::flow::callback::{self, Unfinished, contested};
use crate::auth::flow::client_and_listener::{self, ClientAndListener};
use crate::auth::flow::context::Context;
use crate::auth::flow::new_record::{self, NewTokens};
use crate::auth::flow::status_record::WaitingPage;
use crate::auth::flow::{adjust, dpop_policy, token_request, userinfo};
use crate::auth::net::browser;
use crate::auth::net::loopback::{CallbackPage, CallbackRequest, Loopback, StartLink};
use crate::auth::notice::Notice;
use crate::auth::oauth::authorization_code::{
    self, AuthorizationRequest, PendingAuthorization, VerifiedCode,
};
use crate::auth::oauth::dpop::Prover;
use crate::auth::oauth::prompt::Prompts;
use crate::auth::oauth::registration;
use crate::auth::oauth::token_endpoint::{self, Endpoint, TokenSet};
use crate::auth::settings::{SelectAccount, Settings};
use crate::auth::store::record::TokenRecord;
use crate::secret::Secret;

/// The sign-in of one attempt in the user's browser, over all its requests.
///
/// A refused request is changed and made once more, each change once: a registration that the server has forgotten is made
/// anew, a scope that it does not know is left out, and so is the `resource` parameter that it does not want. It is made in
/// the window that is open: the page in it still waits for the end of the sign-in, and is sent to the authorization
/// server once more.
pub(in crate::auth) struct BrowserSignIn<'a> {
    context: &'a Context,
    attempt: Attempt<'a>,
    prompts: Prompts,
    /// True while the user has a second account and has not been told that the server lets no account be chosen.
    is_choice_missed: bool,
    is_registered_anew: bool,
    /// The browser whose window is open already.
    window: Option<CallbackRequest>,
}

/// A verified authorization code, with the request that brought it.
pub(in crate::auth) struct Authorized {
    code: VerifiedCode,
    client: Client,
    resource: Option<String>,
    prover: Option<Prover>,
    pending: PendingAuthorization,
    listener: Loopback,
    /// The browser that waits for a page; `None` for an address that the user pasted.
    request: Option<CallbackRequest>,
}

/// The change with which the authorization server is asked once more.
enum Repair {
    Register,
    LeaveOutScope,
    LeaveOutResource,
    OtherPrompt,
}

impl<'a> BrowserSignIn<'a> {
    /// Begins a sign-in at a server that supports PKCE. Tells a user with a second account if the server lets no account
    /// be chosen.
    pub(in crate::auth) async fn begin(
        context: &'a Context,
        attempt: Attempt<'a>,
    ) -> Result<Self, Cause> {
        let (settings, server) = (&*context.settings, attempt.server);
        authorization_code::supports_pkce(server, settings)?;
        let vault = context.store.vault();
        let is_second = userinfo::has_other_account(settings, vault, server.issuer()).await;
        let prompts = Prompts::new(server, settings, attempt.scope.as_ref(), is_second);
        let mut sign_in = Self {
            context,
            attempt,
            prompts,
            is_choice_missed: is_second
                && settings.select_account == SelectAccount::Auto
                && !settings.authorizes_with("prompt"),
            is_registered_anew: false,
            window: None,
        };
        sign_in.tell_missed_choice(false);
        Ok(sign_in)
    }

    /// Returns the client at the authorization server, with the listener of its redirect.
    pub(in crate::auth) async fn select_client(&mut self) -> Result<ClientAndListener, Cause> {
        let resource = self.resource();
        let client =
            client_and_listener::select(self.context, &self.attempt, resource.as_deref()).await;
        if client.is_err() {
            answer(self.window.take(), CallbackPage::Failed);
        }
        client
    }

    /// Sends the user to the authorization server, and waits for the callback with the code.
    pub(in crate::auth) async fn authorize(
        &mut self,
        client: ClientAndListener,
    ) -> Result<Authorized, Unfinished> {
        let ClientAndListener {
            client,
            mut listener,
        } = client;
        let (context, server) = (self.context, self.attempt.server);
        let window = self.window.take();
        let resource = self.resource();
        let prover = dpop_policy::new_prover(&context.hints, self.attempt.uses_dpop)?;
        let key = prover.as_ref().map(|prover| prover.key().thumbprint());
        let request = AuthorizationRequest {
            server,
            client: &client,
            redirect_uri: listener.uri(),
            resource: resource.as_deref(),
            scope: self.attempt.scope.as_ref(),
            key: key.as_deref(),
            prompt: self.prompts.value(),
        };
        let state = Secret::new(CsrfToken::new_random_len(32).into_secret());
        let pending = authorization_code::begin(&request, &context.settings, state)?;
        context.http.check(pending.url()).map_err(Cause::from)?;
        tracing::info!(host = server.host(), "waiting for a sign-in");
        let page = match listener.start() {
            Some(start) => {
                start.leads_to(pending.url().clone());
                start.url()
            }
            None => pending.url(),
        };
        match window {
            // By way of the start page: this request may be answered at another address than the one before.
            Some(request) => request.answer(CallbackPage::Again(page.clone())),
            None => show_page(context, &self.attempt, page, &pending).await,
        }
        let (code, request) =
            callback::receive(context, &self.attempt, &mut listener, &pending).await?;
        Ok(Authorized {
            code,
            client,
            resource,
            prover,
            pending,
            listener,
            request,
        })
    }

    /// Spends the code, and returns the record of the tokens.
    pub(in crate::auth) async fn redeem(
        &self,
        authorized: &mut Authorized,
    ) -> Result<TokenRecord, Unfinished> {
        let Context { settings, http, .. } = self.context;
        let server = self.attempt.server;
        let prover = authorized.prover.as_ref();
        let resource = authorized.resource.as_deref();
        let endpoint = token_request::endpoint(
            http,
            settings,
            server.token_endpoint(),
            &authorized.client,
            resource,
            dpop_policy::proving(settings, prover),
        );
        let sent_at = self.context.now();
        let (tokens, is_with_resource) = match redeem(settings, &authorized.code, &endpoint).await {
            Ok(redeemed) => redeemed,
            Err(error) => {
                return Err(Unfinished {
                    why: error.into(),
                    request: authorized.request.take(),
                });
            }
        };
        let start = authorized.listener.start();
        if start.is_some_and(StartLink::is_contested) {
            return Err(Unfinished {
                why: contested(server),
                request: authorized.request.take(),
            });
        }
        if let Some(start) = start {
            start.finish();
        }
        let tokens = NewTokens {
            server,
            client: authorized.client.clone(),
            scope: self.attempt.scope.as_ref(),
            tokens,
            prover,
            resource_sent: resource.filter(|_| is_with_resource).map(str::to_owned),
            sent_at,
        };
        let mut record = tokens.into_record(settings, &self.attempt.previous);
        record.learned.refuses_resource |= resource.is_some() && !is_with_resource;
        Ok(record)
    }

    /// Stores the record, then answers the browser and tells the user.
    pub(in crate::auth) async fn save(
        &self,
        authorized: Authorized,
        mut record: TokenRecord,
    ) -> TokenRecord {
        let Context {
            settings,
            http,
            store,
            status,
            late_callbacks,
            ..
        } = self.context;
        let server = self.attempt.server;
        let Authorized {
            pending,
            listener,
            request,
            ..
        } = authorized;
        new_record::save(store, settings, &record).await;
        store.confirm_registration(&record, listener.uri()).await;
        if record.refresh.is_none() && record.expires_at.is_some() {
            let host = server.host();
            tracing::warn!(
                host,
                "no refresh token was given: when this token ends, a person has to sign in again"
            );
        }
        let is_seen = request.as_ref().is_none_or(|request| !request.is_prefetch);
        answer(request, CallbackPage::SignedIn);
        let (now, name) = (self.context.now(), self.attempt.name);
        late_callbacks
            .linger(status, now, name, listener, pending, is_seen)
            .await;
        userinfo::find_out_user(http, store, server, &mut record).await;
        userinfo::announce_sign_in(settings, store.vault(), &record).await;
        record
    }

    /// Changes the next request as the refusal of the last one wants it.
    ///
    /// # Errors
    /// The end of the sign-in, if no change is left that would help.
    pub(in crate::auth) async fn adjust(
        &mut self,
        client: &Client,
        unfinished: Unfinished,
    ) -> Result<(), Cause> {
        let Unfinished { why, request } = unfinished;
        let may_ask_again =
            self.attempt.is_requested || request.as_ref().is_some_and(CallbackRequest::is_waiting);
        let refusal = why.refusal().filter(|_| may_ask_again);
        match refusal.and_then(|(code, description)| self.repair(client, code, description)) {
            Some(Repair::Register) => {
                self.is_registered_anew = true;
                self.forget_registration(client).await;
            }
            Some(Repair::LeaveOutScope) => self.attempt.scope = None,
            Some(Repair::OtherPrompt) => self.tell_missed_choice(true),
            Some(Repair::LeaveOutResource) => self.attempt.previous.learned.refuses_resource = true,
            None => {
                answer(request, CallbackPage::Failed);
                return Err(self.end(client, why).await);
            }
        }
        tracing::info!(%why, "asking once more, otherwise");
        self.window = request;
        Ok(())
    }

    fn repair(&mut self, client: &Client, code: &str, description: Option<&str>) -> Option<Repair> {
        let settings = &self.context.settings;
        let Attempt {
            scope, previous, ..
        } = &self.attempt;
        if is_about_client(code) {
            let is_ours = client.source == ClientSource::Registered;
            (is_ours && !self.is_registered_anew).then_some(Repair::Register)
        } else if code == "invalid_scope" {
            adjust::may_leave_out_scope(settings, scope.as_ref()).then_some(Repair::LeaveOutScope)
        } else if adjust::is_of_resource(settings, code, description)
            && self.resource().is_some()
            && !previous.learned.refuses_resource
        {
            Some(Repair::LeaveOutResource)
        } else {
            self.prompts
                .refused(code, description)
                .then_some(Repair::OtherPrompt)
        }
    }

    /// Returns the reason for the end. A registration that the server has forgotten is of no use to the next attempt
    /// either.
    async fn end(&self, client: &Client, why: Cause) -> Cause {
        let refusal = why.refusal();
        if refusal.is_some_and(|(code, _)| is_about_client(code)) && !self.is_registered_anew {
            self.forget_registration(client).await;
        }
        if let Cause::Tokens(error) = &why
            && let Some(error) = registration::not_taken(client, error)
        {
            return error.into();
        }
        why
    }

    async fn forget_registration(&self, client: &Client) {
        let issuer = self.attempt.server.issuer();
        self.context.store.forget_registration(issuer, client).await;
    }

    fn resource(&self) -> Option<String> {
        self.attempt.resource_parameter(&self.context.settings)
    }

    /// Tells the user once that the server lets no account be chosen.
    fn tell_missed_choice(&mut self, is_refused: bool) {
        if self.is_choice_missed && !self.prompts.selects() {
            self.is_choice_missed = false;
            self.context.settings.announce.tell(&Notice::NoChoice {
                host: &self.attempt.server.host(),
                is_refused,
            });
        }
    }
}

/// Shows the user where to go: the start page, and nothing that another reader could sign in with.
async fn show_page(
    context: &Context,
    attempt: &Attempt<'_>,
    page: &Url,
    pending: &PendingAuthorization,
) {
    let Settings {
        browser,
        browser_environment,
        announce,
        pasted,
        ..
    } = &*context.settings;
    let opened = browser::show(browser, browser_environment, page).await;
    let shown = WaitingPage {
        url: page.to_string(),
        host: attempt.server.host(),
        user_code: None,
        opened,
        code_good_until: None,
    };
    context.status.show(attempt.name, shown).await;
    if !opened && pasted.is_some() {
        // Only what is pasted counts from wherever this one is opened.
        announce.tell(&Notice::Elsewhere {
            request: pending.url().as_str(),
            is_tied: page != pending.url(),
        });
    }
}

/// Spends the code, once more without `resource` where that is what is refused: the user is not asked twice for it. Returns
/// with the tokens if `resource` was sent for them.
async fn redeem(
    settings: &Settings,
    code: &VerifiedCode,
    endpoint: &Endpoint<'_>,
) -> Result<(TokenSet, bool), token_endpoint::Error> {
    let error = match code.redeem(endpoint).await {
        Ok(tokens) => return Ok((tokens, endpoint.resource.is_some())),
        Err(error) => error,
    };
    if endpoint.resource.is_none() || !adjust::is_about_resource(settings, &error) {
        return Err(error);
    }
    tracing::info!(%error, "spending the code without the resource parameter");
    let without = Endpoint {
        resource: None,
        ..*endpoint
    };
    match code.redeem(&without).await {
        Ok(tokens) => Ok((tokens, false)),
        Err(_) => Err(error),
    }
}

fn is_about_client(code: &str) -> bool {
    matches!(code, "invalid_client" | "unauthorized_client")
}

/// Answers the browser; a user who pasted the address sees no page.
fn answer(request: Option<CallbackRequest>, page: CallbackPage) {
    if let Some(request) = request {
        request.answer(page);
    }
}
