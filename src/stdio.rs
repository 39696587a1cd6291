//! The host's pipes: one reader and one writer, and no other part of the program that touches stdin or stdout.
//!
//! Two plain threads with blocking I/O and bounded channels: `tokio::io::stdin` and `stdout` would send every read and
//! write through the blocking pool at several times the cost (measured), and a pipe set to non-blocking mode is shared
//! with all processes that hold it. Knows lines and frames; not what they mean.
//!
//! MCP 2025-11-25, basic/transports, "stdio"; batches, MCP 2025-03-26, basic; JSON-RPC 2.0 sections 5.1 and 6.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::frame::{Frame, INVALID_REQUEST, Malformed, Parsed};

/// The number of lines that wait between a thread and the loop. When the queue is full, the host's pipe makes it wait.
pub const QUEUE: usize = 64;

/// The pause between a progress notification and a response right behind it. Hosts built on the TypeScript SDK handle a
/// response at once and a notification a turn later, so a response read in one go with the last progress makes them
/// drop the progress, whose request is closed by then.
const PROGRESS_FIRST: Duration = Duration::from_millis(5);

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

/// The reason why a line was not written, where its reader has not merely left: a full disk.
pub type Unwritten = Arc<OnceLock<io::Error>>;

/// A line of stdin, parsed.
pub type Line = Result<Parsed, Malformed>;

/// A line of stdout.
#[derive(Debug)]
pub enum Written {
    /// A message.
    One(Frame),
    /// The answers to a batch, as one array (MCP 2025-03-26 only, basic).
    Batch(Vec<Frame>),
}

impl Written {
    fn is_response(&self) -> bool {
        match self {
            Self::One(frame) => frame.is_response(),
            Self::Batch(_) => true,
        }
    }

    fn is_progress(&self) -> bool {
        matches!(self, Self::One(frame) if frame.method() == Some("notifications/progress"))
    }

    /// Returns the line, without its end.
    pub fn text(&self) -> String {
        match self {
            Self::One(frame) => frame.text().into(),
            Self::Batch(frames) => {
                let texts: Vec<_> = frames.iter().map(Frame::text).collect();
                format!("[{}]", texts.join(","))
            }
        }
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        match self {
            Self::One(frame) => write_frame(frame, to)?,
            Self::Batch(frames) => {
                for (at, frame) in frames.iter().enumerate() {
                    to.write_all(if at == 0 { b"[" } else { b"," })?;
                    write_frame(frame, to)?;
                }
                to.write_all(b"]")?;
            }
        }
        to.write_all(b"\n")
    }
}

fn write_frame(frame: &Frame, to: &mut impl Write) -> io::Result<()> {
    frame
        .pieces()
        .try_for_each(|piece| to.write_all(piece.as_bytes()))
}

impl Host {
    /// Starts the threads over any pair of pipes: the process's own, or a test's. A line over `limit` bytes is refused
    /// and skipped. The reading thread cannot be interrupted, only abandoned: it ends with its pipe.
    pub fn over(
        input: impl Read + Send + 'static,
        output: impl Write + Send + 'static,
        limit: usize,
    ) -> Self {
        Self::noting(input, output, limit, &Unwritten::default())
    }

    fn noting(
        input: impl Read + Send + 'static,
        output: impl Write + Send + 'static,
        limit: usize,
        unwritten: &Unwritten,
    ) -> Self {
        let unwritten = Arc::clone(unwritten);
        let (lines_in, lines) = mpsc::channel(QUEUE);
        let (out, out_from) = mpsc::channel(QUEUE);
        let (flushed_in, flushed) = oneshot::channel();
        thread::spawn(move || read(input, limit, &lines_in));
        thread::spawn(move || {
            write(output, out_from, &unwritten);
            let _ = flushed_in.send(());
        });
        Self {
            lines,
            out,
            flushed,
        }
    }

    /// Makes a host without pipes and threads, with the ends that the code in its place holds. Nothing is to be flushed, so
    /// `flushed` resolves at once.
    pub fn in_process() -> (Self, InProcess) {
        let (lines, lines_out) = mpsc::channel(QUEUE);
        let (out_in, out) = mpsc::channel(QUEUE);
        let (_, flushed) = oneshot::channel();
        let host = Self {
            lines: lines_out,
            out: out_in,
            flushed,
        };
        (host, InProcess { lines, out })
    }

