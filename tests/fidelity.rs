//! Byte fidelity over the two mixed pairs: whatever no rule of these pairs names arrives as it left, to the letter, on
//! the way out and on the way back. Numbers no `f64` holds, needless escapes, spaces, unknown members and their
//! order are what a parse and a print would lose.
//!
//! 64 cases, always the same ones; `MCPIPE_FIDELITY_CASES` plays more.

use std::fmt;

use mcpipe::era::{
    Action, Arrival, ExchangeId, Head, HttpError, Options, Post, Protocol, Translator, Transport,
};
use mcpipe::frame::{Frame, member_of};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"prompts":{},"resources":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"protocolVersion":"2025-11-25","serverInfo":{"name":"s","version":"2"},"capabilities":{"tools":{},"prompts":{},"resources":{}}}"#;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":"first","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"h","version":"1"}}}"#;
const MODERN_META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"h","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}"#;

/// Which of the two sides is modern; the other is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pair {
    LegacyToModern,
    ModernToLegacy,
}

/// An object's members: a name as written, and the value's text.
#[derive(Clone)]
struct Members(Vec<(String, String)>);

impl Members {
    fn with(mut self, name: &str, value: String) -> Self {
        self.0.push((format!("\"{name}\""), value));
        self
    }
}

/// As they stand in an object, without its braces.
impl fmt::Display for Members {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (name, value)) in self.0.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            write!(out, "{comma}{name}:{value}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

/// What one side says: members beside `params` or `result`, in it, and in its `_meta`.
#[derive(Clone, Debug)]
struct Said {
    top: Members,
    inside: Members,
    meta: Members,
}

impl Said {
    /// The object in which `reserved`, members with a comma behind or nothing, share `_meta`.
    fn object(&self, reserved: &str) -> String {
        let Self { inside, meta, .. } = self;
        format!(r#"{{"_meta":{{{reserved}{meta}}},{inside}}}"#)
    }

    fn arrived(&self, frame: &Frame, within: &str) {
        let object = frame.member(within).unwrap();
        let meta = member_of(object, "_meta").unwrap();
        for (place, members) in [
            (frame.text(), &self.top),
            (object, &self.inside),
            (meta, &self.meta),
        ] {
            for (name, value) in &members.0 {
                let name: String = serde_json::from_str(name).unwrap();
                assert_eq!(member_of(place, &name), Some(&**value), "{name} in {place}");
            }
            // In their order and under the spelling of their names, too.
            let text = members.to_string();
            assert!(place.contains(&text), "{text} in {place}");
        }
    }
}

#[derive(Clone, Debug)]
struct Case {
    id: &'static str,
    method: &'static str,
    asked: Said,
    answered: Said,
}

fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(vec![
            r"\u0061",
            r"\/",
            r"\u002F",
            r"\u002f",
            r"\\",
            r#"\""#,
            r"\n",
            r"\u000a",
            r"\u0000",
            r"\ud83d\ude00",
            r"\uD83D\uDE00",
            "😀",
            "é",
            "e\u{301}",
            "\u{2028}",
            "\u{7f}",
            "/",
            "{",
            "]",
            ",",
            ":",
            " ",
            "null",
            "1.0",
            r"\b\f\r\t",
        ])
        .prop_map(str::to_owned),
        any::<u16>().prop_map(|word| format!("{word:x}")),
    ];
    vec(piece, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "9007199254740993",
            "-9007199254740993",
            "18446744073709551616",
            "1e400",
            "-1E+400",
            "1e-400",
            "1.0",
            "1.10",
            "-0",
            "-0.0",
            "0e0",
            "1E2",
            "100000000000000000000000000",
            "0.1000000000000000055511151231257827",
            "3.141592653589793238462643383279",
        ])
        .prop_map(str::to_owned),
        (any::<i64>(), any::<u64>(), -999..999_i32)
            .prop_map(|(whole, part, power)| format!("{whole}.{part}e{power:+}")),
        any::<i128>().prop_map(|whole| whole.to_string()),
    ]
}

/// Members with names that sort otherwise than they stand, none twice.
fn members(value: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = Members> {
    let stem = select(vec![
        "z",
        "a",
        r"\u0061",
        r"x\/y",
        "x/y",
        "é",
        "😀",
        r"\ud83d\ude00",
        "with space",
        r#"q\""#,
        "9",
        "io.example/k",
    ]);
    vec((stem, value), 1..most).prop_map(|members| {
        let named = members.into_iter().enumerate();
        Members(
            named
                .map(|(nth, (stem, value))| (format!("\"{stem}~{nth}\""), value))
                .collect(),
        )
    })
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        1 => select(vec!["null", "true", "false", "[]", "{}", "[ ]", "{\t}"]).prop_map(str::to_owned),
        3 => number(),
        3 => words(),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let space = || select(vec!["", " ", "\t", "  "]);
        prop_oneof![
            (vec(inner.clone(), 0..5), space(), space()).prop_map(|(values, before, after)| {
                format!(
                    "[{before}{}{after}]",
                    values.join(&format!("{after},{before}"))
                )
            }),
            (members(inner, 5), space(), space())
                .prop_map(|(members, before, after)| { format!("{{{before}{members}{after}}}") }),
        ]
    })
}

fn object() -> impl Strategy<Value = String> {
    members(value(), 6).prop_map(|members| format!("{{{members}}}"))
}

