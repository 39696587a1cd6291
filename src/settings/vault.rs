//! The vault's settings: flags first, then the environment, then the user's configuration file.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::{Cost, ExportPassphraseArgs, NewPassphraseArgs, VaultArgs};
use crate::logging::Output;
use crate::report::Failure;
use crate::secret::Secret;
use crate::settings::config_file;
use crate::settings::environment::Environment;
use crate::store::passphrase::{self, Prompt, Sources};
use crate::store::primitives::Key;
use crate::store::slot::Kdf;
use crate::store::{Unlock, Vault, VaultPaths};

/// Returns the vault at its place, with the ways to open it. Reads nothing of the vault yet. `may_ask` is for commands
/// at a terminal; the bridge never asks, because the host may be using the terminal.
///
/// # Errors
/// `mcpipe.toml` was read, and its content is wrong.
pub fn vault(args: &VaultArgs, env: &Environment, may_ask: bool) -> Result<Vault, Failure> {
    vault_at_cost(args, env, may_ask, Cost::Default)
}

/// Returns the vault for a bridge, which says what the user has to know in the log.
///
/// # Errors
/// As [`vault`].
pub fn bridges_vault(args: &VaultArgs, env: &Environment) -> Result<Vault, Failure> {
    // In a terminal the user reads sentences; elsewhere they are lines of the log, which never holds a bridge up.
    let tell = env.is_terminal.then_some(TELL);
    vault_that_tells(args, env, false, Cost::Default, tell)
}

/// Returns the vault as [`vault`] does, for a command that may set a passphrase, at this cost.
///
/// # Errors
/// As [`vault`].
pub fn vault_at_cost(
    args: &VaultArgs,
    env: &Environment,
    may_ask: bool,
    cost: Cost,
) -> Result<Vault, Failure> {
    vault_that_tells(args, env, may_ask, cost, Some(TELL))
}

const TELL: fn(&str) = |text| Output::direct(io::stderr()).say(text);

fn vault_that_tells(
    args: &VaultArgs,
    env: &Environment,
    may_ask: bool,
    cost: Cost,
    tell: Option<fn(&str)>,
) -> Result<Vault, Failure> {
    if args.vault.is_some() {
        return Ok(Vault::in_memory());
    }
    let loose = is_loose(env);
    let path = config_file::path(env.get("MCPIPE_HOME").map(Path::new));
    let read = path.map_or(Ok(None), |path| config_file::key_commands(&path, loose));
    let (commands, unread) = match read.map_err(config_file::Error::unread) {
        Ok(commands) => (commands, None),
        Err(Ok(error)) => {
            let sentence = format!("Warning: mcpipe.toml is passed over: {}.", said(&error));
            match tell {
                Some(tell) => tell(&format!("{sentence}\n")),
                None => tracing::warn!("{sentence}"),
            }
            (None, Some(error))
        }
        Err(Err(error)) => return Err(error.into()),
    };
    let credential = env
        .get("CREDENTIALS_DIRECTORY")
        .map(|directory| Path::new(directory).join("mcpipe-vault-key"));
    let unlock = Unlock {
        passphrase: sources(args, env, may_ask),
        loose,
        commands,
        tell,
        unread: unread.map(Into::into),
        credential,
        kdf: match cost {
            Cost::Default => Kdf::DEFAULT,
            Cost::Low => Kdf::LOW,
        },
        ..Unlock::default()
    };
    Ok(Vault::on_disk(place(env), unlock))
}

/// Returns an error and its causes on one line.
fn said(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", said(cause)),
        None => error.to_string(),
    }
}

/// Returns the vault with the key that another process of ours has opened it with; without a key if the vault is still
/// to be made.
pub fn opened_vault(env: &Environment, root: Option<Key>) -> Vault {
    let unlock = Unlock {
        loose: is_loose(env),
        root,
        ..Unlock::default()
    };
    Vault::on_disk(place(env), unlock)
}

/// Returns the place of the vault. Without a place there is an error only when there is something to keep.
fn place(env: &Environment) -> VaultPaths {
    let home = env.get("MCPIPE_HOME").map(Path::new);
    VaultPaths::new(home).unwrap_or_else(|_| VaultPaths::nowhere())
}

fn is_loose(env: &Environment) -> bool {
    env.is_on("MCPIPE_ALLOW_LOOSE_PERMISSIONS")
}

/// Returns the ways to open the vault. A flag counts before any variable of the environment.
fn sources(args: &VaultArgs, env: &Environment, may_ask: bool) -> Sources {
    let flags = Sources {
        file: args.passphrase_file.clone(),
        descriptor: args.passphrase_fd,
        command: args.passphrase_command.clone(),
        terminal: terminal(may_ask),
        ..Sources::default()
    };
    if flags.is_given() {
        return flags;
    }
    Sources {
        environment: env.get("MCPIPE_PASSPHRASE").map(Secret::new),
        environment_file: env.get("MCPIPE_PASSPHRASE_FILE").map(PathBuf::from),
        command: env.get("MCPIPE_PASSPHRASE_COMMAND").map(str::to_owned),
        ..flags
    }
}

/// Returns the sources of the present passphrase, for commands that need it even if something else opens the vault.
pub fn passphrases(args: &VaultArgs, env: &Environment, may_ask: bool) -> Sources {
    sources(args, env, may_ask)
}

/// Returns the sources of a new passphrase. The environment has none: it holds the present one.
pub fn new_passphrase(args: &NewPassphraseArgs, may_ask: bool) -> Sources {
    Sources {
        file: args.new_passphrase_file.clone(),
        descriptor: args.new_passphrase_fd,
        command: args.new_passphrase_command.clone(),
        terminal: terminal(may_ask),
        ..Sources::default()
    }
}

/// Returns the sources of an export's passphrase.
pub fn export_passphrase(args: &ExportPassphraseArgs, may_ask: bool) -> Sources {
    Sources {
        file: args.export_passphrase_file.clone(),
        descriptor: args.export_passphrase_fd,
        command: args.export_passphrase_command.clone(),
        terminal: terminal(may_ask),
        ..Sources::default()
    }
}

fn terminal(may_ask: bool) -> Option<Prompt> {
    may_ask.then_some(passphrase::terminal as Prompt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::environment::env;

    #[test]
    fn a_flag_counts_before_the_environment_and_the_passphrase_before_its_file() {
        let env = env(&[
            ("MCPIPE_PASSPHRASE", "in the open"),
            ("MCPIPE_PASSPHRASE_FILE", "/file"),
            ("MCPIPE_PASSPHRASE_COMMAND", "command"),
        ]);
        let bare = sources(&VaultArgs::default(), &env, false);
        assert!(bare.environment.is_some() && bare.environment_file.is_some());
        assert!(bare.file.is_none() && bare.command.is_some());
        for flag in [
            VaultArgs {
                passphrase_file: Some("/flag".into()),
                ..VaultArgs::default()
            },
            VaultArgs {
                passphrase_command: Some("flag".into()),
                ..VaultArgs::default()
            },
        ] {
            let flagged = sources(&flag, &env, false);
            assert!(flagged.environment.is_none() && flagged.environment_file.is_none());
            assert_ne!(flagged.command.as_deref(), Some("command"));
        }
    }

    #[test]
    fn nought_does_not_mean_yes() {
        for (value, is_on) in [
            ("1", true),
            ("yes", true),
            ("0", false),
            ("False", false),
            ("no", false),
            ("off", false),
            ("", false),
        ] {
            assert_eq!(env(&[("X", value)]).is_on("X"), is_on, "{value}");
        }
        assert!(!env(&[]).is_on("X"));
    }
}
