//! Key commands: a slot's 256-bit key, held by another program instead of a file.
//!
//! The well-known programs are presets, whose arguments are written here: a slot's label names the preset that holds
//! its key, and the vault's and slot's ids name the key there, so that nothing needs to be configured and a rotated key
//! never overwrites the key it replaces. The user's own `mcpipe.toml` names any other program, as argument vectors. The
//! environment is never read: it may come from another user's project.
//!
//! The program gets no shell, no standard input unless it is given a key to keep, and a limit on time (`program`). A
//! key is never an argument. Blocks.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::store::primitives::{Key, encode};
use crate::store::program::{self, PATIENCE, Words};

/// The label of a slot whose key the configured command holds.
pub const COMMAND: &str = "command";

/// A program that may hold a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// The macOS login keychain (`security`).
    Keychain,
    /// The desktop's Secret Service (`secret-tool`).
    SecretService,
    /// 1Password (`op`).
    OnePassword,
    /// The standard Unix password manager (`pass`).
    Pass,
    /// `systemd-creds`: sealed to the machine's TPM or its host key.
    SystemdCreds,
    /// The commands of `mcpipe.toml`.
    Command,
}

impl With {
    const ALL: [Self; 6] = [
        Self::Keychain,
        Self::SecretService,
        Self::OnePassword,
        Self::Pass,
        Self::SystemdCreds,
        Self::Command,
    ];

    /// Returns the label of the program's slots.
    pub fn label(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::SecretService => "secret-service",
            Self::OnePassword => "1password",
            Self::Pass => "pass",
            Self::SystemdCreds => "systemd-creds",
            Self::Command => COMMAND,
        }
    }

    /// Returns the program that holds the key of a slot with this label.
    pub fn of(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|with| with.label() == label)
    }
}

/// The commands of `mcpipe.toml`: `key_command` prints the key, `key_store_command` keeps what it is given.
#[derive(Clone, Debug)]
pub struct Configured {
    /// The command that prints the key.
    pub fetch: Words,
    /// The command that keeps the key it reads from standard input.
    pub store: Option<Words>,
}

/// The reason why a program did not give, or keep, a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No command is configured.
    #[error("no key_command is configured")]
    Unconfigured,
    /// The program failed.
    #[error("no key from {label}")]
    Program {
        /// The slot's label.
        label: &'static str,
        /// The program's error.
        source: program::Error,
    },
    /// The program printed a text that is no key.
    #[error("what {0} gives is not a 256-bit key in base64 or hexadecimal")]
    NotAKey(&'static str),
    /// The program gives another key than it was given.
    #[error("{0} does not give back the key it was given to keep")]
    Forgetful(&'static str),
}

/// A program that holds one slot's key.
#[derive(Debug)]
pub struct KeyCommand {
    label: &'static str,
    /// The name of the key there.
    name: String,
    fetch: Words,
    store: Option<(Words, Form)>,
}

/// The way in which the key is handed over.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// The key itself, on a line.
    Line,
    /// The key within a line that `security -i` reads; every process can see its argument vector.
    Security,
    /// The key within the JSON that `op` reads.
    Item,
}

impl KeyCommand {
    /// Makes the command for the key of this slot. `sealed` is the file for `systemd-creds`, which keeps nothing
    /// itself; `is_root` is because it asks root and users in different words.
    ///
    /// # Errors
    /// [`Error::Unconfigured`].
    pub fn new(
        with: With,
        vault_id: &str,
        slot_id: &str,
        sealed: &Path,
        is_root: bool,
        configured: Option<&Configured>,
    ) -> Result<Self, Error> {
        let label = with.label();
        let name = format!("mcpipe-{vault_id}-{slot_id}");
        let (fetch, store, form): (Vec<&str>, Vec<&str>, Form) = match with {
            With::Command => {
                let configured = configured.ok_or(Error::Unconfigured)?;
                return Ok(Self {
                    label,
                    name,
                    fetch: configured.fetch.clone(),
                    store: configured.store.clone().map(|store| (store, Form::Line)),
                });
            }
            With::Keychain => (
                vec![
                    "security",
                    "find-generic-password",
                    "-a",
                    "mcpipe",
                    "-s",
                    &name,
                    "-w",
                ],
                vec!["security", "-i"],
                Form::Security,
            ),
            With::SecretService => (
                vec!["secret-tool", "lookup", "mcpipe", &name],
                vec![
                    "secret-tool",
                    "store",
                    "--label=mcpipe vault key",
                    "mcpipe",
                    &name,
                ],
                Form::Line,
            ),
            With::OnePassword => (
                vec![
                    "op",
                    "item",
                    "get",
                    &name,
                    "--fields",
                    "label=password",
                    "--reveal",
                ],
                vec!["op", "item", "create", "-"],
                Form::Item,
            ),
            With::Pass => (
                vec!["pass", "show", &name],
                vec!["pass", "insert", "--multiline", &name],
                Form::Line,
            ),
            With::SystemdCreds => {
                let file = sealed.to_str().unwrap_or_default();
                let user: &[&str] = if is_root { &[] } else { &["--user"] };
                let say = |words: &[&'static str], from: &[&str]| {
                    let words = [words, &["--name=mcpipe-vault-key"]].concat();
                    let words = words.into_iter().chain(user.iter().copied());
                    let words = words.chain(from.iter().copied());
                    Words::new(words.map(str::to_owned).collect())
                };
                let broken = |source| Error::Program { label, source };
                let fetch = say(&["systemd-creds", "decrypt"], &[file, "-"]);
                let store = say(&["systemd-creds", "encrypt"], &["-", file]);
                return Ok(Self {
                    label,
                    name,
                    fetch: fetch.map_err(broken)?,
                    store: Some((store.map_err(broken)?, Form::Line)),
                });
            }
        };
        let words = |words: Vec<&str>| {
            Words::new(words.into_iter().map(str::to_owned).collect())
                .map_err(|source| Error::Program { label, source })
        };
        let (fetch, store) = (words(fetch)?, words(store)?);
        Ok(Self {
            label,
            name,
            fetch,
            store: Some((store, form)),
        })
    }

