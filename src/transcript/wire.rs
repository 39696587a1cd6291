//! The spelling of an entry: the members of a line, what may be left out, and what is filled in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::entry::{About, AnswerBody, Entry, ExchangeNumber, FaultKind, HeaderValues, Method};
use crate::frame::member_of;
use crate::sse;

/// A line as it is written.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wire {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<ExchangeNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eras: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eof: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bridge: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    get: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<FaultKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Which>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<Which>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Which>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sse: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: HeaderValues,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum Which {
    Named(ExchangeNumber),
    Last(bool),
}

impl Wire {
    /// The line that says an entry.
    pub(super) fn of(entry: &Entry, at: Option<u64>) -> Self {
        let mut wire = Self {
            at,
            x: entry.exchange(),
            ..Self::default()
        };
        match entry {
            Entry::Note(note) => wire.note = Some(note.clone()),
            Entry::About(About::Recording, text) => wire.recording = Some(raw(text)),
            Entry::About(About::Eras, text) => wire.eras = Some(raw(text)),
            Entry::About(About::SignIn, text) => wire.sign_in = Some(raw(text)),
            Entry::Host(text) => wire.host = Some(raw_fed(text)),
            Entry::Eof => wire.eof = Some(true),
            Entry::Bridge(text) => wire.bridge = Some(raw(text)),
            Entry::Request {
                verb, to, headers, ..
            } => {
                wire.to.clone_from(to);
                match verb {
                    Method::Post(text) => wire.post = Some(raw(text)),
                    Method::Get => wire.get = Some(true),
                    Method::Delete => wire.delete = Some(true),
                }
                wire.headers.clone_from(headers);
            }
            Entry::Answer {
                status,
                headers,
                body,
                ..
            } => {
                wire.answer = Some(*status);
                wire.headers.clone_from(headers);
                match body {
                    AnswerBody::Json(text) => wire.json = Some(raw_fed(text)),
                    AnswerBody::Stream => wire.sse = Some(true),
                    AnswerBody::Text(text) if text.is_empty() => {}
                    AnswerBody::Text(text) => wire.text = Some(text.clone()),
                }
            }
            Entry::Event { event, .. } => {
                wire.event = Some(raw_fed(&event.data));
                wire.kind.clone_from(&event.kind);
                wire.id.clone_from(&event.id);
                wire.retry = event
                    .retry
                    .map(|retry| u64::try_from(retry.as_millis()).unwrap_or(u64::MAX));
            }
            Entry::Fault { why, text, .. } => {
                wire.fault = Some(*why);
                wire.text = Some(text.clone()).filter(|text| !text.is_empty());
            }
            Entry::Ended(x) => (wire.ended, wire.x) = (Some(Which::Named(*x)), None),
            Entry::Cut(x) => (wire.cut, wire.x) = (Some(Which::Named(*x)), None),
            Entry::Closed(x) => (wire.closed, wire.x) = (Some(Which::Named(*x)), None),
        }
        wire
    }

    /// The entry that a line says.
    pub(super) fn entry(mut self, names: &mut Names) -> Result<Entry, String> {
        let headers = std::mem::take(&mut self.headers)
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        let mut entries = Vec::new();
        entries.extend(self.note.map(Entry::Note));
        for (about, written) in [
            (About::Recording, self.recording),
            (About::Eras, self.eras),
            (About::SignIn, self.sign_in),
        ] {
            entries.extend(written.map(|raw| Entry::About(about, text(&raw))));
        }
        entries.extend(self.host.map(|raw| Entry::Host(fed(&raw))));
        entries.extend(self.eof.map(|_| Entry::Eof));
        entries.extend(self.bridge.map(|raw| Entry::Bridge(text(&raw))));
        let post = self.post.map(|raw| Method::Post(text(&raw)));
        let get = self.get.map(|_| Method::Get);
        let delete = self.delete.map(|_| Method::Delete);
        if let Some(verb) = post.or(get).or(delete) {
            let x = names.open(self.x);
            entries.push(Entry::Request {
                x,
                verb,
                to: self.to,
                headers,
            });
        } else if let Some(status) = self.answer {
            let body = match (self.json, self.sse, self.text) {
                (Some(raw), None, None) => AnswerBody::Json(fed(&raw)),
                (None, Some(true), None) => AnswerBody::Stream,
                (None, None, text) => AnswerBody::Text(text.unwrap_or_default()),
                _ => return Err("an answer has one of json, sse and text".into()),
            };
            let x = names.answer(self.x, matches!(body, AnswerBody::Stream))?;
            entries.push(Entry::Answer {
                x,
                status,
                headers,
                body,
            });
        } else if let Some(why) = self.fault {
            let x = names.answer(self.x, false)?;
            let text = self.text.unwrap_or_default();
            entries.push(Entry::Fault { x, why, text });
        } else if let Some(raw) = self.event {
            let event = sse::Event {
                kind: self.kind,
                data: fed(&raw),
                id: self.id,
                retry: self.retry.map(std::time::Duration::from_millis),
            };
            let x = names.streaming(self.x, false)?;
            entries.push(Entry::Event { x, event });
        }
        let named = |which| match which {
            Which::Named(x) => Some(x),
            Which::Last(_) => self.x,
        };
        if let Some(which) = self.ended {
            entries.push(Entry::Ended(names.streaming(named(which), true)?));
        }
        if let Some(which) = self.cut {
            entries.push(Entry::Cut(names.streaming(named(which), true)?));
        }
        if let Some(which) = self.closed {
            entries.push(Entry::Closed(names.find(named(which))?));
        }
        match (entries.pop(), entries.is_empty()) {
            (Some(entry), true) => Ok(entry),
            (Some(_), false) => Err("it says two things".into()),
            (None, _) => Err("it says nothing".into()),
        }
    }
}

