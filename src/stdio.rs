//! The host's pipes: one reader and one writer, and no other part of the program that touches stdin or stdout.
//!
//! They run on the runtime's thread where the system can read and write without waiting, and on two threads with blocking
//! I/O elsewhere; bounded channels lead to the loop either way. Knows lines and frames; not what they mean.
//!
//! MCP 2025-11-25, basic/transports, "stdio"; batches, MCP 2025-03-26, basic; JSON-RPC 2.0 sections 5.1 and 6.

mod lines; // bytes to messages
mod progress; // a pause before some responses
#[cfg(target_os = "linux")]
mod ready; // on the runtime's thread
mod threads; // on threads
mod written; // messages to bytes

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

pub use lines::Line;
use lines::Lines;
pub use written::{Unwritten, Written};

/// The number of lines that wait between a pipe and the loop. When the queue is full, the host's pipe makes it wait.
pub const QUEUE: usize = 64;

/// The two ends of the host's pipes, as the loop sees them.
#[derive(Debug)]
pub struct Host {
    /// The lines of the host. Ends at end of file or when reading fails.
    pub lines: mpsc::Receiver<Line>,
    /// The lines for the host. Closed when stdout has no reader any more.
    pub out: mpsc::Sender<Written>,
    /// The signal that every line has been written and flushed, after `out` is dropped.
    pub flushed: oneshot::Receiver<()>,
}

/// The other ends of a [`Host`]'s channels, for a host in this process.
///
/// Its holder reads `out` while the bridge runs and until it ends, for the bridge waits where the queue is full; tells a
/// response from a request of the server, whose id may be the same; and answers the server's requests.
#[derive(Debug)]
pub struct InProcess {
    /// The lines to the bridge. Dropping the sender ends the input, as the end of stdin does: from then on `--grace` bounds
    /// what is under way, and a request waits for a sign-in only where a user can be reached. While it is held, a request
    /// waits for a sign-in as a host's does, and `initialize` may be answered before the server has answered it.
    pub lines: mpsc::Sender<Line>,
    /// The lines from the bridge.
    pub out: mpsc::Receiver<Written>,
}

impl Host {
    /// Starts threads over any pair of pipes, such as a test's. A line over `limit` bytes is refused and skipped. The
    /// reading thread cannot be interrupted, only abandoned: it ends with its pipe.
    pub fn over(
        input: impl Read + Send + 'static,
        output: impl Write + Send + 'static,
        limit: usize,
    ) -> Self {
        let (host, ends) = Self::with_ends();
        start_threads(input, output, Lines::new(limit), ends, Unwritten::default());
        host
    }

    /// Reads and writes this process's stdin and stdout, as [`Host::over`] does. To be called in a runtime.
    pub fn of_this_process(limit: usize) -> (Self, Unwritten) {
        let unwritten = Unwritten::default();
        let (host, ends) = Self::with_ends();
        start(Lines::new(limit), ends, Arc::clone(&unwritten));
        (host, unwritten)
    }

    fn with_ends() -> (Self, Ends) {
        let (lines_in, lines) = mpsc::channel(QUEUE);
        let (out, out_from) = mpsc::channel(QUEUE);
        let (flushed_in, flushed) = oneshot::channel();
        let host = Self {
            lines,
            out,
            flushed,
        };
        let ends = Ends {
            lines: lines_in,
            out: out_from,
            flushed: flushed_in,
        };
        (host, ends)
    }

    /// Returns the same host, whose lines begin with these: lines that were read before, and are to be read again.
    #[must_use]
    pub fn again(self, first: Vec<Line>) -> Self {
        let (lines_in, lines) = mpsc::channel(QUEUE);
        let mut rest = self.lines;
        let passing = async move {
            for line in first {
                if lines_in.send(line).await.is_err() {
                    return;
                }
            }
            while let Some(line) = rest.recv().await {
                if lines_in.send(line).await.is_err() {
                    return;
                }
            }
        };
        TaskTracker::new().spawn(passing);
        Self { lines, ..self }
    }

    /// Makes a host without pipes and threads, with the ends that the code in its place holds. Nothing is to be flushed, so
    /// `flushed` resolves at once.
    pub fn in_process() -> (Self, InProcess) {
        let (host, Ends { lines, out, .. }) = Self::with_ends();
        (host, InProcess { lines, out })
    }
}

/// The ends of a [`Host`]'s channels that are the pipes'.
struct Ends {
    lines: mpsc::Sender<Line>,
    out: mpsc::Receiver<Written>,
    flushed: oneshot::Sender<()>,
}

#[cfg(target_os = "linux")]
fn start(lines: Lines, ends: Ends, unwritten: Unwritten) {
    ready::read(io::stdin(), lines, ends.lines);
    ready::write(io::stdout(), ends.out, unwritten, ends.flushed);
}

#[cfg(not(target_os = "linux"))]
fn start(lines: Lines, ends: Ends, unwritten: Unwritten) {
    #[cfg(unix)]
    let (input, output) = (
        threads::Patient(io::stdin()),
        threads::Patient(io::stdout()),
    );
    #[cfg(not(unix))]
    let (input, output) = (io::stdin(), io::stdout());
    start_threads(input, output, lines, ends, unwritten);
}

fn start_threads(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    lines: Lines,
    ends: Ends,
    unwritten: Unwritten,
) {
    thread::spawn(move || threads::read(input, lines, &ends.lines));
    thread::spawn(move || {
        threads::write(output, Vec::new(), ends.out, &unwritten);
        let _ = ends.flushed.send(());
    });
}

/// Says whether the reader of this process's stdout has left, as far as can be seen without writing: POSIX `poll` says
/// so of pipes, sockets and terminals.
#[cfg(unix)]
pub fn is_reader_gone() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    poll(&mut polled, Some(&now)).is_ok() && polled.iter().any(|it| it.revents().intersects(gone))
}

/// Returns false: this system cannot tell without writing.
#[cfg(not(unix))]
pub fn is_reader_gone() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_sent_is_written_line_by_line_before_flushed_resolves() {
        let page = Page::default();
        let host = Host::over(io::empty(), page.clone(), 100);
        let frame = Frame::notification("x", None);
        host.out.blocking_send(Written::One(frame.clone())).unwrap();
        host.out
            .blocking_send(Written::Batch(vec![frame.clone(), frame]))
            .unwrap();
        drop(host.out);
        host.flushed.blocking_recv().unwrap();
        let one = r#"{"jsonrpc":"2.0","method":"x"}"#;
        assert_eq!(
            String::from_utf8(page.0.lock().unwrap().clone()).unwrap(),
            format!("{one}\n[{one},{one}]\n")
        );
    }

    #[test]
    fn a_reader_that_left_closes_the_channel() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let host = Host::over(io::empty(), Broken, 100);
        host.out
            .blocking_send(Written::One(Frame::notification("x", None)))
            .unwrap();
        host.flushed.blocking_recv().unwrap();
        assert!(host.out.is_closed());
    }
}
