//! Names of resources and issuers, and the places of their metadata: rules about text; fetches nothing.
//!
//! RFC 9728 sections 3.1 and 3.3, RFC 8414 sections 3.1 and 3.3, OpenID Connect Discovery 1.0 section 4.

use url::Url;

use crate::auth::oauth::known_providers::{Naming, known_quirks};

/// Returns the places of a resource's metadata. The well-known suffix goes between host and path; the path-less place
/// is asked second, once (RFC 9728 section 3.1).
pub(in crate::auth) fn resource_places(url: &Url) -> Vec<Url> {
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

/// Returns the places of an issuer's metadata: RFC 8414's, then OpenID's in both spellings, then RFC 8414's appended,
/// which no standard has and Atlassian and Okta do; never the root's for an issuer that has a path. `None` if the text
/// is no issuer at all.
pub(in crate::auth) fn issuer_places(issuer: &str) -> Option<Vec<Url>> {
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
        at(format!("{AUTHORIZATION_SERVER}{path}")),
        at(format!("{OPENID}{path}")),
    ];
    if !path.is_empty() {
        places.push(at(format!("{path}{OPENID}")));
        places.push(at(format!("{path}{AUTHORIZATION_SERVER}")));
    }
    Some(places)
}

/// Returns the issuer whose metadata would stand at this place; `None` if it is no well-known place.
pub(in crate::auth) fn issuer_of_place(place: &Url) -> Option<String> {
    if place.query().is_some() || place.fragment().is_some() || !place.username().is_empty() {
        return None;
    }
    let path = place.path();
    let issuer_path = [AUTHORIZATION_SERVER, OPENID].iter().find_map(|suffix| {
        let inserted = path.strip_prefix(suffix);
        let inserted = inserted.filter(|rest| rest.is_empty() || rest.starts_with('/'));
        inserted.or_else(|| path.strip_suffix(suffix))
    })?;
    let origin = place.origin().ascii_serialization();
    Some(format!("{origin}{}", issuer_path.trim_end_matches('/')))
}

const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// Says whether a name can be compared and shown as it stands. Parsing a URL passes over tabs and line breaks, so two
/// names that differ in them are one address; RFC 3986 section 2 has no control characters at all.
pub(in crate::auth) fn is_plain(name: &str) -> bool {
    !name.chars().any(char::is_control)
}

