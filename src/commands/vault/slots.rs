//! The making of a vault, and changes to the slots that open it.

use crate::cli::{
    InitArgs, NewPassphraseArgs, Opens, PasswdArgs, ProtectArgs, SlotAddArgs, SlotArgs,
    SlotRotateArgs, VaultCommonArgs,
};
use crate::commands::print;
use crate::commands::vault::new_passphrase::new_passphrase;
use crate::commands::vault::text::count;
use crate::report::Failure;
use crate::settings::{self, Environment};
use crate::store::key_command::KeyHolder;
use crate::store::slot::SlotKind;
use crate::store::{Error, KeyKind, NewKey, SlotStatus, Vault};

const COPIES: &str = "Copies of the vault made before still open as before; `mcpipe vault rekey` makes them useless \
                      for anything written from then on.\n";

pub(super) async fn init(args: &InitArgs, env: &Environment) -> Result<(), Failure> {
    let with = args.with.unwrap_or(Opens::Passphrase);
    let wants_key_file = args.key_file || args.with == Some(Opens::KeyFile);
    // A vault that another program's key is to open is first made with the key file, which then gives way.
    let is_held = args.with.is_some() && !matches!(with, Opens::Passphrase | Opens::KeyFile);
    let may_ask = env.is_terminal && !wants_key_file && !is_held;
    let vault = settings::vault_at_cost(&args.common.vault, env, may_ask, args.kdf)?;
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

pub(super) async fn passwd(args: &PasswdArgs, env: &Environment) -> Result<(), Failure> {
    let vault = open(&args.common, &args.new, env)?;
    let slots = existing(&vault).await?;
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
    let which_is = Some(which.as_str());
    let kind = KeyKind::Passphrase;
    vault.may_put_slot(kind, None, which_is).await?;
    // The present passphrase is asked for first, as everywhere.
    vault.root_key().await?;
    let new = new_key(kind, &args.new, env.is_terminal, "New passphrase: ").await?;
    vault.put_slot(new, None, Some(&which)).await?;
    print(&format!("The passphrase is changed. {COPIES}"))
}

pub(super) async fn protect(args: &ProtectArgs, env: &Environment) -> Result<(), Failure> {
    let vault = open(&args.common, &args.new, env)?;
    let slots = existing(&vault).await?;
    let key_file = slots.iter().find(|slot| slot.is_key_file());
    if args.with == Opens::KeyFile {
        return Err(match key_file {
            Some(_) => Failure::usage("a key file opens this vault already")
                .hint("`mcpipe vault protect` puts a passphrase in its place"),
            None => Failure::usage("a key file is what `protect` replaces")
                .hint("`mcpipe vault slot add key-file` adds one"),
        });
    }
    let replacing = key_file.map(|slot| slot.id.as_str());
    let replacing = replacing.filter(|_| !args.keep_key_file);
    let kind = kind_of(args.with);
    vault.may_put_slot(kind, None, replacing).await?;
    vault.root_key().await?;
    let question = "With a passphrase, hosts need `mcpipe vault unlock` once a day.\nNew passphrase (nothing: a choice): ";
    let new = new_key(kind, &args.new, env.is_terminal, question).await?;
    let added = vault.put_slot(new, None, replacing).await?;
    let level = vault.status().await?.level.map(|level| level.to_string());
    let level = level.unwrap_or_default();
    let tail = if args.keep_key_file { "" } else { COPIES };
    print(&format!(
        "{:?} opens the vault (protection: {level}). {tail}",
        added.label
    ))
}

/// Replaces the key file, if the vault has one; otherwise adds a slot beside the others.
async fn change_to(
    vault: &Vault,
    with: Opens,
    new: &NewPassphraseArgs,
) -> Result<SlotStatus, Failure> {
    let slots = vault.status().await?.slots;
    let key_file = slots.iter().find(|slot| slot.is_key_file());
    let new = new_key(kind_of(with), new, false, "New passphrase: ").await?;
    let replacing = key_file.map(|slot| slot.id.as_str());
    Ok(vault.put_slot(new, None, replacing).await?)
}

pub(super) async fn add(args: &SlotAddArgs, env: &Environment) -> Result<(), Failure> {
    if args.label.is_some() && args.what != Opens::Passphrase {
        return Err(Failure::usage("only a passphrase can be given a --label")
            .hint("a key's slot is called after what holds the key"));
    }
    let vault = open(&args.common, &args.new, env)?;
    let kind = kind_of(args.what);
    let label = args.label.as_deref();
    vault.may_put_slot(kind, label, None).await?;
    vault.root_key().await?;
    let new = new_key(kind, &args.new, env.is_terminal, "New passphrase: ").await?;
    let added = vault.put_slot(new, args.label.as_deref(), None).await?;
    print(&format!("{:?} opens the vault too.\n", added.label))
}

pub(super) async fn remove(args: &SlotArgs, env: &Environment) -> Result<(), Failure> {
    let vault = settings::vault(&args.common.vault, env, env.is_terminal)?;
    let removed = vault.remove_slot(&args.slot).await?;
    print(&format!(
        "{:?} no longer opens the vault. {COPIES}",
        removed.label
    ))
}

pub(super) async fn rotate(args: &SlotRotateArgs, env: &Environment) -> Result<(), Failure> {
    let vault = open(&args.common, &args.new, env)?;
    let slots = existing(&vault).await?;
    let named: Vec<&SlotStatus> = slots
        .iter()
        .filter(|slot| slot.id == args.slot || slot.label == args.slot)
        .collect();
    let kind = match named.as_slice() {
        [slot] if takes_passphrase(slot) => KeyKind::Passphrase,
        [slot] if slot.is_key_file() => KeyKind::KeyFile,
        [slot] => KeyHolder::of(&slot.label).map_or(KeyKind::Credential, KeyKind::Command),
        // With no such slot or several, the vault gives the error before it looks at the key.
        _ => KeyKind::KeyFile,
    };
    vault.may_put_slot(kind, None, Some(&args.slot)).await?;
    vault.root_key().await?;
    let new = new_key(kind, &args.new, env.is_terminal, "New passphrase: ").await?;
    let rotated = vault.put_slot(new, None, Some(&args.slot)).await?;
    print(&format!("{:?} is new. {COPIES}", rotated.label))
}

pub(super) async fn rekey(common: &VaultCommonArgs, env: &Environment) -> Result<(), Failure> {
    let vault = settings::vault(&common.vault, env, env.is_terminal)?;
    let passphrases = settings::passphrases(&common.vault, env, env.is_terminal);
    let entries = vault.rekey(passphrases).await?;
    print(&format!(
        "The vault has a new root key; {} encrypted again.\n",
        count(entries, "entry is", "entries are")
    ))
}

/// Returns the vault, to be opened as it is now, with the cost of a new passphrase.
fn open(
    common: &VaultCommonArgs,
    new: &NewPassphraseArgs,
    env: &Environment,
) -> Result<Vault, Failure> {
    settings::vault_at_cost(&common.vault, env, env.is_terminal, new.kdf)
}

/// Returns the slots of an existing vault, as its file says.
async fn existing(vault: &Vault) -> Result<Vec<SlotStatus>, Failure> {
    let status = vault.status().await?;
    if status.generation.is_none() {
        let vault = status.path.ok_or(Error::InMemory)?;
        return Err(Error::NoVault { vault }.into());
    }
    Ok(status.slots)
}

async fn new_key(
    kind: KeyKind,
    args: &NewPassphraseArgs,
    may_ask: bool,
    question: &str,
) -> Result<NewKey, Failure> {
    Ok(match kind {
        KeyKind::Passphrase => {
            let sources = settings::new_passphrase(args, may_ask);
            let instead = "the vault stays as it is";
            let flag = "--new-passphrase-file";
            let new = new_passphrase(sources, question.to_owned(), instead, flag).await?;
            NewKey::Passphrase(new)
        }
        KeyKind::KeyFile => NewKey::KeyFile,
        KeyKind::Command(with) => NewKey::Command(with),
        KeyKind::Credential => NewKey::Credential,
    })
}

fn kind_of(what: Opens) -> KeyKind {
    match what {
        Opens::Passphrase => KeyKind::Passphrase,
        Opens::KeyFile => KeyKind::KeyFile,
        Opens::Keychain => KeyKind::Command(KeyHolder::Keychain),
        Opens::SecretService => KeyKind::Command(KeyHolder::SecretService),
        Opens::OnePassword => KeyKind::Command(KeyHolder::OnePassword),
        Opens::Pass => KeyKind::Command(KeyHolder::Pass),
        Opens::SystemdCreds => KeyKind::Command(KeyHolder::SystemdCreds),
        Opens::Command => KeyKind::Command(KeyHolder::Command),
        Opens::Credential => KeyKind::Credential,
    }
}

fn takes_passphrase(slot: &SlotStatus) -> bool {
    matches!(slot.kind, SlotKind::Argon2id(_))
}
