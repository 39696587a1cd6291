//! Everything a remote may say, and more.

use mcpipe::era::{Arrival, Head, HttpError, Post};
use mcpipe::frame::{BridgeError, Frame, Id, member_of};
use mcpipe::secret::Secret;
use serde_json::json;

use super::files;

pub(super) const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"prompts":{},"logging":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},"ttlMs":60000,"cacheScope":"public"}"#;
const INITIALIZED: &str = r#"{"protocolVersion":"2025-11-25","serverInfo":{"name":"s","version":"2"},"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"prompts":{},"logging":{},"tasks":{"requests":{"tools":{"call":{}}}}}}"#;
const ASKS: &str = r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}},"requestState":"s"}"#;

/// The states of a task, in either era.
const STATES: [&str; 6] = [
    r#""status":"working","statusMessage":"half""#,
    r#""status":"working""#,
    r#""status":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}}"#,
    r#""status":"completed","statusMessage":"all","result":{"content":[]}"#,
    r#""status":"failed","error":{"code":7,"message":"x"}"#,
    r#""status":"cancelled""#,
];

/// What an HTTP server answers that has nothing to say.
const STATUSES: [u16; 14] = [
    400, 403, 404, 405, 408, 409, 410, 412, 429, 500, 501, 502, 503, 504,
];
const CODES: [i64; 10] = [
    -32020, -32021, -32022, -32022, -32601, -32602, -32603, -32000, -32001, -32600,
];

pub(super) fn head() -> Head {
    Head {
        status: 200,
        session: Some(Secret::new("session")),
    }
}

