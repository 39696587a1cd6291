//! The audit of a bridge (`--audit`): opened before anything is sent, and brought to the disk at the end.

use std::time::Duration;

use tokio::time;

use crate::audit::{self, Audit, Options, Source};
use crate::bridge::Auditing;
use crate::cli::PolicyArgs;
use crate::clock::{Clock, milliseconds};
use crate::policy::{Origin, Rule};
use crate::random;
use crate::report::{Failure, Kind};
use crate::settings::{self, Target};
use crate::text::without_query;

/// The length from which on a new file is begun, in bytes (`--audit-max-size`).
const MAX_SIZE: u64 = 64 * 1024 * 1024;
/// The time that the last lines may take to reach the disk.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Opens the audit file, if the user asks for one, and writes that this run begins.
///
/// # Errors
/// A file that is none of mcpipe's, that was changed since it was written, or that cannot be written.
pub(super) fn begin(
    policy: &PolicyArgs,
    target: &Target,
    account: &str,
) -> Result<Option<Auditing>, Failure> {
    let Some(path) = &policy.audit else {
        return Ok(None);
    };
    let session = random::bytes::<16>().map_err(|error| Failure::new(Kind::Failed, error))?;
    let session = session.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut url = target.https.url.clone();
    // They fail for addresses without a host only.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let source = Source {
        server: without_query(url.as_str()),
        account: account.to_owned(),
        session,
    };
    let options = Options {
        path: std::path::absolute(path).unwrap_or_else(|_| path.clone()),
        max_size: policy.audit_max_size.unwrap_or(MAX_SIZE),
        is_best_effort: policy.audit_best_effort,
        clock: Clock::new(settings::now),
    };
    let members = format!(
        r#"{},"version":"{}","isBestEffort":{},"isDryRun":{}"#,
        source.members(None),
        env!("CARGO_PKG_VERSION"),
        policy.audit_best_effort,
        policy.policy_dry_run
    );
    let first = audit::content(milliseconds(settings::now()), "start", &members);
    let audit = Audit::open(options, &first).map_err(|error| {
        let hint = error.hint();
        let hint = hint.unwrap_or_else(|| "--audit takes a file that can be written".to_owned());
        Failure::usage(error).hint(hint)
    })?;
    Ok(Some(Auditing {
        audit,
        source,
        keeps_arguments: policy.audit_arguments,
        rule: Rule {
            key: "audit",
            value: path.display().to_string(),
            origin: Origin::Flag("--audit"),
        },
    }))
}

/// Writes that this run ends, and waits until the last line is on the disk, but no longer than [`LAST_LINES`].
pub(super) async fn finish(auditing: &Auditing) {
    let Auditing { audit, source, .. } = auditing;
    let members = source.members(None);
    audit.write(audit.now(), "end", |line| line.push_str(&members));
    match time::timeout(LAST_LINES, audit.finish()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!("{error} The audit is not whole."),
        Err(_) => tracing::error!("the audit may lack its last lines"),
    }
}
