//! Several processes with one vault: this test program starts itself, and tells the copy by environment which home to use.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

const TOLD: &str = "MCPIPE_TEST_HOME";

/// Another process that does what the test of this name does, in this home.
fn process(test: &str, home: &Home) -> Command {
    let mut command = mcpipe::process::command(std::env::current_exe().unwrap());
    let name = format!("vault::processes::{test}");
    command.args(["--exact", &name, "--nocapture", "--test-threads", "1"]);
    command.env(TOLD, home.path()).stdin(Stdio::null());
    command.stdout(Stdio::piped());
    command
}

/// The home this process was told to use.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a test tells its copy something"
)]
fn told() -> Option<PathBuf> {
    std::env::var_os(TOLD).map(Into::into)
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = BufReader::new(child.stdout.take().unwrap());
    output.lines().map_while(Result::ok)
}

/// On its own, a writer; with a home, one of several. Says what is on disk as soon as it is.
#[tokio::test]
async fn a_process_writes_one_entry_after_another() {
    let home = Home::new();
    let directory = told().unwrap_or_else(|| home.path().to_owned());
    let unlock = Unlock::default();
    let vault = Vault::on_disk(VaultPaths::new(Some(&directory)).unwrap(), unlock);
    let process = std::process::id();
    for round in 0..20 {
        let name = format!("{process} {round}");
        put(&vault, &name, "kept").await;
        println!("\nwrote {name}");
    }
    let list = vault.list().await.unwrap();
    let mine = list
        .iter()
        .filter(|(name, _)| name.starts_with(&format!("{process} ")));
    assert_eq!(mine.count(), 20);
}

/// On its own, takes a lock and lets go; with a home, holds it until it is killed.
#[tokio::test]
async fn a_process_holds_a_lock() {
    let home = Home::new();
    let told = told();
    let directory = told.clone().unwrap_or_else(|| home.path().to_owned());
    let vault = Vault::on_disk(
        VaultPaths::new(Some(&directory)).unwrap(),
        Unlock::default(),
    );
    let lock = vault.lock("a", Duration::ZERO).await;
    assert!(lock.is_ok());
    if told.is_some() {
        println!("\nlocked");
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn twenty_processes_with_twenty_entries_each_lose_nothing() {
    let home = Home::new();
    let start = || process("a_process_writes_one_entry_after_another", &home).spawn();
    let writers: Vec<Child> = (0..20).map(|_| start().unwrap()).collect();
    for writer in writers {
        let ended = writer.wait_with_output().unwrap();
        assert!(
            ended.status.success(),
            "{}",
            String::from_utf8_lossy(&ended.stdout)
        );
    }
    let vault = home.vault(no_passphrase());
    assert_eq!(vault.list().await.unwrap().len(), 20 * 20);
    assert_eq!(vault.status().await.unwrap().generation, Some(20 * 20));
}

#[tokio::test]
async fn a_process_killed_at_any_moment_leaves_what_it_had_written() {
    let home = Home::new();
    let mut written = Vec::new();
    for round in 0..12 {
        let mut writer = process("a_process_writes_one_entry_after_another", &home)
            .spawn()
            .unwrap();
        let mut said = lines(&mut writer).filter_map(|line| {
            let name = line.strip_prefix("wrote ")?;
            Some(name.to_owned())
        });
        // Somewhere in the write that follows the first few.
        written.extend(said.by_ref().take(1 + round % 4));
        std::thread::sleep(Duration::from_micros(700 * u64::try_from(round).unwrap()));
        writer.kill().unwrap();
        writer.wait().unwrap();
        // Said before it died, so it was on disk.
        written.extend(said);

        let vault = home.vault(no_passphrase());
        let list = vault.list().await.unwrap();
        for name in &written {
            assert!(
                list.iter().any(|(found, _)| found == name),
                "{name} is lost"
            );
            assert_eq!(content(&vault, name).await.as_deref(), Some("kept"));
        }
    }
    assert!(written.len() >= 12);
    put(&home.vault(no_passphrase()), "last", "kept").await;
    let left = home.names();
    assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");
}

#[tokio::test]
async fn a_lock_ends_with_the_process_that_held_it() {
    let home = Home::new();
    let mut holder = process("a_process_holds_a_lock", &home).spawn().unwrap();
    let mut said = lines(&mut holder);
    assert!(said.any(|line| line == "locked"));

    let vault = home.vault(no_passphrase());
    let taken = vault.lock("a", Duration::ZERO).await;
    assert!(matches!(taken, Err(Error::Busy { .. })));
    assert!(vault.lock("b", Duration::ZERO).await.is_ok());
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(vault.lock("a", Duration::from_secs(60)).await.is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_private_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;

    let home = Home::new();
    let inner = process("a_process_writes_one_entry_after_another", &home);
    let mut shell = mcpipe::process::command("sh");
    shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]);
    shell.arg(inner.get_program()).args(inner.get_args());
    shell
        .env(TOLD, home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    assert!(shell.status().unwrap().success());
    for file in [home.file(), home.key(), home.path().join("vault.lock")] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let state = std::fs::metadata(home.path().join("state")).unwrap();
    assert_eq!(state.permissions().mode() & 0o777, 0o700);
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_kept_from_core_dumps() {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    mcpipe::store::core_dumps::forbid();
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    let limits = std::fs::read_to_string("/proc/thread-self/limits").unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    assert_eq!(core.unwrap().split_whitespace().nth(4), Some("0"));
}
