//! One attempt at a sign-in, by the process that holds the sign-in lock: the decision whether the user is asked at all,
//! with discovery first, and the outcome that is left in the status of the sign-in.
//!
//! `coordinate` decides which process signs in; `browser_flow` and `device` ask the user.
//!
//! MCP 2026-07-28, basic/authorization, "Authorization Server Binding". Windows that open by themselves, again and
//! again, are what `is_worth_it` prevents; `tests/login` and `tests/coordination` have the tests.

use crate::auth::Cause;
use crate::auth::flow::previous::Past;
use crate::auth::flow::sign_in_status::attempt_name;
use crate::auth::flow::status_record::{Ended, Phase};
use crate::auth::flow::token_checks::{is_of_another_kind, is_other_than, is_young};
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery::{self, AuthorizationServer, Preference, ProtectedResource};
use crate::auth::oauth::scope::Scopes;
use crate::auth::shared::{Origin, Shared, Trigger};
use crate::auth::store::record::{TokenRecord, TokenState};
use crate::store::VaultLock;
use crate::text::plain;

impl Shared {
    /// Signs in, with the sign-in lock held: discovery afresh (the authorization server may have moved), then the user.
    pub(in crate::auth) async fn sign_in(
        &self,
        _turn: VaultLock,
        why: &Trigger,
        challenge: &Challenge,
        before: Option<TokenRecord>,
    ) -> Result<(TokenRecord, Origin), Cause> {
        let mut record = self.status.record().await;
        let is_told = matches!(why, Trigger::Requested(_));
        let now = self.settings.now.seconds();
        if !is_told && let Some(ended) = record.abandoned(self.status.tried(), now) {
            return Err(Cause::Abandoned(ended.cause().into()));
        }
        let attempt = attempt_name();
        record.attempt.clone_from(&attempt);
        record.phase = Phase::Begun;
        self.status.write(&record).await;
        let ended = self.attempt(&attempt, why, challenge, before).await;
        let is_kept = self.store.unsaved().is_none();
        let now = self.settings.now.seconds();
        let resource = self.settings.canonical_resource();
        self.status
            .update(&attempt, |record| match &ended {
                Ok(_) if is_kept => record.succeed(self.status.tried(), now),
                Ok(_) => record.fail(
                    Ended {
                        text: "signed in, but the tokens could not be kept".to_owned(),
                        hint: None,
                        is_passing: false,
                    },
                    false,
                    self.status.tried(),
                    now,
                ),
                Err(Cause::Leaving | Cause::TakenOver) => record.phase = Phase::Idle,
                Err(why) => {
                    let ended = Ended {
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
                    record.fail(ended, is_abandoned, self.status.tried(), now);
                }
            })
            .await;
        ended.map(|entry| (entry, Origin::SignedIn))
    }

    async fn attempt(
        &self,
        attempt: &str,
        why: &Trigger,
        challenge: &Challenge,
        before: Option<TokenRecord>,
    ) -> Result<TokenRecord, Cause> {
        let http = &self.http;
        let named = challenge.resource_metadata.as_deref();
        let url = &self.settings.url;
        // A provider that users sign in to for its own sake is no resource.
        let is_provider =
            self.settings.authorization_server.as_ref() == Some(&self.settings.resource);
        let resource = match is_provider {
            true => ProtectedResource::unsaid(url),
            false => discovery::protected_resource(http, url, named).await?,
        };
        let last = self.last_used().await?;
        let preference = Preference {
            fixed: self.settings.authorization_server.as_deref(),
            held: last.issuer(),
            expected: self.settings.expected_issuer.as_deref(),
            pkce: !self.settings.assume_pkce,
        };
        let server = discovery::authorization_server(http, &resource, preference).await?;
        self.may_be_used(why, &last, &resource, &server).await?;
        let guess = server.is_assumed().then(|| resource.oddity());
        let ended = self.attempt_at(attempt, why, challenge, before, resource, server);
        Box::pin(ended).await.map_err(|why| match guess {
            Some(said) => why.as_guess(challenge, said, &self.settings.keys),
            None => why,
        })
    }

    async fn attempt_at(
        &self,
        attempt: &str,
        why: &Trigger,
        challenge: &Challenge,
        before: Option<TokenRecord>,
        resource: ProtectedResource,
        server: AuthorizationServer,
    ) -> Result<TokenRecord, Cause> {
        // What was asked of another issuer is none of this one's business (SEP-2352).
        let before = before.filter(|entry| entry.issuer == server.issuer());
        let scope = self.scope(challenge, &resource, &server, before.as_ref());
        if !matches!(why, Trigger::Requested(_)) {
            self.is_worth_it(why, &server, before.as_ref(), scope.as_ref())
                .await?;
        }
        let binds = self.binds(challenge, &resource, &server, before.as_ref())?;
        let is_by_device = self.is_by_device(&server)?;
        let challenged = challenge.scope.as_deref().map(Scopes::parse);
        let named = challenged.as_ref().or(resource.scopes());
        // A token that this client was given is turned down: the authorization server may have lost the client as well.
        let is_doubted = before
            .as_ref()
            .is_some_and(|before| is_turned_down(why, before));
        let past = Past::new(before.as_ref(), named, binds).doubting(is_doubted);
        if is_by_device
            && let Some(entry) = self
                .ask_by_device(attempt, &resource, &server, scope.as_ref(), &past)
                .await?
        {
            return Ok(entry);
        }
        let is_told = matches!(why, Trigger::Requested(_));
        self.browser_sign_in(attempt, &resource, &server, scope, is_told, past)
            .await
    }

    /// Brakes: no window for a server that turns down what it was just given, none for a scope that was asked for
    /// already, and never many in a row, by all processes together.
    async fn is_worth_it(
        &self,
        why: &Trigger,
        server: &AuthorizationServer,
        before: Option<&TokenRecord>,
        scope: Option<&Scopes>,
    ) -> Result<(), Cause> {
        let challenge = match why {
            Trigger::Challenged { challenge, .. } if challenge.wants_more_scope() => {
                Some(challenge)
            }
            _ => None,
        };
        if let Some(challenge) = challenge {
            let asked = before.and_then(|entry| entry.scope_requested.as_ref());
            if asked.is_some_and(|asked| scope.is_none_or(|scope| asked.covers(scope))) {
                let scope = challenge.scope.as_deref();
                return Err(Cause::ScopeRefused {
                    scope: scope.map(|text| plain(text, 200)),
                });
            }
        } else if before.is_some_and(|before| {
            is_turned_down(why, before) && is_young(before, self.settings.now.seconds())
        }) {
            return Err(Cause::Rejected {
                host: server.host(),
                is_renewable: false,
            });
        }
        self.may_show_another().await
    }

    /// Says whether few enough windows were shown of late.
    pub(in crate::auth) async fn may_show_another(&self) -> Result<(), Cause> {
        let record = self.status.record().await;
        match record.stormy(self.status.tried(), self.settings.now.seconds()) {
            Some((windows, last)) => Err(Cause::TooManyWindows {
                windows,
                last: last.map(|ended| ended.cause().into()),
            }),
            None => Ok(()),
        }
    }
}

/// Says whether it is the entry's own access token that was sent and turned down, and nothing is known to be wrong with the
/// rest of the entry.
fn is_turned_down(why: &Trigger, entry: &TokenRecord) -> bool {
    let Trigger::Challenged {
        stale: Some(_),
        challenge,
        ..
    } = why
    else {
        return false;
    };
    !challenge.wants_more_scope()
        && !is_of_another_kind(challenge, entry)
        && !is_other_than(why, entry)
        && entry.state != TokenState::NeedsLogin
}
