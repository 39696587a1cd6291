//! The host's pipes on the runtime's own thread, where the system can read and write them without ever waiting.
//!
//! A thread of their own costs each message two thread switches. `RWF_NOWAIT` makes one read or write fail instead of
//! waiting, whatever other process uses the same pipe, and leaves the pipe's own mode alone: `O_NONBLOCK` would be shared with all
//! processes that hold it. Linux knows the flag for sockets and, since 6.4, for pipes; terminals, files and older
//! systems get the threads.
//!
//! preadv2(2), pwritev2(2), epoll(7).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::time;

use crate::stdio::lines::{self, Line, Lines};
use crate::stdio::progress::Progress;
use crate::stdio::threads::{self, Patient};
use crate::stdio::written::{BUFFER, Unwritten, Written, note};

/// The place to read and write at: pipes and sockets have none.
const HERE: u64 = u64::MAX;
/// The number of bytes that are read at once until a read fills them.
const FIRST_BUFFER: usize = 4 * 1024;
/// The number of bytes that are written at once at most, so that one long line does not keep the thread from all else.
const PIECE: usize = 1024 * 1024;

/// Stdin, stdout, or one end of a test's pipe.
pub(super) trait Pipe: AsFd + AsRawFd + Send + Sync + 'static {}
impl<T: AsFd + AsRawFd + Send + Sync + 'static> Pipe for T {}

/// Reads lines to the end of the input, or until the loop has left.
pub(super) fn read<T: Pipe>(input: T, mut lines: Lines, to: mpsc::Sender<Line>) {
    let on_a_thread = |input, lines, to: mpsc::Sender<Line>| {
        thread::spawn(move || threads::read(Patient(input), lines, &to));
    };
    let watched = match watched(input, Interest::READABLE) {
        Ok(watched) => watched,
        Err(input) => return on_a_thread(input, lines, to),
    };
    spawn(async move {
        match read_when_ready(&watched, &mut lines, &to).await {
            Ok(()) => {}
            Err(error) if is_unknown_flag(&error) => on_a_thread(watched.into_inner(), lines, to),
            Err(error) => tracing::warn!(%error, "stdin cannot be read; taken as its end"),
        }
    });
}

