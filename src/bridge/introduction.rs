//! `--init`: the handshake that the bridge makes for a script, and the messages that a script does not get.
//!
//! A script writes its requests and reads their answers. The bridge introduces it before its first message, as a host
//! without capabilities; it drops the server's notifications, and answers the server's requests. A script that writes the
//! requests of 2026-07-28 says in each what it is, and needs no introduction.
//!
//! MCP 2025-11-25, basic/lifecycle; MCP 2026-07-28, basic/versioning. Decides; sends nothing.

use crate::era::detect;
use crate::era::protocol::NEWEST_LEGACY;
use crate::frame::{Frame, Id, METHOD_NOT_FOUND};

/// The introduction of one script.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// The script has written nothing.
    #[default]
    Fresh,
    /// The script speaks for itself.
    NotNeeded,
    /// The server has been told of the script.
    Made {
        /// The server's answer.
        answer: Option<Frame>,
        /// The script's own `initialize` requests that wait for it.
        asked: Vec<Id>,
    },
}

/// The way of a script's message.
#[derive(Debug)]
pub(super) enum Way {
    /// To the server.
    Onward(Frame),
    /// Back, as this answer.
    Back(Frame),
    /// To its end: the bridge has said the same already, or will answer it later.
    Kept,
}

/// Not a number: a script may have a request with that number under way.
const ID: &str = "\"bridge:init\"";

impl Introduction {
    /// Returns the messages that go to the server before this one of the script.
    pub(super) fn before(&mut self, frame: &Frame) -> Vec<Frame> {
        let is_first = matches!(self.state, State::Fresh) && frame.method().is_some();
        if !is_first {
            return Vec::new();
        }
        if detect::is_modern(frame) {
            self.state = State::NotNeeded;
            return Vec::new();
        }
        self.state = State::Made {
            answer: None,
            asked: Vec::new(),
        };
        let params = format!(
            r#"{{"protocolVersion":"{NEWEST_LEGACY}","capabilities":{{}},"clientInfo":{{"name":"mcpipe","version":"{}"}}}}"#,
            env!("CARGO_PKG_VERSION")
        );
        let id = Id::parse(ID).unwrap_or_else(|| Id::ours(0));
        vec![
            Frame::request(&id, "initialize", Some(&params)),
            Frame::notification("notifications/initialized", None),
        ]
    }

    /// Returns the way of a message of the script. A handshake of its own is answered by the one that was made for it.
    pub(super) fn way(&mut self, frame: Frame) -> Way {
        let State::Made { answer, asked } = &mut self.state else {
            return Way::Onward(frame);
        };
        match (frame.method(), frame.id()) {
            (Some("initialize"), Some(id)) => match answer {
                Some(answer) => Way::Back(answer.with_id(id)),
                None => {
                    asked.push(id.clone());
                    Way::Kept
                }
            },
            (Some("notifications/initialized"), None) => Way::Kept,
            _ => Way::Onward(frame),
        }
    }

    /// Looks at an answer on its way to the script. Returns the answers to the script's own `initialize` requests.
    pub(super) fn on_answer(&mut self, frame: &Frame) -> Vec<Frame> {
        let State::Made { answer, asked } = &mut self.state else {
            return Vec::new();
        };
        if frame.id().map(Id::text) != Some(ID) {
            return Vec::new();
        }
        if frame.is_error() {
            tracing::warn!("the server has refused the introduction that --init makes");
        }
        *answer = Some(frame.clone());
        let asked = std::mem::take(asked).into_iter();
        asked.map(|id| frame.with_id(&id)).collect()
    }

    /// Says whether a batch of the script may be taken apart: the revision is the bridge's choice, not the script's.
    pub(super) fn takes_batches(&self) -> bool {
        !matches!(self.state, State::NotNeeded)
    }
}

/// Returns the answer to a request of the server, where no host is there to give one.
pub(super) fn declined(request: &Frame) -> Option<Frame> {
    let id = request.id().filter(|_| request.is_request())?;
    Some(match request.method() {
        Some("ping") => Frame::result(id, "{}"),
        _ => {
            let words = "The client is a script, and has no such capability.";
            Frame::error(Some(id), METHOD_NOT_FOUND, words, None)
        }
    })
}
