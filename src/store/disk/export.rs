//! The export of a vault to another machine: a vault of its own, with a new id and root key and one slot, which a
//! passphrase opens.

use std::path::Path;

use crate::store::contents::{Contents, Keys};
use crate::store::disk::create::wrap;
use crate::store::disk::fresh;
use crate::store::disk::transaction::Disk;
use crate::store::envelope::{self, MAX_FILE, Sealed};
use crate::store::files::{self, Private};
use crate::store::passphrase::Passphrase;
use crate::store::primitives::Key;
use crate::store::slot::{Opener, PASSPHRASE, SlotKind};
use crate::store::{Error, random};

/// Reads the file of an export, unopened. It may have come on a stick that knows no modes; the passphrase protects it.
///
/// # Errors
/// There is no file, or it is no vault that a passphrase opens.
pub(in crate::store) fn exported(from: &Path) -> Result<Sealed, Error> {
    let vault = || from.to_owned();
    let file = Private::open(from, true)?;
    let mut file = file.ok_or_else(|| Error::NoExport { file: vault() })?;
    let sealed = Sealed::parse(file.read(MAX_FILE)?);
    let sealed = sealed.map_err(|source| Error::Envelope {
        vault: vault(),
        source,
    })?;
    match sealed
        .slots()
        .iter()
        .all(|slot| slot.kind() == SlotKind::Raw)
    {
        true => Err(Error::NoPassphraseOpens { vault: vault() }),
        false => Ok(sealed),
    }
}

/// The entries of an export: how many were taken, and the names of those that were not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Entries that were taken.
    pub taken: usize,
    /// The names of the entries that were there already and stayed as they were.
    pub already_there: Vec<String>,
}

impl Disk {
    pub(in crate::store) fn export(
        &self,
        to: &Path,
        passphrase: &Passphrase,
    ) -> Result<usize, Error> {
        let (contents, keys) = self.existing(&mut self.state())?;
        let mut copy = Contents::new(&random()?);
        let new = Keys::new(Key::new(random()?), copy.vault_id());
        let names: Vec<&str> = contents.list().map(|(name, ..)| name).collect();
        let broken = |error| self.file().broken(error);
        for name in &names {
            if let Some(entry) = contents.read(&keys, name).map_err(broken)? {
                let put = copy.put(
                    &new,
                    name,
                    &entry.kind,
                    &entry.content,
                    &fresh::for_entry()?,
                );
                put.map_err(broken)?;
            }
        }
        let opener = Opener::Passphrase(passphrase.expose());
        let slot = wrap(&self.unlocker, &copy, &new, PASSPHRASE, opener, random()?)?;
        copy.slots.push(slot);
        let bytes = envelope::seal(&mut copy, &new, &random()?).map_err(broken)?;
        files::create(to, &bytes)?;
        Ok(names.len())
    }

    /// Takes the entries of an export; entries that are in the vault already stay, unless `replace`.
    pub(in crate::store) fn import(
        &self,
        from: &Path,
        passphrase: &Passphrase,
        replace: bool,
    ) -> Result<Imported, Error> {
        let broken = |source| Error::Envelope {
            vault: from.to_owned(),
            source,
        };
        let sealed = exported(from)?;
        let mut root = None;
        let opener = Opener::Passphrase(passphrase.expose());
        for slot in sealed.worth_trying(opener) {
            match slot.open(sealed.vault_id(), opener) {
                Ok(key) => {
                    root = Some(key);
                    break;
                }
                Err(envelope::Error::WrongKey) => {}
                Err(error) => return Err(broken(error)),
            }
        }
        let root = root.ok_or_else(|| Error::WrongPassphrase {
            vault: from.to_owned(),
            from: None,
        })?;
        let theirs = Keys::new(root, sealed.vault_id());
        let export = sealed.open(&theirs).map_err(broken)?;
        self.change(|contents, keys| {
            let mut imported = Imported::default();
            for (name, kind, _) in export.list() {
                if contents.revision(name).is_some() && !replace {
                    imported.already_there.push(name.to_owned());
                    continue;
                }
                if let Some(entry) = export.read(&theirs, name).map_err(broken)? {
                    let put = contents.put(keys, name, kind, &entry.content, &fresh::for_entry()?);
                    put.map_err(|error| self.file().broken(error))?;
                    imported.taken += 1;
                }
            }
            Ok(imported)
        })
    }
}
