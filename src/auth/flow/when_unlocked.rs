//! The wait of a renewal for a vault that the user has to unlock, or whose key a program has not given yet.

use crate::auth::Cause;
use crate::auth::flow::context::Context;
use crate::auth::flow::trigger::Origin;
use crate::auth::store::credential_store::CredentialStore;
use crate::auth::store::locked_vault::{Closed, answered, asking_long};
use crate::auth::store::record::TokenRecord;

/// Obtains a newer record; where the vault is locked and a request waits, once the user has unlocked it.
pub(in crate::auth) async fn obtain<F>(
    context: &Context,
    may_wait: bool,
    obtain: impl Fn() -> F,
) -> Result<(TokenRecord, Origin), Cause>
where
    F: Future<Output = Result<(TokenRecord, Origin), Cause>>,
{
    if !may_wait || !context.settings.waits_for_unlock {
        return obtain().await;
    }
    let mut obtained = Box::pin(repeat(context, obtain));
    let mut waiting = None;
    loop {
        let is_waiting = waiting.is_some();
        tokio::select! {
            biased;
            ended = &mut obtained => return ended,
            () = asking_long(context.store.vault().is_asking()), if !is_waiting => {
                let why = Closed::Asking;
                waiting = Some(context.store.unlocking().begin(why));
            }
            () = answered(context.store.vault().is_asking()), if is_waiting => waiting = None,
            // Nothing is held that would have to be stored.
            () = context.leaving.cancelled(), if is_waiting => return Err(Cause::Leaving),
        }
    }
}

async fn repeat<F>(
    context: &Context,
    obtain: impl Fn() -> F,
) -> Result<(TokenRecord, Origin), Cause>
where
    F: Future<Output = Result<(TokenRecord, Origin), Cause>>,
{
    loop {
        // Before anything is locked that other processes need.
        if context.store.is_locked().await {
            until_unlocked(&context.store).await?;
        }
        match obtain().await {
            Err(why) if why.is_locked() => until_unlocked(&context.store).await?,
            ended => return ended,
        }
    }
}

async fn until_unlocked(store: &CredentialStore) -> Result<(), Cause> {
    match store.until_unlocked().await {
        true => Ok(()),
        false => Err(Cause::Leaving),
    }
}
