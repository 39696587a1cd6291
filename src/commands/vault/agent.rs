//! The agent that holds the vault open: its start, its run, its end.
//!
//! The key goes to the agent through its standard input, with everything else the agent needs; it gets no arguments and
//! no environment. The agent has a session of its own, so that it outlives the terminal that started it.

use crate::cli::{UnlockArgs, VaultCommonArgs};
use crate::commands::print;
use crate::report::{Failure, Kind};
use crate::settings::{self, Environment};
use crate::store::{Error, agent};

use crate::commands::vault::text::lasting;

const UNLOCKED_WITHOUT_TERMINAL: &str =
    "run this at a terminal, or name a file with --passphrase-file";

pub(super) async fn unlock(args: &UnlockArgs, env: &Environment) -> Result<(), Failure> {
    if !cfg!(unix) {
        return Err(Error::from(agent::Error::Unsupported).into());
    }
    let vault = settings::vault(&args.common.vault, env, env.is_terminal)?;
    let slots = vault.status().await?.slots;
    if !slots.is_empty() && slots.iter().all(crate::store::SlotStatus::is_key_file) {
        // A missing key file is the first thing to tell the user.
        vault.root_key().await?;
        return print("The vault opens by its key file; there is nothing to unlock.\n");
    }
    let (id, key) = vault.root_key().await.map_err(|error| match error {
        // The usual hint of this error is to run this very command.
        locked @ Error::Locked { .. } => {
            Failure::new(Kind::Failed, locked).hint(UNLOCKED_WITHOUT_TERMINAL)
        }
        error => error.into(),
    })?;
    let paths = vault.paths()?;
    if !agent::keep(&paths, &id, &key, args.long).map_err(Error::from)? {
        #[cfg(unix)]
        detached::start(&paths, &id, &key, args.long).await?;
    }
    print(&format!(
        "The vault is held open for {}. `mcpipe vault lock` ends it.\n",
        lasting(args.long)
    ))
}

pub(super) async fn lock(common: &VaultCommonArgs, env: &Environment) -> Result<(), Failure> {
    let vault = settings::vault(&common.vault, env, false)?;
    let was_held = agent::lock(&vault.paths()?).map_err(Error::from);
    let status = vault.status().await?;
    // The vault is locked even where the agent does not answer.
    if status.generation.is_some() {
        vault.lock_everywhere().await?;
    }
    let mut text = String::from(match was_held? {
        true => "The agent has forgotten the key.\n",
        false => "No agent was running.\n",
    });
    if status
        .slots
        .iter()
        .any(crate::store::SlotStatus::is_key_file)
    {
        text.push_str("The key file opens the vault still; `mcpipe vault protect` changes that.\n");
    } else if status.generation.is_some() {
        text.push_str(
            "Running bridges forget it and their tokens within a second; their requests wait for `mcpipe vault unlock`.\n\
             One that reads the passphrase from a file or a command opens the vault again by itself; one of an older version keeps its key until it ends.\n",
        );
    }
    print(&text)
}

#[cfg(unix)]
pub(super) use detached::serve;

#[cfg(not(unix))]
pub(super) async fn serve() -> Result<(), Failure> {
    Err(Error::from(agent::Error::Unsupported).into())
}

#[cfg(unix)]
mod detached {
    use std::io::{self, Read as _, Write as _};
    use std::process::Stdio;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::process::Command;
    use tokio::time;
    use zeroize::Zeroizing;

    use crate::process;
    use crate::report::{Failure, Kind};
    use crate::settings;
    use crate::store::primitives::{Key, decode, encode};
    use crate::store::{Error, VaultPaths, agent};

    /// The agent's message that it takes requests.
    const READY: &str = "ready\n";
    /// The time that the agent may take to say so.
    const PATIENCE: Duration = Duration::from_secs(10);
    /// Longest order that the agent reads, in bytes.
    const LONGEST: u64 = 64 * 1024;

    pub(super) async fn start(
        paths: &VaultPaths,
        vault_id: &str,
        key: &Key,
        long: Duration,
    ) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            Failure::new(Kind::Failed, error).hint("the unlock agent could not be started")
        };
        let program = std::env::current_exe().map_err(failed)?;
        let mut child = Command::from(process::command(program))
            .args(["vault", "agent"])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let key = Zeroizing::new(encode(key.expose()));
        let order = Zeroizing::new(format!(
            "{vault_id}\n{}\n{}\n{}",
            *key,
            long.as_secs(),
            paths.to_line()
        ));
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(order.as_bytes()).await.map_err(failed)?;
        }
        let mut said = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut first = stdout.take(4096);
            let talk = async {
                let mut bytes = vec![0; 4096];
                // Reads until the agent is ready, or has said why it is not and ended.
                loop {
                    match first.read(&mut bytes).await {
                        Ok(0) | Err(_) => return,
                        Ok(length) => {
                            let part = bytes.get(..length).unwrap_or_default();
                            said.push_str(&String::from_utf8_lossy(part));
                            if said == READY {
                                return;
                            }
                        }
                    }
                }
            };
            let _ = time::timeout(PATIENCE, talk).await;
        }
        if said == READY {
            return Ok(());
        }
        let error = match said.trim() {
            "" => "the unlock agent did not start".to_owned(),
            why => format!("the unlock agent did not start: {why}"),
        };
        Err(Failure::new(Kind::Failed, error))
    }

    pub(in crate::commands::vault) async fn serve() -> Result<(), Failure> {
        // The agent leaves the terminal's session, so that the session's end does not end it. The call fails only for a
        // group's leader, which a shell's background job is; then the terminal's hangup ends the agent.
        let _ = rustix::process::setsid();
        let mut order = Zeroizing::new(String::new());
        io::stdin()
            .take(LONGEST)
            .read_to_string(&mut order)
            .map_err(|error| Failure::new(Kind::Failed, error))?;
        let mut lines = order.lines();
        let (id, key, long) = (lines.next(), lines.next(), lines.next());
        let paths = lines.next().and_then(VaultPaths::from_line);
        let (Some(id), Some(Some(key)), Some(Ok(long)), Some(paths)) =
            (id, key.map(decode), long.map(str::parse), paths)
        else {
            return Err(Failure::usage(
                "the agent is started by `mcpipe vault unlock`",
            ));
        };
        let (id, key, long) = (id.to_owned(), Key::new(key), Duration::from_secs(long));
        drop(order);
        let say = |text: &str| {
            let mut stdout = io::stdout();
            let _ = stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush());
        };
        let served = agent::serve(&paths, id, key, long, settings::now, || say(READY)).await;
        if let Err(error) = &served {
            say(&error.to_string());
        }
        served.map_err(|error| Error::from(error).into())
    }
}
