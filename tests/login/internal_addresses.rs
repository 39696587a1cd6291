//! Addresses that a malicious server names for the sign-in (RFC 9728 section 7.7): none inside is connected to, however it
//! is written and wherever it is named. A proxy stands for the world, so that every connection is seen and none is made.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::support::host::Process;
use crate::support::remote::{Reply, Server};
use crate::support::tls::{Ca, Front};

const HOME: &str = "mcp.example.com:443";

/// All that was connected to.
type Connections = Arc<Mutex<Vec<String>>>;

/// A proxy that leads to `home` and to no other place.
async fn proxy(home: u16, seen: Connections) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let tasks = TaskTracker::new();
    tasks.clone().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tasks.spawn(async move {
                let mut near = BufReader::new(stream);
                let mut line = String::new();
                near.read_line(&mut line).await.unwrap();
                let target = line.split(' ').nth(1).unwrap().to_owned();
                while line.trim() != "" {
                    line.clear();
                    near.read_line(&mut line).await.unwrap();
                }
                seen.lock().unwrap().push(target.clone());
                if target != HOME {
                    let _ = near.write_all(b"HTTP/1.1 502 Nowhere\r\n\r\n").await;
                    return;
                }
                near.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")
                    .await
                    .unwrap();
                let mut far = TcpStream::connect(("127.0.0.1", home)).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}

/// Something that listens on this machine and has no business with the server: on both families where there are two.
async fn inside(seen: Connections) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let second = TcpListener::bind(("::1", port)).await.ok();
    for listener in [Some(listener), second].into_iter().flatten() {
        let seen = Arc::clone(&seen);
        TaskTracker::new().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let address = stream.local_addr().unwrap().to_string();
                seen.lock().unwrap().push(address);
            }
        });
    }
    port
}

/// Where the server names it.
#[derive(Clone, Copy, Debug)]
enum Named {
    InTheChallenge,
    AsAuthorizationServer,
    AsEndpoints,
    ByARedirect,
}

use Named::{AsAuthorizationServer, AsEndpoints, ByARedirect, InTheChallenge};

fn answer(path: &str, named: Named, address: &str) -> Reply {
    let home = "https://mcp.example.com";
    let document = |issuer: &str| {
        let document =
            json!({ "resource": format!("{home}/mcp"), "authorization_servers": [issuer] });
        Reply::json(document.to_string())
    };
    match (path, named) {
        ("/mcp", InTheChallenge) => {
            let challenge = format!(r#"Bearer resource_metadata="{address}/metadata""#);
            Reply::status(401).with("WWW-Authenticate", &challenge)
        }
        ("/mcp", _) => Reply::status(401).with("WWW-Authenticate", "Bearer"),
        ("/.well-known/oauth-protected-resource/mcp", AsAuthorizationServer) => document(address),
        ("/.well-known/oauth-protected-resource/mcp", AsEndpoints) => document(home),
        ("/.well-known/oauth-protected-resource/mcp", ByARedirect) => {
            Reply::status(302).with("Location", &format!("{address}/metadata"))
        }
        ("/.well-known/oauth-authorization-server", AsEndpoints) => Reply::json(
            json!({
                "issuer": home,
                "authorization_endpoint": format!("{home}/authorize"),
                "token_endpoint": format!("{address}/token"),
                "registration_endpoint": format!("{address}/register"),
                "device_authorization_endpoint": format!("{address}/device"),
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            })
            .to_string(),
        ),
        _ => Reply::status(404),
    }
}

/// Signs in there, and returns every connection but those to the server itself, and what was said.
async fn connections(ca: &Ca, host: &str, named: Named, flags: &[&str]) -> (Vec<String>, String) {
    let seen = Connections::default();
    let port = inside(Arc::clone(&seen)).await;
    let address = format!("https://{host}:{port}");
    assert!(Url::parse(&address).is_ok(), "{address}");
    let server = Server::that(move |ask| answer(&ask.path, named, &address)).await;
    let (chain, key) = ca.issues("mcp.example.com", |_| ());
    let front = Front::showing(&server.origin(), chain, key).await;
    let front = Url::parse(&front.origin).unwrap().port().unwrap();
    let proxy = proxy(front, Arc::clone(&seen)).await;
    let file = ca.file();
    let login = [
        "login",
        "--no-browser",
        "--auth-timeout",
        "1",
        "--ca",
        &file,
    ];
    let arguments = [&login[..], flags, &["https://mcp.example.com/mcp"]].concat();
    let left = Process::start_with(&arguments, &[("HTTPS_PROXY", &proxy)])
        .closed()
        .await;
    assert!(!left.status.success(), "{}", left.stderr);
    let mut seen = seen.lock().unwrap().clone();
    assert!(seen.iter().any(|it| it == HOME), "{}", left.stderr);
    seen.retain(|it| it != HOME);
    (seen, left.stderr)
}

#[tokio::test]
async fn no_address_inside_is_connected_to_wherever_a_server_outside_names_it() {
    let ca = Ca::named("a CA");
    let everywhere = [
        InTheChallenge,
        AsAuthorizationServer,
        AsEndpoints,
        ByARedirect,
    ];
    let mut rows: Vec<(&str, Named)> = ["127.0.0.1", "169.254.169.254"]
        .into_iter()
        .flat_map(|host| everywhere.map(|named| (host, named)))
        .collect();
    let others = [
        "localhost",
        "LOCALHOST.",
        "0x7f.1",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a00:1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "224.0.0.1",
        "①⑥⑨.254.169.254",
    ];
    rows.extend(others.into_iter().zip(everywhere.into_iter().cycle()));
    for rows in rows.chunks(4) {
        let runs = rows
            .iter()
            .map(|(host, named)| connections(&ca, host, *named, &[]));
        for ((host, named), (seen, said)) in rows.iter().zip(join_all(runs).await) {
            assert!(seen.is_empty(), "{host} {named:?}: {seen:?}: {said}");
            if !matches!(named, InTheChallenge | ByARedirect) {
                assert!(
                    said.contains("reserved address"),
                    "{host} {named:?}: {said}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_the_user_allows_is_connected_to_and_the_places_of_clouds_are_not() {
    let ca = Ca::named("a CA");
    for (host, is_allowed) in [
        ("127.0.0.1", true),
        ("10.0.0.1", true),
        ("169.254.169.254", false),
    ] {
        let flags = ["--allow-private"];
        let (seen, said) = connections(&ca, host, AsAuthorizationServer, &flags).await;
        assert_eq!(!seen.is_empty(), is_allowed, "{host}: {seen:?}: {said}");
    }
}
