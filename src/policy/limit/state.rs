//! The state of limits that processes share, and the content of the file that holds it.
//!
//! The content is a head line and records of one length, so that it is read and written in place. The head has the
//! version of the format, the number of records, and a checksum of them; bytes behind the last record mean nothing. A
//! record of a bucket is the limit, 0, and the time at which the bucket is full; a record of calls under way is the limit,
//! the process, and their number. All are hexadecimal.

use std::fmt::Write as _;

/// The longest content, in bytes.
pub const LONGEST: usize = HEAD + MOST_RECORDS * RECORD;
/// The number of records that the content can have.
const MOST_RECORDS: usize = 1024;
/// The length of the head: `mcpipe limits 1 0003 ` and 16 digits, with the line end.
const HEAD: usize = 38;
/// The length of a record: three numbers of 16 digits, each with a space or the line end behind it.
const RECORD: usize = 51;
const NAME: &str = "mcpipe limits ";
const VERSION: &str = "1";

/// The state of the limits of one server and account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    records: Vec<Record>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    limit: u64,
    /// The process; 0 for the bucket of a rate.
    process: u64,
    value: u64,
}

/// The reason why a content is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The content is none that any version has written.
    Damaged,
    /// A newer version has written it, and its meaning is not known.
    Newer,
}

impl State {
    /// Reads the content of the file; an empty one is the state in which nothing has been called.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub fn read(content: &[u8]) -> Result<Self, Unreadable> {
        if content.is_empty() {
            return Ok(Self::default());
        }
        let head = content.strip_prefix(NAME.as_bytes());
        let head = head.ok_or(Unreadable::Damaged)?;
        let version = head.split(u8::is_ascii_whitespace).next();
        let version = version.unwrap_or_default();
        let is_number = (1..=9).contains(&version.len()) && version.iter().all(u8::is_ascii_digit);
        match version == VERSION.as_bytes() {
            true => Self::read_records(content).ok_or(Unreadable::Damaged),
            false if is_number && version != b"0" => Err(Unreadable::Newer),
            false => Err(Unreadable::Damaged),
        }
    }

    fn read_records(content: &[u8]) -> Option<Self> {
        let head = content.get(NAME.len() + VERSION.len() + 1..HEAD)?;
        let count = usize::try_from(number(head.get(..4)?)?).ok()?;
        let body = content.get(HEAD..HEAD + count.checked_mul(RECORD)?)?;
        if number(head.get(5..21)?)? != hash(body) {
            return None;
        }
        let record = |text: &[u8]| {
            Some(Record {
                limit: number(text.get(..16)?)?,
                process: number(text.get(17..33)?)?,
                value: number(text.get(34..50)?)?,
            })
        };
        let records = body.chunks_exact(RECORD).map(record);
        Some(Self {
            records: records.collect::<Option<_>>()?,
        })
    }

    /// Returns the content of the file. Buckets that are full at `now` are as new ones, and left out. `None` if there are more
    /// records than the content can have.
    pub fn write(&self, now: u64) -> Option<String> {
        let is_kept = |record: &&Record| match record.process {
            0 => record.value > now,
            _ => record.value > 0,
        };
        let mut body = String::with_capacity((self.records.len() + 1) * RECORD);
        let mut count = 0;
        for record in self.records.iter().filter(is_kept) {
            count += 1;
            let Record {
                limit,
                process,
                value,
            } = record;
            // A `String` takes every text.
            let _ = writeln!(body, "{limit:016x} {process:016x} {value:016x}");
        }
        let sum = hash(body.as_bytes());
        let head = format!("{NAME}{VERSION} {count:04x} {sum:016x}\n");
        (count <= MOST_RECORDS).then(|| head + &body)
    }

    /// Returns the time at which the bucket of this limit is full; 0 if it is.
    pub fn full_at(&self, limit: u64) -> u64 {
        self.find(limit, 0).map_or(0, |record| record.value)
    }

    /// Sets the time at which the bucket of this limit is full.
    pub fn set_full_at(&mut self, limit: u64, full_at: u64) {
        self.set(limit, 0, full_at);
    }

    /// Returns the number of calls under way that count for this limit, of all processes.
    pub fn under_way(&self, limit: u64) -> u64 {
        let records = self.records.iter();
        let of_limit = records.filter(|record| record.limit == limit && record.process != 0);
        of_limit.fold(0, |sum, record| sum.saturating_add(record.value))
    }

    /// Returns the number of calls of this process under way that count for this limit.
    pub fn under_way_of(&self, limit: u64, process: u64) -> u64 {
        self.find(limit, process).map_or(0, |record| record.value)
    }

    /// Sets the number of calls of this process, which is not 0, that count for this limit.
    pub fn set_under_way(&mut self, limit: u64, process: u64, count: u64) {
        self.set(limit, process, count);
    }

    /// Returns the processes that have calls under way, each once.
    pub fn processes(&self) -> Vec<u64> {
        let mut processes: Vec<_> = self.records.iter().map(|record| record.process).collect();
        processes.sort_unstable();
        processes.dedup();
        processes.retain(|process| *process != 0);
        processes
    }

    /// Returns the limits for which this process has calls under way, and their numbers. Process 0 has none.
    pub fn all_under_way_of(&self, process: u64) -> Vec<(u64, u64)> {
        let records = self.records.iter().filter(|record| record.process != 0);
        let own = records.filter(|record| record.process == process && record.value > 0);
        own.map(|record| (record.limit, record.value)).collect()
    }

    /// Forgets the calls of a process that has ended.
    pub fn forget(&mut self, process: u64) {
        self.records
            .retain(|record| record.process == 0 || record.process != process);
    }

    fn find(&self, limit: u64, process: u64) -> Option<&Record> {
        let mut records = self.records.iter();
        records.find(|record| record.limit == limit && record.process == process)
    }

    fn set(&mut self, limit: u64, process: u64, value: u64) {
        let mut records = self.records.iter_mut();
        match records.find(|record| record.limit == limit && record.process == process) {
            Some(record) => record.value = value,
            None => self.records.push(Record {
                limit,
                process,
                value,
            }),
        }
    }
}

