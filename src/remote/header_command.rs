//! Headers that a program of the user's prints (`--header-command`).
//!
//! The program is run when the first request needs the headers and again when the remote turns them down, once for all
//! exchanges that were turned down together; an exchange that gives up waiting does not end it. Its output is secret,
//! except where it fails: then its last words on standard error are the reason. Without a shell; bounded in time and in
//! what it may say.

use std::fmt;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::process::argv::Argv;
use crate::process::{Exit, MAX_HEADERS, PATIENCE};

use crate::remote::header_output::{self, Malformed};
use crate::remote::header_rules::without_ours;
use crate::secret::Secret;
use crate::text::plain;

/// The variable in which the program finds the server's address.
const URL: &str = "MCPIPE_URL";
/// Not for the program: it would have it run itself.
const OWN: &str = "MCPIPE_HEADER_COMMAND";
/// The longest line of its standard error that is passed on, in characters.
const LONGEST_LINE: usize = 300;
/// The time for which the program is left alone when two in a row of what it gave were turned down.
const QUIET: Duration = Duration::from_secs(30);
/// The time for which its standard error is still read when it has ended: a process that it left behind may hold it
/// open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The reason why a program gave no headers. Holds nothing of what it printed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The program did not start, or broke.
    #[error("cannot run {program:?}: {why}")]
    Broken {
        /// Its first word.
        program: String,
        /// The system's words.
        why: String,
    },
    /// The program said no.
    #[error("{program:?} failed ({status}){}", so(.said.as_deref()))]
    Failed {
        /// Its first word.
        program: String,
        /// The way it ended.
        status: Exit,
        /// The last line of its standard error, cleaned.
        said: Option<String>,
    },
    /// The program took too long and was ended.
    #[error("{program:?} took longer than {seconds} seconds{}", so(.said.as_deref()))]
    Slow {
        /// Its first word.
        program: String,
        /// The patience it had.
        seconds: u64,
        /// The last line of its standard error, cleaned.
        said: Option<String>,
    },
    /// Nothing sensible is that long.
    #[error("{program:?} printed more than {MAX_HEADERS} bytes")]
    TooLong {
        /// Its first word.
        program: String,
    },
    /// The program printed something that is no headers.
    #[error("{program:?} printed no headers: {why}")]
    Malformed {
        /// Its first word.
        program: String,
        /// The fault in it.
        why: Malformed,
    },
}

/// Headers that the program gave.
#[derive(Clone, Debug)]
pub struct CommandHeaders {
    generation: u64,
    headers: HeaderMap,
}

impl CommandHeaders {
    /// Says whether both come from one run.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.generation == other.generation
    }

    /// Marked sensitive; nothing among them that the protocol or the connection sets.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Says whether they prove who the user is, so that no sign-in is needed.
    pub fn has_authorization(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }
}

/// The program. Clones share what it gave.
#[derive(Clone)]
pub struct HeaderCommand(Arc<CommandInner>);

struct CommandInner {
    words: Argv,
    url: String,
    tasks: TaskTracker,
    state: Mutex<CommandState>,
    is_running: watch::Sender<bool>,
}

/// Never locked across a wait.
#[derive(Default)]
struct CommandState {
    generation: u64,
    given: Option<CommandHeaders>,
    run: Option<watch::Receiver<Option<RunOutcome>>>,
    /// The generation that was last taken by the remote.
    taken: u64,
    /// The time at which it last gave something.
    gave_at: Option<time::Instant>,
    heard: Option<Listener>,
}

type RunOutcome = Result<CommandHeaders, Error>;
type Listener = Box<dyn Fn(Secret) + Send>;

impl HeaderCommand {
    /// To be asked for the headers of `url`; not run yet.
    pub fn new(words: Argv, url: impl Into<String>) -> Self {
        Self(Arc::new(CommandInner {
            words,
            url: url.into(),
            tasks: TaskTracker::new(),
            state: Mutex::default(),
            is_running: watch::Sender::new(false),
        }))
    }

    /// Hands every value it gives to `learn`, before it is sent anywhere.
    pub fn tell(&self, learn: impl Fn(Secret) + Send + 'static) {
        self.0.state().heard = Some(Box::new(learn));
    }

    /// Tells while it runs.
    pub fn is_running(&self) -> watch::Receiver<bool> {
        self.0.is_running.subscribe()
    }

    /// Says whether the headers it gave last have an `Authorization`.
    pub fn has_authorization(&self) -> bool {
        let state = self.0.state();
        state
            .given
            .as_ref()
            .is_some_and(CommandHeaders::has_authorization)
    }

