//! The search for the files that mcp-remote kept for each candidate.

use std::path::PathBuf;

use crate::commands::import::sources::{Candidate, CandidateFiles};

/// A candidate, and the files that mcp-remote has for it.
pub(super) struct Searched {
    pub(super) candidate: Candidate,
    pub(super) files: FoundFiles,
}

impl Searched {
    pub(super) fn account(&self) -> &str {
        &self.candidate.target.sign_in.account
    }
}

/// The files that mcp-remote kept for a candidate.
pub(super) enum FoundFiles {
    /// Files that exist.
    Here(CandidateFiles),
    /// The same files as for the candidate of that number.
    OfAnother(usize),
    /// Files that an import moved aside before.
    Moved(Vec<PathBuf>),
    /// No files.
    Nowhere,
}

/// Looks for the files of each candidate. Returns the candidates, and the files that were found.
pub(super) fn search(list: Vec<Candidate>) -> (Vec<Searched>, Vec<(PathBuf, String)>) {
    let mut taken: Vec<(PathBuf, String)> = Vec::new();
    let mut searched: Vec<Searched> = Vec::new();
    for candidate in list {
        let file = |found: &CandidateFiles| (found.directory.path.clone(), found.key.clone());
        let owner_of = |wanted: &(PathBuf, String)| {
            searched.iter().position(|it| match &it.files {
                FoundFiles::Here(found) => file(found) == *wanted,
                _ => false,
            })
        };
        let files = if let Some(found) = candidate.newest_files(&taken) {
            taken.push(file(&found));
            FoundFiles::Here(found)
        } else if let Some(owner) = candidate
            .newest_files(&[])
            .and_then(|found| owner_of(&file(&found)))
        {
            FoundFiles::OfAnother(owner)
        } else {
            let moved = candidate.moved();
            let owner = searched.iter().position(|it| match &it.files {
                FoundFiles::Moved(files) => *files == moved,
                _ => false,
            });
            match owner {
                Some(owner) => FoundFiles::OfAnother(owner),
                None if moved.is_empty() => FoundFiles::Nowhere,
                None => FoundFiles::Moved(moved),
            }
        };
        searched.push(Searched { candidate, files });
    }
    (searched, taken)
}
