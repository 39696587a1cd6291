//! The time for which a token endpoint that is there has failed to answer, judged by the failures that were seen.
//!
//! Two failures with a night between them say nothing of the night. Several failures and no success between them are
//! evidence of an endpoint that fails for good, and a silence between two of them counts for a few minutes at most.

/// The failures in a row, as noted for all processes. Times are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) struct Failures {
    /// The part of the time from the first to the last failure that counts.
    lasted: u64,
    last: u64,
    count: u32,
}

impl Failures {
    /// The first.
    fn first(now: u64) -> Self {
        Self {
            lasted: 0,
            last: now,
            count: 1,
        }
    }

    /// With one more, now. Those of one request are one; after a clock that was set back it is the first.
    pub(in crate::auth) fn and(before: Option<Self>, now: u64) -> Self {
        let Some(before) = before.filter(|before| before.last <= now) else {
            return Self::first(now);
        };
        match now - before.last {
            0..ONE_REQUEST => before,
            gap => Self {
                lasted: before.lasted.saturating_add(gap.min(LONGEST_GAP)),
                last: now,
                count: before.count.saturating_add(1),
            },
        }
    }

    /// For how many seconds at least, if that is evidence of an endpoint that fails for good.
    pub(in crate::auth) fn for_good(self) -> Option<u64> {
        (self.lasted >= LONG_ENOUGH && self.count >= ENOUGH).then_some(self.lasted)
    }

    /// As a note. `mark` names the tokens whose renewal fails.
    pub(in crate::auth) fn write(self, mark: u64) -> String {
        let Self {
            lasted,
            last,
            count,
        } = self;
        format!("{mark} {lasted} {last} {count}")
    }

    /// Reads it back; `None` if it is about other tokens, or is none.
    pub(in crate::auth) fn read(note: &str, mark: u64) -> Option<Self> {
        let numbers: Result<Vec<u64>, _> = note.split_whitespace().map(str::parse).collect();
        match numbers.ok()?[..] {
            [of, lasted, last, count] if of == mark => Some(Self {
                lasted,
                last,
                count: u32::try_from(count).ok()?,
            }),
            _ => None,
        }
    }
}

/// Seconds after which an endpoint that has only failed is taken to fail for good.
const LONG_ENOUGH: u64 = 600;
/// The number of failures that make it so.
const ENOUGH: u32 = 4;
/// Seconds between two failures that count at most: a machine may have slept.
const LONGEST_GAP: u64 = 300;
/// Seconds within which failures are of one request: its renewal, and the one for its challenge.
const ONE_REQUEST: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_failures_over_ten_minutes_are_for_good_and_a_silence_counts_for_five() {
        for (times, wanted) in [
            (&[0, 600][..], None),
            (&[0, 1, 2, 3, 600, 601, 602], None),
            (&[0, 300, 600], None),
            (&[0, 200, 400, 599], None),
            (&[0, 200, 400, 600], Some(600)),
            (&[0, 1, 200, 201, 400, 401, 620], Some(620)),
            // The machine slept.
            (&[0, 30_000], None),
            (&[0, 120, 240, 30_000], None),
            (&[0, 120, 240, 30_000, 30_120], Some(660)),
            // A user who asks for something once an hour.
            (&[0, 3_600, 7_200], None),
            (&[0, 3_600, 7_200, 10_800], Some(900)),
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
        for odd in ["", "7", "7 1", "7 1 2 99999999999", "7 x 2 1"] {
            assert_eq!(Failures::read(odd, 7), None, "{odd}");
        }
    }
}
