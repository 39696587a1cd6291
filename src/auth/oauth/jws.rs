//! Private keys, and JSON Web Tokens signed with them: DPoP proofs and client assertions.
//!
//! `jsonwebtoken` puts the tokens together (header, base64url, the algorithm's name bound to the key's kind); `ring`,
//! which TLS here needs anyway, signs. The two back ends of `jsonwebtoken` would add another C library, or an `rsa`
//! with an open timing advisory (RUSTSEC-2023-0071); `jsonwebtoken` takes a provider of the caller's instead, and this
//! file is that provider.
//!
//! RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 section 3, RFC 7638 (thumbprints), RFC 8037 (Ed25519).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, KeyUtils};
use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::signature::{Error as SignatureError, Signer};
use jsonwebtoken::{AlgorithmFamily, EncodingKey, Header, encode};
use ring::digest;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::text::without_mark;

/// A private key that signs. Prints as `(key)`; shared, not copied, by `clone`.
#[derive(Clone)]
pub struct Key(Arc<KeyInner>);

struct KeyInner {
    /// The text as it was written, PEM or JWK: what [`KeyPair::read`] reads.
    key: EncodingKey,
    text: Secret,
    algorithms: &'static [Algorithm],
    public: Jwk,
    /// `kid` of the JWK that the key was read from.
    id: Option<String>,
}

/// An algorithm by which a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// Returns the name in a header and in metadata (RFC 7518 section 3.1).
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }

    /// Returns the algorithm of this name. `Ed25519` is RFC 9864's name for EdDSA on that curve.
    pub fn named(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        [Self::Es256, Self::EdDsa, Self::Ps256, Self::Rs256]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    fn of(algorithm: jsonwebtoken::Algorithm) -> Option<Self> {
        use jsonwebtoken::Algorithm as Theirs;
        Some(match algorithm {
            Theirs::ES256 => Self::Es256,
            Theirs::EdDSA => Self::EdDsa,
            Theirs::PS256 => Self::Ps256,
            Theirs::RS256 => Self::Rs256,
            _ => return None,
        })
    }

    fn theirs(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

/// The reason why there is no key, or no signature.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither PEM nor JWK.
    #[error("no private key: a PEM (PKCS#8, SEC1, PKCS#1) or a private JWK is wanted")]
    NotAKey,
    /// The PEM is sealed with a passphrase.
    #[error("a private key that is encrypted")]
    Encrypted,
    /// The key is broken, or of a kind that this file does not sign with.
    #[error(
        "no private key that can be used: those on P-256, Ed25519, and RSA of 2048 to 4096 bits can"
    )]
    Unusable,
    /// The key does not sign with this algorithm.
    #[error("a private key that does not sign with {0}")]
    OtherKind(&'static str),
    /// Signing failed.
    #[error("the signature could not be made")]
    Unsigned,
}

/// The choices for a token's header beside `alg`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenHeader<'a> {
    /// `typ`; `None` writes `JWT`.
    pub kind: Option<&'a str>,
    /// True where the public key goes along (`jwk`, RFC 9449 section 4.2). Otherwise the key's `kid` does, if there is
    /// one.
    pub shows_key: bool,
}

impl Key {
    /// Makes a new key for ES256.
    ///
    /// # Errors
    /// [`Error::Unsigned`]: the system gives no random numbers.
    pub fn generate() -> Result<Self, Error> {
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let body =
            Zeroizing::new(BASE64_STANDARD.encode(made.map_err(|_| Error::Unsigned)?.as_ref()));
        let text = format!("{BEGIN}\n{}\n{END}\n", body.as_str());
        Self::read(&Secret::new(text))
    }

    /// Reads PEM (PKCS#8, SEC1, PKCS#1) or a private JWK.
    ///
    /// # Errors
    /// See [`Error`]; none of them quotes the text.
    pub fn read(text: &Secret) -> Result<Self, Error> {
        let written = without_mark(text.expose()).trim();
        let material = KeyPair::read(written)?;
        let id = serde_json::from_str::<Value>(written).ok();
        let id = id.and_then(|jwk| Some(jwk.get("kid")?.as_str()?.to_owned()));
        let bytes = written.as_bytes();
        let (key, algorithms): (_, &[_]) = match material {
            KeyPair::Ec(_) => (EncodingKey::from_ec_der(bytes), &[Algorithm::Es256]),
            KeyPair::Ed(_) => (EncodingKey::from_ed_der(bytes), &[Algorithm::EdDsa]),
            KeyPair::Rsa(_) => (
                EncodingKey::from_rsa_der(bytes),
                &[Algorithm::Rs256, Algorithm::Ps256],
            ),
        };
        let public = serde_json::from_value(Value::Object(material.public()));
        Ok(Self(Arc::new(KeyInner {
            key,
            text: text.clone(),
            algorithms,
            public: public.map_err(|_| Error::Unusable)?,
            id,
        })))
    }

