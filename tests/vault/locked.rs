//! A locked vault behaves like a sign-in that is waited for, and `mcpipe vault lock` locks what runs.
#![cfg(unix)]

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::time::{self, Instant};

use super::WORDS;
use super::commands::{Person, server_with};
use crate::coordination::{Machine, answer, eventually};
use crate::support::browser;
use crate::support::host::{INITIALIZE, INITIALIZED, Process, call, json as read, request};
use crate::support::remote::{Ask, Reply, Step, ordinary};
use std::time::Duration;

/// A machine whose vault holds a sign-in and is locked.
struct Locked {
    machine: Machine,
}

impl Locked {
    async fn new() -> Self {
        let machine = Machine::new().await;
        machine.signed_in().await;
        Self::protected(machine)
    }

    fn protected(machine: Machine) -> Self {
        let locked = Self { machine };
        locked.protect();
        locked
    }

    fn protect(&self) {
        std::fs::write(self.machine.home.path().join("words"), WORDS).unwrap();
        let words = self.words();
        self.does(&format!(
            "vault protect --kdf low --new-passphrase-file {words}"
        ));
    }

    fn words(&self) -> String {
        let words = self.machine.home.path().join("words");
        words.display().to_string()
    }

    /// Runs a command that succeeds, and gives what it prints.
    fn does(&self, line: &str) -> String {
        let output = mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"))
            .args(line.split_whitespace())
            .env_clear()
            .env("MCPIPE_HOME", self.machine.home.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {err}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn unlock(&self) {
        self.does(&format!(
            "vault unlock --for 5m --passphrase-file {}",
            self.words()
        ));
    }

    fn lock(&self) -> String {
        self.does("vault lock")
    }

    fn bridge(&self, arguments: &[&str]) -> Process {
        let url = self.machine.remote.url();
        let mut all = arguments.to_vec();
        all.extend(["--auth-timeout", "40", &url]);
        let browser = self.machine.browser().display().to_string();
        let variables = [("BROWSER", browser.as_str()), ("MCPIPE_PROTOCOL", "auto")];
        Process::start_in(self.machine.home.path(), &all, &variables)
    }

    /// Requests of this kind that the remote has seen.
    fn seen(&self, label: &str) -> usize {
        self.machine.remote.count(label)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // The agent outlives its test else.
        let _ = self.lock();
    }
}

/// Reads on until a line is this notification.
async fn announced(host: &mut Process, method: &str) {
    while host.next_json().await["method"] != method {}
}

/// Nothing comes for that long.
async fn is_quiet(host: &mut Process, long: u64) {
    if let Ok(line) = time::timeout(Duration::from_millis(long), host.next()).await {
        panic!("{line}");
    }
}

#[tokio::test]
async fn a_locked_vault_is_waited_for_like_a_sign_in_and_the_host_goes_on_without_a_new_start() {
    let locked = Locked::new().await;
    for patience in [&[][..], &["--wait-for-login"]] {
        let is_received = patience.is_empty();
        let mut host = locked.bridge(patience);
        host.send(INITIALIZE).await;
        if is_received {
            // From memory: the server's own words.
            let received = answer(&mut host, 0).await;
            assert_eq!(received["result"]["serverInfo"]["name"], "remote");
            host.send(INITIALIZED).await;
            host.send(request(1, "tools/list")).await;
        }
        is_quiet(&mut host, 2500).await;
        host.has_said("`mcpipe vault unlock`").await;
        locked.unlock();
        if is_received {
            announced(&mut host, "notifications/tools/list_changed").await;
            assert!(answer(&mut host, 1).await["result"].is_object());
        } else {
            assert!(answer(&mut host, 0).await["result"].is_object());
        }
        host.send(call(2)).await;
        assert!(answer(&mut host, 2).await["result"].is_object());
        assert!(host.closed().await.status.success());
        locked.lock();
    }
    assert_eq!(
        locked.machine.shown().len(),
        1,
        "nobody had to sign in again"
    );
}

#[tokio::test]
async fn a_request_that_has_waited_long_is_told_that_the_vault_is_locked_and_which_command_helps() {
    let locked = Locked::new().await;
    let mut host = locked.bridge(&[]);
    host.send(INITIALIZE).await;
    answer(&mut host, 0).await;
    host.send(INITIALIZED).await;
    host.send(request(1, "tools/list")).await;
    let begun = Instant::now();
    let told = answer(&mut host, 1).await;
    assert!(begun.elapsed() > Duration::from_secs(30));
    // One that comes now is told soon.
    let begun = Instant::now();
    host.send(call(2)).await;
    let late = answer(&mut host, 2).await;
    assert!(begun.elapsed() < Duration::from_secs(20));
    for told in [told, late] {
        let data = &told["error"]["data"];
        assert_eq!(data["kind"], "vault_locked", "{told}");
        assert_eq!(data["retryable"], true, "{told}");
        assert!(told.to_string().contains("`mcpipe vault unlock`"), "{told}");
    }
    locked.unlock();
    announced(&mut host, "notifications/tools/list_changed").await;
    host.send(call(3)).await;
    assert!(answer(&mut host, 3).await["result"].is_object());
}

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"ttlMs":3600000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"remote","version":"1"}}}"#;

