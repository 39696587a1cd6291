//! The MCP server, as the rest of the bridge sees it.
//!
//! [`Remote`] has two implementations, the network ([`https`]) and any other one recorded ([`recording`]); tests have
//! more, a transcript among them. It carries one HTTP
//! exchange at a time and knows nothing of sessions, eras or signing in: headers come from the era's rules, the
//! credential from the authorizer, and what came back is said in the words of [`Answer`].

mod bodies;
pub mod client;
pub mod deferred_headers;
mod endpoints;
mod events;
mod failure;
pub mod header_command;
pub mod header_output;
mod header_rules;
pub mod https;
mod progress;
mod reading;
pub mod recording;
pub mod refusal_text;
mod response_head;
mod scheme;
mod transport_error;

use std::future::Future;

use http::HeaderMap;
use tokio::sync::watch;

use crate::auth::Credential;
use crate::auth::oauth::challenge::Challenge;
use crate::era::{Head, HttpError};
use crate::frame::{Frame, Parsed};
pub use events::Events;
pub use progress::Progress;
use progress::note;
pub use scheme::Speaks;
pub use transport_error::TransportError;

/// An HTTP request to the remote.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The address; `None` is the configured endpoint. Otherwise what the remote named (HTTP+SSE's `endpoint`), as
    /// written: it is resolved against the configured address and refused on any other origin (MCP 2024-11-05,
    /// basic/transports).
    pub to: Option<&'a str>,
    /// The method, with its body.
    pub verb: Verb<'a>,
    /// The headers that the era's rules add: version, session, `Last-Event-ID`, `Mcp-*`.
    pub headers: &'a HeaderMap,
    /// The proof of who we are.
    pub credential: Option<&'a Credential>,
    /// The record of how far the request has come; an implementation that does not keep it leaves it as it is.
    pub progress: Option<&'a Progress>,
}

/// The three methods of Streamable HTTP.
#[derive(Clone, Copy, Debug)]
pub enum Verb<'a> {
    /// Posts one message.
    Post(&'a Frame),
    /// Opens or resumes a stream of events.
    Get,
    /// Ends a session.
    Delete,
}

/// The answer to a request.
#[derive(Debug)]
pub enum Answer {
    /// Any 2xx without a message in it (MCP 2025-11-25, basic/transports, asks for 202; servers send others).
    Accepted(Head),
    /// A JSON body.
    Json(Head, Parsed),
    /// A stream of events.
    Stream(Head, Events),
    /// 401, or 403 with `insufficient_scope`: nothing was done, a better credential may help.
    Challenged(Challenge),
    /// Any other 3xx, 4xx, 5xx.
    Refused(HttpError),
}

/// An MCP server that frames are sent to.
pub trait Remote: Send + Sync + 'static {
    /// Sends one request and waits for the head of its response, and for the whole body where it is JSON.
    ///
    /// # Errors
    /// See [`TransportError`]. HTTP refusals are answers.
    fn send(
        &self,
        outgoing: Outgoing<'_>,
    ) -> impl Future<Output = Result<Answer, TransportError>> + Send;

    /// Tells while a request waits for something on this machine before it is sent: no sign of a remote that does not
    /// answer.
    fn is_held_up(&self) -> Option<watch::Receiver<bool>> {
        None
    }
}