    /// Returns the text that the key was read from, to be kept.
    pub fn text(&self) -> &Secret {
        &self.0.text
    }

    /// Returns the algorithms that the key signs with, the usual first.
    pub fn algorithms(&self) -> &'static [Algorithm] {
        self.0.algorithms
    }

    /// Returns SHA-256 over the public key, as servers name the key (`jkt`, RFC 7638).
    pub fn thumbprint(&self) -> String {
        install();
        let made = self.0.public.thumbprint(ThumbprintHash::SHA256);
        made.unwrap_or_default()
    }

    /// Signs claims.
    ///
    /// # Errors
    /// [`Error::OtherKind`] and [`Error::Unsigned`].
    pub fn sign(
        &self,
        algorithm: Algorithm,
        head: TokenHeader<'_>,
        claims: &Value,
    ) -> Result<Secret, Error> {
        if !self.0.algorithms.contains(&algorithm) {
            return Err(Error::OtherKind(algorithm.name()));
        }
        install();
        let mut header = Header::new(algorithm.theirs());
        if let Some(kind) = head.kind {
            header.typ = Some(kind.to_owned());
        }
        if head.shows_key {
            header.jwk = Some(self.0.public.clone());
        } else {
            header.kid.clone_from(&self.0.id);
        }
        let token = encode(&header, claims, &self.0.key).map_err(|_| Error::Unsigned)?;
        Ok(Secret::new(token))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(key)")
    }
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

enum KeyPair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl KeyPair {
    fn read(text: &str) -> Result<Self, Error> {
        if text.starts_with('{') {
            return Self::from_jwk(text);
        }
        if text.contains("BEGIN ENCRYPTED") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(Error::Encrypted);
        }
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| Error::NotAKey)?;
        match der {
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(der) => Self::from_pkcs8(&wrapped(der.secret_sec1_der())),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der())
                .map(Self::Rsa)
                .map_err(|_| Error::Unusable),
            _ => Err(Error::Unusable),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, Error> {
        let random = SystemRandom::new();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random) {
            return Ok(Self::Ec(pair));
        }
        // OpenSSL writes Ed25519 keys without their public half.
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self::Ed(pair));
        }
        let rsa = RsaKeyPair::from_pkcs8(der);
        rsa.map(Self::Rsa).map_err(|_| Error::Unusable)
    }

    fn from_jwk(text: &str) -> Result<Self, Error> {
        let jwk: Map<String, Value> = serde_json::from_str(text).map_err(|_| Error::NotAKey)?;
        let word = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        let bytes = |name: &str| {
            let decoded = BASE64_URL_SAFE_NO_PAD.decode(word(name));
            decoded.map(Zeroizing::new).map_err(|_| Error::Unusable)
        };
        match (word("kty"), word("crv")) {
            ("EC", "P-256") => {
                let mut point = vec![4];
                point.extend_from_slice(&bytes("x")?);
                point.extend_from_slice(&bytes("y")?);
                let made = EcdsaKeyPair::from_private_key_and_public_key(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    &bytes("d")?,
                    &point,
                    &SystemRandom::new(),
                );
                made.map(Self::Ec).map_err(|_| Error::Unusable)
            }
            ("OKP", "Ed25519") => {
                let made = Ed25519KeyPair::from_seed_and_public_key(&bytes("d")?, &bytes("x")?);
                made.map(Self::Ed).map_err(|_| Error::Unusable)
            }
            ("RSA", _) => {
                let (n, e) = (bytes("n")?, bytes("e")?);
                let (d, p, q) = (bytes("d")?, bytes("p")?, bytes("q")?);
                let (dp, dq, qi) = (bytes("dp")?, bytes("dq")?, bytes("qi")?);
                let made = RsaKeyPair::from_components(&KeyPairComponents {
                    public_key: PublicKeyComponents {
                        n: n.as_slice(),
                        e: e.as_slice(),
                    },
                    d: d.as_slice(),
                    p: p.as_slice(),
                    q: q.as_slice(),
                    dP: dp.as_slice(),
                    dQ: dq.as_slice(),
                    qInv: qi.as_slice(),
                });
                made.map(Self::Rsa).map_err(|_| Error::Unusable)
            }
            ("EC" | "OKP", _) => Err(Error::Unusable),
            _ => Err(Error::NotAKey),
        }
    }

    /// Returns the public half, with the members RFC 7638 takes and no others.
    fn public(&self) -> Map<String, Value> {
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let jwk = match self {
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Self::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref())})
            }
            Self::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e)})
            }
        };
        match jwk {
            Value::Object(jwk) => jwk,
            _ => Map::new(),
        }
    }
}

