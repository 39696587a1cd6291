//! Text for stderr or a file, written by a thread of its own where nothing may wait for its reader.
//!
//! A host may leave the pipe of stderr unread, and a disk may hang. So the text waits in a bounded queue; lines that
//! find no room are dropped and counted, and the count is written in their place as soon as something is read again.
//! `tracing-appender` has such a thread, but keeps its count to itself and prints to stdout when its queue is full at
//! the end, and stdout belongs to the host.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::secret::live;

/// The limit of the text that waits to be written, in bytes.
const ROOM: usize = 256 * 1024;

/// The time for which a pipe that another process has made non-blocking is left alone when it is full.
const PAUSE: Duration = Duration::from_millis(20);

/// Words for lines that were dropped, given their number.
pub(super) type Lost = fn(u64) -> String;

/// A stderr or file to write text to. Clones write to the same one, in the order of the calls.
#[derive(Clone, Debug)]
pub struct Output(Kind);

#[derive(Clone)]
enum Kind {
    /// A writer that a call uses before it returns.
    Direct(Arc<Mutex<dyn Write + Send>>),
    /// A queue that a thread writes from.
    Queued(Arc<Queue>),
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    lost: Lost,
    /// Held by the thread, once there is one.
    to: Mutex<Box<dyn Write + Send>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    /// Bytes of `waiting`.
    size: usize,
    /// Lines that found no room, or could not be written, and that the log does not tell of yet.
    dropped: u64,
    is_writing: bool,
    /// True once the thread has been started.
    has_thread: bool,
    /// True after a failed write: the count waits for the next text, or the two would take turns for ever.
    is_failing: bool,
}

struct Item {
    text: Vec<u8>,
    /// The number of lines that are lost if the text cannot be written.
    lines: u64,
}

impl Output {
    /// Writes before each call returns: for a command, whose user reads its text.
    pub fn direct(to: impl Write + Send + 'static) -> Self {
        Self(Kind::Direct(Arc::new(Mutex::new(to))))
    }

    /// Writes with a thread: no call waits, unless the system has no thread to give. The thread starts with the first
    /// text; most bridges never have one. `lost` says how many lines were dropped.
    pub(super) fn queued(to: impl Write + Send + 'static, lost: Lost) -> Self {
        Self(Kind::Queued(Arc::new(Queue {
            state: Mutex::default(),
            changed: Condvar::new(),
            lost,
            to: Mutex::new(Box::new(to)),
        })))
    }

    /// Says whether calls return before the text is written.
    pub fn is_queued(&self) -> bool {
        matches!(self.0, Kind::Queued(_))
    }

    /// Writes a line of the log, or drops it where there is no room.
    pub(super) fn line(&self, text: &[u8]) {
        match &self.0 {
            Kind::Direct(to) => write_now(&**to, text),
            Kind::Queued(queue) => queue.line(text),
        }
    }

    /// Writes text that the user has to see, whatever room there is; for short texts only. Removes known secrets, which
    /// a server's own words may hold.
    pub fn say(&self, text: &str) {
        let text = live::without(text);
        match &self.0 {
            Kind::Direct(to) => write_now(&**to, text.as_bytes()),
            Kind::Queued(queue) => queue.push(&mut queue.state(), text.as_bytes(), 1),
        }
    }

    /// Waits until everything is written, for `patience` at most.
    pub fn drain(&self, patience: Duration) {
        if let Kind::Queued(queue) = &self.0 {
            let _ = queue
                .changed
                .wait_timeout_while(queue.state(), patience, |state| !state.is_done());
        }
    }
}

/// Writes at once. A reader that has left is no reason to stop.
fn write_now<W: Write + ?Sized>(to: &Mutex<W>, text: &[u8]) {
    // A poisoned lock means that another thread panicked while writing; the log goes on.
    let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = to.write_all(text).and_then(|()| to.flush());
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(self: &Arc<Self>, text: &[u8]) {
        let mut state = self.state();
        if state.size + text.len() > ROOM && !state.waiting.is_empty() {
            state.dropped += 1;
            return;
        }
        if state.dropped > 0 {
            let lines = std::mem::take(&mut state.dropped);
            self.push(&mut state, (self.lost)(lines).as_bytes(), lines);
        }
        self.push(&mut state, text, 1);
    }

    fn push(self: &Arc<Self>, state: &mut State, text: &[u8], lines: u64) {
        if !state.has_thread {
            state.has_thread = self.start().is_ok();
        }
        if !state.has_thread {
            write_now(&self.to, text);
            return;
        }
        state.size += text.len();
        state.waiting.push_back(Item {
            text: text.to_vec(),
            lines,
        });
        self.changed.notify_all();
    }

    fn start(self: &Arc<Self>) -> io::Result<()> {
        let queue = Arc::clone(self);
        thread::Builder::new()
            .name("log".into())
            .spawn(move || queue.write_all())
            .map(drop)
    }

    /// Writes all texts as they come, until the process ends: the life of the thread.
    fn write_all(&self) {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let item = self.next();
            let written = write_patiently(&mut *to, &item.text);
            let mut state = self.state();
            state.is_writing = false;
            state.is_failing = written.is_err();
            if written.is_err() {
                state.dropped += item.lines;
            }
            self.changed.notify_all();
        }
    }

    /// Waits for the next text to write.
    fn next(&self) -> Item {
        let waited = self.changed.wait_while(self.state(), |state| {
            state.waiting.is_empty() && !state.owes_a_count()
        });
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        match state.waiting.pop_front() {
            Some(item) => {
                state.size -= item.text.len();
                item
            }
            None => {
                let lines = std::mem::take(&mut state.dropped);
                let text = (self.lost)(lines).into_bytes();
                Item { text, lines }
            }
        }
    }
}

