//! Finds out if the other end of stdin is a host that talks with the bridge, or has written without reading, as a shell
//! does.
//!
//! The end of stdin means two things. A host closes it to stop the bridge: nothing is to be waited for that a person has
//! to do. A pipe in a shell closes it because all has been said, long before the first answer: its user waits for them.
//! The lines tell: what was written in reaction to an answer was written by a host. A host of 2024-11-05 to 2025-11-25
//! sends `notifications/initialized` when `initialize` has been answered, and not before (MCP 2025-11-25, basic/lifecycle);
//! and any host sends a request when all it has asked so far is answered.

use crate::frame::Frame;

/// The signs of a conversation so far.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    has_answered: bool,
    is_two_way: bool,
}

impl Conversation {
    /// A request was answered.
    pub(super) fn answered(&mut self) {
        self.has_answered = true;
    }

    /// A line came, while `owed` requests before it were unanswered.
    pub(super) fn heard(&mut self, line: &Frame, owed: usize) {
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
            // Others wait for their answers still: a host that asks several things at once.
            (initialized(), 2, true),
            // One of many lines of a file, some of which are answered already.
            (request(), 2, false),
        ] {
            let mut conversation = Conversation::default();
            conversation.heard(&request(), 0);
            conversation.answered();
            conversation.heard(&line, owed);
            assert_eq!(conversation.is_two_way(), is_two_way, "{line:?} {owed}");
        }
    }

    #[test]
    fn who_says_everything_before_the_first_answer_is_a_pipe() {
        let mut conversation = Conversation::default();
        conversation.heard(&request(), 0);
        conversation.heard(&initialized(), 1);
        conversation.heard(&request(), 1);
        conversation.answered();
        assert!(!conversation.is_two_way());
    }
}
