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
mod tests;
