//! A host that is received while a person signs in.
//!
//! Hosts that give up before the user has signed in: reported in punkpeye/mcp-remote#320.
#![cfg(unix)]

mod modern_hosts; // `server/discover` and subscriptions

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use mcpipe::era::Protocol;
use serde_json::{Value, json};
use tokio::time;
use url::Url;

use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::{InProcess, Process, request, settings};
use crate::support::remote::{Reply, Server, ordinary};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"h","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A protected server and its authority.
pub(crate) async fn protected() -> (Authority, Server) {
    let authority = Authority::start().await;
    let tokens = authority.clone();
    let metadata = format!(
        "{}/.well-known/oauth-protected-resource/mcp",
        authority.origin
    );
    let server = Server::that(move |ask| {
        let bearer = ask
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_some_and(|token| tokens.access_tokens().iter().any(|known| known == token)) {
            return ordinary(ask);
        }
        Reply::status(401).with(
            "WWW-Authenticate",
            &format!(r#"Bearer resource_metadata="{metadata}""#),
        )
    })
    .await;
    let resource = format!("{}/mcp", server.origin());
    authority.protect(
        "/.well-known/oauth-protected-resource/mcp",
        &resource,
        &[&authority.origin],
    );
    (authority, server)
}

/// A browser that only notes where it was sent.
pub(crate) fn noting(folder: &Path) -> String {
    let script = folder.join("browser");
    let note = folder.join("address");
    let text = format!(
        "#!/bin/sh\nprintf %s \"$1\" > '{}.new'\nmv '{0}.new' '{0}'\n",
        note.display()
    );
    std::fs::write(&script, text.replace("mv ", "/bin/mv ")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    script.display().to_string()
}

pub(crate) async fn noted(folder: &Path) -> Url {
    loop {
        if let Ok(address) = std::fs::read_to_string(folder.join("address")) {
            return Url::parse(&address).unwrap();
        }
        time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn initialize_is_answered_while_a_person_signs_in_and_the_lists_are_announced_after() {
    let (authority, server) = protected().await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/mcp", server.origin());
    let mut host = Process::start_with(&[&url], &[("BROWSER", &noting(folder.path()))]);

    host.send(INITIALIZE).await;
    let received = time::timeout(Duration::from_secs(5), host.next_json())
        .await
        .expect("an early answer");
    assert_eq!(received["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(received["result"]["serverInfo"]["name"], "127.0.0.1");
    host.send(INITIALIZED).await;
    host.send(request(1, "tools/list")).await;

    // No user has signed in yet, and the server has seen the requests that it challenged and no others.
    assert!(authority.at("/authorize").is_empty());
    browser::follow(&noted(folder.path()).await).await;

    let mut heard: Vec<Value> = Vec::new();
    while !heard.iter().any(|line| line["id"] == 1) {
        heard.push(host.next_json().await);
    }
    assert!(
        heard.contains(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})),
        "{heard:?}"
    );
    assert!(
        heard.iter().all(|line| line["id"] != 0),
        "initialize was answered twice: {heard:?}"
    );
    let asked = server.all();
    let opened = asked
        .iter()
        .filter(|ask| ask.label() == "POST initialize" && ask.header("authorization").is_some());
    let bodies: Vec<Value> = opened
        .map(|ask| serde_json::from_str(&ask.body).unwrap())
        .collect();
    assert_eq!(bodies.len(), 1);
    assert_eq!(
        bodies[0]["params"]["clientInfo"]["name"], "h",
        "the host's own identity opens the session"
    );
    assert!(host.closed().await.status.success());
}

#[tokio::test]
async fn a_host_that_can_wait_is_answered_by_the_server_itself() {
    let (_authority, server) = protected().await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/mcp", server.origin());
    let mut host = Process::start_with(
        &["--wait-for-login", &url],
        &[("BROWSER", &noting(folder.path()))],
    );
    host.send(INITIALIZE).await;
    let address = noted(folder.path()).await;
    let early = time::timeout(Duration::from_secs(3), host.next()).await;
    assert!(early.is_err(), "{early:?}");
    browser::follow(&address).await;
    assert_eq!(
        host.next_json().await["result"]["serverInfo"]["name"],
        "remote"
    );
    assert!(host.closed().await.status.success());
}

#[tokio::test]
async fn a_second_start_is_received_with_what_the_server_said_the_first_time() {
    let (authority, server) = protected().await;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let (url, home) = (
        format!("{}/mcp", server.origin()),
        home.display().to_string(),
    );
    let script = noting(folder.path());
    let variables = [("BROWSER", script.as_str()), ("MCPIPE_HOME", &home)];
    let mut host = Process::start_with(&["--wait-for-login", &url], &variables);
    host.send(INITIALIZE).await;
    browser::follow(&noted(folder.path()).await).await;
    host.next().await;
    assert!(host.closed().await.status.success());

    // Signed out, and out of the vault, but not out of mind.
    authority.revoke_all();
    std::fs::remove_file(Path::new(&home).join("vault.bin")).unwrap();
    std::fs::remove_file(folder.path().join("address")).unwrap();
    let mut host = Process::start_with(&[&url], &variables);
    host.send(INITIALIZE).await;
    assert_eq!(
        host.next_json().await["result"]["serverInfo"]["name"],
        "remote"
    );
    assert!(host.closed().await.status.success());
}

/// A bridge that opens no browser and lets requests wait for a sign-in this long.
fn impatient(url: &str, patience: Duration, protocol: Protocol) -> InProcess {
    let now = || std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let tls = || mcpipe::tls::config(Vec::new(), false).unwrap();
    let sign_in = mcpipe::auth::Settings {
        browser: mcpipe::auth::Browser::None,
        ..mcpipe::auth::Settings::new(url, mcpipe::clock::Clock::new(now)).unwrap()
    };
    let guard = mcpipe::auth::net::guard::Guard::new(&sign_in.url, false, false);
    let http = mcpipe::auth::net::http::Http::new(tls(), guard);
    let vault = std::sync::Arc::new(mcpipe::store::Vault::in_memory());
    let https = mcpipe::remote::https::Settings {
        url: Url::parse(url).unwrap(),
        headers: http::HeaderMap::new(),
        deferred: None,
        command: None,
        max_message: 1 << 20,
        connect_timeout: Duration::from_secs(5),
        headers_timeout: None,
        body_timeout: None,
        keeps_cookies: false,
        proxies: Default::default(),
        ipv4_only: false,
        user_agent: "test".into(),
        now,
    };
    let impatient = mcpipe::bridge::Settings {
        sign_in_patience: Some(patience),
        protocol,
        ..settings()
    };
    let authorizer = mcpipe::auth::Authorizer::new(sign_in, vault, http);
    let remote = mcpipe::remote::https::Https::new(https, tls()).unwrap();
    InProcess::signed_in_by(authorizer, remote, impatient)
}

#[tokio::test]
async fn a_request_that_a_person_keeps_waiting_is_told_where_to_go() {
    let (_authority, server) = protected().await;
    let url = format!("{}/mcp", server.origin());
    let mut host = impatient(&url, Duration::from_millis(200), settings().protocol);
    host.send(request(1, "tools/list")).await;
    let error = &host.next_json().await["error"];
    assert_eq!(error["data"]["kind"], "sign_in_needed");
    assert_eq!(error["data"]["retryable"], true);
    let page = error["data"]["url"].as_str().unwrap();
    assert!(
        page.ends_with("/start") && error["message"].as_str().unwrap().contains(page),
        "{error}"
    );
}
