//! Rules for redirects: not to another host, and never from https to http.
//!
//! Decides about addresses only; which methods are sent again is for those who send.
//!
//! RFC 9110 section 15.4.

use crate::text::printable;
use http::HeaderMap;
use http::header::LOCATION;
use url::Url;

/// The longest address that a message shows, in characters.
const LONGEST_SHOWN: usize = 300;

/// The address that a redirect names.
pub fn target(from: &Url, headers: &HeaderMap) -> Option<Url> {
    // Servers write a path's letters as UTF-8 here although a field should be ASCII.
    let location = std::str::from_utf8(headers.get(LOCATION)?.as_bytes()).ok()?;
    from.join(location.trim()).ok()
}

/// The address to go to when `from` names `to`, if that is safe for what is sent: the same origin, or the same host
/// with https. An `http` address that an https server names for itself (behind a TLS-ending proxy it knows no better)
/// is visited as https.
pub fn followed(from: &Url, to: &Url) -> Option<Url> {
    let mut to = to.clone();
    to.set_fragment(None);
    if !to.username().is_empty() || to.password().is_some() {
        return None;
    }
    if to.origin() == from.origin() || is_upgrade(from, &to) {
        return Some(to);
    }
    let is_own = from.scheme() == "https"
        && to.scheme() == "http"
        && to.host() == from.host()
        && (to.port().is_none() || to.port() == from.port());
    if !is_own {
        return None;
    }
    to.set_scheme("https").ok()?;
    to.set_port(from.port()).ok()?;
    Some(to)
}

/// Says whether a redirect leads from http to https on the same host.
pub fn is_upgrade(from: &Url, to: &Url) -> bool {
    from.scheme() == "http" && to.scheme() == "https" && to.host() == from.host()
}

/// The address that an absolute path means which a server names that knows nothing of the path its gateway puts before its
/// own: `/messages` named by the stream at `/gateway/sse` is `/gateway/messages`.
pub fn below_the_same_prefix(base: &Url, path: &str) -> Option<Url> {
    let own = path.strip_prefix('/').filter(|own| !own.starts_with('/'))?;
    let (folder, _) = base.path().rsplit_once('/')?;
    let folder: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let first = own.split(['/', '?']).next()?;
    let prefix = match folder.iter().position(|part| *part == first) {
        // The server's own path begins here.
        Some(at) => folder.get(..at)?,
        None => folder.as_slice(),
    };
    if prefix.is_empty() {
        return None;
    }
    base.join(&format!("/{}/{own}", prefix.join("/"))).ok()
}

/// An address as a message may show it: without query, fragment, user name and password.
pub fn shown(url: &Url) -> String {
    printable(place(url).as_str(), LONGEST_SHOWN)
}

/// Returns the same text, for a reader that looks for secrets in it only when it is told to.
pub fn kept(url: &Url) -> String {
    place(url).as_str().chars().take(LONGEST_SHOWN).collect()
}

fn place(url: &Url) -> Url {
    let mut place = url.clone();
    place.set_query(None);
    place.set_fragment(None);
    let _ = place.set_username("");
    let _ = place.set_password(None);
    place
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn only_the_same_host_is_followed_and_never_in_the_open() {
        for (from, to, wanted) in [
            (
                "https://a.example/mcp",
                "/mcp/",
                Some("https://a.example/mcp/"),
            ),
            (
                "https://a.example/mcp",
                "https://a.example:443/x?y#z",
                Some("https://a.example/x?y"),
            ),
            (
                "http://a.example/mcp",
                "https://a.example/mcp",
                Some("https://a.example/mcp"),
            ),
            (
                "http://127.0.0.1:80/mcp",
                "https://127.0.0.1:8443/mcp",
                Some("https://127.0.0.1:8443/mcp"),
            ),
            // What is behind a TLS-ending proxy takes itself for http.
            (
                "https://a.example/mcp",
                "http://a.example/mcp/",
                Some("https://a.example/mcp/"),
            ),
            (
                "https://a.example:8443/mcp",
                "http://a.example:8443/mcp/",
                Some("https://a.example:8443/mcp/"),
            ),
            (
                "https://a.example:8443/mcp",
                "http://a.example/mcp/",
                Some("https://a.example:8443/mcp/"),
            ),
            ("https://a.example/mcp", "http://a.example:8080/mcp/", None),
            ("https://a.example/mcp", "https://a.example:444/mcp", None),
            ("http://a.example/mcp", "http://a.example:81/mcp", None),
            ("https://a.example/mcp", "https://b.example/mcp", None),
            ("http://a.example/mcp", "https://b.example/mcp", None),
            (
                "https://a.example/mcp",
                "https://a.example.evil.example/mcp",
                None,
            ),
            ("https://a.example/mcp", "https://u:p@a.example/mcp", None),
            ("https://a.example/mcp", "javascript:alert(1)", None),
        ] {
            let from = url(from);
            let to = from.join(to).unwrap();
            let found = followed(&from, &to);
            assert_eq!(found.as_ref().map(Url::as_str), wanted, "{from} {to}");
        }
    }

    #[test]
    fn a_gateway_s_prefix_is_put_before_a_path_that_lacks_it() {
        for (base, path, wanted) in [
            (
                "/gateway/sse",
                "/messages?id=1",
                Some("/gateway/messages?id=1"),
            ),
            (
                "/org/team/v1/sse",
                "/v1/messages/?id=1",
                Some("/org/team/v1/messages/?id=1"),
            ),
            ("/gateway/sse", "/gateway/messages", None),
            ("/sse", "/messages", None),
            ("/gateway/sse", "messages", None),
            ("/gateway/sse", "//b.example/messages", None),
        ] {
            let found = below_the_same_prefix(&url(&format!("https://a.example{base}")), path);
            let wanted = wanted.map(|wanted| url(&format!("https://a.example{wanted}")));
            assert_eq!(found, wanted, "{base} {path}");
        }
    }

    #[test]
    fn a_target_is_shown_without_what_may_be_secret() {
        let shown = shown(&url("https://u:p@b.example:444/a/b?key=s3cret#t"));
        assert_eq!(shown, "https://b.example:444/a/b");
        let headers = HeaderMap::from_iter([(
            LOCATION,
            HeaderValue::from_bytes("/caf\u{e9}".as_bytes()).unwrap(),
        )]);
        let target = target(&url("https://a.example/mcp"), &headers).unwrap();
        assert_eq!(target.as_str(), "https://a.example/caf%C3%A9");
    }
}
