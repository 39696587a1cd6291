//! The sign-in by a person: listener, registration, request, browser, answer, tokens.
//!
//! The listener is open before anything is registered or shown, because its address is in both. A registration is
//! reused as long as its redirect URI can be listened on again; otherwise there is a new one.

use oauth2::CsrfToken;
use url::Url;

use super::Cause;
use super::authorizer::House;
use super::browser;
use super::code::{self, Asking, Pending, Redirected, Verdict};
use super::discovery::{AuthorizationServer, ProtectedResource};
use super::entry::{Entry, Registration, State};
use super::ladder::jitter;
use super::loopback::{Loopback, Page, Place, Visit};
use super::progress::Shown;
use super::providers::quirks;
use super::registration::{self, Client, Source};
use super::scope::Scopes;
use super::settings::{Notice, Settings};
use super::tokens::{Endpoint, TokenSet};
use crate::secret::Secret;
use crate::store::{Expected, Kind};

/// Who we are, and where we listen under that name.
struct Identity {
    client: Client,
    listener: Loopback,
}

impl House {
    /// Has a person sign in, and keeps what comes of it. A registration the server has forgotten is made anew, once;
    /// a scope it does not know is left out, once.
    pub(super) async fn ask_a_person(
        &self,
        attempt: &str,
        resource: &ProtectedResource,
        server: &AuthorizationServer,
        scope: Option<Scopes>,
    ) -> Result<Entry, Cause> {
        let mut scope = scope;
        let mut tries = 0;
        loop {
            tries += 1;
            let identity = self.identity(server).await?;
            let client = identity.client.clone();
            let ended = self
                .one_request(attempt, resource, server, identity, scope.as_ref())
                .await;
            match ended {
                Err(Cause::Tokens(error)) if error.is_about_client() && tries < 2 => {
                    if client.source != Source::Registered {
                        return Err(error.into());
                    }
                    self.forget_registration(server.issuer(), &client).await;
                }
                Err(Cause::Denied { code, .. })
                    if code == "invalid_scope"
                        && tries < 2
                        && scope.is_some()
                        && self.settings.scope.is_none() =>
                {
                    scope = None;
                }
                ended => return ended,
            }
        }
    }

    async fn one_request(
        &self,
        attempt: &str,
        resource: &ProtectedResource,
        server: &AuthorizationServer,
        identity: Identity,
        scope: Option<&Scopes>,
    ) -> Result<Entry, Cause> {
        let Identity {
            client,
            mut listener,
        } = identity;
        let sent = self.resource_parameter(resource, server);
        let asking = Asking {
            server,
            client: &client,
            redirect_uri: listener.uri(),
            resource: sent.as_deref(),
            scope,
        };
        let state = Secret::new(CsrfToken::new_random_len(32).into_secret());
        let pending = code::begin(&asking, &self.settings, state)?;
        self.http.check(pending.url())?;
        tracing::info!(host = server.host(), "waiting for a sign-in");
        let opened = browser::show(&self.settings.browser, pending.url()).await;
        let shown = Shown {
            url: pending.url().to_string(),
            host: server.host(),
            user_code: None,
            opened,
        };
        self.show(attempt, shown).await;
        let answer = self.answer(attempt, &mut listener, &pending, server);
        let (redirected, visit) = answer.await?;
        let endpoint = Endpoint {
            http: &self.http,
            url: server.token_endpoint(),
            client: &client,
            resource: sent.as_deref(),
            extra: &self.settings.token_params,
            use_id_token: self.settings.use_id_token,
        };
        let sent_at = self.settings.now.seconds();
        match redirected.redeem(&endpoint).await {
            Ok(tokens) => {
                let entry = self.entry(server, client, sent, scope, tokens, sent_at);
                self.keep(&entry).await;
                visit.answer(Page::SignedIn);
                let host = server.host();
                tracing::info!(host, "signed in");
                self.settings
                    .announce
                    .tell(&Notice::SignedIn { host: &host });
                Ok(entry)
            }
            Err(error) => {
                visit.answer(Page::Failed);
                Err(error.into())
            }
        }
    }

    /// Waits for the answer; everybody else who calls is turned away and forgotten (C5).
    async fn answer(
        &self,
        attempt: &str,
        listener: &mut Loopback,
        pending: &Pending,
        server: &AuthorizationServer,
    ) -> Result<(Redirected, Visit), Cause> {
        let patience = self.settings.auth_timeout;
        let end = tokio::time::sleep(patience);
        let superseded = self.superseded(attempt);
        tokio::pin!(end, superseded);
        loop {
            let visit = tokio::select! {
                visit = listener.visit() => visit,
                () = self.leaving.cancelled() => return Err(Cause::Leaving),
                () = &mut superseded => return Err(Cause::Superseded),
                () = &mut end => {
                    return Err(Cause::TooLate { host: server.host(), seconds: patience.as_secs() });
                }
            };
            match pending.judge(&visit.parameters) {
                Verdict::NotOurs => visit.answer(Page::NotOurs),
                Verdict::Code(redirected) => return Ok((redirected, visit)),
                Verdict::Ended(why) => {
                    visit.answer(Page::Failed);
                    return Err(why);
                }
            }
        }
    }

