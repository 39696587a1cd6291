//! The search for the files that mcp-remote kept for each candidate.

use std::path::PathBuf;

use crate::commands::import::sources::{Candidate, Hit};

/// A candidate, and the files that mcp-remote has for it.
pub(super) struct Sought {
    pub(super) candidate: Candidate,
    pub(super) files: Files,
}

impl Sought {
    pub(super) fn account(&self) -> &str {
        &self.candidate.target.sign_in.account
    }
}

/// The files that mcp-remote kept for a candidate.
pub(super) enum Files {
    /// Files that exist.
    Here(Hit),
    /// The same files as for the candidate of that number.
    OfAnother(usize),
    /// Files that an import moved aside before.
    Moved(Vec<PathBuf>),
    /// No files.
    Nowhere,
}

/// Looks for the files of each candidate. Returns the candidates, and the files that were found.
pub(super) fn sought(list: Vec<Candidate>) -> (Vec<Sought>, Vec<(PathBuf, String)>) {
    let mut taken: Vec<(PathBuf, String)> = Vec::new();
    let mut sought: Vec<Sought> = Vec::new();
    for candidate in list {
        let file = |hit: &Hit| (hit.directory.path.clone(), hit.key.clone());
        let owner_of = |wanted: &(PathBuf, String)| {
            let is_it = |it: &Sought| matches!(&it.files, Files::Here(hit) if file(hit) == *wanted);
            sought.iter().position(is_it)
        };
        let files = if let Some(hit) = candidate.hit(&taken) {
            taken.push(file(&hit));
            Files::Here(hit)
        } else if let Some(owner) = candidate.hit(&[]).and_then(|hit| owner_of(&file(&hit))) {
            Files::OfAnother(owner)
        } else {
            let moved = candidate.moved();
            let is_it = |it: &Sought| matches!(&it.files, Files::Moved(files) if *files == moved);
            match sought.iter().position(is_it) {
                Some(owner) => Files::OfAnother(owner),
                None if moved.is_empty() => Files::Nowhere,
                None => Files::Moved(moved),
            }
        };
        sought.push(Sought { candidate, files });
    }
    (sought, taken)
}
