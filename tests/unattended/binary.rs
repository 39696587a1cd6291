//! The real binary: flags, files, what is said and written down.

use serde_json::Value;

use crate::support::authority::Authority;
use crate::support::authority::grants::token;
use crate::support::host::{INITIALIZE, INITIALIZED, Process, TOO_LONG, call};
use crate::support::remote::{Ask, Reply, Server, ordinary};

use super::SECRET;

/// A remote that takes the authority's tokens and no others.
pub(crate) async fn protected_by(authority: &Authority) -> Server {
    let issuer = authority.clone();
    let remote = Server::that(move |ask| guarded(ask, &issuer)).await;
    authority.configure(|options| options.gives_refresh = false);
    remote
}

fn guarded(ask: &Ask, issuer: &Authority) -> Reply {
    if let Some(document) = issuer.metadata_of(ask) {
        return document;
    }
    let shown = ask.header("authorization").unwrap_or_default();
    let good = issuer.access_tokens();
    if good.iter().any(|token| shown == format!("Bearer {token}")) {
        return ordinary(ask);
    }
    Reply::status(401).with("WWW-Authenticate", "Bearer")
}

/// Opens a session, makes one call, leaves; its stderr.
async fn played(mut host: Process) -> String {
    host.send(INITIALIZE).await;
    let opened = host.next_json().await;
    assert!(opened["result"].is_object(), "{opened}");
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    let answer = host.next_json().await;
    assert!(answer["result"].is_object(), "{answer}");
    let left = host.closed().await;
    assert!(left.status.success());
    left.stderr
}

#[tokio::test]
async fn no_key_secret_or_assertion_is_logged_or_recorded() {
    let home = tempfile::tempdir().unwrap();
    let key = mcpipe::auth::oauth::jws::Key::generate().unwrap();
    let (issuer, given) = ("https://idp.example.com", "workload-canary");
    let assertion = token(&serde_json::json!({ "sub": given, "iss": issuer }));
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (pem, jwt) = (
        file("key.pem", key.text().expose()),
        file("jwt", &assertion),
    );
    let cat = format!("cat '{jwt}'");
    let robot = ["--client-credentials", "--client-id", "robot"];
    for (name, flags) in [
        (
            "secret",
            [&robot[..], &["--client-secret-env", "ROBOT"]].concat(),
        ),
        (
            "key",
            [
                &["--client-credentials", "--client-id", "signer"],
                &["--client-key", &pem][..],
            ]
            .concat(),
        ),
        ("file", vec!["--assertion-file", &jwt]),
        ("command", vec!["--assertion-command", &cat]),
    ] {
        let authority = Authority::start().await;
        authority.add_secret_client("robot", SECRET, "client_secret_basic");
        authority.add_signing_client("signer", &key);
        authority.turn_grants(|grants| grants.assertions = vec![assertion.clone()]);
        let remote = protected_by(&authority).await;
        let recording = home.path().join(format!("{name}.jsonl"));
        let (url, recorded) = (remote.url(), recording.display().to_string());
        let mut arguments = flags.clone();
        arguments.extend(["--debug", "--record", &recorded, &url]);
        let inner = home.path().join(name);
        let variables = [("ROBOT", SECRET), ("PATH", "/usr/bin:/bin")];
        let said = played(Process::start_in(&inner, &arguments, &variables)).await;

        assert_eq!(authority.at("/token").len(), 1, "{name}: {said}");
        assert!(said.contains("a token was granted"), "{name}: {said}");
        let written = std::fs::read_to_string(&recording).unwrap();
        let shown = authority.at("/token").remove(0);
        let ours = ["client_assertion", "assertion"].map(|it| shown.field(it).map(str::to_owned));
        let secrets = [Some(SECRET.to_owned()), authority.access_tokens().pop()];
        let body = key.text().expose().lines().nth(1).map(str::to_owned);
        for secret in ours.into_iter().chain(secrets).chain([body]).flatten() {
            assert!(!said.contains(&secret), "{name}: {secret} in {said}");
            assert!(!written.contains(&secret), "{name}: {secret} in {written}");
        }
        assert!(authority.at("/authorize").is_empty() && authority.at("/register").is_empty());
    }
}