/// A sensible answer of a remote that knows both eras, and lists that live a minute.
fn sensible(post: &Post, what: u8) -> String {
    match post.frame.method().unwrap_or_default() {
        "tools/call" if post.frame.param("task").is_some() => {
            r#"{"task":{"taskId":"t","status":"working","pollInterval":10,"statusMessage":"begun"}}"#.into()
        }
        "tasks/get" => format!(r#"{{"taskId":"t",{}}}"#, STATES[usize::from(what) % STATES.len()]),
        "tools/list" if what.is_multiple_of(2) => r#"{"resultType":"complete","tools":[{"name":"t","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}],"ttlMs":60000,"cacheScope":"private"}"#.into(),
        "server/discover" => DISCOVERED.into(),
        "initialize" => INITIALIZED.into(),
        "tools/list" => r#"{"resultType":"complete","tools":[{"name":"t","inputSchema":{"type":"object"}}],"ttlMs":60000,"cacheScope":"private"}"#.into(),
        "resources/read" | "skills/get" => files::answer(post),
        "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => "{}".into(),
        _ => r#"{"resultType":"complete","content":[]}"#.into(),
    }
}

fn error(id: Option<&Id>, what: u8) -> Frame {
    let code = CODES[usize::from(what) % CODES.len()];
    let data = match what % 3 {
        0 => json!({ "supported": ["2026-07-28"] }),
        1 => json!({ "supported": ["2025-11-25"] }),
        _ => json!({ "requiredCapabilities": { "sampling": {} } }),
    };
    Frame::error(id, code, "Session or not", Some(&data))
}

fn progress(post: &Post, what: u8) -> Option<Frame> {
    let meta = post.frame.param("_meta")?;
    let token = member_of(meta, "progressToken")?;
    let params = format!(r#"{{"progressToken":{token},"progress":{what}}}"#);
    Some(Frame::notification("notifications/progress", Some(&params)))
}

/// A request of the remote's own, each with an id of its own.
fn question(count: u64, what: u8) -> Frame {
    let (method, params) = match what % 4 {
        0 => ("roots/list", None),
        1 => (
            "sampling/createMessage",
            Some(r#"{"messages":[],"maxTokens":1}"#),
        ),
        2 => ("ping", None),
        _ => (
            "elicitation/create",
            Some(r#"{"message":"?","requestedSchema":{"type":"object","properties":{}}}"#),
        ),
    };
    let id = Id::parse(&format!("\"remote:{count}\"")).unwrap();
    Frame::request(&id, method, params)
}

fn notice(what: u8) -> Frame {
    let (method, params) = match what % 7 {
        0 => ("notifications/tools/list_changed", "{}"),
        1 => (
            "notifications/resources/updated",
            r#"{"uri":"file:///1","_meta":{"io.modelcontextprotocol/subscriptionId":1}}"#,
        ),
        2 => (
            "notifications/message",
            r#"{"level":"error","data":"words"}"#,
        ),
        3 => (
            "notifications/subscriptions/acknowledged",
            r#"{"notifications":{"toolsListChanged":true}}"#,
        ),
        4 => (
            "notifications/tasks/status",
            r#"{"taskId":"t","status":"completed","statusMessage":"all"}"#,
        ),
        5 => (
            "notifications/tasks",
            r#"{"taskId":"t","status":"working"}"#,
        ),
        _ => (
            "notifications/cancelled",
            r#"{"requestId":"remote:1","reason":"never mind"}"#,
        ),
    };
    Frame::notification(method, Some(params))
}

fn refused(status: u16, frame: Option<Frame>) -> Arrival {
    Arrival::Refused(HttpError {
        status,
        frame,
        text: "words".into(),
        ..HttpError::default()
    })
}

fn failed(what: u8) -> Arrival {
    match what % 6 {
        4 => Arrival::Failed(BridgeError::new("bad_answer", "x")),
        5 => Arrival::Failed(BridgeError {
            status: Some(401),
            ..BridgeError::new("sign_in_needed", "x")
        }),
        0 => Arrival::Failed(BridgeError::new("cut", "x").retryable()),
        1 => Arrival::Failed(BridgeError::new("unreachable", "x").retryable()),
        2 => Arrival::Failed(BridgeError::new("sign_in_needed", "x")),
        _ => Arrival::GivenUp(BridgeError::new("timed_out", "x")),
    }
}

/// The id as servers write it that keep to none of its type and value; now and then it is that of another request.
fn misspelt(id: &Id, what: u8) -> Id {
    let bare = id.text().trim_matches('"');
    let text = match what % 6 {
        0 => format!("\"{bare}\""),
        1 => format!("{bare}.0"),
        2 => "0".into(),
        3 => (what / 6).to_string(),
        4 => (bare.parse::<u64>().unwrap_or_default() + 1).to_string(),
        _ => "\"nobody's\"".into(),
    };
    Id::parse(&text).unwrap_or_else(|| Id::parse("\"nobody's\"").unwrap())
}

/// What comes of this post.
pub(super) fn arrival(post: &Post, count: u64, what: u8) -> Arrival {
    let (kind, what) = (what % 32, what / 32 + (count % 16) as u8);
    let Some(id) = post.frame.id().filter(|_| post.frame.is_request()) else {
        return match kind {
            0..20 => Arrival::Accepted(head()),
            20..24 => refused(STATUSES[usize::from(what) % STATUSES.len()], None),
            24..26 => refused(400, Some(error(None, what))),
            26 => Arrival::Ended,
            27 => Arrival::Frame(notice(what)),
            _ => failed(what),
        };
    };
    match kind {
        0..8 => Arrival::Frame(Frame::result(id, &sensible(post, what))),
        8 => Arrival::Opened(head()),
        9 => Arrival::Frame(progress(post, what).unwrap_or_else(|| notice(what))),
        10 | 11 => Arrival::Frame(Frame::result(id, ASKS)),
        12 => Arrival::Frame(error(Some(id), what)),
        13 => Arrival::Frame(error(None, what)),
        14 => refused(400, Some(error(Some(id), what))),
        15 => refused(404, Some(error(Some(id), what))),
        16 => refused(400, Some(error(None, what))),
        17 | 18 => refused(STATUSES[usize::from(what) % STATUSES.len()], None),
        19 | 20 => Arrival::Ended,
        21 | 22 => failed(what),
        23 => Arrival::Accepted(head()),
        24 | 25 => Arrival::Frame(question(count, what)),
        26 | 27 => Arrival::Frame(notice(what)),
        28 => Arrival::Frame(Frame::result(&misspelt(id, what), &sensible(post, what))),
        29 => Arrival::Frame(Frame::result(
            id,
            [
                r#"{"resultType":"novel"}"#,
                "7",
                r#"{"resultType":"input_required"}"#,
                r#"{"resultType":"input_required","requestState":"s"}"#,
                r#"{"resultType":"task","task":{"taskId":"t","status":"working","pollIntervalMs":10}}"#,
                r#"{"resultType":"task","taskId":"t","status":"working","pollIntervalMs":10}"#,
                r#"{"task":{"taskId":"t","status":"working","pollInterval":10}}"#,
                r#"{"isError":true,"content":[{"type":"text","text":"MCP error -32601: Tool t requires task augmentation (taskSupport: 'required')"}]}"#,
            ][usize::from(what) % 8],
        )),
        30 => Arrival::LostWithSession(HttpError {
            status: 404,
            ..HttpError::default()
        }),
        _ => Arrival::Endpoint("/messages".into()),
    }
}

/// What comes on a standing stream.
pub(super) fn on_stream(count: u64, what: u8) -> Arrival {
    let (kind, what) = (what % 16, what / 16);
    match kind {
        0..4 => Arrival::Opened(head()),
        4..6 => Arrival::Endpoint("/messages?s=1".into()),
        6..9 => Arrival::Frame(question(count, what)),
        9..12 => Arrival::Frame(notice(what)),
        12 => Arrival::Ended,
        13 => failed(what),
        // An answer to what may or may not have been asked.
        14 => Arrival::Frame(Frame::result(
            &Id::parse(&(count % 16).to_string()).unwrap(),
            r#"{"resultType":"complete","content":[]}"#,
        )),
        _ => refused(STATUSES[usize::from(what) % STATUSES.len()], None),
    }
}
