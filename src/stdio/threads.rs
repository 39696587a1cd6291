//! The host's pipes on two threads with blocking I/O, for whatever stdin and stdout are.
//!
//! `tokio::io::stdin` and `stdout` would send every read and write through the blocking pool at several times the cost
//! (measured).

use std::io::{self, ErrorKind, Read, Write};
use std::thread;

use tokio::sync::mpsc;

use crate::stdio::lines::{self, Line, Lines};
use crate::stdio::progress::Progress;
use crate::stdio::written::{BUFFER, Unwritten, Written, note};

/// Reads lines to the end of the input, or until the loop has left.
pub(super) fn read(mut input: impl Read, mut lines: Lines, to: &mpsc::Sender<Line>) {
    let mut buffer = vec![0; lines::BUFFER];
    loop {
        let count = match input.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::warn!(%error, "stdin cannot be read; taken as its end");
                return;
            }
        };
        let mut bytes = buffer.get(..count).unwrap_or_default();
        while let Some(line) = lines.next(&mut bytes) {
            if to.blocking_send(line).is_err() {
                return;
            }
        }
        if count == 0 {
            if let Some(line) = lines.end() {
                let _ = to.blocking_send(line);
            }
            return;
        }
    }
}

/// Writes `begun` and then lines until all are written, or the reader has left.
pub(super) fn write(
    mut output: impl Write,
    begun: Vec<u8>,
    mut from: mpsc::Receiver<Written>,
    unwritten: &Unwritten,
) {
    let mut buffer = begun;
    let mut progress = Progress::default();
    let written = loop {
        // What is ready is written in one go.
        let next = match from.try_recv() {
            Ok(line) => line,
            Err(_) => {
                if let Err(error) = flush(&mut output, &mut buffer) {
                    break Err(error);
                }
                match from.blocking_recv() {
                    Some(line) => line,
                    None => break Ok(()),
                }
            }
        };
        if let Some(pause) = progress.pause_before(&next) {
            if let Err(error) = flush(&mut output, &mut buffer) {
                break Err(error);
            }
            thread::sleep(pause);
        }
        if let Err(error) = put(&next, &mut output, &mut buffer) {
            break Err(error);
        }
    };
    // Dropping the receiver tells the loop that the reader is gone.
    if let Err(error) = written {
        note(error, unwritten);
    }
}

fn put(line: &Written, output: &mut impl Write, buffer: &mut Vec<u8>) -> io::Result<()> {
    for part in line.parts() {
        if buffer.len() + part.len() > BUFFER {
            flush(output, buffer)?;
        }
        match part.len() >= BUFFER {
            true => output.write_all(part)?,
            false => buffer.extend_from_slice(part),
        }
    }
    Ok(())
}

fn flush(output: &mut impl Write, buffer: &mut Vec<u8>) -> io::Result<()> {
    if buffer.is_empty() {
        return Ok(());
    }
    output.write_all(buffer)?;
    buffer.clear();
    output.flush()
}

#[cfg(unix)]
pub(super) use patient::Patient;

#[cfg(unix)]
mod patient {
    use std::io::{self, Read, Write};
    use std::os::fd::AsFd;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::{Errno, read, write};

    /// A pipe that waits even where another process that holds it has asked it not to (`O_NONBLOCK`): hosts and shells do,
    /// and a read or write is then refused for now, which is neither an end nor a loss.
    #[derive(Debug)]
    pub(in crate::stdio) struct Patient<T>(pub(in crate::stdio) T);

    impl<T: AsFd> Read for Patient<T> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            once_ready(&self.0, PollFlags::IN, || read(&self.0, &mut *into))
        }
    }

    impl<T: AsFd> Write for Patient<T> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            once_ready(&self.0, PollFlags::OUT, || write(&self.0, bytes))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn once_ready(
        pipe: &impl AsFd,
        flags: PollFlags,
        mut does: impl FnMut() -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match does() {
                Err(Errno::AGAIN) => match poll(&mut [PollFd::new(pipe, flags)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                },
                done => return Ok(done?),
            }
        }
    }
}
