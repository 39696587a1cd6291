//! The lines of the host, on their way to the translator: each request becomes an open one, and the policy decides on each
//! message.

use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::bridge::enforcement::admission::Admission;
use crate::bridge::exchanges::ExchangeEvent;
use crate::bridge::state::{Bridge, WriterGone};
use crate::era::{Action, secrets};
use crate::frame::{Frame, Id, Malformed, Parsed};
use crate::remote::Remote;
use crate::stdio::{Line, Written};

impl<R: Remote> Bridge<R> {
    pub(super) async fn on_line(&mut self, line: Line) -> Result<(), WriterGone> {
        self.absence.note_line(&line);
        match line {
            Ok(Parsed::One(frame)) => self.on_message(frame).await,
            Ok(Parsed::Batch(members)) => self.on_batch(members).await,
            Err(malformed) => self.refuse(&malformed).await,
        }
    }

    async fn on_message(&mut self, frame: Frame) -> Result<(), WriterGone> {
        self.conversation.note_line(&frame, self.inflight.owed());
        match self.inflight.open(&frame) {
            Ok(()) => self.frame_from_host(frame).await,
            Err(reply) => self.write(Written::One(reply)).await,
        }
    }

    async fn on_batch(
        &mut self,
        mut members: Vec<Result<Frame, Malformed>>,
    ) -> Result<(), WriterGone> {
        if let Some(revision) = self.early_initialize.without_batches(&members) {
            let only = members.pop().filter(|_| members.is_empty());
            return match only {
                Some(Ok(frame)) => self.on_message(frame).await,
                Some(Err(malformed)) => self.refuse(&malformed).await,
                None => self.refuse(&Malformed::batch(&revision)).await,
            };
        }
        for frame in members.iter().flatten() {
            self.conversation.note_line(frame, self.inflight.owed());
        }
        let (passed, written) = self.inflight.open_batch(members);
        if let Some(written) = written {
            self.write(written).await?;
        }
        for frame in passed {
            self.frame_from_host(frame).await?;
        }
        Ok(())
    }

    async fn refuse(&mut self, malformed: &Malformed) -> Result<(), WriterGone> {
        tracing::warn!(reason = malformed.reason, "a line that is not a message");
        self.inflight.count_refused_line();
        self.write(Written::One(malformed.reply())).await
    }

    /// Takes a frame of the host. Every frame of the host that is sent comes through here once, and here the policy decides
    /// on it: before `early_initialize` gives out a handshake that must then be sent.
    async fn frame_from_host(&mut self, frame: Frame) -> Result<(), WriterGone> {
        secrets::note(&frame);
        tracing::debug!(?frame, "from the host");
        let Some(enforcement) = self.enforcement.clone() else {
            return self.pass_on(frame).await;
        };
        if let Some(id) = frame.cancels()
            && enforcement.cancel(&id)
        {
            return match self.inflight.cancel(&id) {
                Some(written) => self.write(written).await,
                None => Ok(()),
            };
        }
        let id = frame.id().filter(|_| frame.is_request()).cloned();
        let mut admission = Box::pin(Arc::clone(&enforcement).admit(frame));
        if let Some(admission) = (&mut admission).now_or_never() {
            return self.on_admission(id.as_ref(), admission).await;
        }
        let token = match &id {
            Some(id) => enforcement.hold(id),
            None => CancellationToken::new(),
        };
        let events = self.exchanges.events.clone();
        self.tracker.spawn(async move {
            if let Some(admission) = token.run_until_cancelled(admission).await {
                let _ = events.send(ExchangeEvent::Admitted(id, admission)).await;
            }
        });
        Ok(())
    }

    /// Carries out the policy's decision on a message of the host.
    pub(super) async fn on_admission(
        &mut self,
        id: Option<&Id>,
        admission: Admission,
    ) -> Result<(), WriterGone> {
        match admission {
            Admission::Pass(frame, request) => {
                if let (Some(enforcement), Some(id), Some(request)) =
                    (&self.enforcement, id, request)
                {
                    enforcement.note(id, *request);
                }
                self.pass_on(frame).await
            }
            Admission::Answer(answer) => match self.inflight.close(answer) {
                Some(written) => self.write(written).await,
                None => Ok(()),
            },
            Admission::Drop => Ok(()),
        }
    }

    /// Passes a frame of the host on to the translator.
    async fn pass_on(&mut self, frame: Frame) -> Result<(), WriterGone> {
        if let Some(id) = frame.cancels() {
            if self.early_discover.cancel(&id) || self.subscriptions.close(&id) {
                // The translator does not know it.
                return self.perform(vec![Action::Cancelled(id)]).await;
            }
            if self.early_discover.has_answered(&id) {
                // It comes too late for the host, and the bridge goes on waiting for the server's answer.
                return Ok(());
            }
        }
        let Some(frame) = self.early_discover.hold(frame) else {
            return Ok(());
        };
        let mut first = self.early_initialize.on_host_message(&frame);
        match frame.method().filter(|_| frame.is_request()) {
            Some("server/discover") => {
                let own = self.translator.remembered(&frame);
                self.early_discover.ask(&frame, own);
            }
            Some("initialize") => self.early_discover.give_up(),
            Some(_) => first.extend(self.early_discover.replay()),
            None => {}
        }
        self.subscriptions.note(&frame, self.is_user_awaited());
        self.translate(first.into_iter().chain([frame])).await
    }
}
