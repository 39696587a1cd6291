//! The real binary, and another user of the machine who reads what can be read.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use url::Url;

use crate::coordination::{Machine, answer};
use crate::support::browser::{self, Browser};
use crate::support::host::{INITIALIZE, Process};

/// Parts of an authorization request that appear nowhere else.
const OF_THE_REQUEST: [&str; 3] = ["/authorize?", "code_challenge=", "response_type="];

fn has_none_of_the_request(place: &str, text: &str) {
    for part in OF_THE_REQUEST {
        assert!(!text.contains(part), "{part} in {place}:\n{text}");
    }
}

/// All that stands in files there, read as text.
fn written(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            written(&path, into);
        } else {
            let bytes = fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            into.push((path.display().to_string(), text));
        }
    }
}

#[tokio::test]
async fn the_authorization_request_stands_in_no_argument_log_error_note_or_recording() {
    let machine = Machine::new().await;
    let record = machine.home.path().join("record");
    let record = record.display().to_string();
    let browser = machine.browser().display().to_string();
    let url = machine.remote.url();
    let arguments = ["--debug", "--auth-timeout", "40", "--record", &record, &url];
    let variables = [
        ("BROWSER", browser.as_str()),
        ("MCPIPE_DEBUGGABLE", "1"),
        ("MCPIPE_LOG", "trace"),
    ];
    let mut first = Process::start_in(machine.home.path(), &arguments, &variables);
    first.send(INITIALIZE).await;
    let start = machine.page(1).await;
    // Another process finds the note, and says where to go.
    let watching = ["--debug", "--auth-timeout", "40", &url];
    let mut second = Process::start_in(machine.home.path(), &watching, &variables);
    second.send(INITIALIZE).await;
    second.has_said(start.as_str()).await;
    first.has_said(start.as_str()).await;

    let mut files = Vec::new();
    written(machine.home.path(), &mut files);
    assert!(files.iter().any(|(_, text)| text.contains(start.as_str())));
    for (path, text) in &files {
        has_none_of_the_request(path, text);
    }
    has_none_of_the_request("the browser's argument", start.as_str());

    let page = browser::follow(&start).await;
    assert!(page.body.contains("You are signed in"), "{}", page.body);
    for mut host in [first, second] {
        assert!(answer(&mut host, 0).await["result"].is_object());
        has_none_of_the_request("stderr", &host.closed().await.stderr);
    }
    let mut files = Vec::new();
    written(machine.home.path(), &mut files);
    for (path, text) in &files {
        has_none_of_the_request(path, text);
    }
}

#[tokio::test]
async fn a_second_browser_ends_a_helpers_sign_in_for_all_who_wait() {
    let machine = Machine::new().await;
    let (mut one, mut other) = (machine.start(), machine.start());
    one.send(INITIALIZE).await;
    other.send(INITIALIZE).await;
    let start = machine.page(1).await;
    assert_eq!(Browser::new().visit(&start).await.status, 303);
    let page = browser::visit(&start).await;
    assert!(page.body.contains("opened this sign-in first"), "{page:?}");
    for host in [&mut one, &mut other] {
        let error = answer(host, 0).await["error"].take();
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("another browser or program"), "{error}");
        assert!(message.contains("`mcpipe login http"), "{error}");
        assert_eq!(error["data"]["kind"], "sign_in_needed");
    }
    assert!(machine.authority.at("/token").is_empty());
    assert_eq!(machine.shown().len(), 1);
}

#[tokio::test]
async fn login_says_that_a_browser_is_opened_or_that_none_could_be() {
    let machine = Machine::new().await;
    let url = machine.remote.url();
    let browser = machine.browser().display().to_string();
    for (variables, flags, sentence) in [
        (
            &[("BROWSER", browser.as_str())][..],
            &[][..],
            "Opening your browser. If nothing opens: ",
        ),
        (&[], &[], "No browser could be opened: visit "),
        (
            &[("BROWSER", "/no/such/browser")],
            &[],
            "No browser could be opened: visit ",
        ),
        (
            &[],
            &["--no-browser"],
            "No browser is opened, as you asked: visit ",
        ),
    ] {
        let mut arguments = vec!["login", "--auth-timeout", "40", &url];
        arguments.extend(flags);
        let login = Process::start_in(machine.home.path(), &arguments, variables);
        login.has_said("/start\n").await;
        let said = login.said_so_far();
        let line = said.lines().find(|line| line.starts_with(sentence));
        let line = line.unwrap_or_else(|| panic!("{said}"));
        let start = Url::parse(line.trim_start_matches(sentence)).unwrap();
        browser::follow(&start).await;
        let left = login.exit().await;
        assert!(left.status.success(), "{}", left.stderr);
        assert!(!left.stderr.contains("WARN"), "{}", left.stderr);
        assert_eq!(
            left.stderr.contains("ssh -L"),
            !sentence.starts_with("Opening")
        );
    }
}

