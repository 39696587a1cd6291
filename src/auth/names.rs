//! How resources and issuers are named, and where their metadata stands: rules about text, nothing fetched.
//!
//! RFC 9728 sections 3.1 and 3.3, RFC 8414 sections 3.1 and 3.3, OpenID Connect Discovery 1.0 section 4.

use url::Url;

use super::providers::quirks;

/// The well-known suffix goes between host and path; the path-less place is asked second, once (RFC 9728 section 3.1).
pub(super) fn resource_places(url: &Url) -> Vec<Url> {
    let mut inserted = url.clone();
    let path = url.path().trim_end_matches('/');
    inserted.set_path(&format!("{PROTECTED_RESOURCE}{path}"));
    inserted.set_fragment(None);
    let mut root = inserted.clone();
    root.set_path(PROTECTED_RESOURCE);
    root.set_query(None);
    if inserted == root {
        return vec![root];
    }
    vec![inserted, root]
}

/// RFC 8414's place, then OpenID's in both spellings; never the root's for an issuer that has a path (D-06).
/// `None` if that is no issuer at all.
pub(super) fn issuer_places(issuer: &str) -> Option<Vec<Url>> {
    let url = Url::parse(issuer).ok().filter(|_| is_plain(issuer))?;
    if url.query().is_some() || url.fragment().is_some() || !url.has_host() {
        return None;
    }
    let path = url.path().strip_suffix('/').unwrap_or(url.path());
    let at = |path: String| {
        let mut place = url.clone();
        place.set_path(&path);
        place
    };
    let mut places = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("/.well-known/openid-configuration{path}")),
    ];
    if !path.is_empty() {
        places.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    Some(places)
}

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// Whether a name can be compared and shown as it stands. Parsing a URL passes over tabs and line breaks, so two names that
/// differ in them are one address; RFC 3986 section 2 has no control characters at all.
pub(super) fn is_plain(name: &str) -> bool {
    !name.chars().any(char::is_control)
}

/// Whether `name` is `url`, or its origin with whole leading segments of its path (D-04, security.md 7.5).
pub(super) fn covers(name: &str, url: &Url) -> bool {
    let Some(named) = Url::parse(name).ok().filter(|_| is_plain(name)) else {
        return false;
    };
    if named.origin() != url.origin() || named.fragment().is_some() || !named.username().is_empty()
    {
        return false;
    }
    if named.query().is_some() && named.query() != url.query() {
        return false;
    }
    let prefix = named.path().trim_end_matches('/');
    url.path()
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The same characters. A slash at the end that the resource wrote and the server does not is forgiven, and for a bare
/// origin the other way round as well: both are one address, looked up in one place (D-07).
pub(super) fn same_issuer(asked: &str, found: &str) -> bool {
    if asked == found || asked.strip_suffix('/') == Some(found) {
        return !found.is_empty();
    }
    found.strip_suffix('/') == Some(asked) && asked.matches('/').count() == 2
}

/// Whether `found` is the issuer of all tenants, and `asked` one of them, at a server known to do that.
pub(super) fn is_tenant_of(asked: &str, found: &str) -> bool {
    let Some((head, tail)) = found.split_once("{tenantid}") else {
        return false;
    };
    quirks(asked).tenant_issuer
        && asked
            .strip_prefix(head)
            .and_then(|rest| rest.strip_suffix(tail))
            .is_some_and(|tenant| !tenant.is_empty() && !tenant.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_control_characters_are_none() {
        let url = Url::parse("https://a.example/mcp").unwrap();
        for odd in ["\n", "\r", "\t", "\0", "\u{1b}[31m", "\u{7f}", "\u{85}"] {
            for name in [
                format!("https://a.example/mcp{odd}"),
                format!("https://a.exa{odd}mple/mcp"),
                format!("{odd}https://a.example/mcp"),
            ] {
                assert!(issuer_places(&name).is_none(), "{name:?}");
                assert!(!covers(&name, &url), "{name:?}");
            }
        }
        assert!(issuer_places(url.as_str()).is_some() && covers(url.as_str(), &url));
    }

    fn paths(places: &[Url]) -> Vec<String> {
        places
            .iter()
            .map(|url| url[url::Position::BeforePath..].to_owned())
            .collect()
    }

    #[test]
    fn resource_metadata_is_looked_for_in_order() {
        let places = |text: &str| paths(&resource_places(&Url::parse(text).unwrap()));
        let root = "/.well-known/oauth-protected-resource";
        assert_eq!(places("https://h.example"), [root]);
        assert_eq!(places("https://h.example/"), [root]);
        assert_eq!(
            places("https://h.example/a/mcp/"),
            [format!("{root}/a/mcp"), root.to_owned()]
        );
        assert_eq!(
            places("https://h.example/mcp?t=1"),
            [format!("{root}/mcp?t=1"), root.to_owned()]
        );
    }

    #[test]
    fn issuer_metadata_is_looked_for_in_order_and_never_at_the_root_of_a_path() {
        let places = |text: &str| paths(&issuer_places(text).unwrap());
        let bare = [
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
        ];
        assert_eq!(places("https://h.example"), bare);
        assert_eq!(places("https://h.example/"), bare);
        for issuer in ["https://h.example/t1", "https://h.example/t1/"] {
            assert_eq!(
                places(issuer),
                [
                    "/.well-known/oauth-authorization-server/t1",
                    "/.well-known/openid-configuration/t1",
                    "/t1/.well-known/openid-configuration",
                ]
            );
        }
        for bad in [
            "h.example",
            "https://h.example/?x",
            "https://h.example/#x",
            "mailto:x",
        ] {
            assert!(issuer_places(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_resource_covers_whole_segments_of_its_own_origin() {
        for (name, wanted) in [
            ("https://h.example/a/mcp", true),
            ("https://h.example/a", true),
            ("https://h.example/a/", true),
            ("https://h.example", true),
            ("https://H.example:443/", true),
            ("https://h.example/a/mc", false),
            ("https://h.example/a/mcp/more", false),
            ("https://h.example:444", false),
            ("http://h.example", false),
            ("https://evil.example/a/mcp", false),
            ("https://h.example/a#f", false),
            ("https://h.example/a?q", false),
            ("", false),
        ] {
            let url = Url::parse("https://h.example/a/mcp").unwrap();
            assert_eq!(covers(name, &url), wanted, "{name}");
        }
    }

    #[test]
    fn issuers_are_compared_by_character() {
        for (asked, found, wanted) in [
            ("https://h.example", "https://h.example", true),
            ("https://h.example/", "https://h.example", true),
            ("https://h.example", "https://h.example/", true),
            ("https://h.example/t/", "https://h.example/t", true),
            ("https://h.example/t", "https://h.example/t/", false),
            ("https://h.example", "https://H.example", false),
            ("https://h.example", "https://h.example:443", false),
            ("https://h.example", "", false),
        ] {
            assert_eq!(same_issuer(asked, found), wanted, "{asked} {found}");
        }
        let entra = "https://login.microsoftonline.com/common/v2.0";
        assert!(is_tenant_of(
            entra,
            "https://login.microsoftonline.com/{tenantid}/v2.0"
        ));
        assert!(!is_tenant_of(
            "https://h.example/common",
            "https://h.example/{tenantid}"
        ));
    }
}
