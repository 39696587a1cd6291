//! Homes that cannot be looked at, and what is made below them.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use url::Url;

use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::{INITIALIZE, Process};
use crate::support::protected::protected_by;
use crate::support::remote::{Reply, Server, ordinary};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory in which `mcpipe.toml` is what `make` makes of it.
fn home_with(make: impl FnOnce(&Path)) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    make(&home.path().join("mcpipe.toml"));
    home
}

#[tokio::test]
async fn a_home_that_cannot_be_looked_at_stops_no_bridge_that_needs_no_vault() {
    let server = Server::that(ordinary).await;
    let url = server.url();
    let homes = [
        home_with(|toml| std::os::unix::fs::symlink(toml, toml).unwrap()),
        home_with(|toml| fs::create_dir(toml).unwrap()),
        home_with(|toml| {
            fs::write(toml, "[vault]\nkey_command = ['a']").unwrap();
            set_mode(toml, 0o666);
        }),
    ];
    let missing = homes[0].path().join("missing");
    let paths = homes.iter().map(|home| home.path().to_str().unwrap());
    let mut rows: Vec<_> = paths
        .map(|home| (vec![("MCPIPE_HOME", home)], true))
        .collect();
    rows.extend([
        (vec![("MCPIPE_HOME", "/dev/null/home")], true),
        // A user without a home, in a container.
        (vec![("MCPIPE_HOME", ""), ("HOME", "/dev/null")], true),
        (
            vec![("MCPIPE_HOME", ""), ("HOME", missing.to_str().unwrap())],
            false,
        ),
    ]);
    for (variables, is_said) in rows {
        let mut host = Process::start_with(&[&url], &variables);
        host.send(INITIALIZE).await;
        assert!(
            host.next_json().await["result"].is_object(),
            "{variables:?}"
        );
        let left = host.closed().await;
        assert!(left.status.success(), "{variables:?}: {}", left.stderr);
        assert_eq!(
            left.stderr.contains("mcpipe.toml is passed over"),
            is_said,
            "{variables:?}: {}",
            left.stderr
        );
    }
}

/// What only looks, or forgets, needs no place to keep anything.
#[tokio::test]
async fn a_home_that_cannot_be_looked_at_holds_nothing_and_is_no_error_for_commands_that_look() {
    let rows: [(&[&str], &str); 6] = [
        (&["status"], "Nobody is signed in"),
        (&["logout", "http://127.0.0.1:1/mcp"], "nothing is stored"),
        (&["logout", "--all"], "Nothing is stored"),
        (&["vault", "status"], "not made yet"),
        (&["vault", "list"], "No secret was put"),
        (&["vault", "lock"], "No agent"),
    ];
    for home in ["/dev/null", "/etc/passwd"] {
        for (arguments, said) in rows {
            let variables = [("MCPIPE_HOME", ""), ("HOME", home)];
            let left = Process::start_with(arguments, &variables).closed().await;
            let all = format!("{}{}", left.lines.join("\n"), left.stderr);
            assert!(left.status.success(), "{home} {arguments:?}: {all}");
            assert!(all.contains(said), "{home} {arguments:?}: {all}");
        }
    }
}

#[tokio::test]
async fn a_home_that_holds_nothing_is_an_error_once_there_is_something_to_keep() {
    let authority = Authority::start().await;
    let server = protected_by(&authority).await;
    for home in ["/dev/null", "/proc/nothing"] {
        let variables = [("MCPIPE_HOME", ""), ("HOME", home)];
        let left = Process::start_with(&["login", &server.url(), "--no-browser"], &variables);
        let left = left.closed().await;
        assert_eq!(left.status.code(), Some(1), "{}", left.stderr);
        let hint = "hint: set MCPIPE_HOME to a directory of yours";
        assert!(left.stderr.contains(hint), "{}", left.stderr);
        assert!(authority.seen().is_empty());
    }
}

#[tokio::test]
async fn a_file_that_says_what_opens_the_vault_is_named_when_it_is_needed_and_cannot_be_used() {
    let home = tempfile::tempdir().unwrap();
    let (toml, program) = (home.path().join("mcpipe.toml"), home.path().join("key"));
    let text = format!("#!/bin/sh\necho {}\n", "ab".repeat(32));
    fs::write(&program, text).unwrap();
    set_mode(&program, 0o700);
    let command = format!("[vault]\nkey_command = ['{}']\n", program.display());
    fs::write(&toml, command).unwrap();
    set_mode(&toml, 0o600);
    let run = async |arguments: &[&str]| {
        Process::start_in(home.path(), arguments, &[("PATH", "/usr/bin:/bin")])
            .closed()
            .await
    };
    let made = run(&["vault", "init", "--with", "command"]).await;
    assert!(made.status.success(), "{}", made.stderr);
    set_mode(&toml, 0o666);
    let left = run(&["vault", "verify"]).await;
    assert_eq!(left.status.code(), Some(1), "{}", left.stderr);
    assert!(
        left.stderr
            .contains("error: mcpipe.toml, which says what opens the vault"),
        "{}",
        left.stderr
    );
    assert!(left.stderr.contains("hint: chmod 600"), "{}", left.stderr);
}