/// The page is waited for by a helper, which comes to the provider from the same flags.
#[cfg(unix)]
#[tokio::test]
async fn a_person_signs_in_at_the_provider_and_another_server_asks_nobody() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = tempfile::tempdir().unwrap();
    let provider = Authority::start().await;
    provider.welcome_anywhere("desk");
    provider.turn_grants(|grants| grants.gives_id_tokens = true);
    let (browser, log) = (home.path().join("browser"), home.path().join("shown"));
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$1\" >> '{}'\n", log.display());
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o700)).unwrap();
    let (browser, shown) = (browser.display().to_string(), || {
        std::fs::read_to_string(&log).unwrap_or_default()
    });
    let variables = [
        ("ROBOT", SECRET),
        ("BROWSER", &browser),
        ("PATH", "/usr/bin:/bin"),
    ];
    for round in 0..2 {
        let authority = Authority::start().await;
        authority.add_secret_client("robot", SECRET, "client_secret_basic");
        let vouching = provider.clone();
        authority.turn_grants(|grants| grants.provider = Some(vouching));
        let remote = protected_by(&authority).await;
        let url = remote.url();
        let arguments = [
            ["--client-id", "robot", "--client-secret-env", "ROBOT"],
            ["--idp-issuer", &provider.origin, "--idp-client-id", "desk"],
            ["--auth-timeout", "40", "--wait-for-login", &url],
        ]
        .concat();
        let host = Process::start_in(home.path(), &arguments, &variables);
        let person = async {
            if round == 0 {
                let looking = async {
                    while !shown().ends_with('\n') {
                        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    }
                };
                tokio::time::timeout(TOO_LONG, looking).await.unwrap();
                let page = shown().trim().parse().unwrap();
                crate::support::browser::follow(&page).await;
            }
        };
        let (said, ()) = tokio::join!(played(host), person);
        assert_eq!(authority.access_tokens().len(), 1, "{said}");
        assert!(authority.at("/authorize").is_empty());
    }
    assert_eq!(shown().lines().count(), 1, "{}", shown());
    assert_eq!(provider.at("/authorize").len(), 1);
    assert_eq!(provider.grants("authorization_code").len(), 1);
}

#[tokio::test]
async fn login_gets_a_token_now_and_status_says_how() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::start().await;
    authority.add_secret_client("robot", SECRET, "client_secret_basic");
    let remote = protected_by(&authority).await;
    let url = remote.url();
    let variables = [
        ("MCPIPE_CLIENT_CREDENTIALS", "true"),
        ("MCPIPE_CLIENT_ID", "robot"),
        ("MCPIPE_CLIENT_SECRET_ENV", "ROBOT"),
        ("ROBOT", SECRET),
    ];
    let login = Process::start_in(home.path(), &["login", &url], &variables);
    let left = login.exit().await;
    assert!(left.status.success(), "{}", left.stderr);
    assert_eq!(
        left.lines,
        [format!("Got a token for {url} by client credentials.")]
    );
    assert_eq!(authority.grants("client_credentials").len(), 1);

    let status = Process::start_in(home.path(), &["status", "--json"], &[])
        .exit()
        .await;
    let status: Value = serde_json::from_str(&status.lines.join("\n")).unwrap();
    let entry = &status["entries"][0];
    assert_eq!(
        (&entry["grant"], &entry["renewable"]),
        (&"client_credentials".into(), &true.into())
    );
}

/// SEP-1046: a server may look among the client's capabilities for how it may be signed in to.
#[tokio::test]
async fn the_server_is_told_which_extensions_are_in_use_and_nothing_where_none_is() {
    let authority = Authority::start().await;
    authority.add_secret_client("robot", SECRET, "client_secret_basic");
    let remote = protected_by(&authority).await;
    let url = remote.url();
    let robot = ["--client-credentials", "--client-id", "robot"];
    let with = [&robot[..], &["--client-secret-env", "ROBOT", &url]].concat();
    played(Process::start_with(&with, &[("ROBOT", SECRET)])).await;
    let declared = initialized(&remote)["params"]["capabilities"]["extensions"].clone();
    let wanted = serde_json::json!({ "io.modelcontextprotocol/oauth-client-credentials": {} });
    assert_eq!(declared, wanted);

    let open = Server::that(ordinary).await;
    played(Process::start_with(&[&open.url()], &[])).await;
    let wanted: Value = serde_json::from_str(INITIALIZE).unwrap();
    assert_eq!(initialized(&open), wanted);
}

