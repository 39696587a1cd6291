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
use crate::auth::client::{Client, Source};
use crate::auth::error::UnattendedError;
use crate::auth::flow::enterprise;
use crate::auth::flow::previous::Past;
use crate::auth::flow::refresh;
use crate::auth::flow::token_checks::{is_enough, is_other, is_other_than, is_young};
use crate::auth::flow::token_request::TokenRequest;

use crate::auth::grant::{GrantConfig, GrantType};
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery::{self, AuthorizationServer, Preference, ProtectedResource};
use crate::auth::oauth::dpop::Proving;
use crate::auth::oauth::observed_quirks::Adjustment;
use crate::auth::oauth::registration;
use crate::auth::oauth::scope::{Scopes, Wishes, choose};
use crate::auth::oauth::token_endpoint::{self, Endpoint, JWT_BEARER, TokenSet};
use crate::auth::shared::{Current, Origin, Shared, Trigger};
use crate::auth::store::record::TokenRecord;
use crate::random;
use crate::secret::Secret;
use crate::store::Expected;
use crate::text::plain;

impl Shared {
    /// Obtains a record: a stored one, or one that is requested now.
    pub(in crate::auth) async fn without_anybody(
        &self,
        why: &Trigger,
    ) -> Result<(TokenRecord, Origin), Cause> {
        let held = self.state().held.clone();
        let mut lock = self.store.lock().await?;
        if let Some(entry) = self.already_there(why, held.as_ref()).await? {
            return Ok((entry, Origin::Stored));
        }
        self.was_refused(why)?;
        let mut vouched = None;
        if let Some(provider) = &self.provider {
            // The user may have to sign in there, and no other process's token waits for that.
            drop(lock);
            vouched = Some(enterprise::id_token(provider, None, why).await?);
            lock = self.store.lock().await?;
            if let Some(entry) = self.already_there(why, held.as_ref()).await? {
                return Ok((entry, Origin::Stored));
            }
        }
        let shown = vouched.as_ref().map(|vouched| &vouched.token);
        let mut granted = self.granted(why, shown).await;
        if let (
            Err(Cause::Unattended(UnattendedError::Provider(error))),
            Some(provider),
            Some(before),
        ) = (&granted, &self.provider, &vouched)
            && error.is_about_user()
        {
            drop(lock);
            let newer = enterprise::id_token(provider, Some(before), why).await?;
            lock = self.store.lock().await?;
            granted = self.granted(why, Some(&newer.token)).await;
        }
        let entry = granted?;
        let name = entry.name(&self.settings);
        self.store.save(&name, &entry, Expected::Anything).await;
        self.store.supersede(&name, &entry.issuer).await;
        drop(lock);
        tracing::info!(issuer = %entry.issuer, by = entry.grant.name(), "a token was granted");
        // Who is behind an assertion cannot be told; a client is the same client.
        let origin = match self.settings.grant {
            GrantConfig::ClientCredentials if held.is_some() => Origin::Refreshed,
            _ => Origin::SignedIn,
        };
        Ok((entry, origin))
    }

    /// A host may call as often as it likes; a server that refused the same a moment ago is not asked with each call.
    fn was_refused(&self, why: &Trigger) -> Result<(), Cause> {
        let now = self.settings.now.seconds();
        match (&self.state().refused, why) {
            (Some((at, before, cause)), Trigger::Challenged { challenge, .. })
                if before == challenge && (*at..at + QUIET).contains(&now) =>
            {
                Err(Cause::RefusedRecently(Arc::clone(cause)))
            }
            _ => Ok(()),
        }
    }

    /// Returns the result of another process.
    async fn already_there(
        &self,
        why: &Trigger,
        held: Option<&Current>,
    ) -> Result<Option<TokenRecord>, Cause> {
        let Some(entry) = self.store.stored().await?.map(|kept| kept.entry) else {
            return Ok(None);
        };
        let now = self.settings.now.seconds();
        let serves = match why {
            Trigger::Requested(_) => false,
            Trigger::Expiring => !entry.is_due(now) && is_other(&entry, held),
            Trigger::Challenged { challenge, .. } => {
                is_other_than(why, &entry) && is_enough(challenge, &entry)
            }
        };
        Ok((serves && !entry.has_expired(now)).then_some(entry))
    }

