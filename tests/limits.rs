//! Limits on calls, with the real binary where processes share them, and in process where time is paused.

mod breaker;
mod processes;
mod timeouts;
mod waits;

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mcpipe::bridge::Settings;
use mcpipe::era::Protocol;
use mcpipe::policy::{Limit, Rate, Rules};
use mcpipe::store::VaultPaths;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::host::{InProcess, Process, cancelled, limit, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply, Step, ordinary};

/// The wall clock, which goes with tokio's, so that a paused clock pauses both.
fn now() -> SystemTime {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    let (first, now) = (*FIRST, Instant::now());
    let wall = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    wall + now.saturating_duration_since(first) - first.saturating_duration_since(now)
}

fn rate(tools: Option<&str>, count: u32, seconds: u64) -> Limit<Rate> {
    let per = Duration::from_secs(seconds);
    limit("rate-limit", tools, Rate { count, per })
}

/// Settings with these rules, and the state of limits below `home`.
fn limited(home: &Path, rules: Rules) -> Settings {
    let paths = VaultPaths::new(Some(home)).unwrap();
    Settings {
        policy: rules,
        limits_stem: Some(paths.limits("https://a.example/mcp", "default")),
        now,
        ..settings()
    }
}

/// A call of a tool.
fn call(id: u32, tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}})
        .to_string()
}

fn modern_call(id: u32, tool: &str) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": tool, "_meta": meta});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}

