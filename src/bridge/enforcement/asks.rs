//! The bridge's own requests to the server, in the host's words: they go through the translator as the host's do, and their
//! answers come back here instead of to the host.

use tokio::sync::oneshot;

use crate::bridge::enforcement::Enforcement;
use crate::bridge::exchanges::ExchangeEvent;
use crate::frame::{Frame, Id, METHOD_NOT_FOUND, Object, string};
use crate::policy::{Kind, Refusal};

/// The pages of one list that are asked for: a server whose list does not end has no complete one.
const MAX_PAGES: usize = 10_000;

impl Enforcement {
    /// Asks the server for its tools, unless all are known.
    ///
    /// # Errors
    /// The server does not say, so that no rule about them can be evaluated.
    pub(super) async fn know_tools(&self) -> Result<(), Refusal> {
        if self.state().catalog.is_complete() {
            return Ok(());
        }
        let _one_at_a_time = self.listing.lock().await;
        if self.state().catalog.is_complete() {
            return Ok(());
        }
        let pages = self.pages(Kind::Tools).await?;
        for (cursor, page) in pages {
            self.note_page(&page, cursor.as_deref());
        }
        Ok(())
    }

    /// Asks the server for all pages of a list, each with the cursor that it was asked with.
    ///
    /// # Errors
    /// As [`Enforcement::know_tools`].
    pub(super) async fn pages(&self, kind: Kind) -> Result<Vec<(Option<String>, Frame)>, Refusal> {
        let method = match kind {
            Kind::Tools => "tools/list",
            Kind::Prompts => "prompts/list",
            Kind::Resources => "resources/list",
            Kind::Templates => "resources/templates/list",
            Kind::Directory => "resources/directory/read",
            Kind::Skills => "skills/list",
        };
        let mut pages: Vec<(Option<String>, Frame)> = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.ask(method, cursor.as_deref()).await?;
            let next = page.member_in("result", "nextCursor").and_then(string);
            pages.push((cursor, page));
            // A cursor that was asked for already begins the list anew, as some servers do for an empty one.
            let is_new =
                |next: &String| pages.iter().all(|(asked, _)| asked.as_ref() != Some(next));
            match next.filter(is_new) {
                Some(_) if pages.len() >= MAX_PAGES => {
                    return Err(Refusal::unevaluated(format!(
                        "The policy needs the server's list of {}, and it does not end: {MAX_PAGES} pages were read.",
                        kind.member()
                    )));
                }
                Some(next) => cursor = Some(next),
                None => return Ok(pages),
            }
        }
    }

    /// Sends a request of the bridge's own, and returns the answer.
    ///
    /// # Errors
    /// The answer is an error, or none came. That the server does not know the method is an answer without a list.
    pub(super) async fn ask(&self, method: &str, cursor: Option<&str>) -> Result<Frame, Refusal> {
        let (answer, answered) = oneshot::channel();
        let frame = {
            let mut state = self.state();
            state.asked += 1;
            let id = format!("\"{}{}\"", self.own, state.asked);
            let Some(id) = Id::parse(&id) else {
                return Err(unanswered(method, "the bridge cannot ask"));
            };
            let frame = Frame::request(&id, method, Some(&params(state.meta.as_deref(), cursor)));
            state.asks.insert(id, answer);
            frame
        };
        if self.events.send(ExchangeEvent::Ask(frame)).await.is_err() {
            return Err(unanswered(method, "the bridge is leaving"));
        }
        match answered.await {
            Ok(answer) if answer.error_code() == Some(METHOD_NOT_FOUND) => Ok(answer),
            Ok(answer) if answer.is_error() => {
                let said = answer.member_in("error", "message").and_then(string);
                let said = said.unwrap_or_default();
                Err(unanswered(
                    method,
                    &format!(
                        "it said: {}",
                        crate::text::printable(said.trim_end_matches('.'), 200)
                    ),
                ))
            }
            Ok(answer) => Ok(answer),
            Err(_) => Err(unanswered(method, "no answer came")),
        }
    }
}

fn unanswered(method: &str, why: &str) -> Refusal {
    let message = format!(
        "The policy needs the server's answer to {method} to judge this request, and did not get it: {why}."
    );
    Refusal::unevaluated(message).hint("try again when the server answers")
}

/// Returns the parameters of a request of the bridge's own: the host's `_meta` without what belongs to one request.
fn params(meta: Option<&str>, cursor: Option<&str>) -> String {
    let mut params = Object::default();
    if let Some(mut meta) = meta.and_then(Object::read) {
        meta.remove("progressToken");
        if !meta.is_empty() {
            params.set_object("_meta", meta);
        }
    }
    if let Some(cursor) = cursor {
        params.set("cursor", serde_json::Value::from(cursor).to_string());
    }
    params.text()
}
