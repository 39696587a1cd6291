//! The writer of an audit file: a queue that lines enter without waiting, and a thread that writes them in batches.
//!
//! A batch is all that is in the queue. Between the beginnings of two batches lie at least [`PAUSE`], so that a busy bridge
//! has the disk confirm many lines at once; the line of an idle one is written at once. A crash of the process or of the
//! machine loses the lines of the last batch at most.
//!
//! Where a batch cannot be written, its lines are kept and tried again, and [`Audit::ready`] says so until all of them are
//! on the disk. More lines than [`MOST`] bytes are counted and left out; a line that says so is written first when writing
//! works again.

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::audit::error::Error;
use crate::audit::file::AuditFile;
use crate::audit::time::Timestamp;
use crate::clock::{Clock, milliseconds};

/// The least time between the beginnings of two batches.
pub const PAUSE: Duration = Duration::from_millis(50);
/// The time after which a batch that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// The time that the first batch may wait for the lock of another process.
const FIRST_LOCK: Duration = Duration::from_secs(5);
/// The time that a batch may take before no more calls are taken.
const LONGEST_BATCH: Duration = Duration::from_secs(10);
/// The bytes that wait to be written above which a batch begins at once.
const LARGE: usize = 256 * 1024;
/// The bytes that wait to be written above which no more calls are taken; their results still are.
const FULL: usize = 16 * 1024 * 1024;
/// The bytes that wait to be written above which nothing is taken.
const MOST: usize = 2 * FULL;

/// The settings of a writer.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file.
    pub path: PathBuf,
    /// The length from which on a new file is begun, in bytes.
    pub max_size: u64,
    /// True where calls pass although the file cannot be written.
    pub is_best_effort: bool,
    /// The wall clock.
    pub clock: Clock,
}

/// An audit file that is written to; clones write to the same.
#[derive(Clone)]
pub struct Audit(Arc<Shared>);

struct Shared {
    path: Arc<Path>,
    is_best_effort: bool,
    clock: Clock,
    queue: Mutex<Queue>,
    /// Wakes the thread.
    wake: Condvar,
    ended: watch::Sender<bool>,
}

#[derive(Default)]
struct Queue {
    /// The contents of lines, each with a line break behind it.
    contents: String,
    /// True while the thread waits for any line.
    is_idle: bool,
    /// The beginning of the batch that is being written.
    since: Option<Instant>,
    trouble: Option<Trouble>,
    /// The number of lines that were left out.
    lost: u64,
    is_closed: bool,
}

/// The reason why lines are not written, and the time of the first that was not.
#[derive(Clone)]
struct Trouble {
    reason: Arc<str>,
    since: u64,
}

/// The reason why no call is taken: its line may not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The audit file {} cannot be written: {reason}.", .path.display())]
pub struct Unwritable {
    /// The file.
    pub path: Arc<Path>,
    /// The reason, without a full stop.
    pub reason: Arc<str>,
}

impl fmt::Debug for Audit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Audit").field(&self.0.path).finish()
    }
}

