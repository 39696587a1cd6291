//! The cryptographic functions of the vault format: length-prefixed joining, HKDF-SHA-256, AES-256-GCM, SHA-256,
//! base64url without padding, and the errors of the format.
//!
//! Nothing here chooses a key, a nonce or a label, and nothing here is random.
//!
//! RFC 5869 (HKDF), NIST SP 800-38D (AES-GCM), RFC 4648 section 5 (base64url).

use std::fmt;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a nonce of AES-256-GCM.
pub const NONCE: usize = 12;

/// Bytes that AES-256-GCM adds to what it seals.
pub const TAG: usize = 16;

/// Bytes of a sealed [`Key`].
pub const WRAPPED: usize = 32 + TAG;

/// The reason why bytes are not a vault that opens, or why a vault cannot become bytes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes do not begin as a vault does.
    #[error("this is not an mcpipe vault")]
    NotAVault,
    /// The format is newer than this version, which leaves the file alone.
    #[error("the vault has format {0}, written by a newer mcpipe")]
    NewerFormat(u16),
    /// The file has a name that this version does not know.
    #[error("the vault has a {what} unknown to this version: {found:?}")]
    Unknown {
        /// The kind of the name.
        what: &'static str,
        /// The name.
        found: String,
    },
    /// The file asks for more than is sensible, or what is to be kept is more than fits.
    #[error("{what}: {asked}, more than the {limit} allowed")]
    OverCeiling {
        /// The quantity and its unit.
        what: &'static str,
        /// The size that is claimed.
        asked: u64,
        /// The size that is allowed.
        limit: u64,
    },
    /// The file asks for less work than is safe.
    #[error("{what}: {asked}, less than the {floor} required")]
    BelowFloor {
        /// The quantity and its unit.
        what: &'static str,
        /// The size that is claimed.
        asked: u64,
        /// The size that is required.
        floor: u64,
    },
    /// The system has too little memory for Argon2.
    #[error("not enough memory for Argon2, which needs {kib} KiB")]
    NoMemory {
        /// The memory, in KiB.
        kib: u32,
    },
    /// The passphrase or key is another one.
    #[error("the passphrase or key does not fit")]
    WrongKey,
    /// The file was cut or changed; the key is right, or was not needed to see it.
    #[error("the {0} is damaged")]
    Damaged(&'static str),
}

impl Error {
    pub(super) fn ceiling(what: &'static str, asked: usize, limit: usize) -> Self {
        let wide = |length| u64::try_from(length).unwrap_or(u64::MAX);
        Self::OverCeiling {
            what,
            asked: wide(asked),
            limit: wide(limit),
        }
    }
}

/// A 256-bit key. Prints as `(redacted)`, is wiped when dropped.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// Takes the bytes as they are. They should be random, or come from a key derivation.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Shows the bytes to code that must store or feed them to a derivation.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn same_as(&self, other: &[u8; 32]) -> bool {
        self.0.ct_eq(other).into()
    }

    /// Returns HKDF-Expand with this key as the pseudorandom key.
    pub(super) fn expand(&self, info: &[u8]) -> Self {
        let mut out = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::from_prk(&*self.0)
            .expect("a key is as long as a SHA-256 digest")
            .expand(info, &mut *out)
            .expect("so is the output");
        Self(out)
    }

    /// Returns HKDF-Extract: the pseudorandom key of `material` under `salt`.
    pub(super) fn extract(salt: &[u8], material: &Self) -> Self {
        let (mut prk, _) = Hkdf::<Sha256>::extract(Some(salt), &*material.0);
        let key = Self::new(prk.into());
        zeroize::Zeroize::zeroize(prk.as_mut_slice());
        key
    }

    /// Seals with AES-256-GCM: ciphertext and tag. `None` only beyond 64 GiB, which every caller's ceiling is far
    /// below.
    pub(super) fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let cipher = Aes256Gcm::new((&*self.0).into());
        let mut sealed = Vec::with_capacity(plain.len() + TAG);
        sealed.extend_from_slice(plain);
        let tag = cipher
            .encrypt_inout_detached(nonce.into(), aad, sealed.as_mut_slice().into())
            .ok()?;
        sealed.extend_from_slice(&tag);
        Some(sealed)
    }

    /// Opens a text that [`Key::seal`] has sealed; `None` if anything at all differs.
    pub(super) fn open(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (body, tag) = sealed.split_last_chunk::<TAG>()?;
        let cipher = Aes256Gcm::new((&*self.0).into());
        // Exactly as long as the plain text, so that turning it into a string moves no byte.
        let mut plain = Zeroizing::new(body.to_vec());
        cipher
            .decrypt_inout_detached(nonce.into(), aad, plain.as_mut_slice().into(), tag.into())
            .ok()?;
        Some(plain)
    }

    /// Does as [`Key::open`], for a sealed key.
    pub(super) fn unwrap(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        wrapped: &[u8; WRAPPED],
    ) -> Option<Self> {
        let plain = self.open(nonce, aad, wrapped)?;
        let bytes = plain.as_slice().try_into().ok()?;
        Some(Self(Zeroizing::new(bytes)))
    }

    /// Does as [`Key::seal`], for a key.
    pub(super) fn wrap(&self, nonce: &[u8; NONCE], aad: &[u8], key: &Self) -> [u8; WRAPPED] {
        self.seal(nonce, aad, key.expose())
            .and_then(|sealed| sealed.try_into().ok())
            .expect("32 bytes seal to 32 and a tag")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(redacted)")
    }
}

/// Joins fields so that no two different lists give the same bytes: each is preceded by its length as a big-endian u32.
/// Fields are at most 4 GiB long; the longest in use is a file header.
pub(super) fn joined(fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(fields.iter().map(|field| field.len() + 4).sum());
    for field in fields {
        out.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(field);
    }
    out
}

/// Returns the SHA-256 digest.
pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Encodes as base64url without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes the text of [`encode`], for exactly `N` bytes.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    let taken = bytes.as_slice().try_into().ok();
    zeroize::Zeroize::zeroize(&mut *bytes);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn different_lists_join_differently(
            a in prop::collection::vec(prop::collection::vec(0u8..3, 0..6), 0..5),
            b in prop::collection::vec(prop::collection::vec(0u8..3, 0..6), 0..5),
        ) {
            let flat = |list: &[Vec<u8>]| joined(&list.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(a == b, flat(&a) == flat(&b));
        }
    }

    #[test]
    fn a_key_does_not_print() {
        assert_eq!(format!("{:?}", Key::new([0x41; 32])), "(redacted)");
    }

    #[test]
    fn base64_that_is_not_canonical_is_refused() {
        assert_eq!(decode::<1>("AA"), Some([0]));
        for other in ["AB", "AA==", "AAA", "A A", ""] {
            assert_eq!(decode::<1>(other), None, "{other}");
        }
    }
}
