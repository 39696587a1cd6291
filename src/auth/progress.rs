//! What processes tell each other about a sign-in: that a page is waiting, how the last one ended, when windows were
//! opened.
//!
//! One note beside the vault for each account at each server. Whoever has the turn writes it; everybody may read it. It
//! holds no token and no code, but it does hold the address of a page that is waiting, and so is private like the
//! vault. An attempt has an unguessable name: who finds another name in the note has been superseded.

use serde::{Deserialize, Serialize};

use super::Cause;

/// Seconds in which a window that was closed stays closed, and in which windows are counted.
const QUIET: u64 = 600;
/// Windows opened by themselves in that time, by all processes together.
const WINDOWS: usize = 3;

/// All that is known of the sign-ins of one account at one server. Times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// Which attempt this is about.
    pub(super) attempt: String,
    /// How far it has come.
    pub(super) phase: Phase,
    /// When windows were opened.
    windows: Vec<u64>,
    /// How the last attempt ended if a person ended it, and when.
    abandoned: Option<(u64, Ended)>,
    /// When somebody last signed in.
    pub(super) signed_in_at: Option<u64>,
}

/// How far an attempt has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// There is none, or it was given up without a reason.
    #[default]
    Idle,
    /// Nothing to see yet.
    Begun,
    /// A person is waited for.
    Shown(Shown),
    /// The tokens are in the vault.
    Done,
    /// There are none.
    Ended(Ended),
}

/// Where a person is to go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) url: String,
    /// The authorization server.
    pub(super) host: String,
    /// To be typed there (RFC 8628).
    pub(super) user_code: Option<String>,
    /// Whether a browser was started on it.
    pub(super) opened: bool,
}

/// Why there are no tokens, in words for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) text: String,
    pub(super) hint: Option<String>,
    pub(super) is_passing: bool,
}

impl Ended {
    pub(super) fn cause(&self) -> Cause {
        Cause::Elsewhere {
            text: self.text.clone(),
            hint: self.hint.clone(),
            is_passing: self.is_passing,
        }
    }
}

impl Record {
    /// Reads a note. One that cannot be read says nothing.
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether the attempt it is about is over.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Done | Phase::Ended(_))
    }

    /// What a person ended a short while ago: a window that was closed does not come back by itself (L5).
    pub(super) fn abandoned(&self, now: u64) -> Option<&Ended> {
        let recent = self.abandoned.as_ref().filter(|(at, _)| now < at + QUIET);
        recent.map(|(_, ended)| ended)
    }

    /// Whether many windows were opened of late.
    pub(super) fn is_stormy(&self, now: u64) -> bool {
        let recent = self.windows.iter().filter(|at| now < **at + QUIET);
        recent.count() >= WINDOWS
    }

    pub(super) fn window_opens(&mut self, now: u64) {
        self.windows.retain(|at| now < at + QUIET);
        self.windows.push(now);
    }

    /// The user asks for a window: what was before does not count any more.
    pub(super) fn forgive(&mut self) {
        self.windows.clear();
        self.abandoned = None;
    }

    pub(super) fn succeed(&mut self, now: u64) {
        self.phase = Phase::Done;
        self.signed_in_at = Some(now);
        self.abandoned = None;
    }

    pub(super) fn fail(&mut self, ended: Ended, is_abandoned: bool, now: u64) {
        if is_abandoned {
            self.abandoned = Some((now, ended.clone()));
        }
        self.phase = Phase::Ended(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended() -> Ended {
        Ended {
            text: "nobody came".to_owned(),
            hint: None,
            is_passing: false,
        }
    }

    #[test]
    fn a_note_that_cannot_be_read_says_nothing() {
        for text in ["", "{", "[]", r#"{"phase":"elsewhere"}"#, "null"] {
            assert_eq!(Record::read(text), Record::default(), "{text}");
        }
        let mut record = Record {
            attempt: "a".to_owned(),
            ..Record::default()
        };
        record.window_opens(7);
        record.fail(ended(), true, 8);
        assert_eq!(Record::read(&record.write()), record);
    }

    #[test]
    fn brakes_let_go_after_ten_minutes_or_at_the_users_word() {
        let mut record = Record::default();
        for now in [0, 1, 2] {
            assert!(!record.is_stormy(now));
            record.window_opens(now);
        }
        record.fail(ended(), true, 2);
        assert!(record.is_stormy(599) && record.abandoned(601).is_some());
        assert!(!record.is_stormy(600) && record.abandoned(602).is_none());
        record.forgive();
        assert!(!record.is_stormy(3) && record.abandoned(3).is_none());
    }
}
