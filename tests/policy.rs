//! The policy: whatever a host sends, no message that names a hidden thing leaves.
//!
//! Each rule in both directions stands in `fixtures/transcripts`, in all four pairs of eras. `MCPIPE_POLICY_CASES` plays
//! more sequences here (default 200), `MCPIPE_POLICY_SEED` others.

use std::time::{Duration, SystemTime};

use mcpipe::bridge::Settings;
use mcpipe::era::Protocol;
use mcpipe::policy::Rules;
use mcpipe::settings::Environment;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::host::{INITIALIZED, InProcess};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, ordinary};

/// The rules of a bridge that was started with these flags.
pub(crate) fn rules(flags: &str) -> Rules {
    let words = ["mcpipe", "https://a.example/mcp"].into_iter();
    let words: Vec<String> = words
        .chain(flags.split_whitespace())
        .map(Into::into)
        .collect();
    let cli = mcpipe::cli::parse(words.iter().map(Into::into)).unwrap();
    let env = Environment {
        arguments: Some(words),
        ..Environment::default()
    };
    mcpipe::settings::policy::rules(&cli.bridge.policy, &env).unwrap()
}

/// The settings of a bridge in process with a policy.
pub(crate) fn with_policy(flags: &str) -> Settings {
    Settings {
        policy: rules(flags),
        protocol: Protocol::Auto,
        ..Settings::new(|| SystemTime::UNIX_EPOCH)
    }
}

/// One line of the host.
#[derive(Clone, Debug)]
enum Op {
    /// Of this method, with these parameters: each a template.
    Send(&'static str, &'static str),
    /// Several lines as one batch.
    Batch(Vec<(&'static str, &'static str)>),
    /// The host answers everything that it was asked.
    Answer,
    /// The host cancels a request.
    Cancel(u8),
}

const METHODS: &[&str] = &[
    "tools/call",
    "Tools/Call",
    "tools\\/call",
    "t\\u006fols/call",
    "tools/list",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "completion/complete",
    "tasks/get",
    "tasks/result",
    "ping",
];

/// Parameters in which `H` stands for a spelling of what is hidden.
const PARAMS: &[&str] = &[
    r#"{"name":"open","arguments":{"a":1}META}"#,
    r#"{"name":"H","arguments":{"a":1}META}"#,
    r#"{"name":"H","task":{"ttl":1}META}"#,
    r#"{"name":"H","inputResponses":{},"requestState":"s"META}"#,
    r#"{"name":"open","name":"H"META}"#,
    r#"{"name":"H","name":"open"META}"#,
    r#"{"name":"open","Name":"H"META}"#,
    r#"{"NAME":"H"META}"#,
    r#"{"n\u0061me":"H"META}"#,
    r#"{"uri":"file:///H"META}"#,
    r#"{"uri":"file:///open","Uri":"file:///H"META}"#,
    r#"{"ref":{"type":"ref/prompt","name":"H"},"argument":{"name":"x","value":""}META}"#,
    r#"{"ref":{"type":"ref/resource","uri":"file:///a/../H"},"argument":{"name":"x","value":""}META}"#,
    r#"{"ref":{"type":"ref/prompt","name":"open","Name":"H"},"argument":{"name":"x","value":""}META}"#,
    r#"{"cursor":"2"META}"#,
    r#"{"taskId":"1"META}"#,
];

const SPELLINGS: &[&str] = &[
    "hidden_tool",
    "HIDDEN_tool",
    " hidden_tool",
    "hidden\\u005ftool",
    "\\u0068idden_tool",
    "hid\\u200bden_tool",
    "hidden_tool\\n",
];

fn line() -> impl Strategy<Value = (&'static str, &'static str)> {
    (select(METHODS), select(PARAMS))
}

fn ops() -> impl Strategy<Value = Vec<(Op, usize)>> {
    let op = prop_oneof![
        8 => line().prop_map(|(method, params)| Op::Send(method, params)),
        1 => vec(line(), 1..4).prop_map(Op::Batch),
        1 => Just(Op::Answer),
        1 => any::<u8>().prop_map(Op::Cancel),
    ];
    vec((op, 0..SPELLINGS.len()), 1..16)
}

