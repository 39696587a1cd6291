//! The lookup of metadata documents of a sign-in.

use http::header::ACCEPT;
use serde_json::Value;
use url::Url;

use super::trace::{Document, Trace};
use super::{
    DOCUMENT_PATIENCE, Error, Http, MAX_DOCUMENT, MAX_REDIRECTS, is_unavailable, next_hop,
    unavailable, within,
};
use crate::auth::net::request_log::RequestLogEntry;
use crate::http_fields;
use crate::redirect;

impl Http {
    /// Returns the same client, which notes each place that it looks at for a document.
    #[must_use]
    pub fn traced_by(&self, trace: &Trace) -> Self {
        Self {
            trace: Some(trace.clone()),
            ..self.clone()
        }
    }

    /// Looks for a metadata document. A stream of events is left unread: some servers answer every GET with one that
    /// never ends.
    ///
    /// # Errors
    /// The place is forbidden, unreachable or unwell (5xx): that is not absence.
    pub async fn document(&self, url: &Url) -> Result<Document, Error> {
        let answer = self.look_up(url).await;
        if let Some(trace) = &self.trace {
            trace.note(url, &answer);
        }
        answer
    }

    async fn look_up(&self, url: &Url) -> Result<Document, Error> {
        let work = async {
            let mut at = url.clone();
            for _ in 0..=MAX_REDIRECTS {
                let asking = |client: &reqwest::Client| {
                    let request = client.get(at.clone()).header(ACCEPT, "application/json");
                    request.header("MCP-Protocol-Version", DISCOVERY_VERSION)
                };
                let asked = RequestLogEntry::get(&at);
                let failed = |_: &Error| self.report(&asked, None, None);
                let response = self.sent(&at, asking).await.inspect_err(failed)?;
                let status = response.status();
                self.report(&asked, Some(status.as_u16()), None);
                self.answers(&at, status.as_u16())?;
                if status.is_redirection() {
                    match next_hop(&at, response.headers()) {
                        Some(next) => at = next,
                        None => match redirect::target(&at, response.headers()) {
                            Some(to) => return Ok(Document::Redirect { to }),
                            None => break,
                        },
                    }
                    continue;
                }
                if is_unavailable(status.as_u16()) {
                    return Err(unavailable(&at, status.as_u16(), response.headers()));
                }
                let media = http_fields::media_type(response.headers());
                let absent = Document::Absent {
                    status: status.as_u16(),
                    media: media.clone(),
                };
                if !status.is_success() || media == "text/event-stream" {
                    return Ok(absent);
                }
                // Some servers label a document as a page; a real page is too large, or no JSON.
                let body = match self.body(response, &at, MAX_DOCUMENT).await {
                    Err(Error::TooLarge { .. }) if media == "text/html" => return Ok(absent),
                    body => body?,
                };
                return Ok(match serde_json::from_slice(&body) {
                    Ok(found @ Value::Object(_)) => Document::Found(found),
                    _ => absent,
                });
            }
            Ok(Document::Absent {
                status: 302,
                media: String::new(),
            })
        };
        within(DOCUMENT_PATIENCE, url, work).await
    }
}

/// The revision that discovery names. MCP 2025-03-26, basic/authorization, asks for the header; later revisions do not
/// mind it.
const DISCOVERY_VERSION: &str = "2025-11-25";
