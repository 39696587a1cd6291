//! The names of `[server."…"]`: which servers such a table is for, and which of two tables is nearer to a server.
//!
//! A name is an address, an origin, or either with `*`, which stands for any text within its part: the host, the port or
//! the path. Both sides are compared as the URL standard writes them (host in small letters, no default port, percent
//! signs as needed), so that one server has one spelling. A `*` of the host never reaches into the path: another site
//! cannot be taken for a pattern's by the path it chooses.
//!
//! - An origin is for every path there.
//! - A path counts with or without a slash at its end.
//! - A name without a query is for every query, one with a query for that query only.

use url::Url;

/// The servers that a table is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerPattern {
    scheme: String,
    host: String,
    port: Port,
    /// The path; `None` for an origin.
    path: Option<String>,
    query: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Port {
    Any,
    Only(Option<u16>),
}

/// The nearness of a table to a server, to be compared with that of other tables for the same server: the number of
/// characters that are no `*`, and of two with the same number the one without any `*`.
pub(super) type Nearness = (usize, bool);

/// A name that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotServer(pub(super) &'static str);

impl ServerPattern {
    /// Reads the name of a table.
    ///
    /// # Errors
    /// A text that is no address, or an address with a user's name in it.
    pub(super) fn read(name: &str) -> Result<Self, NotServer> {
        if name.contains(char::is_whitespace) {
            return Err(NotServer("an address has no spaces"));
        }
        let (rest, has_any_port) = without_any_port(name);
        let url = Url::parse(&rest)
            .map_err(|_| NotServer("write https://HOST, https://HOST/PATH, or either with *"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(NotServer(
                "a server's address begins with https:// or http://",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotServer("an address has no user name and no password"));
        }
        let path = url.path();
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host: without_dot(url.host_str().unwrap_or_default()).to_owned(),
            port: match has_any_port {
                true => Port::Any,
                false => Port::Only(url.port()),
            },
            path: (path != "/" || url.query().is_some()).then(|| plain_path(path)),
            query: url.query().map(str::to_owned),
        })
    }

    /// Returns the nearness of the table to this server; `None` if the table is not for the server.
    pub(super) fn nearness(&self, server: &Url) -> Option<Nearness> {
        let is_port = match self.port {
            Port::Any => true,
            Port::Only(port) => port == server.port(),
        };
        let host = without_dot(server.host_str().unwrap_or_default());
        let is_path = self
            .path
            .as_deref()
            .is_none_or(|path| is_match(path, &plain_path(server.path())));
        let is_query = self
            .query
            .as_deref()
            .is_none_or(|query| server.query() == Some(query));
        let is_for = self.scheme == server.scheme()
            && is_port
            && is_match(&self.host, host)
            && is_path
            && is_query;
        is_for.then(|| {
            let parts = [
                Some(self.host.as_str()),
                self.path.as_deref(),
                self.query.as_deref(),
            ];
            let texts = parts.into_iter().flatten();
            let literals = texts.map(|text| text.chars().filter(|c| *c != '*').count());
            let port = usize::from(self.port != Port::Any);
            let has_star = self.port == Port::Any
                || self.host.contains('*')
                || self.path.as_deref().is_some_and(|path| path.contains('*'));
            (literals.sum::<usize>() + port, !has_star)
        })
    }
}

