//! Which endpoint is used without a question, and the words for those that are not.

use serde_json::{Value, json};

use super::{CARD, CATALOG, asked, bridged, card, catalog, domain, opening_lines, site, usual};
use crate::support::host::{INITIALIZE, Process};
use crate::support::remote::{Server, ordinary};

/// What the host, and the reader of stderr, are told of these documents: of the address, and of the domain.
async fn told(documents: Vec<(&'static str, Value)>) -> (Value, String) {
    let site = Server::that(site(documents, 404, ordinary)).await;
    let left = bridged(&site.origin(), &[INITIALIZE.to_owned()], &[]).await;
    let error = left.answers()[0]["error"].clone();
    assert_eq!(error["data"]["status"], 404, "{error}");
    let text = error["message"].as_str().unwrap();
    assert!(
        text.starts_with(&format!(
            "No MCP server is at {}, which answered 404; ",
            site.origin()
        )),
        "{text}"
    );
    let left = bridged(&domain(&site), &[INITIALIZE.to_owned()], &[]).await;
    assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
    assert!(
        !asked(&site).iter().any(|it| it.ends_with(" /mcp")),
        "{:?}",
        asked(&site)
    );
    (error, left.stderr)
}

#[tokio::test]
async fn an_endpoint_on_another_site_is_named_and_not_visited() {
    let other = Server::that(ordinary).await;
    let url = other.url().replace("127.0.0.1", "localhost");
    let documents = vec![
        (CATALOG, catalog(&["ORIGIN/mcp/server-card"])),
        (CARD, card(&url)),
    ];
    let (error, stderr) = told(documents).await;
    let text = error["message"].as_str().unwrap();
    for text in [text, stderr.as_str()] {
        assert!(text.contains("on another site"), "{text}");
        assert!(text.contains(&format!("`mcpipe {url}`")), "{text}");
        assert!(text.contains(&format!("`mcpipe login {url}`")), "{text}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn of_several_servers_none_is_chosen_and_all_are_listed() {
    let cards: Vec<Value> = (0..12)
        .map(|nth| {
            let mut card = card(&format!("ORIGIN/{nth}/mcp"));
            card["title"] = json!(format!("Server {nth}\u{1b}[2J"));
            json!({"type": "application/mcp-server-card+json", "data": card})
        })
        .collect();
    let (error, stderr) = told(vec![(CATALOG, json!({"entries": cards}))]).await;
    let text = error["message"].as_str().unwrap();
    for text in [text, stderr.as_str()] {
        assert!(text.contains("names several servers"), "{text}");
        assert!(
            text.contains("/0/mcp (Server 0[2J)") && text.contains("/9/mcp"),
            "{text}"
        );
        assert!(
            !text.contains("/10/mcp") && text.contains("2 more"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[tokio::test]
async fn what_a_card_wants_of_its_user_is_said() {
    let mut wanting = card("http://{tenant}.localhost/mcp");
    wanting["remotes"][0]["headers"] =
        json!([{"name": "X-Key", "isRequired": true, "value": "s3cret"}]);
    let documents = vec![(CATALOG, catalog(&["/mcp/server-card"])), (CARD, wanting)];
    let (error, stderr) = told(documents).await;
    let text = error["message"].as_str().unwrap();
    for text in [text, stderr.as_str()] {
        assert!(text.contains("{tenant}, the header X-Key"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn a_header_that_the_user_gives_is_not_missing() {
    let mut wanting = card("ORIGIN/mcp");
    wanting["remotes"][0]["headers"] = json!([{"name": "X-Key", "isRequired": true}]);
    let documents = vec![(CATALOG, catalog(&["/mcp/server-card"])), (CARD, wanting)];
    let site = Server::that(site(documents, 404, ordinary)).await;
    for target in [site.origin(), domain(&site)] {
        let left = bridged(&target, &opening_lines(), &["--header", "x-key: mine"]).await;
        assert!(
            left.answers().iter().all(|it| it.get("result").is_some()),
            "{}",
            left.stderr
        );
    }
    let sent = site.all();
    let sent: Vec<_> = sent.iter().filter(|ask| ask.path == "/mcp").collect();
    assert!(!sent.is_empty() && sent.iter().all(|ask| ask.header("x-key") == Some("mine")));
    // Those who only publish documents do not get it.
    let mut read = site
        .all()
        .into_iter()
        .filter(|ask| ask.path == CATALOG || ask.path == CARD);
    assert!(read.all(|ask| ask.header("x-key").is_none()));
}

#[tokio::test]
async fn a_flag_with_the_domain_as_its_value_is_left_as_it_is() {
    let site = Server::that(site(usual(), 404, ordinary)).await;
    let target = domain(&site);
    let left = bridged(
        &target,
        &opening_lines(),
        &["--header", "X-From: a", "--client-name", &target],
    )
    .await;
    assert!(
        left.answers().iter().all(|it| it.get("result").is_some()),
        "{}",
        left.stderr
    );
}

#[tokio::test]
async fn a_word_in_the_place_of_the_address_that_is_no_domain_is_sent_nowhere() {
    for word in [
        "exmaple",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.AbCd",
        "192.168.0.1",
    ] {
        let left = Process::start(&[word]).closed().await;
        assert_eq!(left.status.code(), Some(2), "{word} {}", left.stderr);
        assert!(
            left.stderr.contains("is not a URL"),
            "{word} {}",
            left.stderr
        );
    }
}
