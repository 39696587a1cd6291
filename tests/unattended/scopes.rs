//! No more scope than the server wants, whichever of bridge and command asks first.

use serde_json::json;
use tempfile::TempDir;

use super::SECRET;
use crate::support::authority::Authority;
use crate::support::authority::grants::token;
use crate::support::host::{INITIALIZE, INITIALIZED, Process, call};
use crate::support::remote::{Ask, Reply, Server, ordinary};

/// What one server says of scopes.
struct Case {
    name: &'static str,
    /// `scope` of its challenge.
    challenge: Option<&'static str>,
    /// `scopes_supported` of its metadata as a resource.
    resource: Option<&'static [&'static str]>,
    /// Whether it lets `initialize` pass.
    is_late: bool,
    wanted: Option<&'static str>,
}

const CASES: [Case; 5] = [
    Case {
        name: "challenged at once",
        challenge: Some("a"),
        resource: Some(&["a", "b", "c"]),
        is_late: false,
        wanted: Some("a"),
    },
    Case {
        name: "challenged after initialize",
        challenge: Some("a"),
        resource: Some(&["a", "b", "c"]),
        is_late: true,
        wanted: Some("a"),
    },
    Case {
        name: "challenged without a scope",
        challenge: None,
        resource: Some(&["a", "b"]),
        is_late: false,
        wanted: Some("a b"),
    },
    Case {
        name: "no scope is named by the server",
        challenge: None,
        resource: None,
        is_late: false,
        wanted: None,
    },
    Case {
        name: "an empty list",
        challenge: None,
        resource: Some(&[]),
        is_late: true,
        wanted: None,
    },
];

async fn server(case: &'static Case, authority: &Authority) -> Server {
    let issuer = authority.clone();
    Server::that(move |ask: &Ask| {
        let host = ask.header("host").unwrap();
        let prm = "/.well-known/oauth-protected-resource/mcp";
        if ask.path == prm {
            let mut document = json!({
                "resource": format!("http://{host}/mcp"),
                "authorization_servers": [issuer.origin],
            });
            if let Some(scopes) = case.resource {
                document["scopes_supported"] = json!(scopes);
            }
            return Reply::json(document.to_string());
        }
        if ask.path != "/mcp" {
            return Reply::status(404);
        }
        let shown = ask.header("authorization").unwrap_or_default();
        let good = issuer.access_tokens();
        let passes =
            case.is_late && !["POST tools/list", "POST tools/call"].contains(&ask.label().as_str());
        if passes || good.iter().any(|token| shown == format!("Bearer {token}")) {
            return ordinary(ask);
        }
        let scope = case.challenge.map(|scope| format!(r#", scope="{scope}""#));
        let place = format!("http://{host}{prm}");
        let words = format!(
            r#"Bearer resource_metadata="{place}"{}"#,
            scope.unwrap_or_default()
        );
        Reply::status(401).with("WWW-Authenticate", &words)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn bridge_and_commands_ask_for_what_the_server_names_and_no_more() {
    let files = TempDir::new().unwrap();
    let assertion = token(&json!({ "sub": "workload", "iss": "https://idp.example.com" }));
    let jwt = files.path().join("jwt");
    std::fs::write(&jwt, &assertion).unwrap();
    let jwt = jwt.display().to_string();
    let robot = [
        "--client-credentials",
        "--client-id",
        "robot",
        "--client-secret-env",
        "ROBOT",
    ];
    let workload = ["--assertion-file", jwt.as_str()];
    for (grant, flags) in [
        ("client credentials", &robot[..]),
        ("workload", &workload[..]),
    ] {
        for case in &CASES {
            for command in ["token", "login", "bridge"] {
                let authority = Authority::start().await;
                authority.add_secret_client("robot", SECRET, "client_secret_basic");
                authority.turn_grants(|grants| grants.assertions = vec![assertion.clone()]);
                authority.configure(|options| {
                    options.gives_refresh = false;
                    options.metadata = json!({ "scopes_supported": ["a", "b", "c", "d", "admin"] });
                });
                let remote = server(case, &authority).await;
                let home = TempDir::new().unwrap();
                let url = remote.url();
                let mut arguments = flags.to_vec();
                arguments.push(&url);
                if command != "bridge" {
                    arguments.insert(0, command);
                }
                let mut host = Process::start_in(home.path(), &arguments, &[("ROBOT", SECRET)]);
                if command == "bridge" {
                    for line in [INITIALIZE, INITIALIZED] {
                        host.send(line).await;
                    }
                    host.send(call(1)).await;
                    host.next().await;
                    host.next().await;
                }
                let left = host.closed().await;
                let name = format!("{grant}, {}, {command}: {}", case.name, left.stderr);
                assert!(left.status.success(), "{name}");
                let form = authority.at("/token").pop().unwrap();
                assert_eq!(form.field("scope"), case.wanted, "{name}");
                assert_eq!(authority.at("/token").len(), 1, "{name}");
            }
        }
    }
}
