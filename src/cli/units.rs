//! Times and switches as they are typed.

use std::time::Duration;

/// Up to ten years: anything longer is a typing mistake, and `Duration` cannot hold everything `f64` can.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=315_360_000.0).contains(&seconds) => Ok(seconds),
        _ => Err("not a number of seconds".into()),
    }
}

/// A whole number with its unit, up to a day: what is older than that is not a list of what there is.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(unit).unwrap_or_default();
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        _ => return Err("write a whole number and its unit: 500ms, 30s, 2m or 1h".into()),
    };
    let whole = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(millis));
    match whole.map(Duration::from_millis) {
        Some(duration) if duration <= Duration::from_secs(24 * 3600) => Ok(duration),
        _ if number.is_empty() => Err(format!("how many? write 30{unit}")),
        _ => Err("at most 24h".into()),
    }
}

/// What a variable says of a switch. Empty is off, as for a variable that a container sets to nothing.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "y" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "n" | "off" => Ok(false),
        _ => Err("its variable takes 1, true, yes or on; or 0, false, no, off or nothing".into()),
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
