//! Times and switches as they are typed.

use std::fmt;
use std::ops::RangeBounds;
use std::time::Duration;

use crate::policy::results::LEAST;
use crate::policy::{Pattern, Rate};

/// The form that a flag takes, where the user typed another. The message leaves out the user's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExpectedValue(pub(super) &'static str);

impl fmt::Display for ExpectedValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

impl std::error::Error for ExpectedValue {}

/// The port that mcp-remote takes behind the URL. Hosts fill it in from a setting, and an empty word is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(pub Option<u16>);

pub(super) fn optional_port(text: &str) -> Result<Port, ExpectedValue> {
    match text.trim() {
        "" => Ok(Port(None)),
        text => port(text).map(|port| Port(Some(port))),
    }
}

pub(super) fn port(text: &str) -> Result<u16, ExpectedValue> {
    text.parse()
        .map_err(|_| ExpectedValue("a port: a number up to 65535"))
}

pub(super) fn bytes(text: &str) -> Result<u64, ExpectedValue> {
    number(text, 1024.., "a number of bytes, 1024 at least")
}

/// Reads a number of bytes that may be small, unlike that of a whole message.
pub(super) fn small_bytes(text: &str) -> Result<u64, ExpectedValue> {
    number(text, 1.., "a number of bytes, 1 at least")
}

/// Reads the number of bytes of a result: in place of a larger one there is a note, which must have room.
pub(super) fn result_bytes(text: &str) -> Result<u64, ExpectedValue> {
    number(text, LEAST.., "a number of bytes, 2048 at least")
}

pub(super) fn count(text: &str) -> Result<u32, ExpectedValue> {
    number(text, 1.., "a number, 1 at least")
}

pub(super) fn pattern(text: &str) -> Result<Pattern, ExpectedValue> {
    Pattern::read(text).map_err(|_| {
        ExpectedValue(
            "a pattern of names: * is any characters, ? one, [a-z] one of a set, {a,b} one of several",
        )
    })
}

/// Reads a number of calls in a time, up to a day.
pub(super) fn rate(text: &str) -> Result<Rate, ExpectedValue> {
    const EXPECTED: ExpectedValue =
        ExpectedValue("a number of calls and a time: 100/m, 5/10s, at most a day (1d)");
    let (calls, time) = text.split_once('/').ok_or(EXPECTED)?;
    let unit = time.trim_start_matches(|c: char| c.is_ascii_digit());
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(EXPECTED),
    };
    let times = match time.strip_suffix(unit).unwrap_or_default() {
        "" => 1,
        times => number(times, 1..=86_400, EXPECTED.0)?,
    };
    let per = Duration::from_secs(seconds * times);
    if per > Duration::from_secs(24 * 3600) {
        return Err(EXPECTED);
    }
    let count = number(calls, 1..=1_000_000, EXPECTED.0)?;
    Ok(Rate { count, per })
}

pub(super) fn in_flight(text: &str) -> Result<u32, ExpectedValue> {
    number(text, 1..=4096, "a number from 1 to 4096")
}

pub(super) fn descriptor(text: &str) -> Result<u32, ExpectedValue> {
    number(
        text,
        3..,
        "the number of an inherited file descriptor, 3 at least",
    )
}

fn number<T: std::str::FromStr + PartialOrd>(
    text: &str,
    range: impl RangeBounds<T>,
    expected: &'static str,
) -> Result<T, ExpectedValue> {
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or(ExpectedValue(expected))
}

/// Reads seconds, up to ten years: anything longer is a typing mistake, and `Duration` cannot hold everything `f64`
/// can.
pub(super) fn seconds(text: &str) -> Result<f64, ExpectedValue> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=315_360_000.0).contains(&seconds) => Ok(seconds),
        _ => Err(ExpectedValue("a number of seconds, such as 30 or 0.5")),
    }
}

/// Reads a whole number with its unit, up to a day: an older list says nothing of the present.
pub(super) fn duration(text: &str) -> Result<Duration, ExpectedValue> {
    const EXPECTED: ExpectedValue =
        ExpectedValue("a whole number and its unit: 500ms, 30s, 2m or 1h, at most 24h");
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(unit).unwrap_or_default();
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        _ => return Err(EXPECTED),
    };
    let whole = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(millis));
    match whole.map(Duration::from_millis) {
        Some(duration) if duration <= Duration::from_secs(24 * 3600) => Ok(duration),
        _ => Err(EXPECTED),
    }
}

/// Reads the value of a variable that stands for a switch. Empty is off, as for a variable that a container sets to
/// nothing.
pub(super) fn switch(text: &str) -> Result<bool, ExpectedValue> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "y" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "n" | "off" => Ok(false),
        _ => Err(ExpectedValue(
            "1, true, yes or on; or 0, false, no, off or nothing",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_take_the_words_people_write() {
        for on in ["1", "true", "YES", "On", " y "] {
            assert_eq!(switch(on), Ok(true), "{on}");
        }
        for off in ["", " ", "0", "false", "No", "OFF"] {
            assert_eq!(switch(off), Ok(false), "{off}");
        }
        assert!(switch("maybe").is_err());
    }

    #[test]
    fn times_have_units() {
        for (text, millis) in [
            ("1s", 1000),
            ("500ms", 500),
            ("2m", 120_000),
            ("24h", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "5",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1S",
            "25h",
            "99999999999999999999h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
