//! A transcript as a play: whose turn it is, what came, and what should have come.
//!
//! Lines are fed in order, each once everything before it has been seen. What the bridge does may come in any order
//! among the lines it is expected in: those up to the next line to be fed. Does no waiting itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::HeaderMap;

use mcpipe::frame::{Frame, Id, member_of};
use mcpipe::transcript::redact::HIDDEN;
use mcpipe::transcript::{About, Entry, ExchangeNumber, HeaderValues, Line, Method, Transcript};

use super::matching::{Bound, Difference, compare, filled_in};

/// A play in progress.
#[derive(Debug)]
pub struct Script {
    lines: Vec<Line>,
    is_done: Vec<bool>,
    /// Everything before it is done.
    front: usize,
    /// The requests that were posted, for ids left out of answers.
    posted: BTreeMap<ExchangeNumber, Asked>,
    /// The values that the bridge alone could name.
    bound: Bound,
    surprises: Vec<String>,
}

#[derive(Debug)]
struct Asked {
    expected: Option<Id>,
    found: Option<Id>,
}

/// An act of the bridge.
enum Came<'a> {
    Said(&'a str),
    Asked(&'a Method, Option<&'a str>, &'a HeaderMap),
    LetGo(ExchangeNumber),
}

impl Script {
    /// A play of all of a transcript.
    pub fn new(transcript: Transcript) -> Self {
        let mut script = Self {
            is_done: vec![false; transcript.lines.len()],
            lines: transcript.lines,
            front: 0,
            posted: BTreeMap::new(),
            bound: Bound::new(),
            surprises: Vec::new(),
        };
        script.advance();
        script
    }

    /// Says whether it is the turn of the line at this place.
    pub fn is_due(&self, at: usize) -> bool {
        self.front >= at
    }

    /// Says whether every line has been played.
    pub fn is_over(&self) -> bool {
        self.front == self.lines.len()
    }

    /// The host's next line, once it is its turn.
    pub fn next_of_host(&self) -> Option<(usize, &Entry)> {
        let entry = &self.lines.get(self.front)?.entry;
        matches!(entry, Entry::Host(_) | Entry::Eof).then_some((self.front, entry))
    }

    /// Says whether the host has nothing left to say.
    pub fn is_host_done(&self) -> bool {
        !self
            .undone()
            .any(|(_, line)| matches!(line.entry, Entry::Host(_) | Entry::Eof))
    }

    /// The next thing that comes back on an exchange, due or not.
    pub fn next_on(&self, x: ExchangeNumber) -> Option<(usize, &Entry)> {
        self.undone()
            .map(|(at, line)| (at, &line.entry))
            .find(|(_, entry)| entry.exchange() == Some(x) && !entry.is_expected())
    }

    /// Marks a line as played.
    pub fn play(&mut self, at: usize) {
        if let Some(is_done) = self.is_done.get_mut(at) {
            *is_done = true;
        }
        self.advance();
    }

    /// The bridge sent a request. Its exchange, if it was expected.
    pub fn asked(
        &mut self,
        verb: &Method,
        to: Option<&str>,
        headers: &HeaderMap,
    ) -> Option<ExchangeNumber> {
        let at = self.came(&Came::Asked(verb, to, headers))?;
        let entry = &self.lines.get(at)?.entry;
        let x = entry.exchange()?;
        if let (
            Entry::Request {
                verb: Method::Post(expected),
                ..
            },
            Method::Post(found),
        ) = (entry, verb)
        {
            let id = |text| member_of(text, "id").and_then(Id::parse);
            let asked = Asked {
                expected: id(expected),
                found: id(found),
            };
            self.posted.insert(x, asked);
        }
        self.play(at);
        Some(x)
    }

    /// The bridge told the host something.
    pub fn said(&mut self, text: &str) {
        if let Some(at) = self.came(&Came::Said(text)) {
            self.play(at);
        }
    }

    /// Notes that the bridge dropped an exchange. What was still to come on it is not played.
    pub fn let_go(&mut self, x: ExchangeNumber) {
        while let Some((at, _)) = self.next_on(x) {
            self.play(at);
        }
        let is_told = |line: &Line| line.entry == Entry::Closed(x);
        if self.undone().any(|(_, line)| is_told(line))
            && let Some(at) = self.came(&Came::LetGo(x))
        {
            self.play(at);
        }
    }

    /// Returns the text that is fed, with what the bridge named in the places the transcript has for it.
    pub fn filled_in(&self, text: &str) -> String {
        filled_in(text, &self.bound)
    }

    /// A message fed on an exchange: filled in, and a response without an id, or with the id the transcript's request has, gets the
    /// id that was really posted.
    pub fn fed(&self, x: ExchangeNumber, text: &str) -> String {
        let text = self.filled_in(text);
        let Some(Asked {
            expected,
            found: Some(found),
        }) = self.posted.get(&x)
        else {
            return text;
        };
        let id = member_of(&text, "id");
        if member_of(&text, "method").is_some() {
            return text;
        }
        match (id, text.strip_suffix('}')) {
            (None, Some(open)) if text.starts_with('{') => format!(r#"{open},"id":{found}}}"#),
            (Some(id), _) if Id::parse(id) == *expected => match Frame::parse(&text) {
                Ok(frame) => frame.with_id(found).text().to_owned(),
                Err(_) => text,
            },
            _ => text,
        }
    }

    /// Returns what went wrong: everything that came and was not expected, and everything expected that has not come.
    pub fn complaint(&self) -> Option<String> {
        let mut text = String::new();
        for surprise in &self.surprises {
            let _ = writeln!(text, "{surprise}");
        }
        let mut missing = self.undone().peekable();
        if let Some((_, line)) = missing.peek()
            && !line.entry.is_expected()
        {
            let _ = writeln!(
                text,
                "nobody took line {}: {}",
                line.number,
                line.entry.line(None)
            );
        }
        for (_, line) in missing.filter(|(_, line)| line.entry.is_expected()) {
            let _ = writeln!(
                text,
                "never came: line {}: {}",
                line.number,
                line.entry.line(None)
            );
        }
        if !text.is_empty() && self.lines.iter().any(|line| is_of_shapes(&line.entry)) {
            text.push_str(
                "this recording holds shapes: what the bridge makes of contents (headers from arguments, resources by their \
                 addresses, the wording of errors) cannot be replayed from it; --record-content records them\n",
            );
        }
        (!text.is_empty()).then_some(text)
    }

    /// Returns what has come and was not expected, each with the lines it could have been.
    pub fn surprises(&self) -> &[String] {
        &self.surprises
    }

    fn undone(&self) -> impl Iterator<Item = (usize, &Line)> {
        let lines = self.lines.iter().zip(&self.is_done).enumerate();
        lines
            .skip(self.front)
            .filter_map(|(at, (line, is_done))| (!is_done).then_some((at, line)))
    }

    fn advance(&mut self) {
        while let (Some(line), Some(is_done)) =
            (self.lines.get(self.front), self.is_done.get(self.front))
        {
            if !is_done && !line.entry.is_remark() {
                return;
            }
            self.front += 1;
        }
    }

    /// The line that expects it, or a surprise.
    fn came(&mut self, came: &Came<'_>) -> Option<usize> {
        let mut complaint = came.to_string();
        let awaited = self
            .undone()
            .filter(|(_, line)| !line.entry.is_remark())
            .take_while(|(_, line)| line.entry.is_expected());
        let mut met = None;
        for (at, line) in awaited {
            let mut bound = self.bound.clone();
            match came.meets(&line.entry, &mut bound) {
                Some(Ok(())) => {
                    met = Some((at, bound));
                    break;
                }
                Some(Err(difference)) => {
                    let _ = write!(complaint, "\n  is not line {}: {difference}", line.number);
                }
                None => {}
            }
        }
        if let Some((at, bound)) = met {
            self.bound = bound;
            return Some(at);
        }
        // What is refused is often tried again.
        if self.surprises.last() != Some(&complaint) {
            self.surprises.push(complaint);
        }
        None
    }
}

impl Came<'_> {
    /// Says whether it is what the entry expects, if it is of that kind at all.
    fn meets(&self, entry: &Entry, bound: &mut Bound) -> Option<Result<(), Difference>> {
        match (self, entry) {
            (Self::Said(found), Entry::Bridge(expected)) => Some(compare(expected, found, bound)),
            (
                Self::Asked(found, place, fields),
                Entry::Request {
                    verb, to, headers, ..
                },
            ) => {
                let body = match (verb, found) {
                    (Method::Post(expected), Method::Post(found)) => {
                        compare(expected, found, bound)
                    }
                    (Method::Get, Method::Get) | (Method::Delete, Method::Delete) => Ok(()),
                    _ => return None,
                };
                let aimed = match to {
                    Some(to) if Some(to.as_str()) != *place => Err(Difference {
                        path: "to".into(),
                        expected: to.clone(),
                        found: place.map(Into::into),
                    }),
                    _ => Ok(()),
                };
                let headed = || compare_headers(headers, fields);
                Some(body.and(aimed).and_then(|()| headed()))
            }
            (Self::LetGo(found), Entry::Closed(expected)) => (found == expected).then_some(Ok(())),
            _ => None,
        }
    }
}

impl std::fmt::Display for Came<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Said(text) => write!(out, "not expected: bridge: {text}"),
            Self::Asked(Method::Post(text), ..) => write!(out, "not expected: post: {text}"),
            Self::Asked(Method::Get, ..) => out.write_str("not expected: get"),
            Self::Asked(Method::Delete, ..) => out.write_str("not expected: delete"),
            Self::LetGo(x) => write!(out, "too early: exchange {x} closed"),
        }
    }
}

