//! A transcript that answers as a server would.
//!
//! Every request must be one the transcript expects at that point; what comes back comes when its turn is (see
//! [`Script`]). Who plays the host asks [`Replay::next_of_host`] for its lines and hands what the bridge says to
//! [`Replay::said`]. A request the transcript never answers waits for ever, and so does a stream it never ends.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;

use mcpipe::auth::oauth::challenge::Challenge;
use mcpipe::era::{Head, HttpError};
use mcpipe::frame::{Malformed, Parsed};
use mcpipe::remote::{Answer, Events, Outgoing, Remote, TransportError, Verb};
use mcpipe::secret::Secret;
use mcpipe::transcript::{self, AnswerBody, Entry, FaultKind, HeaderValues, Transcript};

use super::script::Script;

/// A remote out of a transcript. Clones play the same play.
#[derive(Clone, Debug)]
pub struct Replay {
    script: Arc<watch::Sender<Script>>,
}

/// The name the transcript goes by where a remote's is wanted.
const HOST: &str = "the transcript";

impl Replay {
    /// Raises the curtain.
    pub fn new(transcript: Transcript) -> Self {
        Self {
            script: Arc::new(watch::Sender::new(Script::new(transcript))),
        }
    }

    /// Returns what the host does next, once it is its turn: [`Entry::Host`] or [`Entry::Eof`]. `None` when it has no
    /// lines left. Safe to cancel.
    pub async fn next_of_host(&self) -> Option<Entry> {
        let mut changes = self.script.subscribe();
        loop {
            let next = self.take(Script::next_of_host);
            if let Some(Entry::Host(text)) = next {
                return Some(Entry::Host(self.script.borrow().filled_in(&text)));
            }
            if next.is_some() || self.script.borrow().is_host_done() {
                return next;
            }
            changes.changed().await.ok()?;
        }
    }

    /// Takes what the bridge tells the host: one line.
    pub fn said(&self, line: &str) {
        self.script.send_modify(|script| script.said(line));
    }

    /// Waits until every line has been played.
    pub async fn over(&self) {
        // It cannot fail: the sender is ours.
        let _ = self.script.subscribe().wait_for(Script::is_over).await;
    }

    /// Returns what came and was not expected, and what was expected and has not come; for people.
    pub fn complaint(&self) -> Option<String> {
        self.script.borrow().complaint()
    }

    /// Plays the line that `next` finds, if it is its turn.
    fn take(&self, next: impl FnOnce(&Script) -> Option<(usize, &Entry)>) -> Option<Entry> {
        let mut taken = None;
        self.script.send_if_modified(|script| {
            let due = next(script).filter(|(at, _)| script.is_due(*at));
            let Some((at, entry)) = due.map(|(at, entry)| (at, entry.clone())) else {
                return false;
            };
            script.play(at);
            taken = Some(entry);
            true
        });
        taken
    }
}

impl Remote for Replay {
    async fn send(&self, outgoing: Outgoing<'_>) -> Result<Answer, TransportError> {
        let verb = match outgoing.verb {
            Verb::Post(frame) => transcript::Method::Post(frame.text().into()),
            Verb::Get => transcript::Method::Get,
            Verb::Delete => transcript::Method::Delete,
        };
        let mut opened = None;
        self.script.send_modify(|script| {
            opened = script.asked(&verb, outgoing.to, outgoing.headers);
        });
        let Some(x) = opened else {
            return Ok(Answer::Refused(HttpError {
                status: 501,
                text: "The transcript does not expect this.".into(),
                ..HttpError::default()
            }));
        };
        let exchange = Exchange {
            replay: self.clone(),
            x,
        };
        match exchange.next().await {
            Entry::Answer {
                status,
                headers,
                body,
                ..
            } => exchange.answer(status, headers, body),
            Entry::Fault { why, .. } => Err(fault(why)),
            // Transcripts in which anything else comes first do not parse.
            _ => Err(fault(FaultKind::Cut)),
        }
    }
}

/// An exchange going on; dropping it is the bridge letting go.
struct Exchange {
    replay: Replay,
    x: transcript::ExchangeNumber,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.replay
            .script
            .send_modify(|script| script.let_go(self.x));
    }
}