/// Reads digits as [`State::write`] writes them: all of them, in lower case.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}

/// Returns the 64-bit FNV-1a hash: it tells a damaged content from a whole one, and one limit from the next; it keeps
/// nothing from being forged.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some() -> State {
        let mut state = State::default();
        state.set_full_at(7, 1000);
        state.set_under_way(9, 0xfeed, 2);
        state.set_under_way(9, 0xbeef, 3);
        state
    }

    #[test]
    fn the_content_of_version_1_stays_as_it_is() {
        let content = "mcpipe limits 1 0003 2b90b810a7eecee7\n\
            0000000000000007 0000000000000000 00000000000003e8\n\
            0000000000000009 000000000000feed 0000000000000002\n\
            0000000000000009 000000000000beef 0000000000000003\n";
        assert_eq!(some().write(0).unwrap(), content);
        assert_eq!(State::read(content.as_bytes()), Ok(some()));
        assert_eq!(State::read(b""), Ok(State::default()));
    }

    #[test]
    fn full_buckets_and_processes_without_calls_are_left_out() {
        let mut state = some();
        state.set_under_way(9, 0xfeed, 0);
        let read = State::read(state.write(1000).unwrap().as_bytes()).unwrap();
        assert_eq!(
            (read.full_at(7), read.under_way(9), read.processes()),
            (0, 3, vec![0xbeef])
        );
    }

    #[test]
    fn calls_of_a_process_that_has_ended_are_forgotten_and_buckets_are_not() {
        let mut state = some();
        state.forget(0xfeed);
        state.forget(0);
        assert_eq!(state.all_under_way_of(0), []);
        assert_eq!(state.all_under_way_of(0xbeef), [(9, 3)]);
        assert_eq!((state.under_way(9), state.full_at(7)), (3, 1000));
    }

    #[test]
    fn a_newer_version_is_not_taken_for_damage() {
        for (content, expected) in [
            ("mcpipe limits 2 anything", Unreadable::Newer),
            ("mcpipe limits 17\n", Unreadable::Newer),
            ("mcpipe limits 0 0000", Unreadable::Damaged),
            ("mcpipe limits x", Unreadable::Damaged),
            ("mcpipe limits 1 0000", Unreadable::Damaged),
            ("{}", Unreadable::Damaged),
        ] {
            assert_eq!(State::read(content.as_bytes()), Err(expected), "{content}");
        }
    }

    #[test]
    fn more_records_than_fit_are_not_written() {
        let mut state = State::default();
        for process in 1..=1024 {
            state.set_under_way(1, process, 1);
        }
        let content = state.write(0).unwrap();
        assert_eq!(content.len(), LONGEST);
        assert_eq!(State::read(content.as_bytes()).as_ref(), Ok(&state));
        state.set_under_way(1, 1025, 1);
        assert_eq!(state.write(0), None);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read_without_harm(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = State::read(&content);
            let _ = State::read(&[b"mcpipe limits 1 ", &content[..]].concat());
        }

        /// A write that was cut short, and a byte that was changed, are found.
        #[test]
        fn a_changed_byte_is_found(at in 0_usize..191, bit in 0_u32..8, kept in 1_usize..191) {
            let content = some().write(0).unwrap().into_bytes();
            prop_assert_eq!(State::read(&content[..kept]), Err(Unreadable::Damaged));
            let mut changed = content;
            changed[at] ^= 1 << bit;
            // The space and the line end behind the two numbers of the head.
            let is_layout = at == 20 || at == 37;
            prop_assert!(is_layout || State::read(&changed).is_err());
        }
    }
}
