//! The `ttlMs` and `cacheScope` that every complete result of the modern era carries (MCP 2026-07-28,
//! server/utilities/caching) and a legacy one need not have.
//!
//! Those of a server stay. Where a strict host would reject a result for them, they become the nearest that it takes.

use crate::era::protocol::{self, ResultKind};
use crate::frame::{Object, string};

/// The largest `ttlMs`, in milliseconds, that hosts in JavaScript take: `Number.MAX_SAFE_INTEGER`.
const MAX_TTL: f64 = 9_007_199_254_740_991.0;

/// Says that a result is stale at once, and for one caller only, as far as it says nothing of that itself. A result of
/// another kind than `complete` carries no such hints.
pub(super) fn complete(result: &mut Object, method: &str) {
    if ResultKind::read(result.get("resultType")) != ResultKind::Complete {
        return;
    }
    // What a method without the rule calls by these names may be anything.
    let is_checked = protocol::has_cache_hints(method);
    let ttl = match result.get("ttlMs") {
        None => Some("0".to_owned()),
        Some(stated) => nearest_ttl(stated).filter(|_| is_checked),
    };
    if let Some(ttl) = ttl {
        result.set("ttlMs", ttl);
    }
    let is_known = |scope| matches!(string(scope).as_deref(), Some("public" | "private"));
    let scope = result.get("cacheScope");
    if scope.is_none_or(|scope| is_checked && !is_known(scope)) {
        result.set("cacheScope", r#""private""#);
    }
}

/// Returns the whole number of milliseconds that is nearest to what a result states, and not above it; `None` if it
/// states one. What is no number, or below 0, is 0 (MCP 2026-07-28, server/utilities/caching).
fn nearest_ttl(stated: &str) -> Option<String> {
    let is_whole = stated.bytes().all(|digit| digit.is_ascii_digit());
    let number = stated.parse::<f64>().ok();
    match number.filter(|number| *number > 0.0) {
        Some(number) if is_whole && number <= MAX_TTL => None,
        Some(number) => Some(format!("{:.0}", number.floor().min(MAX_TTL))),
        None if stated == "0" => None,
        None => Some("0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(method: &str, result: &str) -> String {
        let mut result = Object::read(result).unwrap();
        complete(&mut result, method);
        result.text()
    }

    #[test]
    fn a_result_without_hints_is_stale_at_once_whatever_was_asked() {
        for method in ["tools/list", "skills/get", "tools/call", "vendor/x"] {
            assert_eq!(
                completed(method, r#"{"n":1e400}"#),
                r#"{"n":1e400,"ttlMs":0,"cacheScope":"private"}"#,
                "{method}"
            );
        }
    }

    #[test]
    fn a_result_of_another_kind_carries_no_hints() {
        for kind in ["input_required", "task", "later"] {
            let result = format!(r#"{{"resultType":"{kind}"}}"#);
            assert_eq!(completed("resources/read", &result), result);
        }
    }

    #[test]
    fn the_hints_of_a_server_stay() {
        for result in [
            r#"{"ttlMs":0,"cacheScope":"private"}"#,
            r#"{"cacheScope":"public","ttlMs":9007199254740991}"#,
            r#"{"ttlMs":300000,"cacheScope":"pri\u0076ate"}"#,
        ] {
            assert_eq!(completed("skills/list", result), result);
        }
    }

    #[test]
    fn a_hint_that_a_strict_host_would_reject_becomes_the_nearest_that_it_takes() {
        for (stated, taken) in [
            ("-1", "0"),
            ("-0", "0"),
            ("0.0", "0"),
            ("5.0", "5"),
            ("5.9", "5"),
            ("1e3", "1000"),
            ("1e400", "9007199254740991"),
            ("9007199254740992", "9007199254740991"),
            (r#""5""#, "0"),
            ("null", "0"),
            ("{}", "0"),
            ("true", "0"),
        ] {
            let result = format!(r#"{{"ttlMs":{stated},"cacheScope":"public"}}"#);
            let expected = format!(r#"{{"ttlMs":{taken},"cacheScope":"public"}}"#);
            for method in [
                "resources/read",
                "skills/list",
                "skills/get",
                "resources/directory/read",
            ] {
                assert_eq!(completed(method, &result), expected, "{method} {stated}");
            }
            // No schema has these members here, so they may mean anything.
            for method in ["tools/call", "vendor/x"] {
                assert_eq!(completed(method, &result), result, "{method} {stated}");
            }
        }
        for scope in ["null", "7", r#""shared""#] {
            let result = format!(r#"{{"ttlMs":1,"cacheScope":{scope}}}"#);
            let private = r#"{"ttlMs":1,"cacheScope":"private"}"#;
            assert_eq!(completed("prompts/list", &result), private);
            assert_eq!(completed("prompts/get", &result), result);
        }
    }
}
