//! Slots: each holds the vault's root key, wrapped for one way of opening it, as disk encryption does.
//!
//! A slot takes a passphrase (through Argon2id) or 256 random bits kept elsewhere (*raw*: a key file, and later a key
//! command, a system key store). Adding or replacing one wraps 32 bytes and touches no entry.
//!
//! ```text
//! material    = Argon2id(passphrase, salt, m, t, p, 32 bytes)  |  the 32 raw bytes
//! prk         = HKDF-Extract(salt, material)
//! commitment  = HKDF-Expand(prk, "mcpipe/1/slot-commit", 32)      kept; a different one means a wrong key
//! wrapping    = HKDF-Expand(prk, "mcpipe/1/slot-wrap", 32)
//! wrapped     = AES-256-GCM(wrapping, nonce, root key, aad)
//! aad         = LP("mcpipe/1/slot", vault id, slot id, label, type, m ‖ t ‖ p, salt)
//! ```
//!
//! Ids are their base64url text, salts their bytes, and `m ‖ t ‖ p` three big-endian u32, zero in a raw slot. The
//! commitment is there because one AES-GCM ciphertext can open under several keys, and because it tells a wrong
//! passphrase from a damaged file. The cost that a file may ask of Argon2 has a floor and a ceiling, checked before
//! memory is taken. Knows nothing of files, and of the source of a key or passphrase.
//!
//! RFC 9106 (Argon2id), RFC 5869 (HKDF).

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::store::primitives::{Error, Key, NONCE, WRAPPED, decode, encode, joined};

/// The longest label, in bytes.
pub const MAX_LABEL: usize = 64;

/// The label of the slot that the machine key opens, where the file's mode protects it.
pub(in crate::store) const KEY_FILE: &str = "keyfile";
/// The label of the key file's slot where the system seals the file for this user.
pub(in crate::store) const DPAPI: &str = "dpapi";
/// The labels of the key file's slot on all systems.
pub(in crate::store) const KEY_FILES: [&str; 2] = [KEY_FILE, DPAPI];

/// The label of a passphrase's slot.
pub(in crate::store) const PASSPHRASE: &str = "passphrase";
/// The label of a slot whose key a service manager hands in.
pub(in crate::store) const CREDENTIAL: &str = "credential";

/// The secret that opens a slot.
#[derive(Clone, Copy, Debug)]
pub enum Opener<'a> {
    /// A passphrase, as bytes.
    Passphrase(&'a [u8]),
    /// 256 random bits.
    Raw(&'a Key),
}

/// The way in which a slot makes a key of its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// A passphrase at this cost.
    Argon2id(Kdf),
    /// A key that is random already.
    Raw,
}

impl SlotKind {
    fn word(self) -> &'static str {
        match self {
            Self::Argon2id(_) => "argon2id",
            Self::Raw => "raw",
        }
    }

    fn costs(self) -> [u8; 12] {
        let mut out = [0; 12];
        if let Self::Argon2id(Kdf { m_kib, t, p }) = self {
            for (place, cost) in out.chunks_exact_mut(4).zip([m_kib, t, p]) {
                place.copy_from_slice(&cost.to_be_bytes());
            }
        }
        out
    }
}

/// The cost of Argon2id: memory in KiB, passes, lanes. Always within [`Kdf::LOW`] and the ceilings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kdf {
    m_kib: u32,
    t: u32,
    p: u32,
}

impl Kdf {
    /// 64 MiB, three passes, four lanes: the second recommended set of RFC 9106 section 4.
    pub const DEFAULT: Self = Self {
        m_kib: 64 << 10,
        t: 3,
        p: 4,
    };

    /// 19 MiB, two passes, one lane: for tiny containers, and the least that is ever accepted.
    pub const LOW: Self = Self {
        m_kib: 19 << 10,
        t: 2,
        p: 1,
    };

    const CEILING: Self = Self {
        m_kib: 1 << 20,
        t: 16,
        p: 16,
    };

    /// # Errors
    /// [`Error::OverCeiling`] above 1 GiB, 16 passes or 16 lanes; [`Error::BelowFloor`] below [`Kdf::LOW`].
    pub fn new(m_kib: u32, t: u32, p: u32) -> Result<Self, Error> {
        for (what, asked, floor, limit) in [
            (
                "Argon2 memory (KiB)",
                m_kib,
                Self::LOW.m_kib,
                Self::CEILING.m_kib,
            ),
            ("Argon2 passes", t, Self::LOW.t, Self::CEILING.t),
            ("Argon2 lanes", p, Self::LOW.p, Self::CEILING.p),
        ] {
            let (asked, floor, limit) = (u64::from(asked), u64::from(floor), u64::from(limit));
            if asked > limit {
                return Err(Error::OverCeiling { what, asked, limit });
            }
            if asked < floor {
                return Err(Error::BelowFloor { what, asked, floor });
            }
        }
        Ok(Self { m_kib, t, p })
    }