    async fn identity(&self, server: &AuthorizationServer) -> Result<Identity, Cause> {
        if let Some(client) = registration::known(server, &self.settings)? {
            let place = self.place(server, Some("/oauth/callback"), None);
            let listener = self.listen(&place).await?;
            return Ok(Identity { client, listener });
        }
        let name = Registration::name(server.issuer(), &self.settings);
        if let Some(kept) = self.registration(&name).await? {
            let place = self.place(server, None, Url::parse(&kept.redirect_uri).ok().as_ref());
            if let Ok(listener) = Loopback::open(&place, &self.tasks).await
                && listener.uri() == kept.redirect_uri
            {
                let client = kept.client;
                return Ok(Identity { client, listener });
            }
        }
        let place = self.place(server, None, None);
        let listener = self.listen(&place).await?;
        let registered =
            registration::register(&self.http, server, &self.settings, listener.uri()).await;
        let is_free = self.settings.callback_host.is_none() && self.settings.redirect_uri.is_none();
        let (registered, listener) = match registered {
            // Some know this machine only by its name, whatever RFC 8252 says (G-07).
            Err(registration::Error::Refused {
                code: Some(code), ..
            }) if code == "invalid_redirect_uri" && is_free && place.host != "localhost" => {
                drop(listener);
                let place = Place {
                    host: "localhost".to_owned(),
                    ..place
                };
                let listener = self.listen(&place).await?;
                let uri = listener.uri();
                let again = registration::register(&self.http, server, &self.settings, uri).await;
                (again?, listener)
            }
            registered => (registered?, listener),
        };
        let kept = Registration {
            client: registered.client.clone(),
            redirect_uri: listener.uri().to_owned(),
            expires_at: registered.expires_at,
        };
        let content = kept.write();
        let kind = Kind::ClientRegistration;
        if let Err(why) = self
            .vault
            .put(&name, kind, &content, Expected::Anything)
            .await
        {
            tracing::warn!(%why, "the registration cannot be kept");
        }
        Ok(Identity {
            client: registered.client,
            listener,
        })
    }

    async fn registration(&self, name: &str) -> Result<Option<Registration>, Cause> {
        let found = self.vault.read(name).await?;
        let now = self.settings.now.seconds();
        Ok(found
            .and_then(|found| Registration::read(&found.content))
            .filter(|kept| kept.expires_at.is_none_or(|at| now < at)))
    }

    async fn listen(&self, place: &Place) -> Result<Loopback, Cause> {
        Loopback::open(place, &self.tasks)
            .await
            .map_err(|error| Cause::Listener {
                place: format!("{}:{}", place.host, place.port),
                error,
            })
    }

    /// Where to listen: what the user says, else where the kept registration says, else anywhere, under a path nobody
    /// can guess unless `fixed` has to be it.
    fn place(
        &self,
        server: &AuthorizationServer,
        fixed: Option<&str>,
        kept: Option<&Url>,
    ) -> Place {
        let settings = &self.settings;
        let announced = settings.redirect_uri.as_deref();
        let parsed = announced.and_then(|uri| Url::parse(uri).ok());
        let pattern = parsed.as_ref().or(kept);
        let host = settings
            .callback_host
            .clone()
            .or_else(|| quirks(server.issuer()).callback_host.map(str::to_owned))
            .or_else(|| {
                kept?
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
        Place {
            host: host.unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: port.unwrap_or(0),
            path,
            announced: announced.map(str::to_owned),
        }
    }

    /// The user's word, else the resource's own name byte for byte, else the canonical URI; nothing where the
    /// server is known not to take it.
    fn resource_parameter(
        &self,
        resource: &ProtectedResource,
        server: &AuthorizationServer,
    ) -> Option<String> {
        let Settings {
            resource_parameter,
            send_resource,
            ..
        } = &self.settings;
        let takes_it = quirks(server.issuer()).takes_resource || resource_parameter.is_some();
        send_resource.unwrap_or(takes_it).then(|| {
            resource_parameter
                .clone()
                .or_else(|| resource.name().map(str::to_owned))
                .unwrap_or_else(|| self.settings.canonical_resource())
        })
    }

    fn entry(
        &self,
        server: &AuthorizationServer,
        client: Client,
        resource_sent: Option<String>,
        scope: Option<&Scopes>,
        tokens: TokenSet,
        sent_at: u64,
    ) -> Entry {
        let mut entry = Entry {
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
            resource_sent,
            scope_requested: scope.cloned(),
            // What is not said was granted as asked (RFC 6749 section 5.1).
            scope_granted: scope.cloned(),
            state: State::Ok,
            strikes: 0,
            last_error: None,
        };
        entry.renew(tokens, sent_at, jitter());
        entry
    }

    async fn keep(&self, entry: &Entry) {
        match self.lock().await {
            Ok(_lock) => {
                let name = entry.name(&self.settings);
                self.save(&name, entry, Expected::Anything).await;
                self.supersede(&name, &entry.issuer).await;
            }
            Err(why) => {
                tracing::error!(%why, "the tokens cannot be kept: the next start has to sign in");
            }
        }
    }
}

fn unguessable_path() -> String {
    format!("/cb/{}", CsrfToken::new_random_len(16).into_secret())
}