#[tokio::test]
async fn login_without_a_browser_prints_the_request_and_only_what_is_pasted_of_it_counts() {
    let machine = Machine::new().await;
    let url = machine.remote.url();
    let arguments = ["login", "--no-browser", "--auth-timeout", "40", &url];
    let variables = [
        ("SSH_CONNECTION", "10.0.0.5 5000 10.0.0.9 22"),
        ("USER", "ada"),
    ];
    let mut login = Process::start_in(machine.home.path(), &arguments, &variables);
    login.has_said("/authorize?").await;
    login.has_said("&code_challenge_method=").await;
    let said = login.said_so_far();
    let line = |part: &str| said.lines().find(|line| line.contains(part)).unwrap();
    let start = line("/start").rsplit(' ').next().unwrap();
    let port = Url::parse(start).unwrap().port().unwrap();
    let forward = format!("ssh -L {port}:127.0.0.1:{port} ada@10.0.0.9");
    assert!(said.lines().any(|line| line == forward), "{said}");
    assert!(said.contains("paste the address it ends at"), "{said}");

    let far = Browser::new();
    let back = far.sent_to(&Url::parse(line("/authorize?")).unwrap()).await;
    assert_eq!(far.visit(&back).await.status, 403);
    login.send(back.as_str()).await;
    let left = login.exit().await;
    assert!(left.status.success(), "{}", left.stderr);
    assert_eq!(machine.authority.at("/token").len(), 1);
}

#[tokio::test]
async fn over_ssh_a_user_who_wants_no_browser_gets_a_code_and_hears_how_long_it_is_good() {
    let machine = Machine::new().await;
    machine.authority.configure(|options| {
        let at = format!("{}/device", machine.authority.origin);
        options.metadata = serde_json::json!({ "device_authorization_endpoint": at });
    });
    let url = machine.remote.url();
    let arguments = ["login", "--no-browser", "--auth-timeout", "40", &url];
    let variables = [("SSH_CONNECTION", "10.0.0.5 5000 10.0.0.9 22")];
    let login = Process::start_in(machine.home.path(), &arguments, &variables);
    let left = login.exit().await;
    assert!(left.status.success(), "{}", left.stderr);
    assert!(
        left.stderr.contains("and enter the code WDJB-MJHT\n"),
        "{}",
        left.stderr
    );
    assert!(
        left.stderr.contains("The code is good for "),
        "{}",
        left.stderr
    );
    has_none_of_the_request("stderr", &left.stderr);
}

/// Needs root, which the tests' container has; on another machine it says that it was left out.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_user_of_the_machine_reads_nothing_to_sign_in_with() {
    if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/setpriv").exists() {
        eprintln!("left out: a second user needs root and setpriv");
        return;
    }
    let machine = Machine::new().await;
    // A browser that stays, so that its arguments can be read.
    let staying = machine.home.path().join("staying");
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$1\" >> '{}'\nsleep 10\n",
        machine.home.path().join("shown").display()
    );
    fs::write(&staying, script).unwrap();
    fs::set_permissions(&staying, fs::Permissions::from_mode(0o700)).unwrap();
    let staying = staying.display().to_string();
    let url = machine.remote.url();
    let arguments = ["--auth-timeout", "40", "--wait-for-login", &url];
    let mut host = Process::start_in(
        machine.home.path(),
        &arguments,
        &[("BROWSER", &staying), ("PATH", "/usr/bin:/bin")],
    );
    host.send(INITIALIZE).await;
    let start = machine.page(1).await;

    let read = as_another_user(
        "for one in /proc/[0-9]*; do tr '\\0' ' ' < $one/cmdline; echo; done 2>/dev/null",
    )
    .await;
    let found: Vec<_> = read
        .lines()
        .filter(|line| line.contains("/start"))
        .collect();
    let mine = found.iter().filter(|line| line.contains(start.as_str()));
    assert!(mine.count() > 0, "the address is there to be read:\n{read}");
    for line in read.lines().filter(|line| line.contains(&staying)) {
        has_none_of_the_request("an argument", line);
    }
    // The reader opens it first, as a browser would.
    let (port, path) = (start.port().unwrap(), start.path());
    let visit = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n' >&3; cat <&3"
    );
    let page = as_another_user(&visit).await;
    assert!(page.starts_with("HTTP/1.1 303"), "{page}");
    let page = browser::visit(&start).await;
    assert!(page.body.contains("opened this sign-in first"), "{page:?}");
    let error = answer(&mut host, 0).await["error"].take();
    assert_eq!(error["data"]["kind"], "sign_in_needed", "{error}");
    assert!(machine.authority.at("/token").is_empty());
    let vault = machine.vault();
    let kept = mcpipe::auth::flow::accounts::status(&vault).await.unwrap();
    assert!(kept.is_empty(), "nothing is stored");
}

#[cfg(target_os = "linux")]
async fn as_another_user(script: &str) -> String {
    let mut command = Command::from(mcpipe::process::command("/usr/bin/setpriv"));
    let output = command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args(["bash", "-c", script])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
