//! The ids that are owed an answer.
//!
//! This file keeps the invariant of the bridge: every request id that enters leaves exactly once, or was cancelled.
//! Answers that the host is not owed are dropped; requests that are open at the end are answered with an error. The
//! requests of a batch (2025-03-26) are answered together, in one line.

use std::collections::HashMap;

use crate::bridge::unanswered::{Reason, Tally};
use crate::era::protocol::standing;
use crate::frame::{Frame, INVALID_REQUEST, Id, Malformed};
use crate::stdio::Written;

/// The host's open requests.
#[derive(Debug, Default)]
pub(super) struct Inflight {
    owed: HashMap<Id, OpenRequest>,
    batches: HashMap<BatchId, Batch>,
    batches_seen: u64,
    /// The requests that are owed nothing any more, by their answers.
    pub(super) tally: Tally,
}

#[derive(Debug)]
struct OpenRequest {
    method: Box<str>,
    batch: Option<BatchId>,
    /// The JSON text of its `progressToken`.
    progress_token: Option<Box<str>>,
}

type BatchId = u64;

#[derive(Debug, Default)]
struct Batch {
    left: usize,
    answers: Vec<Frame>,
}

impl Inflight {
    /// Notes a frame from the host; `Err` is the answer to a request whose id is already taken.
    pub(super) fn open(&mut self, frame: &Frame) -> Result<(), Frame> {
        self.open_in(frame, None)
    }

    /// Notes the members of a batch. Returns those to pass on, and a line if the batch is already answered in full
    /// because it held only mistakes.
    pub(super) fn open_batch(
        &mut self,
        members: Vec<Result<Frame, Malformed>>,
    ) -> (Vec<Frame>, Option<Written>) {
        self.batches_seen += 1;
        let batch = self.batches_seen;
        self.batches.insert(batch, Batch::default());
        let mut passed = Vec::new();
        let mut mistakes = Vec::new();
        for member in members {
            match member {
                Ok(frame) if frame.is_request() => {
                    // The others are not answered by the end of one that stands.
                    let stands = frame.method().is_some_and(|it| standing(it).is_some());
                    match self.open_in(&frame, Some(batch).filter(|_| !stands)) {
                        Ok(()) => passed.push(frame),
                        Err(reply) => mistakes.push(reply),
                    }
                }
                Ok(frame) => {
                    let _ = self.open_in(&frame, None);
                    passed.push(frame);
                }
                Err(malformed) => {
                    self.count_refused_line();
                    mistakes.push(malformed.reply());
                }
            }
        }
        if let Some(open) = self.batches.get_mut(&batch) {
            open.answers.extend(mistakes);
        }
        (passed, self.finish_batch(batch))
    }

    fn open_in(&mut self, frame: &Frame, batch: Option<BatchId>) -> Result<(), Frame> {
        let Some(id) = frame.id().filter(|_| frame.is_request()) else {
            // A cancelled request may have been answered already, and wait for the rest of its batch.
            if let Some(id) = frame.cancels() {
                for open in self.batches.values_mut() {
                    open.answers.retain(|answer| answer.id() != Some(&id));
                }
            }
            return Ok(());
        };
        if self.owed.contains_key(id) {
            let reason = "Invalid request: this id belongs to a request that is still open.";
            self.count_refused_line();
            return Err(Frame::error(Some(id), INVALID_REQUEST, reason, None));
        }
        let request = OpenRequest {
            method: frame.method().unwrap_or_default().into(),
            batch,
            progress_token: frame.meta("progressToken").map(Into::into),
        };
        self.owed.insert(id.clone(), request);
        self.tally.ask();
        if let Some(open) = batch.and_then(|batch| self.batches.get_mut(&batch)) {
            open.left += 1;
        }
        Ok(())
    }

    /// Passes a frame for the host. Returns the line to write for it: none for an answer that the host is not owed, and
    /// none for an answer whose batch is not complete.
    pub(super) fn close(&mut self, frame: Frame) -> Option<Written> {
        if !frame.is_response() {
            return Some(Written::One(frame));
        }
        let Some(owed) = frame.id().and_then(|id| self.owed.remove(id)) else {
            tracing::debug!(?frame, "an answer nobody is owed");
            return None;
        };
        self.tally.answer(&frame);
        let Some(batch) = owed.batch else {
            return Some(match owed.progress_token {
                Some(progress_token) => Written::Answer {
                    frame,
                    progress_token,
                },
                None => Written::One(frame),
            });
        };
        if let Some(open) = self.batches.get_mut(&batch) {
            open.left = open.left.saturating_sub(1);
            open.answers.push(frame);
        }
        self.finish_batch(batch)
    }

