//! An audit file on the disk: one batch of lines at a time, by several processes, in one chain.
//!
//! Beside `FILE` stand `FILE.lock`, which a process locks while it writes a batch, and `FILE.head`, the [`Head`]. A batch is
//! written, brought to the disk, and named by the head, in this order. So a file that ends before its head was cut, and is
//! not continued; lines behind the head are of a process that was ended before it wrote the head, and half a line there is
//! named by a `recovered` line. A file that has grown too long is renamed to `FILE.1`, `FILE.2` and so on, which nothing
//! here ever renames again or removes, and the chain goes on in a new one; it also does where another program took the file
//! away or emptied it.
//!
//! Every file is opened anew for each batch: another process, or another program, may have renamed it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::audit::chain::{CREATED, ChainId, Hash, Link, RECOVERED, ROTATED};
use crate::audit::error::Error;
use crate::audit::head::{self, Head};
use crate::audit::time::Timestamp;
use crate::audit::verify::{Rest, scan_behind};
use crate::clock::{Clock, milliseconds};
use crate::random;
use crate::store::files;

/// The files of one chain, which this process adds lines to.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    /// The length from which on a new file is begun, in bytes.
    max_size: u64,
    clock: Clock,
    /// The end of the chain when this process wrote last: the chain never ends before it again.
    last: Option<(ChainId, Link)>,
}

/// The outcome of a batch.
#[derive(Debug)]
pub(super) struct Appended {
    /// The number of contents that are in the file now, from the first on; all of them where there is no error.
    pub(super) written: usize,
    pub(super) error: Option<Error>,
}

impl AuditFile {
    pub(super) fn new(path: &Path, max_size: u64, clock: Clock) -> Self {
        Self {
            path: path.into(),
            max_size,
            clock,
            last: None,
        }
    }

    /// Adds a line for each content ([`Link::seal`]), and returns when they are on the disk. Waits for the lock of another
    /// process, for `patience` at most; without one as long as it takes.
    pub(super) fn append(&mut self, contents: &[&str], patience: Option<Duration>) -> Appended {
        let failed = |error| Appended {
            written: 0,
            error: Some(error),
        };
        let _lock = match self.lock(patience) {
            Ok(lock) => lock,
            Err(error) => return failed(error),
        };
        let size: usize = contents.iter().map(|content| content.len() + 256).sum();
        let open = Open::new(self).and_then(|open| open.with_room_for(self, size));
        match open {
            Ok(open) => open.append(self, contents),
            Err(error) => failed(error),
        }
    }

    fn lock(&self, patience: Option<Duration>) -> Result<File, Error> {
        const PAUSE: Duration = Duration::from_millis(5);
        let path = beside(&self.path, "lock");
        let file = files::open_or_create(&path, false)?;
        let Some(mut patience) = patience else {
            file.lock().map_err(Error::io("lock", &path))?;
            return Ok(file);
        };
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) if patience.is_zero() => {
                    return Err(Error::Locked(path));
                }
                Err(fs::TryLockError::WouldBlock) => {
                    thread::sleep(PAUSE);
                    patience = patience.saturating_sub(PAUSE);
                }
                Err(fs::TryLockError::Error(error)) => {
                    return Err(Error::io("lock", &path)(error));
                }
            }
        }
    }

    fn content(&self, event: &str, more: &str) -> String {
        let time = Timestamp(milliseconds(self.clock.now()));
        format!(r#""time":"{time}","event":"{event}"{more}"#)
    }

    /// Returns the rotated files, the newest first.
    fn rotated(&self) -> Vec<(u64, PathBuf)> {
        let (Some(directory), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Vec::new();
        };
        let directory = match directory.as_os_str().is_empty() {
            true => Path::new("."),
            false => directory,
        };
        let number = |found: &std::ffi::OsStr| {
            let found = found.as_encoded_bytes();
            let rest = found.strip_prefix(name.as_encoded_bytes())?;
            let digits = std::str::from_utf8(rest.strip_prefix(b".")?).ok()?;
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| is_number)
        };
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let found = entries.filter_map(|entry| Some((number(&entry.file_name())?, entry.path())));
        let mut found: Vec<(u64, PathBuf)> = found.collect();
        found.sort_by(|a, b| b.cmp(a));
        found
    }

    /// Returns the rotated file that goes as far as a head says, and the end of the chain in it.
    fn continued_from(&self, head: &Head) -> Option<(String, Link)> {
        // Another program may have put a file between; further back there is no sense in looking.
        const NEWEST: usize = 8;
        for (_, path) in self.rotated().into_iter().take(NEWEST) {
            let Ok(mut file) = File::open(&path) else {
                continue;
            };
            let Ok(length) = file.metadata().map(|it| it.len()) else {
                continue;
            };
            let name = path.file_name()?.to_string_lossy().into_owned();
            if ends_with(&mut file, length, head.link.hash).is_ok_and(|is_it| is_it) {
                return Some((name, head.link));
            }
            if head.length > 0
                && ends_with(&mut file, head.length, head.link.hash).is_ok_and(|is_it| is_it)
                && file.seek(SeekFrom::Start(head.length)).is_ok()
            {
                let mut rest = BufReader::new(file);
                let scan = scan_behind(&mut rest, head.chain, head.link, head.length).ok()?;
                return Some((name, scan.last.unwrap_or(head.link)));
            }
        }
        None
    }
}

