//! The door: help, version, and every kind of bad input, refused with exit code 2 before anything is sent and without
//! showing a secret.

mod arguments; // words in wrong places: the error says what was expected and repeats no word
#[cfg(unix)]
mod interrupted; // Ctrl-C in commands
#[cfg(unix)]
mod no_terminal; // without a terminal, no command waits for one
mod refused; // errors of a refusal: server, reason, and scheme
mod reports; // sentences for the user are true
#[cfg(unix)]
mod typed; // a bridge that a user starts in a terminal

use crate::support::host::Process;
use crate::support::remote::{Server, ordinary};

#[tokio::test]
async fn help_explains_every_flag_and_goes_to_stdout() {
    for command in [
        &["--help"][..],
        &["login", "--help"],
        &["logout", "--help"],
        &["status", "--help"],
        &["import", "--help"],
    ] {
        let left = Process::start(command).closed().await;
        assert!(left.status.success(), "{command:?}");
        assert_eq!(left.stderr, "");
        let lines: Vec<_> = left.lines.iter().map(|line| line.trim()).collect();
        let is_flag = |line: &str| line.starts_with('-') && !line.starts_with("- ");
        let mut flags = 0;
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_flag(line)) {
            flags += 1;
            // Two spaces on, or on the next line where the flag is long.
            let on_next = lines
                .get(at + 1)
                .is_some_and(|next| !next.is_empty() && !is_flag(next));
            assert!(
                line.contains("  ") || on_next,
                "{command:?}: {line} is not explained"
            );
        }
        assert!(flags > 3, "{command:?}: {flags}");
    }
}

#[tokio::test]
async fn the_help_of_the_bridge_names_what_a_person_needs() {
    let left = Process::start(&["--help"]).closed().await;
    let help = left.lines.join("\n");
    for word in [
        "--header",
        "--header-file",
        "--ca",
        "--allow-http",
        "--grace",
        "--call-timeout",
        "--transport",
        "http-first",
        "--max-message-size",
        "--connect-timeout",
        "--headers-timeout",
        "--ping-interval",
        "--cache-ttl",
        "--no-browser",
        "--scope",
        "MCPIPE_HOME",
        "Exit codes",
        "login",
        "logout",
        "status",
    ] {
        assert!(help.contains(word), "{word}");
    }
}

#[tokio::test]
async fn a_status_that_finds_nothing_says_what_to_do() {
    for (arguments, wanted) in [
        (
            &["status"][..],
            "Nobody is signed in. `mcpipe login URL` signs in.",
        ),
        (
            &["status", "https://a.example/mcp?key=canary"],
            "Nobody is signed in to https://a.example/mcp?…. `mcpipe login https://a.example/mcp?…` signs in.",
        ),
    ] {
        let left = Process::start(arguments).closed().await;
        assert!(
            left.lines.iter().any(|line| line == wanted),
            "{:?}",
            left.lines
        );
    }
}

#[tokio::test]
async fn version_is_said_in_one_line() {
    let left = Process::start(&["--version"]).closed().await;
    assert!(left.status.success());
    assert_eq!(left.lines, [concat!("mcpipe ", env!("CARGO_PKG_VERSION"))]);
}

