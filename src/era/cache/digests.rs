//! The digests that a server tells of the files of its skills (SEP-2640), and those of files as they were read.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::frame::{Frame, member_of, string};

/// The size and the digest of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileDigest {
    size: u64,
    sha256: [u8; 32],
}

impl FileDigest {
    /// Reads an entry of a skill's `resources`; `None` where it cannot be held against a file.
    fn told(entry: &str) -> Option<Self> {
        let digest = member_of(entry, "digest").and_then(string)?;
        let sha256 = from_hex(digest.strip_prefix("sha256:")?)?;
        let size = member_of(entry, "size")?.parse().ok()?;
        Some(Self { size, sha256 })
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            size: bytes.len().try_into().ok()?,
            sha256: Sha256::digest(bytes).into(),
        })
    }

    /// Takes that of a file from the answer to `resources/read`; `None` if its bytes are not certainly there.
    pub(super) fn of(answer: &Frame, uri: &str) -> Option<Self> {
        let contents = elements(answer.member_in("result", "contents")?);
        let is_it =
            |content: &str| member_of(content, "uri").and_then(string).as_deref() == Some(uri);
        // A server may spell the URI otherwise than it was asked for.
        let content = match contents.as_slice() {
            [only] => Some(only),
            several => several.iter().find(|content| is_it(content)),
        }?;
        match member_of(content, "text") {
            Some(text) => Self::of_bytes(string(text)?.as_bytes()),
            None => {
                let blob = member_of(content, "blob").and_then(string)?;
                Self::of_bytes(&STANDARD.decode(blob).ok()?)
            }
        }
    }
}

/// The skills in one answer of `skills/list` or `skills/get`, and the digests of their files.
#[derive(Debug, Default)]
pub(super) struct Digests {
    /// By URI; `None` for a digest that cannot be held against a file, and for two that contradict each other.
    files: HashMap<String, Option<FileDigest>>,
    /// A digest of the whole list of files, by the URI of the skill.
    skills: HashMap<String, [u8; 32]>,
}

impl Digests {
    /// Reads an answer. What is not as it should be is left out.
    pub(super) fn of(answer: &Frame) -> Self {
        let mut digests = Self::default();
        let listed = answer.member_in("result", "skills").map(elements);
        let one = answer.member_in("result", "skill");
        for skill in listed.into_iter().flatten().chain(one) {
            digests.add(skill);
        }
        digests
    }

    fn add(&mut self, skill: &str) {
        let resources = member_of(skill, "resources").unwrap_or_default();
        let mut files: Vec<(String, Option<FileDigest>)> = elements(resources)
            .into_iter()
            .filter_map(|entry| {
                let uri = member_of(entry, "uri").and_then(string)?;
                Some((uri, FileDigest::told(entry)))
            })
            .collect();
        files.sort_by(|one, other| one.0.cmp(&other.0));
        if let Some(uri) = member_of(skill, "uri").and_then(string) {
            let mut whole = Sha256::new();
            for (uri, told) in &files {
                whole.update(format!("{uri} {told:?}\n"));
            }
            self.skills.insert(uri, whole.finalize().into());
        }
        for (uri, told) in files {
            let same = self.files.entry(uri).or_insert(told);
            if *same != told {
                *same = None;
            }
        }
    }

    /// Returns what is told of a file, if anything is: its digest, or that there is none to compare.
    pub(super) fn told(&self, uri: &str) -> Option<Option<FileDigest>> {
        self.files.get(uri).copied()
    }

    /// Says whether this is about the skill, or the file, of that URI.
    pub(super) fn name(&self, uri: &str) -> bool {
        self.files.contains_key(uri) || self.skills.contains_key(uri)
    }

    /// Says whether both are about one skill, or one file, and tell different things of it.
    pub(super) fn contradict(&self, other: &Self) -> bool {
        let differs = |uri: &String, skill: &[u8; 32]| {
            let others = other.skills.get(uri);
            others.is_some_and(|others| others != skill)
        };
        let is_other = |uri: &String, told: &Option<FileDigest>| {
            let others = other.files.get(uri);
            others.is_some_and(|others| others != told)
        };
        self.skills.iter().any(|(uri, skill)| differs(uri, skill))
            || self.files.iter().any(|(uri, told)| is_other(uri, told))
    }

    /// Returns about how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        const ENTRY: usize = 80;
        let uris = self.files.keys().chain(self.skills.keys());
        uris.map(|uri| uri.len() + ENTRY).sum()
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let is_hex = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    for (place, byte) in bytes.iter_mut().enumerate().filter(|_| is_hex) {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    is_hex.then_some(bytes)
}

/// Returns the elements of an array, each as its text; none if it is no array.
fn elements(text: &str) -> Vec<&str> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    elements.into_iter().map(RawValue::get).collect()
}