/// The last `initialize` that came.
fn initialized(server: &Server) -> Value {
    let asks = server.all();
    let mut bodies = asks.iter().rev().map(|ask| &ask.body);
    let body = bodies.find(|body| body.contains(r#""initialize""#));
    serde_json::from_str(body.unwrap()).unwrap()
}

#[tokio::test]
async fn a_script_gets_a_machines_token_though_none_was_there() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::start().await;
    authority.add_secret_client("robot", SECRET, "client_secret_basic");
    let remote = protected_by(&authority).await;
    let url = remote.url();
    let robot = ["--client-credentials", "--client-id", "robot"];
    let asked = [
        &["token", &url][..],
        &robot,
        &["--client-secret-env", "ROBOT"],
    ]
    .concat();
    for _ in 0..2 {
        let token = Process::start_in(home.path(), &asked, &[("ROBOT", SECRET)]);
        let left = token.exit().await;
        assert_eq!(left.lines, authority.access_tokens(), "{}", left.stderr);
    }
    assert_eq!(authority.grants("client_credentials").len(), 1);
    let wrong = Process::start_with(&asked, &[("ROBOT", "wrong")])
        .exit()
        .await;
    assert_eq!(wrong.status.code(), Some(3));
    assert!(wrong.stderr.contains("invalid_client"), "{}", wrong.stderr);
}

#[tokio::test]
async fn grants_that_contradict_or_lack_something_are_mistakes() {
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let made = tempfile::NamedTempFile::new().unwrap();
    let es = mcpipe::auth::oauth::jws::Key::generate().unwrap();
    std::fs::write(made.path(), es.text().expose()).unwrap();
    let es = made.path().display().to_string();
    for (flags, wanted) in [
        (vec!["--client-credentials"], "--client-id"),
        (
            vec!["--client-credentials", "--client-id", "x"],
            "--client-key",
        ),
        (
            vec!["--client-credentials", "--assertion-file", "x"],
            "--assertion-file",
        ),
        (
            vec!["--assertion-file", "x", "--assertion-command", "y"],
            "--assertion-command",
        ),
        (
            vec!["--assertion-file", "x", "--device-code"],
            "--device-code",
        ),
        (vec!["--assertion-command", "'x"], "not closed"),
        (
            vec!["--token-endpoint", "https://x.example/token"],
            "--token-endpoint",
        ),
        (vec!["--idp-id-token", "x"], "--idp-issuer"),
        (vec!["--idp-issuer", "https://x.example"], "--client-id"),
        (
            vec!["--idp-issuer", "https://x.example", "--client-id", "x"],
            "--idp-client-id",
        ),
        (vec!["--client-key", "x"], "--client-id"),
        (
            vec!["--client-id", "x", "--client-key", "/nowhere"],
            "/nowhere",
        ),
        (
            vec!["--client-id", "x", "--client-key", key],
            "no private key",
        ),
        (
            vec!["--client-id", "x", "--client-key", "vault:no name"],
            "no name",
        ),
        (
            vec![
                "--client-id",
                "x",
                "--client-key",
                &es,
                "--client-alg",
                "RS256",
            ],
            "RS256",
        ),
        (
            vec![
                "--client-id",
                "x",
                "--client-key",
                &es,
                "--client-alg",
                "none",
            ],
            "--client-alg",
        ),
        (
            vec![
                "--client-id",
                "x",
                "--client-key",
                &es,
                "--client-assertion-audience",
                "x",
            ],
            "URL",
        ),
        (vec!["--client-alg", "ES256"], "--client-key"),
    ] {
        let mut arguments = flags.clone();
        arguments.push("https://mcp.invalid/mcp");
        let left = Process::start(&arguments).exit().await;
        assert_eq!(left.status.code(), Some(2), "{flags:?}: {}", left.stderr);
        assert!(left.stderr.contains(wanted), "{flags:?}: {}", left.stderr);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_that_others_can_read_is_used_and_said() {
    use std::os::unix::fs::PermissionsExt as _;

    let file = tempfile::NamedTempFile::new().unwrap();
    let key = mcpipe::auth::oauth::jws::Key::generate().unwrap();
    std::fs::write(file.path(), key.text().expose()).unwrap();
    let path = file.path().display().to_string();
    for (mode, is_said) in [(0o604, true), (0o600, false), (0o640, false)] {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let authority = Authority::start().await;
        authority.add_signing_client("signer", &key);
        let remote = protected_by(&authority).await;
        let url = remote.url();
        let signer = ["--client-credentials", "--client-id", "signer"];
        let asked = [&["token", &url][..], &signer, &["--client-key", &path]].concat();
        let left = Process::start(&asked).exit().await;
        assert_eq!(left.lines, authority.access_tokens(), "{}", left.stderr);
        assert_eq!(
            left.stderr.contains("chmod 600"),
            is_said,
            "{mode:o}: {}",
            left.stderr
        );
    }
}