fn modern(ask: &Ask) -> Reply {
    const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":3600000,"cacheScope":"public"}"#;
    match ask.label().as_str() {
        "POST server/discover" => Reply::result(ask, DISCOVERED),
        _ => Reply::result(ask, r#"{"resultType":"complete","content":[]}"#),
    }
}

/// The tools that were called at the server, in order.
fn called(remote: &Memory) -> Vec<String> {
    let asks = remote.all().into_iter();
    let calls = asks.filter(|ask| ask.label() == "POST tools/call");
    let names = calls.map(|ask| {
        let body: Value = serde_json::from_str(&ask.body).unwrap();
        body["params"]["name"].as_str().unwrap().to_owned()
    });
    names.collect()
}

#[tokio::test(start_paused = true)]
async fn a_call_over_the_limit_is_refused_and_one_after_the_stated_time_is_not() {
    let home = tempfile::tempdir().unwrap();
    let remote = Memory::that(ordinary);
    let rules = Rules {
        rate_limit: vec![rate(None, 3, 60), rate(Some("delete_*"), 1, 3600)],
        ..Rules::default()
    };
    let mut host = InProcess::opened(remote.remote(), limited(home.path(), rules)).await;
    for (id, tool) in [
        (1, "delete_a"),
        (2, "delete_b"),
        (3, "x"),
        (4, "x"),
        (5, "x"),
    ] {
        host.send(call(id, tool)).await;
        let answer = host.next_json().await;
        let data = &answer["error"]["data"];
        if !matches!(id, 2 | 5) {
            assert!(answer.get("result").is_some(), "{answer}");
            continue;
        }
        assert_eq!(
            (&answer["id"], &data["kind"]),
            (&json!(id), &json!("rate_limited"))
        );
        assert_eq!(
            (&data["retryable"], &data["origin"]),
            (&json!(true), &json!("MCPIPE_TEST"))
        );
        let wait = data["retryAfterMs"].as_u64().unwrap();
        let most = if id == 2 { 3_600_000 } else { 20_000 };
        assert!((1..=most).contains(&wait), "{answer}");
        if id == 5 {
            // The refused `delete_b` has taken nothing from the bucket for all.
            tokio::time::sleep(Duration::from_millis(wait + 1)).await;
        }
    }
    host.send(call(6, "x")).await;
    assert!(host.next_json().await.get("result").is_some());
    // Upkeep passes.
    host.send(r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#)
        .await;
    assert!(host.next_json().await.get("result").is_some());
    assert_eq!(called(&remote), ["delete_a", "x", "x", "x"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_error_or_a_result_that_models_read_in_the_words_of_the_hosts_era() {
    for is_modern in [false, true] {
        for as_result in [false, true] {
            let home = tempfile::tempdir().unwrap();
            let rules = Rules {
                rate_limit: vec![rate(None, 1, 60)],
                rate_limit_as_result: as_result,
                ..Rules::default()
            };
            let mut settings = limited(home.path(), rules);
            let (remote, spoken): (_, fn(u32, &str) -> String) = match is_modern {
                true => (Memory::that(modern), modern_call),
                false => (Memory::that(ordinary), call),
            };
            let mut host = match is_modern {
                true => {
                    settings.protocol = Protocol::Modern;
                    InProcess::bridged_to(remote.remote(), settings)
                }
                false => InProcess::opened(remote.remote(), settings).await,
            };
            host.send(spoken(1, "x")).await;
            assert!(host.next_json().await.get("result").is_some());
            host.send(spoken(2, "x")).await;
            let answer = host.next_json().await;
            let expected_type = is_modern.then(|| json!("complete"));
            match as_result {
                false => assert_eq!(answer["error"]["data"]["kind"], "rate_limited", "{answer}"),
                true => {
                    let result = &answer["result"];
                    assert_eq!(result["isError"], true, "{answer}");
                    assert_eq!(result.get("resultType"), expected_type.as_ref(), "{answer}");
                    let text = result["content"][0]["text"].as_str().unwrap();
                    assert!(
                        text.contains("Try again in 60 s")
                            || text.contains("Try again in 1 minute"),
                        "{text}"
                    );
                }
            }
            // Only calls have such a result.
            let get = spoken(3, "x").replace("tools/call", "prompts/get");
            host.send(get).await;
            let answer = host.next_json().await;
            assert_eq!(answer["error"]["data"]["kind"], "rate_limited", "{answer}");
            assert_eq!(remote.count("POST tools/call"), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_under_way_until_it_is_answered_cancelled_or_lost() {
    let home = tempfile::tempdir().unwrap();
    let remote = Memory::that(|ask| match ask.label().as_str() {
        "POST tools/call" if ask.body.contains("slow") => {
            ordinary(ask).after(Step::Pause(Duration::from_secs(5)))
        }
        "POST tools/call" if ask.body.contains("lost") => Reply::cut(),
        _ => ordinary(ask),
    });
    let rules = Rules {
        max_concurrent: vec![limit("max-concurrent", None, 1)],
        ..Rules::default()
    };
    let mut host = InProcess::opened(remote.remote(), limited(home.path(), rules)).await;
    host.send(call(1, "slow")).await;
    host.send(call(2, "quick")).await;
    let refused = host.next_json().await;
    assert_eq!(
        (&refused["id"], &refused["error"]["data"]["kind"]),
        (&json!(2), &json!("rate_limited"))
    );
    assert_eq!(refused["error"]["data"]["retryAfterMs"], 1000);
    assert_eq!(host.next_json().await["id"], 1);
    for id in [3, 4] {
        host.send(call(id, "quick")).await;
        assert!(host.next_json().await.get("result").is_some());
    }
    host.send(call(5, "slow")).await;
    host.send(cancelled(5)).await;
    host.send(call(6, "lost")).await;
    assert_eq!(host.next_json().await["error"]["data"]["kind"], "cut");
    host.send(call(7, "quick")).await;
    assert!(host.next_json().await.get("result").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_refuses_nothing_and_waits_for_nothing() {
    let home = tempfile::tempdir().unwrap();
    let remote = Memory::that(ordinary);
    let rules = Rules {
        rate_limit: vec![rate(None, 1, 3600)],
        rate_limit_wait: true,
        max_concurrent: vec![limit("max-concurrent", None, 1)],
        circuit_breaker: vec![limit("circuit-breaker", None, 1)],
        dry_run: true,
        ..Rules::default()
    };
    let mut host = InProcess::opened(remote.remote(), limited(home.path(), rules)).await;
    let begun = Instant::now();
    for id in 1..5 {
        host.send(call(id, "x")).await;
    }
    for _ in 1..5 {
        assert!(host.next_json().await.get("result").is_some());
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_kept_refuses_every_call_and_says_why() {
    let home = tempfile::tempdir().unwrap();
    let rules = || Rules {
        rate_limit: vec![rate(None, 100, 60)],
        ..Rules::default()
    };
    let folder = home.path().join("state/limits");
    let mut settings = limited(home.path(), rules());
    std::fs::create_dir_all(&folder).unwrap();
    let state = settings
        .limits_stem
        .clone()
        .unwrap()
        .with_extension("limits");
    std::fs::write(&state, "mcpipe limits 9 of another time").unwrap();
    for expected in ["is of a newer version", "no home directory"] {
        let remote = Memory::that(ordinary);
        let mut host = InProcess::opened(remote.remote(), settings.clone()).await;
        host.send(call(1, "x")).await;
        let answer = host.next_json().await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
        assert_eq!(remote.count("POST tools/call"), 0);
        settings.limits_stem = None;
    }
}

#[tokio::test]
async fn what_is_no_limit_is_wrong_usage() {
    for (flag, value) in [
        ("--rate-limit", "0/m"),
        ("--rate-limit", "5"),
        ("--rate-limit", "5/w"),
        ("--rate-limit", "5/0s"),
        ("--rate-limit", "[=5/m"),
        ("--rate-limit", "=5/m"),
        ("--rate-limit", "-5/m"),
        ("--max-concurrent", "0"),
        ("--max-concurrent", "x="),
        ("--max-concurrent", "x=1.5"),
        ("--call-timeout", "x=never"),
        ("--call-timeout", "x=-1"),
        ("--circuit-breaker", "0"),
        ("--rate-limit-as", "text"),
    ] {
        let argument = format!("{flag}={value}");
        let left = Process::start(&[&argument, "https://a.example"])
            .closed()
            .await;
        assert_eq!(left.status.code(), Some(2), "{argument}: {}", left.stderr);
        assert!(left.stderr.contains(flag), "{argument}: {}", left.stderr);
    }
}
