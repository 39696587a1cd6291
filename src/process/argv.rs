//! Programs that the user names, with their arguments: run without a shell, with a limit on time and on output.
//!
//! A program gets no standard input unless it is given a secret to keep. Its standard error stays ours: a program that
//! cannot find a key reports it there. Knows nothing of what the secret is for. Blocks; the callers are on threads that
//! may.

use std::fmt;
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use zeroize::{Zeroize, Zeroizing};

use crate::process::{self, Exit, MAX_SECRET};

/// The reason why a program gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A quote was opened and not closed, or there is no program.
    #[error("the command cannot be split into words: {0}")]
    Words(&'static str),
    /// The program did not start, or its pipes broke.
    #[error("cannot run {program:?}")]
    Broken {
        /// The program's name.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// The program ended with a failure.
    #[error("{program:?} failed ({status})")]
    Failed {
        /// The program's name.
        program: String,
        /// The way it ended.
        status: Exit,
    },
    /// The program took too long and was ended.
    #[error("{program:?} took longer than {seconds} seconds")]
    Slow {
        /// The program's name.
        program: String,
        /// The limit, in seconds.
        seconds: u64,
    },
}

/// A program and its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Argv(Vec<String>);

impl Argv {
    /// Takes an argument vector as it is.
    ///
    /// # Errors
    /// [`Error::Words`] if there is no program.
    pub fn new(words: Vec<String>) -> Result<Self, Error> {
        match words.first() {
            Some(program) if !program.is_empty() => Ok(Self(words)),
            _ => Err(Error::Words("it is empty")),
        }
    }

    /// Splits a line at blanks; `'…'` is literal, in `"…"` a backslash escapes `"` and `\`, elsewhere it escapes
    /// anything. There are no variables and no patterns.
    ///
    /// # Errors
    /// [`Error::Words`].
    pub fn split(line: &str) -> Result<Self, Error> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut rest = line.chars().peekable();
        while let Some(char) = rest.next() {
            match char {
                blank if blank.is_whitespace() => words.extend(word.take()),
                '\'' => {
                    let word = word.get_or_insert_default();
                    loop {
                        match rest.next().ok_or(Error::Words("a ' is not closed"))? {
                            '\'' => break,
                            char => word.push(char),
                        }
                    }
                }
                '"' => {
                    let word = word.get_or_insert_default();
                    loop {
                        match rest.next().ok_or(Error::Words("a \" is not closed"))? {
                            '"' => break,
                            '\\' if matches!(rest.peek(), Some('"' | '\\')) => {
                                word.extend(rest.next());
                            }
                            char => word.push(char),
                        }
                    }
                }
                '\\' => {
                    let escaped = rest.next().ok_or(Error::Words("it ends in a \\"))?;
                    word.get_or_insert_default().push(escaped);
                }
                char => word.get_or_insert_default().push(char),
            }
        }
        words.extend(word);
        Self::new(words)
    }

    /// Returns the words, the program first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns the first word, for messages: the user may have put a secret into the others.
    pub fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Returns the command, for the caller to run.
    pub fn command(&self) -> Command {
        let mut command = process::command(self.program());
        command.args(self.0.iter().skip(1));
        command
    }

    /// Runs the program and returns its output, at most [`MAX_SECRET`] bytes. `input` is its standard input, if given.
    ///
    /// # Errors
    /// Any; output before a failure is wiped.
    pub fn run(
        &self,
        input: Option<&[u8]>,
        patience: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.run_up_to(input, patience, MAX_SECRET)
    }

    /// Does as [`Argv::run`], for an output that may be longer: at most `most` bytes.
    ///
    /// # Errors
    /// As [`Argv::run`].
    pub fn run_up_to(
        &self,
        input: Option<&[u8]>,
        patience: Duration,
        most: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let program = self.program();
        let broken = |source| Error::Broken {
            program: program.to_owned(),
            source,
        };
        let slow = || Error::Slow {
            program: program.to_owned(),
            seconds: patience.as_secs(),
        };
        let mut child = self
            .command()
            .stdin(input.map_or_else(Stdio::null, |_| Stdio::piped()))
            .stdout(Stdio::piped())
            .spawn()
            .map_err(broken)?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            let input = Zeroizing::new(input.to_vec());
            // A thread writes: a program that does not read must not hold us. The program's end shows if half its input
            // was too little.
            thread::spawn(move || stdin.write_all(&input));
        }
        let output = child.stdout.take();
        let child = RunningProgram::noted(child);
        let Some(output) = output else {
            return Err(broken(io::ErrorKind::BrokenPipe.into()));
        };
        // A thread too, because a grandchild may hold the pipe after the child has been ended; then it is left behind.
        let (sender, receiver) = mpsc::sync_channel(1);
        thread::spawn(move || sender.send(read_bounded(output, most)));
        let Ok(output) = receiver.recv_timeout(patience) else {
            child.end();
            return Err(slow());
        };
        let output = output.map_err(broken)?;
        let Some(status) = child.wait().map_err(broken)? else {
            child.end();
            return Err(slow());
        };
        if !status.success() {
            let program = program.to_owned();
            let status = Exit(status);
            return Err(Error::Failed { program, status });
        }
        Ok(output)
    }
}

