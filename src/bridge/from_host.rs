//! The lines of the host, on their way to the translator: each request becomes an open one, and the policy decides on each
//! message.

use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::bridge::enforcement::admission::Admission;
use crate::bridge::exchanges::ExchangeEvent;
use crate::bridge::introduction::{Introduction, Way, declined};
use crate::bridge::state::{Bridge, WriterGone};
use crate::era::protocol::META_CLIENT;
use crate::era::{Action, secrets};
use crate::frame::{Frame, Id, Malformed, Parsed, member_of, string};
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
        let introduction = self.introduction.as_ref();
        let is_taken = introduction.is_some_and(Introduction::takes_batches);
        let without = self.early_initialize.without_batches(&members);
        if let Some(revision) = without.filter(|_| !is_taken) {
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

    /// Takes a frame of the host, or of a script, for which the bridge makes the handshake.
    async fn frame_from_host(&mut self, frame: Frame) -> Result<(), WriterGone> {
        let Some(introduction) = &mut self.introduction else {
            return self.enforced(frame).await;
        };
        let before = introduction.before(&frame);
        let way = introduction.way(frame);
        for frame in before {
            self.enforced(frame).await?;
        }
        match way {
            Way::Onward(frame) => self.enforced(frame).await,
            Way::Back(answer) => match self.inflight.close(answer) {
                Some(written) => self.write(written).await,
                None => Ok(()),
            },
            Way::Kept => Ok(()),
        }
    }

    /// Tells the host something that it has not asked for; a script is told nothing.
    pub(super) async fn tell(&mut self, frame: Frame) -> Result<(), WriterGone> {
        match self.for_script(frame).await? {
            Some(frame) => self.write(Written::One(frame)).await,
            None => Ok(()),
        }
    }

    /// Returns the message as the host gets it. A script gets the answers to its own requests; requests of the server are
    /// answered here.
    pub(super) async fn for_script(&mut self, frame: Frame) -> Result<Option<Frame>, WriterGone> {
        let Some(introduction) = &mut self.introduction else {
            return Ok(Some(frame));
        };
        if frame.is_response() {
            for answer in introduction.on_answer(&frame) {
                if let Some(written) = self.inflight.close(answer) {
                    self.write(written).await?;
                }
            }
            return Ok(Some(frame));
        }
        if let Some(answer) = declined(&frame) {
            Box::pin(self.enforced(answer)).await?;
        }
        Ok(None)
    }

    /// Takes a frame of the host. Every frame of the host that is sent comes through here once, and here the policy decides
    /// on it: before `early_initialize` gives out a handshake that must then be sent.
    async fn enforced(&mut self, frame: Frame) -> Result<(), WriterGone> {
        secrets::note(&frame);
        self.note_host(&frame);
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

    /// Notes the name that the host gives itself in its first request, for the page of a sign-in.
    fn note_host(&self, frame: &Frame) {
        let Some(host_name) = self.exchanges.authorizer.host_name_wanted() else {
            return;
        };
        if !frame.is_request() {
            return;
        }
        let client_info = match frame.method() {
            Some("initialize") => frame.param("clientInfo"),
            _ => frame.meta(META_CLIENT),
        };
        let name =
            client_info.and_then(|info| member_of(info, "title").or(member_of(info, "name")));
        host_name.note(name.and_then(string).as_deref());
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
