//! Writers that are killed, or refused by the disk, at any byte of what they write: whatever they were doing, the vault
//! is as it was or as it was to be.
//!
//! The writer is a copy of this test program with a limit on how long a file may become (`RLIMIT_FSIZE`): the byte after
//! it kills the process, or fails where the signal is ignored, as a full disk does. Between the writes lie the renames;
//! their states are those before and after.
#![cfg(unix)]

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use mcpipe::store::NewKey;
use mcpipe::store::passphrase::Passphrase;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::*;

const TOLD: &str = "MCPIPE_TEST_STEP";

/// What a writer does.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, usize),
    Remove(u8),
    Rotate,
    Rekey,
    AddPassphrase,
    RemovePassphrase,
}

impl Step {
    fn words(&self) -> String {
        match self {
            Self::Put(name, length) => format!("put {name} {length}"),
            Self::Remove(name) => format!("remove {name}"),
            Self::Rotate => "rotate".into(),
            Self::Rekey => "rekey".into(),
            Self::AddPassphrase => "add".into(),
            Self::RemovePassphrase => "drop".into(),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<(Step, Option<u64>)>> {
    let step = prop_oneof![
        4 => (0u8..3, 0usize..400).prop_map(|(name, length)| Step::Put(name, length)),
        1 => (0u8..3).prop_map(Step::Remove),
        2 => Just(Step::Rotate),
        1 => Just(Step::Rekey),
        1 => Just(Step::AddPassphrase),
        1 => Just(Step::RemovePassphrase),
    ];
    // A key file has 44 bytes, a vault hundreds to thousands.
    let limit = prop_oneof![
        Just(None),
        (0u64..60).prop_map(Some),
        (0u64..3000).prop_map(Some)
    ];
    prop::collection::vec((step, limit), 1..6)
}

/// On its own, nothing; told a step, takes it.
#[tokio::test]
async fn a_writer_takes_one_step() {
    let Some(told) = told() else {
        assert_eq!(Step::Rotate.words(), "rotate");
        return;
    };
    let mut words = told.split(' ');
    let home = Path::new(words.next().unwrap());
    let limit: u64 = words.next().unwrap().parse().unwrap();
    let unlock = Unlock {
        kdf: Kdf::LOW,
        ..Unlock::default()
    };
    let vault = Vault::on_disk(VaultPaths::new(Some(home)).unwrap(), unlock);
    let resource = |resource, limit| {
        let (current, maximum) = (Some(limit), None);
        setrlimit(resource, Rlimit { current, maximum }).unwrap();
    };
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
    .unwrap();
    if limit != u64::MAX {
        resource(Resource::Fsize, limit);
    }
    let words: Vec<&str> = words.collect();
    let outcome = match words.as_slice() {
        ["put", name, length] => {
            let content = Secret::new("x".repeat(length.parse().unwrap()));
            let put = vault.put(name, EntryKind::Oauth, &content, Expected::Anything);
            put.await.map(|_| ())
        }
        ["remove", name] => vault.remove(name).await.map(|_| ()),
        ["rotate"] => {
            let rotated = vault.put_slot(NewKey::KeyFile, None, Some("keyfile")).await;
            rotated.map(|_| ())
        }
        ["rekey"] => vault.rekey(passphrase(WORDS)).await.map(|_| ()),
        ["add"] => {
            let new = NewKey::Passphrase(Passphrase::new(WORDS).unwrap());
            vault.put_slot(new, None, None).await.map(|_| ())
        }
        ["drop"] => vault.remove_slot("passphrase").await.map(|_| ()),
        other => panic!("{other:?}"),
    };
    match outcome {
        Ok(()) => println!("\ndone"),
        Err(error) => println!("\nrefused: {error:?}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a test tells its copy something"
)]
fn told() -> Option<String> {
    std::env::var(TOLD).ok()
}

/// How a writer ended.
#[derive(Debug, PartialEq)]
enum End {
    Done,
    Refused,
    Killed,
}

fn take(home: &Home, step: &Step, limit: Option<u64>, is_signal_ignored: bool) -> End {
    let program = std::env::current_exe().unwrap();
    let mut command = if is_signal_ignored {
        let mut shell = mcpipe::process::command("sh");
        shell
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(program);
        shell
    } else {
        mcpipe::process::command(program)
    };
    let told = format!(
        "{} {} {}",
        home.path().display(),
        limit.unwrap_or(u64::MAX),
        step.words()
    );
    let child = command
        .args([
            "--exact",
            "vault::crashes::a_writer_takes_one_step",
            "--nocapture",
        ])
        .env(TOLD, told)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    match child.status.signal() {
        Some(_) => End::Killed,
        None if said.contains("\ndone") => End::Done,
        None if said.contains("\nrefused") => End::Refused,
        None => panic!("{said}{}", String::from_utf8_lossy(&child.stderr)),
    }
}

/// What the vault holds: names and how much under each.
async fn held(home: &Home) -> Vec<(String, usize)> {
    let vault = home.vault(no_passphrase());
    assert!(vault.verify().await.unwrap().damaged.is_empty());
    let mut held = Vec::new();
    for (name, _) in vault.list().await.unwrap() {
        let length = content(&vault, &name).await.unwrap().len();
        held.push((name, length));
    }
    held
}

fn after(before: &[(String, usize)], step: &Step) -> Vec<(String, usize)> {
    let mut after = before.to_vec();
    if let Step::Put(name, _) | Step::Remove(name) = step {
        after.retain(|(other, _)| *other != name.to_string());
    }
    if let Step::Put(name, length) = step {
        after.push((name.to_string(), *length));
        after.sort();
    }
    after
}

async fn lives_through(steps: &[(Step, Option<u64>)], is_signal_ignored: bool) {
    let home = Home::new();
    put(&home.vault(no_passphrase()), "0", "first").await;
    for (step, limit) in steps {
        let before = held(&home).await;
        let ended = take(&home, step, *limit, is_signal_ignored);
        let (now, meant) = (held(&home).await, after(&before, step));
        match ended {
            End::Done => assert_eq!(now, meant, "{step:?}"),
            // Refused by the disk, or because there is no such thing to do.
            End::Refused => assert_eq!(now, before, "{step:?} {limit:?}"),
            End::Killed => assert!(now == before || now == meant, "{step:?} {limit:?}: {now:?}"),
        }
        assert!(!is_signal_ignored || ended != End::Killed);
    }
    put(&home.vault(no_passphrase()), "last", "kept").await;
    let left = home.names();
    assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");
}

#[test]
fn writers_killed_at_any_byte_leave_the_old_or_the_new() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: 20,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let strategy = (steps(), any::<bool>());
    let ran = runner.run(&strategy, |(steps, is_signal_ignored)| {
        runtime.block_on(lives_through(&steps, is_signal_ignored));
        Ok(())
    });
    ran.unwrap();
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_says_so() {
    let home = Home::new();
    put(&home.vault(no_passphrase()), "0", "first").await;
    let size = std::fs::metadata(home.file()).unwrap().len();
    let before = std::fs::read(home.file()).unwrap();
    for limit in [0, 1, 12, size - 1, size, size + 50] {
        let ended = take(&home, &Step::Put(1, 400), Some(limit), true);
        assert_eq!(ended, End::Refused, "{limit}");
        assert_eq!(std::fs::read(home.file()).unwrap(), before);
        assert_eq!(home.names(), ["state", "vault.bin", "vault.lock"]);
    }
    assert_eq!(take(&home, &Step::Put(1, 400), None, true), End::Done);
}
