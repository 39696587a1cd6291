//! Questions in the middle of a request of the modern era: a result that asks for input, and the same request again with the
//! answers (MCP 2026-07-28, basic/patterns/mrtr).

use crate::client::error::Error;
use crate::client::user::User;
use crate::era::protocol::ResultKind;
use crate::frame::{Object, member_of, string};

/// Answers that are still to be sent.
pub(super) struct Answers {
    /// The answers by the names of their questions, as a JSON object.
    responses: String,
    /// The server's own state, as JSON text.
    state: Option<String>,
}

/// Says whether a result asks for input.
pub(super) fn is_asked_again(result: &str) -> bool {
    ResultKind::read(member_of(result, "resultType")) == ResultKind::InputRequired
}

/// Has the user answer the questions of a result.
///
/// # Errors
/// A question is of a kind that no answer can be given to.
pub(super) async fn answers(result: &str, user: &mut impl User) -> Result<Answers, Error> {
    let mut responses = Object::default();
    let questions = member_of(result, "inputRequests").and_then(Object::read);
    for (name, question) in questions.unwrap_or_default().iter() {
        let method = member_of(question, "method").and_then(string);
        let method = method.unwrap_or_default();
        let answer = user.answer(&method, member_of(question, "params")).await;
        let answer = answer.ok_or(Error::Unanswerable(method))?;
        responses.set(name, answer);
    }
    Ok(Answers {
        responses: responses.text(),
        state: member_of(result, "requestState").map(ToOwned::to_owned),
    })
}

impl Answers {
    /// Returns these parameters with the answers.
    ///
    /// # Errors
    /// The parameters are no JSON object.
    pub(super) fn added_to(self, params: &str) -> Result<String, Error> {
        let mut params = Object::read(params).ok_or(Error::NoObject)?;
        params.set("inputResponses", self.responses);
        match self.state {
            Some(state) => params.set("requestState", state),
            None => drop(params.remove("requestState")),
        }
        Ok(params.text())
    }
}
