//! The process that asks the user: on one machine, one window for one account at one server.
//!
//! The process that holds the lock named for the sign-in asks. A bridge does not take the lock itself if it can avoid
//! it: it sends a helper, which outlives the host (see [`crate::auth::flow::helper`]), and watches, as do all other
//! processes that need the same sign-in: the vault, where the tokens appear, and the status of the sign-in, where the
//! address to visit stands and how the sign-in ended. A process that watches a sign-in whose holder is gone without an
//! end takes the lock. `sign_in` does what the holder of the lock does.

use std::time::Duration;

use tokio::process::Child;

use crate::auth::flow::context::Context;
use crate::auth::flow::helper::{self, SignInRequest};
use crate::auth::flow::sign_in::sign_in;
use crate::auth::flow::sign_in_status::{SignInStatus, TAKEOVER_POLL, attempt_name};
use crate::auth::flow::status_record::{Phase, StatusRecord};
use crate::auth::flow::token_checks::{is_enough, is_other_than};
use crate::auth::flow::trigger::{Origin, Trigger};
use crate::auth::flow::userinfo;
use crate::auth::net::http::{POST_PATIENCE, TOKEN_PATIENCE};
use crate::auth::oauth::challenge::Challenge;
use crate::auth::settings::Settings;
use crate::auth::store::record::{TokenRecord, TokenState};
use crate::auth::{Cause, Credential};
use crate::store::{Error as StoreError, VaultLock};

/// The interval at which watching processes look.
const POLL: Duration = Duration::from_millis(250);
/// The time for which a helper waits for processes that only looked if the lock is free.
const HANDOVER: Duration = Duration::from_secs(3);
/// The time for which `mcpipe login` waits until another process lets go of the lock.
const TAKEOVER: Duration = Duration::from_secs(20);

/// Has a person asked, here or elsewhere, and waits for what comes of it.
pub(in crate::auth) async fn sign_in_once(
    context: &Context,
    why: &Trigger,
    challenge: &Challenge,
    before: Option<TokenRecord>,
) -> Result<(TokenRecord, Origin), Cause> {
    let _waiting = context.status.wait_for_user();
    if why.is_requested() {
        let lock = take_over_lock(context).await?;
        return sign_in(context, lock, why, challenge, before).await;
    }
    watch_or_sign_in(context, why, challenge, before).await
}

/// Watches the sign-in of another process, a helper that this one sends among them, and signs in here where there is no
/// other way.
async fn watch_or_sign_in(
    context: &Context,
    why: &Trigger,
    challenge: &Challenge,
    before: Option<TokenRecord>,
) -> Result<(TokenRecord, Origin), Cause> {
    let record = context.status.record().await;
    let old = record.is_over().then_some(record.attempt);
    let mut helper: Option<RunningHelper> = None;
    let mut may_send =
        context.settings.helper.is_some() && context.store.vault().location().is_some();
    let mut shown = None;
    let mut takeover = PendingTakeover::default();
    let mut has_waited = false;
    let patience = context.settings.auth_timeout + TOKEN_PATIENCE + POST_PATIENCE;
    let end = tokio::time::sleep(patience);
    tokio::pin!(end);
    loop {
        let lock = context.status.try_lock().await?;
        // The process that held the lock wrote how it went before letting go, so this look comes after that.
        let record = context.status.record().await;
        if let Some(reached) = reached(context, &record, &old, why, challenge, &before).await? {
            if has_waited {
                userinfo::announce_sign_in(&context.settings, context.store.vault(), &reached.0)
                    .await;
            }
            return Ok(reached);
        }
        // A note whose writer has left the lock without an end is of a sign-in that died with its process.
        if lock.is_none() {
            publish_page(&context.status, &record, &mut shown);
        }
        has_waited = true;
        match lock {
            None => {}
            Some(lock) if helper.is_some() || takeover.is_awaited(&record) => drop(lock),
            Some(lock) if may_send => {
                drop(lock);
                match send_helper(context, why, challenge, &old).await {
                    Ok(sent) => helper = sent,
                    Err(why) => {
                        tracing::warn!(%why, "the sign-in ends with this process");
                        may_send = false;
                        continue;
                    }
                }
            }
            Some(lock) => match sign_in(context, lock, why, challenge, before.clone()).await {
                Err(Cause::TakenOver) => {}
                ended => return ended,
            },
        }
        // In this order: a process that stood still looks once more before it says that time is up.
        tokio::select! {
            biased;
            () = context.leaving.cancelled() => return Err(Cause::Leaving),
            () = gone(&mut helper) => {
                helper = None;
                may_send = false;
            }
            () = tokio::time::sleep(POLL) => {}
            () = &mut end => return Err(too_late(&context.settings, patience)),
        }
    }
}

fn too_late(settings: &Settings, patience: Duration) -> Cause {
    Cause::TooLate {
        host: settings.url.host_str().unwrap_or_default().to_owned(),
        seconds: patience.as_secs(),
    }
}