    async fn granted(&self, why: &Trigger, vouched: Option<&Secret>) -> Result<TokenRecord, Cause> {
        if self.leaving.is_cancelled() {
            return Err(Cause::Leaving);
        }
        let before = self.store.stored().await?.map(|kept| kept.entry);
        match (why, before) {
            (Trigger::Expiring, Some(before)) => self.granted_again(before, vouched).await,
            (Trigger::Expiring, None) => Err(Cause::NoUser),
            (Trigger::Challenged { challenge, .. } | Trigger::Requested(challenge), before) => {
                self.granted_anew(why, challenge, before, vouched).await
            }
        }
    }

    /// As the last time, without looking again whom to ask: a server that moved refuses, and is looked for then.
    async fn granted_again(
        &self,
        mut entry: TokenRecord,
        vouched: Option<&Secret>,
    ) -> Result<TokenRecord, Cause> {
        entry.client = refresh::current(&entry, &self.settings);
        let prover = self.prover_of(&entry);
        let endpoint = Endpoint {
            http: &self.http,
            url: &entry.token_endpoint,
            client: &entry.client,
            resource: entry.resource_sent.as_deref(),
            extra: &self.settings.token_params,
            use_id_token: self.settings.use_id_token,
            // What was bound stays bound.
            proof: self.proving(prover.as_ref()).map(|proof| Proving {
                insists: true,
                ..proof
            }),
        };
        let asking = TokenRequest {
            endpoint,
            issuer: &entry.issuer,
            scope: entry.scope_requested.as_ref(),
            vouched,
            is_told: false,
        };
        let sent_at = self.settings.now.seconds();
        let tokens = self.tokens(&asking).await?;
        entry.renew(tokens, sent_at, random::fraction());
        entry.refresh = None;
        Ok(entry)
    }

    async fn granted_anew(
        &self,
        why: &Trigger,
        challenge: &Challenge,
        before: Option<TokenRecord>,
        vouched: Option<&Secret>,
    ) -> Result<TokenRecord, Cause> {
        let (http, settings) = (&self.http, &self.settings);
        let named = challenge.resource_metadata.as_deref();
        let resource = discovery::protected_resource(http, &settings.url, named).await?;
        let last = self.last_used().await?;
        let server = self.server(&resource, last.issuer()).await?;
        self.may_be_used(why, &last, &resource, &server).await?;
        let guess = server.is_assumed().then(|| resource.oddity());
        let granted = self.granted_at(why, challenge, before, vouched, resource, server);
        Box::pin(granted).await.map_err(|why| match guess {
            Some(said) => why.as_guess(challenge, said, &self.settings.keys),
            None => why,
        })
    }

    async fn granted_at(
        &self,
        why: &Trigger,
        challenge: &Challenge,
        before: Option<TokenRecord>,
        vouched: Option<&Secret>,
        resource: ProtectedResource,
        server: AuthorizationServer,
    ) -> Result<TokenRecord, Cause> {
        let settings = &self.settings;
        let before = before.filter(|entry| entry.issuer == server.issuer());
        let client = self.client(&server).await?;
        let challenged = challenge.scope.as_deref().map(Scopes::parse);
        // Without `server`: these grants have no use for a refresh token.
        let mut scope = choose(&Wishes {
            step_up: challenge.wants_more_scope(),
            pinned: settings.scope.as_ref(),
            challenge: challenged.as_ref(),
            resource: resource.scopes(),
            before: before.as_ref().and_then(|it| it.scope_requested.as_ref()),
            server: None,
        });
        self.is_news(why, challenge, &server, before.as_ref(), scope.as_ref())?;
        let binds = self.binds(challenge, &resource, &server, before.as_ref())?;
        let prover = self.new_prover(binds)?;
        let named = challenged.as_ref().or(resource.scopes());
        let mut past = Past::new(before.as_ref(), named, binds);
        loop {
            let sent = self.resource_parameter(&resource, &server, past.learned());
            let endpoint = Endpoint {
                http: &self.http,
                url: server.token_endpoint(),
                client: &client,
                resource: sent.as_deref(),
                extra: &settings.token_params,
                use_id_token: settings.use_id_token,
                proof: self.proving(prover.as_ref()),
            };
            let asking = TokenRequest {
                endpoint,
                issuer: server.issuer(),
                scope: scope.as_ref(),
                vouched,
                is_told: matches!(why, Trigger::Requested(_)),
            };
            let sent_at = settings.now.seconds();
            let error = match self.tokens(&asking).await {
                Ok(tokens) => {
                    let scope = scope.as_ref();
                    let key = tokens.bound_by(prover.as_ref());
                    let mut entry = self.entry(&server, client, scope, tokens, sent_at, &past);
                    entry.dpop_key = key;
                    entry.resource_sent = sent;
                    entry.refresh = None;
                    return Ok(entry);
                }
                Err(error) => error,
            };
            // Only what spends nothing is asked twice.
            let Cause::Unattended(UnattendedError::Refused {
                by: GrantType::ClientCredentials,
                error:
                    token_endpoint::Error::Refused {
                        code, description, ..
                    },
            }) = &error
            else {
                return Err(error);
            };
            let is_ours_to_say =
                settings.resource_parameter.is_none() && settings.send_resource.is_none();
            if Adjustment::of(code, description.as_deref()) == Some(Adjustment::NoResource)
                && sent.is_some()
                && is_ours_to_say
            {
                past.refuses_resource();
            } else if code == "invalid_scope"
                && scope.is_some()
                && settings.scope.is_none()
                && !challenge.wants_more_scope()
            {
                scope = None;
            } else {
                return Err(error);
            }
            tracing::info!(%error, "asking once more, otherwise");
        }
    }

