//! The vault file, format 1: bytes to entries and back.
//!
//! ```text
//! offset   size  (integers big-endian; base64url without padding; LP: each field after its u32 length)
//! 0        6     "MCPVLT"
//! 6        2     format, 1
//! 8        4     H, length of the header, at most 64 KiB
//! 12       H     header: JSON, authenticated as the bytes it is
//!                {"vault_id":16 bytes,"gen_no":42,"suite":"A256GCM-HKDF-SHA256","slots":[…]}     (slot.rs)
//! 12+H     12    index nonce
//! 24+H     4     I, length of the sealed index, at most 4 MiB
//! 28+H     I     index: AES-256-GCM(index key, nonce, aad = LP("mcpipe/1/index", bytes 0..12+H, SHA-256(blobs)))
//!                {name:{"id":8 bytes,"kind":"oauth","rev":7,"off":0,"len":99,"dek_nonce":12 bytes,"dek":48 bytes}}
//! 28+H+I   …     blobs, back to back: nonce(12) ‖ AES-256-GCM(data key, nonce, content, aad); the file at most 16 MiB
//!
//! root key     32 random bytes, wrapped once per slot
//! index key  = HKDF-Expand(root key, LP("mcpipe/1/index-key", vault id), 32)
//! KEK        = HKDF-Expand(root key, LP("mcpipe/1/kek", vault id), 32)
//! data key   = 32 random bytes, new at every write of its entry
//! dek        = AES-256-GCM(KEK, dek_nonce, data key, LP("mcpipe/1/dek", vault id, name, entry id, kind, rev as u64))
//! blob's aad =                                   LP("mcpipe/1/entry", the same)
//! ```
//!
//! Ids go into labels as their base64url text. Every byte is authenticated, names are not readable without a key, and a
//! ciphertext is good for one vault, name, kind and revision. Lengths are compared with their ceilings before anything
//! is allocated. An older copy of the whole file is a valid file: only a process that has seen the newer `gen_no` tells
//! it from the newest, and that memory is not here.
//!
//! Does no I/O and has no randomness of its own: nonces and keys are arguments, and must never be used twice.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::store::contents::{Contents, Keys, SealedEntry};
pub use crate::store::primitives::Error;
use crate::store::primitives::{NONCE, decode, digest, encode, joined};
use crate::store::slot::{Opener, Slot, SlotKind, SlotRecord};

/// The longest file, in bytes.
pub const MAX_FILE: usize = 16 << 20;
/// The longest header, in bytes.
pub const MAX_HEADER: usize = 64 << 10;
/// The longest sealed index, in bytes.
pub const MAX_INDEX: usize = 4 << 20;
/// The most slots in one vault.
pub const MAX_SLOTS: usize = 16;

/// The number of slots a passphrase is tried on, and of programs that are asked for a key. Until one has opened,
/// nothing in the file is authenticated, and a user who can write to it could have a start stretch a passphrase at the
/// highest cost for as many slots as a header holds.
pub const MOST_TRIED: usize = 4;

const MAGIC: &[u8; 6] = b"MCPVLT";
const FORMAT: u16 = 1;
const SUITE: &str = "A256GCM-HKDF-SHA256";
/// The bytes of magic, format and header length.
const PREFIX: usize = 12;

/// A vault file whose header has been read, and believed no further than its slots are: nothing is authenticated before
/// [`Sealed::open`].
#[derive(Debug)]
pub struct Sealed {
    bytes: Vec<u8>,
    vault_id: String,
    generation: u64,
    slots: Vec<Slot>,
    header_end: usize,
    nonce: [u8; NONCE],
    index: Range<usize>,
}