/// Says whether `name` is `url`, or its origin with whole leading segments of its path (RFC 9728 section 3.3, as
/// deployed).
pub(in crate::auth) fn covers(name: &str, url: &Url) -> bool {
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

/// Says whether both are the same characters, but for one slash at the end: both spellings have their metadata in one
/// place.
pub(in crate::auth) fn same_issuer(asked: &str, found: &str) -> bool {
    bare(asked) == bare(found) && !found.is_empty()
}

fn bare(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

/// Says whether metadata that were looked up for `asked` may have `found` for their issuer: the same issuer, or a name
/// that this provider is known to use for it.
pub(in crate::auth) fn names_itself(asked: &str, found: &str) -> bool {
    let namings = known_quirks(asked).namings;
    same_issuer(asked, found)
        || namings
            .iter()
            .any(|naming| naming.covers(bare(asked), bare(found)))
}

impl Naming {
    /// Says whether `asked` and `found` both fit this pattern, for one tenant.
    fn covers(&self, asked: &str, found: &str) -> bool {
        let (Some(asked), Some(found)) = (blanks(self.asked, asked), blanks(self.found, found))
        else {
            return false;
        };
        let of = |blank: &str| {
            let named = asked.iter().find(|(name, _)| *name == blank);
            named.map_or("", |(_, value)| *value)
        };
        let is_one = |(name, value): &(&str, &str)| {
            let first = found.iter().find(|(other, _)| other == name);
            let is_same = |(_, first): &(&str, &str)| first.eq_ignore_ascii_case(value);
            first.is_some_and(is_same)
        };
        found.iter().all(is_one)
            && found.iter().all(|(name, value)| match *name {
                "tenant" => is_tenant(of(name), value),
                name => of(name).eq_ignore_ascii_case(value),
            })
    }
}

/// Says whether a tenant that was asked for as `asked` may be called `found`. A tenant asked for by its number has that
/// number; a tenant asked for by a name may have any number, which only the provider knows; and a document for all
/// tenants has a blank of its own.
fn is_tenant(asked: &str, found: &str) -> bool {
    found == "{tenantid}"
        || asked.eq_ignore_ascii_case(found)
        || is_number(found) && !is_number(asked)
}

/// Says whether this is the number of a tenant (RFC 9562).
fn is_number(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && groups
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Returns the texts in the blanks of a pattern (`{name}`), if this text fits. No blank holds a slash.
fn blanks<'a>(pattern: &'static str, text: &'a str) -> Option<Vec<(&'static str, &'a str)>> {
    let (mut pattern, mut text) = (pattern, text);
    let mut found = Vec::new();
    while let Some((literal, rest)) = pattern.split_once('{') {
        text = text.strip_prefix(literal)?;
        let (name, rest) = rest.split_once('}')?;
        let end = rest.split('{').next().unwrap_or_default();
        let at = if end.is_empty() {
            text.len()
        } else {
            text.find(end)?
        };
        let (value, after) = text.split_at_checked(at)?;
        if value.is_empty() || value.contains('/') {
            return None;
        }
        found.push((name, value));
        (pattern, text) = (rest, after);
    }
    (pattern == text).then_some(found)
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
                    "/t1/.well-known/oauth-authorization-server",
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
            ("https://h.example/t", "https://h.example/t/", true),
            ("https://h.example/t", "https://h.example/t//", false),
            ("https://h.example/t", "https://h.example/", false),
            ("https://h.example", "/", false),
            ("https://h.example", "https://H.example", false),
            ("https://h.example", "https://h.example:443", false),
            ("https://h.example", "", false),
        ] {
            assert_eq!(same_issuer(asked, found), wanted, "{asked} {found}");
        }
        let entra = "https://login.microsoftonline.com/common/v2.0";
        assert!(names_itself(
            entra,
            "https://login.microsoftonline.com/{tenantid}/v2.0"
        ));
        assert!(!names_itself(
            "https://h.example/common",
            "https://h.example/{tenantid}"
        ));
    }

    const NUMBER: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const OTHER: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn microsoft_calls_a_tenant_by_its_number_whatever_it_was_asked_for_by() {
        for (asked, found) in [
            ("login.microsoftonline.com/N/v2.0", "sts.windows.net/N/"),
            ("login.microsoftonline.com/N", "sts.windows.net/N/"),
            (
                "login.microsoftonline.com/N/",
                "login.microsoftonline.com/N/v2.0",
            ),
            ("sts.windows.net/N/", "login.microsoftonline.com/N/v2.0"),
            ("login.windows.net/N", "sts.windows.net/N/"),
            (
                "login.microsoftonline.com/contoso.com/v2.0",
                "login.microsoftonline.com/N/v2.0",
            ),
            (
                "login.microsoftonline.com/contoso.onmicrosoft.com",
                "sts.windows.net/N/",
            ),
            (
                "login.microsoftonline.com/consumers/v2.0",
                "login.microsoftonline.com/N/v2.0",
            ),
            (
                "login.microsoftonline.com/common/v2.0",
                "login.microsoftonline.com/{tenantid}/v2.0",
            ),
            (
                "login.microsoftonline.com/organizations/v2.0",
                "login.microsoftonline.com/{tenantid}/v2.0",
            ),
            (
                "login.microsoftonline.com/common",
                "sts.windows.net/{tenantid}/",
            ),
            (
                "login.microsoftonline.us/N/v2.0",
                "login.microsoftonline.us/N/v2.0/",
            ),
            (
                "login.partner.microsoftonline.cn/N",
                "sts.chinacloudapi.cn/N/",
            ),
            (
                "contoso.ciamlogin.com/contoso.onmicrosoft.com/v2.0",
                "N.ciamlogin.com/N/v2.0",
            ),
            ("contoso.ciamlogin.com/N/v2.0", "N.ciamlogin.com/N/v2.0"),
            (
                "contoso.ciamlogin.com/N/v2.0",
                "contoso.ciamlogin.com/N/v2.0",
            ),
            (
                "contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_in/v2.0",
                "contoso.b2clogin.com/N/v2.0/",
            ),
            (
                "contoso.b2clogin.com/tfp/contoso.onmicrosoft.com/B2C_1_in/v2.0",
                "contoso.b2clogin.com/tfp/N/b2c_1_in/v2.0/",
            ),
            (
                "contoso.b2clogin.com/tfp/N/B2C_1_in/v2.0",
                "contoso.b2clogin.com/N/v2.0/",
            ),
        ] {
            let of = |text: &str| {
                format!(
                    "https://{}",
                    text.replace("N.", &format!("{NUMBER}."))
                        .replace("/N", &format!("/{NUMBER}"))
                )
            };
            assert!(names_itself(&of(asked), &of(found)), "{asked} {found}");
        }
    }

    #[test]
    fn nobody_else_is_called_so_and_no_tenant_is_another() {
        for (asked, found) in [
            ("login.microsoftonline.com/N/v2.0", "sts.windows.net/O/"),
            (
                "login.microsoftonline.com/N/v2.0",
                "login.microsoftonline.com/O/v2.0",
            ),
            (
                "login.microsoftonline.com/contoso.com/v2.0",
                "login.microsoftonline.com/fabrikam.com/v2.0",
            ),
            ("login.microsoftonline.com/N/v2.0", "evil.example/N/v2.0"),
            (
                "login.microsoftonline.com/N/v2.0",
                "login.microsoftonline.com.evil.example/N/v2.0",
            ),
            (
                "login.microsoftonline.com/N/v2.0",
                "login.microsoftonline.us/N/v2.0",
            ),
            (
                "login.microsoftonline.us/N/v2.0",
                "sts.windows.net.evil.example/N/",
            ),
            ("evil.example/N/v2.0", "sts.windows.net/N/"),
            ("login.microsoftonline.com/N/v2.0", "sts.windows.net/N/more"),
            ("contoso.ciamlogin.com/N/v2.0", "O.ciamlogin.com/N/v2.0"),
            (
                "contoso.ciamlogin.com/contoso.com/v2.0",
                "O.ciamlogin.com/N/v2.0",
            ),
            (
                "contoso.ciamlogin.com/N/v2.0",
                "fabrikam.ciamlogin.com/N/v2.0",
            ),
            (
                "contoso.b2clogin.com/contoso.com/B2C_1_in/v2.0",
                "fabrikam.b2clogin.com/N/v2.0/",
            ),
            (
                "contoso.b2clogin.com/N/B2C_1_in/v2.0",
                "contoso.b2clogin.com/O/v2.0/",
            ),
            ("a.contoso.ciamlogin.com/N/v2.0", "N.ciamlogin.com/N/v2.0"),
        ] {
            let of = |text: &str| {
                let text = text
                    .replace("N.", &format!("{NUMBER}."))
                    .replace("/N", &format!("/{NUMBER}"));
                format!(
                    "https://{}",
                    text.replace("O.", &format!("{OTHER}."))
                        .replace("/O/", &format!("/{OTHER}/"))
                )
            };
            assert!(!names_itself(&of(asked), &of(found)), "{asked} {found}");
        }
        let plain = |text: &str| text.replacen("https", "http", 1);
        let asked = format!("https://login.microsoftonline.com/{NUMBER}/v2.0");
        let found = format!("https://sts.windows.net/{NUMBER}/");
        assert!(names_itself(&asked, &found));
        assert!(!names_itself(&plain(&asked), &found));
        assert!(!names_itself(&asked, &plain(&found)));
    }

    #[test]
    fn a_well_known_place_tells_whose_it_is() {
        for (place, issuer) in [
            ("/.well-known/oauth-authorization-server", Some("")),
            ("/.well-known/openid-configuration", Some("")),
            ("/.well-known/oauth-authorization-server/t1", Some("/t1")),
            ("/t1/.well-known/openid-configuration", Some("/t1")),
            ("/t1/.well-known/oauth-authorization-server", Some("/t1")),
            ("/.well-known/oauth-authorization-servers", None),
            ("/.well-known/oauth-protected-resource", None),
            ("/.well-known/openid-configuration?x=y", None),
            ("/login", None),
        ] {
            let place = Url::parse(&format!("https://h.example{place}")).unwrap();
            let wanted = issuer.map(|path| format!("https://h.example{path}"));
            assert_eq!(issuer_of_place(&place), wanted, "{place}");
        }
    }
}
