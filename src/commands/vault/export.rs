//! Export of a vault's entries, and import on another machine.

use crate::cli::{VaultExportArgs, VaultImportArgs};
use crate::commands::print;
use crate::commands::vault::new_passphrase::{blocking, new_passphrase};
use crate::commands::vault::text::count;
use crate::report::{Failure, Kind};
use crate::settings::{self, Environment};
use crate::store::passphrase::{self, Passphrase, Sources, TRIES};
use crate::store::{Error, Imported, Vault, envelope};

const FLAG: &str = "--export-passphrase-file";

pub(super) async fn export(args: &VaultExportArgs, env: &Environment) -> Result<(), Failure> {
    // The check comes before the user is asked for a passphrase; the file is made only where none exists, all the same.
    if args.file.symlink_metadata().is_ok() {
        let error = format!("{} is there already", args.file.display());
        return Err(Failure::new(Kind::Failed, error).hint("choose another name"));
    }
    let vault = settings::vault(&args.common.vault, env, env.is_terminal)?;
    let directory = args.file.parent().filter(|it| !it.as_os_str().is_empty());
    if let Some(directory) = directory.filter(|it| !it.is_dir()) {
        let error = format!("there is no directory {}", directory.display());
        return Err(Failure::new(Kind::Failed, error).hint("make it, or choose another name"));
    }
    vault.root_key().await?;
    let sources = settings::export_passphrase(&args.passphrase, env.is_terminal);
    let question = "Passphrase for the exported file: ".to_owned();
    let passphrase = new_passphrase(sources, question, "no file is written", FLAG).await?;
    let entries = vault.export(&args.file, passphrase).await?;
    print(&format!(
        "Wrote {} to {}. Refresh tokens that rotate work on one machine only: stop using them here.\n",
        count(entries, "entry", "entries"),
        args.file.display()
    ))
}

pub(super) async fn import(args: &VaultImportArgs, env: &Environment) -> Result<(), Failure> {
    let vault = settings::vault(&args.common.vault, env, env.is_terminal)?;
    vault.may_import(&args.file).await.map_err(no_export)?;
    // The vault that is to take the entries is opened before the file's passphrase is asked for.
    if vault.status().await?.generation.is_some() {
        vault.root_key().await?;
    }
    let sources = settings::export_passphrase(&args.passphrase, env.is_terminal);
    let given = {
        let sources = sources.clone();
        blocking(move || Ok(sources.read()?)).await?
    };
    let imported = match given {
        Some(given) => match vault.import(&args.file, given, args.replace).await {
            Err(Error::WrongPassphrase { vault, .. }) => Err(Error::WrongPassphrase {
                vault,
                from: sources.name(),
            }),
            imported => imported,
        }?,
        None => import_typed(&vault, args, sources).await?,
    };
    let mut text = format!("Took {}.\n", count(imported.taken, "entry", "entries"));
    if !imported.already_there.is_empty() {
        let stayed = count(imported.already_there.len(), "was", "were");
        text.push_str(&format!(
            "{stayed} here already and stayed; --replace takes the file's.\n"
        ));
    }
    print(&text)
}

/// Asks for the file's passphrase, which the user may mistype.
async fn import_typed(
    vault: &Vault,
    args: &VaultImportArgs,
    sources: Sources,
) -> Result<Imported, Failure> {
    let file = args.file.display();
    let mut question = format!("Passphrase of {file}: ");
    for _ in 0..TRIES {
        let sources = sources.clone();
        let asked = std::mem::replace(&mut question, "That does not open it. Once more: ".into());
        let typed = blocking(move || match sources.ask(&asked) {
            // An empty or too long passphrase opens no file either.
            Err(passphrase::Error::Empty | passphrase::Error::TooLong) => Ok(Some(None)),
            typed => Ok(typed?.map(Some)),
        });
        let typed: Option<Option<Passphrase>> = typed.await?;
        let Some(typed) = typed else {
            return Err(
                Failure::usage("the file's passphrase was not given").hint(format!(
                    "run this at a terminal, or name a file with {FLAG}"
                )),
            );
        };
        let Some(typed) = typed else { continue };
        match vault.import(&args.file, typed, args.replace).await {
            Err(Error::WrongPassphrase { .. }) => {}
            imported => return Ok(imported?),
        }
    }
    let error = format!("no passphrase that was typed opens {file}");
    Err(Failure::new(Kind::Failed, error).hint(
        "Forgotten? It cannot be recovered: export again on the machine that the file is from",
    ))
}

/// Returns the failure for a file that is no export: nothing is wrong with the vault here.
fn no_export(error: Error) -> Failure {
    let is_other_file = matches!(
        &error,
        Error::Envelope {
            source: envelope::Error::NotAVault | envelope::Error::Damaged(_),
            ..
        }
    );
    match (is_other_file, &error) {
        (true, Error::Envelope { vault, source }) => {
            let error = format!(
                "{} is no file that `mcpipe vault export` made: {source}",
                vault.display()
            );
            let hint = "choose another file, or export again on the machine that it is from";
            Failure::new(Kind::Failed, error).hint(hint)
        }
        _ => error.into(),
    }
}
