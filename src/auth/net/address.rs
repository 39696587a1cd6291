//! Comparison of servers' addresses: one spelling for each, and the similarity of two.
//!
//! RFC 3986 section 6.2.

use std::fmt::Write as _;

use url::{Host, Url};

/// Returns an address in the spelling for comparison (RFC 3986 section 6.2.2 and 6.2.3): host and scheme in lower case,
/// no default port, escapes in one spelling and only where they are needed; and no fragment, no slash that the URL
/// parser put there, and no `?` with nothing behind it.
pub(in crate::auth) fn canonical(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    if url.query() == Some("") {
        url.set_query(None);
    }
    let text = one_spelling(url.as_str());
    let bare = url.path() == "/" && url.query().is_none();
    match text.strip_suffix('/') {
        Some(short) if bare => short.to_owned(),
        _ => text,
    }
}

/// Returns the same spelling of a text, which may be no address.
pub(in crate::auth) fn canonical_text(text: &str) -> String {
    Url::parse(text).map_or_else(|_| text.to_owned(), |url| canonical(&url))
}

/// Writes escapes with upper-case digits, and none for characters that need no escape.
fn one_spelling(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.get(..2);
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, digits) {
            (Some(byte), Some(_)) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte));
            }
            (Some(byte), Some(_)) => _ = write!(out, "%{byte:02X}"),
            _ => {
                out.push('%');
                rest = after;
                continue;
            }
        }
        rest = after.get(2..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Says whether a user may have meant one of two addresses by the other: the same host, or the same but for upper and
/// lower case and a slash.
pub(in crate::auth) fn is_near(one: &str, other: &str) -> bool {
    let host = |text: &str| {
        let url = Url::parse(text).ok()?;
        let host = url.host_str()?.trim_end_matches('.').to_owned();
        Some(host)
    };
    let bare = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
    let is_one_host = host(one).is_some_and(|it| Some(it) == host(other));
    is_one_host || bare(one) == bare(other) || is_one_port_here(one, other)
}

/// Says whether both are at one port of this machine, by any of its names (RFC 6761 section 6.3, RFC 1122
/// section 3.2.1.3).
fn is_one_port_here(one: &str, other: &str) -> bool {
    let port = |text: &str| {
        let url = Url::parse(text).ok()?;
        let is_here = match url.host()? {
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                name == "localhost" || name.ends_with(".localhost")
            }
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        url.port_or_known_default().filter(|_| is_here)
    };
    port(one).is_some_and(|it| Some(it) == port(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        for (spellings, wanted) in [
            (
                &[
                    "https://H.Example:443/a%2fb%7ec",
                    "HTTPS://h.example/a%2Fb~c#x",
                    "https://h.example/a%2Fb%7Ec?",
                ][..],
                "https://h.example/a%2Fb~c",
            ),
            (
                &[
                    "http://h.example:80",
                    "http://h.example/",
                    "http://h.EXAMPLE/?",
                ][..],
                "http://h.example",
            ),
            (
                &["https://h.example/a/../b?k=%e4%zz%"][..],
                "https://h.example/b?k=%E4%zz%",
            ),
            (&["https://h.example/mcp/"][..], "https://h.example/mcp/"),
        ] {
            for spelling in spellings {
                assert_eq!(canonical_text(spelling), wanted, "{spelling}");
                assert_eq!(canonical_text(wanted), wanted);
            }
        }
        assert_eq!(canonical_text("no address"), "no address");
        let stored = "https://h.example/mcp";
        for (typed, is_meant) in [
            ("https://h.example/mcp/", true),
            ("https://h.example./MCP", true),
            ("http://h.example:8443/other", true),
            ("https://other.example/mcp", false),
        ] {
            assert_eq!(is_near(typed, stored), is_meant, "{typed}");
        }
    }
}
