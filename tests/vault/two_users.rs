//! Two users of one machine: what the other one reads, holds and asks. It takes root to start a program as another user,
//! so elsewhere these tests are skipped and say so.
#![cfg(target_os = "linux")]

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::process::{Command, Output, Stdio};

use rustix::process::geteuid;
use tokio::time::Instant;

use super::commands::{Person, server_with, works};
use super::*;
use crate::support::host::Process;

const OTHER: u32 = 65534;

/// A program, started as another user.
fn as_other(program: &str, arguments: &[&str]) -> Command {
    let mut command = mcpipe::process::command("setpriv");
    let ids = [
        format!("--reuid={OTHER}"),
        format!("--regid={OTHER}"),
        "--clear-groups".to_owned(),
    ];
    command.args(ids).arg(program).args(arguments);
    command
}

/// Whether this machine can start one.
fn there_are_two(test: &str) -> bool {
    let runs = || as_other("true", &[]).status().is_ok_and(|it| it.success());
    let can = geteuid().is_root() && runs();
    if !can {
        #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: vault::two_users::{test} needs root and setpriv");
        }
    }
    can
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Lets everybody pass, as a home with loose modes would.
fn open_way(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
}

#[tokio::test]
async fn another_user_can_read_nothing_of_ours_whatever_the_umask() {
    if !there_are_two("another_user_can_read_nothing_of_ours_whatever_the_umask") {
        return;
    }
    let person = Person::with_passphrase_file();
    std::fs::set_permissions(person.home.path(), Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(
        person.home.path().join("words"),
        Permissions::from_mode(0o600),
    )
    .unwrap();
    let server = server_with("s3cret").await;
    let home = person.home.path().to_str().unwrap();
    let script = r#"umask 000
        printf s3cret | "$MCPIPE" vault put example --for "$URL" || exit
        "$MCPIPE" vault unlock --for 1m || exit
        printf '%s\n' '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"h","version":"1"}}}' |
            "$MCPIPE" --bearer example --debug --record "$MCPIPE_HOME/recording" --log-file "$MCPIPE_HOME/log" "$URL""#;
    let mut command = mcpipe::process::command("sh");
    command
        .args(["-c", script])
        .env("MCPIPE", env!("CARGO_BIN_EXE_mcpipe"))
        .env("MCPIPE_HOME", home)
        .env("URL", server.url())
        .envs(person.variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    let done = tokio::task::spawn_blocking(move || command.output());
    let done = done.await.unwrap().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    for file in ["recording", "log", "vault", "cache"] {
        let names = std::fs::read_dir(home).unwrap();
        let names: Vec<_> = names.map(|it| it.unwrap().file_name()).collect();
        let is_there = names
            .iter()
            .any(|it| it.to_str().unwrap().starts_with(file));
        assert!(is_there, "{file}: {names:?}");
    }
    let find = ["(", "-readable", "-o", "-writable", ")", "-mindepth", "1"];
    let found = as_other("find", &[&[home][..], &find].concat())
        .output()
        .unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert_eq!(found, "", "another user can read or write these");
    person.says("vault lock");
}

#[tokio::test]
async fn a_lock_that_another_user_holds_delays_nothing() {
    if !there_are_two("a_lock_that_another_user_holds_delays_nothing") {
        return;
    }
    let person = Person::new();
    open_way(person.home.path());
    let folder = person.home.path().join("cache/servers");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = folder.join("lock");
    std::fs::write(&lock, "").unwrap();
    // As versions before left it under umask 000.
    for path in [&person.home.path().join("cache"), &folder, &lock] {
        open_way(path);
    }
    let mut holder = as_other(
        "flock",
        &[lock.to_str().unwrap(), "-c", "echo held; exec sleep 60"],
    )
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut word = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut word).unwrap();
    let server = server_with("s3cret").await;
    let url = server.url();
    let arguments = ["--header", "Authorization: ${CREDENTIAL}", &url];
    let variables = [("CREDENTIAL", "Bearer s3cret"), ("MCPIPE_PROTOCOL", "auto")];
    let begun = Instant::now();
    let mut host = Process::start_in(person.home.path(), &arguments, &variables);
    works(&mut host).await;
    let left = host.closed().await;
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(left.status.success(), "{}", left.stderr);
    assert!(left.took < Duration::from_secs(2), "{:?}", left.took);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn the_agent_answers_no_other_user_even_where_its_socket_can_be_reached() {
    if !there_are_two("the_agent_answers_no_other_user_even_where_its_socket_can_be_reached") {
        return;
    }
    let person = Person::with_passphrase_file();
    person.types("vault put example --for https://a.example", "s3cret");
    person.succeeds("vault unlock --for 1m");
    let mut folders = vec![person.home.path().to_owned()];
    let mut socket = None;
    while let Some(folder) = folders.pop() {
        open_way(&folder);
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if std::os::unix::fs::FileTypeExt::is_socket(&kind) {
                socket = Some(entry.path());
            }
        }
    }
    let socket = socket.expect("an agent's socket");
    open_way(&socket);
    let asks = r#"use IO::Socket::UNIX; $SIG{PIPE} = "IGNORE"; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "cannot connect";
        print $s "left\n"; my $line = <$s>; print "heard: ", $line // "nothing";"#;
    let ours = mcpipe::process::command("perl")
        .args(["-e", asks, socket.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(said(&ours).contains("heard: left"), "{}", said(&ours));
    let theirs = as_other("perl", &["-e", asks, socket.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(said(&theirs), "heard: nothing");
    person.says("vault lock");
}

#[tokio::test]
async fn what_belongs_to_another_user_or_is_no_plain_file_is_refused_by_its_name() {
    if !there_are_two("what_belongs_to_another_user_or_is_no_plain_file_is_refused_by_its_name") {
        return;
    }
    // Made by the other user itself, in a folder of its own to which ours leads.
    let theirs = tempfile::tempdir().unwrap();
    chown(theirs.path(), Some(OTHER), Some(OTHER)).unwrap();
    open_way(theirs.path());
    for (file, line) in [
        ("vault.bin", "vault verify"),
        ("mcpipe.toml", "vault verify"),
        ("a.log", "vault list --log-file PLACE"),
        ("a.jsonl", "https://127.0.0.1:1/mcp --record PLACE"),
    ] {
        let person = Person::new();
        if file != "vault.bin" {
            person.types("vault put example --for https://a.example", "s3cret");
        }
        let made = theirs.path().join(file);
        let wrote = as_other(
            "sh",
            &["-c", "umask 077; echo > \"$0\"", made.to_str().unwrap()],
        );
        assert!({ wrote }.status().unwrap().success());
        for is_link in [false, true] {
            let place = person.home.path().join(file);
            let _ = std::fs::remove_file(&place);
            match is_link {
                true => symlink(&made, &place).unwrap(),
                false => {
                    std::fs::write(&place, "").unwrap();
                    std::fs::set_permissions(&place, Permissions::from_mode(0o600)).unwrap();
                    chown(&place, Some(OTHER), Some(OTHER)).unwrap();
                }
            }
            let answer = person.says(&line.replace("PLACE", place.to_str().unwrap()));
            assert!(
                matches!(answer.code, Some(1 | 2)),
                "{file}: {}{}",
                answer.out,
                answer.err
            );
            let words = match is_link {
                true => "symbolic link",
                false => "belongs to another user",
            };
            let is_told =
                answer.err.contains(words) && answer.err.contains(place.to_str().unwrap());
            assert!(is_told, "{file}: {}", answer.err);
        }
        assert_eq!(std::fs::read(&made).unwrap(), b"\n", "{file}: written to");
    }
}

#[tokio::test]
async fn nothing_is_taken_over_from_a_store_or_a_project_of_another_user() {
    if !there_are_two("nothing_is_taken_over_from_a_store_or_a_project_of_another_user") {
        return;
    }
    let person = Person::new();
    let home = person.home.path();
    let store = home.join(".mcp-auth/mcp-remote-0.1.37");
    std::fs::create_dir_all(&store).unwrap();
    let url = "https://mcp.example.com/mcp";
    let key = "0123456789abcdef0123456789abcdef";
    let tokens = r#"{"access_token":"planted","token_type":"Bearer","expires_in":4000000000}"#;
    std::fs::write(store.join(format!("{key}_tokens.json")), tokens).unwrap();
    let project = home.join("project");
    std::fs::create_dir(&project).unwrap();
    let entry =
        format!(r#"{{"mcpServers":{{"a":{{"command":"npx","args":["mcp-remote","{url}"]}}}}}}"#);
    let file = project.join(".mcp.json");
    std::fs::write(&file, entry).unwrap();
    for path in [
        home.join(".mcp-auth"),
        store.clone(),
        project.clone(),
        file.clone(),
    ] {
        chown(&path, Some(OTHER), Some(OTHER)).unwrap();
    }
    for entry in std::fs::read_dir(&store).unwrap() {
        chown(entry.unwrap().path(), Some(OTHER), Some(OTHER)).unwrap();
    }
    let imports = |arguments: &[&str]| {
        let mut command = mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"));
        command
            .args(["import", "mcp-remote"])
            .args(arguments)
            .env_clear()
            .env("HOME", home)
            .env("MCPIPE_HOME", home.join("mcpipe"))
            .current_dir(&project)
            .stdin(Stdio::null());
        let done = command.output().unwrap();
        said(&done)
    };
    let text = imports(&[]);
    assert!(!text.contains("planted"), "{text}");
    let kept = person.says("vault list --json");
    assert!(!kept.out.contains("mcp.example.com"), "{}", kept.out);
    for word in [key, "belongs to another user", ".mcp.json"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}
