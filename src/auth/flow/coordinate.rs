//! Whose turn it is to ask a person: on one machine, one window for one account at one server.
//!
//! Whoever holds the lock named for the sign-in has the turn. A bridge does not take it itself if it can help it: it
//! sends a helper, which outlives the host (see [`crate::auth::flow::helper`]), and watches, as do all others who need the same
//! sign-in: the vault, where the tokens appear, and the note, where the address to visit stands and how it ended. Who
//! watches a turn that nobody has any more, without an end, takes it. What is done with the turn is `attempt`'s.

use std::time::Duration;

use oauth2::CsrfToken;
use tokio::process::Child;

use crate::auth::authorizer::PendingSignIn;
use crate::auth::flow::helper::{self, SignInRequest};
use crate::auth::flow::sign_in_status::{Phase, Record, Shown};
use crate::auth::flow::token_checks::{is_enough, is_other_than};
use crate::auth::net::http::{POST_PATIENCE, TOKEN_PATIENCE};
use crate::auth::notice::Notice;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::settings::Settings;
use crate::auth::shared::{Origin, Shared, Trigger};
use crate::auth::store::record::{Entry, State};
use crate::auth::{Cause, Credential};
use crate::store::{Error as StoreError, Lock};

/// How often those who watch look.
const GLANCE: Duration = Duration::from_millis(250);
/// How often who has the turn looks whether it was taken over.
const OVER_THE_SHOULDER: Duration = Duration::from_millis(500);
/// How long a helper waits for those who only looked whether the turn is free.
const HANDOVER: Duration = Duration::from_secs(3);
/// How long the user waits for somebody who is to let go.
const TAKEOVER: Duration = Duration::from_secs(20);

impl Shared {
    /// Has a person asked, here or elsewhere, and waits for what comes of it.
    pub(in crate::auth) async fn sign_in_once(
        &self,
        why: &Trigger,
        challenge: &Challenge,
        before: Option<Entry>,
    ) -> Result<(Entry, Origin), Cause> {
        let _waiting = Waiting::begin(self);
        self.state().is_signing_in = true;
        if matches!(why, Trigger::Told(_)) {
            let turn = self.take_over_lock().await?;
            return self.sign_in(turn, why, challenge, before).await;
        }
        let record = self.record().await;
        let old = record.is_over().then_some(record.attempt);
        let mut helper: Option<Sent> = None;
        let mut may_send = self.settings.helper.is_some() && self.vault.location().is_some();
        let mut shown = None;
        let mut newcomer = PendingTakeover::default();
        let mut has_waited = false;
        let patience = self.settings.auth_timeout + TOKEN_PATIENCE + POST_PATIENCE;
        let end = tokio::time::sleep(patience);
        tokio::pin!(end);
        loop {
            let turn = self.try_lock_sign_in().await?;
            // Whoever had the turn said how it went before letting go, so this look comes after that one.
            let record = self.record().await;
            if let Some(reached) = self.reached(&record, &old, why, challenge, &before).await? {
                if has_waited {
                    self.signed_in(&reached.0).await;
                }
                return Ok(reached);
            }
            // A note whose writer has left the turn without an end is of a sign-in that died with its process.
            if turn.is_none() {
                self.pass_on(&record, &mut shown);
            }
            has_waited = true;
            match turn {
                None => {}
                Some(turn) if helper.is_some() || newcomer.is_awaited(&record) => drop(turn),
                Some(turn) if may_send => {
                    drop(turn);
                    match self.send_helper(why, challenge, &old).await {
                        Ok(sent) => helper = sent,
                        Err(why) => {
                            tracing::warn!(%why, "the sign-in ends with this process");
                            may_send = false;
                            continue;
                        }
                    }
                }
                Some(turn) => match self.sign_in(turn, why, challenge, before.clone()).await {
                    Err(Cause::Superseded) => {}
                    ended => return ended,
                },
            }
            // In this order: a process that stood still looks once more before it says that time is up.
            tokio::select! {
                biased;
                () = self.leaving.cancelled() => return Err(Cause::Leaving),
                () = gone(&mut helper) => {
                    helper = None;
                    may_send = false;
                }
                () = tokio::time::sleep(GLANCE) => {}
                () = &mut end => return Err(Cause::TooLate {
                    host: self.settings.url.host_str().unwrap_or_default().to_owned(),
                    seconds: patience.as_secs(),
                }),
            }
        }
    }

