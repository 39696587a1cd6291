//! `mcpipe login` in a terminal on a machine without a browser: what is pasted is as good as what comes by itself.
//!
//! Machines without a screen: reported in openai/codex#8835.

use std::fs::File;
use std::io::Write as _;
use std::process::{Child, Stdio};

use url::Url;

use super::{Machine, eventually};
use crate::support::browser;
use crate::support::pty::{self, Screen};

/// The real binary with a person at it.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Screen,
}

impl Terminal {
    fn login(machine: &Machine, arguments: &[&str]) -> Self {
        // A vault that asks for no passphrase.
        Self::login_with(
            machine,
            arguments,
            &[("MCPIPE_PASSPHRASE", "correct horse")],
        )
    }

    fn login_with(machine: &Machine, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let (keyboard, slave) = pty::open();
        let child = mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"))
            .args(["login", "--auth-timeout", "40"])
            .args(arguments)
            .arg(machine.remote.url())
            .env_clear()
            .env("MCPIPE_HOME", machine.home.path())
            .envs(variables.iter().copied())
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::null())
            .stderr(Stdio::from(slave))
            .spawn()
            .unwrap();
        let (screen, _) = pty::watch(&keyboard);
        Self {
            child,
            keyboard,
            screen,
        }
    }

    /// Waits until this stands on the screen; gives all of it.
    async fn shows(&self, wanted: &str) -> String {
        eventually(|| {
            let screen = self.screen.lock().unwrap();
            screen.contains(wanted).then(|| screen.clone())
        })
        .await
    }

    /// The address to visit.
    async fn page(&self) -> Url {
        let screen = self.shows("paste the address").await;
        let line = screen.lines().find(|line| line.starts_with("http"));
        Url::parse(line.unwrap().trim()).unwrap()
    }

    fn types(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
    }

    async fn leaves(&mut self) -> bool {
        let child = &mut self.child;
        eventually(|| child.try_wait().unwrap()).await.success()
    }
}

#[tokio::test]
async fn the_address_the_browser_ended_at_can_be_pasted() {
    let machine = Machine::new().await;
    let mut terminal = Terminal::login(&machine, &[]);
    let page = terminal.page().await;
    assert!(
        machine.shown().is_empty(),
        "no browser is started where nobody would see it"
    );
    let back = browser::sent_to(&page).await;
    let forged = back.as_str().replace("state=", "state=x");

    terminal.types("hello");
    terminal.shows("That is not where this sign-in ends").await;
    terminal.types(&forged);
    terminal.types(back.as_str());

    assert!(terminal.leaves().await);
    assert_eq!(machine.authority.grants("authorization_code").len(), 1);
    assert_eq!(machine.authority.at("/token").len(), 1);
}

#[tokio::test]
async fn a_sign_in_makes_a_vault_with_a_key_file_and_says_so_in_one_sentence() {
    let machine = Machine::new().await;
    let mut terminal = Terminal::login_with(&machine, &[], &[]);
    let back = browser::sent_to(&terminal.page().await).await;
    terminal.types(back.as_str());
    assert!(terminal.leaves().await);
    let screen = terminal.shows("opens by a key file").await;
    assert!(!screen.contains("assphrase"), "{screen}");
    assert_eq!(screen.matches("key file").count(), 1, "{screen}");
    assert!(machine.home.path().join("state/vault.key").exists());
}

#[tokio::test]
async fn the_code_alone_will_do_where_the_server_does_not_promise_to_name_itself() {
    let machine = Machine::new().await;
    let mut terminal = Terminal::login(&machine, &[]);
    let back = browser::sent_to(&terminal.page().await).await;
    let code = back.query_pairs().find(|(name, _)| name == "code");
    terminal.types(&code.unwrap().1);
    assert!(terminal.leaves().await);
    assert_eq!(machine.authority.at("/token").len(), 1);
}

#[tokio::test]
async fn the_listener_listens_meanwhile_and_sends_the_browser_on() {
    let machine = Machine::new().await;
    let onward = format!("{}/welcome?from=mcpipe", machine.authority.origin);
    let mut terminal = Terminal::login(&machine, &["--auth-success-url", &onward]);
    let back = browser::sent_to(&terminal.page().await).await;
    let page = browser::visit(&back).await;
    assert_eq!(page.status, 303);
    assert_eq!(page.header("location"), Some(onward.as_str()));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert!(terminal.leaves().await);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_and_no_other_is_taken() {
    let machine = Machine::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut terminal = Terminal::login(&machine, &["--callback-port", &port]);
    let wanted = format!("cannot listen for the sign-in on 127.0.0.1:{port}");
    terminal.shows(&wanted).await;
    terminal.shows("--callback-port chooses another port").await;
    assert!(!terminal.leaves().await);
    assert!(machine.authority.at("/register").is_empty());
}