fn modern(ask: &Ask) -> Reply {
    match ask.label().as_str() {
        "POST server/discover" => Reply::result(ask, DISCOVERED),
        "POST subscriptions/listen" => {
            let acknowledged = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{}}},"notifications":{{"toolsListChanged":true}}}}}}"#,
                ask.id()
            );
            Reply::events([Step::event(acknowledged), Step::forever()])
        }
        "GET" => Reply::status(405),
        "POST tools/list" => Reply::result(
            ask,
            r#"{"resultType":"complete","tools":[],"ttlMs":0,"cacheScope":"private"}"#,
        ),
        _ => Reply::result(ask, r#"{"resultType":"complete"}"#),
    }
}

fn legacy(ask: &Ask) -> Reply {
    match ask.label().as_str() {
        "POST server/discover" => Reply::status(400).body(
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no session"}}"#,
        ),
        "POST tools/list" => Reply::result(ask, r#"{"tools":[]}"#),
        "GET" => Reply::events([Step::forever()]),
        _ => ordinary(ask),
    }
}

/// A modern host's request.
fn asks(id: u64, method: &str) -> String {
    let mut request = read(&request(id, method));
    request["params"] = json!({ "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "host", "version": "1" },
    }});
    request.to_string()
}

/// A modern host asks for the changes of the tools.
fn listens() -> String {
    let mut request = read(&asks(2, "subscriptions/listen"));
    request["params"]["notifications"] = json!({ "toolsListChanged": true });
    request.to_string()
}

#[tokio::test]
async fn in_every_pair_of_eras_what_is_remembered_is_answered_and_the_rest_after_the_unlock() {
    for (is_modern_host, serve, is_remembered) in [
        (false, legacy as fn(&Ask) -> Reply, true),
        (false, modern, true),
        (true, modern, true),
        (true, legacy, true),
        (true, modern, false),
        (true, legacy, false),
    ] {
        let what = format!("modern host: {is_modern_host}, remembered: {is_remembered}");
        let first = match is_modern_host {
            true => asks(0, "server/discover"),
            false => INITIALIZE.to_owned(),
        };
        let list = match is_modern_host {
            true => asks(1, "tools/list"),
            false => request(1, "tools/list"),
        };
        let next = match is_modern_host {
            true => listens(),
            false => INITIALIZED.to_owned(),
        };
        println!("{what}"); // shown where it fails
        let machine = Machine::serving(serve).await;
        let mut host = machine.start_with(&["--protocol", "auto"]);
        host.send(&first).await;
        let person = async { browser::follow(&machine.page(1).await).await };
        let (opened, _) = tokio::join!(answer(&mut host, 0), person);
        assert!(opened["result"].is_object(), "{what}: {opened}");
        host.send(&next).await;
        host.send(&list).await;
        assert!(answer(&mut host, 1).await["result"].is_object(), "{what}");
        assert!(host.closed().await.status.success());
        if !is_remembered {
            std::fs::remove_dir_all(machine.home.path().join("cache")).unwrap();
        }

        let locked = Locked::protected(machine);
        let mut host = locked.bridge(&[]);
        host.send(&first).await;
        let told = answer(&mut host, 0).await.to_string();
        let expected = match is_remembered {
            true => r#""name":"remote""#,
            false => "The vault is locked",
        };
        assert!(told.contains(expected), "{what}: {told}");
        host.send(&next).await;
        host.send(&list).await;
        host.has_said("`mcpipe vault unlock`").await;
        is_quiet(&mut host, 1000).await;
        locked.unlock();
        let mut lines: Vec<Value> = Vec::new();
        let is_done = |lines: &[Value]| {
            let is_answer = |it: &Value| it["id"] == 1 && it["result"].is_object();
            let is_news = |it: &Value| it["method"] == "notifications/tools/list_changed";
            lines.iter().any(is_answer) && lines.iter().any(is_news)
        };
        while !is_done(&lines) {
            lines.push(host.next_json().await);
        }
        let is_first = |it: &&Value| it["id"] == 0;
        assert_eq!(lines.iter().find(is_first), None, "{what}");
        assert!(host.closed().await.status.success(), "{what}");
    }
}

