//! A new root key: every entry is sealed again, and every slot wrapped again.

use crate::store::contents::{Contents, Keys};
use crate::store::disk::fresh;
use crate::store::disk::unlocker::Unlocker;
use crate::store::disk::vault_file::VaultFile;
use crate::store::passphrase::Passphrase;
use crate::store::primitives::Key;
use crate::store::slot::{Opener, Slot, SlotKind};
use crate::store::{Error, random};

/// The secret that opens a slot, owned.
pub(super) enum SlotSecret {
    Key(Key),
    Passphrase(Passphrase),
}

impl SlotSecret {
    pub(super) fn as_opener(&self) -> Opener<'_> {
        match self {
            Self::Key(key) => Opener::Raw(key),
            Self::Passphrase(passphrase) => Opener::Passphrase(passphrase.expose()),
        }
    }
}

/// Seals every entry again under a new root key, and wraps that key in every slot; returns the number of entries.
pub(super) fn renew(
    file: &VaultFile,
    contents: &mut Contents,
    keys: &mut Keys,
    openers: &[(Slot, SlotSecret)],
) -> Result<usize, Error> {
    let new = Keys::new(Key::new(random()?), contents.vault_id());
    let names: Vec<String> = contents.list().map(|(name, ..)| name.to_owned()).collect();
    for name in &names {
        let broken = |error| file.broken(error);
        let Some(entry) = contents.read(keys, name).map_err(broken)? else {
            continue;
        };
        let put = contents.put(
            &new,
            name,
            &entry.kind,
            &entry.content,
            &fresh::for_entry()?,
        );
        put.map_err(broken)?;
    }
    let slots = openers.iter().map(|(slot, opener)| {
        let opener = opener.as_opener();
        let fresh = slot.again(random()?, random()?);
        let wrapped = slot.rewrap(contents.vault_id(), opener, new.root(), fresh);
        wrapped.map_err(|error| file.broken(error))
    });
    contents.slots = slots.collect::<Result<_, _>>()?;
    *keys = new;
    Ok(names.len())
}

/// Makes a new root key in passing, where the user need not be asked for anything.
pub(super) fn renew_unasked(
    unlocker: &Unlocker,
    contents: &mut Contents,
    keys: &mut Keys,
) -> Result<(), Error> {
    let mut openers = Vec::new();
    for slot in contents.slots.clone() {
        let key = match slot.kind() {
            SlotKind::Raw => unlocker.raw_key(contents.vault_id(), &slot),
            SlotKind::Argon2id(_) => Err(Error::SlotClosed {
                label: slot.label().to_owned(),
            }),
        };
        match key {
            Ok(key) => openers.push((slot, SlotSecret::Key(key))),
            Err(error) => {
                tracing::warn!(%error, "the vault is due for `mcpipe vault rekey`");
                return Ok(());
            }
        }
    }
    renew(unlocker.file(), contents, keys, &openers).map(|_| ())
}
