//! One server has one address, however it is typed; and what is near one that is stored is said, not passed over.

#![cfg(unix)]

use std::time::SystemTime;

use mcpipe::secret::Secret;
use mcpipe::store::{EntryKind, Expected};
use serde_json::Value;

use super::changed_issuer::Place;

/// The same address as `url`, otherwise.
fn spellings(url: &str) -> Vec<String> {
    vec![
        url.replace("http://", "HTTP://"),
        url.replace("/mcp", "/%6Dcp"),
        url.replace("/mcp", "/%6dcp#there"),
        url.replace("/mcp", "/a/../mcp"),
        format!("{url}?"),
        format!(" {url} "),
    ]
}

/// Addresses that the user may have meant `url` by.
fn near(url: &str) -> Vec<String> {
    let port = url.split(':').nth(2).unwrap().trim_end_matches("/mcp");
    vec![
        format!("{url}/"),
        url.replace("/mcp", "/MCP"),
        url.replace("/mcp", "/sse"),
        url.replace("/mcp", ""),
        url.replace(port, "1"),
        // The same port of this machine, by its other names.
        url.replace("127.0.0.1", "localhost"),
        url.replace("127.0.0.1", "[::1]"),
        format!("{url}?key=k"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_the_same_however_it_is_typed() {
    let place = Place::new().await;
    place.login(&[], 1).await;
    let url = place.remote.url();
    for spelling in spellings(&url) {
        let told = place.run(&["status", &spelling, "--json"]).await;
        let told: Value = serde_json::from_str(&told.lines.join("")).unwrap();
        assert_eq!(told["entries"].as_array().unwrap().len(), 1, "{spelling}");
        let token = place.run(&["token", &spelling]).await;
        assert!(token.status.success(), "{spelling}: {}", token.stderr);
    }
    // An older version wrote the address as it was typed.
    let vault = place.vault();
    let mut renamed = String::new();
    for (name, kind) in vault.list().await.unwrap() {
        if kind == EntryKind::Oauth {
            let kept = vault.read(&name).await.unwrap().unwrap();
            renamed = name.replace("/mcp", "/%6dcp");
            let content = kept.content.expose().replace("/mcp\"", "/%6dcp\"");
            let content = Secret::new(content);
            let put = vault.put(&renamed, kind, &content, Expected::Absent);
            put.await.unwrap();
            vault.remove(&name).await.unwrap();
        }
    }
    assert!(!renamed.is_empty());
    let token = place.run(&["token", &url]).await;
    assert!(token.status.success(), "{}", token.stderr);
    let out = place.run(&["logout", &spellings(&url)[0]]).await;
    assert!(out.status.success(), "{}", out.stderr);
    assert!(
        out.lines[0].contains("refresh token revoked"),
        "{:?}",
        out.lines
    );
    assert!(vault.read(&renamed).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_called_forgotten_or_absent_that_is_stored_nearby() {
    let place = Place::new().await;
    place.login(&[], 1).await;
    let url = place.remote.url();
    let told =
        |left: &crate::support::host::Exit| format!("{}{}", left.lines.join("\n"), left.stderr);
    for other in near(&url) {
        for (command, code) in [("logout", 1), ("status", 1), ("token", 3)] {
            let left = place.run(&[command, &other]).await;
            let said = told(&left);
            assert_eq!(left.status.code(), Some(code), "{command} {other}: {said}");
            assert!(
                said.contains(&format!("stored is {url}\n")),
                "{command} {other}: {said}"
            );
            assert!(
                said.contains(&format!("`mcpipe {command} {url}`")),
                "{command} {other}: {said}"
            );
            assert!(!said.contains("key=k"), "{said}");
        }
    }
    // The account is another.
    for command in ["logout", "token"] {
        let left = place.run(&[command, &url, "--account", "Work"]).await;
        let said = told(&left);
        assert!(
            !left.status.success() && said.contains(&format!("stored is {url}\n")),
            "{said}"
        );
    }
    place.login(&["--account", "work"], 2).await;
    let left = place.run(&["logout", &url, "--account", "Work"]).await;
    let said = told(&left);
    assert!(said.contains(&format!("{url} (account work)")), "{said}");
    assert_eq!(left.status.code(), Some(1));
    // Another server altogether.
    let left = place.run(&["logout", "https://other.example/mcp"]).await;
    assert!(left.status.success() && left.lines[0].contains("nothing is stored"));
    assert_eq!(place.first.at("/revoke").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tells_of_keys_and_of_what_it_could_not_read() {
    let place = Place::new().await;
    place.login(&[], 1).await;
    let vault = place.vault();
    mcpipe::header_secrets::put(
        &vault,
        "billing",
        &Secret::new("k-canary"),
        None,
        SystemTime::UNIX_EPOCH,
    )
    .await
    .unwrap();
    let name =
        r#"["oauth","default","https://other.example/mcp","https://as.example","c","none","null"]"#;
    let content = Secret::new(r#"{"schema":99}"#);
    let put = vault.put(name, EntryKind::Oauth, &content, Expected::Absent);
    put.await.unwrap();
    let out = place.run(&["logout", "--all"]).await;
    let said = out.lines.join("\n");
    assert!(out.status.success(), "{}", out.stderr);
    assert!(
        said.contains("https://other.example/mcp: forgotten") && said.contains("not readable"),
        "{said}"
    );
    assert!(said.contains("refresh token revoked"), "{said}");
    assert!(
        said.contains("Keys stay in the vault: billing") && !said.contains("canary"),
        "{said}"
    );
    let left: Vec<_> = vault.list().await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");

    let again = place.run(&["logout", "--all"]).await.lines.join("\n");
    assert!(
        again.contains("Nobody is signed in") && again.contains("billing"),
        "{again}"
    );
    vault.remove(&left[0].0).await.unwrap();
    let again = place.run(&["logout", "--all"]).await.lines.join("\n");
    assert!(again.contains("Nothing is stored"), "{again}");
}
