//! How long a token endpoint that is there has failed to answer, judged by the failures that were seen.
//!
//! Two failures with a night between them say nothing of the night. Only failures that follow one another closely, for
//! long enough, are evidence of an endpoint that fails for good.

/// The failures in a row, as noted for all processes. Times are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failures {
    since: u64,
    last: u64,
    count: u32,
}

impl Failures {
    /// The first.
    fn first(now: u64) -> Self {
        Self {
            since: now,
            last: now,
            count: 1,
        }
    }

    /// With one more, now. One that comes after a long silence is the first; those of one request are one.
    pub(super) fn and(before: Option<Self>, now: u64) -> Self {
        let Some(before) = before.filter(|before| before.last <= now) else {
            return Self::first(now);
        };
        match now - before.last {
            0..ONE_REQUEST => before,
            ONE_REQUEST..=LONGEST_GAP => Self {
                last: now,
                count: before.count.saturating_add(1),
                ..before
            },
            _ => Self::first(now),
        }
    }

    /// For how many seconds, if that is evidence of an endpoint that fails for good.
    pub(super) fn for_good(self) -> Option<u64> {
        let seconds = self.last - self.since;
        (seconds >= LONG_ENOUGH && self.count >= ENOUGH).then_some(seconds)
    }

    /// As a note. `mark` names the tokens whose renewal fails.
    pub(super) fn write(self, mark: u64) -> String {
        let Self { since, last, count } = self;
        format!("{mark} {since} {last} {count}")
    }

    /// Reads it back; `None` if it is about other tokens, or is none.
    pub(super) fn read(note: &str, mark: u64) -> Option<Self> {
        let numbers: Result<Vec<u64>, _> = note.split_whitespace().map(str::parse).collect();
        match numbers.ok()?[..] {
            [of, since, last, count] if of == mark && since <= last => Some(Self {
                since,
                last,
                count: u32::try_from(count).ok()?,
            }),
            _ => None,
        }
    }
}

/// Seconds after which an endpoint that has only failed is taken to fail for good.
const LONG_ENOUGH: u64 = 600;
/// How many failures that takes.
const ENOUGH: u32 = 4;
/// Seconds between two failures that still are one outage.
const LONGEST_GAP: u64 = 300;
/// Seconds within which failures are of one request: its renewal, and the one for its challenge.
const ONE_REQUEST: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_that_follow_closely_for_ten_minutes_are_for_good() {
        for (times, wanted) in [
            (&[0, 600][..], None),
            (&[0, 1, 2, 3, 600, 601, 602], None),
            (&[0, 300, 600], None),
            (&[0, 200, 400, 599], None),
            (&[0, 200, 400, 600], Some(600)),
            (&[0, 1, 200, 201, 400, 401, 620], Some(620)),
            // The machine slept.
            (&[0, 60, 120, 421, 600, 700], None),
            (&[0, 30_000, 30_060, 30_120, 30_400], None),
            (&[0, 30_000, 30_200, 30_400, 30_600], Some(600)),
            // The clock was set back.
            (&[5_000, 5_200, 5_400, 100, 300, 500], None),
        ] {
            let mut failures = None;
            for now in times {
                failures = Some(Failures::and(failures, *now));
            }
            let failures = failures.unwrap();
            assert_eq!(failures.for_good(), wanted, "{times:?}");
            assert_eq!(Failures::read(&failures.write(7), 7), Some(failures));
            assert_eq!(Failures::read(&failures.write(7), 8), None);
        }
        for odd in ["", "7", "7 1", "7 2 1 1", "7 1 2 99999999999", "7 x 2 1"] {
            assert_eq!(Failures::read(odd, 7), None, "{odd}");
        }
    }
}
