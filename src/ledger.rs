//! The append-only file behind `--record` and `--audit`: one writer, a bounded queue, no lost lines.
//!
//! The queue is bounded by bytes, not by lines, because a line is anything from a dozen bytes to a whole message. Knows
//! lines only: what they say, and that they say no secrets, is the business of the callers that write them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::store::files;

/// A place to write lines to; clones write to the same file, in the order they were called.
#[derive(Clone, Debug)]
pub struct Ledger {
    lines: mpsc::UnboundedSender<Line>,
    room: Arc<Semaphore>,
    end: watch::Receiver<Option<Result<(), Arc<io::Error>>>>,
    path: Arc<Path>,
    is_continued: bool,
}

/// A ledger that does not keep the file open: it ends with the last [`Ledger`].
#[derive(Clone, Debug)]
pub struct WeakLedger {
    lines: mpsc::WeakUnboundedSender<Line>,
    room: Arc<Semaphore>,
    end: watch::Receiver<Option<Result<(), Arc<io::Error>>>>,
    path: Arc<Path>,
}

impl WeakLedger {
    /// The ledger, if it has not ended.
    pub fn get(&self) -> Option<Ledger> {
        Some(Ledger {
            lines: self.lines.upgrade()?,
            room: Arc::clone(&self.room),
            end: self.end.clone(),
            path: Arc::clone(&self.path),
            is_continued: true,
        })
    }
}

/// The reason why something is not in the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be made or opened.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is a link, no regular file, or another user's; or it cannot be opened.
    #[error(transparent)]
    File(#[from] files::Error),
    /// The file cannot be written to any more; nothing written from here on is kept.
    #[error("cannot write to {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: Arc<io::Error>,
    },
}

/// The bytes that may wait to be written. A longer line waits until it is alone.
const ROOM: u32 = 4 * 1024 * 1024;

#[derive(Debug)]
struct Line {
    text: String,
    /// Given back when the line is written.
    _room: Option<OwnedSemaphorePermit>,
}

impl Ledger {
    /// Opens a file to append to; a new one is for its owner's eyes only (0600).
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Open {
            path: path.into(),
            source,
        };
        let file = files::open_to_append(path)?;
        let is_continued = file.metadata().is_ok_and(|it| it.is_file() && it.len() > 0);

        let (lines, mut from) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(ROOM as usize));
        let (ended, end) = watch::channel(None);
        let path: Arc<Path> = path.into();
        let writer = {
            let (room, path) = (Arc::clone(&room), Arc::clone(&path));
            move || {
                let end = keep(file, &mut from);
                if let Err(error) = &end {
                    tracing::error!(path = %path.display(), %error, "no longer written to");
                }
                // The reason first, so that a caller that finds the room or the queue closed can read it.
                ended.send_replace(Some(end.map_err(Arc::new)));
                room.close();
            }
        };
        // A thread of its own, like stdin's and stdout's: it spends its life in blocking calls.
        thread::Builder::new()
            .name("ledger".into())
            .spawn(writer)
            .map_err(fail)?;
        Ok(Self {
            lines,
            room,
            end,
            path,
            is_continued,
        })
    }

    /// Returns a ledger that does not keep the file open.
    pub fn weak(&self) -> WeakLedger {
        WeakLedger {
            lines: self.lines.downgrade(),
            room: Arc::clone(&self.room),
            end: self.end.clone(),
            path: Arc::clone(&self.path),
        }
    }

    /// Says whether something was in the file before.
    pub fn is_continued(&self) -> bool {
        self.is_continued
    }

    /// Adds a line, without its end, once there is room. Safe to cancel: the line is then not added.
    ///
    /// # Errors
    /// [`Error::Write`], also when an earlier line was the one that failed.
    pub async fn write(&self, text: String) -> Result<(), Error> {
        let size = u32::try_from(text.len()).unwrap_or(ROOM).min(ROOM);
        let room = Arc::clone(&self.room).acquire_many_owned(size).await;
        let Ok(room) = room else {
            return Err(self.broken());
        };
        self.send(text, Some(room))
    }

    /// Adds a line where nothing can wait, as when something is dropped. For short lines of which there cannot be many:
    /// nothing bounds them.
    ///
    /// # Errors
    /// See [`Self::write`].
    pub fn write_now(&self, text: String) -> Result<(), Error> {
        self.send(text, None)
    }

    /// Waits until every clone is gone and the last line is on disk.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub async fn finish(self) -> Result<(), Error> {
        let Self {
            lines,
            mut end,
            path,
            ..
        } = self;
        drop(lines);
        let ended = end.wait_for(Option::is_some).await;
        match ended.ok().and_then(|end| end.clone()) {
            Some(Ok(())) => Ok(()),
            end => Err(Error::Write {
                path: path.to_path_buf(),
                source: reason(end.as_ref()),
            }),
        }
    }

    fn send(&self, text: String, room: Option<OwnedSemaphorePermit>) -> Result<(), Error> {
        let line = Line { text, _room: room };
        self.lines.send(line).map_err(|_| self.broken())
    }

    fn broken(&self) -> Error {
        Error::Write {
            path: self.path.to_path_buf(),
            source: reason(self.end.borrow().as_ref()),
        }
    }
}

