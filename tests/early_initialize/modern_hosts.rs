//! A modern host while a user signs in: its handshake, the memory that it is answered from, and its subscriptions.
//!
//! Hosts of both eras that begin with `initialize` because `server/discover` is answered late: reported in
//! github/copilot-cli#4525 and netclaw-dev/netclaw#2015.

use std::time::Duration;

use mcpipe::era::Protocol;
use serde_json::{Value, json};
use tokio::time;
use url::Url;

use super::impatient;
use crate::coordination::{Machine, answer};
use crate::support::browser;
use crate::support::host::{INITIALIZED, Process, request};
use crate::support::remote::{Ask, Reply, Step, ordinary};

/// A modern host's message.
fn modern_line(id: impl Into<Value>, method: &str, params: &Value) -> String {
    let mut line = json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params });
    line["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } },
        "io.modelcontextprotocol/clientInfo": { "name": "host", "version": "1" },
    });
    line.to_string()
}

fn discover(id: u64) -> String {
    modern_line(id, "server/discover", &json!({}))
}

fn list(id: u64) -> String {
    modern_line(id, "tools/list", &json!({}))
}

/// Asks for the changes of two lists, under the id `s`.
fn listen() -> String {
    let filter = json!({ "toolsListChanged": true, "promptsListChanged": true });
    let params = json!({ "notifications": filter });
    modern_line("s", "subscriptions/listen", &params)
}

/// Asks for the discover result in the legacy way.
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"h","version":"1"}}}"#;

/// A server that tells of the changes of its tools.
fn discovered(scope: &str, ttl: u64) -> String {
    json!({
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": { "tools": { "listChanged": true }, "extensions": { "com.example/x": { "n": 1 } } },
        "instructions": "Add with care.",
        "ttlMs": ttl,
        "cacheScope": scope,
        "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "remote", "version": "1" } },
    })
    .to_string()
}

fn modern(ask: &Ask) -> Reply {
    serve_modern(ask, &discovered("public", 3_600_000))
}

fn expired(ask: &Ask) -> Reply {
    serve_modern(ask, &discovered("public", 0))
}

fn private(ask: &Ask) -> Reply {
    serve_modern(ask, &discovered("private", 3_600_000))
}

fn serve_modern(ask: &Ask, discovered: &str) -> Reply {
    match ask.label().as_str() {
        "POST server/discover" => Reply::result(ask, discovered),
        "POST initialize" => Reply::status(400),
        "GET" => Reply::status(405),
        "POST subscriptions/listen" => {
            let acknowledged = json!({
                "jsonrpc": "2.0",
                "method": "notifications/subscriptions/acknowledged",
                "params": {
                    "notifications": { "toolsListChanged": true },
                    "_meta": { "io.modelcontextprotocol/subscriptionId": serde_json::from_str::<Value>(&ask.id()).unwrap() },
                },
            });
            Reply::events([Step::event(acknowledged.to_string()), Step::forever()])
        }
        _ => Reply::result(
            ask,
            r#"{"resultType":"complete","tools":[],"ttlMs":0,"cacheScope":"private"}"#,
        ),
    }
}

/// A legacy server with a standing stream, which tells of the changes of its tools.
fn legacy(ask: &Ask) -> Reply {
    match (ask.label().as_str(), ask.header("mcp-session-id")) {
        ("POST initialize", _) => {
            let result = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"tasks":{"list":{}},"extensions":{"com.example/x":{"n":1}}},"serverInfo":{"name":"remote","version":"1"},"instructions":"Add with care."}"#;
            Reply::result(ask, result).with("Mcp-Session-Id", "one")
        }
        (_, None) => Reply::status(400).body(
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no session"}}"#,
        ),
        ("POST tools/list", _) => Reply::result(ask, r#"{"tools":[]}"#),
        ("GET", _) => Reply::events([Step::forever()]),
        _ => ordinary(ask),
    }
}