/// Everything below, with its permission bits.
fn modes(directory: &Path) -> Vec<(PathBuf, u32, bool)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        found.push((
            path.clone(),
            metadata.permissions().mode() & 0o777,
            metadata.is_dir(),
        ));
        if metadata.is_dir() {
            found.extend(modes(&path));
        }
    }
    found
}

/// The binary, started by a shell that hides nothing.
fn under_no_umask(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut shell = Command::from(mcpipe::process::command("/bin/sh"));
    shell
        .args(["-c", "umask 000; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_mcpipe"))
        .args(arguments)
        .env_clear()
        .env("MCPIPE_HOME", home)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    shell
}

/// A browser that writes down where it was sent, and the place it does so.
fn browser_beside(home: &Path) -> (String, PathBuf) {
    let (script, shown) = (home.join("browser"), home.join("shown"));
    let text = format!("#!/bin/sh\nprintf '%s\\n' \"$1\" > '{}'\n", shown.display());
    fs::write(&script, text).unwrap();
    set_mode(&script, 0o700);
    (script.display().to_string(), shown)
}

async fn page(shown: &Path) -> Url {
    for _ in 0..1200 {
        let text = fs::read_to_string(shown).unwrap_or_default();
        if let Ok(url) = Url::parse(text.trim()) {
            fs::remove_file(shown).unwrap();
            return url;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no page was shown");
}

#[tokio::test]
async fn everything_below_the_home_is_for_its_user_alone_whatever_the_umask() {
    let authority = Authority::start().await;
    let server = protected_by(&authority).await;
    let aside = tempfile::tempdir().unwrap();
    let (script, shown) = browser_beside(aside.path());
    let home = aside.path().join("home");
    // What an earlier version left open to others.
    fs::create_dir_all(home.join("cache/servers")).unwrap();
    fs::write(home.join("cache/servers/lock"), "").unwrap();
    for (path, mode) in [
        ("cache", 0o755),
        ("cache/servers", 0o777),
        ("cache/servers/lock", 0o644),
    ] {
        set_mode(&home.join(path), mode);
    }
    let (log, record) = (home.join("log"), home.join("record"));
    let url = server.url();
    let variables = [
        ("BROWSER", script.as_str()),
        ("MCPIPE_LOG_FILE", log.to_str().unwrap()),
        ("MCPIPE_DEBUG", "1"),
    ];
    let mut login = under_no_umask(&home, &["login", &url, "--auth-timeout", "40"], &variables);
    let mut login = login.spawn().unwrap();
    browser::follow(&page(&shown).await).await;
    assert!(login.wait().await.unwrap().success());

    // And a bridge, whose helper signs in.
    let other = [
        "--account",
        "other",
        "--auth-timeout",
        "40",
        "--wait-for-login",
    ];
    let rest = ["--record", record.to_str().unwrap(), &url];
    let arguments: Vec<_> = other.into_iter().chain(rest).collect();
    let mut bridge = under_no_umask(&home, &arguments, &variables);
    let mut bridge = bridge
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = bridge.stdin.take().unwrap();
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let line = format!("{INITIALIZE}\n");
    stdin.write_all(line.as_bytes()).await.unwrap();
    browser::follow(&page(&shown).await).await;
    let mut stdout = BufReader::new(bridge.stdout.take().unwrap()).lines();
    let answer = stdout.next_line().await.unwrap().unwrap();
    assert!(answer.contains("protocolVersion"), "{answer}");
    drop(stdin);
    assert!(bridge.wait().await.unwrap().success());

    let found = modes(&home);
    for name in [
        "vault.bin",
        "vault.key",
        "vault.lock",
        "cache/servers/lock",
        "log",
        "record",
    ] {
        let is_there = found.iter().any(|(path, ..)| path.ends_with(name));
        assert!(is_there, "{name}: {found:?}");
    }
    for (path, mode, is_directory) in found {
        let wanted = if is_directory { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{}: {mode:o}", path.display());
    }
}

#[tokio::test]
async fn a_sign_in_that_fails_at_the_network_leaves_no_vault() {
    let server = Server::that(|ask| match ask.path.starts_with("/.well-known") {
        true => Reply::json(format!(
            r#"{{"resource":"http://{}/mcp","authorization_servers":["http://127.0.0.1:1"]}}"#,
            ask.header("host").unwrap()
        )),
        false => Reply::status(401),
    })
    .await;
    let url = server.url();
    for arguments in [
        &["login", &url][..],
        &["login", "http://127.0.0.1:1/mcp"],
        &[&url, "--wait-for-login"],
    ] {
        let home = tempfile::tempdir().unwrap();
        let variables = [("BROWSER", "/bin/false")];
        let mut host = Process::start_in(home.path(), arguments, &variables);
        host.try_send(&format!("{INITIALIZE}\n")).await;
        if arguments[0] != "login" {
            let error = host.next_json().await;
            assert!(error["error"].is_object(), "{error}");
        }
        let left = host.closed().await;
        let made = modes(home.path());
        let vault = made
            .iter()
            .find(|(path, ..)| path.ends_with("vault.bin") || path.ends_with("vault.key"));
        assert!(vault.is_none(), "{arguments:?}: {made:?} {}", left.stderr);
    }
}