impl Sealed {
    /// Reads the framing and the header.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::WrongKey`] and [`Error::NoMemory`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        if bytes.len() > MAX_FILE {
            return Err(Error::ceiling("vault file (bytes)", bytes.len(), MAX_FILE));
        }
        let mut rest = Rest {
            bytes: &bytes,
            at: 0,
        };
        if rest.array().as_ref() != Some(MAGIC) {
            return Err(Error::NotAVault);
        }
        match rest.array().map(u16::from_be_bytes) {
            Some(FORMAT) => {}
            Some(newer) if newer > FORMAT => return Err(Error::NewerFormat(newer)),
            _ => return Err(Error::Damaged("format")),
        }
        let header = rest.sized("vault header (bytes)", MAX_HEADER)?;
        let header_end = header.end;
        let header: Header = serde_json::from_slice(bytes.get(header).unwrap_or_default())
            .map_err(|_| Error::Damaged("header"))?;
        let nonce = rest.array().ok_or(Error::Damaged("index"))?;
        let index = rest.sized("vault index (bytes)", MAX_INDEX)?;

        if header.suite != SUITE {
            return Err(Error::Unknown {
                what: "cipher suite",
                found: header.suite,
            });
        }
        decode::<16>(&header.vault_id).ok_or(Error::Damaged("header"))?;
        if header.slots.len() > MAX_SLOTS {
            return Err(Error::ceiling("key slots", header.slots.len(), MAX_SLOTS));
        }
        let slots = header.slots.into_iter().map(Slot::from_record);
        Ok(Self {
            vault_id: header.vault_id,
            generation: header.gen_no,
            slots: slots.collect::<Result<_, _>>()?,
            header_end,
            nonce,
            index,
            bytes,
        })
    }

    /// Opens the index. With it, the whole file is authenticated.
    ///
    /// # Errors
    /// [`Error::Damaged`], also for a root key that is not this vault's: a caller that got it from a slot of this file
    /// knows that it is; [`Error::Unknown`] for an index in the words of a newer version.
    pub fn open(&self, keys: &Keys) -> Result<Contents, Error> {
        const DAMAGED: Error = Error::Damaged("vault file");
        let blobs = self.bytes.get(self.index.end..).ok_or(DAMAGED)?;
        let header = self.bytes.get(..self.header_end).ok_or(DAMAGED)?;
        let sealed = self.bytes.get(self.index.clone()).ok_or(DAMAGED)?;
        let index = keys
            .index
            .open(&self.nonce, &index_aad(header, blobs), sealed)
            .ok_or(DAMAGED)?;

        // Text that does not parse from here on was written by a program that holds the key: it is newer, not damaged.
        let newer = |found: &str| Error::Unknown {
            what: "index entry",
            found: found.to_owned(),
        };
        let index: BTreeMap<String, EntryRecord> =
            serde_json::from_slice(&index).map_err(|_| newer("index"))?;
        let mut entries = BTreeMap::new();
        for (name, record) in index {
            let end = record.off.checked_add(record.len);
            let blob = end.and_then(|end| blobs.get(record.off..end));
            let (Some(blob), Some(dek_nonce), Some(dek)) =
                (blob, decode(&record.dek_nonce), decode(&record.dek))
            else {
                return Err(newer(&name));
            };
            let entry = SealedEntry {
                id: record.id,
                kind: record.kind,
                rev: record.rev,
                dek_nonce,
                dek,
                blob: blob.to_vec(),
            };
            entries.insert(name, entry);
        }
        Ok(Contents {
            vault_id: self.vault_id.clone(),
            generation: self.generation,
            slots: self.slots.clone(),
            entries,
        })
    }

    /// Returns the vault's id: base64url, random.
    pub fn vault_id(&self) -> &str {
        &self.vault_id
    }

    /// Returns the first bytes: see [`beginning`].
    pub fn beginning(&self) -> &[u8] {
        beginning(&self.bytes)
    }

    /// Returns the number of times that the vault has been written.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the slots, as the file states them: nothing of them is authenticated before [`Sealed::open`].
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Returns the slots to try this secret on: all slots that a key may open, which costs nothing, and of the slots
    /// that a passphrase may open the first [`MOST_TRIED`].
    pub fn worth_trying(&self, opener: Opener<'_>) -> impl Iterator<Item = &Slot> {
        let most = match opener {
            Opener::Raw(_) => MAX_SLOTS,
            Opener::Passphrase(_) => MOST_TRIED,
        };
        let fits = move |slot: &&Slot| match opener {
            Opener::Raw(_) => slot.kind() == SlotKind::Raw,
            Opener::Passphrase(_) => slot.kind() != SlotKind::Raw,
        };
        self.slots.iter().filter(fits).take(most)
    }
}