/// The exchanges that there are, while reading.
#[derive(Default)]
pub(super) struct Names {
    /// By the name written; a name may be used again.
    written: BTreeMap<ExchangeNumber, ExchangeNumber>,
    /// By number, from 1.
    stages: Vec<Stage>,
    last: Option<ExchangeNumber>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Asked,
    Streaming,
    Over,
}

impl Names {
    fn open(&mut self, written: Option<ExchangeNumber>) -> ExchangeNumber {
        self.stages.push(Stage::Asked);
        let x = self.stages.len() as ExchangeNumber;
        if let Some(written) = written {
            self.written.insert(written, x);
        }
        self.last = Some(x);
        x
    }

    fn find(&mut self, written: Option<ExchangeNumber>) -> Result<ExchangeNumber, String> {
        let x = match written {
            Some(written) => self.written.get(&written).copied(),
            None => self.last,
        };
        self.last = x;
        x.ok_or_else(|| "no request opened this exchange".into())
    }

    fn stage(
        &mut self,
        written: Option<ExchangeNumber>,
    ) -> Result<(ExchangeNumber, &mut Stage), String> {
        let x = self.find(written)?;
        usize::try_from(x - 1)
            .ok()
            .and_then(|at| self.stages.get_mut(at))
            .map(|stage| (x, stage))
            .ok_or_else(|| "no request opened this exchange".into())
    }

    fn answer(
        &mut self,
        written: Option<ExchangeNumber>,
        streams: bool,
    ) -> Result<ExchangeNumber, String> {
        let (x, stage) = self.stage(written)?;
        if *stage != Stage::Asked {
            return Err("this exchange has been answered".into());
        }
        *stage = if streams {
            Stage::Streaming
        } else {
            Stage::Over
        };
        Ok(x)
    }

    fn streaming(
        &mut self,
        written: Option<ExchangeNumber>,
        ends: bool,
    ) -> Result<ExchangeNumber, String> {
        let (x, stage) = self.stage(written)?;
        if *stage != Stage::Streaming {
            return Err("this exchange has no open stream".into());
        }
        if ends {
            *stage = Stage::Over;
        }
        Ok(x)
    }
}

/// JSON as it is where reading gives it back unchanged, else as a string.
fn raw(text: &str) -> Box<RawValue> {
    let is_json = text.starts_with(['{', '[']) && !text.contains(['\n', '\r']);
    is_json
        .then(|| RawValue::from_string(text.to_owned()).ok())
        .flatten()
        .or_else(|| serde_json::value::to_raw_value(text).ok())
        .unwrap_or_else(|| RawValue::NULL.to_owned())
}

/// Returns the JSON of a text that has its version filled in when it is read.
fn raw_fed(text: &str) -> Box<RawValue> {
    if filled(text) == text {
        raw(text)
    } else {
        serde_json::value::to_raw_value(text).unwrap_or_else(|_| raw(text))
    }
}

/// The text a value stands for: a string's content, anything else as written.
fn text(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

/// Returns the text, with `jsonrpc` filled in unless it was a string.
fn fed(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| filled(raw.get()))
}

fn filled(text: &str) -> String {
    if !text.trim_start().starts_with('[') {
        return filled_object(text);
    }
    let members: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    let texts: Vec<_> = members
        .iter()
        .map(|member| filled_object(member.get()))
        .collect();
    let is_filled = |(text, member): (&String, &&RawValue)| text == member.get();
    if texts.iter().zip(&members).all(is_filled) {
        return text.to_owned();
    }
    format!("[{}]", texts.join(","))
}

fn filled_object(text: &str) -> String {
    let Some(rest) = text.trim_start().strip_prefix('{') else {
        return text.to_owned();
    };
    if member_of(text, "jsonrpc").is_some() {
        return text.to_owned();
    }
    let comma = if rest.trim_start().starts_with('}') {
        ""
    } else {
        ","
    };
    format!(r#"{{"jsonrpc":"2.0"{comma}{rest}"#)
}
