//! The remote in memory: the same asks and replies without a socket, so that a test may pause time.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::HeaderMap;
use mcpipe::auth::oauth::challenge::Challenge;
use mcpipe::era::{Head, HttpError};
use mcpipe::frame::{Frame, Parsed};
use mcpipe::remote::{Answer, Events, Outgoing, Remote, TransportError, Verb};
use mcpipe::secret::Secret;

use super::remote::{Ask, Body, Expected, Record, Reply, Steps};

/// The largest event taken.
const LIMIT: usize = 1024 * 1024;

/// The remote in memory.
pub(crate) struct Memory {
    record: Arc<Record>,
    _expected: Expected,
}

impl Deref for Memory {
    type Target = Record;
    fn deref(&self) -> &Record {
        &self.record
    }
}

impl Memory {
    /// Answers as told.
    pub(crate) fn that(handler: impl FnMut(&Ask) -> Reply + Send + 'static) -> Self {
        let record = Record::new(handler);
        Self {
            _expected: Expected::new(Arc::clone(&record)),
            record,
        }
    }

    /// The bridge's end of it.
    pub(crate) fn remote(&self) -> Far {
        Far(Arc::clone(&self.record))
    }
}

/// What the bridge talks to.
pub(crate) struct Far(pub(crate) Arc<Record>);

impl Remote for Far {
    async fn send(&self, outgoing: Outgoing<'_>) -> Result<Answer, TransportError> {
        let (verb, frame) = match outgoing.verb {
            Verb::Post(frame) => ("POST", Some(frame)),
            Verb::Get => ("GET", None),
            Verb::Delete => ("DELETE", None),
        };
        let is_request = match frame {
            Some(frame) => frame.is_request() && outgoing.to.is_none(),
            None => verb == "GET",
        };
        let reply = self.0.answer(Ask {
            verb: verb.into(),
            path: outgoing.to.unwrap_or("/mcp").into(),
            headers: outgoing.headers.clone(),
            body: frame
                .map(|frame| frame.text().to_owned())
                .unwrap_or_default(),
        });
        let mut before = Steps::new(reply.before);
        loop {
            match before.next().await {
                Some(Some(_)) => {}
                Some(None) => break,
                None => return Err(cut()),
            }
        }
        let header = |name: &str| {
            let mut found = reply.headers.iter();
            let found = found.find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        let head = Head {
            status: reply.status,
            session: header("Mcp-Session-Id").map(Secret::new),
        };
        let (announced, steps) = match reply.body {
            Body::Whole(bytes) => (None, Steps::new(vec![super::remote::Step::Bytes(bytes)])),
            Body::Announced(length, steps) => (Some(length), Steps::new(steps)),
            Body::Chunked(steps) => (None, Steps::new(steps)),
        };
        match reply.status {
            0 => Err(TransportError::Unreachable {
                host: "memory".into(),
                why: "nobody is there".into(),
            }),
            200..=299 if !is_request || matches!(reply.status, 202 | 204) => {
                Ok(Answer::Accepted(head))
            }
            200..=299 if header("Content-Type").as_deref() == Some("text/event-stream") => {
                Ok(Answer::Stream(head, events(steps, Arc::clone(&self.0))))
            }
            200..=299 => {
                let body = whole(steps, announced).await?;
                match Parsed::read(&body) {
                    Ok(parsed) => Ok(Answer::Json(head, parsed)),
                    Err(malformed) => Err(TransportError::NotMcp {
                        host: "memory".into(),
                        why: malformed.reason,
                        head: String::new(),
                    }),
                }
            }
            401 => Ok(Answer::Challenged(Challenge::read(401, &HeaderMap::new()))),
            status => {
                let text = whole(steps, announced).await.unwrap_or_default();
                let after = header("Retry-After").map(|value| value.parse().unwrap());
                Ok(Answer::Refused(HttpError {
                    status,
                    frame: Frame::parse(&text).ok(),
                    text,
                    retry_after: after.map(std::time::Duration::from_secs),
                    ..HttpError::default()
                }))
            }
        }
    }
}

fn cut() -> TransportError {
    TransportError::Cut {
        host: "memory".into(),
        why: "told to".into(),
    }
}

async fn whole(mut steps: Steps, announced: Option<usize>) -> Result<String, TransportError> {
    let mut body = Vec::new();
    while let Some(bytes) = steps.next().await.ok_or_else(cut)? {
        body.extend(bytes);
    }
    if announced.is_some_and(|length| length > body.len()) {
        return Err(cut());
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn events(steps: Steps, record: Arc<Record>) -> Events {
    let chunks = futures_util::stream::unfold(Some(steps), move |steps| {
        let record = Arc::clone(&record);
        async move {
            let mut steps = steps?;
            match steps.next().await {
                Some(Some(bytes)) => {
                    record.pulled.fetch_add(1, Ordering::SeqCst);
                    Some((Ok(Bytes::from(bytes)), Some(steps)))
                }
                Some(None) => None,
                None => Some((Err(cut()), None)),
            }
        }
    });
    Events::new(chunks.boxed(), "memory".into(), LIMIT)
}
