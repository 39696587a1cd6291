//! One attempt at a sign-in, by whoever has the turn: whether a person is to be asked at all, with what is found out
//! first, and what is left in the note of how it ended.
//!
//! Whose turn it is, is for `turn`; how a person is asked, for `signin` and `device`.
//!
//! protocol.md D-11; pains 8, 9 and 22 (windows that open by themselves, again and again).

use super::Cause;
use super::challenge::Challenge;
use super::discovery::{self, AuthorizationServer, Preference, ProtectedResource};
use super::entry::Entry;
use super::house::{House, Origin, Why};
use super::ladder::is_young;
use super::progress::{Ended, Phase};
use super::scope::Scopes;
use super::signin::Past;
use super::turn::attempt_name;
use crate::store::Lock;

impl House {
    /// Rung c, with the turn in hand: discovery afresh (the authorization server may have moved, D-11), then a person.
    pub(super) async fn sign_in(
        &self,
        _turn: Lock,
        why: &Why,
        challenge: &Challenge,
        before: Option<Entry>,
    ) -> Result<(Entry, Origin), Cause> {
        let mut record = self.record().await;
        let is_told = matches!(why, Why::Told(_));
        if !is_told && let Some(ended) = record.abandoned(self.settings.now.seconds()) {
            return Err(Cause::Abandoned(ended.cause().into()));
        }
        let attempt = attempt_name();
        record.attempt.clone_from(&attempt);
        record.phase = Phase::Begun;
        self.leave(&record).await;
        let ended = self.attempt(&attempt, why, challenge, before).await;
        let is_kept = self.desk().unsaved.is_none();
        let now = self.settings.now.seconds();
        let resource = self.settings.canonical_resource();
        self.update(&attempt, |record| match &ended {
            Ok(_) if is_kept => record.succeed(now),
            Ok(_) => record.fail(
                Ended {
                    text: "signed in, but the tokens could not be kept".to_owned(),
                    hint: None,
                    is_passing: false,
                },
                false,
                now,
            ),
            Err(Cause::Leaving | Cause::Superseded) => record.phase = Phase::Idle,
            Err(why) => {
                let ended = Ended {
                    text: why.to_string(),
                    hint: why.hint(&resource),
                    is_passing: why.is_passing(),
                };
                // A person said no, or nobody was there, or somebody meddled.
                let is_abandoned = matches!(
                    why,
                    Cause::Denied { .. } | Cause::TooLate { .. } | Cause::ForeignAnswer { .. }
                );
                record.fail(ended, is_abandoned, now);
            }
        })
        .await;
        ended.map(|entry| (entry, Origin::SignedIn))
    }

    async fn attempt(
        &self,
        attempt: &str,
        why: &Why,
        challenge: &Challenge,
        before: Option<Entry>,
    ) -> Result<Entry, Cause> {
        let http = &self.http;
        let named = challenge.resource_metadata.as_deref();
        let url = &self.settings.url;
        // A provider that people sign in to for its own sake is no resource of anybody's.
        let is_provider =
            self.settings.authorization_server.as_ref() == Some(&self.settings.resource);
        let resource = match is_provider {
            true => ProtectedResource::unsaid(url),
            false => discovery::protected_resource(http, url, named).await?,
        };
        let preference = Preference {
            fixed: self.settings.authorization_server.as_deref(),
            held: before.as_ref().map(|entry| entry.issuer.as_str()),
            expected: self.settings.expected_issuer.as_deref(),
            pkce: !self.settings.assume_pkce,
        };
        let server = discovery::authorization_server(http, &resource, preference).await?;
        if let Some(entry) = &before
            && entry.issuer != server.issuer()
        {
            let (was, now) = (&entry.issuer, server.issuer());
            tracing::warn!(%was, %now, "the server now names another sign-in service");
        }
        // What was asked of another issuer is none of this one's business (SEP-2352).
        let before = before.filter(|entry| entry.issuer == server.issuer());
        let scope = self.scope(challenge, &resource, &server, before.as_ref());
        if !matches!(why, Why::Told(_)) {
            self.is_worth_it(challenge, &server, before.as_ref(), scope.as_ref())
                .await?;
        }
        let binds = self.binds(challenge, &resource, &server, before.as_ref())?;
        let is_by_device = self.is_by_device(&server)?;
        let now = self.settings.now.seconds();
        self.update(attempt, |record| record.window_opens(now))
            .await;
        let challenged = challenge.scope.as_deref().map(Scopes::parse);
        let named = challenged.as_ref().or(resource.scopes());
        let past = Past::new(before.as_ref(), named, binds);
        if is_by_device
            && let Some(entry) = self
                .ask_by_device(attempt, &resource, &server, scope.as_ref(), &past)
                .await?
        {
            return Ok(entry);
        }
        self.ask_a_person(attempt, &resource, &server, scope, past)
            .await
    }

    /// Brakes: no window for a server that turns down what it was just given, none for a scope that was asked for
    /// already, and never many in a row, by whichever processes (pains 8, 9, 22).
    async fn is_worth_it(
        &self,
        challenge: &Challenge,
        server: &AuthorizationServer,
        before: Option<&Entry>,
        scope: Option<&Scopes>,
    ) -> Result<(), Cause> {
        let now = self.settings.now.seconds();
        let record = self.record().await;
        let is_stormy = record.is_stormy(now);
        if challenge.wants_more_scope() {
            let asked = before.and_then(|entry| entry.scope_requested.as_ref());
            let nothing_new =
                asked.is_some_and(|asked| scope.is_none_or(|scope| asked.covers(scope)));
            if nothing_new || is_stormy {
                let scope = challenge.scope.as_deref();
                return Err(Cause::ScopeRefused {
                    scope: scope.map(|text| super::plain(text, 200)),
                });
            }
            return Ok(());
        }
        let is_fresh = before.is_some_and(|entry| {
            is_young(entry, now)
                && record
                    .signed_in_at
                    .is_some_and(|at| entry.obtained_at <= at)
        });
        if is_fresh || is_stormy {
            return Err(Cause::Rejected {
                host: server.host(),
            });
        }
        Ok(())
    }
}
