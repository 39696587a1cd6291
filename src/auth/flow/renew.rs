//! The steps of a renewal, the cheapest first: a token that another process stored, a refresh, a sign-in.
//!
//! The lock named for the credential is held from the second look into the vault until what a refresh brought is
//! written, so that of many processes one spends a rotating refresh token and the others find its result (RFC 9700
//! section 4.14). Nothing is deleted on failure: a refused token is marked, and only if it is still the stored one. A
//! sign-in has a lock of its own, because a user may take minutes and a refresh must not wait for one: see
//! [`crate::auth::flow::coordinate`].

use std::sync::Arc;
use std::time::Duration;

use crate::auth::Cause;
use crate::auth::flow::endpoint_failures::Failures;
use crate::auth::flow::refresh;
use crate::auth::flow::token_checks::{
    FRESH, is_enough, is_of_another_kind, is_other, is_other_than, is_over,
};
use crate::auth::grant::GrantConfig;
use crate::auth::net::http::{self, host_of};
use crate::auth::notice::Notice;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery::{self, AuthorizationServer, Preference, ProtectedResource};
use crate::auth::oauth::revocation::revoke;
use crate::auth::oauth::scope::{Scopes, Wishes, choose};
use crate::auth::oauth::token_endpoint;
use crate::auth::settings::Settings;
use crate::auth::shared::{Current, Origin, Shared, Trigger};
use crate::auth::store::credential_store::{StoredTokens, revision};
use crate::auth::store::locked_vault::{Closed, answered, asking_long};
use crate::auth::store::record::{TokenRecord, TokenState};
use crate::random;
use url::Url;

/// The outcome of the steps that need no user.
enum Silent {
    Reached(TokenRecord, Origin),
    /// The user has to sign in; with the stored record.
    Missed(Option<TokenRecord>),
}

impl Shared {
    /// Obtains a newer record; where the vault is locked and a request waits, once the user has unlocked it.
    pub(in crate::auth) async fn obtain_when_unlocked(
        &self,
        why: &Trigger,
    ) -> Result<(TokenRecord, Origin), Cause> {
        let is_asked = matches!(
            why,
            Trigger::Requested(_) | Trigger::Challenged { is_asked: true, .. }
        );
        if !is_asked || !self.settings.waits_for_unlock {
            return self.obtain(why).await;
        }
        let mut obtained = Box::pin(self.when_unlocked(why));
        let mut waiting = None;
        loop {
            let is_waiting = waiting.is_some();
            tokio::select! {
                biased;
                ended = &mut obtained => return ended,
                () = asking_long(self.store.vault().is_asking()), if !is_waiting => {
                    let why = Closed::Asking;
                    waiting = Some(self.store.unlocking().begin(why));
                }
                () = answered(self.store.vault().is_asking()), if is_waiting => waiting = None,
                // Nothing is held that would have to be stored.
                () = self.leaving.cancelled(), if is_waiting => return Err(Cause::Leaving),
            }
        }
    }

    async fn when_unlocked(&self, why: &Trigger) -> Result<(TokenRecord, Origin), Cause> {
        loop {
            // Before anything is locked that other processes need.
            if self.store.is_locked().await {
                self.until_unlocked().await?;
            }
            match self.obtain(why).await {
                Err(why) if why.is_locked() => self.until_unlocked().await?,
                ended => return ended,
            }
        }
    }

    async fn until_unlocked(&self) -> Result<(), Cause> {
        match self.store.until_unlocked().await {
            true => Ok(()),
            false => Err(Cause::Leaving),
        }
    }

    /// Obtains a newer record, by the cheapest step that brings one.
    pub(in crate::auth) async fn obtain(
        &self,
        why: &Trigger,
    ) -> Result<(TokenRecord, Origin), Cause> {
        let Settings { url, now, .. } = &*self.settings;
        if let Some(key) = &self.settings.client_key {
            key.fetch(self.store.vault(), url, now).await?;
        }
        if !matches!(self.settings.grant, GrantConfig::User) {
            return self.without_anybody(why).await;
        }
        let (challenge, is_told) = match why {
            Trigger::Requested(challenge) => (challenge, true),
            Trigger::Challenged { challenge, .. } => (challenge, false),
            Trigger::Expiring => return self.renewed_in_time().await,
        };
        let before = if is_told {
            self.store.stored().await?.map(|kept| kept.entry)
        } else {
            match self.without_user(why, challenge).await? {
                Silent::Reached(entry, origin) => return Ok((entry, origin)),
                Silent::Missed(entry) => entry,
            }
        };
        if matches!(
            why,
            Trigger::Challenged {
                is_asked: false,
                ..
            }
        ) {
            return Err(Cause::NoUser);
        }
        if !is_told {
            self.may_ask_the_user(challenge).await?;
        }
        self.sign_in_once(why, challenge, before).await
    }

