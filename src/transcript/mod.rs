//! The recording format, which is also the fixture format: what passed between host and bridge, and between bridge and server, one JSON object
//! a line.
//!
//! Read by eye first. A line has one member that says what it is, and a few that say more:
//!
//! ```text
//! {"recording":{"mcpipe":"1.2.3","content":"shapes"}}           a recording begins here; see [`About`]
//! {"note":"anything"}
//! {"host":{"id":1,"method":"tools/list"}}                       the host says
//! {"eof":true}                                                  the host closes its end
//! {"post":{"method":"tools/list"},"headers":{"mcp-name":null}}  the bridge posts; a null header must not be there
//! {"post":{"method":"ping"},"to":"/messages?s=1"}               the same, not to the configured address
//! {"get":true,"x":2}  {"delete":true}                           the other two methods
//! {"answer":200,"json":{"result":{"tools":[]}}}                 the remote answers with one body,
//! {"answer":200,"sse":true,"headers":{"mcp-session-id":"s"}}    with a stream,
//! {"answer":202}  {"answer":400,"text":"no"}                    with neither
//! {"event":{"method":"notifications/message"},"id":"7"}         and says on its stream (also "kind", "retry")
//! {"event":"","id":"0","retry":500}                             a text is data, or a line, that is no message
//! {"ended":2}  {"cut":2}  {"fault":"unreachable"}               the stream ends, breaks, or never began
//! {"closed":2}                                                  the bridge lets go of an exchange
//! {"bridge":{"id":1,"result":{"tools":[]}}}                     the bridge tells the host
//! ```
//!
//! `x` names the exchange, one HTTP request and everything that comes back on it. A request without one opens an
//! exchange that needs no name; any other line without one (`true` for `ended`, `cut` and `closed`) belongs to the
//! exchange spoken of last. What is fed in (`host`, `answer`, `event`) has `"jsonrpc":"2.0"` filled in, and a response
//! without an id the id of the post it answers. What is expected (`post`, `get`, `delete`, `closed`, `bridge`) matches
//! when every member written is there and equal. What only the bridge can name, ids and tokens of its own,
//! has a name here: an expected `"$question"` takes whatever is there and is the same on every line after that, and two
//! names are two things; an expected `"$nothing"` is a member that must be missing. `at` is when, in milliseconds; nothing
//! depends on it. Lines about the recording (`recording`, `eras`, `sign_in`) are for the reader, as notes are; a second
//! `recording` in one file begins another process's. Where its `content` is `shapes`, messages have lost their content
//! ([`shape`]): they play as they are written, and what the bridge makes of contents cannot be told from them.
//!
//! Knows the lines, not where they are kept, and nothing of what MCP means by them.

mod entry;
pub mod redact;
pub mod shape;
mod wire;

pub use entry::{About, AnswerBody, Entry, ExchangeNumber, FaultKind, HeaderValues, Method};

use wire::{Names, Wire};

/// The lines of a recording, in order.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// Its lines, without blank ones.
    pub lines: Vec<Line>,
}

/// A line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The place in its file, counted from 1.
    pub number: usize,
    /// The content.
    pub entry: Entry,
}

/// A line that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Error {
    /// The line, counted from 1.
    pub line: usize,
    /// The fault in it.
    pub what: String,
}

impl Transcript {
    /// Reads a transcript. Exchanges are renumbered in order of appearance, so that recordings may be appended to one
    /// another.
    ///
    /// # Errors
    /// The first line that is no entry, or speaks of an exchange that is not at that point.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut names = Names::default();
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() {
                continue;
            }
            let entry = serde_json::from_str::<Wire>(line)
                .map_err(|error| error.to_string())
                .and_then(|wire| wire.entry(&mut names))
                .map_err(|what| Error { line: number, what })?;
            lines.push(Line { number, entry });
        }
        Ok(Self { lines })
    }
}