    /// Returns the key that the program holds.
    ///
    /// # Errors
    /// [`Error::Program`], [`Error::NotAKey`].
    pub fn fetch(&self) -> Result<Key, Error> {
        let label = self.label;
        let said = self.fetch.run(None, PATIENCE);
        let said = said.map_err(|source| Error::Program { label, source })?;
        read_key(&said).ok_or(Error::NotAKey(label))
    }

    /// Says whether the program can be given a key to keep; the other kind has one of its own.
    pub fn keeps(&self) -> bool {
        self.store.is_some()
    }

    /// Gives the program a key to keep, and checks that it returns the key.
    ///
    /// # Errors
    /// Any; the key may be there nevertheless.
    pub fn store(&self, key: &Key) -> Result<(), Error> {
        let label = self.label;
        let Some((store, form)) = &self.store else {
            return Ok(());
        };
        let text = Zeroizing::new(encode(key.expose()));
        let name = &self.name;
        let input = Zeroizing::new(match form {
            Form::Line => format!("{}\n", *text),
            Form::Security => {
                format!("add-generic-password -U -a mcpipe -s {name} -w {}\n", *text)
            }
            Form::Item => format!(
                r#"{{"title":"{name}","category":"PASSWORD","fields":[{{"id":"password","type":"CONCEALED","purpose":"PASSWORD","label":"password","value":"{}"}}]}}"#,
                *text
            ),
        });
        store
            .run(Some(input.as_bytes()), PATIENCE)
            .map_err(|source| Error::Program { label, source })?;
        if self.fetch()?.same_as(key.expose()) {
            Ok(())
        } else {
            Err(Error::Forgetful(label))
        }
    }
}

/// Reads a key in the usual forms of 256 bits: base64 of either alphabet, padded or not, or hexadecimal; on the first
/// line.
pub fn read_key(text: &[u8]) -> Option<Key> {
    let line = text.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim();
    let bytes = match line.len() {
        43 => URL_SAFE_NO_PAD.decode(line).ok()?,
        44 => STANDARD
            .decode(line)
            .or_else(|_| URL_SAFE.decode(line))
            .ok()?,
        64 => {
            let digit = |digit: &u8| char::from(*digit).to_digit(16);
            let pair = |pair: &[u8]| match pair {
                [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
                _ => None,
            };
            line.as_bytes()
                .chunks(2)
                .map(pair)
                .collect::<Option<Vec<u8>>>()?
        }
        _ => return None,
    };
    let bytes = Zeroizing::new(bytes);
    Some(Key::new(bytes.as_slice().try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [0xfb; 32];

    #[test]
    fn a_key_is_read_however_it_is_written() {
        let hex = "fb".repeat(32);
        let padded = STANDARD.encode(KEY);
        for text in [
            encode(&KEY),
            format!("{}\n", encode(&KEY)),
            padded.clone(),
            padded.replace('+', "-").replace('/', "_"),
            hex.to_uppercase(),
            format!(" {hex} \r\nand more"),
        ] {
            let key = read_key(text.as_bytes());
            assert!(key.is_some_and(|key| key.same_as(&KEY)), "{text}");
        }
        for text in ["", "\n", "password", &hex[1..], &"zz".repeat(32)] {
            assert!(read_key(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn every_preset_names_vault_and_slot_and_no_key() {
        for with in With::ALL {
            let sealed = Path::new("/state/mcpipe-VAULT-SLOT.cred");
            let command = KeyCommand::new(with, "VAULT", "SLOT", sealed, false, None);
            assert_eq!(With::of(with.label()), Some(with));
            let command = match command {
                Err(Error::Unconfigured) if with == With::Command => continue,
                command => command.unwrap(),
            };
            assert!(command.keeps());
            assert!(command.fetch.shown().contains("VAULT-SLOT"), "{with:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_is_kept_by_whoever_gives_it_back() {
        let directory = tempfile::tempdir().unwrap();
        let kept = directory.path().join("kept");
        let kept = kept.to_str().unwrap();
        let words = |line: String| Words::split(&line).unwrap();
        let with = |fetch: String, store: Option<String>| {
            let configured = Configured {
                fetch: words(fetch),
                store: store.map(words),
            };
            let sealed = Path::new("");
            KeyCommand::new(With::Command, "v", "s", sealed, false, Some(&configured)).unwrap()
        };
        let tee = Some(format!("tee '{kept}'"));
        let honest = with(format!("cat '{kept}'"), tee.clone());
        assert!(matches!(honest.fetch(), Err(Error::Program { .. })));
        honest.store(&Key::new(KEY)).unwrap();
        assert!(honest.fetch().unwrap().same_as(&KEY));

        let forgetful = with(format!("echo {}", "aa".repeat(32)), tee.clone());
        let stored = forgetful.store(&Key::new(KEY));
        assert!(matches!(stored, Err(Error::Forgetful(_))));
        let babbling = with("echo hello".into(), tee);
        assert!(matches!(babbling.fetch(), Err(Error::NotAKey(_))));
        assert!(!with("true".into(), None).keeps());
    }
}