    async fn renewed_in_time(&self) -> Result<(TokenRecord, Origin), Cause> {
        let held = self.state().held.clone();
        let _lock = self.store.lock().await?;
        let Some(kept) = self.store.stored().await? else {
            return Err(Cause::NoUser);
        };
        let now = self.settings.now.seconds();
        if !kept.entry.is_due(now) && is_other(&kept.entry, held.as_ref()) {
            return Ok((kept.entry, Origin::Stored));
        }
        if kept.entry.state == TokenState::NeedsLogin || kept.entry.refresh.is_none() {
            return Err(Cause::NoUser);
        }
        let is_dead = kept.entry.has_expired(now);
        let origin = renewed_from(&kept.entry, held.as_ref());
        let entry = self.refreshed(kept, is_dead).await?;
        Ok((entry, origin))
    }

    /// Takes the steps that need no user, under the credential's lock: the stored record, then a refresh.
    async fn without_user(&self, why: &Trigger, challenge: &Challenge) -> Result<Silent, Cause> {
        let held = self.state().held.clone();
        let _lock = self.store.lock().await?;
        let Some(mut kept) = self.store.stored().await? else {
            return Ok(Silent::Missed(None));
        };
        let now = self.settings.now.seconds();
        if is_other_than(why, &kept.entry)
            && is_enough(challenge, &kept.entry)
            && !kept.entry.has_expired(now)
        {
            return Ok(Silent::Reached(kept.entry, Origin::Stored));
        }
        let is_refreshable = kept.entry.refresh.is_some()
            && kept.entry.state != TokenState::NeedsLogin
            && !challenge.wants_more_scope();
        if !is_refreshable {
            return Ok(Silent::Missed(Some(kept.entry)));
        }
        // A token that ought to be good: once more, and then it is the server that has to be told of. A person could do no
        // better as long as the refresh token is good and is what the server wants.
        if !kept.entry.is_due(now) {
            let lately = kept.entry.issued_anew_within(FRESH, now);
            let is_other_kind = is_of_another_kind(challenge, &kept.entry);
            if lately > 0 && (is_other_kind || self.has_moved(challenge, &kept.entry).await) {
                return Ok(Silent::Missed(Some(kept.entry)));
            }
            if lately >= MOST_ANEW {
                return Err(Cause::Rejected {
                    host: issuer_host(&kept.entry),
                    is_renewable: true,
                });
            }
            kept.entry.is_issued_anew(now);
        }
        let origin = renewed_from(&kept.entry, held.as_ref());
        match self.refreshed(kept, true).await {
            Ok(entry) => Ok(Silent::Reached(entry, origin)),
            // Failed is not refused: the user is not sent to a browser because a server was down.
            Err(why) if why.is_passing() => Err(why),
            // A client of the user's own that is not taken would not be taken after a sign-in either.
            Err(
                why @ (Cause::Vault(_)
                | Cause::Network(_)
                | Cause::Registration(_)
                | Cause::Tokens(
                    token_endpoint::Error::NoKey(_)
                    | token_endpoint::Error::Unusable {
                        successor: Some(_), ..
                    },
                )),
            ) => Err(why),
            Err(why) => {
                tracing::info!(%why, "the refresh token is of no use");
                let before = self.store.stored().await?.map(|kept| kept.entry);
                Ok(Silent::Missed(before))
            }
        }
    }

