//! `mcpipe login` at targets that name no endpoint, and at places that do not exist.

use serde_json::json;
use url::Url;

use super::{CARD, CATALOG, bridged, card, catalog, domain, site};
use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::{INITIALIZE, Process};
use crate::support::remote::{Ask, Reply, Server, ordinary};

/// A site with a server at `/mcp` that takes the tokens of this authorization server, and metadata that name it for every
/// other address too.
fn protected(authority: &Authority, has_card: bool) -> impl FnMut(&Ask) -> Reply + Send + 'static {
    let issuer = authority.clone();
    let documents = match has_card {
        true => vec![
            (CATALOG, catalog(&["ORIGIN/mcp/server-card"])),
            (CARD, card("ORIGIN/mcp")),
        ],
        false => Vec::new(),
    };
    let mut site = site(documents, 404, move |ask| {
        let shown = ask.header("authorization").unwrap_or_default();
        let mut good = issuer.access_tokens().into_iter();
        if good.any(|token| shown == format!("Bearer {token}")) {
            return ordinary(ask);
        }
        let host = ask.header("host").unwrap();
        let place = format!("http://{host}/.well-known/oauth-protected-resource/mcp");
        Reply::status(401).with(
            "WWW-Authenticate",
            &format!("Bearer resource_metadata=\"{place}\""),
        )
    });
    let origin = authority.origin.clone();
    move |ask| match ask.path.as_str() {
        path if path.starts_with("/.well-known/oauth-protected-resource") => {
            let host = ask.header("host").unwrap();
            let below = path.trim_start_matches("/.well-known/oauth-protected-resource");
            let document = json!({
                "resource": format!("http://{host}{below}"),
                "authorization_servers": [origin],
            });
            Reply::json(document.to_string())
        }
        _ => site(ask),
    }
}

/// Signs in as a person whose browser is elsewhere.
async fn signs_in(home: &std::path::Path, target: &str) -> String {
    let arguments = ["login", "--no-browser", "--auth-timeout", "40", target];
    let login = Process::start_in(home, &arguments, &[("MCPIPE_PROTOCOL", "auto")]);
    login.has_said("/authorize?").await;
    let said = login.said_so_far();
    let page = said
        .split_whitespace()
        .find(|word| word.ends_with("/start"));
    let page = Url::parse(page.unwrap()).unwrap();
    let (left, _) = tokio::join!(login.exit(), browser::follow(&page));
    assert!(left.status.success(), "{}", left.stderr);
    left.stderr
}

#[tokio::test]
async fn who_signs_in_at_a_domain_is_signed_in_at_its_endpoint() {
    let authority = Authority::start().await;
    let site = Server::that(protected(&authority, true)).await;
    authority.configure(|options| options.resource = Some(site.url()));
    for target in [domain(&site), site.origin()] {
        let home = tempfile::tempdir().unwrap();
        let said = signs_in(home.path(), &target).await;
        assert!(said.contains(&format!("names {}", site.url())), "{said}");
        // By its domain, and by its own address.
        for target in [domain(&site), site.url()] {
            let mut host =
                Process::start_in(home.path(), &[&target], &[("MCPIPE_PROTOCOL", "auto")]);
            host.send(INITIALIZE).await;
            let answer = host.next_json().await;
            assert!(answer.get("result").is_some(), "{target} {answer}");
            host.closed().await;
        }
    }
    assert_eq!(authority.grants("authorization_code").len(), 2);
}

#[tokio::test]
async fn nothing_is_registered_at_a_place_that_does_not_exist() {
    let authority = Authority::start().await;
    let challenge = "Bearer resource_metadata=\"http://HOST/.well-known/oauth-protected-resource\"";
    for has_challenge in [false, true] {
        let mut bare = protected(&authority, false);
        let site = Server::that(move |ask| {
            let reply = bare(ask);
            match (reply.status, has_challenge) {
                (404, true) => {
                    let challenge = challenge.replace("HOST", ask.header("host").unwrap());
                    reply.with("WWW-Authenticate", &challenge)
                }
                _ => reply,
            }
        })
        .await;
        let nowhere = format!("{}/nowhere", site.origin());
        for target in [nowhere.as_str(), &site.origin(), &domain(&site)] {
            let arguments = ["login", "--no-browser", "--auth-timeout", "2", target];
            let left = Process::start(&arguments).closed().await;
            assert_eq!(left.status.code(), Some(1), "{target} {}", left.stderr);
            assert!(
                left.stderr.contains("answered 404"),
                "{target} {}",
                left.stderr
            );
            for transport in ["http-first", "sse-first", "http-only", "sse-only"] {
                let flags = ["--transport", transport];
                let left = bridged(target, &[INITIALIZE.to_owned()], &flags).await;
                assert!(
                    left.answers()[0].get("error").is_some(),
                    "{target} {transport}"
                );
            }
            let modern = super::modern(0, "server/discover");
            let left = bridged(target, &[modern], &["--protocol", "modern"]).await;
            assert!(left.answers()[0].get("error").is_some(), "{target}");
        }
        let seen = authority.seen();
        assert!(seen.is_empty(), "{has_challenge} {seen:?}");
    }
}

