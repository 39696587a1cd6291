//! The state of tasks that a host listens to, after the stream of its subscription was lost: nothing makes up for a
//! notification that was missed but the state itself, which is asked for with `tasks/get` and told as
//! `notifications/tasks` (SEP-2663).
//!
//! The requests are calls like the host's own, asked again when they are lost; what would be their answers to the host
//! becomes a notification, or the end of the subscription where the state cannot be had.

use std::collections::BTreeSet;

use super::open::{AskedTask, OpenExchange};
use super::state::Modern;
use crate::era::{Action, ExchangeId, subscriptions};
use crate::frame::{Frame, Id, Object, member_of, string};

/// The item of a filter that names a task, before the JSON text of its id.
const TASK: &str = "taskIds ";

impl Modern {
    /// Asks for the state of each task that the host listens to with this subscription, which stands again.
    pub(super) fn ask_for_tasks(&mut self, key: u64, actions: &mut Vec<Action>) {
        let Some(subscription) = self.subscriptions.0.get(&key) else {
            return;
        };
        let meta = subscription.request.member_in("params", "_meta");
        let mut meta = meta.and_then(Object::read).unwrap_or_default();
        meta.remove("progressToken");
        let honoured = subscription.honoured.iter().flatten();
        let tasks: BTreeSet<String> = honoured
            .filter_map(|what| what.strip_prefix(TASK))
            .map(str::to_owned)
            .collect();
        for task in tasks {
            self.forget_asked(|asked| asked.key == key && asked.task == task, actions);
            let mut params = Object::default();
            params.set("taskId", task.as_str());
            params.set_object("_meta", meta.clone());
            let id = self.fresh_id();
            let request = Frame::request(&id, "tasks/get", Some(&params.text()));
            self.asked_tasks.insert(id, AskedTask { key, task });
            self.ask(request, None, false, actions);
        }
    }

    /// Notes that the host of a subscription is told of a task: a state that was asked for before is of no use any more.
    pub(super) fn on_task_told(&mut self, key: u64, frame: &Frame, actions: &mut Vec<Action>) {
        let task = frame.param("taskId").unwrap_or_default();
        self.forget_asked(|asked| asked.key == key && asked.task == task, actions);
    }

    /// Forgets the states that were asked for a subscription.
    pub(super) fn forget_tasks_of(&mut self, key: u64, actions: &mut Vec<Action>) {
        self.forget_asked(|asked| asked.key == key, actions);
    }

    fn forget_asked(&mut self, is_it: impl Fn(&AskedTask) -> bool, actions: &mut Vec<Action>) {
        if self.asked_tasks.is_empty() {
            return;
        }
        let gone: Vec<Id> = self
            .asked_tasks
            .extract_if(|_, asked| is_it(asked))
            .map(|(id, _)| id)
            .collect();
        for id in gone {
            self.forget_waiting(&id);
            let is_it = |open: &OpenExchange| matches!(open, OpenExchange::Call(call) if call.frame.id() == Some(&id));
            let mut open = self.open.iter();
            let found: Option<ExchangeId> = open.find(|(_, open)| is_it(open)).map(|(it, _)| *it);
            if let Some(exchange) = found {
                self.open.remove(&exchange);
                actions.push(Action::Close(exchange));
            }
        }
    }

    /// Takes the answers to `tasks/get` of ours out of the actions from `start` on: the host is told what is in them.
    pub(super) fn settle_tasks(&mut self, start: usize, actions: &mut Vec<Action>) {
        if self.asked_tasks.is_empty() {
            return;
        }
        let done: Vec<Action> = actions.drain(start.min(actions.len())..).collect();
        for action in done {
            let asked = match &action {
                Action::Reply(frame) if frame.is_response() => {
                    frame.id().and_then(|id| self.asked_tasks.remove(id))
                }
                _ => None,
            };
            match (asked, action) {
                (Some(asked), Action::Reply(answer)) => self.tell_task(&asked, &answer, actions),
                (_, action) => actions.push(action),
            }
        }
    }

    fn tell_task(&mut self, asked: &AskedTask, answer: &Frame, actions: &mut Vec<Action>) {
        let Some(subscription) = self.subscriptions.0.get(&asked.key) else {
            return;
        };
        let state = state(answer);
        let notice =
            state.map(|state| Frame::notification("notifications/tasks", Some(&state.text())));
        let own = &subscription.own;
        let notice = notice.and_then(|notice| subscriptions::with_id(&notice, "params", own));
        if let Some(notice) = notice {
            return actions.push(Action::Reply(notice));
        }
        let task = string(&asked.task).unwrap_or_default();
        let message = answer
            .member("error")
            .and_then(|error| member_of(error, "message"))
            .and_then(string)
            .unwrap_or_else(|| "its answer holds no state.".to_owned());
        let unknown = format!(
            "The server, connected to again, does not say how the task {task} is: {message}"
        );
        self.end_listen(asked.key, &unknown, actions);
    }
}

/// Returns the state of a task as a notification has it.
fn state(answer: &Frame) -> Option<Object> {
    let result = answer.object("result").filter(|_| !answer.is_error())?;
    let nested = result.get("task").and_then(Object::read);
    let mut state = match result.get("taskId") {
        Some(_) => result,
        None => nested?,
    };
    state.remove("resultType");
    let has = |name| state.get(name).is_some();
    (has("taskId") && has("status")).then_some(state)
}