    /// Returns the memory, in KiB.
    pub fn memory(&self) -> u32 {
        self.m_kib
    }

    /// Returns the passes over the memory.
    pub fn passes(&self) -> u32 {
        self.t
    }

    /// Returns the lanes.
    pub fn lanes(&self) -> u32 {
        self.p
    }

    /// Does the work of one opening, and drops the result: for a user who wants to know its cost on this machine.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn try_out(self) -> Result<(), Error> {
        self.stretch(b"a passphrase", &[0; 16]).map(|_| ())
    }

    /// Runs Argon2id. Takes a tenth of a second to seconds of one core, and the memory that the cost names, which is
    /// wiped after use.
    fn stretch(self, passphrase: &[u8], salt: &[u8; 16]) -> Result<Key, Error> {
        let refused = |_| Error::NoMemory { kib: self.m_kib };
        let params = Params::new(self.m_kib, self.t, self.p, Some(32)).map_err(refused)?;
        // Memory of our own: the crate would free it with the derivation's state still in it.
        let mut memory = Zeroizing::new(Vec::new());
        let blocks = params.block_count();
        memory
            .try_reserve_exact(blocks)
            .map_err(|_| Error::NoMemory { kib: self.m_kib })?;
        memory.resize(blocks, Block::new());
        let mut out = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(passphrase, salt, &mut *out, memory.as_mut_slice())
            .map_err(refused)?;
        Ok(Key::new(*out))
    }
}

/// The root key, wrapped once.
#[derive(Clone, Debug)]
pub struct Slot {
    id: String,
    label: String,
    kind: SlotKind,
    salt: [u8; 16],
    commitment: [u8; 32],
    nonce: [u8; NONCE],
    wrapped: [u8; WRAPPED],
}

/// The random numbers of a new slot; each used once.
#[derive(Clone, Copy, Debug)]
pub struct SlotRandomness {
    /// The name of the slot within its vault.
    pub id: [u8; 8],
    /// The salt of Argon2id and of HKDF.
    pub salt: [u8; 16],
    /// The nonce of the wrapped root key.
    pub nonce: [u8; NONCE],
}

impl Slot {
    /// Wraps the root key of the vault `vault_id`. A passphrase costs what `kdf` states; a raw key ignores it.
    ///
    /// # Errors
    /// [`Error::OverCeiling`] for a label beyond [`MAX_LABEL`]; [`Error::NoMemory`].
    pub fn wrap(
        vault_id: &str,
        label: &str,
        opener: Opener<'_>,
        kdf: Kdf,
        root: &Key,
        fresh: SlotRandomness,
    ) -> Result<Self, Error> {
        if label.len() > MAX_LABEL {
            return Err(Error::ceiling("slot label (bytes)", label.len(), MAX_LABEL));
        }
        let mut slot = Self {
            id: encode(&fresh.id),
            label: label.to_owned(),
            kind: match opener {
                Opener::Passphrase(_) => SlotKind::Argon2id(kdf),
                Opener::Raw(_) => SlotKind::Raw,
            },
            salt: fresh.salt,
            commitment: [0; 32],
            nonce: fresh.nonce,
            wrapped: [0; WRAPPED],
        };
        let (wrapping, commitment) = slot.keys(opener)?;
        slot.commitment = *commitment.expose();
        slot.wrapped = wrapping.wrap(&slot.nonce, &slot.aad(vault_id), root);
        Ok(slot)
    }

    /// Returns random numbers for the same slot again: its name stays.
    pub(super) fn again(&self, salt: [u8; 16], nonce: [u8; NONCE]) -> SlotRandomness {
        let id = decode(&self.id).unwrap_or_default();
        SlotRandomness { id, salt, nonce }
    }

    /// Wraps another root key in the same slot: label, name and cost stay.
    pub(super) fn rewrap(
        &self,
        vault_id: &str,
        opener: Opener<'_>,
        root: &Key,
        fresh: SlotRandomness,
    ) -> Result<Self, Error> {
        let kdf = match self.kind {
            SlotKind::Argon2id(kdf) => kdf,
            SlotKind::Raw => Kdf::DEFAULT,
        };
        Self::wrap(vault_id, &self.label, opener, kdf, root, fresh)
    }

