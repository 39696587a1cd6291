//! References to secrets, in the place of the secrets: `file:PATH`, `env:NAME`, `cred:NAME`, `vault:NAME`,
//! `command:PROGRAM ARGUMENTS`.
//!
//! A file, a variable and a credential of systemd (systemd.exec(5), `$CREDENTIALS_DIRECTORY`) are read at once. A program is
//! run by the code that needs its output, without a shell and for half a minute at most. Line ends behind the secret are no
//! part of it. No message shows more of a reference than its kind: users write a secret in the
//! place of its name.

use std::path::{Path, PathBuf};

use crate::header_secrets;
use crate::process::PATIENCE;
use crate::process::argv::Argv;
use crate::secret::Secret;
use crate::settings::environment::Environment;
use crate::settings::error::Error;
use crate::settings::secret_files::in_file;

/// A reference to a secret.
#[derive(Clone, Debug)]
pub(super) enum Reference {
    /// `file:`
    File(PathBuf),
    /// `env:`
    Variable(String),
    /// `cred:`
    Credential(String),
    /// `vault:`
    Vault(String),
    /// `command:`
    Command(Argv),
}

impl Reference {
    /// Reads a reference; `None` for a text that begins like none. `place` names the place of the text in messages.
    ///
    /// # Errors
    /// A reference to what cannot be: no name, no command.
    pub(super) fn read(text: &str, place: &str) -> Result<Option<Self>, Error> {
        let Some((kind, rest)) = text.split_once(':') else {
            return Ok(None);
        };
        let wrong = |expected| Error::NotReference {
            place: place.to_owned(),
            expected,
        };
        Ok(Some(match kind {
            "file" if rest.is_empty() => return Err(wrong("file: and a path")),
            "file" => Self::File(rest.into()),
            "env" if !is_variable(rest) => return Err(wrong("env: and the name of a variable")),
            "env" => Self::Variable(rest.to_owned()),
            "cred" if !is_credential(rest) => {
                return Err(wrong("cred: and the name of a credential of systemd"));
            }
            "cred" => Self::Credential(rest.to_owned()),
            "vault" => {
                header_secrets::check_name(rest)
                    .map_err(|_| Error::NoSecretName(place.to_owned()))?;
                Self::Vault(rest.to_owned())
            }
            "command" => Self::Command(
                Argv::split(rest)
                    .map_err(|_| wrong("command: and a program with its arguments"))?,
            ),
            _ => return Ok(None),
        }))
    }

    /// Returns the secret of a reference that is read at once; `None` for the vault and for a program.
    ///
    /// # Errors
    /// A file that cannot be read or holds nothing; a variable that is not set.
    pub(super) fn secret(&self, place: &str, env: &Environment) -> Result<Option<Secret>, Error> {
        match self {
            Self::File(path) => in_file(path).map(Some),
            Self::Variable(name) => {
                let value = env.get(name).ok_or_else(|| Error::UnsetIn {
                    place: place.to_owned(),
                })?;
                Ok(Some(Secret::new(value)))
            }
            Self::Credential(name) => {
                let directory = env.get("CREDENTIALS_DIRECTORY");
                let directory = directory.ok_or_else(|| Error::NoCredentials(place.to_owned()))?;
                in_file(&Path::new(directory).join(name)).map(Some)
            }
            Self::Vault(_) | Self::Command(_) => Ok(None),
        }
    }

    /// Does as [`Reference::secret`], and runs the program of a `command:`. Blocks until it ends, half a minute at most.
    ///
    /// # Errors
    /// As [`Reference::secret`]; a program that fails or prints nothing; a reference to the vault.
    pub(super) fn secret_at_once(&self, place: &str, env: &Environment) -> Result<Secret, Error> {
        match self {
            Self::Command(program) => {
                let output = program
                    .run(None, PATIENCE)
                    .map_err(|source| Error::NoOutput {
                        place: place.to_owned(),
                        source,
                    })?;
                header_secrets::printed(&output).ok_or_else(|| Error::NoText(place.to_owned()))
            }
            _ => self
                .secret(place, env)?
                .ok_or_else(|| Error::OtherReference {
                    place: place.to_owned(),
                    kind: "vault:",
                }),
        }
    }

    /// Says whether the secret is in a file, which may have changed when it is read again.
    pub(super) fn is_in_file(&self) -> bool {
        matches!(self, Self::File(_) | Self::Credential(_))
    }
}

/// The flags that name one secret, of which at most one is given.
pub(super) struct SecretFlags<'a> {
    /// The flag that takes a reference.
    pub(super) flag: &'static str,
    /// The reference.
    pub(super) reference: Option<&'a str>,
    /// The file.
    pub(super) file: Option<&'a Path>,
    /// The flag that takes the name of a variable.
    pub(super) variable_flag: &'static str,
    /// The variable.
    pub(super) variable: Option<&'a str>,
}