async fn read_when_ready<T: Pipe>(
    input: &AsyncFd<T>,
    lines: &mut Lines,
    to: &mpsc::Sender<Line>,
) -> io::Result<()> {
    let is_stream = is_stream(input.get_ref());
    // Most hosts never fill the first one. What does not fit of a packet is lost.
    let size = if is_stream {
        FIRST_BUFFER
    } else {
        lines::BUFFER
    };
    let mut buffer = vec![0; size];
    loop {
        let mut ready = input.readable().await?;
        let into = &mut [IoSliceMut::new(&mut buffer)];
        let count = match preadv2(input.get_ref(), into, HERE, ReadWriteFlags::NOWAIT) {
            Ok(count) => count,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => {
                ready.clear_ready();
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if is_stream && count < buffer.len() {
            // All that was there has been read (epoll(7), "Questions and answers", 9); the end is told by itself.
            ready.clear_ready();
        }
        let mut bytes = buffer.get(..count).unwrap_or_default();
        while let Some(line) = lines.next(&mut bytes) {
            if to.send(line).await.is_err() {
                return Ok(());
            }
        }
        if count == 0 {
            if let Some(line) = lines.end() {
                let _ = to.send(line).await;
            }
            return Ok(());
        }
        if count == buffer.len() {
            buffer.resize(lines::BUFFER, 0);
        }
    }
}

/// Says whether a read that does not fill its buffer has read all there is. One read of a socket may bring one packet, or
/// what one peer has sent (unix(7), `SOCK_SEQPACKET` and `SO_PASSCRED`); so does a pipe in packet mode (pipe(2),
/// `O_DIRECT`). These are read until they say that nothing is there.
fn is_stream(input: &impl Pipe) -> bool {
    let is_pipe = fstat(input).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_fifo());
    is_pipe && fcntl_getfl(input).is_ok_and(|flags| !flags.contains(OFlags::DIRECT))
}

/// Writes lines until all are written, or the reader has left; then says so to `end`.
pub(super) fn write<T: Pipe>(
    output: T,
    mut from: mpsc::Receiver<Written>,
    unwritten: Unwritten,
    end: oneshot::Sender<()>,
) {
    let output = match watched(output, Interest::WRITABLE) {
        Ok(output) => output,
        Err(output) => return write_on_a_thread(output, Vec::new(), from, unwritten, end),
    };
    spawn(async move {
        let mut writer = Writer {
            output,
            buffer: Vec::new(),
            has_written: false,
        };
        match writer.write_all_of(&mut from).await {
            Ok(()) => {}
            Err(error) if !writer.has_written && is_unknown_flag(&error) => {
                let Writer { output, buffer, .. } = writer;
                return write_on_a_thread(output.into_inner(), buffer, from, unwritten, end);
            }
            Err(error) => note(error, &unwritten),
        }
        // The loop learns from it that the reader is gone.
        drop(from);
        let _ = end.send(());
    });
}

fn write_on_a_thread<T: Pipe>(
    output: T,
    begun: Vec<u8>,
    from: mpsc::Receiver<Written>,
    unwritten: Unwritten,
    end: oneshot::Sender<()>,
) {
    thread::spawn(move || {
        threads::write(Patient(output), begun, from, &unwritten);
        let _ = end.send(());
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bridge waits for the end of the writing by its signal; the reading ends with the loop"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Has the runtime watch a pipe; gives it back if it is none that can be watched, as files are.
#[expect(
    deprecated,
    reason = "tokio warns of descriptors that are closed meanwhile; an owner of one keeps it open"
)]
fn watched<T: Pipe>(pipe: T, interest: Interest) -> Result<AsyncFd<T>, T> {
    AsyncFd::try_with_interest(pipe, interest).map_err(|error| error.into_parts().0)
}

struct Writer<T: Pipe> {
    output: AsyncFd<T>,
    /// Lines that are written in one go.
    buffer: Vec<u8>,
    /// True once it is known that this output can be written without waiting. Until then all goes through the buffer,
    /// which a thread can take over.
    has_written: bool,
}

impl<T: Pipe> Writer<T> {
    async fn write_all_of(&mut self, from: &mut mpsc::Receiver<Written>) -> io::Result<()> {
        let mut progress = Progress::default();
        loop {
            let line = match from.try_recv() {
                Ok(line) => line,
                Err(_) => {
                    self.flush().await?;
                    match from.recv().await {
                        Some(line) => line,
                        None => return Ok(()),
                    }
                }
            };
            if let Some(pause) = progress.pause_before(&line) {
                self.flush().await?;
                time::sleep(pause).await;
            }
            self.put(&line).await?;
        }
    }

    async fn put(&mut self, line: &Written) -> io::Result<()> {
        for part in line.parts() {
            if self.has_written && self.buffer.len() + part.len() > BUFFER {
                self.flush().await?;
            }
            if self.has_written && part.len() >= BUFFER {
                self.write(part).await?;
            } else {
                self.buffer.extend_from_slice(part);
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        let mut buffer = mem::take(&mut self.buffer);
        let written = self.write(&buffer).await;
        if written.is_err() && !self.has_written {
            self.buffer = buffer;
        } else if buffer.capacity() <= 2 * BUFFER {
            buffer.clear();
            self.buffer = buffer;
        }
        written
    }

    async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut ready = self.output.writable().await?;
            let piece = &[IoSlice::new(bytes.get(..PIECE).unwrap_or(bytes))];
            match pwritev2(self.output.get_ref(), piece, HERE, ReadWriteFlags::NOWAIT) {
                Ok(count) => {
                    self.has_written = true;
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Says whether the system does not know `RWF_NOWAIT` for what this is.
fn is_unknown_flag(error: &io::Error) -> bool {
    let unknown = [Errno::OPNOTSUPP, Errno::NOSYS, Errno::SPIPE, Errno::INVAL];
    Errno::from_io_error(error).is_some_and(|errno| unknown.contains(&errno))
}

#[cfg(test)]
mod tests;
