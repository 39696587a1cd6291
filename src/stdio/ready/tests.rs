use std::io::{Read as _, Write as _, pipe};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use proptest::prelude::{prop_assert_eq, proptest};
use rustix::fs::fcntl_setfl;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::*;
use crate::frame::Frame;
use crate::stdio::QUEUE;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn message(method: &str) -> Written {
    Written::One(Frame::notification(method, None))
}

/// Reads all lines of this input.
async fn lines(input: impl Pipe) -> Vec<String> {
    let (to, mut from) = mpsc::channel(QUEUE);
    read(input, Lines::new(1 << 24), to);
    let mut found = Vec::new();
    while let Some(line) = from.recv().await {
        found.push(format!("{line:?}"));
    }
    found
}

/// Writes these lines. Returns when all are written, or the reader has left.
async fn written(output: impl Pipe, lines: Vec<Written>) -> Unwritten {
    let (to, from) = mpsc::channel(QUEUE);
    let (end, ended) = oneshot::channel();
    let unwritten = Unwritten::default();
    write(output, from, unwritten.clone(), end);
    for line in lines {
        if to.send(line).await.is_err() {
            break;
        }
    }
    drop(to);
    ended.await.unwrap();
    unwritten
}

const TWO: &[u8] =
    b"{\"jsonrpc\":\"2.0\",\"method\":\"a\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"b\"}\n";

#[test]
fn a_pipe_is_read_to_its_end_however_slowly_it_is_written() {
    let (input, mut output) = pipe().unwrap();
    let slow = thread::spawn(move || {
        for byte in TWO {
            output.write_all(&[*byte]).unwrap();
            thread::yield_now();
        }
    });
    let found = runtime().block_on(lines(input));
    slow.join().unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_socket_whose_peer_is_done_is_read_to_its_end() {
    let (input, mut output) = UnixStream::pair().unwrap();
    output.write_all(TWO).unwrap();
    output.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(runtime().block_on(lines(input)).len(), 2);
}

/// Reads as many lines as there are in [`TWO`] from an input that is not at its end.
fn two_lines(input: impl Pipe) {
    let found = runtime().block_on(async {
        let (to, mut from) = mpsc::channel(QUEUE);
        read(input, Lines::new(1 << 24), to);
        let two = async { (from.recv().await, from.recv().await) };
        time::timeout(Duration::from_secs(20), two).await
    });
    assert!(
        matches!(found, Ok((Some(_), Some(_)))),
        "a line waits until the next one comes: {found:?}"
    );
}

#[test]
fn packets_that_wait_in_a_socket_are_all_read() {
    let (input, output) = UnixDatagram::pair().unwrap();
    for line in TWO.split_inclusive(|byte| *byte == b'\n') {
        let packet = [vec![b' '; lines::BUFFER - line.len()], line.to_vec()].concat();
        output.send(&packet).unwrap();
    }
    two_lines(input);
}

#[test]
fn packets_that_wait_in_a_pipe_are_all_read() {
    let (input, mut output) = pipe().unwrap();
    for end in [input.as_fd(), output.as_fd()] {
        let flags = fcntl_getfl(end).unwrap();
        fcntl_setfl(end, flags | OFlags::DIRECT).unwrap();
    }
    for line in TWO.split_inclusive(|byte| *byte == b'\n') {
        output.write_all(line).unwrap();
    }
    two_lines(input);
}

#[test]
fn a_file_is_read_on_a_thread() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(TWO).unwrap();
    io::Seek::rewind(&mut file).unwrap();
    assert_eq!(runtime().block_on(lines(file)).len(), 2);
}

