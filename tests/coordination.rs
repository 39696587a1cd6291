//! Many real processes, one vault: one browser, one refresh, one registration, whichever process dies in the middle.
//!
//! Each test is a machine: a home, a remote that wants a token, a strict authorization server (refresh tokens rotate,
//! one that comes twice ends its family), and a browser that only writes down where it was sent; the test is the person.

#![cfg(unix)]

mod forged; // only the user ends the sign-in of a helper
mod helper; // the sign-in outlives the process that began it
mod interrupted_commit; // a signal between the authorization server's answer and the vault
mod renewal; // one refresh for all processes
mod terminal; // `mcpipe login` on a machine without a browser
mod token; // `mcpipe token` beside bridges
mod versions; // an older binary beside this one

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcpipe::auth::store::record::TokenRecord;
use mcpipe::store::{EntryKind, Expected, Unlock, Vault, VaultPaths};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time;
use url::Url;

use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::{INITIALIZE, INITIALIZED, Process, THIS, TOO_LONG, call};
use crate::support::remote::{Ask, Reply, Server, ordinary};

pub(crate) struct Machine {
    pub(crate) home: TempDir,
    pub(crate) authority: Authority,
    pub(crate) remote: Server,
    /// Tokens issued before this one, in order of issue, are turned down.
    pub(crate) good_from: Arc<AtomicUsize>,
}

impl Machine {
    pub(crate) async fn new() -> Self {
        Self::serving(ordinary).await
    }

    /// With a remote that does this for those who show a good token.
    pub(crate) async fn serving(serve: fn(&Ask) -> Reply) -> Self {
        let home = tempfile::tempdir().unwrap();
        let authority = Authority::start().await;
        let good_from = Arc::new(AtomicUsize::new(0));
        let (issuer, from) = (authority.clone(), Arc::clone(&good_from));
        let remote = Server::that(move |ask| guarded(ask, &issuer, &from, serve)).await;
        let resource = remote.url();
        authority.configure(|options| options.resource = Some(resource));
        let machine = Self {
            home,
            authority,
            remote,
            good_from,
        };
        machine.write_browser();
        machine
    }

    pub(crate) fn browser(&self) -> PathBuf {
        self.home.path().join("browser")
    }

    fn write_browser(&self) {
        use std::os::unix::fs::PermissionsExt as _;
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$1\" >> '{}'\n",
            self.log().display()
        );
        std::fs::write(self.browser(), script).unwrap();
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(self.browser(), mode).unwrap();
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("shown")
    }

    /// Every address the browser was sent to.
    pub(crate) fn shown(&self) -> Vec<Url> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        text.lines().map(|line| Url::parse(line).unwrap()).collect()
    }

    /// The next address, counted from 1.
    pub(crate) async fn page(&self, nth: usize) -> Url {
        eventually(|| self.shown().get(nth - 1).cloned()).await
    }

    pub(crate) fn start(&self) -> Process {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str]) -> Process {
        self.start_program(THIS, arguments)
    }

    /// A bridge of that binary.
    fn start_program(&self, program: &str, arguments: &[&str]) -> Process {
        let url = self.remote.url();
        // Whatever a test leaves behind ends soon.
        let patience = ["--auth-timeout", "40"];
        let mut all = arguments.to_vec();
        // A busy machine may take longer than a host is patient, and then answers before the server does.
        all.push("--wait-for-login");
        if !arguments.contains(&patience[0]) {
            all.extend(patience);
        }
        all.push(&url);
        self.run_program(program, &all)
    }

    /// That binary with these arguments.
    fn run_program(&self, program: &str, arguments: &[&str]) -> Process {
        let browser = self.browser().display().to_string();
        let variables = [("BROWSER", browser.as_str()), DEBUGGABLE];
        Process::start_program(program, self.home.path(), arguments, &variables)
    }

    /// Signs in once and leaves.
    pub(crate) async fn signed_in(&self) {
        let mut host = self.start();
        let person = async { browser::follow(&self.page(1).await).await };
        let (answer, page) = tokio::join!(session(&mut host), person);
        assert!(answer["result"].is_object(), "{answer}");
        assert!(page.body.contains("You are signed in"), "{}", page.body);
        assert!(host.closed().await.status.success());
    }

    pub(crate) fn vault(&self) -> Vault {
        Vault::on_disk(
            VaultPaths::new(Some(self.home.path())).unwrap(),
            Unlock::default(),
        )
    }

    /// The one sign-in that is kept.
    pub(crate) async fn entry(&self) -> (String, u64, TokenRecord) {
        let vault = self.vault();
        let mut found = Vec::new();
        for (name, kind) in vault.list().await.unwrap() {
            if kind == EntryKind::Oauth {
                let kept = vault.read(&name).await.unwrap().unwrap();
                found.push((name, kept.rev, TokenRecord::read(&kept.content).unwrap()));
            }
        }
        assert_eq!(found.len(), 1);
        found.pop().unwrap()
    }

    /// The access token that is kept ends, as far as everybody here knows.
    pub(crate) async fn ends(&self) {
        let (name, rev, mut entry) = self.entry().await;
        entry.obtained_at = 1_000_000_000;
        entry.refresh_at = Some(1_000_000_001);
        entry.expires_at = Some(1_000_000_002);
        let content = entry.write();
        let expected = Expected::Revision(rev);
        let vault = self.vault();
        vault
            .put(&name, EntryKind::Oauth, &content, expected)
            .await
            .unwrap();
        self.good_from
            .store(self.authority.access_tokens().len(), Ordering::SeqCst);
    }
}

/// Lets a test look at a helper's arguments and environment without being root.
const DEBUGGABLE: (&str, &str) = ("MCPIPE_DEBUGGABLE", "1");

/// A remote that takes the authority's tokens and no others.
fn guarded(
    ask: &Ask,
    issuer: &Authority,
    good_from: &AtomicUsize,
    serve: fn(&Ask) -> Reply,
) -> Reply {
    if let Some(document) = issuer.metadata_of(ask) {
        return document;
    }
    let shown = ask.header("authorization").unwrap_or_default();
    let good = issuer.access_tokens();
    let mut good = good.iter().skip(good_from.load(Ordering::SeqCst));
    if good.any(|token| shown == format!("Bearer {token}")) {
        return serve(ask);
    }
    let host = ask.header("host").unwrap();
    let metadata = format!("http://{host}/.well-known/oauth-protected-resource/mcp");
    Reply::status(401).with(
        "WWW-Authenticate",
        &format!("Bearer resource_metadata=\"{metadata}\""),
    )
}

/// Opens a session and makes one call; its answer.
pub(crate) async fn session(host: &mut Process) -> Value {
    host.send(INITIALIZE).await;
    let opened = answer(host, 0).await;
    assert!(opened["result"].is_object(), "{opened}");
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    answer(host, 1).await
}

/// What comes back for that id.
pub(crate) async fn answer(host: &mut Process, id: i64) -> Value {
    loop {
        let line = host.next_json().await;
        if line["id"] == id && line.get("method").is_none() {
            return line;
        }
    }
}

/// Looks until there is something.
pub(crate) async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    time::timeout(TOO_LONG, found)
        .await
        .expect("it comes in good time")
}