fn bridge(machine: &Machine, arguments: &[&str]) -> Process {
    let url = machine.remote.url();
    let mut all = arguments.to_vec();
    all.extend(["--auth-timeout", "40", &url]);
    let browser = machine.browser().display().to_string();
    let variables = [("BROWSER", browser.as_str()), ("MCPIPE_PROTOCOL", "auto")];
    Process::start_in(machine.home.path(), &all, &variables)
}

/// A machine on which a host has seen the server, and whose user has signed out since.
async fn seen_by(first: &str, serve: fn(&Ask) -> Reply) -> Machine {
    let machine = Machine::serving(serve).await;
    let mut host = bridge(&machine, &["--wait-for-login"]);
    host.send(first).await;
    let person = async { browser::follow(&machine.page(1).await).await };
    let (line, _) = tokio::join!(host.next_json(), person);
    assert!(line["result"].is_object(), "{line}");
    if first == INITIALIZE {
        host.send(INITIALIZED).await;
    }
    assert!(host.closed().await.status.success());
    machine.authority.revoke_all();
    std::fs::remove_file(machine.home.path().join("vault.bin")).unwrap();
    machine
}

async fn early(host: &mut Process) -> Value {
    let line = time::timeout(Duration::from_secs(10), host.next_json()).await;
    line.expect("an early answer")["result"].take()
}

/// Reads on until this is there.
async fn heard(host: &mut Process, is_all: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let mut lines = Vec::new();
    while !is_all(&lines) {
        let line = time::timeout(Duration::from_secs(12), host.next_json()).await;
        let Ok(line) = line else {
            panic!("{lines:#?}\n{}", host.said_so_far());
        };
        lines.push(line);
    }
    lines
}

fn place(lines: &[Value], method: &str) -> Option<usize> {
    lines.iter().position(|line| line["method"] == method)
}