impl Entry {
    /// The line that says it, without its end; `at` in milliseconds since the recording began.
    pub fn line(&self, at: Option<u64>) -> String {
        // Strings, numbers and checked JSON cannot fail to be written.
        serde_json::to_string(&Wire::of(self, at)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse;

    fn entries(text: &str) -> Vec<Entry> {
        let lines = Transcript::parse(text).unwrap().lines;
        lines.into_iter().map(|line| line.entry).collect()
    }

    #[test]
    fn lines_without_a_name_belong_to_the_exchange_spoken_of_last() {
        let found: Vec<_> = entries(
            r#"
            {"post":{"method":"a"},"x":7}
            {"get":true}
            {"answer":200,"sse":true}
            {"event":{"method":"m"}}
            {"answer":200,"sse":true,"x":7}
            {"event":{"method":"m"}}
            {"ended":true}
            {"post":{"method":"b"},"x":7}
            {"answer":202,"x":7}
            "#,
        )
        .iter()
        .map(|entry| entry.exchange().unwrap())
        .collect();
        assert_eq!(found, [1, 2, 2, 2, 1, 1, 1, 3, 3]);
    }

    #[test]
    fn what_is_fed_gets_its_version_and_what_is_expected_stays() {
        let [host, batch, text, bridge] = &entries(
            r#"{"host":{"id":1,"method":"x"}}
            {"host":[{},{"jsonrpc":"2.0","id":1}]}
            {"host":"{\"id\":1"}
            {"bridge":{"id":1}}"#,
        )[..] else {
            panic!("not four entries")
        };
        let expected = r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#;
        assert_eq!(host, &Entry::Host(expected.into()));
        let expected = r#"[{"jsonrpc":"2.0"},{"jsonrpc":"2.0","id":1}]"#;
        assert_eq!(batch, &Entry::Host(expected.into()));
        assert_eq!(text, &Entry::Host(r#"{"id":1"#.into()));
        assert_eq!(bridge, &Entry::Bridge(r#"{"id":1}"#.into()));
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let event = sse::Event {
            kind: Some("message".into()),
            data: "{\"jsonrpc\":\"2.0\",\n\"method\":\"m\"}".into(),
            id: Some(String::new()),
            retry: Some(std::time::Duration::from_millis(5)),
        };
        let headers: HeaderValues = [("a".into(), Some("b".into())), ("c".into(), None)].into();
        let request = |x, verb| Entry::Request {
            x,
            verb,
            to: (x == 4).then(|| "/messages?s=1".into()),
            headers: headers.clone(),
        };
        let answer = |x, body| Entry::Answer {
            x,
            status: 200,
            headers: headers.clone(),
            body,
        };
        let frame = r#"{"jsonrpc":"2.0","id":1.0,"result":1e400}"#;
        let written = [
            Entry::Note("n\n".into()),
            Entry::Host(frame.into()),
            Entry::Host(r#"{"method":"without a version"}"#.into()),
            Entry::Host(r#""a JSON string""#.into()),
            Entry::Host("{broken".into()),
            request(1, Method::Post(frame.into())),
            request(2, Method::Get),
            request(3, Method::Delete),
            request(4, Method::Post(format!("[{frame}]"))),
            answer(1, AnswerBody::Json(frame.into())),
            answer(2, AnswerBody::Stream),
            answer(3, AnswerBody::Text("no".into())),
            Entry::Fault {
                x: 4,
                why: FaultKind::NotMcp,
                text: "<html>".into(),
            },
            Entry::About(About::Recording, r#"{"mcpipe":"1"}"#.into()),
            Entry::About(About::Eras, r#"{"host":"legacy"}"#.into()),
            Entry::About(About::SignIn, r#"{"status":200}"#.into()),
            Entry::Event { x: 2, event },
            Entry::Bridge(frame.into()),
            Entry::Cut(2),
            Entry::Closed(1),
            Entry::Eof,
        ];
        let text: Vec<_> = written.iter().map(|entry| entry.line(Some(9))).collect();
        assert_eq!(entries(&text.join("\n")), written);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named() {
        for (text, line) in [
            ("{}", 1),
            ("\n{\"hots\":1}", 2),
            (r#"{"answer":200}"#, 1),
            (r#"{"note":"a","eof":true}"#, 1),
            ("{\"get\":true}\n{\"answer\":405}\n{\"answer\":405}", 3),
            ("{\"get\":true}\n{\"answer\":405}\n{\"event\":\"\"}", 3),
            ("{\"get\":true}\n{\"ended\":9}", 2),
        ] {
            assert_eq!(Transcript::parse(text).unwrap_err().line, line, "{text}");
        }
    }
}