impl Audit {
    /// Opens the file, or makes it, and writes a first line. Waits for the disk, and for the lock of another process.
    ///
    /// # Errors
    /// The file cannot be an audit file, or cannot be written; with `is_best_effort` the latter is none.
    pub fn open(options: Options, first: &str) -> Result<Self, Error> {
        let Options {
            path,
            max_size,
            is_best_effort,
            clock,
        } = options;
        let mut file = AuditFile::new(&path, max_size, clock.clone());
        let shared = Arc::new(Shared {
            path: path.into(),
            is_best_effort,
            clock,
            queue: Mutex::default(),
            wake: Condvar::new(),
            ended: watch::Sender::new(false),
        });
        let appended = file.append(&[first], Some(FIRST_LOCK));
        let mut unwritten = String::new();
        match appended.error {
            Some(error) if !is_best_effort || !error.may_pass() => return Err(error),
            Some(error) => {
                shared.fails(&error);
                push(&mut unwritten, first);
            }
            None => {}
        }
        let writer = Writer {
            shared: Arc::clone(&shared),
            file,
            unwritten,
        };
        thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer.run())
            .map_err(Error::Thread)?;
        Ok(Self(shared))
    }

    /// Returns the time, as [`Self::write`] takes it.
    pub fn now(&self) -> u64 {
        self.0.now()
    }

    /// Says whether a call may be made, and its line written: not after a batch has failed, while one takes too long, or
    /// while too many lines wait. Always with `is_best_effort`.
    ///
    /// # Errors
    /// The reason why not.
    pub fn ready(&self) -> Result<(), Unwritable> {
        if self.0.is_best_effort {
            return Ok(());
        }
        let queue = self.0.queue();
        let reason: Arc<str> = if let Some(trouble) = &queue.trouble {
            Arc::clone(&trouble.reason)
        } else if queue
            .since
            .is_some_and(|since| since.elapsed() > LONGEST_BATCH)
        {
            "the disk takes no line, or another process holds the lock".into()
        } else if queue.contents.len() > FULL {
            "the disk is slower than the calls".into()
        } else {
            return Ok(());
        };
        Err(Unwritable {
            path: Arc::clone(&self.0.path),
            reason,
        })
    }

    /// Adds a line about an event at a time in milliseconds since 1970. `members` writes more members, each with a comma
    /// before it, as JSON text on one line.
    ///
    /// Does not wait for the disk: the thread holds the lock only while it takes the text out.
    pub fn write(&self, time: u64, event: &str, members: impl FnOnce(&mut String)) {
        let mut queue = self.0.queue();
        let before = queue.contents.len();
        if before > MOST {
            queue.lost += 1;
            return;
        }
        begin(time, event, &mut queue.contents);
        members(&mut queue.contents);
        queue.contents.push('\n');
        let becomes_large = before < LARGE && queue.contents.len() >= LARGE;
        if queue.is_idle || becomes_large {
            queue.is_idle = false;
            drop(queue);
            self.0.wake.notify_one();
        }
    }

    /// Waits until all lines so far are on the disk, or cannot be written. No more are taken.
    ///
    /// # Errors
    /// Lines that are not on the disk.
    pub async fn finish(&self) -> Result<(), Unwritable> {
        self.0.queue().is_closed = true;
        self.0.wake.notify_one();
        let mut ended = self.0.ended.subscribe();
        // The sender is in `self`.
        let _ = ended.wait_for(|ended| *ended).await;
        match &self.0.queue().trouble {
            None => Ok(()),
            Some(trouble) => Err(Unwritable {
                path: Arc::clone(&self.0.path),
                reason: Arc::clone(&trouble.reason),
            }),
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        milliseconds(self.clock.now())
    }

    fn fails(&self, error: &Error) {
        let reason: Arc<str> = error.text().into();
        let mut queue = self.queue();
        let is_news = queue.trouble.is_none();
        let since = match &queue.trouble {
            Some(trouble) => trouble.since,
            None => self.now(),
        };
        queue.trouble = Some(Trouble {
            reason: Arc::clone(&reason),
            since,
        });
        drop(queue);
        if is_news {
            let path = self.path.display();
            match self.is_best_effort {
                true => {
                    tracing::error!(%path, %reason, "the audit file cannot be written; calls pass all the same");
                }
                false => {
                    tracing::error!(%path, %reason, "the audit file cannot be written; calls are refused until it can");
                }
            }
        }
    }
}

/// The thread's own part.
struct Writer {
    shared: Arc<Shared>,
    file: AuditFile,
    /// The contents of a batch that failed.
    unwritten: String,
}

impl Writer {
    fn run(mut self) {
        let mut pause = Duration::ZERO;
        loop {
            let is_last = self.wait(pause);
            let begun = Instant::now();
            let has_failed = self.write();
            if is_last {
                break;
            }
            pause = match has_failed {
                true => RETRY,
                false => PAUSE.saturating_sub(begun.elapsed()),
            };
        }
        self.shared.ended.send_replace(true);
    }

