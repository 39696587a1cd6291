//! Keys that a user brings and changes while bridges run: taken with the next request, and named truly where they are
//! refused.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use mcpipe::header_secrets;
use mcpipe::secret::Secret;
use mcpipe::store::{Unlock, Vault, VaultPaths};
use tempfile::TempDir;

use crate::coordination::answer;
use crate::support::host::{INITIALIZE, INITIALIZED, Process, call};
use crate::support::remote::{Ask, Reply, Server, ordinary};

const OLD: &str = "old-key-canary";
const NEW: &str = "new-key-canary";

/// A server that takes this key, in this header, and answers others so.
async fn keyed(header: &'static str, status: u16) -> (Server, Arc<Mutex<String>>) {
    let good = Arc::new(Mutex::new(OLD.to_owned()));
    let taken = Arc::clone(&good);
    let server = Server::that(move |ask: &Ask| {
        let shown = ask.header(header).unwrap_or_default();
        if ask.path != "/mcp" {
            return Reply::status(404);
        }
        match shown.trim_start_matches("Bearer ") == *taken.lock().unwrap() {
            true => ordinary(ask),
            false => Reply::status(status),
        }
    })
    .await;
    (server, good)
}

async fn put(home: &Path, key: &str) {
    let vault = Vault::on_disk(VaultPaths::new(Some(home)).unwrap(), Unlock::default());
    let (key, now) = (Secret::new(key), SystemTime::UNIX_EPOCH);
    let put = header_secrets::put(&vault, "example", &key, None, now);
    put.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_changed_is_taken_by_a_running_bridge() {
    let bearer: &[&str] = &["--bearer", "example"];
    let api_key: &[&str] = &["--header", "X-Api-Key: ${vault:example}"];
    let file: &[&str] = &["--header-file", "FILE"];
    for (flags, header, status, line) in [
        (bearer, "authorization", 401, ""),
        (bearer, "authorization", 403, ""),
        (api_key, "x-api-key", 401, ""),
        (api_key, "x-api-key", 403, ""),
        (file, "x-api-key", 401, "X-Api-Key: KEY\n"),
        (file, "authorization", 401, "Authorization: Bearer KEY\n"),
        (file, "x-api-key", 401, "X-Api-Key: ${vault:example}\n"),
    ] {
        let home = TempDir::new().unwrap();
        let path = home.path().join("headers");
        let change = async |key: &str| {
            put(home.path(), key).await;
            std::fs::write(&path, line.replace("KEY", key)).unwrap();
        };
        change(OLD).await;
        let (server, good) = keyed(header, status).await;
        let (url, path) = (server.url(), path.display().to_string());
        let mut arguments: Vec<&str> = flags.to_vec();
        if let Some(file) = arguments.iter_mut().find(|argument| **argument == "FILE") {
            *file = &path;
        }
        arguments.push(&url);
        let mut host = Process::start_in(home.path(), &arguments, &[]);
        host.send(INITIALIZE).await;
        let opened = answer(&mut host, 0).await;
        assert!(opened["result"].is_object(), "{flags:?} {status}: {opened}");
        host.send(INITIALIZED).await;
        server.asked("POST notifications/initialized", 1).await;

        *good.lock().unwrap() = NEW.to_owned();
        change(NEW).await;
        for id in 1..3 {
            host.send(call(id)).await;
            let answered = answer(&mut host, id).await;
            assert!(
                answered["result"].is_object(),
                "{flags:?} {status}: {answered}"
            );
        }
        let left = host.closed().await;
        assert!(left.status.success(), "{}", left.stderr);
        assert!(!left.stderr.contains("canary"), "{}", left.stderr);
        // One request is turned down and sent again: a call, or the stream that the bridge opens beside it.
        let calls = server.count("POST tools/call");
        assert!((2..=3).contains(&calls), "{flags:?} {status}: {calls}");
    }
}

/// The message says where the key came from, and what to type.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_is_named_with_where_it_comes_from() {
    let variables = [("API_KEY", "env-key-canary"), ("BROWSER", "false")];
    let rows: [(&[&str], &str, &[&str]); 9] = [
        (
            &["--bearer", "example"],
            "authorization",
            &["Key `example` was refused", "`mcpipe vault put example`"],
        ),
        (
            &["--header", "Authorization: Bearer ${vault:example}"],
            "authorization",
            &["Key `example` was refused", "`mcpipe vault put example`"],
        ),
        (
            &["--header", "X-Api-Key: ${vault:example}"],
            "x-api-key",
            &["Key `example` was refused", "`mcpipe vault put example`"],
        ),
        (
            &["--header-file", "FILE"],
            "authorization",
            &["Authorization header from the file FILE"],
        ),
        (
            &["--header-file", "FILE"],
            "x-api-key",
            &["X-Api-Key header from the file FILE"],
        ),
        (
            &["--header", "Authorization: Bearer ${API_KEY}"],
            "authorization",
            &["variable API_KEY", "restart the host"],
        ),
        (
            &["--header", "X-Api-Key: ${API_KEY}"],
            "x-api-key",
            &["variable API_KEY", "restart the host"],
        ),
        (
            &["--header", "Authorization: Bearer typed-canary"],
            "authorization",
            &["Authorization header that --header gives"],
        ),
        (
            &[
                "--header-command",
                "echo 'Authorization: Bearer printed-canary'",
            ],
            "authorization",
            &["Authorization header that --header-command prints"],
        ),
    ];
    for (flags, header, wanted) in rows {
        let home = TempDir::new().unwrap();
        put(home.path(), OLD).await;
        let path = home.path().join("headers");
        let name = if header == "x-api-key" {
            "X-Api-Key"
        } else {
            "Authorization"
        };
        std::fs::write(&path, format!("{name}: Bearer {OLD}\n")).unwrap();
        let (server, good) = keyed(header, 401).await;
        *good.lock().unwrap() = "another".to_owned();
        let (url, path) = (server.url(), path.display().to_string());
        let mut arguments: Vec<&str> = flags.to_vec();
        if let Some(file) = arguments.iter_mut().find(|argument| **argument == "FILE") {
            *file = &path;
        }
        arguments.push(&url);
        let mut all = variables.to_vec();
        all.push(("PATH", "/usr/bin:/bin"));
        let mut host = Process::start_in(home.path(), &arguments, &all);
        host.send(INITIALIZE).await;
        let refused = answer(&mut host, 0).await;
        let message = refused["error"]["message"].as_str().unwrap();
        for wanted in wanted {
            let wanted = wanted.replace("FILE", &path);
            assert!(message.contains(&wanted), "{flags:?}: {message}");
        }
        assert_eq!(
            refused["error"]["data"]["kind"], "sign_in_needed",
            "{refused}"
        );
        assert!(!message.contains("canary"), "{message}");
        // A sign-in would not help, and is not what is said to be missing.
        let left = host.closed().await;
        assert_eq!(left.status.code(), Some(3), "{flags:?}: {}", left.stderr);
        let last = left.stderr.rsplit("error: ").next().unwrap();
        // Beside another header than `Authorization` mcpipe tries a sign-in, and that it failed counts.
        if header == "authorization" {
            assert!(
                last.contains("a credential of yours was refused"),
                "{flags:?}: {last}"
            );
            assert!(!last.contains("mcpipe login"), "{flags:?}: {last}");
        }
    }
}
