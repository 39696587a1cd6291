//! The flags of the vault, and `mcpipe vault …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::LogArgs;
use crate::cli::units::{ExpectedValue, descriptor};

/// The flags that open the vault.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Vault")]
pub struct VaultArgs {
    // Their variables are read in settings: what is given in the environment counts less than any flag.
    /// Reads the vault's passphrase from a file
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Reads the passphrase from an inherited file descriptor
    #[arg(long, value_name = "N", value_parser = descriptor)]
    pub passphrase_fd: Option<u32>,
    /// Reads the passphrase from a command's output (no shell)
    #[arg(long, value_name = "COMMAND")]
    pub passphrase_command: Option<String>,
    /// 'none' keeps everything in memory only
    #[arg(long, value_name = "none", value_parser = ["none"], env = "MCPIPE_VAULT")]
    pub vault: Option<String>,
}

/// The commands of `mcpipe vault`.
#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    /// Makes the vault, and asks what opens it: a passphrase or a key file
    Init(InitArgs),
    /// Shows where the vault is, what opens it, what protects it; never a secret
    Status(ShowArgs),
    /// Holds the vault open for bridges without a terminal
    Unlock(UnlockArgs),
    /// Locks the vault: running bridges forget its key and their tokens
    Lock(VaultCommonArgs),
    /// Changes the passphrase; no entry is touched
    Passwd(PasswdArgs),
    /// Puts a passphrase or another program's key in the place of the key file
    Protect(ProtectArgs),
    /// Shows, adds, removes and rotates the ways to open the vault
    #[command(subcommand)]
    Slot(SlotCommand),
    /// Reads every entry and says whether all are whole
    Verify(ShowArgs),
    /// Gives the vault a new root key and encrypts every entry again
    Rekey(VaultCommonArgs),
    /// Writes everything into an encrypted file for another machine
    Export(VaultExportArgs),
    /// Takes the entries of such a file
    Import(VaultImportArgs),
    /// Keeps a secret from the terminal or stdin, for headers: ${vault:NAME}
    Put(PutArgs),
    /// Lists the secrets that were put, their age and last use; never a secret
    List(ShowArgs),
    /// Forgets a secret
    Rm(NameArgs),
    /// Is the unlock agent; `unlock` starts it
    #[command(hide = true)]
    Agent(VaultCommonArgs),
}

/// A way to open the vault.
#[derive(Debug, Subcommand)]
pub enum SlotCommand {
    /// Shows them
    List(ShowArgs),
    /// Adds one
    Add(SlotAddArgs),
    /// Takes one away; never the last
    Remove(SlotArgs),
    /// Gives one a new passphrase or key
    Rotate(SlotRotateArgs),
}

