//! The recording of a bridge (`--record`): begun with the facts that its reader needs, and brought to the disk.

use std::time::Duration;

use tokio::time;

use crate::cli::BridgeOptions;
use crate::commands::preamble;
use crate::ledger::Ledger;
use crate::logging::Output;
use crate::recorder::Recorder;
use crate::report::Failure;
use crate::settings::Target;
use crate::transcript::redact::Redactor;

/// The time that the last lines may take to reach the disk.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Begins the recording, if the user asks for one, and says so on `stderr` if there is one.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn begin(
    options: &BridgeOptions,
    target: &Target,
    stderr: Option<&Output>,
) -> Result<Option<Recorder>, Failure> {
    let Some(path) = options.record.as_deref() else {
        return Ok(None);
    };
    let ledger = Ledger::open(path)
        .map_err(|error| Failure::usage(error).hint("--record takes a file that can be written"))?;
    let (redactor, content) = match options.record_content {
        true => (
            Redactor::default(),
            "with the content of messages: read it before you pass it on",
        ),
        false => (
            Redactor::default().of_shapes(),
            "without the content of messages (--record-content keeps it)",
        ),
    };
    let recorder = Recorder::new(ledger, redactor);
    recorder.begin(preamble::recorded(&target.https.url, options));
    if let Some(stderr) = stderr {
        stderr.say(&format!("Recording to {} {content}.\n", path.display()));
    }
    Ok(Some(recorder))
}

/// Waits until the last line is on the disk, but no longer than [`LAST_LINES`].
pub(super) async fn finish(recorder: Recorder) {
    match time::timeout(LAST_LINES, recorder.finish()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the recording is not whole"),
        Err(_) => tracing::warn!("the recording may lack its last lines"),
    }
}
