//! The pause between a progress notification and the response to the same request.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::stdio::written::Written;

/// Hosts built on the TypeScript SDK handle a response at once and a notification a turn later, so a response that is
/// read in one go with the last progress makes them drop the progress, whose request is closed by then.
const PROGRESS_FIRST: Duration = Duration::from_millis(5);
/// The number of tokens that are remembered; a server that uses more at once gets no pauses.
const MAX_TOKENS: usize = 4096;

/// The progress that the host may not have read yet: the last time of each token, by its JSON text.
#[derive(Debug, Default)]
pub(super) struct Progress(HashMap<Box<str>, Instant>);

impl Progress {
    /// Returns the pause to be made before this line is written, after all before it has been; notes what the line is.
    pub(super) fn pause_before(&mut self, line: &Written) -> Option<Duration> {
        let last = match line {
            Written::One(frame) => {
                if frame.method() == Some("notifications/progress") {
                    self.note(frame.param("progressToken")?);
                }
                return None;
            }
            Written::Answer { progress_token, .. } => self.0.remove(progress_token)?,
            // Which of them had progress is not looked for: batches are rare.
            Written::Batch(_) => self.0.drain().map(|(_, at)| at).max()?,
        };
        PROGRESS_FIRST.checked_sub(last.elapsed())
    }

    fn note(&mut self, token: &str) {
        let now = Instant::now();
        if let Some(last) = self.0.get_mut(token) {
            *last = now;
            return;
        }
        if self.0.len() >= MAX_TOKENS {
            self.0.clear();
        }
        self.0.insert(token.into(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, Id};

    fn progress(token: &str) -> Written {
        let params = format!(r#"{{"progressToken":{token},"progress":1}}"#);
        Written::One(Frame::notification("notifications/progress", Some(&params)))
    }

    fn answer(id: u64, token: &str) -> Written {
        Written::Answer {
            frame: Frame::result(&Id::ours(id), "{}"),
            progress_token: token.into(),
        }
    }

    #[test]
    fn a_response_waits_for_the_progress_of_its_own_request_only() {
        let mut seen = Progress::default();
        assert_eq!(seen.pause_before(&progress("7")), None);
        assert_eq!(seen.pause_before(&progress("\"t\"")), None);
        assert_eq!(seen.pause_before(&answer(8, "8")), None);
        assert!(seen.pause_before(&answer(7, "7")).is_some());
        assert!(seen.pause_before(&answer(9, "\"t\"")).is_some());
        // Each of them has been waited for.
        assert_eq!(seen.pause_before(&answer(7, "7")), None);
    }

    #[test]
    fn a_response_long_after_the_progress_waits_for_nothing() {
        let mut seen = Progress::default();
        seen.pause_before(&progress("7"));
        std::thread::sleep(PROGRESS_FIRST);
        assert_eq!(seen.pause_before(&answer(7, "7")), None);
    }

    #[test]
    fn the_answers_to_a_batch_wait_for_any_progress() {
        let mut seen = Progress::default();
        let batch = || Written::Batch(vec![Frame::result(&Id::ours(1), "{}")]);
        assert_eq!(seen.pause_before(&batch()), None);
        seen.pause_before(&progress("7"));
        assert!(seen.pause_before(&batch()).is_some());
    }
}
