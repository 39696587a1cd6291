//! A remote that is recorded where the user asks for it: every request and all that comes back on it goes to a
//! [`Recorder`] as well.
//!
//! One type with or without a recorder, so that the bridge is compiled once.
//!
//! Credentials never come here: they are not among the headers of an [`Outgoing`]. Events are passed on as they were
//! understood, not as they were spelt.

use futures_util::StreamExt as _;
use futures_util::stream;
use http::HeaderMap;
use tokio::sync::watch;

use crate::auth::oauth::challenge::Challenge;
use crate::era::{Head, HttpError};
use crate::frame::{Outline, Parsed};
use crate::recorder::{Era, Recorder};
use crate::remote::{Answer, Events, Outgoing, Remote, TransportError, Verb};
use crate::transcript::{self, AnswerBody, Entry, ExchangeNumber, FaultKind, HeaderValues};

/// Any remote, with its recorder if there is one.
#[derive(Debug)]
pub struct Recorded<R> {
    remote: R,
    recorder: Option<Recorder>,
}

impl<R: Remote> Recorded<R> {
    /// Records what goes to and comes from `remote`, if there is a recorder.
    pub fn new(remote: R, recorder: impl Into<Option<Recorder>>) -> Self {
        Self {
            remote,
            recorder: recorder.into(),
        }
    }

    async fn send_recorded(
        &self,
        recorder: &Recorder,
        outgoing: Outgoing<'_>,
    ) -> Result<Answer, TransportError> {
        let x = recorder.exchange();
        let request = Entry::Request {
            x,
            verb: match outgoing.verb {
                Verb::Post(frame) => transcript::Method::Post(frame.text().into()),
                Verb::Get => transcript::Method::Get,
                Verb::Delete => transcript::Method::Delete,
            },
            to: outgoing.to.map(Into::into),
            headers: shown(outgoing.headers),
        };
        let era = match outgoing.verb {
            Verb::Post(frame) => Era::of(frame),
            _ => None,
        };
        recorder.write(request).await;
        let mut open = Open {
            recorder: recorder.clone(),
            x,
            is_over: false,
        };
        let answer = self.remote.send(outgoing).await;
        open.is_over = true;
        if let (Some(era), Ok(Answer::Json(..) | Answer::Stream(..))) = (era, &answer)
            && !is_error(&answer)
        {
            recorder.note_era(true, era);
        }
        match answer {
            Ok(Answer::Stream(head, events)) => {
                open.is_over = false;
                recorder
                    .write(answered(x, head.status, headers(&head), AnswerBody::Stream))
                    .await;
                Ok(Answer::Stream(head, overheard(open, events)))
            }
            Ok(answer) => {
                recorder.write(said(x, &answer)).await;
                Ok(answer)
            }
            Err(TransportError::HeaderRefused(challenge)) => {
                let answer = Answer::Challenged(challenge.clone());
                recorder.write(said(x, &answer)).await;
                Err(TransportError::HeaderRefused(challenge))
            }
            Err(fault) => {
                let why = why(&fault);
                let text = match &fault {
                    TransportError::NotMcp { head, why, .. } if !head.is_empty() => {
                        format!("{why}: {head}")
                    }
                    _ => String::new(),
                };
                recorder.write(Entry::Fault { x, why, text }).await;
                Err(fault)
            }
        }
    }
}

impl<R: Remote> Remote for Recorded<R> {
    async fn send(&self, outgoing: Outgoing<'_>) -> Result<Answer, TransportError> {
        match &self.recorder {
            None => self.remote.send(outgoing).await,
            // In a box, for its state is large and most bridges do not record.
            Some(recorder) => Box::pin(self.send_recorded(recorder, outgoing)).await,
        }
    }

    fn is_held_up(&self) -> Option<watch::Receiver<bool>> {
        self.remote.is_held_up()
    }
}

/// Says whether an answer says that the question was not understood.
fn is_error(answer: &Result<Answer, TransportError>) -> bool {
    match answer {
        Ok(Answer::Json(_, Parsed::One(frame))) => {
            matches!(frame.outline(), Outline::Response { failed: true, .. })
        }
        _ => false,
    }
}

/// An exchange that is not over; dropping it is the bridge letting go.
struct Open {
    recorder: Recorder,
    x: ExchangeNumber,
    is_over: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.is_over {
            self.recorder.write_now(Entry::Closed(self.x));
        }
    }
}

