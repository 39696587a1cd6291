//! Files beside the vault (locks, logs, recordings, configuration): one that is a link, a pipe or another user's is refused
//! by its name, none is waited for, and a lock that another process holds keeps no bridge from its work or from leaving.
#![cfg(unix)]

use std::fs::File;
use std::os::unix::fs::symlink;
use tokio::time::Instant;

use rustix::process::{Signal, geteuid};

use super::commands::{Person, server_with, works};
use super::*;
use crate::support::host::Process;

/// What may be in the place of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Odd {
    Link,
    Dangling,
    Pipe,
    Directory,
    Anothers,
}

impl Odd {
    /// Those that this machine has: only root can give a file away.
    fn all() -> impl Iterator<Item = Self> {
        let all = [
            Self::Link,
            Self::Dangling,
            Self::Pipe,
            Self::Directory,
            Self::Anothers,
        ];
        all.into_iter()
            .filter(|odd| *odd != Self::Anothers || geteuid().is_root())
    }

    fn put_at(self, path: &Path) {
        let elsewhere = path.with_extension("elsewhere");
        match self {
            Self::Link => {
                std::fs::write(&elsewhere, "").unwrap();
                symlink(&elsewhere, path).unwrap();
            }
            Self::Dangling => symlink(&elsewhere, path).unwrap(),
            Self::Directory => std::fs::create_dir(path).unwrap(),
            Self::Pipe => {
                let made = mcpipe::process::command("mkfifo").arg(path).status();
                assert!(made.unwrap().success());
            }
            Self::Anothers => {
                std::fs::write(path, "").unwrap();
                make_private(path);
                std::os::unix::fs::chown(path, Some(65534), None).unwrap();
            }
        }
    }

    /// Words of the refusal.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Link | Self::Dangling => &["symbolic link"],
            Self::Pipe => &["not a regular file"],
            // Opening one to write fails before there is anything to look at.
            Self::Directory => &["not a regular file", "cannot open"],
            Self::Anothers => &["belongs to another user"],
        }
    }
}

#[tokio::test]
async fn an_odd_file_is_refused_by_its_name_and_never_waited_for() {
    for odd in Odd::all() {
        for (file, line) in [
            ("mcpipe.toml", "vault verify".to_owned()),
            ("vault.lock", "vault rm example".to_owned()),
            ("a.log", "vault list --log-file PLACE".to_owned()),
            (
                "a.jsonl",
                "https://127.0.0.1:1/mcp --record PLACE".to_owned(),
            ),
        ] {
            let person = Person::new();
            person.types("vault put example --for https://a.example", "s3cret");
            let place = person.home.path().join(file);
            let _ = std::fs::remove_file(&place);
            odd.put_at(&place);
            let line = line.replace("PLACE", place.to_str().unwrap());
            let begun = Instant::now();
            let said = person.says(&line);
            assert!(
                matches!(said.code, Some(1 | 2)),
                "{odd:?} {file}: {}{}",
                said.out,
                said.err
            );
            assert!(begun.elapsed() < Duration::from_secs(20), "{odd:?} {file}");
            let is_named = said.err.contains(place.to_str().unwrap());
            assert!(is_named, "{odd:?} {file}: {}", said.err);
            let is_told = odd.words().iter().any(|words| said.err.contains(words));
            assert!(is_told, "{odd:?} {file}: {}", said.err);
            let elsewhere = place.with_extension("elsewhere");
            let written = std::fs::read(elsewhere).unwrap_or_default();
            assert!(written.is_empty(), "{odd:?} {file}: the link was followed");
        }
    }
}

