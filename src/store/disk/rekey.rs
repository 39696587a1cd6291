//! `mcpipe vault rekey`: a new root key for the whole vault. So the key or passphrase of every slot is needed.

use crate::store::disk::root_key::{SlotSecret, renew};
use crate::store::disk::transaction::Disk;
use crate::store::envelope::Sealed;
use crate::store::passphrase::{self, Passphrase, Sources, TRIES};
use crate::store::slot::{Opener, Slot, SlotKind};
use crate::store::{Error, agent};

impl Disk {
    /// Gives the vault a new root key: every entry is sealed again, every slot wrapped again. So every slot's key is
    /// needed; passphrases come from `passphrases`, or from the user.
    pub(in crate::store) fn rekey(&self, passphrases: &Sources) -> Result<usize, Error> {
        let file = self.unlocker.file();
        let sealed = file.sealed()?;
        let given = passphrases.read()?;
        let mut openers = Vec::new();
        for slot in sealed.slots() {
            let opener = match slot.kind() {
                SlotKind::Raw => SlotSecret::Key(self.unlocker.raw_key(sealed.vault_id(), slot)?),
                SlotKind::Argon2id(_) => {
                    let opener = slot_passphrase(&sealed, slot, given.as_ref(), passphrases);
                    SlotSecret::Passphrase(opener?)
                }
            };
            openers.push((slot.clone(), opener));
        }
        // A key that opens a slot opens the vault: the user is not asked for it again.
        if let Some((slot, opener)) = openers.first() {
            let root = slot.open(sealed.vault_id(), opener.as_opener());
            self.state().inherited = root.ok();
        }
        let entries = self.change(|contents, keys| {
            let is_same = openers.len() == contents.slots.len()
                && openers
                    .iter()
                    .zip(&contents.slots)
                    .all(|((slot, _), other)| slot.id() == other.id());
            if !is_same {
                return Err(Error::Stale);
            }
            renew(file, contents, keys, &openers)
        })?;
        self.tell_agent();
        Ok(entries)
    }

    /// Gives an agent that holds the old root key the new one.
    fn tell_agent(&self) {
        let state = self.state();
        let Some(opened) = &state.opened else { return };
        let (id, root) = (opened.contents.vault_id(), opened.keys.root());
        if let Err(error) = agent::replace(self.unlocker.file().paths(), id, root) {
            tracing::debug!(%error, "no agent has taken the new key");
        }
    }
}

/// Returns the passphrase of a slot: the given one, if it opens the slot, or else one that the user types.
fn slot_passphrase(
    sealed: &Sealed,
    slot: &Slot,
    given: Option<&Passphrase>,
    sources: &Sources,
) -> Result<Passphrase, Error> {
    let opens = |passphrase: &Passphrase| {
        let opener = Opener::Passphrase(passphrase.expose());
        slot.open(sealed.vault_id(), opener).is_ok()
    };
    if let Some(given) = given.filter(|given| opens(given)) {
        return Ok(given.clone());
    }
    let label = slot.label();
    let mut question = format!("Passphrase of the slot {label:?} (as the file says): ");
    for _ in 0..TRIES {
        match sources.ask(&question) {
            Ok(Some(typed)) if opens(&typed) => return Ok(typed),
            Ok(None) => break,
            Ok(Some(_)) | Err(passphrase::Error::Empty | passphrase::Error::TooLong) => {}
            Err(error) => return Err(error.into()),
        }
        "That does not open it. Once more: ".clone_into(&mut question);
    }
    Err(Error::SlotClosed {
        label: slot.label().to_owned(),
    })
}
