//! `mcpipe.toml`: the values that apply to a server, with the real binary.

mod check; // `mcpipe config check`, as text and as JSON
#[cfg(unix)]
mod managed; // the administrator's file, in process: its place is compiled in
#[cfg(unix)]
mod references; // secrets that are named by where they are

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::host::{INITIALIZE, INITIALIZED, Process};
use crate::support::remote::{Ask, Reply, Server, ordinary};

/// A home with this `mcpipe.toml`.
fn home(text: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("mcpipe.toml"), text).unwrap();
    home
}

/// A server with the tools `read`, `delete_it` and `drop_it`.
async fn server() -> Server {
    Server::that(|ask: &Ask| match ask.label().as_str() {
        "POST tools/list" => Reply::result(
            ask,
            r#"{"tools":[{"name":"read"},{"name":"delete_it"},{"name":"drop_it"}]}"#,
        ),
        _ => ordinary(ask),
    })
    .await
}

/// Opens a session, sends these requests, and returns the answers and the rest of the output.
async fn played(mut host: Process, requests: &[String]) -> (Vec<Value>, String) {
    host.send(INITIALIZE).await;
    let opened = host.next_json().await;
    assert!(opened["result"].is_object(), "{opened}");
    host.send(INITIALIZED).await;
    let mut answers = Vec::new();
    for request in requests {
        host.send(request).await;
        answers.push(host.next_json().await);
    }
    (answers, host.closed().await.stderr)
}

fn tool_call(id: u32, tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#
    )
}

fn tools(list: &Value) -> Vec<&str> {
    let tools = list["result"]["tools"].as_array();
    let tools = tools.unwrap_or_else(|| panic!("{list}"));
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_command_line_counts_before_variables_before_the_servers_table_before_defaults() {
    for (defaults, server_table, variable, flag, wanted) in [
        ("modern", "", "", "", "POST server/discover"),
        ("modern", "legacy", "", "", "POST initialize"),
        ("legacy", "modern", "", "", "POST server/discover"),
        ("modern", "modern", "legacy", "", "POST initialize"),
        (
            "legacy",
            "modern",
            "legacy",
            "modern",
            "POST server/discover",
        ),
    ] {
        let server = server().await;
        let url = server.url();
        let key = |value: &str| match value {
            "" => String::new(),
            value => format!("protocol = \"{value}\"\n"),
        };
        let text = format!(
            "[defaults]\n{}[server.\"{url}\"]\n{}",
            key(defaults),
            key(server_table)
        );
        let home = home(&text);
        let mut arguments = vec![url.as_str()];
        if !flag.is_empty() {
            arguments.extend(["--protocol", flag]);
        }
        // Set to nothing is not set.
        let variables = [("MCPIPE_PROTOCOL", variable)];
        let mut host = Process::start_in(home.path(), &arguments, &variables);
        host.send(INITIALIZE).await;
        server.asked(wanted, 1).await;
        let row = (defaults, server_table, variable, flag);
        assert_eq!(server.labels()[0], wanted, "{row:?}");
        drop(host);
    }
}

#[tokio::test]
async fn denials_of_all_layers_hold_and_a_refusal_names_its_line() {
    let server = server().await;
    let url = server.url();
    let origin = server.origin();
    let text = format!(
        "[defaults]\ndeny-tool = [\n  'delete_*',\n]\n[server.'{origin}'.tool.'drop_*']\ndeny = true\n[server.'https://other.example'.tool.read]\ndeny = true\n"
    );
    let home = home(&text);
    let path = home.path().join("mcpipe.toml").display().to_string();
    let requests = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#.to_owned(),
        tool_call(2, "delete_it"),
        tool_call(3, "drop_it"),
        tool_call(4, "read"),
    ];
    // No permission and no empty denial that is nearer undoes one.
    let host = Process::start_in(home.path(), &[&url, "--allow-tool", "*"], &[]);
    let (answers, said) = played(host, &requests).await;
    assert_eq!(tools(&answers[0]), ["read"]);
    for (answer, line, rule) in [
        (&answers[1], 3, "deny-tool delete_*"),
        (&answers[2], 6, "deny-tool drop_*"),
    ] {
        let error = answer["error"].to_string();
        assert!(error.contains("refused_by_policy"), "{error}");
        assert!(error.contains(rule), "{error}");
        assert!(error.contains(&format!("{path}:{line}")), "{error}");
    }
    assert!(answers[3]["result"].is_object(), "{}", answers[3]);
    assert_eq!(server.count("POST tools/call"), 1, "{said}");

    let host = Process::start_in(
        home.path(),
        &[&url, "--deny-tool", "x"],
        &[("MCPIPE_DENY_TOOL", "read")],
    );
    let (answers, _) = played(host, &requests[..1]).await;
    assert_eq!(tools(&answers[0]), Vec::<&str>::new());
}

