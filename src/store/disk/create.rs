//! The making of a vault: its first slot, and the key file that opens it where no passphrase was given.

use crate::store::contents::{Contents, Keys};
use crate::store::disk::fresh;
use crate::store::disk::state::DiskState;
use crate::store::disk::unlocker::Unlocker;
use crate::store::files;
use crate::store::primitives::Key;
use crate::store::slot::{DPAPI, KEY_FILE, Opener, PASSPHRASE, Slot};
use crate::store::{Error, random, strength};

/// The question for the passphrase of a vault that the user makes.
const NEW_PASSPHRASE: &str = "With a passphrase, hosts need `mcpipe vault unlock` once a day.
Passphrase for the new vault (nothing: a choice of a generated one and a key file): ";

/// Makes a vault that is not yet in a file. With a passphrase it has its slot; without, it has none, and gets the
/// key file's under the lock.
pub(super) fn new_vault(
    unlocker: &Unlocker,
    state: &mut DiskState,
) -> Result<(Contents, Keys), Error> {
    unlocker.refuse_odd_configuration()?;
    let passphrase = match unlocker.given(state)? {
        Some(given) => Some(given),
        None if state.forgotten => {
            let vault = unlocker.file().paths().vault();
            return Err(Error::Locked { vault });
        }
        None if state.is_chosen => match state.sources.ask_new(NEW_PASSPHRASE)? {
            None => state
                .sources
                .offer("a key file, with which hosts need nothing from you")?,
            chosen => chosen,
        },
        // The user who signs in has not asked for a passphrase that locks every host out.
        None => None,
    };
    let mut contents = Contents::new(&random()?);
    let keys = Keys::new(Key::new(random()?), contents.vault_id());
    if let Some(passphrase) = passphrase {
        let opener = Opener::Passphrase(passphrase.expose());
        let slot = wrap(unlocker, &contents, &keys, PASSPHRASE, opener, random()?)?;
        contents.slots.push(slot);
    }
    Ok((contents, keys))
}

/// Adds the slot of the key file, and makes the file if there is none.
pub(super) fn add_key_file(
    unlocker: &Unlocker,
    contents: &mut Contents,
    keys: &Keys,
) -> Result<(), Error> {
    let path = unlocker.file().paths().key();
    unlocker.file().prepare_key()?;
    // An existing key may open an export or a backup, and is kept.
    let key = match files::read_key(&path, unlocker.file().loose())? {
        Some(key) => key,
        None => {
            files::sweep(&path);
            let key = Key::new(random()?);
            files::write_key(&path, &key)?;
            key
        }
    };
    let label = key_file_label();
    let slot = wrap(
        unlocker,
        contents,
        keys,
        label,
        Opener::Raw(&key),
        random()?,
    )?;
    contents.slots.push(slot);
    Ok(())
}

/// Returns the label of the key file's slot on this system.
pub(super) fn key_file_label() -> &'static str {
    if cfg!(windows) { DPAPI } else { KEY_FILE }
}

/// Returns the root key, wrapped for one more way of opening.
pub(super) fn wrap(
    unlocker: &Unlocker,
    contents: &Contents,
    keys: &Keys,
    label: &str,
    opener: Opener<'_>,
    id: [u8; 8],
) -> Result<Slot, Error> {
    if let Opener::Passphrase(passphrase) = opener
        && strength::is_weak(passphrase)
    {
        unlocker.file().tell(
            "Warning: this passphrase is weak: whoever gets a copy of the file can find it by guessing; several unusual words are better.",
        );
    }
    let fresh = fresh::for_slot(id)?;
    let vault_id = contents.vault_id();
    let slot = Slot::wrap(vault_id, label, opener, unlocker.kdf(), keys.root(), fresh);
    slot.map_err(|error| unlocker.file().broken(error))
}