#[tokio::test]
async fn bad_input_is_refused_before_anything_is_sent() {
    let server = Server::that(ordinary).await;
    let url = server.url();
    let here = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = here.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let not_pem = file("not.pem", "s3cret, not a certificate");
    let bad_pem = file(
        "bad.pem",
        "-----BEGIN CERTIFICATE-----\nczNjcmV0\n-----END CERTIFICATE-----\n",
    );
    let bad_headers = file("headers", "# fine\nX-Fine: yes\ns3cret without a colon\n");
    let with_password = url.replace("http://", "http://user:s3cret@");
    let url = url.as_str();

    let rows: &[(&[&str], &str)] = &[
        (&[], "<URL>"),
        (&["nonsense"], "not a URL"),
        (&["mcp.example.com/mcp"], "not a URL"),
        (&[""], "not a URL"),
        (&["ftp://127.0.0.1/"], "neither https nor http"),
        (&["https://"], "not a URL"),
        (&[&with_password], "user name or password"),
        (&["http://mcp.example.com/"], "plain http"),
        (&["http://192.168.1.1/"], "plain http"),
        (&["http://127.0.0.1.example.com/"], "plain http"),
        (&[url, "--nonsense"], "--nonsense"),
        (&[url, "--ca", "/nowhere/ca.pem"], "/nowhere/ca.pem"),
        (&[url, "--ca", &not_pem], "not.pem"),
        (&[url, "--ca", &bad_pem], "bad.pem"),
        (&[url, "--header", "no colon s3cret"], "Name: value"),
        (&[url, "--header", "Bad Name: s3cret"], "Name: value"),
        (&[url, "--header", ": s3cret"], "Name: value"),
        (&[url, "--header", "X: ${UNSET}s3cret"], "UNSET"),
        (&[url, "--header", "X: ${s3cret"], "without `}`"),
        (&[url, "--header", "X: a\r\nY: s3cret"], "cannot be sent"),
        (
            &[url, "--header-file", "/nowhere/headers"],
            "/nowhere/headers",
        ),
        (&[url, "--header-file", &bad_headers], "Name: value"),
        (&[url, "--grace", "soon"], "--grace"),
        (&[url, "--grace", "-1"], "-1"),
        (&[url, "--call-timeout", "NaN"], "--call-timeout"),
        (&[url, "--max-in-flight", "0"], "--max-in-flight"),
        (&[url, "--cache-ttl", "5"], "500ms"),
        (&[url, "--max-message-size", "1"], "--max-message-size"),
        (&[url, "--transport", "pigeon"], "http-first"),
        (&[url, "not-a-port"], "argument 2"),
        (&[url, "4000", "extra"], "argument 3"),
        (&["login"], "<URL>"),
        (&["logout"], "<URL>"),
        (&["status", "--nonsense"], "--nonsense"),
        (&["import"], "<PROGRAM>"),
        (&["import", "mcp-proxy"], "mcp-remote"),
        (&["import", "mcp-remote", "--url", "nowhere"], "not a URL"),
        (&["import", "mcp-remote", "--vault", "none"], "--vault none"),
    ];
    for (arguments, said) in rows {
        let mut host = Process::start(arguments);
        host.try_send(crate::support::host::INITIALIZE).await;
        let left = host.closed().await;
        assert_eq!(
            left.status.code(),
            Some(2),
            "{arguments:?}: {}",
            left.stderr
        );
        assert!(
            left.stderr.starts_with("error: "),
            "{arguments:?}: {}",
            left.stderr
        );
        assert!(left.stderr.contains(said), "{arguments:?}: {}", left.stderr);
        assert!(
            !left.stderr.contains("s3cret"),
            "{arguments:?}: {}",
            left.stderr
        );
        assert_eq!(left.lines, [""; 0], "{arguments:?}: stdout is the host's");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_variable_that_is_no_setting_is_refused_like_its_flag() {
    let server = Server::that(ordinary).await;
    let left = Process::start_with(&[&server.url()], &[("MCPIPE_GRACE", "soon")])
        .closed()
        .await;
    assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_variable_that_stands_for_a_switch_takes_the_words_people_write() {
    const SWITCHES: [&str; 13] = [
        "ALLOW_HTTP",
        "ALLOW_PRIVATE",
        "IPV4",
        "DISABLE_COOKIES",
        "WAIT_FOR_LOGIN",
        "KEEP_ALIVE",
        "DISABLE_RESOURCE_PARAMETER",
        "USE_ID_TOKEN",
        "ASSUME_PKCE",
        "NO_BROWSER",
        "DEVICE_CODE",
        "VERBOSE",
        "DEBUG",
    ];
    let server = Server::that(ordinary).await;
    let url = server.url();
    for word in ["1", "0", "yes", "no", "true", "FALSE", "on", ""] {
        let names = SWITCHES.map(|name| format!("MCPIPE_{name}"));
        let mut variables: Vec<_> = names.iter().map(|name| (name.as_str(), word)).collect();
        // One grant at a time, and no silence that talks.
        let grant = if matches!(word, "0" | "no" | "FALSE" | "") {
            word
        } else {
            "0"
        };
        variables.extend([
            ("MCPIPE_CLIENT_CREDENTIALS", grant),
            ("MCPIPE_SILENT", grant),
        ]);
        let left = Process::start_with(&[&url, "--verbose"], &variables)
            .closed()
            .await;
        assert!(left.status.success(), "{word:?}: {}", left.stderr);
    }

    // Containers write nothing where there is none; an empty scope asks for none.
    let empty = [
        "CACHE_TTL",
        "DPOP",
        "CLIENT_ID",
        "CLIENT_KEY",
        "IDP_ISSUER",
        "ASSERTION_FILE",
        "HEADER_COMMAND",
        "GRACE",
        "SCOPE",
    ];
    let names = empty.map(|name| format!("MCPIPE_{name}"));
    let variables: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let left = Process::start_with(&[&url], &variables).closed().await;
    assert!(left.status.success(), "{}", left.stderr);

    let on = [("MCPIPE_CLIENT_CREDENTIALS", "1")];
    let left = Process::start_with(&[&url], &on).closed().await;
    assert!(
        left.stderr.contains("--client-credentials needs"),
        "{}",
        left.stderr
    );

    let names = SWITCHES.map(|name| format!("MCPIPE_{name}"));
    for name in names.iter().map(String::as_str) {
        let left = Process::start_with(&[&url], &[(name, "maybe")])
            .closed()
            .await;
        assert_eq!(left.status.code(), Some(2), "{name}: {}", left.stderr);
        assert!(
            left.stderr.contains("0, false, no"),
            "{name}: {}",
            left.stderr
        );
    }
    let left = Process::start(&[&url, "--verbose", "--silent"])
        .closed()
        .await;
    assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
    assert!(left.stderr.contains("opposites"), "{}", left.stderr);
}