    /// Starts the threads over this process's stdin and stdout.
    pub fn of_this_process(limit: usize) -> (Self, Unwritten) {
        let unwritten = Unwritten::default();
        let host = Self::noting(io::stdin(), io::stdout(), limit, &unwritten);
        (host, unwritten)
    }
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

fn read(input: impl Read, limit: usize, lines: &mpsc::Sender<Line>) {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    let mut line = Vec::new();
    let mut is_first = true;
    loop {
        line.clear();
        let length = match read_line(&mut input, &mut line, limit) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) => {
                tracing::warn!(%error, "stdin cannot be read; taken as its end");
                return;
            }
        };
        let text = if is_first {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line)
        } else {
            &line
        };
        is_first = false;
        let found = if length > limit {
            let reason = format!("a line of more than {limit} bytes (--max-message-size)");
            Err(Malformed {
                id: None,
                code: INVALID_REQUEST,
                reason,
            })
        } else if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        } else {
            match std::str::from_utf8(text) {
                Ok(text) => Parsed::read(text),
                Err(_) => Err(Malformed {
                    id: None,
                    code: crate::frame::PARSE_ERROR,
                    reason: "not UTF-8".into(),
                }),
            }
        };
        if lines.blocking_send(found).is_err() {
            return;
        }
        // One huge message must not cost its size for ever.
        if line.capacity() > 1024 * 1024 {
            line = Vec::new();
        }
    }
}

/// Reads to the next line feed or the end, keeping at most `limit` bytes. Returns the length of the line, line end included.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
    let mut length = 0;
    loop {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = chunk
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|at| at + 1);
        let taken = end.unwrap_or(chunk.len());
        length += taken;
        if length <= limit {
            line.extend_from_slice(chunk.get(..taken).unwrap_or_default());
        }
        input.consume(taken);
        if end.is_some() || taken == 0 {
            return Ok(length);
        }
    }
}

/// Writes lines until all are written, or the reader has left.
fn write(output: impl Write, mut frames: mpsc::Receiver<Written>, unwritten: &Unwritten) {
    let mut output = BufWriter::with_capacity(64 * 1024, output);
    let mut is_after_progress = false;
    while let Some(frame) = frames.blocking_recv() {
        let mut next = Some(frame);
        let written = loop {
            let Some(frame) = next else {
                break output.flush();
            };
            if is_after_progress && frame.is_response() {
                if let Err(error) = output.flush() {
                    break Err(error);
                }
                thread::sleep(PROGRESS_FIRST);
            }
            is_after_progress = frame.is_progress();
            if let Err(error) = frame.write(&mut output) {
                break Err(error);
            }
            next = frames.try_recv().ok();
        };
        if let Err(error) = written {
            // The reader is gone. Dropping the receiver tells the loop.
            tracing::info!(%error, "stdout is closed");
            // The buffer would write once more when dropped; its content has no reader.
            let _ = output.into_parts();
            if !matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) {
                let _ = unwritten.set(error);
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn lines_of(input: &'static [u8], limit: usize) -> Vec<Line> {
        let mut host = Host::over(input, io::sink(), limit);
        std::iter::from_fn(|| host.lines.blocking_recv()).collect()
    }

    #[test]
    fn blank_lines_carriage_returns_and_a_byte_order_mark_are_nothing() {
        let lines = lines_of(
            b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"method\":\"a\"}\r\n\n  \r\n{\"jsonrpc\":\"2.0\",\"method\":\"b\"}",
            1000,
        );
        let methods: Vec<_> = lines
            .iter()
            .map(|line| match line {
                Ok(Parsed::One(frame)) => frame.method().unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(methods, ["a", "b"]);
    }

    #[test]
    fn a_line_over_the_limit_is_refused_and_the_next_one_read() {
        let lines = lines_of(b"[xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n{\"jsonrpc\":\"2.0\",\"method\":\"b\"}\n", 40);
        assert_eq!(lines[0].as_ref().unwrap_err().code, INVALID_REQUEST);
        assert!(lines[1].is_ok());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_a_parse_error() {
        let lines = lines_of(b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}\n", 100);
        assert_eq!(
            lines[0].as_ref().unwrap_err().code,
            crate::frame::PARSE_ERROR
        );
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
