//! What a malicious authorization server gives as its `authorization_endpoint` (CVE-2025-6514 and its kind): no program
//! is started on it, neither the user's browser nor the system's.

use std::os::unix::fs::PermissionsExt as _;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::authority::Authority;
use crate::support::host::Process;
use crate::support::protected::protected_by;

/// Signs in where this is the page; what programs were started with, and what was said.
async fn started_on(endpoint: String, is_system: bool) -> (Option<String>, String) {
    let authority = Authority::start().await;
    let endpoint = endpoint.replace("ORIGIN", &authority.origin);
    authority.configure(|options| options.metadata = json!({ "authorization_endpoint": endpoint }));
    let server = protected_by(&authority).await;
    let home = tempfile::tempdir().unwrap();
    let seen = home.path().join("seen");
    let opener = home.path().join("xdg-open");
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$#\" \"$@\" > '{}'\n",
        seen.display()
    );
    std::fs::write(&opener, text).unwrap();
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o700)).unwrap();
    let (path, opener) = (
        format!("{}:/usr/bin:/bin", home.path().display()),
        opener.display().to_string(),
    );
    let browser = match is_system {
        true => ("DISPLAY", ":0"),
        false => ("BROWSER", opener.as_str()),
    };
    let variables = [("PATH", path.as_str()), browser];
    let login = ["login", "--auth-timeout", "1", &server.url()];
    let left = Process::start_in(home.path(), &login, &variables)
        .closed()
        .await;
    assert!(!left.status.success(), "{}", left.stderr);
    (std::fs::read_to_string(seen).ok(), left.stderr)
}

#[tokio::test]
async fn no_program_is_started_on_what_is_no_page() {
    let long = format!("https://as.example.com/{}", "a".repeat(1 << 20));
    let hostile = [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:msgbox(1)",
        "ms-msdt:/id PCWDiagnostic",
        "a:$(calc)",
        "http://as.example.com/$(id)",
        "http://10.0.0.1/",
        "https://127.0.0.1.evil.example@127.0.0.1/",
        "https://user:password@as.example.com/",
        "--version",
        "-e",
        "/etc/passwd",
        "https://as.example.com/\nhttps://b.example/",
        "https://as.example.com/\u{1b}[2J",
        "https://as.example.com/#fragment",
        "https://169.254.169.254/",
        "smb://as.example.com/share",
        "vscode://file/etc/passwd",
        "",
        " ",
        &long,
    ];
    for (at, rows) in hostile.chunks(4).enumerate() {
        let runs = rows
            .iter()
            .map(|it| started_on((*it).to_owned(), at % 2 == 0));
        for (endpoint, (started, said)) in rows.iter().zip(join_all(runs).await) {
            let start: String = endpoint.chars().take(60).collect();
            assert_eq!(started, None, "{start:?}: {said}");
            assert!(said.starts_with("error: "), "{start:?}: {said}");
        }
    }
}

#[tokio::test]
async fn on_a_page_one_program_is_started_with_one_argument_that_no_shell_reads() {
    for odd in [
        "ORIGIN/authorize?a=$(id)&b=`id`;'\"|&c=%0a%0d",
        "ORIGIN/a b%20--flag/authorize?x= y",
    ] {
        for is_system in [true, false] {
            let (started, said) = started_on(odd.to_owned(), is_system).await;
            let started = started.unwrap_or_else(|| panic!("{odd}: {said}"));
            let lines: Vec<_> = started.lines().collect();
            assert!(
                matches!(lines.as_slice(), ["1", page] if page.starts_with("http://127.0.0.1:")),
                "{odd}: {started}"
            );
            assert!(!started.contains([' ', '"']), "{odd}: {started}");
        }
    }
}
