//! Making a vault, and changing what opens it.

use super::{count, new_passphrase};
use crate::cli::{
    Common, InitArgs, NewPassphraseArgs, Opens, PasswdArgs, ProtectArgs, SlotAddArgs, SlotArgs,
    SlotRotateArgs,
};
use crate::commands::print;
use crate::report::Failure;
use crate::settings::{self, Surroundings};
use crate::store::key_command::With;
use crate::store::passphrase::Sources;
use crate::store::slot::SlotKind;
use crate::store::{NewKey, SlotStatus, Vault};

const COPIES: &str = "Copies of the vault made before still open as before; `mcpipe vault rekey` makes them useless \
                      for anything written from then on.\n";

pub(super) async fn init(args: &InitArgs, around: &Surroundings) -> Result<(), Failure> {
    let with = args.with.unwrap_or(Opens::Passphrase);
    let wants_key_file = args.key_file || args.with == Some(Opens::KeyFile);
    // What opens a vault by another program's key is first made with the key file, which then gives way.
    let is_held = args.with.is_some() && !matches!(with, Opens::Passphrase | Opens::KeyFile);
    let may_ask = around.is_terminal && !wants_key_file && !is_held;
    let vault = settings::vault_at_cost(&args.common.vault, around, may_ask, args.kdf)?;
    if wants_key_file || is_held {
        vault.init_with_key_file().await?;
    } else {
        vault.init().await?;
    }
    if is_held && let Err(failure) = change_to(&vault, with, &NewPassphraseArgs::default()).await {
        return Err(failure.hint(
            "the vault was made and opens by its key file; `mcpipe vault protect` tries again",
        ));
    }
    let status = vault.status().await?;
    let path = status.path.unwrap_or_default();
    let level = status.level.map(|level| level.to_string());
    print(&format!(
        "Made {} (protection: {}).\n",
        path.display(),
        level.unwrap_or_default()
    ))
}

pub(super) async fn passwd(args: &PasswdArgs, around: &Surroundings) -> Result<(), Failure> {
    let vault = open(&args.common, &args.new, around)?;
    let slots = vault.status().await?.slots;
    let which = match &args.slot {
        Some(which) => which.clone(),
        None => {
            let mut theirs = slots.iter().filter(|slot| takes_passphrase(slot));
            match (theirs.next(), theirs.next()) {
                (Some(slot), None) => slot.id.clone(),
                (None, _) => {
                    return Err(Failure::usage("no passphrase opens this vault")
                        .hint("`mcpipe vault protect` sets one"));
                }
                _ => {
                    return Err(Failure::usage("several passphrases open this vault")
                        .hint("say which with --slot; `mcpipe vault slot list` shows them"));
                }
            }
        }
    };
    let named = slots
        .iter()
        .find(|slot| slot.id == which || slot.label == which);
    if let Some(slot) = named.filter(|slot| !takes_passphrase(slot)) {
        let error = format!("{:?} is opened by a key, not by a passphrase", slot.label);
        return Err(Failure::usage(error).hint("`mcpipe vault slot rotate` gives it a new key"));
    }
    // The present one first, as everywhere.
    vault.root_key().await?;
    let sources = settings::new_passphrase(&args.new, around.is_terminal);
    let new = NewKey::Passphrase(new_passphrase(
        &sources,
        "New passphrase: ",
        "--new-passphrase-file",
    )?);
    vault.put_slot(new, None, Some(&which)).await?;
    print(&format!("The passphrase is changed. {COPIES}"))
}

pub(super) async fn protect(args: &ProtectArgs, around: &Surroundings) -> Result<(), Failure> {
    let vault = open(&args.common, &args.new, around)?;
    if args.with == Opens::KeyFile {
        return Err(Failure::usage("a key file is what `protect` replaces")
            .hint("`mcpipe vault slot add key-file` adds one"));
    }
    vault.root_key().await?;
    let added = if args.keep_key_file {
        let new = new_key(args.with, &args.new, around.is_terminal)?;
        vault.put_slot(new, None, None).await?
    } else {
        change_to_new(&vault, args.with, &args.new, around.is_terminal).await?
    };
    let level = vault.status().await?.level.map(|level| level.to_string());
    let level = level.unwrap_or_default();
    let tail = if args.keep_key_file { "" } else { COPIES };
    print(&format!(
        "{:?} opens the vault (protection: {level}). {tail}",
        added.label
    ))
}