/// The files of a chain, open and locked.
struct Open {
    file: File,
    head: File,
    chain: ChainId,
    /// The end of the chain.
    link: Link,
    /// The length of the file, in bytes.
    length: u64,
    /// The text that has to come before the next lines.
    text: String,
}

impl Open {
    /// Opens the files, and finds the end of the chain.
    fn new(audit: &AuditFile) -> Result<Self, Error> {
        let path = &audit.path;
        let head_path = beside(path, "head");
        let file = files::open_to_continue(path)?;
        let length = file.metadata().map_err(Error::io("look at", path))?.len();
        if length > 0 && !head_path.exists() {
            return Err(Error::NoHead(path.clone()));
        }
        let mut head_file = files::open_or_create(&head_path, false)?;
        let mut text = String::new();
        let limit = u64::try_from(head::LENGTH).unwrap_or(u64::MAX);
        let read = (&mut head_file).take(limit).read_to_string(&mut text);
        read.map_err(Error::io("read", &head_path))?;
        let head = match Head::parse(&text) {
            Some(head) => head,
            None if text.is_empty() && length == 0 => new_chain(path, &mut head_file)?,
            None => return Err(Error::Head(head_path)),
        };
        let mut open = Self {
            file,
            head: head_file,
            chain: head.chain,
            link: head.link,
            length,
            text: String::new(),
        };
        if length == 0 && head.link.seq > 0 {
            open.begin_file(audit, &head)?;
        } else {
            open.find_end(audit, &head)?;
        }
        if let Some((chain, last)) = audit.last
            && chain == open.chain
            && open.link.seq < last.seq
        {
            return Err(Error::Altered {
                path: path.clone(),
                seq: last.seq,
            });
        }
        if open.link.seq == 0 {
            let after = audit.last.map(|(chain, last)| {
                format!(
                    r#","after":{{"chain":"{chain}","seq":{},"hash":"{}"}}"#,
                    last.seq, last.hash
                )
            });
            let content = audit.content(CREATED, &after.unwrap_or_default());
            open.link.seal(open.chain, &content, &mut open.text);
        }
        Ok(open)
    }

    /// Goes on in an empty file: mcpipe has renamed the one before, or another program has taken it away or emptied it.
    fn begin_file(&mut self, audit: &AuditFile, head: &Head) -> Result<(), Error> {
        let from = audit.continued_from(head);
        self.link = from.as_ref().map_or(head.link, |(_, link)| *link);
        if head.length > 0 {
            // From here on the file is no longer one that was cut.
            self.write_head(audit, 0)?;
            self.sync_head(audit)?;
        }
        let content = audit.content(ROTATED, &from_member(from.map(|(name, _)| name)));
        self.link.seal(self.chain, &content, &mut self.text);
        Ok(())
    }

    /// Finds the end of the chain at or behind the place that the head names.
    fn find_end(&mut self, audit: &AuditFile, head: &Head) -> Result<(), Error> {
        let path = &audit.path;
        let read = |error| Error::io("read", path)(error);
        let is_there = head.length <= self.length
            && (head.length == 0
                || ends_with(&mut self.file, head.length, head.link.hash).map_err(read)?);
        if !is_there {
            return Err(Error::Altered {
                path: path.clone(),
                seq: head.link.seq,
            });
        }
        if self.length == head.length {
            return Ok(());
        }
        let start = SeekFrom::Start(head.length);
        self.file.seek(start).map_err(read)?;
        let mut behind = BufReader::new(&mut self.file);
        let scan = scan_behind(&mut behind, head.chain, head.link, head.length).map_err(read)?;
        self.link = scan.last.unwrap_or(head.link);
        match scan.rest {
            Some(rest) => {
                // The line may be the first whole one of its file.
                let is_first = head.length == 0 && scan.lines == 0 && head.link.seq > 0;
                let from =
                    is_first.then(|| from_member(audit.continued_from(head).map(|(name, _)| name)));
                self.recover(audit, &rest, &from.unwrap_or_default());
            }
            None if scan.lacks_end => self.text.push('\n'),
            None => {}
        }
        Ok(())
    }

