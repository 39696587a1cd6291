//! The lines of the audit: one when a message of the host is sent on or refused, one when a request has its outcome.
//!
//! A line is made and queued here, and written by a thread. Where that fails, requests are refused
//! ([`Trail::ready`]); a handshake and a ping still pass, so that a host can read why its calls do not.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::audit::chain::Hash;
use crate::audit::{Audit, Source, json};
use crate::bridge::settings::Auditing;
use crate::era::protocol::META_CLIENT;
use crate::frame::{Frame, Id, Object, member_of, string};
use crate::policy::{Refusal, Rule};
use crate::transcript::redact;

/// The longest arguments that are kept, in bytes.
const LONGEST_ARGUMENTS: usize = 64 * 1024;
/// The number of requests of the server that wait for the host, of which the methods are remembered.
const MOST_QUESTIONS: usize = 1024;
/// The time after which a request may pass that was refused because the audit file could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// The audit of one run of the bridge.
pub(super) struct Trail {
    audit: Audit,
    source: Source,
    keeps_arguments: bool,
    /// The rule by which requests are refused.
    rule: Rule,
    state: Mutex<State>,
}

struct State {
    /// The members that say whose line it is.
    source: Arc<str>,
    /// The `clientInfo` that the host's name in them is from.
    client_info: String,
    calls: u64,
    /// The requests of the server that wait for the host.
    questions: HashMap<Id, Call>,
}

/// A message on its way, from its admission to its outcome.
#[derive(Debug)]
pub(in crate::bridge) struct Call {
    /// The name that the lines, the log and the host's error have in common.
    pub(super) id: String,
    /// The members that all lines about it have in common.
    about: String,
    began: Instant,
    /// The members about the arguments.
    arguments: String,
    bytes_out: usize,
    bytes_in: usize,
}