#[tokio::test]
async fn headers_of_all_tables_are_sent_and_of_two_with_one_name_the_nearer() {
    let server = server().await;
    let url = server.url();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headers");
    std::fs::write(&file, "X-Far: file\nX-Typed: file\n").unwrap();
    let text = format!(
        "[defaults]\nheader = ['X-Far: 1', 'X-Both: far', 'X-Key: ${{KEY}}']\nheader-file = ['{}']\n\
         [server.'{url}']\nheader = ['X-Both: near', 'Authorization: Bearer abc']\n",
        file.display()
    );
    let home = home(&text);
    let host = Process::start_in(
        home.path(),
        &[&url, "--header", "X-Typed: typed"],
        &[("KEY", "from env")],
    );
    let (_, said) = played(host, &[]).await;
    let asked = server.asked("POST initialize", 1).await;
    for (name, value) in [
        ("x-far", "file"),
        ("x-both", "near"),
        ("x-typed", "typed"),
        ("x-key", "from env"),
        ("authorization", "Bearer abc"),
    ] {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
    // That file is no argument, which every user of the machine can read.
    assert!(!said.contains("a secret in the arguments"), "{said}");
}

#[tokio::test]
async fn bad_input_is_refused_by_file_line_and_key_before_anything_is_sent() {
    let server = server().await;
    let url = server.url();
    for (text, line, said, hint) in [
        (
            "[defaults]\ndeny-tols = ['s3cret']",
            ":2",
            "no key deny-tols",
            "perhaps deny-tool",
        ),
        // A table of another server is held to the same rules.
        (
            "[server.'https://o.example']\ngrce = 's3cret'",
            ":2",
            "no key grce",
            "perhaps grace",
        ),
        (
            "[default]\ngrace = 1",
            ":1",
            "no table or key default",
            "[defaults]",
        ),
        (
            "[defaults]\ngrace = 's3cret'",
            ":2",
            "grace takes a number of seconds",
            "--help",
        ),
        (
            "[defaults]\ngrace = ['s3cret']",
            ":2",
            "grace takes a string or a number",
            "grace =",
        ),
        (
            "[defaults]\nread-only = 's3cret'",
            ":2",
            "read-only takes true or false",
            "true",
        ),
        (
            "[defaults]\nprotocol = 's3cret'",
            ":2",
            "protocol takes one of",
            "--help",
        ),
        (
            "[defaults]\nrate-limit = ['s3cret']",
            ":2",
            "rate-limit takes",
            "--help",
        ),
        (
            "[defaults]\ndeny-tool = ['a', '[s3cret']",
            ":2",
            "deny-tool takes",
            "--help",
        ),
        (
            "[tool.'[s3cret']\ndeny = true",
            ":2",
            "deny-tool takes",
            "--help",
        ),
        (
            "[defaults]\nmax-result = ['s3cret=x']",
            ":2",
            "max-result takes",
            "--help",
        ),
        (
            "[server.'o.example']\ngrace = 1",
            ":1",
            "names no server",
            "https://",
        ),
        ("[defaults]\nheader = ['s3cret", ":2", "is not TOML", ""),
        (
            "[defaults]\nheader = ['s3cret']",
            ":2",
            "'Name: value'",
            "--header",
        ),
        (
            "[defaults]\nclient-secret-file='f'\nclient-secret-env='S3CRET'",
            "",
            "--client-secret-file and --client-secret-env exclude each other, with what",
            "leave one",
        ),
        (
            "[defaults]\nclient-secret = 's3cret'\nclient-id = 'x'",
            "",
            "--client-secret takes a reference to a secret, and not the secret",
            "file:PATH",
        ),
    ] {
        let home = home(text);
        let path = home.path().join("mcpipe.toml").display().to_string();
        let left = Process::start_in(home.path(), &[&url], &[]).closed().await;
        assert_eq!(left.status.code(), Some(2), "{text}: {}", left.stderr);
        assert!(left.stderr.contains(said), "{text}: {}", left.stderr);
        assert!(left.stderr.contains(hint), "{text}: {}", left.stderr);
        if !line.is_empty() {
            let place = format!("{path}{line}");
            assert!(left.stderr.contains(&place), "{text}: {}", left.stderr);
        }
        assert!(!left.stderr.contains("s3cret"), "{text}: {}", left.stderr);
        assert!(left.lines.is_empty());
    }
    assert!(server.labels().is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_can_write_to_and_that_has_guard_rails_stops_the_bridge() {
    use std::os::unix::fs::PermissionsExt as _;

    let server = server().await;
    let home = home("[defaults]\ndeny-tool = ['x']\n");
    let path = home.path().join("mcpipe.toml");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let start = |variables| Process::start_in(home.path(), &[&server.url()], variables);
    let left = start(&[]).closed().await;
    assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
    assert!(
        left.stderr.contains("can be used by others"),
        "{}",
        left.stderr
    );
    assert!(left.stderr.contains("chmod 600"), "{}", left.stderr);
    assert!(server.labels().is_empty());
    let (_, said) = played(start(&[("MCPIPE_ALLOW_LOOSE_PERMISSIONS", "1")]), &[]).await;
    assert!(!said.contains("can be used by others"), "{said}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_secret_in_the_open_in_a_file_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;

    let server = server().await;
    for (value, mode, is_said) in [
        ("s3cret", 0o644, true),
        ("s3cret", 0o600, false),
        ("${KEY}", 0o644, false),
    ] {
        let home = home(&format!("[defaults]\nheader = ['X-Api-Key: {value}']"));
        let path = home.path().join("mcpipe.toml");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let variables = [("KEY", "s3cret")];
        let host = Process::start_in(home.path(), &[&server.url()], &variables);
        let (_, said) = played(host, &[]).await;
        let wanted = "others can read this header's secret in mcpipe.toml";
        assert_eq!(said.contains(wanted), is_said, "{value} {mode:o}: {said}");
    }
}

#[tokio::test]
async fn a_file_of_windows_is_read_as_any_other() {
    let server = server().await;
    let home = home("\u{feff}[defaults]\r\nheader = [\r\n  'X-Team: blue',\r\n]\r\n");
    let host = Process::start_in(home.path(), &[&server.url()], &[]);
    played(host, &[]).await;
    let asked = server.asked("POST initialize", 1).await;
    assert_eq!(asked.header("x-team"), Some("blue"));
}

/// The sign-in is done by a process of its own, which has to come to the same settings.
#[cfg(unix)]
#[tokio::test]
async fn a_helper_and_the_commands_have_the_same_settings() {
    use crate::coordination::{Machine, session};
    use crate::support::browser;

    let machine = Machine::new().await;
    let url = machine.remote.url();
    let text = format!(
        "[defaults]\nauthorize-param = ['team=far', 'shade=dark']\n\
         [server.'{url}']\nscope = 'from the file'\naccount = 'work'\nauthorize-param = ['team=blue']\n"
    );
    std::fs::write(machine.home.path().join("mcpipe.toml"), text).unwrap();
    let mut host = machine.start();
    let person = async { browser::follow(&machine.page(1).await).await };
    let (answer, _) = tokio::join!(session(&mut host), person);
    assert!(answer["result"].is_object(), "{answer}");
    let asked = machine.authority.at("/authorize").remove(0);
    for (name, value) in [
        ("scope", "from the file"),
        ("team", "blue"),
        ("shade", "dark"),
    ] {
        assert_eq!(asked.field(name), Some(value), "{name}");
    }
    assert!(host.closed().await.status.success());

    let run = async |arguments: &[&str]| run_in(machine.home.path(), arguments).await;
    let (code, token, said) = run(&["token", &url]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(machine.authority.access_tokens().contains(&token), "{said}");
    let (code, _, said) = run(&["token", &url, "--account", "default"]).await;
    assert_eq!(code, Some(3), "{said}");
    let (_, status, _) = run(&["status", &url, "--json"]).await;
    assert!(status.contains("\"work\""), "{status}");
    let (code, out, said) = run(&["logout", &url]).await;
    assert_eq!(code, Some(0), "{out}{said}");
    let (code, _, said) = run(&["token", &url]).await;
    assert_eq!(code, Some(3), "{said}");
}

/// Runs a command in this home: its exit code, its output and its stderr.
async fn run_in(home: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let left = Process::start_in(home, arguments, &[]).closed().await;
    (left.status.code(), left.lines.join("\n"), left.stderr)
}