#[cfg(test)]
impl Argv {
    pub(crate) fn shown(&self) -> String {
        self.0.join(" ")
    }
}

impl fmt::Debug for Argv {
    // Prints the first word only: the user may have put a secret into the others.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} …", self.0.first())
    }
}

/// Reads to the end, or `most` bytes of it.
fn read_bounded(source: impl Read, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(most);
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    let read = source.take(limit).read_to_end(&mut bytes);
    if read.is_err() {
        bytes.zeroize();
    }
    read.map(|_| Zeroizing::new(bytes))
}

/// A child that is waited for; [`end_all`] finds it.
struct RunningProgram(Arc<Mutex<Child>>);

static RUNNING: Mutex<Vec<Arc<Mutex<Child>>>> = Mutex::new(Vec::new());

impl RunningProgram {
    fn noted(child: Child) -> Self {
        let child = Arc::new(Mutex::new(child));
        held(&RUNNING).push(Arc::clone(&child));
        Self(child)
    }

    /// Waits for a child that has closed its output, five seconds at most.
    fn wait(&self) -> io::Result<Option<ExitStatus>> {
        for _ in 0..500 {
            if let Some(status) = held(&self.0).try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(None)
    }

    fn end(&self) {
        end(&mut held(&self.0));
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        held(&RUNNING).retain(|child| !Arc::ptr_eq(child, &self.0));
    }
}

/// Ends the programs that are still waited for: for a process that leaves. A program that hangs would outlive it, and
/// hold its standard error open, whose end hosts wait for.
pub fn end_all() {
    for child in held(&RUNNING).iter() {
        end(&mut held(child));
    }
}

fn end(child: &mut Child) {
    // Either call fails only if the program has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::PATIENCE;

    #[test]
    fn a_command_is_split_as_a_shell_would() {
        for (line, expected) in [
            ("pass show mcpipe", vec!["pass", "show", "mcpipe"]),
            ("  a\t b  ", vec!["a", "b"]),
            (r#"a 'b c' "d e""#, vec!["a", "b c", "d e"]),
            (r#"a b' c'd "" ''"#, vec!["a", "b cd", "", ""]),
            (
                r#""\"x\\ \n" '\n' \n \ y"#,
                vec![r#""x\ \n"#, r"\n", "n", " y"],
            ),
            ("echo $HOME * ;", vec!["echo", "$HOME", "*", ";"]),
        ] {
            assert_eq!(Argv::split(line).unwrap().0, expected, "{line}");
        }
        for line in ["", "  ", "a 'b", "a \"b", "a \\", "''"] {
            assert!(matches!(Argv::split(line), Err(Error::Words(_))), "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_fails_or_hangs_is_told_apart() {
        let long = Duration::from_secs(20);
        let run = |line: &str, patience| Argv::split(line).unwrap().run(None, patience);
        assert_eq!(*run("printf '%s' 'a b'", long).unwrap(), b"a b");
        assert!(matches!(
            run("/nonexistent/program", long),
            Err(Error::Broken { .. })
        ));
        assert!(matches!(
            run("sh -c 'echo x; exit 3'", long),
            Err(Error::Failed { .. })
        ));
        // The program has no standard input to read, or this test would wait for it.
        assert!(run("cat", long).unwrap().is_empty());
        assert!(matches!(
            run("sleep 600", Duration::from_millis(50)),
            Err(Error::Slow { .. })
        ));
        let endless = run("yes", long);
        assert!(endless.map_or(true, |said| said.len() == MAX_SECRET));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_to_be_kept_is_given_on_standard_input() {
        let cat = Argv::split("cat").unwrap();
        let said = cat.run(Some(b"a secret"), Duration::from_secs(20)).unwrap();
        assert_eq!(*said, b"a secret");
        let deaf = Argv::split("true").unwrap();
        assert!(deaf.run(Some(&[7; 1 << 20]), PATIENCE).unwrap().is_empty());
    }

    #[test]
    fn arguments_are_not_shown() {
        let words = Argv::split("program s3cret").unwrap();
        assert!(!format!("{words:?}").contains("s3cret"));
    }
}
