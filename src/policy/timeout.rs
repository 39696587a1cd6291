//! `--call-timeout`: the time that a request may take, of all or of the tools of a pattern.

use std::time::Duration;

use super::rule::Limit;
use crate::frame::{Frame, string};

/// Returns the lowest of the limits that are for this request: those with a pattern are for calls of such tools alone. A
/// time of 0 is none.
pub fn lowest<'a>(limits: &'a [Limit<Duration>], request: &Frame) -> Option<&'a Limit<Duration>> {
    if limits.is_empty() {
        return None;
    }
    let is_call = request.method() == Some("tools/call");
    let name = request.param("name").filter(|_| is_call).and_then(string);
    let limits = limits.iter().filter(|limit| match &name {
        _ if limit.value.is_zero() => false,
        Some(name) => limit.is_for(name),
        None => limit.tools.is_none(),
    });
    limits.min_by_key(|limit| limit.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Id;
    use crate::policy::{Origin, Pattern, Rule};

    fn limit(tools: Option<&str>, seconds: u64) -> Limit<Duration> {
        Limit {
            tools: tools.map(|tools| Pattern::read(tools).unwrap()),
            value: Duration::from_secs(seconds),
            rule: Rule {
                key: "call-timeout",
                value: seconds.to_string(),
                origin: Origin::Flag("--call-timeout"),
            },
        }
    }

    #[test]
    fn the_lowest_time_that_is_for_a_call_counts() {
        let limits = [
            limit(Some("slow_*"), 300),
            limit(None, 60),
            limit(Some("*_quick"), 5),
            limit(Some("ever"), 0),
        ];
        let of = |limits: &[Limit<Duration>], method: &str, name: &str| {
            let params = format!(r#"{{"name":"{name}"}}"#);
            let request = Frame::request(&Id::ours(1), method, Some(&params));
            lowest(limits, &request).map(|limit| limit.value.as_secs())
        };
        assert_eq!(of(&limits, "tools/call", "slow_x"), Some(60));
        assert_eq!(of(&limits, "tools/call", "Slow_quick"), Some(5));
        assert_eq!(of(&limits, "tools/call", "ever"), Some(60));
        assert_eq!(of(&limits, "prompts/get", "x_quick"), Some(60));
        let limits = [limit(Some("x"), 5), limit(None, 0)];
        assert_eq!(of(&limits, "tools/list", "x"), None);
        assert_eq!(of(&limits, "tools/call", "y"), None);
    }
}
