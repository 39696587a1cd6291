//! `mcpipe audit …`: audit files checked, and shown.

mod show;
mod verify;

use crate::cli::AuditCommand;
use crate::report::{Failure, Kind};

/// Runs the audit command.
///
/// # Errors
/// A file that cannot be read, and, of `verify`, one that is not as it was written.
pub async fn run(command: AuditCommand) -> Result<(), Failure> {
    // On another thread, so that Ctrl-C ends it.
    let done = tokio::task::spawn_blocking(move || match command {
        AuditCommand::Verify(args) => verify::run(&args),
        AuditCommand::Show(args) => show::run(&args),
    });
    done.await
        .unwrap_or_else(|error| Err(Failure::new(Kind::Failed, error)))
}