    /// Waits until there is a batch to write, and this long at least. Says whether it is the last.
    fn wait(&self, pause: Duration) -> bool {
        let shared = &self.shared;
        let mut queue = shared.queue();
        let wait = |queue, pause| {
            let waited = shared.wake.wait_timeout(queue, pause);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        let due = Instant::now() + pause;
        loop {
            let left = due.saturating_duration_since(Instant::now());
            let is_failing = queue.trouble.is_some();
            if queue.is_closed {
                return true;
            }
            if left.is_zero() || (queue.contents.len() >= LARGE && !is_failing) {
                break;
            }
            queue = wait(queue, left);
        }
        while queue.contents.is_empty() && queue.trouble.is_none() && !queue.is_closed {
            queue.is_idle = true;
            let woken = shared.wake.wait(queue);
            queue = woken.unwrap_or_else(PoisonError::into_inner);
        }
        queue.is_idle = false;
        queue.is_closed
    }

    /// Writes all there is, and says whether that failed.
    fn write(&mut self) -> bool {
        let (trouble, lost) = {
            let mut queue = self.shared.queue();
            if self.unwritten.is_empty() {
                std::mem::swap(&mut self.unwritten, &mut queue.contents);
            } else if self.unwritten.len() <= MOST {
                self.unwritten.push_str(&queue.contents);
                queue.contents.clear();
            }
            queue.since = Some(Instant::now());
            (queue.trouble.clone(), queue.lost)
        };
        let resumed = (trouble.is_some() || lost > 0).then(|| self.resumed(trouble.as_ref(), lost));
        let contents: Vec<&str> = resumed
            .as_deref()
            .into_iter()
            .chain(self.unwritten.lines())
            .collect();
        if contents.is_empty() {
            self.shared.queue().since = None;
            return false;
        }
        let appended = self.file.append(&contents, None);
        let of_ours = appended
            .written
            .saturating_sub(usize::from(resumed.is_some()));
        let is_whole = appended.written == contents.len();
        if is_whole {
            self.unwritten.clear();
        } else {
            let written = self.unwritten.lines().take(of_ours);
            let written: usize = written.map(|line| line.len() + 1).sum();
            self.unwritten.drain(..written);
        }
        let mut queue = self.shared.queue();
        queue.since = None;
        if is_whole && lost > 0 {
            queue.lost -= lost;
        }
        match appended.error {
            Some(error) => {
                drop(queue);
                self.shared.fails(&error);
                true
            }
            None => {
                queue.trouble = None;
                drop(queue);
                if trouble.is_some() || lost > 0 {
                    let path = self.shared.path.display();
                    tracing::warn!(%path, lost, "the audit file is written again");
                }
                false
            }
        }
    }

    /// Returns the content of the line that says for how long, and for what reason, nothing was written.
    fn resumed(&self, trouble: Option<&Trouble>, lost: u64) -> String {
        let now = Timestamp(self.shared.now());
        let mut content = format!(r#""time":"{now}","event":"resumed","lost":{lost}"#);
        if let Some(Trouble { reason, since }) = trouble {
            let since = Timestamp(*since);
            let reason = serde_json::Value::from(&**reason);
            // Writing to a string does not fail.
            let _ = write!(content, r#","since":"{since}","reason":{reason}"#);
        }
        content
    }
}

fn begin(time: u64, event: &str, content: &mut String) {
    // Writing to a string does not fail.
    let _ = write!(content, r#""time":"{}","event":"{event}""#, Timestamp(time));
}

/// Returns the content of a line, as [`Audit::open`] takes it: the time in milliseconds since 1970, the event, and more
/// members, each with a comma before it.
pub fn content(time: u64, event: &str, members: &str) -> String {
    let mut content = String::new();
    begin(time, event, &mut content);
    content + members
}

fn push(contents: &mut String, content: &str) {
    contents.push_str(content);
    contents.push('\n');
}