/// Returns a SEC1 key on P-256 as the PKCS#8 that `ring` reads (RFC 5915 in RFC 5958).
fn wrapped(sec1: &[u8]) -> Zeroizing<Vec<u8>> {
    /// Version 0; id-ecPublicKey on prime256v1.
    const HEAD: [u8; 24] = [
        0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
        0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
    ];
    let mut body = Zeroizing::new(HEAD.to_vec());
    body.push(0x04);
    body.extend_from_slice(&length(sec1.len()));
    body.extend_from_slice(sec1);
    let mut der = Zeroizing::new(vec![0x30]);
    der.extend_from_slice(&length(body.len()));
    der.extend_from_slice(&body);
    der
}

/// Returns a DER length of up to 65,535; no key here is longer, and a longer key is not read.
fn length(of: usize) -> Vec<u8> {
    match u16::try_from(of).unwrap_or(u16::MAX).to_be_bytes() {
        [0, low @ 0..=0x7f] => vec![low],
        [0, low] => vec![0x81, low],
        [high, low] => vec![0x82, high, low],
    }
}

/// The signer that `jsonwebtoken` uses here.
struct RingSigner(KeyPair, Algorithm);

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let random = SystemRandom::new();
        let failed = |_| SignatureError::new();
        match &self.0 {
            KeyPair::Ec(pair) => {
                let signature = pair.sign(&random, message).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            KeyPair::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            KeyPair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let padding: &dyn ring::signature::RsaEncoding = match self.1 {
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let signed = pair.sign(padding, &random, message, &mut signature);
                signed.map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> jsonwebtoken::Algorithm {
        self.1.theirs()
    }
}

fn signer(
    algorithm: &jsonwebtoken::Algorithm,
    key: &EncodingKey,
) -> Result<Box<dyn JwtSigner>, JwtError> {
    let algorithm = Algorithm::of(*algorithm).ok_or_else(unsupported)?;
    let text = std::str::from_utf8(key.as_bytes()).map_err(|_| unsupported())?;
    let material = KeyPair::read(text).map_err(|_| unsupported())?;
    let is_its_kind = match (&material, key.family()) {
        (KeyPair::Ec(_), AlgorithmFamily::Ec) => algorithm == Algorithm::Es256,
        (KeyPair::Ed(_), AlgorithmFamily::Ed) => algorithm == Algorithm::EdDsa,
        (KeyPair::Rsa(_), AlgorithmFamily::Rsa) => {
            matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256)
        }
        _ => false,
    };
    if !is_its_kind {
        return Err(unsupported());
    }
    Ok(Box::new(RingSigner(material, algorithm)))
}

fn unsupported() -> JwtError {
    ErrorKind::UnsupportedAlgorithm.into()
}

/// Tells `jsonwebtoken` to sign with `ring`; once per process. mcpipe verifies nothing here: tokens of other issuers
/// are for servers to read.
fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: signer,
        verifier_factory: |_, _| Err(unsupported()),
        key_utils: KeyUtils {
            rsa_pub_components_from_private_key: |_| Err(unsupported()),
            rsa_pub_components_from_public_key: |_| Err(unsupported()),
            ec_pub_components_from_private_key: |_, _| Err(unsupported()),
            ed_pub_components_from_private_key: |_, _| Err(unsupported()),
            compute_digest: |bytes, hash| match hash {
                ThumbprintHash::SHA256 => {
                    Ok(digest::digest(&digest::SHA256, bytes).as_ref().to_vec())
                }
                _ => Err(unsupported()),
            },
        },
    };
    // A second call finds the provider of the first.
    let _ = PROVIDER.install_default();
}

#[cfg(test)]
mod tests;
