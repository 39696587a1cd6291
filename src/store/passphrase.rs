//! The sources of a passphrase: a file or descriptor named for it, the environment, a command, the terminal. The first
//! source that is given is read.
//!
//! A passphrase never comes from standard input, which belongs to the host. Does not read the environment: `settings`
//! does, once, and passes the values in. Knows nothing of what the passphrase opens. Blocks; the callers are on threads
//! that may.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::process::PATIENCE;
use crate::process::argv::{self, Argv};
use crate::secret::Secret;
use crate::store::{random, strength};

/// The longest passphrase, in bytes.
pub const MAX_LENGTH: usize = 1024;

/// A question to a terminal, and its answer: [`terminal`], or a test's.
pub type Prompt = fn(&str) -> io::Result<String>;

/// All sources of a passphrase, in their order.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--passphrase-file`.
    pub file: Option<PathBuf>,
    /// `--passphrase-fd`: an inherited descriptor, 3 or above.
    pub descriptor: Option<u32>,
    /// `MCPIPE_PASSPHRASE`; dropped once it has been used.
    pub environment: Option<Secret>,
    /// `MCPIPE_PASSPHRASE_FILE`.
    pub environment_file: Option<PathBuf>,
    /// `--passphrase-command` or `MCPIPE_PASSPHRASE_COMMAND`: a program and its arguments, split as a shell would and run
    /// without one. Prints the passphrase.
    pub command: Option<String>,
    /// The terminal, if the user at it expects a question. A bridge has none: the host may be using it.
    pub terminal: Option<Prompt>,
}

/// The reason why there is no passphrase. No variant means that the passphrase is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or descriptor cannot be read.
    #[error("cannot read the passphrase from {path}")]
    Unreadable {
        /// The path that was named.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Standard input belongs to the host.
    #[error("a passphrase is never read from standard input")]
    StandardInput,
    /// The first line is empty.
    #[error("the passphrase is empty")]
    Empty,
    /// The passphrase is longer than [`MAX_LENGTH`].
    #[error("the passphrase is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// The command gave no passphrase.
    #[error("the passphrase command gave no passphrase")]
    Command(#[from] argv::Error),
    /// The two answers to a question asked twice differ.
    #[error("the two passphrases are different")]
    Different,
    /// The terminal failed, or the user left.
    #[error("no passphrase was typed")]
    Terminal {
        /// The system's error.
        source: io::Error,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[from] getrandom::Error),
}

impl Error {
    /// Says whether the user typed Ctrl-C in the place of an answer.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Terminal { source } if source.kind() == io::ErrorKind::Interrupted)
    }
}

/// The number of times that a user may mistype.
pub const TRIES: usize = 3;

/// A passphrase, as bytes, without the newline it may have ended with. Wiped when dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// # Errors
    /// [`Error::Empty`] and [`Error::TooLong`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new(bytes.into());
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        match bytes.len() {
            0 => Err(Error::Empty),
            1..=MAX_LENGTH => Ok(Self(bytes)),
            _ => Err(Error::TooLong),
        }
    }

    /// Shows the bytes to the key derivation.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(redacted)")
    }
}

impl Sources {
    /// Says whether there is a source that does not ask the user.
    pub fn is_given(&self) -> bool {
        self.file.is_some()
            || self.descriptor.is_some()
            || self.environment.is_some()
            || self.environment_file.is_some()
            || self.command.is_some()
    }