#[test]
fn a_terminal_is_read_and_written_on_threads() {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let open = || {
        let options = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap());
        options.unwrap()
    };
    let terminal = open();
    let mut settings = tcgetattr(&terminal).unwrap();
    settings.make_raw();
    tcsetattr(&terminal, OptionalActions::Now, &settings).unwrap();
    let mut controller = std::fs::File::from(controller);
    controller.write_all(TWO).unwrap();
    runtime().block_on(async {
        let (to, mut from) = mpsc::channel(QUEUE);
        read(open(), Lines::new(1000), to);
        assert!(matches!(from.recv().await, Some(Ok(_))));
        assert!(matches!(from.recv().await, Some(Ok(_))));
        written(terminal, vec![message("a"), message("b")]).await;
    });
    let mut echoed = vec![0; TWO.len()];
    controller.read_exact(&mut echoed).unwrap();
    assert_eq!(echoed, TWO);
}

#[test]
fn lines_of_every_size_arrive_whole_and_in_order_at_a_reader_that_takes_its_time() {
    let sizes = [
        1,
        BUFFER - 1,
        BUFFER,
        3,
        BUFFER + 1,
        5 * BUFFER,
        2,
        3 << 20,
        1,
    ];
    let sent: Vec<_> = sizes
        .iter()
        .map(|size| message(&"x".repeat(*size)))
        .collect();
    let wanted: String = sent.iter().map(|line| line.text() + "\n").collect();
    let (mut input, output) = pipe().unwrap();
    let slow = thread::spawn(move || {
        let (mut read, mut piece) = (Vec::new(), [0; 10_000]);
        loop {
            thread::sleep(Duration::from_micros(10));
            match input.read(&mut piece).unwrap() {
                0 => return read,
                count => read.extend_from_slice(&piece[..count]),
            }
        }
    });
    runtime().block_on(written(output, sent));
    assert!(slow.join().unwrap() == wanted.as_bytes());
}

#[test]
fn a_reader_that_left_ends_the_writing_and_is_no_fault() {
    let (input, output) = pipe().unwrap();
    drop(input);
    let unwritten = runtime().block_on(written(output, vec![message("a"), message("b")]));
    assert!(unwritten.get().is_none());
}

#[test]
fn a_full_disk_is_a_fault() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let unwritten = runtime().block_on(written(full, vec![message("a")]));
    assert!(unwritten.get().is_some());
}

#[test]
fn a_pipe_in_non_blocking_mode_loses_nothing() {
    let (mut input, output) = pipe().unwrap();
    fcntl_setfl(&output, fcntl_getfl(&output).unwrap() | OFlags::NONBLOCK).unwrap();
    // As where the system does not know the flag.
    let mut output = Patient(output);
    let sent = thread::spawn(move || output.write_all(&[7; 300_000]).map(|()| output));
    thread::sleep(Duration::from_millis(20));
    let mut read = vec![0; 300_000];
    input.read_exact(&mut read).unwrap();
    let output = sent.join().unwrap().unwrap();
    assert!(read.iter().all(|byte| *byte == 7));
    fcntl_setfl(&input, fcntl_getfl(&input).unwrap() | OFlags::NONBLOCK).unwrap();
    let waiting = thread::spawn(move || {
        let mut read = [0; 3];
        Patient(input).read_exact(&mut read).map(|()| read)
    });
    thread::sleep(Duration::from_millis(20));
    (&output.0).write_all(b"end").unwrap();
    assert_eq!(waiting.join().unwrap().unwrap(), *b"end");
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(32))]

    #[test]
    fn what_is_sent_is_what_is_read(sizes in proptest::collection::vec(0_usize..200_000, 1..12)) {
        let sent: Vec<_> = sizes.iter().map(|size| message(&"x".repeat(*size))).collect();
        let wanted: String = sent.iter().map(|line| line.text() + "\n").collect();
        let (input, output) = pipe().unwrap();
        let found = runtime().block_on(async {
            let (_, found) = tokio::join!(written(output, sent), lines(input));
            found
        });
        let wanted: Vec<_> = wanted
            .lines()
            .map(|line| format!("{:?}", Ok::<_, crate::frame::Malformed>(crate::frame::Parsed::read(line).unwrap())))
            .collect();
        prop_assert_eq!(found, wanted);
    }
}
