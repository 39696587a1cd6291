//! A passphrase that is to be set, from its sources or the user.

use crate::report::{Failure, Kind};
use crate::store::passphrase::{Passphrase, Sources};

/// Runs code that waits for the user or a pipe on a thread that may wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::new(Kind::Failed, error))?
}

/// Returns a passphrase to be set: from the source that the flags name, or asked for twice. A user who types none is
/// shown one, and may take `instead`.
pub(super) async fn new_passphrase(
    sources: Sources,
    question: String,
    instead: &'static str,
    flag: &'static str,
) -> Result<Passphrase, Failure> {
    blocking(move || {
        if let Some(given) = sources.read()? {
            return Ok(given);
        }
        if sources.terminal.is_none() {
            return Err(Failure::usage("no new passphrase was given").hint(format!(
                "run this at a terminal, or name a file with {flag}"
            )));
        }
        let chosen = match sources.ask_new(&question)? {
            None => sources.offer(instead)?,
            chosen => chosen,
        };
        chosen.ok_or_else(|| {
            Failure::new(Kind::Failed, format!("no passphrase was chosen: {instead}"))
        })
    })
    .await
}