    /// Says whether the server now names another authorization server (SEP-2352). One that cannot be asked says nothing.
    async fn has_moved(&self, challenge: &Challenge, entry: &TokenRecord) -> bool {
        let named = challenge.resource_metadata.as_deref();
        let resource = discovery::protected_resource(&self.http, &self.settings.url, named).await;
        let Ok(resource) = resource else {
            return false;
        };
        let preference = Preference {
            fixed: self.settings.authorization_server.as_deref(),
            held: Some(&entry.issuer),
            expected: self.settings.expected_issuer.as_deref(),
            pkce: !self.settings.assume_pkce,
        };
        // As long as it is named it need not be asked: that it is down is no move to one that is named beside it.
        if preference.fixed.is_none() && resource.names(&entry.issuer) {
            return false;
        }
        discovery::authorization_server(&self.http, &resource, preference)
            .await
            .is_ok_and(|server| server.issuer() != entry.issuer)
    }

    /// Refreshes the record. `is_dead` tells that the access token is of no use any more, so that one refusal is enough.
    async fn refreshed(&self, kept: StoredTokens, is_dead: bool) -> Result<TokenRecord, Cause> {
        let StoredTokens {
            name,
            rev,
            mut entry,
        } = kept;
        let Some(token) = entry.refresh.clone() else {
            return Err(Cause::NoUser);
        };
        let sent_at = self.settings.now.seconds();
        let prover = self.prover_of(&entry);
        let answer = refresh::refresh(
            &self.http,
            &self.settings,
            prover.as_ref(),
            &mut entry,
            &token,
        )
        .await;
        let error = match answer {
            Ok(tokens) if entry.is_for_another(&tokens) => token_endpoint::Error::OtherUser {
                host: host_of(&entry.token_endpoint),
            },
            Ok(tokens) => {
                entry.renew(tokens, sent_at, random::fraction());
                self.store.save(&name, &entry, revision(rev)).await;
                return Ok(entry);
            }
            Err(Cause::Tokens(error)) => error,
            Err(why) => return Err(why),
        };
        if let Some(status) = failing(&error)
            && let Some(seconds) = self.failing_for_good(&entry).await
        {
            return Err(token_endpoint::Error::Failing {
                host: host_of(&entry.token_endpoint),
                status,
                minutes: seconds / 60,
            }
            .into());
        }
        let is_over = is_over(&error);
        if is_over || is_wordless(&error) {
            entry.strikes += 1;
            let is_out = is_dead || entry.strikes >= STRIKES;
            entry.state = if is_out {
                TokenState::NeedsLogin
            } else {
                TokenState::Suspect
            };
            entry.last_error = error.code().map(str::to_owned);
            self.store.save(&name, &entry, revision(rev)).await;
            if is_out && is_over {
                self.give_up(&entry, is_dead);
            } else if is_out {
                self.tell_signed_out(&entry, is_dead);
            }
        }
        // The access token that came is of no use, and the refresh token beside it is the only one left.
        if let token_endpoint::Error::Unusable {
            successor: Some(token),
            ..
        } = &error
        {
            entry.refresh = Some(token.clone());
            self.store.save(&name, &entry, revision(rev)).await;
        }
        // What came in its place is not taken, and it may be spent: only a sign-in says what the server wants now.
        if matches!(error, token_endpoint::Error::Unbound { .. }) {
            tracing::warn!(issuer = %entry.issuer, "DPoP is no longer kept to; a sign-in is needed");
            entry.state = TokenState::NeedsLogin;
            entry.last_error = Some("unbound_token".to_owned());
            self.store.save(&name, &entry, revision(rev)).await;
            self.give_up(&entry, is_dead);
        }
        // OpenID Connect Core section 12.2: a renewal is for the user who has signed in. Another user's tokens are not used,
        // and the refresh token of before is spent.
        if matches!(error, token_endpoint::Error::OtherUser { .. }) {
            tracing::warn!(issuer = %entry.issuer, "the renewal is for another user; a sign-in is needed");
            entry.state = TokenState::NeedsLogin;
            entry.last_error = Some("other_user".to_owned());
            self.store.save(&name, &entry, revision(rev)).await;
            self.give_up(&entry, is_dead);
        }
        if error.is_about_client() {
            self.store
                .forget_registration(&entry.issuer, &entry.client)
                .await;
        }
        Err(error.into())
    }

