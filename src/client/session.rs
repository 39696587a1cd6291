//! The conversation of a command with its server.

use tokio::sync::{mpsc, watch};

use crate::bridge;
use crate::client::error::Error;
use crate::client::params::with_meta;
use crate::client::questions::{answers, is_asked_again};
use crate::client::user::User;
use crate::era::ServerEra;
use crate::era::protocol::{META_CAPABILITIES, META_CLIENT, META_VERSION, MODERN, NEWEST_LEGACY};
use crate::frame::{Frame, Id, METHOD_NOT_FOUND, Parsed};
use crate::stdio::{InProcess, Line, Written};

/// The number of times that one request is repeated with answers to its questions.
const MAX_ROUNDS: usize = 64;

/// The client of one command.
#[derive(Debug)]
pub struct Client {
    lines: mpsc::Sender<Line>,
    out: mpsc::Receiver<Written>,
    server_era: watch::Receiver<Option<ServerEra>>,
    /// The capabilities of the command, as a JSON object.
    capabilities: String,
    is_modern: bool,
    /// The server's answer to the handshake, as JSON text: an `InitializeResult` or a `DiscoverResult`; none where a
    /// remembered modern server needs no handshake.
    handshake: Option<String>,
    next_id: u64,
    /// The request that has no answer yet.
    open: Option<Id>,
}

impl Client {
    /// Makes the client at the other ends of a bridge's host. `capabilities` is a JSON object.
    pub fn new(ends: InProcess, settings: &bridge::Settings, capabilities: &str) -> Self {
        Self {
            lines: ends.lines,
            out: ends.out,
            server_era: settings.server_era.subscribe(),
            capabilities: capabilities.to_owned(),
            is_modern: false,
            handshake: None,
            next_id: 1,
            open: None,
        }
    }

    /// Begins the conversation, in the server's era.
    ///
    /// # Errors
    /// The server, or the bridge, refuses the handshake.
    pub async fn begin(&mut self, user: &mut impl User) -> Result<(), Error> {
        let known = *self.server_era.borrow();
        self.is_modern = known != Some(ServerEra::Legacy);
        if known.is_none() {
            self.handshake = Some(self.request("server/discover", None, user).await?);
            self.is_modern = *self.server_era.borrow() != Some(ServerEra::Legacy);
        }
        if self.is_modern {
            return Ok(());
        }
        let params = format!(
            r#"{{"protocolVersion":"{NEWEST_LEGACY}","capabilities":{},"clientInfo":{}}}"#,
            self.capabilities,
            client_info()
        );
        self.handshake = Some(self.request("initialize", Some(&params), user).await?);
        self.notify("notifications/initialized", None).await
    }

    /// Says whether the conversation is one of the modern era.
    pub fn is_modern(&self) -> bool {
        self.is_modern
    }

    /// Returns the server's answer to the handshake, as JSON text, where there was one.
    pub fn handshake(&self) -> Option<&str> {
        self.handshake.as_deref()
    }

    /// Sends a request and waits for its answer; questions of the server are the user's meanwhile. `params` is a JSON object
    /// as text, which is sent as it is but for `_meta`. Returns the result as the JSON text that the server gave.
    ///
    /// # Errors
    /// The answer is an error, or the bridge has ended.
    pub async fn request(
        &mut self,
        method: &str,
        params: Option<&str>,
        user: &mut impl User,
    ) -> Result<String, Error> {
        let mut params = params.map(ToOwned::to_owned);
        for _ in 0..MAX_ROUNDS {
            let sent = self.with_meta(params.as_deref())?;
            let id = Id::ours(self.next_id);
            self.next_id += 1;
            self.send(Frame::request(&id, method, sent.as_deref()))
                .await?;
            self.open = Some(id.clone());
            let answer = self.answer_to(&id, user).await;
            self.open = None;
            let answer = answer?;
            let Some(result) = answer.member("result") else {
                return Err(Error::of_answer(&answer));
            };
            if !is_asked_again(result) {
                return Ok(result.to_owned());
            }
            let answered = answers(result, user).await?;
            params = Some(answered.added_to(params.as_deref().unwrap_or("{}"))?);
        }
        Err(Error::TooManyQuestions(MAX_ROUNDS))
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// The bridge has ended.
    pub async fn notify(&mut self, method: &str, params: Option<&str>) -> Result<(), Error> {
        let params = self.with_meta(params)?;
        self.send(Frame::notification(method, params.as_deref()))
            .await
    }

    /// Cancels the request that has no answer yet (MCP 2025-11-25, basic/utilities/cancellation).
    pub async fn cancel(&mut self, reason: &str) {
        if let Some(id) = self.open.take() {
            let reason = serde_json::Value::from(reason);
            let params = format!(r#"{{"requestId":{},"reason":{reason}}}"#, id.text());
            let _ = self.notify("notifications/cancelled", Some(&params)).await;
        }
    }

    /// Ends the input of the bridge, and reads what it still says until it has ended.
    pub async fn end(self) {
        let Self { lines, mut out, .. } = self;
        drop(lines);
        while out.recv().await.is_some() {}
    }

    fn with_meta(&self, params: Option<&str>) -> Result<Option<String>, Error> {
        match self.is_modern {
            false => Ok(params.map(ToOwned::to_owned)),
            true => with_meta(
                params,
                &[
                    (META_VERSION, &format!("\"{MODERN}\"")),
                    (META_CLIENT, &client_info()),
                    (META_CAPABILITIES, &self.capabilities),
                ],
            )
            .map(Some),
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Error> {
        let line = Ok(Parsed::One(frame));
        self.lines.send(line).await.map_err(|_| Error::Ended)
    }

    /// Waits for the answer to a request, and serves the server meanwhile.
    async fn answer_to(&mut self, id: &Id, user: &mut impl User) -> Result<Frame, Error> {
        loop {
            let written = self.out.recv().await.ok_or(Error::Ended)?;
            let frames = match written {
                Written::One(frame) | Written::Answer { frame, .. } => vec![frame],
                Written::Batch(frames) => frames,
            };
            let mut answer = None;
            for frame in frames {
                if frame.is_response() {
                    if frame.id() == Some(id) {
                        answer = Some(frame);
                    }
                } else if frame.is_request() {
                    self.serve(&frame, user).await?;
                } else {
                    user.on_notification(&frame);
                }
            }
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
    }

    /// Answers a request of the server.
    async fn serve(&mut self, request: &Frame, user: &mut impl User) -> Result<(), Error> {
        let (Some(id), Some(method)) = (request.id(), request.method()) else {
            return Ok(());
        };
        let answer = match method {
            "ping" => Some("{}".to_owned()),
            method => user.answer(method, request.member("params")).await,
        };
        let reply = match answer {
            Some(result) => Frame::result(id, &result),
            None => Frame::error(Some(id), METHOD_NOT_FOUND, "Method not found", None),
        };
        self.send(reply).await
    }
}

/// Returns the client's name and version, as a JSON object.
fn client_info() -> String {
    concat!(
        r#"{"name":"mcpipe","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#""}"#
    )
    .to_owned()
}