/// Files that are only read may be links and pipes. None is read without end.
#[test]
fn a_file_to_be_read_that_does_not_end_is_refused_by_its_name() {
    let person = Person::new();
    let place = person.home.path().join("endless");
    symlink("/dev/zero", &place).unwrap();
    let place = place.to_str().unwrap();
    for flags in [
        "--header-file PLACE",
        "--ca PLACE",
        "--client-cert PLACE --client-cert-key PLACE",
        "--client-id x --client-secret-file PLACE",
        "--static-oauth-client-info @PLACE",
        "--dcr-token-file PLACE",
        "--client-credentials --client-id x --client-key PLACE",
    ] {
        let begun = Instant::now();
        let line = format!("https://127.0.0.1:1/mcp {}", flags.replace("PLACE", place));
        let said = person.says(&line);
        assert_eq!(said.code, Some(2), "{flags}: {}", said.err);
        assert!(said.err.contains(place), "{flags}: {}", said.err);
        assert!(
            said.err.contains("longer than 4 MiB"),
            "{flags}: {}",
            said.err
        );
        assert!(begun.elapsed() < Duration::from_secs(10), "{flags}");
    }
}

#[tokio::test]
async fn lines_may_be_thrown_away() {
    let person = Person::new();
    let said = person.says("vault list --log-file /dev/null");
    assert_eq!(said.code, Some(0), "{}", said.err);
}

/// What has been learned of servers in this home.
fn learned(home: &Home) -> String {
    let folder = home.path().join("cache/servers");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let files = files.filter_map(|path| std::fs::read_to_string(path).ok());
    files.collect()
}

/// A bridge does its work and leaves.
async fn serves_and_leaves(person: &Person, leave: impl FnOnce(&mut Process)) {
    let server = server_with("s3cret").await;
    let url = server.url();
    let arguments = ["--header", "Authorization: ${CREDENTIAL}", &url];
    let mut variables = vec![("CREDENTIAL", "Bearer s3cret")];
    variables.push(("MCPIPE_PROTOCOL", "auto"));
    let mut host = Process::start_in(person.home.path(), &arguments, &variables);
    works(&mut host).await;
    leave(&mut host);
    let left = host.exit().await;
    assert!(
        left.took < Duration::from_secs(3),
        "{:?}: {}",
        left.took,
        left.stderr
    );
}

#[tokio::test]
async fn a_lock_that_another_process_holds_keeps_no_bridge_from_learning_or_leaving() {
    for is_signalled in [false, true] {
        let person = Person::new();
        let folder = person.home.path().join("cache/servers");
        std::fs::create_dir_all(&folder).unwrap();
        let lock = File::create(folder.join("lock")).unwrap();
        make_private(&folder.join("lock"));
        lock.lock().unwrap();
        serves_and_leaves(&person, |host| match is_signalled {
            false => host.close(),
            true => host.signal(Signal::TERM),
        })
        .await;
        if !is_signalled {
            assert!(
                learned(&person.home).contains("legacy"),
                "nothing was learned"
            );
        }
    }
}

#[tokio::test]
async fn a_lock_that_is_odd_keeps_no_bridge_from_learning_or_leaving() {
    for odd in Odd::all() {
        let person = Person::new();
        let folder = person.home.path().join("cache/servers");
        std::fs::create_dir_all(&folder).unwrap();
        odd.put_at(&folder.join("lock"));
        serves_and_leaves(&person, Process::close).await;
        assert!(learned(&person.home).contains("legacy"), "{odd:?}");
    }
}

#[tokio::test]
async fn what_was_learned_is_not_waited_for() {
    let person = Person::new();
    serves_and_leaves(&person, Process::close).await;
    let folder = person.home.path().join("cache/servers");
    let kept = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let kept: Vec<PathBuf> = kept
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect();
    let [kept] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    for odd in Odd::all().filter(|odd| *odd != Odd::Anothers) {
        std::fs::remove_file(kept).unwrap();
        odd.put_at(kept);
        serves_and_leaves(&person, Process::close).await;
        if odd == Odd::Directory {
            std::fs::remove_dir(kept).unwrap();
            std::fs::write(kept, "").unwrap();
        }
    }
}