    /// Names the bytes behind the chain, which are half a line of a process that was ended.
    fn recover(&mut self, audit: &AuditFile, rest: &Rest, more: &str) {
        if !rest.ends_line {
            self.text.push('\n');
        }
        let torn = format!(
            r#","torn":{{"bytes":{},"sha256":"{}"}}{more}"#,
            rest.bytes, rest.hash
        );
        let content = audit.content(RECOVERED, &torn);
        self.link.seal(self.chain, &content, &mut self.text);
    }

    /// Begins a new file if these many bytes would make this one too long.
    fn with_room_for(mut self, audit: &AuditFile, size: usize) -> Result<Self, Error> {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        if self.length == 0
            || !self.text.is_empty()
            || self.length.saturating_add(size) <= audit.max_size
        {
            return Ok(self);
        }
        let path = &audit.path;
        let newest = audit.rotated().first().map_or(0, |(number, _)| *number);
        let to = beside(path, &newest.saturating_add(1).to_string());
        fs::rename(path, &to).map_err(Error::io("rename", path))?;
        self.write_head(audit, 0)?;
        self.sync_head(audit)?;
        self.file = files::open_to_continue(path)?;
        self.length = 0;
        let name = to
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let content = audit.content(ROTATED, &from_member(name));
        self.link.seal(self.chain, &content, &mut self.text);
        Ok(self)
    }

    fn append(mut self, audit: &mut AuditFile, contents: &[&str]) -> Appended {
        let mut text = std::mem::take(&mut self.text);
        let mut ends = Vec::with_capacity(contents.len());
        for content in contents {
            self.link.seal(self.chain, content, &mut text);
            ends.push(text.len());
        }
        let (written, mut error) = self.write(text.as_bytes());
        if error.is_none() {
            error = self.file.sync_data().err();
        }
        let error = match error {
            Some(error) => Some(Error::io("write", &audit.path)(error)),
            None => {
                audit.last = Some((self.chain, self.link));
                self.length = self
                    .length
                    .saturating_add(u64::try_from(written).unwrap_or(0));
                self.write_head(audit, self.length).err()
            }
        };
        let written = ends.iter().filter(|end| **end <= written).count();
        Appended { written, error }
    }

    /// Returns the number of bytes that were written, and the error that came before the end.
    fn write(&mut self, bytes: &[u8]) -> (usize, Option<io::Error>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let done = bytes.len() - rest.len();
            match self.file.write(rest) {
                Ok(0) => return (done, Some(io::ErrorKind::WriteZero.into())),
                Ok(more) => rest = rest.get(more..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (done, Some(error)),
            }
        }
        (bytes.len(), None)
    }

    /// Writes the head, which need not be on the disk at once: a head that is too old is no fault.
    fn write_head(&mut self, audit: &AuditFile, length: u64) -> Result<(), Error> {
        let (chain, link) = (self.chain, self.link);
        let head = Head {
            chain,
            link,
            length,
        };
        write_at_beginning(&mut self.head, &head)
            .map_err(Error::io("write", &beside(&audit.path, "head")))
    }

    fn sync_head(&self, audit: &AuditFile) -> Result<(), Error> {
        let path = beside(&audit.path, "head");
        self.head.sync_all().map_err(Error::io("write", &path))?;
        Ok(files::sync_directory_of(&audit.path)?)
    }
}

/// Begins a chain: its head is on the disk before its first line.
fn new_chain(path: &Path, head_file: &mut File) -> Result<Head, Error> {
    let random = random::bytes().map_err(|error| Error::Random(error.to_string()))?;
    let head = Head {
        chain: ChainId::new(random),
        link: Link::BEGINNING,
        length: 0,
    };
    let written = write_at_beginning(head_file, &head).and_then(|()| head_file.sync_all());
    written.map_err(Error::io("write", &beside(path, "head")))?;
    files::sync_directory_of(path)?;
    Ok(head)
}

fn write_at_beginning(file: &mut File, head: &Head) -> io::Result<()> {
    file.rewind()?;
    file.write_all(head.text().as_bytes())
}

fn from_member(name: Option<String>) -> String {
    format!(r#","from":{}"#, serde_json::Value::from(name))
}

/// Says whether the line that ends at this length has this hash.
fn ends_with(file: &mut File, length: u64, hash: Hash) -> io::Result<bool> {
    let expected = format!(r#","hash":"{hash}"}}"#) + "\n";
    let expected = expected.as_bytes();
    let size = u64::try_from(expected.len()).unwrap_or(u64::MAX);
    let Some(start) = length.checked_sub(size) else {
        return Ok(false);
    };
    file.seek(SeekFrom::Start(start))?;
    let mut found = Vec::with_capacity(expected.len());
    file.take(size).read_to_end(&mut found)?;
    Ok(found == expected)
}

/// Returns the path of a file beside an audit file.
pub fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}
