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

use crate::process::PATIENCE;
use crate::process::argv::{self, Argv};
use crate::store::primitives::{Key, encode};

/// The label of a slot whose key the configured command holds.
pub const COMMAND: &str = "command";

/// A program that may hold a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHolder {
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

impl KeyHolder {
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
    pub fetch: Argv,
    /// The command that keeps the key it reads from standard input.
    pub store: Option<Argv>,
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
        source: argv::Error,
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
    fetch: Argv,
    store: Option<(Argv, KeyForm)>,
}

/// The way in which the key is handed over.
#[derive(Clone, Copy, Debug)]
enum KeyForm {
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
        with: KeyHolder,
        vault_id: &str,
        slot_id: &str,
        sealed: &Path,
        is_root: bool,
        configured: Option<&Configured>,
    ) -> Result<Self, Error> {
        let label = with.label();
        let name = format!("mcpipe-{vault_id}-{slot_id}");
        let preset = match with {
            KeyHolder::Command => {
                let configured = configured.ok_or(Error::Unconfigured)?;
                return Ok(Self {
                    label,
                    name,
                    fetch: configured.fetch.clone(),
                    store: configured.store.clone().map(|store| (store, KeyForm::Line)),
                });
            }
            KeyHolder::Keychain => Preset::keychain(&name),
            KeyHolder::SecretService => Preset::secret_service(&name),
            KeyHolder::OnePassword => Preset::one_password(&name),
            KeyHolder::Pass => Preset::pass(&name),
            KeyHolder::SystemdCreds => Preset::systemd_creds(sealed, is_root),
        };
        let words = |words| Argv::new(words).map_err(|source| Error::Program { label, source });
        Ok(Self {
            label,
            name,
            fetch: words(preset.fetch)?,
            store: Some((words(preset.store)?, preset.form)),
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
            KeyForm::Line => format!("{}\n", *text),
            KeyForm::Security => {
                format!("add-generic-password -U -a mcpipe -s {name} -w {}\n", *text)
            }
            KeyForm::Item => format!(
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

/// The arguments of a well-known program.
struct Preset {
    fetch: Vec<String>,
    store: Vec<String>,
    form: KeyForm,
}

impl Preset {
    fn new(fetch: &[&str], store: &[&str], form: KeyForm) -> Self {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Self {
            fetch: owned(fetch),
            store: owned(store),
            form,
        }
    }

    fn keychain(name: &str) -> Self {
        let find = ["security", "find-generic-password"];
        let fetch = [&find[..], &["-a", "mcpipe", "-s", name, "-w"]].concat();
        Self::new(&fetch, &["security", "-i"], KeyForm::Security)
    }

    fn secret_service(name: &str) -> Self {
        let label = "--label=mcpipe vault key";
        let fetch = ["secret-tool", "lookup", "mcpipe", name];
        let store = ["secret-tool", "store", label, "mcpipe", name];
        Self::new(&fetch, &store, KeyForm::Line)
    }

    fn one_password(name: &str) -> Self {
        let field = ["--fields", "label=password", "--reveal"];
        let fetch = [&["op", "item", "get", name], &field[..]].concat();
        Self::new(&fetch, &["op", "item", "create", "-"], KeyForm::Item)
    }

    fn pass(name: &str) -> Self {
        let fetch = ["pass", "show", name];
        let store = ["pass", "insert", "--multiline", name];
        Self::new(&fetch, &store, KeyForm::Line)
    }

    /// `sealed` is the file that holds the key, since the program keeps nothing itself.
    fn systemd_creds(sealed: &Path, is_root: bool) -> Self {
        let file = sealed.to_str().unwrap_or_default();
        let name = "--name=mcpipe-vault-key";
        let user: &[&str] = if is_root { &[] } else { &["--user"] };
        let fetch = [&["systemd-creds", "decrypt", name], user, &[file, "-"]].concat();
        let store = [&["systemd-creds", "encrypt", name], user, &["-", file]].concat();
        Self::new(&fetch, &store, KeyForm::Line)
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
mod tests;