impl State {
    fn owes_a_count(&self) -> bool {
        self.dropped > 0 && !self.is_failing
    }

    fn is_done(&self) -> bool {
        self.waiting.is_empty() && !self.is_writing && !self.owes_a_count()
    }
}

fn write_patiently(to: &mut dyn Write, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match to.write(text) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => text = text.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    to.flush()
}

impl fmt::Debug for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Direct(_) => "Direct",
            Self::Queued(_) => "Queued",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A pipe that takes nothing until a test reads it.
    struct Pipe {
        may_write: mpsc::Receiver<io::Result<()>>,
        read: mpsc::Sender<String>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.may_write.recv().unwrap_or(Ok(()))?;
            let _ = self.read.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe() -> (Output, mpsc::Sender<io::Result<()>>, mpsc::Receiver<String>) {
        let (let_write, may_write) = mpsc::channel();
        let (read, reader) = mpsc::channel();
        let lost = |lines| format!("lost {lines}\n");
        let output = Output::queued(Pipe { may_write, read }, lost);
        (output, let_write, reader)
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told_once_there_is_a_reader() {
        let (output, let_write, reader) = pipe();
        let line = "x".repeat(ROOM / 4);
        for _ in 0..50 {
            output.line(line.as_bytes());
        }
        output.say("the user has to see this\n");
        output.drain(Duration::from_millis(20));
        // From here on the test reads everything.
        drop(let_write);
        output.drain(Duration::from_secs(60));
        let read: Vec<_> = reader.try_iter().collect();
        let lines = read.iter().filter(|text| **text == line).count() as u64;
        assert!((4..=6).contains(&lines), "{lines}");
        assert!(read.contains(&"the user has to see this\n".to_owned()));
        assert_eq!(read.last().unwrap(), &format!("lost {}\n", 50 - lines));
    }

    #[test]
    fn what_cannot_be_written_is_counted_too_and_told_when_it_can() {
        let (output, let_write, reader) = pipe();
        for _ in 0..3 {
            let full = Err(io::ErrorKind::StorageFull.into());
            let_write.send(full).unwrap();
        }
        drop(let_write);
        // One line that fails; then its count and a second line, which fail too.
        for line in [b"a\n", b"a\n", b"b\n"] {
            output.line(line);
            output.drain(Duration::from_secs(60));
        }
        let read: Vec<_> = reader.try_iter().collect();
        assert_eq!(read, ["lost 2\n", "b\n"]);
    }

    #[test]
    fn what_the_user_has_to_see_repeats_no_secret() {
        live::note("a-token-that-was-sent");
        let (output, let_write, reader) = pipe();
        drop(let_write);
        output.say("the server says: a-token-that-was-sent\n");
        output.drain(Duration::from_secs(60));
        assert_eq!(
            reader.try_iter().collect::<Vec<_>>(),
            ["the server says: (redacted)\n"]
        );
    }

    #[test]
    fn the_thread_starts_with_the_first_text() {
        let (output, let_write, _reader) = pipe();
        drop(let_write);
        let Kind::Queued(queue) = &output.0 else {
            panic!("this output has a queue");
        };
        output.drain(Duration::from_secs(60));
        assert_eq!(Arc::strong_count(queue), 1);
        output.line(b"a\n");
        output.drain(Duration::from_secs(60));
        assert_eq!(Arc::strong_count(queue), 2);
    }

    #[test]
    fn a_full_pipe_that_does_not_block_is_waited_for() {
        let (output, let_write, reader) = pipe();
        let_write
            .send(Err(io::ErrorKind::WouldBlock.into()))
            .unwrap();
        let_write
            .send(Err(io::ErrorKind::Interrupted.into()))
            .unwrap();
        drop(let_write);
        output.line(b"a\n");
        output.drain(Duration::from_secs(60));
        assert_eq!(reader.try_iter().collect::<Vec<_>>(), ["a\n"]);
    }
}