    /// Returns the headers it gave last; runs it now if it never was run.
    ///
    /// # Errors
    /// See [`Error`]. The next call runs it again.
    pub async fn headers(&self) -> Result<CommandHeaders, Error> {
        self.newer_than(0).await
    }

    /// Returns the headers of another run, unless another exchange has had it run since it gave `used`. Returns the
    /// same again where nothing that it gave of late was taken: it may ask the user each time.
    ///
    /// # Errors
    /// As [`HeaderCommand::headers`].
    pub async fn again(&self, used: &CommandHeaders) -> Result<CommandHeaders, Error> {
        let is_futile = {
            let state = self.0.state();
            let is_recent = state.gave_at.is_some_and(|at| at.elapsed() < QUIET);
            is_recent && used.generation > state.taken + 1 && used.generation == state.generation
        };
        if is_futile {
            return Ok(used.clone());
        }
        self.newer_than(used.generation).await
    }

    /// The remote took what it gave.
    pub fn note_taken(&self, given: &CommandHeaders) {
        let mut state = self.0.state();
        state.taken = state.taken.max(given.generation);
    }

    async fn newer_than(&self, generation: u64) -> Result<CommandHeaders, Error> {
        let mut run = {
            let mut state = self.0.state();
            if let Some(given) = &state.given
                && given.generation > generation
            {
                return Ok(given.clone());
            }
            match &state.run {
                Some(run) => run.clone(),
                None => self.begin(&mut state),
            }
        };
        let outcome = run.wait_for(Option::is_some).await;
        match outcome.ok().and_then(|outcome| outcome.clone()) {
            Some(outcome) => outcome,
            // Its task is gone: the process is leaving.
            None => Err(Error::Broken {
                program: self.0.words.program().to_owned(),
                why: "mcpipe is leaving".to_owned(),
            }),
        }
    }

    fn begin(&self, state: &mut CommandState) -> watch::Receiver<Option<RunOutcome>> {
        let (tell, run) = watch::channel(None);
        state.run = Some(run.clone());
        let parts = Arc::clone(&self.0);
        parts.is_running.send_replace(true);
        self.0.tasks.spawn(async move {
            let found = run_once(&parts.words, &parts.url, PATIENCE).await;
            let mut state = parts.state();
            let outcome = found.map(|headers| {
                if let Some(learn) = &state.heard {
                    secrets(&headers).for_each(learn);
                }
                state.generation += 1;
                state.gave_at = Some(time::Instant::now());
                let given = CommandHeaders {
                    generation: state.generation,
                    headers,
                };
                state.given = Some(given.clone());
                given
            });
            if let Err(error) = &outcome {
                tracing::warn!(%error, "no headers");
            }
            state.run = None;
            parts.is_running.send_replace(false);
            tell.send_replace(Some(outcome));
        });
        run
    }
}

impl CommandInner {
    fn state(&self) -> MutexGuard<'_, CommandState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for HeaderCommand {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HeaderCommand({:?})", self.0.words)
    }
}

/// The values, and what follows the scheme in one that has one.
fn secrets(headers: &HeaderMap) -> impl Iterator<Item = Secret> {
    let texts = headers.values().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| {
        let bare = text.split_once(' ').map(|(_, bare)| bare);
        std::iter::once(text).chain(bare).map(Secret::new)
    })
}

async fn run_once(words: &Argv, url: &str, patience: Duration) -> Result<HeaderMap, Error> {
    let program = words.program().to_owned();
    let broken = |error: std::io::Error| Error::Broken {
        program: program.clone(),
        why: error.to_string(),
    };
    let mut child = Command::from(words.command())
        .env_remove(OWN)
        .env(URL, url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(broken)?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(broken(std::io::ErrorKind::BrokenPipe.into()));
    };
    let mut last = None;
    let ended = {
        let listening = log_lines(stderr, &program, &mut last);
        tokio::pin!(listening);
        let mut is_silent = false;
        let work = async {
            let output = bounded(stdout).await?;
            match output {
                Some(output) => Ok(Some((child.wait().await?, output))),
                None => Ok(None),
            }
        };
        let work = time::timeout(patience, work);
        tokio::pin!(work);
        let ended = loop {
            tokio::select! {
                ended = &mut work => break ended,
                () = &mut listening, if !is_silent => is_silent = true,
            }
        };
        if !is_silent {
            let _ = time::timeout(LAST_WORDS, listening).await;
        }
        ended
    };
    let (status, output) = match ended {
        Err(_) => {
            let seconds = patience.as_secs();
            return Err(Error::Slow {
                program,
                seconds,
                said: last,
            });
        }
        Ok(Err(error)) => return Err(broken(error)),
        Ok(Ok(None)) => return Err(Error::TooLong { program }),
        Ok(Ok(Some(ended))) => ended,
    };
    if !status.success() {
        return Err(Error::Failed {
            program,
            status: Exit(status),
            said: last,
        });
    }
    let headers =
        header_output::headers(&output).map_err(|why| Error::Malformed { program, why })?;
    Ok(without_ours(headers))
}

