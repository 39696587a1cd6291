//! Files that the user names to be read: a secret, a certificate, headers.
//!
//! Such a file may be a pipe (`--header-file <(secret-tool …)`), so links and pipes are read. But nothing that it turns out
//! to be makes mcpipe hang at its start or fill the memory: a pipe that no program writes to, a device without an end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

/// The longest file that is read: the certificates of a whole system are a quarter of a mebibyte.
const LONGEST: u64 = 4 * 1024 * 1024;
/// For how long a program on the other end of a pipe may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// All that is in a file.
///
/// # Errors
/// It cannot be read, does not end within four mebibytes, or is a pipe that is not closed within half a minute.
pub fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    read_within(path, PATIENCE)
}

fn read_within(path: &Path, patience: Duration) -> io::Result<Zeroizing<Vec<u8>>> {
    // Asking for the kind does not open it. What is neither may hang as soon as it is opened.
    if std::fs::metadata(path)?.is_file() {
        return all_of(path);
    }
    let (done, waited) = mpsc::channel();
    let its_path = path.to_owned();
    thread::Builder::new().name("file".into()).spawn(move || {
        let _ = done.send(all_of(&its_path));
    })?;
    waited.recv_timeout(patience).unwrap_or_else(|_| {
        let words = "nothing wrote to this pipe and closed it within 30 seconds";
        Err(io::Error::new(io::ErrorKind::TimedOut, words))
    })
}

/// The same, as text.
///
/// # Errors
/// The same, and [`io::ErrorKind::InvalidData`] for what is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read(path)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not UTF-8 text",
        )),
    }
}

fn all_of(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LONGEST {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is longer than 4 MiB",
        )),
        false => Ok(bytes),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn pipe() -> (tempfile::TempDir, std::path::PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pipe");
        let made = crate::process::command("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        (home, path)
    }

    #[test]
    fn a_pipe_is_read_to_its_end_and_one_that_nothing_writes_to_is_given_up() {
        let (_home, path) = pipe();
        let writer = thread::spawn({
            let path = path.clone();
            move || std::fs::write(path, "words").unwrap()
        });
        assert_eq!(read_text(&path).unwrap(), "words");
        writer.join().unwrap();
        let error = read_within(&path, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // The thread that waits is let go.
        std::fs::write(path, "").unwrap();
    }

    #[test]
    fn what_has_no_end_is_not_read_for_ever() {
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
