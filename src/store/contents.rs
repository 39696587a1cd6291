//! The contents of a vault: entries, each sealed under a data key of its own, and the keys they are sealed with.
//!
//! An entry's ciphertext is bound to the vault, the name, the kind and the revision it was written for. The data key is
//! new at every write, so that no nonce can ever repeat under it. `envelope.rs` has the labels and the layout.
//!
//! Does no I/O and has no randomness of its own.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::store::primitives::{Error, Key, NONCE, WRAPPED, encode, joined};
use crate::store::slot::Slot;

/// The longest content of one entry, in bytes. Fewer fit if there are other entries: the file has a ceiling of its own.
pub const MAX_ENTRY: usize = 15 << 20;

/// The keys that follow from a root key in one vault.
#[derive(Clone, Debug)]
pub struct Keys {
    vault_id: String,
    root: Key,
    pub(super) kek: Key,
    pub(super) index: Key,
}

impl Keys {
    /// Derives the keys. Costs microseconds.
    pub fn new(root: Key, vault_id: &str) -> Self {
        let derive = |label: &str| root.expand(&joined(&[label.as_bytes(), vault_id.as_bytes()]));
        Self {
            kek: derive("mcpipe/1/kek"),
            index: derive("mcpipe/1/index-key"),
            vault_id: vault_id.to_owned(),
            root,
        }
    }

    /// Says whether the keys were derived for this vault.
    pub fn belong_to(&self, vault_id: &str) -> bool {
        self.vault_id == vault_id
    }

    /// Returns the root key, which the slots wrap.
    pub fn root(&self) -> &Key {
        &self.root
    }
}

/// The contents of a vault, every entry still sealed.
#[derive(Clone, Debug)]
pub struct Contents {
    pub(super) vault_id: String,
    pub(super) generation: u64,
    /// The slots that open the vault.
    pub slots: Vec<Slot>,
    pub(super) entries: BTreeMap<String, SealedEntry>,
}

#[derive(Clone, Debug)]
pub(super) struct SealedEntry {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) rev: u64,
    pub(super) dek_nonce: [u8; NONCE],
    pub(super) dek: [u8; WRAPPED],
    /// The sealed content, with its nonce in front.
    pub(super) blob: Vec<u8>,
}

/// The random numbers of one write of one entry.
#[derive(Debug)]
pub struct EntryRandomness {
    /// The name of the entry's id, if the entry is new.
    pub id: [u8; 8],
    /// The key that seals the content, and nothing else ever.
    pub data_key: Key,
    /// The nonce of the data key.
    pub dek_nonce: [u8; NONCE],
    /// The nonce of the content.
    pub nonce: [u8; NONCE],
}

/// An entry, opened.
#[derive(Debug)]
pub struct OpenedEntry {
    /// The kind, as the format writes it.
    pub kind: String,
    /// The generation of the vault that wrote it.
    pub rev: u64,
    /// The text, as it was put.
    pub content: Zeroizing<Vec<u8>>,
}

impl Contents {
    /// Makes the contents of a vault never written: generation 0, no entry.
    pub fn new(vault_id: &[u8; 16]) -> Self {
        Self {
            vault_id: encode(vault_id),
            generation: 0,
            slots: Vec::new(),
            entries: BTreeMap::new(),
        }
    }

    /// Returns the vault's id.
    pub fn vault_id(&self) -> &str {
        &self.vault_id
    }

    /// Returns the number of times that the vault has been written.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Sets the number of times that the vault has been written, for contents that are made rather than read.
    pub fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    pub(super) fn next_generation(&self) -> Result<u64, Error> {
        // 2^30 is where a new root key is due (`is_rekey_due`); a vault that claims to be at the end was forged by a
        // user who holds the key.
        let next = self.generation.checked_add(1);
        next.ok_or(Error::Damaged("generation number"))
    }

    /// Says whether a new root key is due at the next write: NIST SP 800-38D allows 2^32 random nonces under one key.
    pub fn is_rekey_due(&self) -> bool {
        const OFTEN: u64 = 1 << 30;
        self.generation.wrapping_add(1).is_multiple_of(OFTEN)
    }

    /// Returns name, kind and revision of every entry, by name.
    pub fn list(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        let entries = self.entries.iter();
        entries.map(|(name, entry)| (name.as_str(), entry.kind.as_str(), entry.rev))
    }

    /// Returns the revision of an entry.
    pub fn revision(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.rev)
    }

    /// Opens one entry.
    ///
    /// # Errors
    /// [`Error::Damaged`] if its content is not the content put under this name.
    pub fn read(&self, keys: &Keys, name: &str) -> Result<Option<OpenedEntry>, Error> {
        let Some(entry) = self.entries.get(name) else {
            return Ok(None);
        };
        let aad = |label| self.entry_aad(label, name, &entry.id, &entry.kind, entry.rev);
        let content = entry.blob.split_first_chunk().and_then(|(nonce, sealed)| {
            let dek = keys
                .kek
                .unwrap(&entry.dek_nonce, &aad("mcpipe/1/dek"), &entry.dek)?;
            dek.open(nonce, &aad("mcpipe/1/entry"), sealed)
        });
        Ok(Some(OpenedEntry {
            kind: entry.kind.clone(),
            rev: entry.rev,
            content: content.ok_or(Error::Damaged("entry"))?,
        }))
    }

    /// Seals an entry, new or in place of the one of this name. Its revision is the generation that the next
    /// [`seal`](crate::store::envelope::seal) writes, so it grows with every write and is not used again if the entry is
    /// removed and returns.
    ///
    /// # Errors
    /// [`Error::OverCeiling`] for content that could not be in any vault.
    pub fn put(
        &mut self,
        keys: &Keys,
        name: &str,
        kind: &str,
        content: &[u8],
        fresh: &EntryRandomness,
    ) -> Result<u64, Error> {
        let over = || Error::ceiling("entry (bytes)", content.len(), MAX_ENTRY);
        if content.len() > MAX_ENTRY {
            return Err(over());
        }
        let rev = self.next_generation()?;
        let id = match self.entries.get(name) {
            Some(entry) => entry.id.clone(),
            None => encode(&fresh.id),
        };
        let dek_aad = self.entry_aad("mcpipe/1/dek", name, &id, kind, rev);
        let blob_aad = self.entry_aad("mcpipe/1/entry", name, &id, kind, rev);
        let sealed = fresh.data_key.seal(&fresh.nonce, &blob_aad, content);
        let entry = SealedEntry {
            dek: keys.kek.wrap(&fresh.dek_nonce, &dek_aad, &fresh.data_key),
            dek_nonce: fresh.dek_nonce,
            blob: [fresh.nonce.as_slice(), &sealed.ok_or_else(over)?].concat(),
            id,
            kind: kind.to_owned(),
            rev,
        };
        self.entries.insert(name.to_owned(), entry);
        Ok(rev)
    }

    /// Removes an entry; false if there was none.
    pub fn remove(&mut self, name: &str) -> bool {
        self.entries.remove(name).is_some()
    }

    fn entry_aad(&self, label: &str, name: &str, id: &str, kind: &str, rev: u64) -> Vec<u8> {
        joined(&[
            label.as_bytes(),
            self.vault_id.as_bytes(),
            name.as_bytes(),
            id.as_bytes(),
            kind.as_bytes(),
            &rev.to_be_bytes(),
        ])
    }
}
