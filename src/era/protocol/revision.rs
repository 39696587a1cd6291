//! The revisions of the specification, and the era of each.

/// A dated revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    pub(crate) name: &'static str,
    /// Its conversations begin with `initialize`; in later ones each request stands alone (MCP 2026-07-28,
    /// basic/versioning).
    pub(crate) is_legacy: bool,
}

/// All of them, newest first.
const REVISIONS: [Revision; 5] = [
    Revision {
        name: MODERN,
        is_legacy: false,
    },
    legacy(NEWEST_LEGACY),
    legacy("2025-06-18"),
    legacy("2025-03-26"),
    legacy("2024-11-05"),
];

const fn legacy(name: &'static str) -> Revision {
    Revision {
        name,
        is_legacy: true,
    }
}

/// The revision in which mcpipe asks a server that it knows nothing of.
pub(crate) const MODERN: &str = "2026-07-28";
/// The last legacy revision, and the first with URL elicitation.
pub(crate) const NEWEST_LEGACY: &str = "2025-11-25";

#[cfg(test)]
thread_local! {
    /// Rows of a test, newer than the others.
    pub(super) static ADDED: std::cell::RefCell<&'static [Revision]> = const { std::cell::RefCell::new(&[]) };
}

fn all() -> impl Iterator<Item = &'static Revision> {
    #[cfg(test)]
    let added = ADDED.with_borrow(|added| *added);
    #[cfg(not(test))]
    let added: &[Revision] = &[];
    added.iter().chain(&REVISIONS)
}

/// Says whether this is a revision of the legacy era.
pub(crate) fn is_legacy(version: &str) -> bool {
    all().any(|revision| revision.is_legacy && revision.name == version)
}

/// Says whether this is a revision of the modern era that mcpipe speaks.
pub(crate) fn is_modern(version: &str) -> bool {
    modern().any(|name| name == version)
}

/// Returns the modern revisions, newest first.
pub(crate) fn modern() -> impl Iterator<Item = &'static str> {
    all()
        .filter(|revision| !revision.is_legacy)
        .map(|revision| revision.name)
}

/// Returns the newest modern revision among those that a server names.
pub(crate) fn newest_modern_of(named: &[String]) -> Option<&'static str> {
    modern().find(|name| named.iter().any(|named| named == name))
}