/// All of it, or `None` if that is too much.
async fn bounded(source: impl AsyncRead + Unpin) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    // With room for all: growing would leave pieces of it behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_HEADERS + 1));
    let limit = u64::try_from(MAX_HEADERS).unwrap_or(u64::MAX);
    source.take(limit + 1).read_to_end(&mut bytes).await?;
    Ok((bytes.len() <= MAX_HEADERS).then_some(bytes))
}

/// Passes each line on to the log, and keeps the last. A prompt for the user comes this way, too.
async fn log_lines(source: impl AsyncRead + Unpin, program: &str, last: &mut Option<String>) {
    let limit = u64::try_from(MAX_HEADERS).unwrap_or(u64::MAX);
    let mut source = BufReader::new(source);
    let mut lines = (&mut source).take(limit);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await.unwrap_or(0) > 0 {
        let said = plain(&String::from_utf8_lossy(&line), LONGEST_LINE);
        line.clear();
        if !said.is_empty() {
            tracing::warn!(program, said, "the header command");
            *last = Some(said);
        }
    }
    // More than that is not passed on, but must not make it wait for us.
    let _ = tokio::io::copy(&mut source, &mut tokio::io::sink()).await;
}

fn so(said: Option<&str>) -> String {
    said.map(|said| format!(": {said}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_learnt_with_and_without_its_scheme() {
        let headers = header_output::headers(b"Authorization: Bearer abc\nX-Key: def").unwrap();
        let learnt: Vec<_> = secrets(&headers).map(|it| it.expose().to_owned()).collect();
        assert_eq!(learnt, ["Bearer abc", "abc", "def"]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_that_fails_hangs_or_floods_is_told_apart() {
        let long = Duration::from_secs(40);
        let run = async |line: &str, patience| {
            let words = Argv::split(line).unwrap();
            run_once(&words, "https://a.example/mcp", patience).await
        };
        let headers = run(r"sh -c 'cat; echo X-Url: $MCPIPE_URL'", long).await;
        assert_eq!(headers.unwrap()["x-url"], "https://a.example/mcp");
        let failed = run(
            r"sh -c 'echo s3cret; echo a >&2; printf \\033[1mb\\n >&2; exit 3'",
            long,
        )
        .await;
        let failed = failed.unwrap_err();
        assert!(
            matches!(&failed, Error::Failed { said: Some(said), .. } if said == "[1mb"),
            "{failed}"
        );
        assert_eq!(failed.to_string(), r#""sh" failed (exit status: 3): [1mb"#);
        let slow = run(
            r"sh -c 'echo wait >&2; exec sleep 600'",
            Duration::from_secs(1),
        )
        .await;
        assert!(matches!(slow, Err(Error::Slow { seconds: 1, .. })));
        assert!(matches!(run("yes", long).await, Err(Error::TooLong { .. })));
        assert!(matches!(
            run("/nonexistent/x", long).await,
            Err(Error::Broken { .. })
        ));
        let noisy = run(r"sh -c 'yes | head -c 1000000 >&2; echo X: 1'", long).await;
        assert_eq!(noisy.unwrap()["x"], "1");
        // What the protocol sets is not the program's.
        for name in [
            "Mcp-Session-Id",
            "MCP-Protocol-Version",
            "Accept",
            "Accept-Encoding",
            "Content-Encoding",
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
        ] {
            let ours = run(&format!("echo {name}: x"), long).await;
            assert!(ours.unwrap().is_empty(), "{name}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn those_who_wait_together_share_one_run() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("runs");
        let line = format!(
            "sh -c 'echo run >> {0}; echo X: $(wc -l < {0})'",
            note.display()
        );
        let command = HeaderCommand::new(Argv::split(&line).unwrap(), "https://a.example");
        assert!(!command.has_authorization());
        let many = futures_util::future::join_all((0..5).map(|_| command.headers())).await;
        let first = many.into_iter().map(Result::unwrap).next_back().unwrap();
        assert_eq!(first.headers()["x"], "1");
        let many = futures_util::future::join_all((0..5).map(|_| command.again(&first))).await;
        for given in many {
            assert_eq!(given.unwrap().headers()["x"], "2");
        }
        // An exchange that was late has it already.
        assert_eq!(command.again(&first).await.unwrap().headers()["x"], "2");
        assert_eq!(command.headers().await.unwrap().headers()["x"], "2");
        assert!(!*command.is_running().borrow());
    }
}