    /// Notes one more renewal of this entry that met a token endpoint that is there and fails, and tells for how many
    /// seconds, if it fails for good. The note is beside the vault, for all processes: what is kept does not change because
    /// a server is down.
    async fn failing_for_good(&self, entry: &TokenRecord) -> Option<u64> {
        let name = self.store.lock_name("failing");
        let note = self.store.vault().side_file(&name).await.ok().flatten();
        let before = note.and_then(|note| Failures::read(&note, entry.obtained_at));
        let failures = Failures::and(before, self.settings.now.seconds());
        let note = failures.write(entry.obtained_at);
        if let Err(why) = self.store.vault().write_side_file(&name, &note).await {
            tracing::debug!(%why, "other processes will not know that the token endpoint fails");
        }
        failures.for_good()
    }

    /// As long as the access token works the user would not notice, so it is said here; later the remote's challenge says
    /// it.
    fn tell_signed_out(&self, entry: &TokenRecord, is_dead: bool) {
        if !is_dead {
            self.settings.announce.tell(&Notice::SignedOut {
                issuer: &entry.issuer,
                resource: &entry.resource,
            });
        }
    }

    /// Revokes what is left of a sign-in that cannot be renewed, as far as possible.
    fn give_up(&self, entry: &TokenRecord, is_dead: bool) {
        self.tell_signed_out(entry, is_dead);
        let (Some(url), Some(token)) = (entry.revocation_endpoint.clone(), entry.refresh.clone())
        else {
            return;
        };
        let (http, client) = (self.http.clone(), entry.client.clone());
        self.tasks.spawn(async move {
            let work = revoke(&http, &url, &client, &token, "refresh_token");
            match tokio::time::timeout(LAST_WORD, work).await {
                Ok(Ok(())) => {}
                ended => tracing::debug!(?ended, "the refused token could not be revoked"),
            }
        });
    }

    pub(in crate::auth) fn scope(
        &self,
        challenge: &Challenge,
        resource: &ProtectedResource,
        server: &AuthorizationServer,
        before: Option<&TokenRecord>,
    ) -> Option<Scopes> {
        let challenged = challenge.scope.as_deref().map(Scopes::parse);
        choose(&Wishes {
            step_up: challenge.wants_more_scope(),
            pinned: self.settings.scope.as_ref(),
            challenge: challenged.as_ref(),
            resource: resource.scopes(),
            before: before.and_then(|entry| entry.scope_requested.as_ref()),
            server: server.scopes(),
        })
    }

    async fn may_ask_the_user(&self, challenge: &Challenge) -> Result<(), Cause> {
        if self.leaving.is_cancelled() {
            return Err(Cause::Leaving);
        }
        if !self.settings.attended || self.unattended.is_cancelled() {
            return Err(Cause::NoUser);
        }
        let record = self.status.record().await;
        let now = self.settings.now.seconds();
        match record.abandoned(self.status.tried(), now) {
            Some(ended) => Err(Cause::Abandoned(Arc::new(ended.cause()))),
            // What is wanted more is looked at first: it may be nothing new.
            None if challenge.wants_more_scope() => Ok(()),
            None => self.may_show_another().await,
        }
    }
}

/// Tokens that are issued in that time because the one before was turned down, or by a sign-in.
const MOST_ANEW: usize = 2;

/// The status of a token endpoint that is there and fails: not one that asks for patience, nor a page in its place with
/// a success. A network that is down says nothing of it.
fn failing(error: &token_endpoint::Error) -> Option<u16> {
    match error {
        token_endpoint::Error::Failed(http::Error::Unavailable { status, .. })
            if *status >= 400 && ![408, 429].contains(status) =>
        {
            Some(*status)
        }
        _ => None,
    }
}

/// Says whether a refusal had no words of RFC 6749 section 5.2. It is one all the same, and nothing is revoked for it.
fn is_wordless(error: &token_endpoint::Error) -> bool {
    error.is("http_400") || error.is("http_401")
}

/// The longest time for revoking what is left.
const LAST_WORD: Duration = Duration::from_secs(5);
/// Refusals of one refresh token, while its access token works, until it counts as dead.
const STRIKES: u32 = 3;

/// Returns the origin of a renewal of this record. Its sign-in is known only if it is the record that was held.
fn renewed_from(kept: &TokenRecord, held: Option<&Current>) -> Origin {
    if is_other(kept, held) {
        Origin::TakenOver
    } else {
        Origin::Refreshed
    }
}

/// The authorization server of an entry, for people.
fn issuer_host(entry: &TokenRecord) -> String {
    let url = Url::parse(&entry.issuer).ok();
    host_of(url.as_ref().unwrap_or(&entry.token_endpoint))
}