    /// Forgets a request: the host has cancelled it, and gets no answer.
    pub(super) fn cancel(&mut self, id: &Id) -> Option<Written> {
        let batch = self.owed.remove(id)?.batch?;
        if let Some(open) = self.batches.get_mut(&batch) {
            open.left = open.left.saturating_sub(1);
        }
        self.finish_batch(batch)
    }

    fn finish_batch(&mut self, batch: BatchId) -> Option<Written> {
        if self.batches.get(&batch)?.left > 0 {
            return None;
        }
        let answers = self.batches.remove(&batch)?.answers;
        (!answers.is_empty()).then_some(Written::Batch(answers))
    }

    /// Returns how many answers are owed.
    pub(super) fn owed(&self) -> usize {
        self.owed.len()
    }

    /// Returns the requests still owed an answer: id and method.
    pub(super) fn open_requests(&self) -> Vec<(Id, Box<str>)> {
        let open = self.owed.iter();
        open.map(|(id, owed)| (id.clone(), owed.method.clone()))
            .collect()
    }

    /// Counts a line that is refused before it is an open request.
    pub(super) fn count_refused_line(&mut self) {
        self.tally.ask();
        self.tally.miss(Reason::Other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Parsed;

    fn request(id: &str) -> Frame {
        Frame::request(&Id::parse(id).unwrap(), "x", None)
    }

    fn answer(id: &str) -> Frame {
        Frame::result(&Id::parse(id).unwrap(), "{}")
    }

    #[test]
    fn an_id_that_enters_leaves_once() {
        let mut inflight = Inflight::default();
        inflight.open(&request("1")).unwrap();
        assert!(inflight.close(answer("\"1\"")).is_none());
        assert!(inflight.close(answer("1")).is_some());
        assert!(inflight.close(answer("1")).is_none());
    }

    #[test]
    fn an_open_id_cannot_enter_again() {
        let mut inflight = Inflight::default();
        inflight.open(&request("1")).unwrap();
        assert!(inflight.open(&request("1")).unwrap_err().is_response());
        assert_eq!(inflight.owed(), 1);
    }

    #[test]
    fn a_cancelled_id_owes_nothing() {
        let mut inflight = Inflight::default();
        inflight.open(&request("1")).unwrap();
        inflight.cancel(&Id::parse("1").unwrap());
        assert!(inflight.close(answer("1")).is_none());
        assert_eq!(inflight.owed(), 0);
    }

    #[test]
    fn a_batch_is_answered_in_one_line_when_its_last_member_is() {
        let text = r#"[{"jsonrpc":"2.0","id":1,"method":"x"},7,{"jsonrpc":"2.0","id":2,"method":"x"},{"jsonrpc":"2.0","method":"n"}]"#;
        let Parsed::Batch(members) = Parsed::read(text).unwrap() else {
            panic!("no batch")
        };
        let mut inflight = Inflight::default();
        let (passed, written) = inflight.open_batch(members);
        assert_eq!(passed.len(), 3);
        assert!(written.is_none());
        assert!(inflight.close(answer("2")).is_none());
        match inflight.cancel(&Id::parse("1").unwrap()) {
            Some(Written::Batch(answers)) => assert_eq!(answers.len(), 2),
            other => panic!("{other:?}"),
        }
    }

    // MCP 2025-03-26, basic
    #[test]
    fn a_request_that_stands_holds_up_no_other_of_its_batch() {
        let stream = Frame::request(&Id::parse("1").unwrap(), "events/stream", None);
        let mut inflight = Inflight::default();
        inflight.open_batch(vec![Ok(stream), Ok(request("2"))]);
        match inflight.close(answer("2")) {
            Some(Written::Batch(answers)) => assert_eq!(answers.len(), 1),
            other => panic!("{other:?}"),
        }
        assert!(matches!(inflight.close(answer("1")), Some(Written::One(_))));
    }

    #[test]
    fn an_answer_that_waits_for_the_rest_of_its_batch_can_still_be_cancelled() {
        let mut inflight = Inflight::default();
        inflight.open_batch(vec![Ok(request("1")), Ok(request("2"))]);
        assert!(inflight.close(answer("1")).is_none());
        let notice = Frame::notification("notifications/cancelled", Some(r#"{"requestId":1}"#));
        inflight.open(&notice).unwrap();
        match inflight.close(answer("2")) {
            Some(Written::Batch(answers)) => assert_eq!(answers.len(), 1),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_batch_of_notifications_is_owed_nothing_and_one_of_mistakes_is_answered_at_once() {
        let mut inflight = Inflight::default();
        let notice = Frame::notification("n", None);
        assert!(
            matches!(inflight.open_batch(vec![Ok(notice)]), (passed, None) if passed.len() == 1)
        );
        let mistake = Frame::parse("3").unwrap_err();
        assert!(
            matches!(inflight.open_batch(vec![Err(mistake)]), (_, Some(Written::Batch(answers))) if answers.len() == 1)
        );
    }
}