impl Trail {
    pub(super) fn new(auditing: &Auditing) -> Self {
        let Auditing {
            audit,
            source,
            keeps_arguments,
            rule,
        } = auditing.clone();
        let state = State {
            source: source.members(None).into(),
            client_info: String::new(),
            calls: 0,
            questions: HashMap::new(),
        };
        Self {
            audit,
            source,
            keeps_arguments,
            rule,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, event: &str, call: Option<&Call>, members: &str) {
        let source = Arc::clone(&self.state().source);
        self.audit.write(self.audit.now(), event, |line| {
            line.push_str(&source);
            line.push_str(call.map_or("", |call| &call.about));
            line.push_str(members);
        });
    }

    /// Begins the account of a request or notification of the host.
    pub(super) fn call(&self, frame: &Frame) -> Call {
        self.note_host(frame);
        Call {
            arguments: self.arguments(frame),
            ..self.begin(frame, frame.length(), 0)
        }
    }

    fn begin(&self, frame: &Frame, bytes_out: usize, bytes_in: usize) -> Call {
        let number = {
            let mut state = self.state();
            state.calls += 1;
            state.calls
        };
        let session = self.source.session.get(..8).unwrap_or(&self.source.session);
        let id = format!("{session}-{number}");
        let mut about = format!(
            r#","correlationId":"{id}","method":{}"#,
            json(frame.method().unwrap_or_default())
        );
        // Writing to a string does not fail.
        let _ = match named(frame) {
            Some((member, name)) => write!(about, r#","{member}":{}"#, json(&name)),
            None => Ok(()),
        };
        Call {
            id,
            about,
            began: Instant::now(),
            arguments: String::new(),
            bytes_out,
            bytes_in,
        }
    }

    /// Notes the name that the host gives itself (`clientInfo`).
    fn note_host(&self, frame: &Frame) {
        let client_info = match frame.method() {
            Some("initialize") => frame.param("clientInfo"),
            _ => frame.meta(META_CLIENT),
        };
        let Some(client_info) = client_info else {
            return;
        };
        let mut state = self.state();
        if state.client_info != client_info {
            client_info.clone_into(&mut state.client_info);
            let name = member_of(client_info, "name").and_then(string);
            state.source = self.source.members(name.as_deref()).into();
        }
    }

    /// Says whether a message may be sent, and its line written.
    ///
    /// # Errors
    /// The refusal of a request while the file cannot be written.
    pub(super) fn ready(&self, frame: &Frame) -> Result<(), Refusal> {
        let is_free = matches!(
            frame.method(),
            Some("initialize" | "server/discover" | "ping")
        );
        if is_free || !frame.is_request() {
            return Ok(());
        }
        self.audit.ready().map_err(|unwritable| {
            let mut refusal = Refusal::by(&self.rule, unwritable.to_string());
            refusal.retry_after = Some(RETRY);
            refusal.hint("make it writable again; --audit-best-effort lets calls pass meanwhile")
        })
    }

    /// Writes that a message of the host is sent.
    pub(super) fn sent(&self, frame: &Frame, call: &Call) {
        let members = format!(r#","bytesOut":{}{}"#, call.bytes_out, call.arguments);
        let event = match frame.is_request() {
            true => "call",
            false => "notification",
        };
        self.line(event, Some(call), &members);
        tracing::debug!(call = call.id, id = ?frame.id(), method = frame.method(), "audited");
    }

    /// The arguments: their length and hash, and their text if it is kept.
    fn arguments(&self, frame: &Frame) -> String {
        let Some(arguments) = frame.param("arguments") else {
            return String::new();
        };
        let mut members = format!(
            r#","argumentsBytes":{},"argumentsSha256":"{}""#,
            arguments.len(),
            Hash::of(arguments.as_bytes())
        );
        if self.keeps_arguments {
            // Writing to a string does not fail.
            let _ = match arguments.len() <= LONGEST_ARGUMENTS {
                true => write!(members, r#","arguments":{}"#, redact::arguments(arguments)),
                false => write!(
                    members,
                    r#","arguments":"(more than {LONGEST_ARGUMENTS} bytes)""#
                ),
            };
        }
        members
    }

    /// Writes that a message of the host is refused, or would be.
    pub(super) fn refused(&self, call: &Call, refusal: &Refusal, is_dry: bool) {
        let mut members = format!(r#","kind":{}"#, json(refusal.kind));
        if let Some(rule) = &refusal.rule {
            // Writing to a string does not fail.
            let _ = write!(
                members,
                r#","rule":{},"origin":{}"#,
                json(&rule.text()),
                json(&rule.origin.to_string())
            );
        }
        let _ = write!(
            members,
            r#","message":{},"bytesOut":{}{}"#,
            json(&refusal.message),
            call.bytes_out,
            call.arguments
        );
        let event = if is_dry { "would_refuse" } else { "refused" };
        self.line(event, Some(call), &members);
    }

    /// Writes the outcome of a request, and returns its answer; an error of the bridge's own with the correlation id.
    pub(super) fn result(&self, call: &Call, answer: Frame) -> Frame {
        let (outcome, kind) = outcome(&answer);
        let code = answer.error_code().map(|code| format!(r#","code":{code}"#));
        let members = format!(
            r#","outcome":"{outcome}"{}{},"bytesIn":{}"#,
            code.unwrap_or_default(),
            kind.as_deref()
                .map(|kind| format!(r#","kind":{}"#, json(kind)))
                .unwrap_or_default(),
            answer.length()
        );
        self.end(call, &members);
        match kind {
            Some(_) => stamped(&answer, call),
            None => answer,
        }
    }

    /// Writes that a request has no answer: the host has cancelled it, or the bridge leaves.
    pub(super) fn unanswered(&self, call: &Call, outcome: &str) {
        self.end(call, &format!(r#","outcome":"{outcome}""#));
    }

    fn end(&self, call: &Call, members: &str) {
        let members = format!(
            r#"{members},"durationMs":{},"bytesOut":{}"#,
            call.began.elapsed().as_millis(),
            call.bytes_out
        );
        self.line("result", Some(call), &members);
    }

    /// Writes that parts of a list are not shown to the host.
    pub(super) fn hidden(&self, call: &Call, hidden: usize) {
        self.line("hidden", Some(call), &format!(r#","hidden":{hidden}"#));
    }

    /// Writes that the server asks the host for something.
    pub(super) fn asked(&self, frame: &Frame) {
        let call = self.begin(frame, 0, frame.length());
        let members = format!(r#","bytesIn":{}"#, call.bytes_in);
        self.line("asked", Some(&call), &members);
        let mut state = self.state();
        if let Some(id) = frame.id()
            && state.questions.len() < MOST_QUESTIONS
        {
            state.questions.insert(id.clone(), call);
        }
    }

    /// Writes that the host has answered the server.
    pub(super) fn answered(&self, frame: &Frame) {
        let call = frame.id().and_then(|id| self.state().questions.remove(id));
        let members = format!(
            r#","outcome":"{}","bytesOut":{}"#,
            outcome(frame).0,
            frame.length()
        );
        self.line("answered", call.as_ref(), &members);
    }
}

/// Returns the thing that a message names, for its line: the policy is stricter, and has judged it already.
fn named(frame: &Frame) -> Option<(&'static str, String)> {
    let method = frame.method().unwrap_or_default();
    let text = |name| frame.param(name).and_then(string);
    match method {
        "tools/call" => Some(("tool", text("name")?)),
        "prompts/get" => Some(("prompt", text("name")?)),
        "completion/complete" => {
            let reference = frame.param("ref").and_then(Object::read)?;
            let member = |name| reference.get(name).and_then(string);
            match member("name") {
                Some(name) => Some(("prompt", name)),
                None => Some(("uri", crate::text::without_query(&member("uri")?))),
            }
        }
        _ if method.starts_with("resources/") => {
            Some(("uri", crate::text::without_query(&text("uri")?)))
        }
        _ if method.starts_with("tasks/") => Some(("task", text("taskId")?)),
        _ => None,
    }
}

/// Returns the outcome that an answer tells, and the kind of an error of the bridge's own.
fn outcome(answer: &Frame) -> (&'static str, Option<String>) {
    if answer.is_error() {
        let data = answer.member_in("error", "data");
        let is_ours = data.and_then(|data| member_of(data, "source")) == Some("\"mcpipe\"");
        let kind = data
            .filter(|_| is_ours)
            .and_then(|data| member_of(data, "kind"));
        return ("error", kind.and_then(string));
    }
    let is_error = answer.member_in("result", "isError") == Some("true");
    let result_type = answer.member_in("result", "resultType").and_then(string);
    match (is_error, result_type.as_deref()) {
        (true, _) => ("is_error", None),
        (false, Some("input_required")) => ("input_required", None),
        (false, Some("task")) => ("task", None),
        (false, _) => ("ok", None),
    }
}

/// Returns an error of the bridge's own with the correlation id.
pub(super) fn stamped(answer: &Frame, call: &Call) -> Frame {
    answer.edit(|message| {
        message.edit("error", |error| {
            error.edit("data", |data| {
                data.set("correlationId", format!("\"{}\"", call.id));
            });
        });
    })
}
