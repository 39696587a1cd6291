//! The user of a command, as the client sees it.

use crate::frame::Frame;

/// The user of a command: hears of what the server says beside its answer, and answers its questions.
pub trait User {
    /// Takes a notification of the server: progress, a log message, a changed list.
    fn on_notification(&mut self, notification: &Frame);

    /// Answers a question of the server: `method` is `elicitation/create`, `sampling/createMessage`, `roots/list` or one
    /// that has no name yet, `params` is its JSON text. Returns the result as JSON text; `None` refuses the method.
    fn answer(
        &mut self,
        method: &str,
        params: Option<&str>,
    ) -> impl Future<Output = Option<String>>;
}

/// Returns the answer of a user who declines a question of this method, as JSON text; `None` where the method has none.
pub fn declined(method: &str) -> Option<String> {
    let result = match method {
        "elicitation/create" => r#"{"action":"decline"}"#,
        "roots/list" => r#"{"roots":[]}"#,
        _ => return None,
    };
    Some(result.to_owned())
}

/// A user who is not there: hears nothing, and declines every question.
#[derive(Debug)]
pub struct NoUser;

impl User for NoUser {
    fn on_notification(&mut self, notification: &Frame) {
        tracing::debug!(?notification, "from the server");
    }

    async fn answer(&mut self, method: &str, _params: Option<&str>) -> Option<String> {
        declined(method)
    }
}
