//! A change of a pinned set in words, for a person.

use crate::policy::pins::definition::{Kind, Version};
use crate::policy::pins::diff::{diff, visible};
use crate::policy::pins::set::{Change, What};

impl Change<'_> {
    /// Returns the change's own word: changed, new, renamed or vanished.
    pub fn word(&self) -> &'static str {
        match self.what {
            What::Changed { .. } => "changed",
            What::New { .. } => "new",
            What::Renamed { .. } => "renamed",
            What::Vanished { .. } => "vanished",
        }
    }

    /// Returns what it is about, its names without anything invisible: `tool add`, `tool send, now post (94 % the same
    /// text)`.
    pub fn subject(&self) -> String {
        let name = visible(self.name);
        match (self.kind, &self.what) {
            (Kind::Instructions, _) => Kind::Instructions.word().to_owned(),
            (kind, What::Renamed { old, percent, .. }) => {
                format!(
                    "{kind} {}, now {name} ({percent} % the same text)",
                    visible(old)
                )
            }
            (kind, _) => format!("{kind} {name}"),
        }
    }

    /// Returns the lines of the difference; none of one that has vanished.
    pub fn diff(&self) -> Vec<String> {
        let text = |version: &Version| version.text.clone();
        let (from, to) = match self.what {
            What::Changed { from, to } | What::Renamed { from, to, .. } => {
                (Some(text(from)), text(to))
            }
            What::New { to } => (None, text(to)),
            What::Vanished { .. } => return Vec::new(),
        };
        diff(from.as_ref().map(Option::as_deref), Some(to.as_deref()))
    }

    /// Says whether hosts are not shown what the server lists.
    pub fn hides(&self) -> bool {
        !matches!(self.what, What::Vanished { .. })
    }

    /// Says whether a person who writes `typed` means it: its name, as it is or as it is shown, alone or behind its kind
    /// and a colon.
    pub fn is_called(&self, typed: &str) -> bool {
        let prefix = format!("{}:", self.kind);
        [Some(typed), typed.strip_prefix(&prefix)]
            .into_iter()
            .flatten()
            .any(|typed| typed == self.name || typed == visible(self.name))
    }
}