    /// Signs in on behalf of processes that watch; what a helper does. Nothing to do is no error.
    pub(in crate::auth) async fn sign_in_for_others(
        &self,
        errand: SignInRequest,
    ) -> Result<(), Cause> {
        let name = self.lock_name("sign-in");
        let turn = match self.vault.lock(&name, HANDOVER).await {
            Err(StoreError::Busy { .. }) => return Ok(()),
            turn => turn?,
        };
        let why = Trigger::Challenged {
            stale: errand.stale.map(|token| Credential {
                generation: 0,
                token,
                home: self.settings.url.origin(),
                // It is only compared.
                prover: None,
            }),
            challenge: errand.challenge.clone(),
            is_asked: true,
        };
        if let Some(key) = &self.settings.client_key {
            let Settings { url, now, .. } = &self.settings;
            key.fetch(&self.vault, url, now).await?;
        }
        let before = self.stored().await?.map(|kept| kept.entry);
        let record = self.record().await;
        let none = None;
        let reached = self
            .reached(&record, &errand.old, &why, &errand.challenge, &none)
            .await;
        if !matches!(reached, Ok(None)) {
            return Ok(());
        }
        let signed_in = self.sign_in(turn, &why, &errand.challenge, before).await;
        signed_in.map(|_| ())
    }

    /// What somebody else has come to since we began to watch.
    async fn reached(
        &self,
        record: &Record,
        old: &Option<String>,
        why: &Trigger,
        challenge: &Challenge,
        before: &Option<Entry>,
    ) -> Result<Option<(Entry, Origin)>, Cause> {
        let is_news = Some(&record.attempt) != old.as_ref();
        let is_done = is_news && record.phase == Phase::Done;
        if let Some(kept) = self.stored().await? {
            let entry = kept.entry;
            let is_newer = before
                .as_ref()
                .is_none_or(|before| !entry.access.same_as(before.access.expose()));
            // What a sign-in brought since then is taken even if it has ended while this process stood still: it can be
            // renewed, and asking the person again brings no more.
            let is_fresh = !entry.has_expired(self.settings.now.seconds());
            let is_good = entry.state != State::NeedsLogin
                && (is_done || is_fresh && is_enough(challenge, &entry));
            if is_other_than(why, &entry) && is_newer && is_good {
                return Ok(Some((entry, Origin::SignedIn)));
            }
        }
        match &record.phase {
            Phase::Ended(ended) if is_news => Err(ended.cause()),
            _ => Ok(None),
        }
    }

    /// Passes the address on that somebody else's sign-in waits at.
    fn pass_on(&self, record: &Record, shown: &mut Option<String>) {
        let Phase::Shown(now) = &record.phase else {
            return;
        };
        if shown.as_ref() == Some(&now.url) {
            return;
        }
        *shown = Some(now.url.clone());
        self.publish(now);
    }

    fn publish(&self, shown: &Shown) {
        self.settings.announce.tell(&Notice::Visit {
            url: &shown.url,
            user_code: shown.user_code.as_deref(),
            good_for: shown.code_good_until.map(|until| {
                Duration::from_secs(until.saturating_sub(self.settings.now.seconds()))
            }),
            opened: shown.opened,
        });
        self.pending.send_replace(Some(PendingSignIn {
            url_to_show: shown.url.clone(),
            host: shown.host.clone(),
            user_code: shown.user_code.clone(),
        }));
    }

    /// Starts a helper, unless another process is doing so.
    async fn send_helper(
        &self,
        why: &Trigger,
        challenge: &Challenge,
        old: &Option<String>,
    ) -> Result<Option<Sent>, Cause> {
        let Some(helper) = &self.settings.helper else {
            return Ok(None);
        };
        let name = self.lock_name("helper");
        let starting = match self.vault.lock(&name, Duration::ZERO).await {
            Err(StoreError::Busy { .. }) => return Ok(None),
            starting => starting?,
        };
        let root = self.vault.root().await?;
        let stale = match why {
            Trigger::Challenged { stale, .. } => stale.as_ref().map(|stale| stale.token.clone()),
            Trigger::Due | Trigger::Told(_) => None,
        };
        let errand = SignInRequest {
            challenge: challenge.clone(),
            stale,
            old: old.clone(),
        };
        let child = helper::send(helper, &errand, root.as_ref())
            .await
            .map_err(Cause::Helper)?;
        tracing::debug!(id = child.id(), "a helper does the sign-in");
        Ok(Some(Sent {
            child,
            _starting: starting,
        }))
    }

