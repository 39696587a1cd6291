//! The state of the translation, as types: calls of the host, rounds of questions, tasks, subscriptions, and what is to be
//! done.
//!
//! Holds what the steps in the other files change, and the few helpers that all of them use. Decides nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::handshake::Host;
use super::output::Outgoing;
use crate::era::server_info::ServerInfo;
use crate::frame::{Frame, Id};

/// The half that translates: a modern host towards the relay, a legacy remote towards the host.
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) host: Host,
    pub(super) server: ServerInfo,
    /// The name for a server that does not give its own.
    pub(super) called: String,
    /// As JSON text, once the host has set one.
    pub(super) level: Option<String>,
    /// By a number of ours: a host may use an id again. In order, so that what is done to all is done alike each time.
    pub(super) calls: BTreeMap<u64, Call>,
    /// Requests of ours to the host, and the call each belongs to.
    pub(super) questions: HashMap<Id, u64>,
    /// Questions for a host that is not ready for them (MCP 2025-11-25, basic/lifecycle).
    pub(super) early: Vec<Frame>,
    pub(super) subscriptions: Subscriptions,
    pub(super) is_ready: bool,
    pub(super) is_host_gone: bool,
    pub(super) out: Outgoing,
}

/// A request of the host's that is owed an answer.
#[derive(Debug)]
pub(super) struct Call {
    /// As the host wrote it: every round is made from it.
    pub(super) frame: Frame,
    pub(super) id: Id,
    pub(super) method: Box<str>,
    pub(super) token: Option<Id>,
    /// The last progress told (MCP 2026-07-28, basic/patterns/progress).
    pub(super) progress: Option<f64>,
    pub(super) rounds: u32,
    pub(super) state: CallState,
    /// URL elicitations the host agreed to, which are over when the call is.
    pub(super) elicited: Vec<Id>,
    pub(super) task: Option<Task>,
}

/// The step that a call waits for.
#[derive(Debug)]
pub(super) enum CallState {
    /// The remote's answer to the request of that id.
    Sent(Id),
    /// The host's answers.
    Asking(Round),
    /// A timer.
    Pausing,
}

/// A round of questions.
#[derive(Debug)]
pub(super) struct Round {
    /// Tells this round from the next.
    pub(super) number: u64,
    pub(super) questions: Vec<Question>,
    /// Goes back as it came (MCP 2026-07-28, basic/patterns/mrtr).
    pub(super) state: Option<String>,
}

#[derive(Debug)]
pub(super) struct Question {
    pub(super) id: Id,
    pub(super) key: String,
    pub(super) kind: QuestionKind,
    pub(super) answer: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum QuestionKind {
    Form,
    /// With the `elicitationId` the host was given.
    Url(Id),
    Sampling,
    Roots,
}

/// A task of the remote's that a call has become.
#[derive(Debug)]
pub(super) struct Task {
    /// As JSON text.
    pub(super) id: String,
    /// The keys of questions that the host has been asked already.
    pub(super) asked: HashSet<String>,
    pub(super) pace: Duration,
    pub(super) failures: u32,
}

/// Everything that listens.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// The URIs subscribed to, in order.
    pub(super) uris: Vec<String>,
    /// Open listens, the newest last.
    pub(super) open: Vec<OpenListen>,
    pub(super) waiting: Vec<Subscriber>,
    /// Losses in a row, with nothing heard in between.
    pub(super) losses: u32,
    /// Something may have changed while no listen was open (MCP 2026-07-28, basic/patterns/subscriptions).
    pub(super) has_gap: bool,
    /// The remote does not know the method.
    pub(super) is_refused: bool,
    pub(super) is_pausing: bool,
    /// The obstacle does not pass by itself: the next call that is answered shows that it is gone.
    pub(super) is_idle: bool,
}

#[derive(Debug)]
pub(super) struct OpenListen {
    pub(super) id: Id,
    pub(super) is_acknowledged: bool,
}

/// A `resources/subscribe` that has not been answered.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) id: Id,
    pub(super) uri: String,
    pub(super) listen: Id,
}

impl Translation {
    pub(super) fn new(discover: &str, called: &str, ids: u64) -> Self {
        Self {
            host: Host::default(),
            server: ServerInfo::from_discover(discover),
            called: called.to_owned(),
            level: None,
            calls: BTreeMap::new(),
            questions: HashMap::new(),
            early: Vec::new(),
            subscriptions: Subscriptions::default(),
            is_ready: false,
            is_host_gone: false,
            out: Outgoing::new(ids),
        }
    }
}