impl Exchange {
    /// Returns what comes back next, once it is its turn; waits for ever after the last.
    async fn next(&self) -> Entry {
        let mut changes = self.replay.script.subscribe();
        loop {
            if let Some(entry) = self.replay.take(|script| script.next_on(self.x)) {
                return entry;
            }
            if changes.changed().await.is_err() {
                return pending().await;
            }
        }
    }

    fn answer(
        self,
        status: u16,
        headers: HeaderValues,
        body: AnswerBody,
    ) -> Result<Answer, TransportError> {
        let head = Head {
            status,
            session: headers
                .get("mcp-session-id")
                .and_then(Option::as_deref)
                .map(Secret::new),
        };
        let is_success = (200..300).contains(&status);
        match body {
            AnswerBody::Stream if is_success => Ok(Answer::Stream(head, self.events())),
            AnswerBody::Json(text) if is_success => Ok(Answer::Json(head, self.message(&text)?)),
            AnswerBody::Text(_) if is_success => Ok(Answer::Accepted(head)),
            body => {
                let fields = fields(headers);
                let challenge = Challenge::read(status, &fields);
                let asks_for_more = challenge.error.as_deref() == Some("insufficient_scope");
                if status == 401 || status == 403 && asks_for_more {
                    return Ok(Answer::Challenged(challenge));
                }
                let (frame, text) = match body {
                    AnswerBody::Json(text) => match self.message(&text)? {
                        Parsed::One(frame) => (Some(frame), String::new()),
                        Parsed::Batch(_) => (None, text),
                    },
                    AnswerBody::Text(text) => (None, text),
                    AnswerBody::Stream => (None, String::new()),
                };
                let field = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
                let after = field("retry-after");
                Ok(Answer::Refused(HttpError {
                    status,
                    frame,
                    words: mcpipe::remote::refusal_text::of_body(&text),
                    url: None,
                    text,
                    retry_after: after
                        .and_then(|after| after.parse().ok())
                        .map(Duration::from_secs),
                    redirect: field("location").map(str::to_owned),
                    asks_for_a_token: status == 403 && asks_for_a_token(&fields),
                }))
            }
        }
    }

    fn message(&self, text: &str) -> Result<Parsed, TransportError> {
        Parsed::read(&self.fed(text)).map_err(|Malformed { reason, .. }| TransportError::NotMcp {
            host: HOST.into(),
            why: reason,
            head: String::new(),
        })
    }

    fn fed(&self, text: &str) -> String {
        self.replay.script.borrow().fed(self.x, text)
    }

    fn events(self) -> Events {
        let chunks = stream::unfold(Some(self), |exchange| async move {
            let exchange = exchange?;
            match exchange.next().await {
                Entry::Event { mut event, .. } => {
                    event.data = exchange.fed(&event.data);
                    Some((Ok(event.to_text().into()), Some(exchange)))
                }
                Entry::Ended(_) => None,
                _ => Some((Err(fault(FaultKind::Cut)), None)),
            }
        });
        Events::new(chunks.boxed(), HOST.into(), usize::MAX)
    }
}

fn fields(headers: HeaderValues) -> HeaderMap {
    headers
        .into_iter()
        .filter_map(|(name, value)| {
            Some((
                HeaderName::try_from(name).ok()?,
                HeaderValue::try_from(value?).ok()?,
            ))
        })
        .collect()
}

/// Says whether the fields challenge for a token.
fn asks_for_a_token(fields: &HeaderMap) -> bool {
    let challenges = fields.get_all("www-authenticate").iter();
    let mut schemes = challenges.filter_map(|field| field.to_str().ok()?.split(' ').next());
    schemes
        .any(|scheme| scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("dpop"))
}