/// Signs in on behalf of processes that watch; what a helper does. Nothing to do is no error.
pub(in crate::auth) async fn sign_in_for_others(
    context: &Context,
    request: SignInRequest,
) -> Result<(), Cause> {
    let lock = match context.status.lock(HANDOVER).await {
        Err(StoreError::Busy { .. }) => return Ok(()),
        lock => lock?,
    };
    let why = Trigger::Challenged {
        stale: request.stale.map(|token| Credential {
            generation: 0,
            token,
            home: context.settings.url.origin(),
            // It is only compared.
            prover: None,
        }),
        challenge: request.challenge.clone(),
        is_asked: true,
    };
    if let Some(key) = &context.settings.client_key {
        let Settings { url, now, .. } = &*context.settings;
        key.fetch(context.store.vault(), url, now).await?;
    }
    let before = context.store.stored().await?.map(|stored| stored.entry);
    let record = context.status.record().await;
    let none = None;
    let reached = reached(
        context,
        &record,
        &request.old,
        &why,
        &request.challenge,
        &none,
    )
    .await;
    if !matches!(reached, Ok(None)) {
        return Ok(());
    }
    let signed_in = sign_in(context, lock, &why, &request.challenge, before).await;
    signed_in.map(|_| ())
}

/// Returns the result of another process since this one began to watch.
async fn reached(
    context: &Context,
    record: &StatusRecord,
    old: &Option<String>,
    why: &Trigger,
    challenge: &Challenge,
    before: &Option<TokenRecord>,
) -> Result<Option<(TokenRecord, Origin)>, Cause> {
    let is_news = Some(&record.attempt) != old.as_ref();
    let is_done = is_news && record.phase == Phase::Done;
    if let Some(stored) = context.store.stored().await? {
        let entry = stored.entry;
        let is_newer = before
            .as_ref()
            .is_none_or(|before| !entry.access.same_as(before.access.expose()));
        // What a sign-in brought since then is taken even if it has ended while this process stood still: it can be
        // renewed, and asking the person again brings no more.
        let is_fresh = !entry.has_expired(context.now());
        let is_good = entry.state != TokenState::NeedsLogin
            && (is_done || is_fresh && is_enough(challenge, &entry));
        if is_other_than(why, &entry) && is_newer && is_good {
            return Ok(Some((entry, Origin::SignedIn)));
        }
    }
    match &record.phase {
        Phase::Failed(ended) if is_news => Err(ended.cause()),
        _ => Ok(None),
    }
}

/// Passes on the address at which the sign-in of another process waits.
fn publish_page(status: &SignInStatus, record: &StatusRecord, shown: &mut Option<String>) {
    let Phase::WaitingForUser(now) = &record.phase else {
        return;
    };
    if shown.as_ref() == Some(&now.url) {
        return;
    }
    *shown = Some(now.url.clone());
    status.publish(now);
}

/// Starts a helper, unless another process is doing so.
async fn send_helper(
    context: &Context,
    why: &Trigger,
    challenge: &Challenge,
    old: &Option<String>,
) -> Result<Option<RunningHelper>, Cause> {
    let Some(helper) = &context.settings.helper else {
        return Ok(None);
    };
    let name = context.store.lock_name("helper");
    let starting = match context.store.vault().lock(&name, Duration::ZERO).await {
        Err(StoreError::Busy { .. }) => return Ok(None),
        starting => starting?,
    };
    let root = context.store.vault().root().await?;
    let stale = match why {
        Trigger::Challenged { stale, .. } => stale.as_ref().map(|stale| stale.token.clone()),
        Trigger::Expiring | Trigger::Requested(_) => None,
    };
    let request = SignInRequest {
        challenge: challenge.clone(),
        stale,
        old: old.clone(),
    };
    let child = helper::send(helper, &request, root.as_ref())
        .await
        .map_err(Cause::Helper)?;
    tracing::debug!(id = child.id(), "a helper does the sign-in");
    Ok(Some(RunningHelper {
        child,
        _starting: starting,
    }))
}

/// Takes the lock for a user who asks for a sign-in, whichever process holds it.
async fn take_over_lock(context: &Context) -> Result<VaultLock, Cause> {
    let lock = context.status.try_lock().await?;
    let mut record = context.status.record().await;
    record.reset_limits();
    record.attempt = attempt_name();
    record.phase = Phase::Started;
    context.status.write(&record).await;
    if let Some(lock) = lock {
        return Ok(lock);
    }
    let ours = record.attempt.clone();
    let insisting = async {
        loop {
            tokio::time::sleep(TAKEOVER_POLL).await;
            // What they were writing when we wrote may have gone over ours.
            if context.status.record().await.attempt != ours {
                context.status.write(&record).await;
            }
        }
    };
    tokio::select! {
        lock = context.status.lock(TAKEOVER) => Ok(lock?),
        () = insisting => Err(Cause::TakenOver),
        () = context.leaving.cancelled() => Err(Cause::Leaving),
    }
}

/// A process that has said that it takes the lock, and does not hold it yet.
#[derive(Default)]
struct PendingTakeover {
    attempt: String,
    polls: u32,
}

impl PendingTakeover {
    /// For two seconds; then they are taken for dead.
    fn is_awaited(&mut self, record: &StatusRecord) -> bool {
        if self.attempt != record.attempt {
            self.attempt.clone_from(&record.attempt);
            self.polls = 0;
        }
        self.polls += 1;
        record.phase == Phase::Started && self.polls <= 8
    }
}

/// A helper that is under way, and the lock that keeps others from sending one more.
struct RunningHelper {
    child: Child,
    _starting: VaultLock,
}

async fn gone(helper: &mut Option<RunningHelper>) {
    match helper {
        Some(sent) => {
            let ended = sent.child.wait().await;
            tracing::debug!(?ended, "the helper has ended");
        }
        None => std::future::pending().await,
    }
}