impl SecretFlags<'_> {
    /// Returns the secret; `None` if no flag is given. May run a program, see [`Reference::secret_at_once`].
    ///
    /// # Errors
    /// A text that is no reference, and as [`Reference::secret_at_once`].
    pub(super) fn secret(&self, env: &Environment) -> Result<Option<Secret>, Error> {
        if let Some(path) = self.file {
            return in_file(path).map(Some);
        }
        if let Some(reference) = self.reference {
            let reference = Reference::read(reference, self.flag)?;
            let reference = reference.ok_or_else(|| Error::NotReference {
                place: self.flag.to_owned(),
                expected: "a reference to a secret, and not the secret",
            })?;
            return reference.secret_at_once(self.flag, env).map(Some);
        }
        let Some(variable) = self.variable else {
            return Ok(None);
        };
        let value = env
            .get(variable)
            .ok_or(Error::UnsetFor(self.variable_flag))?;
        Ok(Some(Secret::new(value)))
    }
}

/// Says whether a text is a name as variables have it; any other text is perhaps the value itself.
pub(super) fn is_variable(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.len() <= 100 && name.chars().all(is_fine)
}

/// Says whether a text is a name as credentials have it (systemd.exec(5)): that of a file, and of no other directory's.
fn is_credential(name: &str) -> bool {
    let is_fine = |c: char| !c.is_control() && c != '/' && c != '\\';
    !["", ".", ".."].contains(&name) && name.len() <= 255 && name.chars().all(is_fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Failure;
    use crate::settings::environment::env;

    fn secret(text: &str, env: &Environment) -> Result<Option<Secret>, Error> {
        let reference = Reference::read(text, "--header")?.expect("a reference");
        reference.secret("--header", env)
    }

    #[test]
    fn a_secret_is_found_at_its_place_without_line_ends() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("linear");
        std::fs::write(&path, "\u{feff}s3cret word\r\n\n").unwrap();
        let directory = home.path().to_str().unwrap();
        let env = env(&[("CREDENTIALS_DIRECTORY", directory), ("KEY", "from env")]);
        let file = format!("file:{}", path.display());
        for (text, wanted) in [
            (file.as_str(), "s3cret word"),
            ("cred:linear", "s3cret word"),
            ("env:KEY", "from env"),
        ] {
            assert_eq!(secret(text, &env).unwrap().unwrap().expose(), wanted);
        }
        assert!(secret("vault:name", &env).unwrap().is_none());
        assert!(secret("command:op read x", &env).unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_program_prints_the_secret_or_is_named_by_its_place() {
        let flags = |reference| SecretFlags {
            flag: "--client-secret",
            reference: Some(reference),
            file: None,
            variable_flag: "--client-secret-env",
            variable: None,
        };
        let secret = flags("command:printf '%s\n' 'a b'").secret(&env(&[]));
        assert_eq!(secret.unwrap().unwrap().expose(), "a b");
        for (reference, said) in [
            (
                "command:false s3cret",
                "the program of --client-secret gave no secret",
            ),
            (
                "command:true s3cret",
                "the program of --client-secret printed no text",
            ),
            (
                "s3cret",
                "--client-secret takes a reference to a secret, and not the secret",
            ),
            ("vault:s3cret", "--client-secret takes no vault:"),
        ] {
            let error = flags(reference).secret(&env(&[])).unwrap_err();
            assert_eq!(error.to_string(), said);
            assert!(!Failure::from(error).text().contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn what_begins_like_no_reference_is_none() {
        for text in ["name", "https://a.example", "a:b", "", "FILE:x"] {
            assert!(
                Reference::read(text, "--bearer").unwrap().is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_reference_that_cannot_be_right_is_refused_without_showing_it() {
        let home = tempfile::tempdir().unwrap();
        let empty = home.path().join("empty");
        std::fs::write(&empty, "\n").unwrap();
        let directory = home.path().to_str().unwrap();
        let with = env(&[("CREDENTIALS_DIRECTORY", directory), ("EMPTY", "")]);
        for text in [
            "file:",
            "env:s3cret s3cret",
            "env:UNSET",
            "env:EMPTY",
            "cred:../s3cret",
            "cred:a/s3cret",
            "cred:missing",
            "cred:empty",
            "vault:s3cret s3cret",
            "command:",
            "command:'s3cret",
        ] {
            let error = secret(text, &with).unwrap_err();
            let text_of_error = Failure::from(error).text();
            assert!(!text_of_error.contains("s3cret"), "{text_of_error}");
        }
        for name in ["cred:..", "cred:.", "cred:a\\b"] {
            let error = secret(name, &with).unwrap_err();
            assert!(
                matches!(error, Error::NotReference { .. }),
                "{name}: {error}"
            );
        }
        let error = secret("cred:x", &env(&[])).unwrap_err();
        assert!(error.to_string().contains("$CREDENTIALS_DIRECTORY"));
    }
}