fn fault(why: FaultKind) -> TransportError {
    let host = HOST.to_owned();
    match why {
        FaultKind::Unreachable => TransportError::Unreachable {
            host,
            why: "it says so".into(),
        },
        FaultKind::Cut => TransportError::Cut {
            host,
            why: "it says so".into(),
        },
        FaultKind::NotMcp => TransportError::NotMcp {
            host,
            why: "it says so".into(),
            head: String::new(),
        },
        FaultKind::TooLarge => TransportError::TooLarge { host, limit: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcpipe::frame::Frame;

    fn replay(text: &str) -> Replay {
        Replay::new(Transcript::parse(text).unwrap())
    }

    async fn send(replay: &Replay, verb: Verb<'_>) -> Result<Answer, TransportError> {
        let outgoing = Outgoing {
            to: None,
            verb,
            headers: &HeaderMap::new(),
            credential: None,
            progress: None,
        };
        replay.send(outgoing).await
    }

    fn call(id: u32) -> Frame {
        Frame::parse(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn answers_come_in_their_turn_and_streams_stay_open() {
        let replay = replay(
            r#"{"get":true,"x":1}
            {"post":{"id":1},"x":2}
            {"answer":200,"sse":true,"x":1}
            {"event":{"method":"a"}}
            {"bridge":{"method":"a"}}
            {"answer":200,"json":{"result":{}},"x":2}
            {"event":{"method":"b"},"x":1}"#,
        );
        let posting = async {
            let answer = send(&replay, Verb::Post(&call(1))).await.unwrap();
            let Answer::Json(_, Parsed::One(frame)) = answer else {
                panic!("{answer:?}")
            };
            assert_eq!(frame.text(), r#"{"jsonrpc":"2.0","result":{},"id":1}"#);
        };
        let listening = async {
            let Answer::Stream(_, mut events) = send(&replay, Verb::Get).await.unwrap() else {
                panic!("no stream")
            };
            let first = events.next().await.unwrap().unwrap();
            assert_eq!(first.data, r#"{"jsonrpc":"2.0","method":"a"}"#);
            replay.said(&first.data);
            let second = events.next().await.unwrap().unwrap();
            assert_eq!(second.data, r#"{"jsonrpc":"2.0","method":"b"}"#);
            let wait = tokio::time::timeout(Duration::from_secs(3600), events.next());
            assert!(wait.await.is_err());
        };
        tokio::join!(posting, listening);
        assert_eq!(replay.complaint(), None);
    }

    #[tokio::test]
    async fn every_kind_of_answer_can_be_told() {
        let replay = replay(
            r#"{"post":{"id":1}}
            {"answer":202,"headers":{"mcp-session-id":"s"}}
            {"post":{"id":2}}
            {"answer":401,"headers":{"www-authenticate":"Bearer"}}
            {"post":{"id":3}}
            {"answer":503,"text":"later","headers":{"retry-after":"7"}}
            {"post":{"id":4}}
            {"answer":400,"json":{"error":{"code":-32600,"message":"no"}}}
            {"post":{"id":5}}
            {"fault":"unreachable"}
            {"delete":true}
            {"answer":200,"json":{"neither":1}}"#,
        );
        let Answer::Accepted(head) = send(&replay, Verb::Post(&call(1))).await.unwrap() else {
            panic!("not accepted")
        };
        assert!(head.session.unwrap().same_as("s"));
        let Answer::Challenged(challenge) = send(&replay, Verb::Post(&call(2))).await.unwrap()
        else {
            panic!("not challenged")
        };
        assert_eq!(challenge.status, 401);
        let Answer::Refused(refusal) = send(&replay, Verb::Post(&call(3))).await.unwrap() else {
            panic!("not refused")
        };
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(7)));
        let Answer::Refused(refusal) = send(&replay, Verb::Post(&call(4))).await.unwrap() else {
            panic!("not refused")
        };
        assert_eq!(refusal.frame.unwrap().id(), call(4).id());
        let fault = send(&replay, Verb::Post(&call(5))).await.unwrap_err();
        assert!(fault.is_before_sending());
        let fault = send(&replay, Verb::Delete).await.unwrap_err();
        assert!(matches!(fault, TransportError::NotMcp { .. }), "{fault}");
        assert_eq!(replay.complaint(), None);
    }

    #[tokio::test]
    async fn what_the_transcript_does_not_expect_is_refused_and_complained_of() {
        let replay = replay(r#"{"post":{"id":1}}"#);
        let Answer::Refused(refusal) = send(&replay, Verb::Post(&call(2))).await.unwrap() else {
            panic!("not refused")
        };
        assert_eq!(refusal.status, 501);
        let complaint = replay.complaint().unwrap();
        assert!(
            complaint.contains("at id: expected 1, found 2"),
            "{complaint}"
        );
        assert!(complaint.contains("never came: line 1"), "{complaint}");
    }
}