#[tokio::test]
async fn an_endpoint_of_a_card_that_does_not_exist_ends_there() {
    let authority = Authority::start().await;
    let mut bare = protected(&authority, true);
    let site = Server::that(move |ask| match ask.path.as_str() {
        "/mcp" => Reply::status(404),
        _ => bare(ask),
    })
    .await;
    for target in [site.origin(), domain(&site)] {
        let arguments = ["login", "--no-browser", "--auth-timeout", "2", &target];
        let left = Process::start(&arguments).closed().await;
        assert_eq!(left.status.code(), Some(1), "{}", left.stderr);
        assert!(
            left.stderr.contains("/mcp, which answered 404"),
            "{}",
            left.stderr
        );
        let left = bridged(&target, &[INITIALIZE.to_owned()], &[]).await;
        assert!(left.lines[0].contains("/mcp"), "{:?}", left.lines);
    }
    assert!(authority.seen().is_empty());
}

#[tokio::test]
async fn a_server_of_2024_that_challenges_its_stream_is_signed_in_to() {
    let authority = Authority::start().await;
    let mut bare = protected(&authority, false);
    let site = Server::that(move |ask| match (ask.verb.as_str(), ask.path.as_str()) {
        ("POST", "/mcp") => Reply::status(405),
        _ => bare(ask),
    })
    .await;
    authority.configure(|options| options.resource = Some(site.url()));
    let home = tempfile::tempdir().unwrap();
    signs_in(home.path(), &site.url()).await;
    assert!(!super::asked(&site).iter().any(|it| it.contains(CATALOG)));
}

#[tokio::test]
async fn without_a_terminal_another_site_and_several_servers_are_only_named() {
    let other = Server::that(ordinary).await;
    let url = other.url().replace("127.0.0.1", "localhost");
    for (cards, said) in [
        (vec![card(&url)], "on another site"),
        (vec![card("ORIGIN/a"), card("ORIGIN/b")], "several servers"),
    ] {
        let entries: Vec<_> = cards
            .into_iter()
            .map(|card| json!({"type": "application/mcp-server-card+json", "data": card}))
            .collect();
        let site = Server::that(site(
            vec![(CATALOG, json!({"entries": entries}))],
            404,
            ordinary,
        ))
        .await;
        for target in [site.origin(), domain(&site)] {
            let left = Process::start(&["login", &target]).closed().await;
            assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
            assert!(left.stderr.contains(said), "{}", left.stderr);
            assert!(left.stderr.contains("mcpipe login "), "{}", left.stderr);
        }
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_bridge_that_finds_the_endpoint_signs_in_there() {
    let authority = Authority::start().await;
    let site = Server::that(protected(&authority, true)).await;
    authority.configure(|options| options.resource = Some(site.url()));
    for (nth, target) in [domain(&site), site.origin()].into_iter().enumerate() {
        let flags = [
            "--no-browser",
            "--wait-for-login",
            "--auth-timeout",
            "40",
            &target,
        ];
        let mut host = Process::start_with(&flags, &[("MCPIPE_PROTOCOL", "auto")]);
        host.send(INITIALIZE).await;
        host.has_said("/start").await;
        let said = host.said_so_far();
        let page = said
            .split_whitespace()
            .find(|word| word.ends_with("/start"));
        browser::follow(&Url::parse(page.unwrap()).unwrap()).await;
        let answer = host.next_json().await;
        assert!(answer.get("result").is_some(), "{target} {answer}");
        host.closed().await;
        assert_eq!(authority.grants("authorization_code").len(), nth + 1);
    }
}