    async fn server(
        &self,
        resource: &ProtectedResource,
        held: Option<&str>,
    ) -> Result<AuthorizationServer, Cause> {
        let fixed = self.settings.authorization_server.as_deref();
        if let Some(endpoint) = &self.settings.token_endpoint {
            let issuer = self.settings.expected_issuer.as_deref().or(fixed);
            return Ok(discovery::known(&self.http, endpoint, issuer)?);
        }
        let preference = Preference {
            fixed,
            held,
            expected: self.settings.expected_issuer.as_deref(),
            pkce: false,
        };
        Ok(discovery::authorization_server(&self.http, resource, preference).await?)
    }

    /// Returns the client for this server; there is no registration for these grants.
    async fn client(&self, server: &AuthorizationServer) -> Result<Client, Cause> {
        let is_workload = matches!(self.settings.grant, GrantConfig::Workload(_));
        match registration::known(server, &self.settings)? {
            Some(client) => {
                if client.source == Source::Given {
                    self.store.belongs_there(Some(&client.id), server).await?;
                }
                Ok(client)
            }
            None if is_workload => {
                self.store.belongs_there(None, server).await?;
                Ok(Client::anonymous())
            }
            None => Err(UnattendedError::NoClient {
                host: server.host(),
            }
            .into()),
        }
    }

    /// Brakes: nothing is asked for that was turned down a moment ago or would be the same again.
    fn is_news(
        &self,
        why: &Trigger,
        challenge: &Challenge,
        server: &AuthorizationServer,
        before: Option<&TokenRecord>,
        scope: Option<&Scopes>,
    ) -> Result<(), Cause> {
        let Some(before) = before.filter(|_| !matches!(why, Trigger::Requested(_))) else {
            return Ok(());
        };
        if challenge.wants_more_scope() {
            let asked = before.scope_requested.as_ref();
            let is_nothing_new =
                asked.is_some_and(|asked| scope.is_none_or(|scope| asked.covers(scope)));
            if is_nothing_new || scope.is_none() {
                let scope = challenge.scope.as_deref();
                return Err(Cause::ScopeRefused {
                    scope: scope.map(|text| plain(text, 200)),
                });
            }
            return Ok(());
        }
        if !is_other_than(why, before) && is_young(before, self.settings.now.seconds()) {
            return Err(Cause::Rejected {
                host: server.host(),
                is_renewable: false,
            });
        }
        Ok(())
    }

    async fn tokens(&self, asking: &TokenRequest<'_>) -> Result<TokenSet, Cause> {
        let endpoint = &asking.endpoint;
        let by = self.settings.grant.kind();
        let granted = match &self.settings.grant {
            GrantConfig::User => return Err(Cause::NoUser),
            GrantConfig::ClientCredentials => {
                endpoint
                    .grant("client_credentials", &[], asking.scope)
                    .await
            }
            GrantConfig::Workload(assertions) => {
                return self.by_assertion(assertions, asking).await;
            }
            GrantConfig::Enterprise(provider) => {
                let (grant, user) = self.vouched_for(provider, asking).await?;
                let granted = endpoint
                    .grant(JWT_BEARER, &[("assertion", &grant)], asking.scope)
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
}

/// Seconds in which what was refused is not asked for again.
const QUIET: u64 = 30;
