//! Catalogs and cards that are kept, asked for again, damaged, endless, or in a circle.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{CARD, CATALOG, asked, bridged, card, catalog, domain, opening_lines, site, usual};
use crate::support::host::{Exit, Process};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary};

async fn started(home: &Path, target: &str) -> Exit {
    let mut host = Process::start_in(home, &["--verbose", target], &[("MCPIPE_PROTOCOL", "auto")]);
    for line in opening_lines() {
        host.try_send(&format!("{line}\n")).await;
    }
    host.closed().await
}

fn is_served(left: &Exit) -> bool {
    let answers = left.answers();
    answers.len() == 2 && answers.iter().all(|it| it.get("result").is_some())
}

/// A site whose documents have validators, in its `turn`th state: served, not modified, unwell.
async fn dated(control: &'static str, turn: Arc<AtomicUsize>) -> Server {
    let mut documents = site(usual(), 404, ordinary);
    Server::that(move |ask| {
        if ask.path != CATALOG && ask.path != CARD {
            return documents(ask);
        }
        let etag = format!("\"{}\"", ask.path);
        match turn.load(Ordering::SeqCst) {
            0 => documents(ask)
                .with("ETag", &etag)
                .with("Cache-Control", control),
            1 if ask.header("if-none-match") == Some(etag.as_str()) => Reply::status(304),
            1 => Reply::status(500),
            _ => Reply::status(503),
        }
    })
    .await
}

#[tokio::test]
async fn documents_are_asked_for_again_by_their_validators_and_kept_over_an_outage() {
    let turn = Arc::<AtomicUsize>::default();
    let site = dated("no-cache", Arc::clone(&turn)).await;
    let home = tempfile::tempdir().unwrap();
    for at in 0..3 {
        turn.store(at, Ordering::SeqCst);
        let left = started(home.path(), &domain(&site)).await;
        assert!(is_served(&left), "{at} {}", left.stderr);
        let is_said = left
            .stderr
            .contains("the copy from an earlier start is used");
        assert_eq!(is_said, at == 2, "{at} {}", left.stderr);
        let again = asked(&site)
            .iter()
            .filter(|it| it.contains(CATALOG))
            .count();
        assert_eq!(again, at + 1);
    }
    // A person who signs in is told of the outage.
    let left = Process::start_in(home.path(), &["login", &domain(&site)], &[])
        .closed()
        .await;
    assert_eq!(left.status.code(), Some(4), "{}", left.stderr);
    assert!(left.stderr.contains("503"), "{}", left.stderr);
}

#[tokio::test]
async fn documents_are_used_without_a_question_for_as_long_as_their_server_says() {
    let turn = Arc::<AtomicUsize>::default();
    let site = dated("max-age=3600", Arc::clone(&turn)).await;
    let home = tempfile::tempdir().unwrap();
    for at in 0..3 {
        turn.store(at, Ordering::SeqCst);
        assert!(is_served(&started(home.path(), &domain(&site)).await));
    }
    let count = |path: &str| asked(&site).iter().filter(|it| it.contains(path)).count();
    assert_eq!((count(CATALOG), count(CARD)), (1, 1));
    // Another target, another memory.
    assert!(!is_served(
        &started(home.path(), &format!("{}/other", site.origin())).await
    ));
    assert_eq!(count(CATALOG), 2);
}