fn overheard(open: Open, events: Events) -> Events {
    let host = events.host.clone();
    let chunks = stream::unfold((open, events), |(mut open, mut events)| async move {
        if open.is_over {
            return None;
        }
        let x = open.x;
        let next = events.next().await;
        let (entry, chunk) = match next {
            Ok(Some(event)) => {
                let bytes = event.to_text().into();
                (Entry::Event { x, event }, Some(Ok(bytes)))
            }
            Ok(None) => (Entry::Ended(x), None),
            Err(fault) => (Entry::Cut(x), Some(Err(fault))),
        };
        open.is_over = !matches!(entry, Entry::Event { .. });
        open.recorder.write(entry).await;
        chunk.map(|chunk| (chunk, (open, events)))
    });
    // The limit has been seen to on the way in.
    Events::new(chunks.boxed(), host, usize::MAX)
}

fn said(x: ExchangeNumber, answer: &Answer) -> Entry {
    match answer {
        Answer::Accepted(head) => answered(
            x,
            head.status,
            headers(head),
            AnswerBody::Text(String::new()),
        ),
        Answer::Json(head, parsed) => answered(x, head.status, headers(head), json(parsed)),
        Answer::Stream(head, _) => answered(x, head.status, headers(head), AnswerBody::Stream),
        Answer::Challenged(challenge) => {
            let header = ("www-authenticate".into(), Some(spelt(challenge)));
            answered(
                x,
                challenge.status,
                [header].into(),
                AnswerBody::Text(String::new()),
            )
        }
        Answer::Refused(HttpError {
            status,
            frame,
            text,
            retry_after,
            redirect,
            asks_for_a_token,
            ..
        }) => {
            let after =
                retry_after.map(|after| ("retry-after".into(), Some(after.as_secs().to_string())));
            let target = redirect.clone();
            let target = target.map(|target| ("location".into(), Some(target)));
            let challenge = ("www-authenticate".into(), Some("Bearer".into()));
            let challenge = asks_for_a_token.then_some(challenge);
            let headers = after.into_iter().chain(target).chain(challenge).collect();
            let body = match frame {
                Some(frame) => AnswerBody::Json(frame.text().into()),
                None => AnswerBody::Text(text.clone()),
            };
            answered(x, *status, headers, body)
        }
    }
}

fn answered(x: ExchangeNumber, status: u16, headers: HeaderValues, body: AnswerBody) -> Entry {
    Entry::Answer {
        x,
        status,
        headers,
        body,
    }
}

fn headers(head: &Head) -> HeaderValues {
    head.session
        .iter()
        .map(|session| ("mcp-session-id".into(), Some(session.expose().into())))
        .collect()
}

fn shown(headers: &HeaderMap) -> HeaderValues {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().into(), Some(value))
        })
        .collect()
}

fn json(parsed: &Parsed) -> AnswerBody {
    AnswerBody::Json(match parsed {
        Parsed::One(frame) => frame.text().into(),
        Parsed::Batch(members) => {
            let texts: Vec<_> = members
                .iter()
                .map(|member| member.as_ref().map_or("{}", |frame| frame.text()))
                .collect();
            format!("[{}]", texts.join(","))
        }
    })
}

/// The challenge as a header that reads the same.
fn spelt(challenge: &Challenge) -> String {
    let parameters: Vec<_> = [
        ("error", challenge.error.as_deref()),
        ("error_description", challenge.description.as_deref()),
        ("scope", challenge.scope.as_deref()),
        ("resource_metadata", challenge.resource_metadata.as_deref()),
    ]
    .into_iter()
    .filter_map(|(name, value)| {
        let value = value?.replace('\\', r"\\").replace('"', r#"\""#);
        Some(format!(r#"{name}="{value}""#))
    })
    .collect();
    let scheme = if challenge.takes_dpop {
        "DPoP"
    } else {
        "Bearer"
    };
    format!("{scheme} {}", parameters.join(", "))
        .trim_end()
        .into()
}

fn why(fault: &TransportError) -> FaultKind {
    match fault {
        TransportError::Unreachable { .. }
        | TransportError::NotListening { .. }
        | TransportError::Untrusted { .. }
        | TransportError::Proxy { .. }
        | TransportError::ClientCertRefused { .. }
        | TransportError::WrongScheme { .. }
        | TransportError::HeadersUnavailable { .. }
        | TransportError::NoHeaders(_)
        | TransportError::HeaderRefused(_) => FaultKind::Unreachable,
        TransportError::Cut { .. } | TransportError::Silent { .. } => FaultKind::Cut,
        TransportError::NotMcp { .. } | TransportError::Unproven { .. } => FaultKind::NotMcp,
        TransportError::TooLarge { .. } => FaultKind::TooLarge,
    }
}