#[tokio::test]
async fn a_bridge_that_runs_forgets_key_and_token_when_the_vault_is_locked() {
    let locked = Locked::new().await;
    locked.unlock();
    let mut host = locked.bridge(&[]);
    host.send(INITIALIZE).await;
    answer(&mut host, 0).await;
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    assert!(answer(&mut host, 1).await["result"].is_object());
    let before = locked.seen("POST tools/call");
    let said = locked.lock();
    assert!(said.contains("tokens"), "{said}");
    host.send(call(2)).await;
    host.send(request(3, "tools/list")).await;
    is_quiet(&mut host, 2500).await;
    assert_eq!(
        locked.seen("POST tools/call"),
        before,
        "neither with the token nor without"
    );
    locked.unlock();
    let mut lines = Vec::new();
    for _ in 0..3 {
        lines.push(host.next_json().await);
    }
    for id in 2..=3 {
        let is_answer = |line: &Value| line["id"] == id && line["result"].is_object();
        assert!(lines.iter().any(is_answer), "{lines:?}");
    }
    let is_news = |line: &Value| line["method"] == "notifications/tools/list_changed";
    assert!(lines.iter().any(is_news), "{lines:?}");
    // And once more.
    locked.lock();
    host.send(call(4)).await;
    is_quiet(&mut host, 1500).await;
    locked.unlock();
    assert!(answer(&mut host, 4).await["result"].is_object());
    assert_eq!(locked.machine.shown().len(), 1, "nobody has to sign in");
}

#[tokio::test]
async fn a_bridge_that_opened_the_vault_by_a_key_file_is_locked_once_a_passphrase_has_its_place() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    let locked = Locked { machine };
    let mut host = locked.bridge(&[]);
    host.send(INITIALIZE).await;
    answer(&mut host, 0).await;
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    assert!(answer(&mut host, 1).await["result"].is_object());
    // The key file opens the vault still.
    locked.lock();
    time::sleep(Duration::from_millis(1500)).await;
    host.send(call(2)).await;
    assert!(answer(&mut host, 2).await["result"].is_object());

    locked.protect();
    let said = locked.lock();
    assert!(said.contains("tokens"), "{said}");
    let before = locked.seen("POST tools/call");
    host.send(call(3)).await;
    is_quiet(&mut host, 2500).await;
    assert_eq!(locked.seen("POST tools/call"), before);
    locked.unlock();
    assert!(answer(&mut host, 3).await["result"].is_object());
}

#[tokio::test]
async fn when_the_agents_time_is_over_the_vault_is_locked() {
    let locked = Locked::new().await;
    locked.does(&format!(
        "vault unlock --for 4s --passphrase-file {}",
        locked.words()
    ));
    let mut host = locked.bridge(&[]);
    host.send(INITIALIZE).await;
    answer(&mut host, 0).await;
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    assert!(answer(&mut host, 1).await["result"].is_object());
    let mark = locked.machine.home.path().join("vault.locked");
    eventually(|| mark.exists().then_some(())).await;
    host.send(call(2)).await;
    is_quiet(&mut host, 1000).await;
    locked.unlock();
    assert!(answer(&mut host, 2).await["result"].is_object());
}

#[tokio::test]
async fn a_bridge_that_was_given_the_passphrase_in_a_file_opens_the_vault_again_by_itself() {
    let locked = Locked::new().await;
    let words = locked.words();
    let mut host = locked.bridge(&["--passphrase-file", &words]);
    host.send(INITIALIZE).await;
    answer(&mut host, 0).await;
    host.send(INITIALIZED).await;
    for id in 1..4 {
        host.send(call(id)).await;
        assert!(answer(&mut host, id).await["result"].is_object());
        locked.lock();
    }
}

