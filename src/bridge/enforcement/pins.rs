//! Pins, carried out: what is listed is compared with what was accepted, and what differs is hidden.
//!
//! The bridge asks the server for the whole list before the host's first list or call, and again when the server says that
//! it has changed; the host hears of that change when the comparison is done. Every list on its way to the host is
//! compared too. While something is hidden, the place of the pins is looked at once a second, so that an approval counts
//! without a restart.

mod checks;
mod handshake;
mod news;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridge::settings::{PinSettings, Settings};
use crate::clock::seconds;
use crate::frame::Frame;
use crate::pin_store::{self, Stamp};
use crate::policy::pins::definition::{Definition, Kind};
use crate::policy::pins::diff::visible;
use crate::policy::pins::view::{Hidden, View};
use crate::policy::request::Asked;
use crate::policy::{self, Refusal, Rule, elements};

/// The pause between two looks at the place of the pins, and the shortest between two listings that a server's
/// notifications cause: some send one whenever they are listed.
const PAUSE: Duration = Duration::from_secs(1);

/// The pins of one run of the bridge.
pub(super) struct Pinning {
    rule: Rule,
    /// The place of the pins; without one nothing is permitted.
    settings: Option<PinSettings>,
    now: fn() -> SystemTime,
    tracker: TaskTracker,
    leaving: CancellationToken,
    state: Mutex<PinState>,
    /// Held while the bridge asks the server for a list: one at a time.
    checking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct PinState {
    view: View,
    /// The kinds of which this bridge has compared the whole list, and no change was announced since.
    checked: BTreeMap<Kind, Instant>,
    /// The number of changes that the server has announced, by kind.
    announced: BTreeMap<Kind, u64>,
    /// The server's notifications that wait for a comparison.
    notices: BTreeMap<Kind, Vec<Frame>>,
    /// The differences that the user was told of, by kind, name and digest.
    told: BTreeSet<String>,
    /// The state of the place of the pins when they were last read.
    stamp: Option<Stamp>,
    /// True while a task looks for approvals.
    is_watching: bool,
}

impl Pinning {
    /// Makes the pins of a run; `None` where no rule asks for them.
    pub(super) fn new(
        settings: &Settings,
        tracker: &TaskTracker,
        leaving: &CancellationToken,
    ) -> Option<Arc<Self>> {
        let rule = settings.policy.pin_tools.clone()?;
        Some(Arc::new(Self {
            rule,
            settings: settings.pins.clone(),
            now: settings.now,
            tracker: tracker.clone(),
            leaving: leaving.clone(),
            state: Mutex::default(),
            checking: tokio::sync::Mutex::default(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, PinState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seconds(&self) -> u64 {
        seconds((self.now)())
    }

    /// Returns the place of the pins.
    fn place(&self) -> Result<&PinSettings, Refusal> {
        self.settings.as_ref().ok_or_else(|| {
            Refusal::by(
                &self.rule,
                "Definitions are to be pinned, and there is no place for pins.",
            )
        })
    }

    /// Returns the command that shows the pins.
    fn command(&self) -> &str {
        self.settings
            .as_ref()
            .map_or("mcpipe pins URL", |it| &it.command)
    }

    /// Decides on a tool or a prompt by its pin.
    ///
    /// # Errors
    /// It is hidden, or not known whether it is.
    pub(super) fn permits(&self, thing: &Asked) -> Result<(), Refusal> {
        let (kind, name) = match thing {
            Asked::Tool(name) => (Kind::Tool, name),
            Asked::Prompt(name) => (Kind::Prompt, name),
            Asked::Resource(_) => return Ok(()),
        };
        let permitted = self.state().view.permits(kind, name);
        permitted.map_err(|hidden| self.refusal(kind, name, hidden))
    }

    fn refusal(&self, kind: Kind, name: &str, hidden: Hidden) -> Refusal {
        let shown = crate::text::printable(&visible(name), 100);
        let what = match hidden {
            Hidden::Unknown => {
                let message = format!(
                    "The policy refuses the {kind} {shown}: it is not known yet whether it is as it was accepted."
                );
                return Refusal::by(&self.rule, message).hint("try again when the server answers");
            }
            Hidden::Changed => "differs from what was accepted of this server",
            Hidden::New => "is new at this server, and was not accepted",
            Hidden::Unlisted => {
                let message = format!(
                    "The policy refuses the {kind} {shown}: the server lists none of that name, so none was accepted."
                );
                return Refusal::by(&self.rule, message)
                    .hint(format!("`{}` shows what is pinned", self.command()));
            }
        };
        let command = self.command();
        let hint = format!(
            "`{command}` shows the difference; `{command} approve {}` accepts it, without a restart",
            typed(&shown)
        );
        Refusal::by(
            &self.rule,
            format!("The policy refuses the {kind} {shown}: it {what}."),
        )
        .hint(hint)
    }

    /// Returns the refusal where pins cannot be read or written.
    fn unusable(&self, error: &pin_store::Error) -> Refusal {
        let message = format!("The pins of this server cannot be used: {error}.");
        let refusal = Refusal::by(&self.rule, message);
        match error.hint() {
            Some(hint) => refusal.hint(crate::text::capitalised(&hint)),
            None => refusal,
        }
    }
}

/// Returns a name as it is typed in a shell.
fn typed(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-/:".contains(c);
    match name.chars().all(is_plain) && !name.starts_with('-') && !name.is_empty() {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}

/// Returns the kind of pins of a list; `None` for one that is not pinned.
fn kind_of(list: policy::Kind) -> Option<Kind> {
    match list {
        policy::Kind::Tools => Some(Kind::Tool),
        policy::Kind::Prompts => Some(Kind::Prompt),
        policy::Kind::Resources
        | policy::Kind::Templates
        | policy::Kind::Directory
        | policy::Kind::Skills => None,
    }
}

/// Returns the definitions on a page. One without a clear name is in no list that a host gets.
fn definitions(page: &Frame, list: policy::Kind, kind: Kind) -> Vec<Definition> {
    let elements = elements(page, list).unwrap_or_default();
    elements
        .into_iter()
        .filter_map(|element| Definition::read(kind, element))
        .collect()
}
