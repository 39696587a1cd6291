//! The random numbers of a write: the format's functions take them as arguments.

use crate::store::primitives::Key;
use crate::store::{Error, contents, random, slot};

/// Returns the random numbers of one write of one entry.
pub(super) fn for_entry() -> Result<contents::EntryRandomness, Error> {
    Ok(contents::EntryRandomness {
        id: random()?,
        data_key: Key::new(random()?),
        dek_nonce: random()?,
        nonce: random()?,
    })
}

/// Returns the random numbers of a new slot of this id.
pub(super) fn for_slot(id: [u8; 8]) -> Result<slot::SlotRandomness, Error> {
    Ok(slot::SlotRandomness {
        id,
        salt: random()?,
        nonce: random()?,
    })
}
