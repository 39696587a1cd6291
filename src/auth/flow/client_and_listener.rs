//! Which client we are at a server, and where we listen under its name.
//!
//! A registration is reused as long as its redirect URI can be listened on again and the server still knows it; otherwise
//! there is a new one. What the user brought for one issuer does not go to another.

use std::time::Duration;

use oauth2::CsrfToken;
use url::Url;

use crate::auth::Cause;
use crate::auth::client::{Client, Source};
use crate::auth::flow::previous::Past;
use crate::auth::net::http::{self, host_of};
use crate::auth::net::loopback::{ListenAddress, Loopback};
use crate::auth::oauth::authorization_code::{self, AuthorizationRequest};
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::registration::{self, FIXED_PATH, Registered};
use crate::auth::oauth::scope::Scopes;
use crate::auth::settings::Settings;
use crate::auth::shared::Shared;
use crate::auth::store::record::ClientRecord;
use crate::secret::Secret;

/// The client, and the listener of its redirect.
pub(in crate::auth) struct Identity {
    pub(in crate::auth) client: Client,
    pub(in crate::auth) listener: Loopback,
}

impl Shared {
    /// Returns the client for this authorization server, and a listener that may be named to it.
    pub(in crate::auth) async fn identity(
        &self,
        server: &AuthorizationServer,
        resource: Option<&str>,
        scope: Option<&Scopes>,
        past: &Past,
    ) -> Result<Identity, Cause> {
        let learned = past.learned();
        if let Some(mut client) = registration::known(server, &self.settings)? {
            if client.source == Source::Given {
                self.store.belongs_there(Some(&client.id), server).await?;
            }
            learned.correct(&mut client);
            let place = self.place(server, Some(FIXED_PATH), None);
            let listener = self.listen(&place).await?;
            return Ok(Identity { client, listener });
        }
        let name = ClientRecord::name(server.issuer(), &self.settings);
        if let Some(kept) = self.store.registration(&name).await? {
            let place = self.place(server, None, Url::parse(&kept.redirect_uri).ok().as_ref());
            if let Ok(listener) = self
                .late_callbacks
                .open(&place, &self.status, &self.tasks, &self.settings.now)
                .await
                && listener.uri() == kept.redirect_uri
            {
                let asking = AuthorizationRequest {
                    server,
                    client: &kept.client,
                    redirect_uri: listener.uri(),
                    resource,
                    scope,
                    key: None,
                    prompt: None,
                };
                let trusted_from = kept.known_at;
                let is_trusted = !past.is_doubted() && self.is_trusted(trusted_from);
                if is_trusted || !self.is_forgotten(&asking).await? {
                    let client = kept.client;
                    return Ok(Identity { client, listener });
                }
                tracing::info!(host = server.host(), "the registration is lost there");
            }
        }
        if self.settings.registration_token.is_some() {
            self.store.belongs_there(None, server).await?;
        }
        let place = self.place(server, None, None);
        let listener = self.listen(&place).await?;
        let registered = Box::pin(self.registered(server, &self.settings, listener.uri())).await;
        let is_free = self.settings.callback_host.is_none() && self.settings.redirect_uri.is_none();
        let (mut registered, listener) = match registered {
            Err(error) if error.is_about_address() && is_free && place.host != "localhost" => {
                drop(listener);
                let place = ListenAddress {
                    host: "localhost".to_owned(),
                    ..place
                };
                let listener = self.listen(&place).await?;
                let again = Box::pin(self.registered(server, &self.settings, listener.uri())).await;
                // The first refusal says more, if it was not the name that was at fault.
                (again.map_err(|_| error)?, listener)
            }
            registered => (registered?, listener),
        };
        learned.correct(&mut registered.client);
        let kept = ClientRecord {
            client: registered.client.clone(),
            redirect_uri: listener.uri().to_owned(),
            expires_at: registered.expires_at,
            known_at: self.settings.now.seconds(),
        };
        self.store.save_registration(&name, &kept).await;
        Ok(Identity {
            client: registered.client,
            listener,
        })
    }

    /// Registers us, unless the server has asked for patience and the time is not over. A short while is waited for; a long
    /// one is kept, so that no process asks before it is over, and is said.
    pub(in crate::auth) async fn registered(
        &self,
        server: &AuthorizationServer,
        settings: &Settings,
        redirect_uri: &str,
    ) -> Result<Registered, registration::Error> {
        let now = || self.settings.now.seconds();
        let name = format!("patience {}", server.issuer());
        if let Ok(Some(note)) = self.store.vault().side_file(&name).await
            && let Ok(until) = note.trim().parse::<u64>()
            && (now()..=now() + LONGEST_PATIENCE).contains(&until)
            && until > now()
        {
            return Err(too_many(server, until - now()).into());
        }
        let mut registered =
            registration::register(&self.http, server, settings, redirect_uri).await;
        if let Some(wait) = wanted_patience(&registered)
            && wait <= SHORT_PATIENCE
        {
            tracing::info!(seconds = wait, "the authorization server asks for patience");
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(wait)) => {}
                () = self.leaving.cancelled() => return registered,
            }
            registered = registration::register(&self.http, server, settings, redirect_uri).await;
        }
        if let Some(wait) = wanted_patience(&registered) {
            let until = now() + wait.min(LONGEST_PATIENCE);
            if let Err(why) = self
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
    fn is_trusted(&self, known_at: u64) -> bool {
        let now = self.settings.now.seconds();
        (known_at..known_at.saturating_add(TRUSTED)).contains(&now)
    }

    /// Says whether the server has lost a registration of ours.
    async fn is_forgotten(&self, asking: &AuthorizationRequest<'_>) -> Result<bool, Cause> {
        // What is looked at is not the page that will be shown: its state and verifier are thrown away.
        let state = Secret::new(CsrfToken::new_random_len(32).into_secret());
        let page = authorization_code::begin(asking, &self.settings, state)?;
        self.http.check(page.url())?;
        Ok(registration::is_forgotten(&self.http, page.url(), asking.redirect_uri).await)
    }

    async fn listen(&self, place: &ListenAddress) -> Result<Loopback, Cause> {
        self.late_callbacks
            .open(place, &self.status, &self.tasks, &self.settings.now)
            .await
            .map_err(|error| Cause::Listener {
                place: format!("{}:{}", place.host, place.port),
                error,
            })
    }

    /// Chooses where to listen: as the user says, else as the stored registration says, else anywhere, under a path that
    /// cannot be guessed unless `fixed` has to be it.
    fn place(
        &self,
        server: &AuthorizationServer,
        fixed: Option<&str>,
        kept: Option<&Url>,
    ) -> ListenAddress {
        let settings = &self.settings;
        let announced = settings.redirect_uri.as_deref();
        let parsed = announced.and_then(|uri| Url::parse(uri).ok());
        let pattern = parsed.as_ref().or(kept);
        let host = settings
            .callback_host
            .clone()
            .or_else(|| {
                known_quirks(server.issuer())
                    .callback_host
                    .map(str::to_owned)
            })
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
        ListenAddress {
            host: host.unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: port.unwrap_or(0),
            path,
            announced: announced.map(str::to_owned),
            onward: settings.success_url.clone(),
            lifetime: settings.auth_timeout.saturating_add(AFTERWARDS),
        }
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