    async fn try_lock_sign_in(&self) -> Result<Option<Lock>, Cause> {
        let name = self.lock_name("sign-in");
        match self.vault.lock(&name, Duration::ZERO).await {
            Ok(turn) => Ok(Some(turn)),
            Err(StoreError::Busy { .. }) => Ok(None),
            Err(why) => Err(why.into()),
        }
    }

    /// Gets the turn for a user who asks for it, whoever has it.
    async fn take_over_lock(&self) -> Result<Lock, Cause> {
        let turn = self.try_lock_sign_in().await?;
        let mut record = self.record().await;
        record.forgive();
        record.attempt = attempt_name();
        record.phase = Phase::Begun;
        self.leave(&record).await;
        if let Some(turn) = turn {
            return Ok(turn);
        }
        let name = self.lock_name("sign-in");
        let ours = record.attempt.clone();
        let insisting = async {
            loop {
                tokio::time::sleep(OVER_THE_SHOULDER).await;
                // What they were writing when we wrote may have gone over ours.
                if self.record().await.attempt != ours {
                    self.leave(&record).await;
                }
            }
        };
        tokio::select! {
            turn = self.vault.lock(&name, TAKEOVER) => Ok(turn?),
            () = insisting => Err(Cause::Superseded),
            () = self.leaving.cancelled() => Err(Cause::Leaving),
        }
    }

    /// Shows a page to a person here, and to those who watch. From now on it counts as a window.
    pub(in crate::auth) async fn show(&self, attempt: &str, shown: Shown) {
        self.publish(&shown);
        let now = self.settings.now.seconds();
        self.update(attempt, |record| {
            record.window_shown(&self.tried, now);
            record.phase = Phase::Shown(shown);
        })
        .await;
    }

    /// The record of this account at this server; one that cannot be read is empty.
    pub(in crate::auth) async fn record(&self) -> Record {
        match self.vault.note(&self.lock_name("sign-in")).await {
            Ok(text) => text.as_deref().map(Record::read).unwrap_or_default(),
            Err(why) => {
                tracing::debug!(%why, "the note on this sign-in is not readable");
                Record::default()
            }
        }
    }

    pub(in crate::auth) async fn leave(&self, record: &Record) {
        let name = self.lock_name("sign-in");
        if let Err(why) = self.vault.leave_note(&name, &record.write()).await {
            tracing::warn!(%why, "other processes will not know of this sign-in");
        }
    }

    /// Edits the record if it is still about this attempt.
    pub(in crate::auth) async fn update(&self, attempt: &str, edit: impl FnOnce(&mut Record)) {
        let mut record = self.record().await;
        if record.attempt == attempt {
            edit(&mut record);
            self.leave(&record).await;
        }
    }

    /// Ends when somebody else has taken the turn, or what we would write into is gone.
    pub(in crate::auth) async fn superseded(&self, attempt: &str) {
        if self.vault.location().is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(OVER_THE_SHOULDER).await;
            let note = self.vault.note(&self.lock_name("sign-in")).await;
            if note.is_ok_and(|note| Record::read(&note.unwrap_or_default()).attempt != attempt) {
                return;
            }
        }
    }
}

/// Somebody who has said that the turn is theirs, and does not have it yet.
#[derive(Default)]
struct PendingTakeover {
    attempt: String,
    glances: u32,
}

impl PendingTakeover {
    /// For two seconds; then they are taken for dead.
    fn is_awaited(&mut self, record: &Record) -> bool {
        if self.attempt != record.attempt {
            self.attempt.clone_from(&record.attempt);
            self.glances = 0;
        }
        self.glances += 1;
        record.phase == Phase::Begun && self.glances <= 8
    }
}

/// A helper that is under way, and the lock that keeps others from sending one more.
struct Sent {
    child: Child,
    _starting: Lock,
}

async fn gone(helper: &mut Option<Sent>) {
    match helper {
        Some(sent) => {
            let ended = sent.child.wait().await;
            tracing::debug!(?ended, "the helper has ended");
        }
        None => std::future::pending().await,
    }
}

/// Nobody guesses it: who finds another in the note has been superseded.
pub(in crate::auth) fn attempt_name() -> String {
    CsrfToken::new_random_len(16).into_secret()
}

/// True on the watch while a person is waited for, however that ends.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.person.send_replace(true);
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.person.send_replace(false);
        self.0.pending.send_replace(None);
    }
}