async fn change_to(
    vault: &Vault,
    with: Opens,
    new: &NewPassphraseArgs,
) -> Result<SlotStatus, Failure> {
    change_to_new(vault, with, new, false).await
}

/// In the key file's place, if it opens the vault; otherwise beside what does.
async fn change_to_new(
    vault: &Vault,
    with: Opens,
    new: &NewPassphraseArgs,
    may_ask: bool,
) -> Result<SlotStatus, Failure> {
    let slots = vault.status().await?.slots;
    let key_file = slots.iter().find(|slot| slot.is_key_file());
    let new = new_key(with, new, may_ask)?;
    let replacing = key_file.map(|slot| slot.id.as_str());
    Ok(vault.put_slot(new, None, replacing).await?)
}

pub(super) async fn add(args: &SlotAddArgs, around: &Surroundings) -> Result<(), Failure> {
    if args.label.is_some() && args.what != Opens::Passphrase {
        return Err(Failure::usage("only a passphrase can be given a --label")
            .hint("a key's slot is called after what holds the key"));
    }
    let vault = open(&args.common, &args.new, around)?;
    vault.root_key().await?;
    let new = new_key(args.what, &args.new, around.is_terminal)?;
    let added = vault.put_slot(new, args.label.as_deref(), None).await?;
    print(&format!("{:?} opens the vault too.\n", added.label))
}

pub(super) async fn remove(args: &SlotArgs, around: &Surroundings) -> Result<(), Failure> {
    let vault = settings::vault(&args.common.vault, around, around.is_terminal)?;
    let removed = vault.remove_slot(&args.slot).await?;
    print(&format!(
        "{:?} no longer opens the vault. {COPIES}",
        removed.label
    ))
}

pub(super) async fn rotate(args: &SlotRotateArgs, around: &Surroundings) -> Result<(), Failure> {
    let vault = open(&args.common, &args.new, around)?;
    vault.root_key().await?;
    let slots = vault.status().await?.slots;
    let named: Vec<&SlotStatus> = slots
        .iter()
        .filter(|slot| slot.id == args.slot || slot.label == args.slot)
        .collect();
    let new = match named.as_slice() {
        [slot] if takes_passphrase(slot) => {
            new_key(Opens::Passphrase, &args.new, around.is_terminal)?
        }
        [slot] if slot.is_key_file() => NewKey::KeyFile,
        [slot] => With::of(&slot.label).map_or(NewKey::Credential, NewKey::Command),
        // None or several, which the vault says before it looks at the key.
        _ => NewKey::KeyFile,
    };
    let rotated = vault.put_slot(new, None, Some(&args.slot)).await?;
    print(&format!("{:?} is new. {COPIES}", rotated.label))
}

pub(super) async fn rekey(common: &Common, around: &Surroundings) -> Result<(), Failure> {
    let vault = settings::vault(&common.vault, around, around.is_terminal)?;
    let passphrases = settings::passphrases(&common.vault, around, around.is_terminal);
    let entries = vault.rekey(passphrases).await?;
    print(&format!(
        "The vault has a new root key; {} encrypted again.\n",
        count(entries, "entry is", "entries are")
    ))
}

/// The vault, to be opened as it is now, with what a new passphrase is to cost.
fn open(common: &Common, new: &NewPassphraseArgs, around: &Surroundings) -> Result<Vault, Failure> {
    settings::vault_at_cost(&common.vault, around, around.is_terminal, new.kdf)
}

fn new_key(what: Opens, args: &NewPassphraseArgs, may_ask: bool) -> Result<NewKey, Failure> {
    Ok(match what {
        Opens::Passphrase => {
            let sources: Sources = settings::new_passphrase(args, may_ask);
            NewKey::Passphrase(new_passphrase(
                &sources,
                "New passphrase: ",
                "--new-passphrase-file",
            )?)
        }
        Opens::KeyFile => NewKey::KeyFile,
        Opens::Keychain => NewKey::Command(With::Keychain),
        Opens::SecretService => NewKey::Command(With::SecretService),
        Opens::OnePassword => NewKey::Command(With::OnePassword),
        Opens::Pass => NewKey::Command(With::Pass),
        Opens::SystemdCreds => NewKey::Command(With::SystemdCreds),
        Opens::Command => NewKey::Command(With::Command),
        Opens::Credential => NewKey::Credential,
    })
}

fn takes_passphrase(slot: &SlotStatus) -> bool {
    matches!(slot.kind, SlotKind::Argon2id(_))
}