/// Plays a host that subscribes and lists while its user signs in, and the user.
async fn goes_on(machine: &Machine, host: &mut Process, pages: usize) {
    host.send(listen()).await;
    host.send(list(2)).await;
    // This process waits too, whichever has begun the sign-in.
    host.has_said("by visiting:").await;
    let page = machine.page(pages).await;
    browser::follow(&page).await;
    let changed = "notifications/tools/list_changed";
    let lines = heard(host, |lines| {
        place(lines, changed).is_some() && lines.iter().any(|line| line["id"] == 2)
    })
    .await;
    let acknowledged = place(&lines, "notifications/subscriptions/acknowledged");
    assert!(acknowledged < place(&lines, changed), "{lines:?}");
    for line in lines.iter().filter(|line| line["method"].is_string()) {
        assert_eq!(
            line["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
            "s"
        );
    }
    // The server does not offer the other list.
    assert_eq!(place(&lines, "notifications/prompts/list_changed"), None);
    assert!(
        lines.iter().all(|line| line["id"] != 1),
        "server/discover was answered twice: {lines:?}"
    );
}

#[tokio::test]
async fn discover_is_answered_while_a_person_signs_in_and_the_lists_are_announced_after() {
    for (serve, handshake) in [
        (modern as fn(&Ask) -> Reply, "POST server/discover"),
        (legacy, "POST initialize"),
    ] {
        let machine = Machine::serving(serve).await;
        let mut host = bridge(&machine, &[]);
        host.send(discover(1)).await;
        let least = early(&mut host).await;
        assert_eq!(least["supportedVersions"], json!(["2026-07-28"]));
        assert_eq!(least["ttlMs"], 0);
        let changing = json!({ "listChanged": true });
        assert_eq!(
            least["capabilities"],
            json!({ "tools": changing, "prompts": changing, "resources": changing })
        );
        let instructions = least["instructions"].as_str().unwrap();
        assert!(instructions.contains("sign-in"), "{least}");
        assert!(machine.authority.at("/authorize").is_empty());
        goes_on(&machine, &mut host, 1).await;
        let all = machine.remote.all();
        let with_token =
            |ask: &&Ask| ask.label() == handshake && ask.header("authorization").is_some();
        assert_eq!(all.iter().filter(with_token).count(), 1, "{handshake}");
        assert!(host.closed().await.status.success());
    }
}

#[tokio::test]
async fn what_a_server_said_in_either_era_is_told_to_hosts_of_both() {
    let meta =
        json!({ "io.modelcontextprotocol/serverInfo": { "name": "remote", "version": "1" } });
    for (serve, first, has_instructions, has_tasks, ttl) in [
        (
            modern as fn(&Ask) -> Reply,
            discover(1),
            true,
            false,
            3_600_000,
        ),
        // Kept for hosts that declare as much as the one that asked.
        (modern, INITIALIZE.to_owned(), true, false, 0),
        (expired, discover(1), true, false, 0),
        (private, discover(1), false, false, 0),
        (private, INITIALIZE.to_owned(), false, false, 0),
        (legacy, discover(1), true, true, 0),
        (legacy, INITIALIZE.to_owned(), true, true, 0),
    ] {
        let machine = seen_by(&first, serve).await;
        println!("{first}, {ttl}, {has_instructions}"); // shown where it fails
        let instructions = match has_instructions {
            true => json!("Add with care."),
            false => Value::Null,
        };
        let mut host = bridge(&machine, &[]);
        host.send(discover(1)).await;
        let told = early(&mut host).await;
        assert_eq!(told["_meta"], meta, "{told}");
        assert_eq!(told["instructions"], instructions, "{told}");
        assert_eq!(told["ttlMs"], ttl, "{told}");
        assert_eq!(
            told["capabilities"],
            json!({ "tools": { "listChanged": true }, "extensions": { "com.example/x": { "n": 1 } } }),
        );
        goes_on(&machine, &mut host, 2).await;
        assert!(host.closed().await.status.success());

        machine.authority.revoke_all();
        std::fs::remove_file(machine.home.path().join("vault.bin")).unwrap();
        let mut host = bridge(&machine, &[]);
        host.send(INITIALIZE).await;
        let told = early(&mut host).await;
        assert_eq!(told["protocolVersion"], "2025-11-25", "{told}");
        assert_eq!(told["serverInfo"]["name"], "remote", "{told}");
        assert_eq!(told["instructions"], instructions, "{told}");
        let tasks = told["capabilities"].get("tasks").is_some();
        assert_eq!(tasks, has_tasks, "{told}");
        let extension = &told["capabilities"]["extensions"]["com.example/x"];
        assert_eq!(extension, &json!({ "n": 1 }), "{told}");
        assert!(host.closed().await.status.success());
    }
}

#[tokio::test]
async fn a_subscription_after_the_sign_in_hears_that_the_host_was_told_other_capabilities() {
    for serve in [modern as fn(&Ask) -> Reply, legacy] {
        let machine = Machine::serving(serve).await;
        let mut host = bridge(&machine, &[]);
        host.send(discover(1)).await;
        assert!(early(&mut host).await.is_object());
        host.send(list(2)).await;
        host.has_said("by visiting:").await;
        browser::follow(&machine.page(1).await).await;
        assert!(answer(&mut host, 2).await["result"].is_object());
        host.send(listen()).await;
        let lines = heard(&mut host, |lines| lines.len() == 2).await;
        let changed = "notifications/tools/list_changed";
        assert_eq!(place(&lines, changed), Some(1), "{lines:?}");
        // It is said once.
        host.send(listen().replace(r#""s""#, r#""t""#)).await;
        host.send(list(3)).await;
        let is_answered = |lines: &[Value]| lines.iter().any(|line| line["id"] == 3);
        let acknowledged = "notifications/subscriptions/acknowledged";
        let is_all = |lines: &[Value]| is_answered(lines) && place(lines, acknowledged).is_some();
        let lines = heard(&mut host, is_all).await;
        assert_eq!(place(&lines, changed), None, "{lines:?}");
        assert!(host.closed().await.status.success());
    }
}

/// The official TypeScript client asks `server/discover` of a process that it then ends, and begins with a subscription
/// in another.
#[tokio::test]
async fn a_host_that_begins_with_a_subscription_hears_of_the_lists_when_it_stands() {
    for serve in [modern as fn(&Ask) -> Reply, legacy] {
        let machine = Machine::serving(serve).await;
        let mut first = bridge(&machine, &[]);
        first.send(discover(1)).await;
        assert!(early(&mut first).await.is_object());
        first.closed().await;
        let mut host = bridge(&machine, &[]);
        goes_on(&machine, &mut host, 1).await;
        assert!(host.closed().await.status.success());
        assert_eq!(machine.shown().len(), 1);
    }
}

/// Requests are told where to sign in after a while; a subscription has no answer for that, and stands when it can.
#[tokio::test]
async fn a_subscription_waits_longer_than_a_request_and_then_hears_what_the_request_missed() {
    for serve in [modern as fn(&Ask) -> Reply, legacy] {
        let machine = Machine::serving(serve).await;
        let url = machine.remote.url();
        let mut host = impatient(&url, Duration::from_secs(3), Protocol::Auto);
        host.send(discover(1)).await;
        assert!(host.next_json().await["result"].is_object());
        host.send(listen()).await;
        host.send(list(2)).await;
        let told = host.next_json().await;
        assert_eq!(told["id"], 2, "{told}");
        assert_eq!(told["error"]["data"]["kind"], "sign_in_needed", "{told}");
        // Another one, with the first still unanswered.
        let another = listen().replace(r#""s""#, r#""t""#);
        host.send(another).await;
        host.send(list(3)).await;
        assert_eq!(host.next_json().await["id"], 3);
        let page = told["error"]["data"]["url"].as_str().unwrap();
        browser::follow(&Url::parse(page).unwrap()).await;
        let changed = "notifications/tools/list_changed";
        let mut heard = Vec::new();
        while heard.len() < 4 {
            let line = host.next_json().await;
            let id = &line["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
            heard.push((id.clone(), line["method"] == changed));
        }
        for id in ["s", "t"] {
            for is_news in [false, true] {
                assert!(heard.contains(&(json!(id), is_news)), "{heard:?}");
            }
        }
        host.send(list(4)).await;
        assert!(host.next_json().await["result"].is_object());
    }
}

#[tokio::test]
async fn a_host_that_does_not_wait_begins_with_initialize_and_its_discover_is_not_answered_late() {
    let machine = Machine::serving(legacy).await;
    let mut host = bridge(&machine, &[]);
    host.send(discover(1)).await;
    host.send(INITIALIZE).await;
    let first = host.next_json().await;
    assert_eq!(first["id"], 0, "{first}");
    assert_eq!(first["result"]["protocolVersion"], "2025-11-25");
    host.send(INITIALIZED).await;
    host.send(request(2, "tools/list")).await;
    browser::follow(&machine.page(1).await).await;
    let lines = heard(&mut host, |lines| lines.iter().any(|line| line["id"] == 2)).await;
    let tools = lines.last().unwrap();
    assert!(tools["result"].is_object(), "{tools}");
    for line in lines.iter().filter(|line| line["id"] == 1) {
        assert_eq!(line["error"]["data"]["kind"], "superseded", "{line}");
    }
    host.closed().await;
}

#[tokio::test]
async fn a_modern_host_whose_key_is_refused_is_told_at_once_and_nothing_is_made_up() {
    let machine = Machine::serving(modern).await;
    let mut host = bridge(&machine, &["--header", "Authorization: Bearer none"]);
    host.send(discover(1)).await;
    let told = answer(&mut host, 1).await;
    assert_eq!(told["error"]["data"]["kind"], "sign_in_needed", "{told}");
    host.send(listen()).await;
    let told = host.next_json().await;
    assert_eq!(told["id"], "s", "{told}");
    assert_eq!(told["error"]["data"]["kind"], "sign_in_needed", "{told}");
    host.closed().await;
}