const META: &str = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}"#;

fn message(id: usize, method: &str, params: &str, spelling: &str, is_modern: bool) -> String {
    let meta = if is_modern { META } else { "" };
    let params = params.replace('H', spelling).replace("META", meta);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// A server of either era that has a hidden tool, prompt and resource, and asks for input now and then.
fn server(is_modern: bool) -> Memory {
    let mut calls = 0;
    Memory::that(move |ask| {
        let complete = if is_modern {
            r#""resultType":"complete","#
        } else {
            ""
        };
        match ask.label().as_str() {
            "POST server/discover" if is_modern => Reply::result(
                ask,
                r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"prompts":{},"resources":{}},"ttlMs":0,"cacheScope":"private"}"#,
            ),
            "POST server/discover" => Reply::status(400),
            "POST initialize" if is_modern => Reply::status(400),
            "POST tools/list" => Reply::result(
                ask,
                &format!(
                    r#"{{{complete}"tools":[{{"name":"hidden_tool","inputSchema":{{"type":"object"}},"annotations":{{"readOnlyHint":true}}}},{{"name":"open","inputSchema":{{"type":"object"}},"annotations":{{"readOnlyHint":true}}}}]}}"#
                ),
            ),
            "POST tools/call" if is_modern => {
                calls += 1;
                match calls % 2 {
                    0 => Reply::result(
                        ask,
                        r#"{"resultType":"input_required","requestState":"s","inputRequests":{}}"#,
                    ),
                    _ => Reply::result(ask, r#"{"resultType":"complete","content":[]}"#),
                }
            }
            _ if is_modern && ask.verb == "POST" => plain(ask, &format!("{{{complete}\"x\":1}}")),
            _ => ordinary(ask),
        }
    })
}

fn plain(ask: &Ask, result: &str) -> Reply {
    match mcpipe::frame::Frame::parse(&ask.body) {
        Ok(frame) if frame.is_request() => Reply::result(ask, result),
        _ => Reply::accepted(),
    }
}

/// A body with its escapes read, in lower case, without white space and invisible characters: a server that is as lenient
/// as can be finds the hidden name here, if it is there at all.
fn most_lenient(body: &str) -> String {
    let mut read = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("\\u") {
        read.push_str(before);
        let (digits, after) = after.split_at(4);
        read.extend(
            u32::from_str_radix(digits, 16)
                .ok()
                .and_then(char::from_u32),
        );
        rest = after;
    }
    read.push_str(rest);
    let read = read.replace("\\n", "");
    let kept = read
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '\u{200b}');
    kept.flat_map(char::to_lowercase).collect()
}