#[tokio::test]
async fn a_refresh_that_is_under_way_is_stored_before_the_key_is_forgotten() {
    let locked = Locked::new().await;
    locked.unlock();
    let mut host = locked.bridge(&[]);
    host.send(INITIALIZE).await;
    answer(&mut host, 0).await;
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    answer(&mut host, 1).await;
    // The token is turned down, and the token endpoint takes its time.
    let machine = &locked.machine;
    let issued = machine.authority.access_tokens().len();
    machine
        .good_from
        .store(issued, std::sync::atomic::Ordering::SeqCst);
    machine.authority.configure(|options| options.gated = true);
    host.send(call(2)).await;
    machine.authority.waits_at_the_gate(1).await;
    locked.lock();
    time::sleep(Duration::from_millis(1500)).await;
    machine.authority.open_gate();
    answer(&mut host, 2).await;
    assert!(host.closed().await.status.success());
    // The successor of the spent refresh token was stored: the next start needs no sign-in.
    locked.unlock();
    let mut host = locked.bridge(&[]);
    host.send(INITIALIZE).await;
    assert!(answer(&mut host, 0).await["result"].is_object());
    assert_eq!(machine.shown().len(), 1);
    assert_eq!(machine.authority.grants("refresh_token").len(), 1);
}

#[tokio::test]
async fn a_helper_forgets_its_key_and_stores_the_sign_in_when_the_vault_is_unlocked() {
    let machine = Machine::new().await;
    let empty = Locked::protected_new(machine);
    empty.unlock();
    let mut host = empty.bridge(&["--wait-for-login"]);
    host.send(INITIALIZE).await;
    let page = empty.machine.page(1).await;
    empty.lock();
    time::sleep(Duration::from_millis(1500)).await;
    let visit = browser::follow(&page);
    let quiet = async {
        let answered = time::timeout(Duration::from_secs(3), host.next()).await;
        assert!(answered.is_err(), "{answered:?}");
        empty.unlock();
        answer(&mut host, 0).await
    };
    let (_, opened) = tokio::join!(visit, quiet);
    assert!(opened["result"].is_object(), "{opened}");
    assert_eq!(empty.machine.shown().len(), 1);
    // It is in the vault.
    let status = empty.does("status --json");
    assert!(status.contains("\"state\": \"ok\""), "{status}");
}

impl Locked {
    /// A vault that a passphrase opens, with nothing in it.
    fn protected_new(machine: Machine) -> Self {
        std::fs::write(machine.home.path().join("words"), WORDS).unwrap();
        let locked = Self { machine };
        let words = locked.words();
        locked.does(&format!("vault init --kdf low --passphrase-file {words}"));
        locked
    }
}

#[tokio::test]
async fn a_key_of_the_users_own_is_waited_for_and_taken_back_too() {
    let person = Person::with_passphrase_file();
    person.succeeds("vault init --kdf low");
    let server = server_with("s3cret").await;
    person.types(
        &format!("vault put example --for {}", server.url()),
        "s3cret",
    );
    let words = person.home.path().join("words").display().to_string();
    let person = Person {
        variables: Vec::new(),
        ..person
    };
    let unlock = format!("vault unlock --for 5m --passphrase-file {words}");
    for arguments in [
        vec!["--bearer", "example"],
        vec!["--header", "Authorization: Bearer ${vault:example}"],
    ] {
        let url = server.url();
        let mut arguments = arguments;
        arguments.push(&url);
        let before = server.all().len();
        let mut host = person.bridge(&arguments);
        // A host may take its time: the bridge knows by then that the vault is locked.
        host.has_said("`mcpipe vault unlock`").await;
        time::sleep(Duration::from_millis(500)).await;
        host.send(INITIALIZE).await;
        // Nothing is sent without it, and the host does not wait for long.
        let received = answer(&mut host, 0).await;
        assert!(received["result"].is_object(), "{received}");
        host.send(INITIALIZED).await;
        host.send(call(1)).await;
        is_quiet(&mut host, 1500).await;
        assert_eq!(server.all().len(), before);
        person.succeeds(&unlock);
        announced(&mut host, "notifications/tools/list_changed").await;
        assert!(answer(&mut host, 1).await["result"].is_object());

        person.succeeds("vault lock");
        time::sleep(Duration::from_secs(1)).await;
        let before = server.all().len();
        host.send(call(2)).await;
        is_quiet(&mut host, 1500).await;
        assert_eq!(server.all().len(), before);
        person.succeeds(&unlock);
        assert!(answer(&mut host, 2).await["result"].is_object());
        person.succeeds("vault lock");
    }
}
