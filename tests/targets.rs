//! Targets that are no address: aliases, kept with flags, typed wherever an address can be.

use serde_json::Value;

use crate::support::host::{Exit, INITIALIZE, Process};
use crate::support::remote::{Server, ordinary};

/// Runs a command in this home.
async fn run(home: &std::path::Path, words: &[&str]) -> Exit {
    Process::start_in(home, words, &[]).closed().await
}

async fn added(home: &std::path::Path, words: &[&str]) {
    let words = [&["alias", "add"], words].concat();
    let left = run(home, &words).await;
    assert!(left.status.success(), "{}", left.stderr);
}

#[tokio::test]
async fn an_alias_stands_for_an_address_with_its_flags() {
    let server = Server::that(ordinary).await;
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    // Flags stand anywhere, and the name may be a flag's value too.
    let words = [
        "work",
        "--header",
        "X-A: kept",
        "--header=X-B: kept",
        &server.url(),
        "--account",
        "work",
    ];
    added(home, &words).await;

    let typed = ["--header", "x-a: typed", "work", "--header", "X-C: typed"];
    let mut host = Process::start_in(home, &typed, &[]);
    host.send(INITIALIZE).await;
    assert!(host.next().await.contains("protocolVersion"));
    assert!(host.closed().await.status.success());
    let asks = server.all();
    let ask = asks
        .iter()
        .find(|ask| ask.label() == "POST initialize")
        .unwrap();
    let headers = ["X-A", "X-B", "X-C"].map(|name| ask.header(name).unwrap_or_default());
    assert_eq!(headers, ["typed", "kept", "typed"]);

    let left = run(home, &["alias", "list", "--json"]).await;
    let list: Value = serde_json::from_str(&left.lines.join("\n")).unwrap();
    assert_eq!(list["aliases"][0]["name"], "work");
    assert_eq!(list["aliases"][0]["url"], server.url());
    let left = run(home, &["alias", "list"]).await;
    assert!(
        left.lines[0].starts_with("work  http://127.0.0.1"),
        "{:?}",
        left.lines
    );

    assert!(
        run(home, &["alias", "remove", "work"])
            .await
            .status
            .success()
    );
    let left = run(home, &["status", "work"]).await;
    assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
}

#[tokio::test]
async fn what_files_set_for_the_address_counts_for_the_alias() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let url = "https://mcp.example.com/mcp";
    let toml =
        format!("[server.\"{url}\"]\nscope = \"from-the-file\"\ndeny-tool = [\"delete_*\"]\n");
    std::fs::write(home.join("mcpipe.toml"), toml).unwrap();
    added(home, &["linear", url, "--allow-tool", "*"]).await;
    let by_name = run(home, &["config", "check", "linear"]).await;
    let by_address = run(home, &["config", "check", url]).await;
    assert!(
        by_name
            .lines
            .iter()
            .any(|line| line.contains("from-the-file"))
    );
    assert_eq!(by_name.lines, by_address.lines);
    for command in ["status", "logout"] {
        let left = run(home, &[command, "linear"]).await;
        let said = format!("{}{}", left.lines.join("\n"), left.stderr);
        assert!(said.contains(url), "{command}: {said}");
    }
}

#[tokio::test]
async fn bad_aliases_are_refused_with_the_place_and_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let url = "https://mcp.example.com/mcp";
    added(home, &["linear", url]).await;
    let before = std::fs::read_to_string(home.join("aliases.toml")).unwrap();
    for (words, wanted) in [
        (&["alias", "add", "login", url][..], "name of a command"),
        (&["alias", "add", "example.com", url], "domain"),
        (&["alias", "add", "a/b", url], "letters, digits"),
        (&["alias", "add", "a", "linear"], "not a URL"),
        (&["alias", "add", "a"], "missing"),
        (&["alias", "add", "a", url, "--nonsense"], "--nonsense"),
        (&["alias", "add", "a", url, "--grace", "x"], "--grace"),
        (
            &[
                "alias",
                "add",
                "a",
                url,
                "--header",
                "Authorization: Bearer canary",
            ],
            "mcpipe vault put a",
        ),
        (
            &["alias", "add", "a", "https://u:canary@mcp.example.com/"],
            "user name or password",
        ),
        (
            &["alias", "add", "linear", "https://other.example/mcp"],
            "mcpipe alias remove linear",
        ),
        (&["alias", "remove", "linaer"], "perhaps linear is meant"),
        (&["linaer"], "perhaps linear is meant"),
        (&["token", "linaer"], "perhaps linear is meant"),
        (&["mcp.example.com/mcp"], "https:// in front of it"),
        (&["zzz"], "mcpipe alias add NAME URL"),
        (&["hunter2secret"], "not a URL"),
    ] {
        let left = run(home, words).await;
        assert_eq!(left.status.code(), Some(2), "{words:?} {}", left.stderr);
        assert!(left.stderr.contains(wanted), "{words:?} {}", left.stderr);
        assert!(!left.stderr.contains("canary"), "{words:?} {}", left.stderr);
        assert!(
            !left.stderr.contains("hunter2"),
            "{words:?} {}",
            left.stderr
        );
    }
    let after = std::fs::read_to_string(home.join("aliases.toml")).unwrap();
    assert_eq!(after, before);

    for (text, wanted) in [
        ("[linear]\nurl = \n", "aliases.toml:2 is not TOML"),
        (
            "[linear]\nurl = 'https://a.example/'\nflags = ['--nonsense']\n",
            "aliases.toml:1",
        ),
        (
            "[linear]\nurl = 'https://a.example/'\nflags = ['--header', 'X-Api-Key: canary']\n",
            "holds a secret in plain sight",
        ),
    ] {
        std::fs::write(home.join("aliases.toml"), text).unwrap();
        let left = run(home, &["linear"]).await;
        assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
        assert!(left.stderr.contains(wanted), "{}", left.stderr);
        let listed = run(home, &["alias", "list"]).await;
        let shown = format!(
            "{} {}{}",
            left.stderr,
            listed.stderr,
            listed.lines.join("\n")
        );
        assert!(!shown.contains("canary"), "{shown}");
        // An address needs no alias.
        let left = run(home, &["status", "https://a.example/"]).await;
        assert!(left.status.success(), "{}", left.stderr);
        assert_eq!(
            std::fs::read_to_string(home.join("aliases.toml")).unwrap(),
            text
        );
    }
}