    /// Returns the root key.
    ///
    /// # Errors
    /// [`Error::WrongKey`] if the slot is of the other kind, or commits to another key; [`Error::Damaged`] if it
    /// commits to this key and still does not open; [`Error::NoMemory`].
    pub fn open(&self, vault_id: &str, opener: Opener<'_>) -> Result<Key, Error> {
        let (wrapping, commitment) = self.keys(opener)?;
        if !commitment.same_as(&self.commitment) {
            return Err(Error::WrongKey);
        }
        wrapping
            .unwrap(&self.nonce, &self.aad(vault_id), &self.wrapped)
            .ok_or(Error::Damaged("key slot"))
    }

    /// Returns the key that wraps, and the commitment to it.
    fn keys(&self, opener: Opener<'_>) -> Result<(Key, Key), Error> {
        let material = match (self.kind, opener) {
            (SlotKind::Argon2id(kdf), Opener::Passphrase(passphrase)) => {
                kdf.stretch(passphrase, &self.salt)?
            }
            (SlotKind::Raw, Opener::Raw(key)) => key.clone(),
            (SlotKind::Argon2id(_), Opener::Raw(_)) | (SlotKind::Raw, Opener::Passphrase(_)) => {
                return Err(Error::WrongKey);
            }
        };
        let prk = Key::extract(&self.salt, &material);
        Ok((
            prk.expand(b"mcpipe/1/slot-wrap"),
            prk.expand(b"mcpipe/1/slot-commit"),
        ))
    }

    fn aad(&self, vault_id: &str) -> Vec<u8> {
        joined(&[
            b"mcpipe/1/slot",
            vault_id.as_bytes(),
            self.id.as_bytes(),
            self.label.as_bytes(),
            self.kind.word().as_bytes(),
            &self.kind.costs(),
            &self.salt,
        ])
    }

    /// Returns the slot's name within the vault: base64url.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the name that the user gave the slot.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns the kind of secret that opens the slot.
    pub fn kind(&self) -> SlotKind {
        self.kind
    }

    /// Says whether the machine's key file opens the slot.
    pub(super) fn is_key_file(&self) -> bool {
        self.kind == SlotKind::Raw && KEY_FILES.contains(&self.label.as_str())
    }

    pub(super) fn to_record(&self) -> SlotRecord {
        let costs = match self.kind {
            SlotKind::Argon2id(kdf) => Some(kdf),
            SlotKind::Raw => None,
        };
        SlotRecord {
            id: self.id.clone(),
            label: self.label.clone(),
            kind: self.kind.word().to_owned(),
            m_kib: costs.map(|kdf| kdf.m_kib),
            t: costs.map(|kdf| kdf.t),
            p: costs.map(|kdf| kdf.p),
            salt: encode(&self.salt),
            commit: encode(&self.commitment),
            nonce: encode(&self.nonce),
            wrapped: encode(&self.wrapped),
        }
    }

    pub(super) fn from_record(record: SlotRecord) -> Result<Self, Error> {
        const DAMAGED: Error = Error::Damaged("key slot");
        let kind = match (record.kind.as_str(), record.m_kib, record.t, record.p) {
            ("argon2id", Some(m_kib), Some(t), Some(p)) => {
                SlotKind::Argon2id(Kdf::new(m_kib, t, p)?)
            }
            ("raw", None, None, None) => SlotKind::Raw,
            ("argon2id" | "raw", ..) => return Err(DAMAGED),
            _ => {
                return Err(Error::Unknown {
                    what: "key slot type",
                    found: record.kind,
                });
            }
        };
        if record.label.len() > MAX_LABEL {
            return Err(Error::ceiling(
                "slot label (bytes)",
                record.label.len(),
                MAX_LABEL,
            ));
        }
        decode::<8>(&record.id).ok_or(DAMAGED)?;
        Ok(Self {
            id: record.id,
            label: record.label,
            kind,
            salt: decode(&record.salt).ok_or(DAMAGED)?,
            commitment: decode(&record.commit).ok_or(DAMAGED)?,
            nonce: decode(&record.nonce).ok_or(DAMAGED)?,
            wrapped: decode(&record.wrapped).ok_or(DAMAGED)?,
        })
    }
}

/// A slot as the header writes it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlotRecord {
    id: String,
    label: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    m_kib: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<u32>,
    salt: String,
    commit: String,
    nonce: String,
    wrapped: String,
}

#[cfg(test)]
mod tests;
