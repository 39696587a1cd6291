//! Starting other programs: the only constructor of a process, the things that no process started here inherits, and the
//! bounds of the programs that the user names ([`argv`]).
//!
//! A passphrase in our environment, or behind a descriptor of ours, is for this process. A program that is started for
//! something else (a browser, a key program, a header command) may be of another maker, and writes its environment into
//! crash reports. `.clippy.toml` forbids the constructors of the standard library and of tokio elsewhere.

pub mod argv;

use std::ffi::OsStr;
use std::fmt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// The time that a program of the user's may take: long enough for the user to find the prompt it shows.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The longest secret that is read from a program, in bytes.
pub const MAX_SECRET: usize = 4096;
/// The longest output of a program that prints headers, in bytes, on either stream.
pub const MAX_HEADERS: usize = 64 * 1024;

/// The end of a program, in words wherever it is shown: `ExitStatus` shows the number that the system keeps when it is
/// debugged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub ExitStatus);

impl fmt::Display for Exit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Debug for Exit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

/// The beginning of the name of every variable that holds, or leads to, the passphrase.
const PASSPHRASE: &str = "MCPIPE_PASSPHRASE";

/// A program to be started without a shell, which inherits our environment without the passphrase.
#[expect(
    clippy::disallowed_methods,
    reason = "the one constructor; and the names of variables are looked at to take them out"
)]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if leads_to_passphrase(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command
}

/// Builds anew with [`command`] what another crate would start: its program, arguments, directory and variables.
pub fn rebuilt(other: &Command) -> Command {
    let mut command = command(other.get_program());
    command.args(other.get_args());
    if let Some(directory) = other.get_current_dir() {
        command.current_dir(directory);
    }
    for (name, value) in other.get_envs() {
        match value {
            Some(_) if leads_to_passphrase(&name.to_string_lossy()) => {}
            Some(value) => _ = command.env(name, value),
            None => _ = command.env_remove(name),
        }
    }
    command
}

/// Says whether a variable of this name holds, or leads to, the passphrase. On Windows names have no case.
pub fn leads_to_passphrase(name: &str) -> bool {
    name.to_ascii_uppercase().starts_with(PASSPHRASE)
}

/// Marks every descriptor above standard error that this process was given as close-on-exec (POSIX `FD_CLOEXEC`): it
/// stays open here (`--passphrase-fd`), and no program that is started from now on inherits it. What is opened later is
/// marked when it is opened.
pub fn keep_descriptors() {
    #[cfg(unix)]
    close_fds::set_fds_cloexec(3, &[]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_called_after_the_passphrase_leads_to_it() {
        for name in [
            "MCPIPE_PASSPHRASE",
            "MCPIPE_PASSPHRASE_FILE",
            "MCPIPE_PASSPHRASE_COMMAND",
            "mcpipe_passphrase_fd",
        ] {
            assert!(leads_to_passphrase(name), "{name}");
        }
        for name in ["MCPIPE_HOME", "PASSPHRASE", "MY_MCPIPE_PASSPHRASE", ""] {
            assert!(!leads_to_passphrase(name), "{name}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "as another crate makes it")]
    fn what_another_crate_would_start_is_the_same_without_the_passphrase() {
        let mut other = Command::new("open");
        other
            .args(["-a", "b c"])
            .current_dir("/")
            .env("A", "1")
            .env("MCPIPE_PASSPHRASE_FILE", "/canary")
            .env_remove("B");
        let command = rebuilt(&other);
        assert_eq!(command.get_program(), "open");
        assert!(command.get_args().eq(["-a", "b c"]));
        assert_eq!(command.get_current_dir(), other.get_current_dir());
        let set: Vec<_> = command.get_envs().collect();
        assert!(set.contains(&(OsStr::new("A"), Some(OsStr::new("1")))));
        assert!(set.contains(&(OsStr::new("B"), None)));
        assert!(
            set.iter()
                .all(|(_, value)| *value != Some(OsStr::new("/canary")))
        );
    }
}
