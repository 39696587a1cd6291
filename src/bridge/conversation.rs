//! Signs that the program at the other end of stdin is a host that talks with the bridge, or has written without
//! reading, as a shell does.
//!
//! The end of stdin means two things. A host closes stdin to stop the bridge: mcpipe then waits for nothing that a user
//! has to do. A pipe in a shell closes stdin because all is written, long before the first answer: its user waits for
//! the answers. The lines tell the two apart: only a host writes a line in reaction to an answer. A host of 2024-11-05
//! to 2025-11-25 sends `notifications/initialized` when `initialize` has been answered, and not before (MCP 2025-11-25,
//! basic/lifecycle); and any host sends a request when all its earlier requests are answered.

use crate::frame::Frame;

/// The signs of a conversation so far.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    has_answered: bool,
    is_two_way: bool,
}

impl Conversation {
    /// Notes that a request was answered.
    pub(super) fn answered(&mut self) {
        self.has_answered = true;
    }

    /// Notes a line that came while `owed` requests before it were unanswered.
    pub(super) fn note_line(&mut self, line: &Frame, owed: usize) {
        let is_reaction = owed == 0 || line.method() == Some("notifications/initialized");
        self.is_two_way |= self.has_answered && is_reaction;
    }

    /// Says whether a line was written in reaction to an answer.
    pub(super) fn is_two_way(&self) -> bool {
        self.is_two_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Id;

    fn request() -> Frame {
        Frame::request(&Id::ours(1), "tools/list", None)
    }

    fn initialized() -> Frame {
        Frame::notification("notifications/initialized", None)
    }

    #[test]
    fn who_reacts_to_an_answer_is_a_host() {
        for (line, owed, is_two_way) in [
            (request(), 0, true),
            (initialized(), 0, true),
            // Other requests still wait for their answers: a host that sends several at once.
            (initialized(), 2, true),
            // A line of a file of many, some of which are answered already.
            (request(), 2, false),
        ] {
            let mut conversation = Conversation::default();
            conversation.note_line(&request(), 0);
            conversation.answered();
            conversation.note_line(&line, owed);
            assert_eq!(conversation.is_two_way(), is_two_way, "{line:?} {owed}");
        }
    }

    #[test]
    fn who_says_everything_before_the_first_answer_is_a_pipe() {
        let mut conversation = Conversation::default();
        conversation.note_line(&request(), 0);
        conversation.note_line(&initialized(), 1);
        conversation.note_line(&request(), 1);
        conversation.answered();
        assert!(!conversation.is_two_way());
    }
}