#[tokio::test]
async fn a_catalog_that_is_gone_is_not_remembered() {
    let turn = Arc::<AtomicUsize>::default();
    let is_gone = Arc::clone(&turn);
    let mut there = site(usual(), 404, ordinary);
    let site = Server::that(move |ask| match is_gone.load(Ordering::SeqCst) {
        0 => there(ask),
        _ if ask.path == "/mcp" => ordinary(ask),
        _ => Reply::status(404),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    assert!(is_served(&started(home.path(), &domain(&site)).await));
    turn.store(1, Ordering::SeqCst);
    let left = started(home.path(), &domain(&site)).await;
    assert!(left.stderr.contains("answered 404"), "{}", left.stderr);
}

#[tokio::test]
async fn odd_documents_are_read_for_what_is_good_in_them() {
    type Change = fn(&Ask, Reply) -> Reply;
    let odd: [(&str, Change); 4] = [
        // As tldraw/tldraw#10703 has it.
        ("a label of plain JSON", |_, reply| reply.with("X", "y")),
        ("a label of a page", |_, mut reply| {
            reply.headers.clear();
            reply.with("Content-Type", "text/html; charset=utf-8")
        }),
        ("no label", |_, mut reply| {
            reply.headers.clear();
            reply
        }),
        ("a byte order mark", |ask, reply| {
            let origin = format!("http://{}", ask.header("host").unwrap());
            let text = match ask.path.as_str() {
                CATALOG => catalog(&["/mcp/server-card"]),
                _ => card(&format!("{origin}/mcp")),
            };
            reply.body(format!("\u{feff}{text}"))
        }),
    ];
    for (name, change) in odd {
        let mut documents = site(usual(), 404, ordinary);
        let site = Server::that(move |ask| match ask.path.as_str() {
            CATALOG | CARD => {
                let reply = documents(ask);
                change(ask, reply)
            }
            _ => documents(ask),
        })
        .await;
        let left = bridged(&domain(&site), &opening_lines(), &[]).await;
        assert!(is_served(&left), "{name} {}", left.stderr);
    }
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_origin_only() {
    let other = Server::that(site(usual(), 404, ordinary)).await;
    let to = format!(
        "{}{CATALOG}",
        other.origin().replace("127.0.0.1", "localhost")
    );
    for (to, is_followed) in [("/catalog".to_owned(), true), (to, false)] {
        let mut documents = site(
            vec![
                ("/catalog", catalog(&["/mcp/server-card"])),
                (CARD, card("ORIGIN/mcp")),
            ],
            404,
            ordinary,
        );
        let location = to.clone();
        let site = Server::that(move |ask| match ask.path.as_str() {
            CATALOG => Reply::status(301).with("Location", &location),
            _ => documents(ask),
        })
        .await;
        let left = bridged(&domain(&site), &opening_lines(), &[]).await;
        assert_eq!(is_served(&left), is_followed, "{to} {}", left.stderr);
        assert!(
            is_followed || left.stderr.contains("is not followed"),
            "{}",
            left.stderr
        );
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn hostile_documents_cost_bounded_time_and_requests() {
    // A page for every path, as callstack/agent-device#2239 tells of.
    let page = |_: &Ask| {
        Reply::status(200)
            .with("Content-Type", "text/html")
            .body("<html>".repeat(100_000))
    };
    let endless = |_: &Ask| {
        let mut reply = Reply::json("");
        reply.body = crate::support::remote::Body::Chunked(vec![Step::Endless(
            vec![b' '; 65536],
            std::time::Duration::ZERO,
        )]);
        reply
    };
    let large = |_: &Ask| Reply::json(format!("{{\"x\":\"{}\"}}", "x".repeat(10 << 20)));
    let deep = |_: &Ask| Reply::json("[".repeat(200_000));
    type Answer = fn(&Ask) -> Reply;
    let answers: [(&str, Answer, &str); 4] = [
        ("pages", page, "something else than a JSON object"),
        ("endless", endless, "more than"),
        ("large", large, "more than"),
        ("deep", deep, "something else than a JSON object"),
    ];
    for (name, answer, said) in answers {
        let site = Server::that(answer).await;
        let left = bridged(&domain(&site), &[], &[]).await;
        assert_eq!(left.status.code(), Some(1), "{name} {}", left.stderr);
        assert!(left.stderr.contains(said), "{name} {}", left.stderr);
        assert_eq!(site.all().len(), 2, "{name}");
    }
}

#[tokio::test]
async fn catalogs_in_a_circle_and_without_end_are_read_once_each_and_to_a_bound() {
    let more = |url: &str| json!({"type": "application/ai-catalog+json", "url": url});
    let own = json!({"type": "application/mcp-server-card+json", "url": "/mcp/server-card"});
    let documents = vec![
        (
            CATALOG,
            json!({"entries": [more("/b.json"), more(CATALOG), own]}),
        ),
        (
            "/b.json",
            json!({"entries": [more(CATALOG), more("/b.json"), own]}),
        ),
        (CARD, card("ORIGIN/mcp")),
    ];
    let circle = Server::that(site(documents, 404, ordinary)).await;
    let left = bridged(&domain(&circle), &opening_lines(), &[]).await;
    assert!(is_served(&left), "{}", left.stderr);
    for path in [CATALOG, "/b.json", CARD] {
        let count = asked(&circle)
            .iter()
            .filter(|it| **it == format!("GET {path}"))
            .count();
        assert_eq!(count, 1, "{path}");
    }

    let endless = Server::that(|ask: &Ask| {
        let below: Vec<Value> = (0..100)
            .map(|nth| json!({"type": "application/ai-catalog+json", "url": format!("{}/{nth}", ask.path)}))
            .collect();
        Reply::json(json!({"entries": below}).to_string())
    })
    .await;
    let left = bridged(&domain(&endless), &[], &[]).await;
    assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
    assert!(endless.all().len() <= 16, "{}", endless.all().len());
}
