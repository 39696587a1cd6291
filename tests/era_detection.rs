//! Which revision a server is spoken to in, whatever it answers to the first question.

mod both; // servers of both eras, and remembered eras
mod ids; // ids of requests that mcpipe makes

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::host::{INITIALIZE, INITIALIZED, Process, json as read, request};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary};

const DISCOVER: &str = "POST server/discover";
const OPEN: &str = "POST initialize";

/// A host of either era.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    Legacy,
    Modern,
}

const HOSTS: [Host; 2] = [Host::Legacy, Host::Modern];

/// A modern host's request.
fn modern(id: u64, method: &str) -> String {
    let mut request = read(&request(id, method));
    request["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request.to_string()
}

/// The bridge as a host starts it, with this home.
fn start(home: &std::path::Path, arguments: &[&str]) -> Process {
    Process::start_in(home, arguments, &[("MCPIPE_PROTOCOL", "auto")])
}

impl Host {
    /// Begins, and asks for the tools; the answers to both.
    async fn asks_for_tools(self, host: &mut Process) -> Value {
        match self {
            Self::Modern => host.send(modern(1, "tools/list")).await,
            Self::Legacy => {
                host.send(INITIALIZE).await;
                let answer = host.next_json().await;
                assert_eq!(answer["id"], 0, "{answer}");
                if answer.get("error").is_some() {
                    return answer;
                }
                host.send(INITIALIZED).await;
                host.send(request(1, "tools/list")).await;
            }
        }
        let answer = host.next_json().await;
        assert_eq!(answer["id"], 1, "{answer}");
        answer
    }
}

/// A legacy server that answers the question like this.
async fn legacy(answer: impl Fn(&Ask) -> Reply + Send + 'static) -> Server {
    Server::that(move |ask| match ask.label().as_str() {
        DISCOVER => answer(ask),
        "POST tools/list" => Reply::result(ask, r#"{"tools":[]}"#),
        _ => ordinary(ask),
    })
    .await
}

type Answer = fn(&Ask) -> Reply;

/// What servers that know nothing of `server/discover` have been seen to answer it.
const ODD: &[(&str, Answer)] = &[
    ("400", |_| Reply::status(400)),
    ("402", |_| Reply::status(402)),
    ("403", |_| Reply::status(403).body("Forbidden")),
    ("405", |_| Reply::status(405)),
    ("409", |_| Reply::status(409)),
    ("412", |_| Reply::status(412)),
    ("415", |_| Reply::status(415)),
    ("418", |_| Reply::status(418)),
    ("422", |_| Reply::status(422)),
    ("429", |_| Reply::status(429).with("Retry-After", "1")),
    ("500", |_| Reply::status(500).body("Internal Server Error")),
    ("501", |_| Reply::status(501)),
    ("502", |_| Reply::status(502)),
    ("503", |_| Reply::status(503).with("Retry-After", "20")),
    ("504", |_| Reply::status(504)),
    ("a redirect to a page elsewhere", |_| {
        Reply::status(302).with("Location", "http://127.0.0.2:1/sign-in")
    }),
    ("500 with a JSON-RPC error", |ask| Reply {
        status: 500,
        ..error(ask, -32603, "no handler")
    }),
    ("200 with method not found", |ask| error(ask, -32601, "no")),
    ("200 with an error of its own", |ask| {
        error(ask, -32000, "no session")
    }),
    ("an error without an id", |_| {
        Reply::json(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#)
    }),
    ("a cut connection", |_| Reply::cut()),
    ("plain text", |_| {
        Reply::status(200)
            .with("Content-Type", "text/plain")
            .body("OK")
    }),
    ("a page", |_| {
        Reply::status(200)
            .with("Content-Type", "text/html")
            .body("<!doctype html><p>Hello")
    }),
    ("no JSON", |_| Reply::json("OK")),
    ("JSON of another kind", |_| {
        Reply::json(r#"{"status":"ok"}"#)
    }),
    ("JSON-RPC without the word", |ask| {
        Reply::json(format!(r#"{{"id":{},"result":{{}}}}"#, ask.id()))
    }),
    ("an error beside a null result", |ask| {
        let id = ask.id();
        Reply::json(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":null,"error":{{"code":-32601,"message":"no"}}}}"#
        ))
    }),
    ("an empty list", |_| Reply::json("[]")),
    ("an empty result", |ask| Reply::result(ask, "{}")),
    ("a discovery without capabilities", |ask| {
        Reply::result(ask, r#"{"supportedVersions":["2026-07-28"]}"#)
    }),
    ("an empty body", |_| Reply::json("")),
    ("202", |_| Reply::accepted()),
    ("204", |_| Reply::status(204)),
    ("an empty event stream", |_| Reply::events([])),
    ("an event stream of something else", |_| {
        Reply::events([
            Step::event("hello"),
            Step::text("event: ping\ndata: {}\n\n"),
        ])
    }),
    ("an event stream that is cut", |_| {
        Reply::events([Step::Cut])
    }),
];

fn error(ask: &Ask, code: i64, message: &str) -> Reply {
    let id = ask.id();
    Reply::json(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#
    ))
}

#[tokio::test]
async fn whatever_is_no_answer_of_a_modern_server_leads_to_initialize_at_once_and_is_remembered() {
    for (what, answer) in ODD {
        for host in HOSTS {
            let home = tempfile::tempdir().unwrap();
            let server = legacy(answer).await;
            let begun = Instant::now();
            let mut bridge = start(home.path(), &[&server.url()]);
            let told = host.asks_for_tools(&mut bridge).await;
            assert!(
                told["result"]["tools"].is_array(),
                "{what}, {host:?}: {told}"
            );
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(2), "{what}, {host:?}: {took:?}");
            assert_eq!(server.labels()[..2], [DISCOVER, OPEN], "{what}, {host:?}");
            assert_eq!(server.count(DISCOVER), 1, "{what}, {host:?}");
            bridge.closed().await;

            let mut again = start(home.path(), &[&server.url()]);
            host.asks_for_tools(&mut again).await;
            assert_eq!(server.count(DISCOVER), 1, "{what}, {host:?}: asked again");
        }
    }
}

#[tokio::test]
async fn silence_costs_two_seconds_once() {
    for host in HOSTS {
        let home = tempfile::tempdir().unwrap();
        let server = legacy(|_| Reply::status(200).after(Step::forever())).await;
        for (count, limit) in [(1, 4000), (1, 1900)] {
            let begun = Instant::now();
            let mut bridge = start(home.path(), &[&server.url()]);
            let told = host.asks_for_tools(&mut bridge).await;
            assert!(told["result"]["tools"].is_array(), "{host:?}: {told}");
            let took = begun.elapsed();
            assert!(took < Duration::from_millis(limit), "{host:?}: {took:?}");
            assert_eq!(server.count(DISCOVER), count);
            bridge.closed().await;
        }
    }
}

#[tokio::test]
async fn where_initialize_fails_too_its_error_is_the_one_that_is_told() {
    let cases: [(Answer, Answer, u64); 3] = [
        (|_| Reply::status(500), |_| Reply::status(403), 403),
        (
            |_| {
                Reply::status(200)
                    .with("Content-Type", "text/html")
                    .body("<p>")
            },
            |_| Reply::status(500).body("down"),
            500,
        ),
        (|_| Reply::cut(), |_| Reply::status(409), 409),
    ];
    for (question, handshake, status) in cases {
        for host in HOSTS {
            let home = tempfile::tempdir().unwrap();
            let server = Server::that(move |ask| match ask.label().as_str() {
                DISCOVER => question(ask),
                OPEN => handshake(ask),
                _ => Reply::status(405),
            })
            .await;
            let mut bridge = start(home.path(), &[&server.url()]);
            let told = host.asks_for_tools(&mut bridge).await;
            assert_eq!(told["error"]["data"]["status"], status, "{host:?}: {told}");
            bridge.closed().await;
            assert_eq!(learned(home.path()), Value::Null);
        }
    }
}

/// What is remembered of the one server's era.
fn learned(home: &std::path::Path) -> Value {
    let Ok(files) = std::fs::read_dir(home.join("cache/servers")) else {
        return Value::Null;
    };
    let mut files = files.map(|file| file.unwrap().path());
    let Some(file) = files.find(|path| path.extension().is_some_and(|it| it == "json")) else {
        return Value::Null;
    };
    read(&std::fs::read_to_string(file).unwrap())["era"].clone()
}

#[tokio::test]
async fn a_credential_that_the_user_brought_may_be_refused_for_the_question_alone() {
    for status in [401, 403] {
        for host in HOSTS {
            let home = tempfile::tempdir().unwrap();
            let server = legacy(move |_| {
                Reply::status(status).with("WWW-Authenticate", r#"Bearer error="invalid_token""#)
            })
            .await;
            let url = server.url();
            let mut bridge = start(
                home.path(),
                &["--header", "Authorization: Bearer mine", &url],
            );
            let told = host.asks_for_tools(&mut bridge).await;
            assert!(
                told["result"]["tools"].is_array(),
                "{status}, {host:?}: {told}"
            );
            assert_eq!(server.labels()[..2], [DISCOVER, OPEN]);
        }
    }
    // A credential that is refused for everything is an error, and it says so.
    let home = tempfile::tempdir().unwrap();
    let server = Server::that(|_| Reply::status(401)).await;
    let url = server.url();
    let mut bridge = start(
        home.path(),
        &["--header", "Authorization: Bearer mine", &url],
    );
    let told = Host::Legacy.asks_for_tools(&mut bridge).await;
    assert_eq!(told["error"]["data"]["status"], 401, "{told}");
}

#[tokio::test]
async fn an_outage_is_no_verdict() {
    for host in HOSTS {
        let home = tempfile::tempdir().unwrap();
        let server = Server::that(|_| Reply::cut()).await;
        let mut bridge = start(home.path(), &[&server.url()]);
        let told = host.asks_for_tools(&mut bridge).await;
        assert_eq!(told["error"]["data"]["source"], "mcpipe", "{told}");
        bridge.closed().await;
        assert_eq!(learned(home.path()), Value::Null, "{host:?}");

        // Nothing listens at this address at all.
        let url = "http://127.0.0.1:1/mcp";
        let mut bridge = start(home.path(), &[url]);
        let told = host.asks_for_tools(&mut bridge).await;
        assert_eq!(told["error"]["data"]["kind"], "unreachable", "{told}");
        bridge.closed().await;
        assert_eq!(learned(home.path()), Value::Null, "{host:?}");
    }
}

#[tokio::test]
async fn a_host_that_has_asked_the_question_itself_and_was_told_no_is_not_asked_for_again() {
    let answers: [Answer; 3] = [
        |_| Reply::status(500),
        |ask| error(ask, -32601, "no"),
        |_| Reply::status(404),
    ];
    for answer in answers {
        let mut refusals = 1;
        // It refuses the first handshake, so that the host's own question is answered with a no.
        let server = Server::that(move |ask| match ask.label().as_str() {
            DISCOVER => answer(ask),
            OPEN if refusals > 0 => {
                refusals -= 1;
                error(ask, -32602, "clientInfo.name is not known")
            }
            _ => ordinary(ask),
        })
        .await;
        let home = tempfile::tempdir().unwrap();
        let mut bridge = start(home.path(), &[&server.url()]);
        bridge.send(modern(1, "server/discover")).await;
        let told = bridge.next_json().await;
        assert!(told.get("error").is_some(), "{told}");
        bridge.send(INITIALIZE).await;
        let told = bridge.next_json().await;
        assert_eq!(told["result"]["serverInfo"]["name"], "remote", "{told}");
        assert_eq!(server.labels(), [DISCOVER, OPEN, OPEN]);
    }
}

#[tokio::test]
async fn an_error_about_an_era_names_the_way_to_the_other_one() {
    let cases: [(&str, &[&str], Answer, Host); 4] = [
        (
            "it requires more",
            &[],
            |ask| {
                let id = ask.id();
                Reply {
                    status: 400,
                    ..Reply::json(format!(
                        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32021,"message":"m","data":{{"requiredCapabilities":{{"sampling":{{}}}}}}}}}}"#
                    ))
                }
            },
            Host::Legacy,
        ),
        (
            "it misses a header",
            &[],
            |ask| Reply {
                status: 400,
                ..error(ask, -32020, "Mcp-Method is missing")
            },
            Host::Legacy,
        ),
        (
            "it speaks what is to come",
            &[],
            |ask| {
                let id = ask.id();
                Reply {
                    status: 400,
                    ..Reply::json(format!(
                        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"v","data":{{"supported":["2031-01-01"]}}}}}}"#
                    ))
                }
            },
            Host::Legacy,
        ),
        (
            "the user wants the modern era",
            &["--protocol", "modern"],
            |_| Reply::status(404),
            Host::Modern,
        ),
    ];
    for (what, flags, answer, host) in cases {
        let home = tempfile::tempdir().unwrap();
        let server = legacy(answer).await;
        let url = server.url();
        let arguments: Vec<&str> = flags.iter().copied().chain([&*url]).collect();
        let mut bridge = start(home.path(), &arguments);
        let told = host.asks_for_tools(&mut bridge).await;
        let hint = told["error"]["data"]["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("--protocol legacy"), "{what}: {told}");
        assert_eq!(server.count(OPEN), 0, "{what}");
    }
}
