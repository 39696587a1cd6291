//! What the programs that mcpipe starts inherit: all of its environment but the passphrase, and none of the descriptors
//! that it was given itself.
#![cfg(target_os = "linux")]

mod browser; // gets all of the caller's environment, except what opens the vault

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mcpipe::process::command;
use tempfile::TempDir;

use crate::support::authority::Authority;
use crate::support::host::INITIALIZE;
use crate::support::remote::{Server, ordinary};

/// A passphrase that is long enough to be found wherever it should not be.
const WORDS: &str = "canary battery staple horse correct";

/// A home, a file that holds the passphrase, and a program that writes down what it inherited.
struct World {
    home: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self {
            home: tempfile::tempdir().unwrap(),
        };
        std::fs::write(world.at("words"), format!("{WORDS}\n")).unwrap();
        std::fs::create_dir(world.at("bin")).unwrap();
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    /// A program of this name that writes down its environment and its descriptors, and then does this.
    fn program(&self, name: &str, does: &str) -> String {
        let seen = self.text("seen");
        let text = format!(
            "#!/bin/sh\n{{ env; ls -l /proc/$$/fd; }} > '{seen}.part'; mv '{seen}.part' '{seen}'\n{does}\n"
        );
        let path = self.at(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path.display().to_string()
    }

    /// Starts mcpipe as a careless program does: the file with the passphrase is open at descriptor 7, and its child
    /// inherits it.
    fn start(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        input: &str,
    ) -> std::process::Output {
        let path = format!("{}:/usr/bin:/bin", self.text("bin"));
        let mut shell = command("/bin/sh");
        shell
            .args(["-c", "exec 7<\"$WORDS\"; unset WORDS; exec \"$0\" \"$@\""])
            .arg(env!("CARGO_BIN_EXE_mcpipe"))
            .args(arguments)
            .env_clear()
            .envs([("PATH", path.as_str()), ("MY_TOKEN", "abc")])
            .env("MCPIPE_HOME", self.home.path())
            .env("WORDS", self.at("words"))
            .env("MCPIPE_ACCOUNT", "default")
            .env("MCPIPE_PROTOCOL", "legacy")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        // Kept open until the program has been started, as a host does.
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, input.as_bytes()).unwrap();
        let is_awaited = !input.is_empty();
        for _ in 0..1200 {
            if !is_awaited || self.at("seen").exists() || child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    fn succeeds(&self, line: &str, variables: &[(&str, &str)]) {
        let arguments: Vec<_> = line.split(' ').collect();
        let output = self.start(&arguments, variables, "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
    }

    /// The program was started, and inherited what it should.
    fn check(&self, which: &str) {
        for _ in 0..1200 {
            if self.at("seen").exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let seen = std::fs::read_to_string(self.at("seen"));
        let seen = seen.unwrap_or_else(|_| panic!("{which}: not started"));
        assert!(!seen.contains("MCPIPE_PASSPHRASE"), "{which}: {seen}");
        assert!(!seen.contains("canary"), "{which}: {seen}");
        assert!(!seen.contains(&self.text("words")), "{which}: {seen}");
        for kept in ["MY_TOKEN=abc", "MCPIPE_ACCOUNT=default"] {
            assert!(seen.lines().any(|line| line == kept), "{which}: {seen}");
        }
        std::fs::remove_file(self.at("seen")).unwrap();
    }
}

/// A file no program should hear of, and the words themselves.
const SECRETS: [(&str, &str); 2] = [
    ("MCPIPE_PASSPHRASE", WORDS),
    ("MCPIPE_PASSPHRASE_FILE", "/canary"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_header_command_inherits_neither_the_passphrase_nor_a_descriptor() {
    let (server, world) = (Server::that(ordinary).await, World::new());
    let program = world.program("program", "echo 'X-Key: 1'");
    let opening = format!("{INITIALIZE}\n");
    let (url, from_fd) = (server.url(), ["--passphrase-fd", "7"]);
    for (arguments, variables) in [(&[][..], &SECRETS[..]), (&from_fd[..], &[][..])] {
        let arguments = [arguments, &["--header-command", &program, &url]].concat();
        world.start(&arguments, variables, &opening);
        world.check("the header command");
    }
}

#[test]
fn programs_that_give_a_passphrase_or_a_key_inherit_neither() {
    let world = World::new();
    let words = world.text("words");
    let program = world.program("program", &format!("cat '{words}'"));
    let from_command = [("MCPIPE_PASSPHRASE_COMMAND", program.as_str())];
    world.succeeds("vault init --kdf low", &from_command);
    world.check("the passphrase command");
    world.succeeds("vault list --passphrase-fd 7", &[]);

    let key = world.text("key");
    let fetch = world.program("fetch", &format!("cat '{key}'"));
    let store = world.program("store", &format!("cat > '{key}'"));
    let config = |fetch: &str, store: &str| {
        let text = format!("[vault]\nkey_command = ['{fetch}']\nkey_store_command = ['{store}']\n");
        std::fs::write(world.at("mcpipe.toml"), text).unwrap();
    };
    let quiet = world.text("quiet");
    std::fs::write(&quiet, format!("#!/bin/sh\ncat '{key}'\n")).unwrap();
    std::fs::set_permissions(&quiet, std::fs::Permissions::from_mode(0o700)).unwrap();
    config(&quiet, &store);
    let given = [
        ("MCPIPE_PASSPHRASE", WORDS),
        ("MCPIPE_PASSPHRASE_COMMAND", "/canary"),
    ];
    world.succeeds("vault slot add command", &given);
    world.check("the program that keeps a key");
    config(&fetch, &store);
    world.succeeds("vault list", &[("MCPIPE_PASSPHRASE_ELSE", "canary")]);
    world.check("the key program");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_inherits_neither() {
    let authority = Authority::start().await;
    let server = crate::support::protected::protected_by(&authority).await;
    let url = server.url();
    let login = ["login", &url, "--auth-timeout", "2"];
    let bridge = [url.as_str(), "--auth-timeout", "2"];
    let opening = format!("{INITIALIZE}\n");
    for (arguments, input) in [(&login[..], ""), (&bridge[..], opening.as_str())] {
        let world = World::new();
        let own = world.program("browser", "");
        let variables = [&SECRETS[..], &[("BROWSER", own.as_str())]].concat();
        world.start(arguments, &variables, input);
        world.check("the user's browser");

        let world = World::new();
        world.program("bin/xdg-open", "");
        let variables = [&SECRETS[..], &[("DISPLAY", ":0")]].concat();
        world.start(arguments, &variables, input);
        world.check("the system's browser");
    }
}

#[test]
fn the_agent_inherits_neither() {
    let world = World::new();
    world.succeeds("vault init --kdf low", &[("MCPIPE_PASSPHRASE", WORDS)]);
    world.succeeds("vault unlock --for 5m --passphrase-fd 7", &SECRETS[1..]);
    let agent = agent_of(world.home.path()).expect("an agent");
    let environment = std::fs::read(agent.join("environ")).unwrap();
    let open: Vec<_> = std::fs::read_dir(agent.join("fd"))
        .unwrap()
        .flatten()
        .filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok())
        .collect();
    world.succeeds("vault lock", &[]);
    assert!(environment.is_empty());
    assert!(!open.contains(&world.at("words")), "{open:?}");
}

/// The agent whose socket is in that home: the one that holds the lock file beside it open.
fn agent_of(home: &Path) -> Option<PathBuf> {
    let home = home.canonicalize().ok()?;
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.map(|process| process.path()).find(|process| {
        let arguments = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let is_agent = String::from_utf8_lossy(&arguments).ends_with("vault\0agent\0");
        let open = std::fs::read_dir(process.join("fd")).into_iter().flatten();
        let mut open = open
            .flatten()
            .filter_map(|it| std::fs::read_link(it.path()).ok());
        is_agent && open.any(|file| file.starts_with(&home))
    })
}