fn reason(end: Option<&Result<(), Arc<io::Error>>>) -> Arc<io::Error> {
    match end {
        Some(Err(error)) => Arc::clone(error),
        _ => Arc::new(io::ErrorKind::BrokenPipe.into()),
    }
}

/// Writes lines until no sender is left.
fn keep(file: File, lines: &mut mpsc::UnboundedReceiver<Line>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(64 * 1024, file);
    loop {
        let line = match lines.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                // Nothing waits to be written, so what there is can be read already.
                file.flush()?;
                lines.blocking_recv()
            }
        };
        let Some(mut line) = line else { break };
        line.text.push('\n');
        file.write_all(line.text.as_bytes())?;
    }
    file.flush()?;
    match file.get_ref().sync_all() {
        // A pipe or a terminal has no disk to be on.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ledger.jsonl");
        (home, path)
    }

    #[tokio::test]
    async fn every_line_of_every_clone_is_there_in_its_order() {
        let (_home, path) = place();
        let ledger = Ledger::open(&path).unwrap();
        let writers = (0..4).map(|writer| {
            let ledger = ledger.clone();
            async move {
                for line in 0..500 {
                    ledger.write(format!("{writer} {line}")).await.unwrap();
                }
            }
        });
        futures_util::future::join_all(writers).await;
        ledger.finish().await.unwrap();

        let text = fs::read_to_string(&path).unwrap();
        for writer in ["0 ", "1 ", "2 ", "3 "] {
            let lines = text.lines().filter_map(|line| line.strip_prefix(writer));
            let expected: Vec<_> = (0..500).map(|line| line.to_string()).collect();
            assert_eq!(lines.collect::<Vec<_>>(), expected);
        }
    }

    #[tokio::test]
    async fn lines_longer_than_the_room_pass_one_by_one() {
        let (_home, path) = place();
        let ledger = Ledger::open(&path).unwrap();
        let long = "x".repeat(ROOM as usize + 1);
        for _ in 0..3 {
            ledger.write(long.clone()).await.unwrap();
        }
        ledger.write_now("short".into()).unwrap();
        ledger.finish().await.unwrap();
        let lengths: Vec<_> = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(str::len)
            .collect();
        assert_eq!(lengths, [long.len(), long.len(), long.len(), 5]);
    }

    #[tokio::test]
    async fn a_ledger_is_continued_and_is_its_owners_alone() {
        let (_home, path) = place();
        for line in ["one", "two"] {
            let ledger = Ledger::open(&path).unwrap();
            ledger.write(line.into()).await.unwrap();
            ledger.finish().await.unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_opened_is_named() {
        let (_home, path) = place();
        let error = Ledger::open(&path.join("below a file that is not there")).unwrap_err();
        assert!(error.to_string().starts_with("cannot open "), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_said_to_every_writer_and_holds_up_nobody() {
        let ledger = Ledger::open(Path::new("/dev/full")).unwrap();
        let line = "x".repeat(1024 * 1024);
        let mut failed = None;
        for _ in 0..100 {
            failed = ledger.write(line.clone()).await.err();
            if failed.is_some() {
                break;
            }
        }
        let Some(Error::Write { source, .. }) = failed else {
            panic!("{failed:?}")
        };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert!(ledger.finish().await.is_err());
    }
}