/// The flags of every vault command.
#[derive(Debug, Default, Args)]
pub struct VaultCommonArgs {
    /// The flags that open the vault.
    #[command(flatten)]
    pub vault: VaultArgs,
    /// The flags of the log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The arguments of commands that show something.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// `mcpipe vault init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Opens it by a key file, and asks for no passphrase
    #[arg(long, conflicts_with = "with")]
    pub key_file: bool,
    /// Opens it by what holds its key
    #[arg(long, value_enum, value_name = "WHAT")]
    pub with: Option<Opens>,
    /// What a passphrase costs to try: 'low' is for tiny containers
    #[arg(long, value_enum, default_value = "default")]
    pub kdf: Cost,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// `mcpipe vault unlock`.
#[derive(Debug, Args)]
pub struct UnlockArgs {
    /// How long: 30m, 8h, 7d
    #[arg(long = "for", value_name = "TIME", default_value = "8h", value_parser = time)]
    pub long: Duration,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// The sources of a new passphrase beside the terminal.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "New passphrase")]
pub struct NewPassphraseArgs {
    /// Reads the new passphrase from a file
    #[arg(long, value_name = "FILE")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Reads that passphrase from an inherited file descriptor
    #[arg(long, value_name = "N", value_parser = descriptor)]
    pub new_passphrase_fd: Option<u32>,
    /// Reads that passphrase from a command's output (no shell)
    #[arg(long, value_name = "COMMAND")]
    pub new_passphrase_command: Option<String>,
    /// What it costs to try: 'low' is for tiny containers
    #[arg(long, value_enum, default_value = "default")]
    pub kdf: Cost,
}

/// `mcpipe vault passwd`.
#[derive(Debug, Args)]
pub struct PasswdArgs {
    /// Which passphrase, if there are several: a slot's label or id
    #[arg(long, value_name = "SLOT")]
    pub slot: Option<String>,
    /// The new passphrase.
    #[command(flatten)]
    pub new: NewPassphraseArgs,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// `mcpipe vault protect`.
#[derive(Debug, Args)]
pub struct ProtectArgs {
    /// What opens the vault from now on
    #[arg(long, value_enum, value_name = "WHAT", default_value = "passphrase")]
    pub with: Opens,
    /// Lets the key file open it too
    #[arg(long)]
    pub keep_key_file: bool,
    /// The new passphrase.
    #[command(flatten)]
    pub new: NewPassphraseArgs,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// `mcpipe vault slot add`.
#[derive(Debug, Args)]
pub struct SlotAddArgs {
    /// What opens it
    #[arg(value_enum, value_name = "WHAT")]
    pub what: Opens,
    /// What a passphrase is called, to tell several apart
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
    /// The new passphrase.
    #[command(flatten)]
    pub new: NewPassphraseArgs,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// `mcpipe vault slot remove`.
#[derive(Debug, Args)]
pub struct SlotArgs {
    /// The slot's label or id
    #[arg(value_name = "SLOT")]
    pub slot: String,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// `mcpipe vault slot rotate`.
#[derive(Debug, Args)]
pub struct SlotRotateArgs {
    /// The slot's label or id
    #[arg(value_name = "SLOT")]
    pub slot: String,
    /// The new passphrase.
    #[command(flatten)]
    pub new: NewPassphraseArgs,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// The sources of an export's passphrase beside the terminal.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "The file's passphrase")]
pub struct ExportPassphraseArgs {
    /// Reads the file's passphrase from a file
    #[arg(long, value_name = "FILE")]
    pub export_passphrase_file: Option<PathBuf>,
    /// Reads that passphrase from an inherited file descriptor
    #[arg(long, value_name = "N", value_parser = descriptor)]
    pub export_passphrase_fd: Option<u32>,
    /// Reads that passphrase from a command's output (no shell)
    #[arg(long, value_name = "COMMAND")]
    pub export_passphrase_command: Option<String>,
}

/// `mcpipe vault export`.
#[derive(Debug, Args)]
pub struct VaultExportArgs {
    /// The file to make; one that is there is left alone
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The file's passphrase.
    #[command(flatten)]
    pub passphrase: ExportPassphraseArgs,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// `mcpipe vault import`.
#[derive(Debug, Args)]
pub struct VaultImportArgs {
    /// The file that `mcpipe vault export` made
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Puts the file's entries in the place of those that are here
    #[arg(long)]
    pub replace: bool,
    /// The file's passphrase.
    #[command(flatten)]
    pub passphrase: ExportPassphraseArgs,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// `mcpipe vault put`.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// What it is called in ${vault:NAME}
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The only server it may be sent to (otherwise the first that uses it)
    #[arg(long = "for", value_name = "URL")]
    pub origin: Option<String>,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// A secret by name.
#[derive(Debug, Args)]
pub struct NameArgs {
    /// What it is called
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The flags of every vault command.
    #[command(flatten)]
    pub common: VaultCommonArgs,
}

/// The ways to open a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Opens {
    /// A passphrase
    Passphrase,
    /// A file that only this user can read
    KeyFile,
    /// The macOS login keychain
    Keychain,
    /// The desktop's Secret Service (secret-tool)
    SecretService,
    /// 1Password (op)
    #[value(name = "1password")]
    OnePassword,
    /// The standard Unix password manager
    Pass,
    /// systemd-creds: the machine's TPM or host key
    SystemdCreds,
    /// The key_command of mcpipe.toml
    Command,
    /// The service manager's credential mcpipe-vault-key
    Credential,
}

/// The cost of a try at a passphrase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Cost {
    /// Argon2id with 64 MiB and three passes
    #[default]
    Default,
    /// Argon2id with 19 MiB and two passes
    Low,
}

impl VaultCommand {
    /// Returns the flags that every vault command takes.
    pub fn common(&self) -> &VaultCommonArgs {
        match self {
            Self::Init(args) => &args.common,
            Self::Status(args) | Self::Verify(args) | Self::List(args) => &args.common,
            Self::Unlock(args) => &args.common,
            Self::Lock(common) | Self::Rekey(common) | Self::Agent(common) => common,
            Self::Passwd(args) => &args.common,
            Self::Protect(args) => &args.common,
            Self::Slot(SlotCommand::List(args)) => &args.common,
            Self::Slot(SlotCommand::Add(args)) => &args.common,
            Self::Slot(SlotCommand::Remove(args)) => &args.common,
            Self::Slot(SlotCommand::Rotate(args)) => &args.common,
            Self::Export(args) => &args.common,
            Self::Import(args) => &args.common,
            Self::Put(args) => &args.common,
            Self::Rm(args) => &args.common,
        }
    }
}

/// Reads a number and its unit, seconds if there is none; at most a year.
fn time(text: &str) -> Result<Duration, ExpectedValue> {
    const YEAR: u64 = 365 * 24 * 3600;
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        Some("d") => 24 * 3600,
        _ => 0,
    };
    match digits.parse::<u64>().map(|number| number.checked_mul(unit)) {
        Ok(Some(seconds @ 1..=YEAR)) => Ok(Duration::from_secs(seconds)),
        _ => Err(ExpectedValue(
            "a time such as 30m, 8h or 7d, at most a year",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_units() {
        for (text, seconds) in [
            ("90", 90),
            ("30s", 30),
            ("5m", 300),
            ("8h", 28_800),
            ("1d", 86_400),
        ] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "0",
            "1.5h",
            "8 h",
            "-1h",
            "2y",
            "400d",
            "99999999999999999999d",
            "9h9",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