/// Takes the port out of an address where it is `*`, which no URL can have.
fn without_any_port(name: &str) -> (String, bool) {
    let Some((scheme, rest)) = name.split_once("://") else {
        return (name.to_owned(), false);
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.strip_suffix(":*") {
        Some(host) => (format!("{scheme}://{host}{path}"), true),
        None => (name.to_owned(), false),
    }
}

/// Returns a host without the dot of the root behind it, which leads to the same server.
fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Returns a path without the slash at its end, and with the characters that need no percent sign as themselves (RFC 3986
/// section 6.2.2.2): servers take both spellings for one path.
fn plain_path(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path.strip_suffix('/').unwrap_or(path);
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let code = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let letter = code.map(char::from).filter(|c| is_unreserved(*c));
        match (letter, after.get(..2), after.get(2..)) {
            (Some(letter), _, Some(after)) => {
                plain.push(letter);
                rest = after;
            }
            (None, Some(hex), Some(after)) if code.is_some() => {
                plain.push('%');
                plain.push_str(&hex.to_ascii_uppercase());
                rest = after;
            }
            _ => {
                plain.push('%');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// Says whether a character is one of those that mean themselves everywhere in an address (RFC 3986 section 2.3).
fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~".contains(c)
}

/// Says whether a text is as the pattern has it: `*` stands for any text, everything else for itself. Takes time in the
/// product of both lengths at most.
fn is_match(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    // The first place of each piece leaves the most text to the pieces behind it.
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearness(pattern: &str, server: &str) -> Option<Nearness> {
        let server = Url::parse(server).unwrap();
        ServerPattern::read(pattern).unwrap().nearness(&server)
    }

    #[test]
    fn one_server_has_one_spelling() {
        for (pattern, server) in [
            ("https://a.example/mcp", "https://a.example/mcp/"),
            ("https://a.example/mcp/", "https://a.example/mcp"),
            ("https://A.EXAMPLE:443/mcp", "https://a.example/mcp"),
            ("HTTPS://a.example", "https://a.example:443/x?key=1"),
            ("https://a.example/", "https://a.example/mcp"),
            ("http://127.0.0.1:*", "http://127.0.0.1:4711/mcp"),
            ("http://[::1]:*/mcp", "http://[::1]:4711/mcp"),
            ("http://[0:0::1]:80", "http://[::1]/"),
            ("https://*.Example.com", "https://a.b.example.com/mcp"),
            ("https://a.example/*/mcp", "https://a.example/x/y/mcp/"),
            ("https://a.example/m*", "https://a.example/mcp"),
            ("https://bücher.example", "https://xn--bcher-kva.example/"),
            ("https://a.example/ä", "https://a.example/%C3%A4"),
            ("https://a.example/mcp", "https://a.example/mcp?team=1"),
            (
                "https://a.example/mcp?team=1",
                "https://a.example/mcp?team=1",
            ),
        ] {
            assert!(nearness(pattern, server).is_some(), "{pattern}: {server}");
        }
    }

    #[test]
    fn a_table_is_for_no_other_server() {
        for (pattern, server) in [
            ("https://a.example/mcp", "https://a.example/mcp2"),
            ("https://a.example/mcp", "https://a.example/mcp/x"),
            ("https://a.example/mcp", "https://a.example/"),
            ("https://a.example", "http://a.example/"),
            ("https://a.example", "https://a.example:8443/"),
            ("https://a.example", "https://a.example.evil/"),
            ("https://*.example.com", "https://example.com/"),
            // The path of another site.
            ("https://*.example.com", "https://evil.test/a.example.com"),
            ("https://*example.com/*", "https://evil.test/x.example.com/"),
            ("https://*/mcp", "https://a.example/mcp/x"),
            ("http://localhost:*", "http://localhost.evil:80/"),
            ("https://a.example/mcp?team=1", "https://a.example/mcp"),
            ("https://a.example/a/b", "https://a.example/a%2Fb"),
            ("https://a.example/%", "https://a.example/%25"),
            (
                "https://a.example/mcp?team=1",
                "https://a.example/mcp?team=2",
            ),
        ] {
            assert_eq!(nearness(pattern, server), None, "{pattern}: {server}");
        }
    }

    #[test]
    fn the_table_with_more_of_the_address_is_nearer() {
        let server = "https://a.example/one/mcp";
        let in_order = [
            "https://*",
            "https://*.example",
            "https://*a.example",
            "https://a.example",
            "https://a.example/one/*",
            "https://a.example/one/mcp*",
            "https://a.example/one/mcp",
        ];
        let found = in_order.map(|pattern| nearness(pattern, server).unwrap());
        assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for name in [
            "",
            "*",
            "a.example",
            "ftp://a.example",
            "https://",
            "https://user@a.example",
            "https://a example",
            "https://a.example:x",
        ] {
            assert!(ServerPattern::read(name).is_err(), "{name}");
        }
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, wanted) in [
            ("*", "", true),
            ("a*", "a", true),
            ("a*b", "ab", true),
            ("a*b", "axb", true),
            ("a*b", "axbx", false),
            ("a*b*c", "abbc", true),
            ("a*b*c", "acb", false),
            ("*ab*ab*", "ab", false),
            ("**", "x", true),
            ("a", "", false),
        ] {
            assert_eq!(is_match(pattern, text), wanted, "{pattern}: {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_address_of_a_server_is_a_pattern_for_it(
            host in "[a-zA-Z][a-z0-9]{0,6}(\\.[a-z]{1,5}){0,2}\\.?",
            path in "(/([a-zA-Z0-9._~!$&'()+,;=:@-]|%[0-9a-fA-F]{2}|%){0,6}){0,3}",
        ) {
            let address = format!("https://{host}{path}");
            if let (Ok(pattern), Ok(server)) = (ServerPattern::read(&address), Url::parse(&address)) {
                proptest::prop_assert!(pattern.nearness(&server).is_some(), "{address}");
                let origin = ServerPattern::read(&format!("https://{host}")).unwrap();
                proptest::prop_assert!(origin.nearness(&server) <= pattern.nearness(&server));
            }
        }

        #[test]
        fn any_name_is_read_or_refused(name in ".{0,40}") {
            let _ = ServerPattern::read(&name);
            let _ = plain_path(&name);
        }
    }
}