/// Returns the file of the next generation, which these contents then are. `nonce` must be new.
///
/// # Errors
/// [`Error::OverCeiling`] if the contents do not fit the format.
pub fn seal(contents: &mut Contents, keys: &Keys, nonce: &[u8; NONCE]) -> Result<Vec<u8>, Error> {
    if contents.slots.len() > MAX_SLOTS {
        return Err(Error::ceiling("key slots", contents.slots.len(), MAX_SLOTS));
    }
    let generation = contents.next_generation()?;
    let header = Header {
        vault_id: contents.vault_id.clone(),
        gen_no: generation,
        suite: SUITE.to_owned(),
        slots: contents.slots.iter().map(Slot::to_record).collect(),
    };
    let mut index = BTreeMap::new();
    let mut blobs = Vec::new();
    for (name, entry) in &contents.entries {
        let record = EntryRecord {
            id: entry.id.clone(),
            kind: entry.kind.clone(),
            rev: entry.rev,
            off: blobs.len(),
            len: entry.blob.len(),
            dek_nonce: encode(&entry.dek_nonce),
            dek: encode(&entry.dek),
        };
        blobs.extend_from_slice(&entry.blob);
        index.insert(name, record);
    }
    let unwritable = |_| Error::Damaged("vault in memory");
    let header = serde_json::to_vec(&header).map_err(unwritable)?;
    let index = Zeroizing::new(serde_json::to_vec(&index).map_err(unwritable)?);

    let mut file = Vec::with_capacity(PREFIX + header.len() + index.len() + blobs.len() + 64);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&FORMAT.to_be_bytes());
    file.extend_from_slice(&length("vault header (bytes)", header.len(), MAX_HEADER)?);
    file.extend_from_slice(&header);
    let index = keys
        .index
        .seal(nonce, &index_aad(&file, &blobs), &index)
        .ok_or(Error::Damaged("vault in memory"))?;
    file.extend_from_slice(nonce);
    file.extend_from_slice(&length("vault index (bytes)", index.len(), MAX_INDEX)?);
    file.extend_from_slice(&index);
    file.extend_from_slice(&blobs);
    if file.len() > MAX_FILE {
        return Err(Error::ceiling("vault file (bytes)", file.len(), MAX_FILE));
    }
    contents.generation = generation;
    Ok(file)
}

/// Returns the first bytes of a vault file, up to and including the index nonce: no two commits have the same.
pub fn beginning(file: &[u8]) -> &[u8] {
    let header = file
        .get(8..PREFIX)
        .and_then(|length| length.try_into().ok());
    let header = header.map_or(0, u32::from_be_bytes);
    let end = usize::try_from(header).unwrap_or(MAX_FILE) + PREFIX + NONCE;
    file.get(..end).unwrap_or(file)
}

fn index_aad(header: &[u8], blobs: &[u8]) -> Vec<u8> {
    joined(&[b"mcpipe/1/index", header, &digest(blobs)])
}

/// Returns a length field, if it is within its ceiling.
fn length(what: &'static str, length: usize, limit: usize) -> Result<[u8; 4], Error> {
    let fits = u32::try_from(length).ok().filter(|_| length <= limit);
    let length = fits.ok_or_else(|| Error::ceiling(what, length, limit))?;
    Ok(length.to_be_bytes())
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header {
    vault_id: String,
    gen_no: u64,
    suite: String,
    slots: Vec<SlotRecord>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EntryRecord {
    id: String,
    kind: String,
    rev: u64,
    off: usize,
    len: usize,
    dek_nonce: String,
    dek: String,
}

/// The bytes that have not been read yet.
struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Rest<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, _) = self.bytes.get(self.at..)?.split_first_chunk()?;
        self.at += N;
        Some(*array)
    }

    /// Reads a length; returns the range of that many bytes.
    fn sized(&mut self, what: &'static str, limit: usize) -> Result<Range<usize>, Error> {
        const CUT: Error = Error::Damaged("vault file");
        let asked = self.array().map(u32::from_be_bytes).ok_or(CUT)?;
        let asked = usize::try_from(asked).unwrap_or(usize::MAX);
        if asked > limit {
            return Err(Error::ceiling(what, asked, limit));
        }
        let range = self.at..self.at + asked;
        self.bytes.get(range.clone()).ok_or(CUT)?;
        self.at = range.end;
        Ok(range)
    }
}

#[cfg(test)]
mod tests;