    /// Returns the source that [`Sources::read`] reads, as the user knows it.
    pub fn name(&self) -> Option<&'static str> {
        if self.file.is_some() {
            Some("the passphrase file")
        } else if self.descriptor.is_some() {
            Some("the inherited descriptor")
        } else if self.environment.is_some() {
            Some("MCPIPE_PASSPHRASE")
        } else if self.environment_file.is_some() {
            Some("the file that MCPIPE_PASSPHRASE_FILE names")
        } else {
            self.command.as_ref().map(|_| "the passphrase command")
        }
    }

    /// Says whether [`Sources::read`] asks a program.
    pub fn is_program(&self) -> bool {
        let others = self.file.is_some()
            || self.descriptor.is_some()
            || self.environment.is_some()
            || self.environment_file.is_some();
        self.command.is_some() && !others
    }

    /// Returns the passphrase of the first source that does not ask the user; `None` if there is no such source.
    ///
    /// # Errors
    /// Any; the next source is not tried then, because it would hold another passphrase.
    pub fn read(&self) -> Result<Option<Passphrase>, Error> {
        let found = if let Some(path) = &self.file {
            read_file(path)?
        } else if let Some(descriptor) = self.descriptor {
            if descriptor < 3 {
                return Err(Error::StandardInput);
            }
            read_file(Path::new(&format!("/dev/fd/{descriptor}")))?
        } else if let Some(value) = &self.environment {
            Passphrase::new(value.expose())?
        } else if let Some(path) = &self.environment_file {
            read_file(path)?
        } else if let Some(command) = &self.command {
            let said = Argv::split(command)?.run(None, PATIENCE)?;
            Passphrase::new(said.as_slice())?
        } else {
            return Ok(None);
        };
        Ok(Some(found))
    }

    /// Asks at the terminal, if there is one.
    ///
    /// # Errors
    /// [`Error::Terminal`], [`Error::Empty`], [`Error::TooLong`].
    pub fn ask(&self, question: &str) -> Result<Option<Passphrase>, Error> {
        let Some(prompt) = self.terminal else {
            return Ok(None);
        };
        let answer = prompt(question).map_err(|source| Error::Terminal { source })?;
        Passphrase::new(answer).map(Some)
    }

    /// Asks for a new passphrase, twice, and after a mistake once more. An empty answer is `None`, as if there were no
    /// terminal.
    ///
    /// # Errors
    /// As [`Sources::ask`]; [`Error::Different`] and [`Error::TooLong`] after three tries.
    pub fn ask_new(&self, question: &str) -> Result<Option<Passphrase>, Error> {
        let mut question = question.to_owned();
        let mut tries = 1;
        loop {
            let slip = match self.ask_twice(&question) {
                Err(slip @ (Error::Different | Error::TooLong)) if tries < TRIES => slip,
                ended => return ended,
            };
            tries += 1;
            question = format!("{}. Once more: ", capitalised(&slip.to_string()));
        }
    }

    fn ask_twice(&self, question: &str) -> Result<Option<Passphrase>, Error> {
        let first = match self.ask(question) {
            Err(Error::Empty) | Ok(None) => return Ok(None),
            Ok(Some(first)) => first,
            Err(error) => return Err(error),
        };
        match self.ask("The same again: ") {
            Ok(Some(second)) if *second.0 == *first.0 => Ok(Some(first)),
            Ok(_) | Err(Error::Empty | Error::TooLong) => Err(Error::Different),
            Err(error) => Err(error),
        }
    }
}

impl Sources {
    /// Shows a passphrase that cannot be guessed, and asks for it, so that the user has written it down. The user may
    /// choose `instead`, which the question names, by typing nothing: `None`, as where there is no terminal.
    ///
    /// # Errors
    /// As [`Sources::ask`]; [`Error::Different`] after three tries.
    pub fn offer(&self, instead: &str) -> Result<Option<Passphrase>, Error> {
        let generated = strength::generate(&random()?);
        let mut question = Zeroizing::new(format!(
            "Choose. This passphrase is random, and shown only now:\n\n    {}\n\nType it to take it (nothing: {instead}): ",
            *generated
        ));
        for _ in 0..TRIES {
            match self.ask(&question) {
                Err(Error::Empty) | Ok(None) => return Ok(None),
                Ok(Some(typed)) if typed.expose() == generated.as_bytes() => {
                    return Ok(Some(typed));
                }
                Ok(Some(_)) => "That is not it. Once more: ".clone_into(&mut question),
                Err(error) => return Err(error),
            }
        }
        Err(Error::Different)
    }
}

/// Asks at the process's terminal (`/dev/tty`, not standard input), without showing what is typed. Fails at once where
/// there is no terminal.
///
/// # Errors
/// The system's; [`io::ErrorKind::Interrupted`] if the user typed Ctrl-C.
pub fn terminal(question: &str) -> io::Result<String> {
    let _shown = screen::Unseen::begin();
    let answer = rpassword::prompt_password(question);
    if let Err(error) = &answer
        && error.kind() == io::ErrorKind::UnexpectedEof
    {
        // Ctrl-D is not shown, and the next output begins a line.
        screen::end_line();
        return Err(io::Error::new(error.kind(), "the input has ended"));
    }
    answer
}

