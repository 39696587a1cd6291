//! Taking a vault's entries to another machine.

use super::{count, new_passphrase};
use crate::cli::{ExportArgs, ImportArgs};
use crate::commands::print;
use crate::report::{Failure, Kind};
use crate::settings::{self, Surroundings};

const FLAG: &str = "--export-passphrase-file";

pub(super) async fn export(args: &ExportArgs, around: &Surroundings) -> Result<(), Failure> {
    // Said before anybody is asked for a passphrase; the file is made only where none is, all the same.
    if args.file.symlink_metadata().is_ok() {
        let error = format!("{} is there already", args.file.display());
        return Err(Failure::new(Kind::Failed, error).hint("choose another name"));
    }
    let vault = settings::vault(&args.common.vault, around, around.is_terminal)?;
    vault.root_key().await?;
    let sources = settings::export_passphrase(&args.passphrase, around.is_terminal);
    let passphrase = new_passphrase(&sources, "Passphrase for the exported file: ", FLAG)?;
    let entries = vault.export(&args.file, passphrase).await?;
    print(&format!(
        "Wrote {} to {}. Refresh tokens that rotate work on one machine only: stop using them here.\n",
        count(entries, "entry", "entries"),
        args.file.display()
    ))
}

pub(super) async fn import(args: &ImportArgs, around: &Surroundings) -> Result<(), Failure> {
    let vault = settings::vault(&args.common.vault, around, around.is_terminal)?;
    let sources = settings::export_passphrase(&args.passphrase, around.is_terminal);
    let failed = |error| Failure::new(Kind::Failed, error);
    let passphrase = match sources.read().map_err(failed)? {
        Some(given) => Some(given),
        None => {
            let question = format!("Passphrase of {}: ", args.file.display());
            sources.ask(&question).map_err(failed)?
        }
    };
    let passphrase = passphrase.ok_or_else(|| {
        Failure::usage("the file's passphrase was not given").hint(format!(
            "run this at a terminal, or name a file with {FLAG}"
        ))
    })?;
    let moved = vault.import(&args.file, passphrase, args.replace).await?;
    let mut text = format!("Took {}.\n", count(moved.taken, "entry", "entries"));
    if !moved.kept.is_empty() {
        let kept = count(moved.kept.len(), "was", "were");
        text.push_str(&format!(
            "{kept} here already and stayed; --replace takes the file's.\n"
        ));
    }
    print(&text)
}
