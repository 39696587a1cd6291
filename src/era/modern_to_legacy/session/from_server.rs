//! Frames of the server on their way to the host: answers under the host's ids, notifications to the requests that they
//! concern.

use super::input_required::Timer;
use super::{Call, Handshake, OPENING_PATIENCE, OUR_PATIENCE, OwnRequest, SessionTranslation};
use crate::era::Action;
use crate::era::modern_to_legacy::shape::{self, Answer};
use crate::era::server_info::ServerInfo;
use crate::frame::{Frame, Id, Outline};

impl SessionTranslation {
    pub(super) fn translate(&mut self, done: Vec<Action>, actions: &mut Vec<Action>) {
        for action in done {
            match action {
                Action::Reply(frame) => self.on_server_message(frame, actions),
                Action::Cancelled(_) => {} // of an id that the host does not know
                Action::Post(mut post) => {
                    let id = post.frame.id().filter(|_| post.frame.is_request());
                    if let Some(number) = id.and_then(|id| self.number_of(id)) {
                        if let Some(call) = self.calls.get_mut(&number) {
                            call.exchange = Some(post.exchange);
                        }
                        // A request that only mcpipe waits for, only mcpipe would ever give up.
                        post.patience = match self.own_requests.get(&number) {
                            Some(OwnRequest::Initialize) => Some(OPENING_PATIENCE),
                            Some(OwnRequest::Level | OwnRequest::Watch(_)) => Some(OUR_PATIENCE),
                            None => post.patience,
                        };
                    }
                    actions.push(Action::Post(post));
                }
                Action::Listen(listen) => {
                    self.subscriptions.stream_asked(listen.exchange);
                    actions.push(Action::Listen(listen));
                }
                Action::Close(exchange) => {
                    self.subscriptions.stream_over(exchange);
                    actions.push(Action::Close(exchange));
                }
                Action::SetTimer { after, token, .. } => {
                    self.set_timer(after, Timer::Relay(token), actions);
                }
                other => actions.push(other),
            }
        }
    }

    fn on_server_message(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        match frame.outline() {
            Outline::Request { .. } => self.asked(&frame, actions),
            Outline::Notification { .. } => self.on_server_notification(frame, actions),
            Outline::Response { id, .. } => match id.as_ref().and_then(|id| self.number_of(id)) {
                Some(number) => self.answered(number, frame, actions),
                None => tracing::debug!(?frame, "an answer to nothing we asked"),
            },
        }
    }

    fn answered(&mut self, number: u64, frame: Frame, actions: &mut Vec<Action>) {
        if matches!(frame.outline(), Outline::Response { failed: false, .. }) {
            self.failures = 0;
        }
        match self.own_requests.remove(&number) {
            Some(OwnRequest::Initialize) => return self.initialized(&frame, actions),
            Some(OwnRequest::Level) => {
                // Refused or not, it is not asked again: a call matters more than what is said about it.
                self.level = self.levelling.take().or(self.level);
                return self.settle_level(actions);
            }
            Some(OwnRequest::Watch(uri)) => return self.watched(&uri, &frame, actions),
            None => {}
        }
        if let Some(call) = self.calls.get_mut(&number)
            && call.host.is_none()
        {
            call.asked.clear();
            call.answer = Some(frame);
        } else if self.may_have_logs_behind_it(number) {
            self.wait_for_logs(number, frame, actions);
        } else if let Some(call) = self.calls.remove(&number) {
            self.finish(&call, &frame, actions);
        }
    }

    /// Answers the host.
    pub(super) fn finish(&mut self, call: &Call, frame: &Frame, actions: &mut Vec<Action>) {
        let Some(id) = &call.host else { return };
        match shape::upgrade(frame, id, &call.method, &call.capabilities, &self.server) {
            Answer::Plain(frame) => actions.push(Action::Reply(frame)),
            Answer::VisitFirst(visits) => self.send_away(id, call.digest, &visits, actions),
        }
    }

    fn initialized(&mut self, frame: &Frame, actions: &mut Vec<Action>) {
        let Some(result) = frame
            .member("result")
            .filter(|_| frame.member("error").is_none())
        else {
            self.handshake = Handshake::None; // the next request tries again
            self.refusal = Some(frame.clone());
            return;
        };
        self.server = ServerInfo::from_initialize(result);
        self.handshake = Handshake::Done;
        let initialized = Frame::notification("notifications/initialized", None);
        self.tell(initialized, actions);
        for frame in std::mem::take(&mut self.held) {
            self.serve(frame, actions);
        }
    }

    fn on_server_notification(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        match frame.method().unwrap_or_default() {
            "notifications/progress" => {
                let token = frame
                    .param("progressToken")
                    .and_then(Id::parse)
                    .as_ref()
                    .and_then(|id| self.number_of(id))
                    .and_then(|number| self.calls.get(&number))
                    .filter(|call| call.host.is_some())
                    .and_then(|call| call.token.as_deref());
                let frame = token.and_then(|token| shape::with_progress_token(&frame, token));
                actions.extend(frame.map(Action::Reply));
            }
            "notifications/message" => {
                if self.wants_message(&frame) {
                    actions.push(Action::Reply(frame));
                }
            }
            "notifications/cancelled" => {
                if let Some(id) = frame.cancels() {
                    self.withdraw(&id);
                }
            }
            // What these tell, a modern host learns by asking again.
            "notifications/elicitation/complete" | "notifications/tasks/status" => {}
            "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/resources/updated" => self.publish(&frame, actions),
            _ => actions.push(Action::Reply(frame)),
        }
    }
}