fn said(inside: impl Strategy<Value = Members>) -> impl Strategy<Value = Said> {
    (members(value(), 3), inside, members(value(), 4)).prop_map(|(top, inside, meta)| Said {
        top,
        inside,
        meta,
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let id = select(vec![
        "7",
        "9007199254740993",
        r#""\u0061\/b""#,
        r#""""#,
        "-1",
    ]);
    let asked = (members(value(), 4), object(), words()).prop_map(|(others, arguments, name)| {
        others
            .with("arguments", arguments)
            .with("uri", name.clone())
            .with("name", name)
    });
    let answered = (members(value(), 4), vec(object(), 0..4), object());
    let answered = answered.prop_map(|(others, content, structured)| {
        others
            .with("structuredContent", structured)
            .with("isError", "false".into())
            .with("content", format!("[{}]", content.join(" , ")))
    });
    let method = prop_oneof![
        3 => Just("tools/call"),
        1 => Just("prompts/get"),
        1 => Just("resources/read"),
    ];
    (id, method, said(asked), said(answered)).prop_map(|(id, method, asked, answered)| Case {
        id,
        method,
        asked,
        answered,
    })
}

/// A translator between a host and a remote of the other era.
struct Between {
    translator: Translator,
    pair: Pair,
    told: Vec<Frame>,
    calls: Vec<Post>,
}

impl Between {
    fn new(pair: Pair) -> Self {
        let translator = Translator::new(Options {
            protocol: Protocol::Auto,
            transport: Transport::HttpOnly,
            seed: [7; 32],
            ..Options::default()
        });
        Self {
            translator,
            pair,
            told: Vec::new(),
            calls: Vec::new(),
        }
    }

    fn says(&mut self, text: &str) {
        let mut actions = Vec::new();
        let frame = Frame::parse(text).unwrap();
        self.translator.on_host_message(frame, &mut actions);
        self.settle(actions);
    }

    fn brings(&mut self, exchange: ExchangeId, arrival: Arrival) {
        let mut actions = Vec::new();
        self.translator.on_arrival(exchange, arrival, &mut actions);
        self.settle(actions);
    }

    fn answers(&mut self, post: &Post, answer: &str) {
        self.brings(post.exchange, Arrival::Opened(Head::default()));
        let frame = Frame::parse(answer).unwrap();
        self.brings(post.exchange, Arrival::Frame(frame));
        self.brings(post.exchange, Arrival::Ended);
    }

    /// Plays a remote of the other era up to the calls, which are kept.
    fn settle(&mut self, actions: Vec<Action>) {
        let refused = |status| {
            Arrival::Refused(HttpError {
                status,
                ..HttpError::default()
            })
        };
        for action in actions {
            match action {
                Action::Reply(frame) => self.told.push(frame),
                Action::Listen(listen) => self.brings(listen.exchange, refused(405)),
                Action::Post(post) => match (post.frame.method().unwrap(), self.pair) {
                    ("server/discover", Pair::ModernToLegacy) => {
                        self.brings(post.exchange, refused(404));
                    }
                    ("server/discover", Pair::LegacyToModern) => {
                        let id = post.frame.id().unwrap();
                        self.answers(&post, Frame::result(id, DISCOVERED).text());
                    }
                    ("initialize", Pair::LegacyToModern) => {
                        self.brings(post.exchange, refused(400));
                    }
                    ("initialize", Pair::ModernToLegacy) => {
                        let id = post.frame.id().unwrap();
                        self.answers(&post, Frame::result(id, INITIALIZED).text());
                    }
                    ("notifications/initialized", Pair::ModernToLegacy) => {
                        self.brings(post.exchange, Arrival::Accepted(Head::default()));
                    }
                    _ => self.calls.push(post),
                },
                _ => {}
            }
        }
    }
}

fn play(pair: Pair, case: &Case) {
    let Case {
        id,
        method,
        asked,
        answered,
    } = case;
    let mut between = Between::new(pair);
    let reserved = match pair {
        Pair::ModernToLegacy => format!("{MODERN_META},"),
        Pair::LegacyToModern => {
            between.says(INITIALIZE);
            assert_eq!(between.told.len(), 1, "{:?}", between.told);
            between.told.clear();
            String::new()
        }
    };
    let (top, params) = (&asked.top, asked.object(&reserved));
    between.says(&format!(
        r#"{{{top},"params":{params},"method":"{method}","id":{id},"jsonrpc":"2.0"}}"#
    ));
    let [call] = &between.calls[..] else {
        panic!("posted {:?}, told {:?}", between.calls, between.told);
    };
    let call = call.clone();
    assert_eq!(call.frame.method(), Some(*method));
    asked.arrived(&call.frame, "params");

    let reserved = match pair {
        Pair::ModernToLegacy => "",
        Pair::LegacyToModern => {
            r#""io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"},"#
        }
    };
    let (top, result) = (&answered.top, answered.object(reserved));
    let upstream = call.frame.id().unwrap();
    between.answers(
        &call,
        &format!(r#"{{{top},"result":{result},"id":{upstream},"jsonrpc":"2.0"}}"#),
    );
    let [reply] = &between.told[..] else {
        panic!("told {:?}", between.told);
    };
    assert_eq!(reply.member("id"), Some(*id));
    answered.arrived(reply, "result");
}

fn hold(pair: Pair) {
    #[expect(clippy::disallowed_methods, reason = "a variable of this test")]
    let cases_asked = std::env::var("MCPIPE_FIDELITY_CASES");
    let config = Config {
        cases: cases_asked.map_or(64, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[6; 32]);
    let outcome = TestRunner::new_with_rng(config, rng).run(&cases(), |case| {
        play(pair, &case);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{pair:?}: {error}");
    }
}

#[test]
fn a_legacy_host_and_a_modern_remote_hear_each_other_to_the_letter() {
    hold(Pair::LegacyToModern);
}

#[test]
fn a_modern_host_and_a_legacy_remote_hear_each_other_to_the_letter() {
    hold(Pair::ModernToLegacy);
}
