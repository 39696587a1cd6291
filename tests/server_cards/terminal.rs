//! A person at a terminal chooses an endpoint, and the choice holds for that target and that endpoint.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{CATALOG, card, domain, site};
use crate::coordination::eventually;
use crate::support::host::{INITIALIZE, Process};
use crate::support::pty;
use crate::support::remote::{Reply, Server, ordinary};

/// `mcpipe login` in a terminal, where this is typed after the question. What stood on the screen.
async fn login(home: &Path, target: &str, question: &str, typed: &str) -> String {
    let (mut keyboard, slave) = pty::open();
    let mut child = mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"))
        .args(["login", "--no-browser", "--auth-timeout", "1", target])
        .env_clear()
        .env("MCPIPE_HOME", home)
        .env("MCPIPE_PASSPHRASE", "correct horse")
        .stdin(Stdio::from(slave.try_clone().unwrap()))
        .stdout(Stdio::null())
        .stderr(Stdio::from(slave))
        .spawn()
        .unwrap();
    let (screen, _) = pty::watch(&keyboard);
    let shown = || screen.lock().unwrap().clone();
    if !question.is_empty() {
        eventually(|| shown().contains(question).then_some(())).await;
        writeln!(keyboard, "{typed}").unwrap();
    }
    eventually(|| child.try_wait().unwrap()).await;
    shown()
}

async fn first_answer(home: &Path, target: &str) -> serde_json::Value {
    let mut host = Process::start_in(home, &[target], &[("MCPIPE_PROTOCOL", "auto")]);
    host.send(INITIALIZE).await;
    let answer = host.next_json().await;
    host.closed().await;
    answer
}

#[tokio::test]
async fn another_site_is_used_after_a_yes_until_the_card_names_another_endpoint() {
    let other = Server::that(|ask| match ask.path.as_str() {
        "/mcp" | "/mcp2" => ordinary(ask),
        _ => Reply::status(404),
    })
    .await;
    let url = other.url().replace("127.0.0.1", "localhost");
    let is_changed = Arc::<AtomicBool>::default();
    let changed = Arc::clone(&is_changed);
    let first = url.clone();
    let site = Server::that(move |ask| {
        let endpoint = match changed.load(Ordering::SeqCst) {
            true => format!("{first}2"),
            false => first.clone(),
        };
        let entry = json!({"type": "application/mcp-server-card+json", "data": card(&endpoint)});
        site(vec![(CATALOG, json!({"entries": [entry]}))], 404, ordinary)(ask)
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let target = domain(&site);

    for no in ["", "n", "maybe"] {
        let screen = login(home.path(), &target, "Use it? [y/N]", no).await;
        assert!(screen.contains("no server was chosen"), "{screen}");
        assert!(
            screen.contains(&format!("{url} (example.a/weather), on another site")),
            "{screen}"
        );
    }
    assert!(
        first_answer(home.path(), &target)
            .await
            .get("error")
            .is_some()
    );
    assert_eq!(other.connections(), 0);

    login(home.path(), &target, "Use it? [y/N]", "y").await;
    assert!(other.connections() > 0);
    assert!(
        first_answer(home.path(), &target)
            .await
            .get("result")
            .is_some()
    );
    let screen = login(home.path(), &target, "", "").await;
    assert!(!screen.contains("[y/N]"), "{screen}");
    // Another target, another question.
    let answer = first_answer(home.path(), &format!("{}/x", site.origin())).await;
    assert!(answer.get("error").is_some(), "{answer}");
    // Headers for the target are not for another site.
    let arguments = ["--header", "X-Key: s3cret", target.as_str()];
    let mut host = Process::start_in(home.path(), &arguments, &[]);
    host.send(INITIALIZE).await;
    assert!(host.next().await.contains("headers that are given"));
    host.closed().await;

    is_changed.store(true, Ordering::SeqCst);
    let answer = first_answer(home.path(), &target).await;
    let text = answer["error"]["message"].as_str().unwrap();
    assert!(
        text.contains(&format!("{url}2")) && text.contains("another site"),
        "{text}"
    );
    login(home.path(), &target, "Use it? [y/N]", "no").await;
    assert!(
        other
            .all()
            .iter()
            .all(|ask| ask.path != "/mcp2" && ask.header("x-key").is_none())
    );
}

#[tokio::test]
async fn of_several_servers_a_person_chooses_one() {
    let entries: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|name| json!({"type": "application/mcp-server-card+json", "data": card(&format!("ORIGIN/{name}"))}))
        .collect();
    let mut documents = site(vec![(CATALOG, json!({"entries": entries}))], 404, ordinary);
    let site = Server::that(move |ask| match ask.path.as_str() {
        "/a" | "/b" | "/c" => ordinary(ask),
        _ => documents(ask),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let target = domain(&site);
    for none in ["", "0", "4", "-1", "b"] {
        let screen = login(home.path(), &target, "[1-3, or nothing", none).await;
        assert!(screen.contains("no server was chosen"), "{none} {screen}");
    }
    login(home.path(), &target, "[1-3, or nothing", "2").await;
    assert!(
        first_answer(home.path(), &target)
            .await
            .get("result")
            .is_some()
    );
    let asked: Vec<_> = site.all().into_iter().map(|ask| ask.path).collect();
    assert!(asked.contains(&"/b".to_owned()), "{asked:?}");
    assert!(
        !asked.contains(&"/a".to_owned()) && !asked.contains(&"/c".to_owned()),
        "{asked:?}"
    );
}