fn capitalised(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// Makes typed text visible again, if the process ends in the middle of a question.
pub fn end_questions() {
    screen::restore();
}

/// The terminal as it was before a question.
///
/// A thread of its own reads the answer, and an interrupted process leaves that thread where it is. So the state to
/// restore is kept where the end of the process finds it.
#[cfg(unix)]
mod screen {
    use std::fs::File;
    use std::io::Write as _;
    use std::sync::{Mutex, PoisonError};

    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

    static BEFORE: Mutex<Option<(File, Termios)>> = Mutex::new(None);

    /// Lives as long as a question waits for its answer.
    pub(super) struct Unseen;

    impl Unseen {
        pub(super) fn begin() -> Self {
            let terminal = File::options().read(true).write(true).open("/dev/tty");
            let before = terminal.ok().and_then(|terminal| {
                let modes = tcgetattr(&terminal).ok()?;
                Some((terminal, modes))
            });
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = before;
            Self
        }
    }

    impl Drop for Unseen {
        fn drop(&mut self) {
            restore();
        }
    }

    pub(super) fn end_line() {
        if let Ok(mut terminal) = File::options().write(true).open("/dev/tty") {
            let _ = terminal.write_all(b"\n");
        }
    }

    pub(super) fn restore() {
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((terminal, modes)) = before {
            let _ = tcsetattr(&terminal, OptionalActions::Now, &modes);
        }
    }
}

#[cfg(not(unix))]
mod screen {
    pub(super) struct Unseen;

    impl Unseen {
        pub(super) fn begin() -> Self {
            Self
        }
    }

    pub(super) fn end_line() {}

    pub(super) fn restore() {}
}

fn read_file(path: &Path) -> Result<Passphrase, Error> {
    let inputs = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
    if inputs.iter().any(|input| Path::new(input) == path) {
        return Err(Error::StandardInput);
    }
    let read = File::open(path).and_then(read_bounded);
    let bytes = read.map_err(|source| Error::Unreadable {
        path: path.into(),
        source,
    })?;
    Passphrase::new(bytes)
}

/// Reads all bytes, or enough of them to be too long.
fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    const ENOUGH: usize = MAX_LENGTH + 3;
    let mut bytes = Vec::with_capacity(ENOUGH);
    let limit = u64::try_from(ENOUGH).unwrap_or(u64::MAX);
    source.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(passphrase: &Passphrase) -> &str {
        std::str::from_utf8(passphrase.expose()).unwrap()
    }

    #[test]
    fn one_newline_is_not_part_of_a_passphrase() {
        for (given, wanted) in [
            ("word", "word"),
            ("word\n", "word"),
            ("word\r\n", "word"),
            ("word\n\n", "word\n"),
            (" word ", " word "),
            ("wörd", "wörd"),
        ] {
            assert_eq!(text(&Passphrase::new(given).unwrap()), wanted);
        }
        assert!(matches!(Passphrase::new("\n"), Err(Error::Empty)));
        let long = |length| Passphrase::new("x".repeat(length));
        assert!(long(MAX_LENGTH).is_ok());
        assert!(matches!(long(MAX_LENGTH + 1), Err(Error::TooLong)));
    }

    #[test]
    fn the_first_source_given_is_the_one_asked() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, format!("{name}\n")).unwrap();
            Some(path)
        };
        let mut sources = Sources {
            file: file("file"),
            descriptor: None,
            environment: Some(Secret::new("environment")),
            environment_file: file("environment file"),
            command: Some("echo 'a command'".into()),
            terminal: None,
        };
        let read = |sources: &Sources| sources.read().unwrap().map(|found| text(&found).to_owned());
        assert_eq!(read(&sources).as_deref(), Some("file"));
        sources.file = None;
        assert_eq!(read(&sources).as_deref(), Some("environment"));
        sources.environment = None;
        assert_eq!(read(&sources).as_deref(), Some("environment file"));
        sources.environment_file = None;
        assert_eq!(read(&sources).as_deref(), Some("a command"));
        assert!(sources.is_given());
        sources.command = None;
        assert!(!sources.is_given() && read(&sources).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn an_inherited_descriptor_is_read_to_its_end() {
        use std::io::Write;
        use std::os::fd::AsRawFd;

        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"from a pipe\n").unwrap();
        drop(writer);
        let sources = Sources {
            descriptor: u32::try_from(reader.as_raw_fd()).ok(),
            ..Sources::default()
        };
        assert_eq!(text(&sources.read().unwrap().unwrap()), "from a pipe");
    }

    #[test]
    fn a_source_that_fails_is_not_passed_over() {
        let sources = Sources {
            file: Some("/nonexistent/passphrase".into()),
            environment: Some(Secret::new("environment")),
            ..Sources::default()
        };
        assert!(matches!(sources.read(), Err(Error::Unreadable { .. })));
    }

    #[test]
    fn standard_input_is_never_read() {
        for path in ["-", "/dev/stdin", "/dev/fd/0"] {
            assert!(matches!(
                read_file(Path::new(path)),
                Err(Error::StandardInput)
            ));
        }
        let sources = Sources {
            descriptor: Some(0),
            ..Sources::default()
        };
        assert!(matches!(sources.read(), Err(Error::StandardInput)));
    }

    #[test]
    fn a_new_passphrase_is_asked_for_twice() {
        let ask = |terminal: Prompt| {
            let sources = Sources {
                terminal: Some(terminal),
                ..Sources::default()
            };
            sources.ask_new("New: ")
        };
        assert!(ask(|_| Ok("same".into())).unwrap().is_some());
        assert!(ask(|_| Ok(String::new())).unwrap().is_none());
        assert!(matches!(
            ask(|question| Ok(question.into())),
            Err(Error::Different)
        ));
        let gone = ask(|_| Err(io::ErrorKind::UnexpectedEof.into()));
        assert!(matches!(gone, Err(Error::Terminal { .. })));
    }
}
