//! Progress of one request as the host is told it: the server's own, and between it what the status of a task says.
//!
//! A task has words for its state (`statusMessage`), where a request has numbers that only grow (MCP 2026-07-28,
//! basic/patterns/progress). The words are told beside the server's last number, made greater by next to nothing: they
//! claim no progress that the server has not named, and the server's next number is still the greater one.

use crate::frame::{Frame, Object};

/// The parts of one in which a number grows for words alone.
const PARTS: f64 = 1e6;

/// The progress of one request.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The server's last number.
    named: Option<f64>,
    /// The last number that the host was told.
    told: Option<f64>,
    /// The server's last `total`, as JSON text.
    total: Option<String>,
    /// The last words, as JSON text.
    words: Option<String>,
}

impl Progress {
    /// Takes a notification of progress of the server's, and returns it as the host is told it. `None` where it says
    /// nothing that is greater than before.
    pub(super) fn passed(&mut self, frame: &Frame) -> Option<Frame> {
        let number = frame.param("progress")?.parse::<f64>().ok()?;
        if self.named.is_some_and(|named| number <= named) {
            return None;
        }
        self.named = Some(number);
        self.total = frame.param("total").map(str::to_owned);
        if self.told.is_none_or(|told| number > told) {
            self.told = Some(number);
            return Some(frame.clone());
        }
        // Words were told at the number that the server has only reached now.
        let next = self.next()?;
        frame.edited(|message| message.edit("params", |params| params.set("progress", next)))
    }

    /// Returns the notification that tells the words of a task's status, as JSON text, under the host's token; `None`
    /// where they are no words, or the host knows them.
    pub(super) fn of_status(&mut self, words: &str, token: &str) -> Option<Frame> {
        let says = words.starts_with('"') && words != r#""""#;
        if !says || self.words.as_deref() == Some(words) {
            return None;
        }
        self.words = Some(words.to_owned());
        let mut params = Object::default();
        params.set("progressToken", token);
        params.set("progress", self.next()?);
        if let Some(total) = &self.total {
            params.set("total", total.as_str());
        }
        params.set("message", words);
        Some(Frame::notification(
            "notifications/progress",
            Some(&params.text()),
        ))
    }

    /// Returns a number that is hardly greater than all that the host was told, as JSON text; `None` where there is no
    /// greater one.
    fn next(&mut self) -> Option<String> {
        let next = match self.told {
            None => 0.0,
            Some(told) => (((told * PARTS).round() + 1.0) / PARTS).max(told.next_up()),
        };
        if !next.is_finite() {
            return None;
        }
        self.told = Some(next);
        Some(next.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(number: &str) -> Frame {
        let params = format!(r#"{{"progressToken":"t","progress":{number},"total":10.0}}"#);
        Frame::notification("notifications/progress", Some(&params))
    }

    fn number(frame: &Frame) -> f64 {
        frame.param("progress").unwrap().parse().unwrap()
    }

    #[test]
    fn words_stand_between_the_servers_numbers_and_all_of_them_grow() {
        let mut progress = Progress::default();
        let told = [
            progress.of_status(r#""begun""#, "7"),
            progress.of_status(r#""reading""#, "7"),
            progress.passed(&named("1.0")),
            progress.of_status(r#""half""#, "7"),
            progress.passed(&named("2")),
            progress.passed(&named("123456789012")),
            progress.of_status(r#""much""#, "7"),
        ];
        let told: Vec<Frame> = told.into_iter().flatten().collect();
        assert_eq!(told.len(), 7);
        for pair in told.windows(2) {
            let [before, after] = pair else { panic!() };
            assert!(number(after) > number(before), "{after:?}");
        }
        let half = told.get(3).unwrap();
        assert_eq!(half.param("total"), Some("10.0"));
        assert_eq!(half.param("progressToken"), Some("7"));
        assert_eq!(half.param("message"), Some(r#""half""#));
        assert_eq!(told.get(2).unwrap().text(), named("1.0").text());
    }

    #[test]
    fn a_number_that_words_were_told_at_is_not_lost() {
        let mut progress = Progress::default();
        progress.of_status(r#""begun""#, "7").unwrap();
        let zero = progress.passed(&named("0")).unwrap();
        assert!(number(&zero) > 0.0);
        assert_eq!(zero.param("total"), Some("10.0"));
        assert_eq!(
            progress.passed(&named("1")).unwrap().text(),
            named("1").text()
        );
    }

    #[test]
    fn nothing_is_told_twice() {
        let mut progress = Progress::default();
        assert!(progress.of_status(r#""a""#, "7").is_some());
        assert!(progress.of_status(r#""a""#, "7").is_none());
        assert!(progress.of_status(r#""b""#, "7").is_some());
        for none in [r#""""#, "null", "3"] {
            assert!(progress.of_status(none, "7").is_none(), "{none}");
        }
        assert!(progress.passed(&named("3")).is_some());
        let shown = progress.of_status(r#""c""#, "7").unwrap();
        assert_eq!(shown.param("progress"), Some("3.000001"));
        for late in ["3", "2", "x"] {
            assert!(progress.passed(&named(late)).is_none(), "{late}");
        }
        assert!(progress.passed(&named("1e400")).is_some());
        assert!(
            progress.of_status(r#""d""#, "7").is_none(),
            "no number is greater"
        );
    }
}