async fn play(flags: &str, host_is_modern: bool, server_is_modern: bool, ops: &[(Op, usize)]) {
    let remote = server(server_is_modern);
    let mut host = InProcess::bridged_to(remote.remote(), with_policy(flags));
    if !host_is_modern {
        host.send(r#"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"host","version":"1"}}}"#).await;
        host.next().await;
        host.send(INITIALIZED).await;
    }
    let mut id = 0;
    for (op, spelling) in ops {
        let spelling = SPELLINGS[*spelling];
        let mut made = |method: &str, params: &str| {
            id += 1;
            message(id, method, params, spelling, host_is_modern)
        };
        match op {
            Op::Send(method, params) => host.send(made(method, params)).await,
            Op::Batch(lines) => {
                let lines: Vec<_> = lines
                    .iter()
                    .map(|(method, params)| made(method, params))
                    .collect();
                host.send(format!("[{}]", lines.join(","))).await;
            }
            Op::Answer => tokio::time::sleep(Duration::from_millis(10)).await,
            Op::Cancel(which) => {
                let which = usize::from(*which) % (id + 1);
                host.send(format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{which}}}}}"#)).await;
            }
        }
    }
    host.close();
    let (_, lines) = host.ended().await;
    for ask in remote.all() {
        let read = most_lenient(&ask.body);
        if read.contains(r#""method":"ping""#) {
            continue;
        }
        assert!(!read.contains("hidden_tool"), "left: {}", ask.body);
    }
    for line in lines {
        let shown = crate::support::host::json(&line);
        let shown = shown["result"]["tools"].to_string();
        assert!(!shown.contains("hidden_tool"), "shown: {line}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "options of this test")]
fn no_message_that_names_a_hidden_thing_leaves_whatever_the_host_sends() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let cases = number("MCPIPE_POLICY_CASES").unwrap_or(200);
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number("MCPIPE_POLICY_SEED").unwrap_or(7u64).to_le_bytes());
    let config = Config {
        cases: u32::try_from(cases).unwrap(),
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let policies = select(vec![
        "--deny-tool hidden* --deny-prompt hidden* --deny-resource file:///hidden*",
        "--allow-tool open --allow-prompt open --allow-resource file:///open",
        "--read-only --ignore-tool hidden* --deny-prompt hidden* --deny-resource *hidden*",
    ]);
    let cases = (policies, any::<bool>(), any::<bool>(), ops());
    let played = TestRunner::new_with_rng(config, rng).run(&cases, |(flags, host, server, ops)| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(play(flags, host, server, &ops));
        Ok(())
    });
    if let Err(error) = played {
        panic!("{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_the_list_can_be_cancelled_and_is_then_never_sent() {
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST server/discover" => Reply::status(400),
        "POST tools/list" => Reply::result(
            ask,
            r#"{"tools":[{"name":"open","annotations":{"readOnlyHint":true}}]}"#,
        )
        .after(crate::support::remote::Step::Pause(Duration::from_secs(5))),
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(remote.remote(), with_policy("--read-only")).await;
    host.send(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open"}}"#)
        .await;
    host.send(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"open"}}"#)
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    host.send(crate::support::host::cancelled(1)).await;
    assert_eq!(host.next_with_id().await["id"], 2);
    assert_eq!(remote.count("POST tools/call"), 1);
    assert_eq!(remote.count("POST notifications/cancelled"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_many_tools_is_trimmed_in_one_pass() {
    let mut tools = String::new();
    for number in 0..100_000 {
        let comma = if number == 0 { "" } else { "," };
        tools += &format!(r#"{comma}{{"name":"tool_{number}","inputSchema":{{"type":"object"}}}}"#);
    }
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST server/discover" => Reply::status(400),
        "POST tools/list" => {
            Reply::result(ask, &format!(r#"{{"tools":[{tools}],"nextCursor":"c"}}"#))
        }
        _ => ordinary(ask),
    });
    let mut host = InProcess::opened(
        remote.remote(),
        with_policy("--allow-tool tool_*9 --deny-tool *99"),
    )
    .await;
    host.send(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
        .await;
    let answer = host.next_with_id().await;
    let shown = answer["result"]["tools"].as_array().unwrap();
    assert_eq!(shown.len(), 9000);
    assert_eq!(answer["result"]["nextCursor"], "c");
}

#[tokio::test(start_paused = true)]
async fn an_update_that_names_no_resource_passes_unless_a_rule_is_about_resources() {
    use crate::support::remote::Step;

    let updates = [
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///hidden"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///open"}}"#,
    ];
    for (flags, passed) in [
        ("--sanitize", &updates[..]),
        ("--deny-resource file:///hidden", &updates[2..]),
        (
            "--deny-resource file:///hidden --policy-dry-run",
            &updates[..],
        ),
    ] {
        let remote = Memory::that(move |ask| match ask.label().as_str() {
            "POST server/discover" => Reply::status(400),
            "GET" => {
                let mut steps: Vec<_> = updates.iter().map(Step::event).collect();
                steps.push(Step::forever());
                Reply::events(steps)
            }
            _ => ordinary(ask),
        });
        let mut host = InProcess::opened(remote.remote(), with_policy(flags)).await;
        for update in passed {
            assert_eq!(host.next().await, *update, "{flags}");
        }
        host.hears_nothing_for(Duration::from_secs(1)).await;
    }
}