/// Says whether a recording begins here that has left out what was said.
fn is_of_shapes(entry: &Entry) -> bool {
    match entry {
        Entry::About(About::Recording, text) => member_of(text, "content") == Some(r#""shapes""#),
        _ => false,
    }
}

fn compare_headers(expected: &HeaderValues, found: &HeaderMap) -> Result<(), Difference> {
    for (name, expected) in expected {
        let found = found
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        // Something was there when this was recorded; what, was not for us to know.
        let is_hidden = expected.as_deref() == Some(HIDDEN) && found.is_some();
        if !is_hidden && expected.as_deref() != found.as_deref() {
            return Err(Difference {
                path: format!("header {name}"),
                expected: expected.clone().unwrap_or_else(|| "nothing".into()),
                found: found.map(Into::into),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        Script::new(Transcript::parse(text).unwrap())
    }

    fn post(text: &str) -> Method {
        Method::Post(text.into())
    }

    #[test]
    fn lines_wait_for_what_comes_before_them() {
        let mut script = script(
            r#"{"note":"two posts in any order"}
            {"host":{"id":1}}
            {"post":{"id":1},"x":1}
            {"post":{"id":2},"x":2}
            {"answer":202,"x":2}
            {"host":{"id":3}}"#,
        );
        let (at, _) = script.next_of_host().unwrap();
        script.play(at);
        assert_eq!(
            script.asked(&post(r#"{"id":2}"#), None, &HeaderMap::new()),
            Some(2)
        );
        let (answer, _) = script.next_on(2).unwrap();
        assert!(!script.is_due(answer));
        assert_eq!(
            script.asked(&post(r#"{"id":1}"#), None, &HeaderMap::new()),
            Some(1)
        );
        assert!(script.is_due(answer) && script.next_of_host().is_none());
        script.play(answer);
        let (last, _) = script.next_of_host().unwrap();
        script.play(last);
        assert!(script.is_over());
        assert_eq!(script.complaint(), None);
    }

    #[test]
    fn what_comes_too_early_or_unasked_is_a_surprise() {
        let mut script = script(
            r#"{"host":{"id":1}}
            {"post":{"id":1,"method":"a"},"headers":{"mcp-session-id":null}}
            {"bridge":{"id":1}}"#,
        );
        assert_eq!(
            script.asked(&post(r#"{"id":1,"method":"a"}"#), None, &HeaderMap::new()),
            None
        );
        script.play(0);
        script.said(r#"{"id":2}"#);
        let mut headers = HeaderMap::new();
        headers.insert("mcp-session-id", http::HeaderValue::from_static("s"));
        assert_eq!(
            script.asked(&post(r#"{"id":1,"method":"a"}"#), None, &headers),
            None
        );
        let complaint = script.complaint().unwrap();
        for part in [
            r#"not expected: post: {"id":1,"method":"a"}"#,
            "is not line 3: at id: expected 1, found 2",
            "is not line 2: at header mcp-session-id: expected nothing, found s",
            "never came: line 2",
            "never came: line 3",
        ] {
            assert!(complaint.contains(part), "{part} in\n{complaint}");
        }
        assert_eq!(script.surprises().len(), 3);
    }

    #[test]
    fn an_exchange_let_go_is_owed_nothing() {
        let mut script = script(
            r#"{"get":true,"x":1}
            {"answer":200,"sse":true}
            {"event":"a"}
            {"closed":1}
            {"event":"b","x":1}"#,
        );
        assert_eq!(script.asked(&Method::Get, None, &HeaderMap::new()), Some(1));
        script.let_go(1);
        assert!(script.is_over());
        assert_eq!(script.complaint(), None);
    }

    #[test]
    fn answers_bear_the_id_that_was_posted() {
        let mut script = script(
            r#"{"post":{"method":"a","id":1}}
            {"post":{"method":"b"}}"#,
        );
        script.asked(&post(r#"{"method":"a","id":1}"#), None, &HeaderMap::new());
        script.asked(
            &post(r#"{"method":"b","id":"bridge:1"}"#),
            None,
            &HeaderMap::new(),
        );
        for (x, text, expected) in [
            (2, r#"{"result":{}}"#, r#"{"result":{},"id":"bridge:1"}"#),
            (2, r#"{"id":7,"result":{}}"#, r#"{"id":7,"result":{}}"#),
            (2, r#"{"method":"m"}"#, r#"{"method":"m"}"#),
            (
                1,
                r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            ),
        ] {
            assert_eq!(script.fed(x, text), expected);
        }
    }

    #[test]
    fn what_only_the_bridge_can_name_is_named_back_to_it() {
        let mut script = script(
            r#"{"post":{"id":"$call","method":"a"},"x":1}
            {"bridge":{"id":"$question","method":"b"}}
            {"host":{"id":"$question","result":{}}}
            {"bridge":{"id":"$question"}}"#,
        );
        let call = post(r#"{"id":"bridge:1","method":"a"}"#);
        script.asked(&call, None, &HeaderMap::new());
        script.said(r#"{"id":"bridge:2","method":"b"}"#);
        let fed = r#"{"jsonrpc":"2.0","id":"$question","result":{}}"#;
        let filled = r#"{"jsonrpc":"2.0","id":"bridge:2","result":{}}"#;
        assert_eq!(script.filled_in(fed), filled);
        let answer = r#"{"id":"$call","result":{}}"#;
        assert_eq!(script.fed(1, answer), r#"{"id":"bridge:1","result":{}}"#);
        let (at, _) = script.next_of_host().unwrap();
        script.play(at);
        script.said(r#"{"id":"bridge:3"}"#);
        let complaint = script.complaint().unwrap();
        let part = "is not line 4: at id: expected \"bridge:2\", found \"bridge:3\"";
        assert!(complaint.contains(part), "{complaint}");
    }
}
