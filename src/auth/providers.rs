//! What is known about authorization servers that differ, as data keyed by the issuer's host (providers.md).

use url::Url;

/// How one authorization server differs from the standards.
#[derive(Clone, Copy, Debug)]
pub struct Quirks {
    /// What people call it.
    pub name: Option<&'static str>,
    /// It takes the `resource` parameter (RFC 8707).
    pub takes_resource: bool,
    /// It knows PKCE S256 though its metadata does not list it.
    pub knows_pkce: bool,
    /// Its issuer holds `{tenantid}` where the address used says `common` or the like.
    pub tenant_issuer: bool,
    /// A refresh must repeat the scope.
    pub scope_on_refresh: bool,
    /// Wanted in the authorization request.
    pub authorize: &'static [(&'static str, &'static str)],
    /// The loopback host its registrations can hold.
    pub callback_host: Option<&'static str>,
    /// What to tell somebody who has to register a client there by hand.
    pub advice: Option<&'static str>,
}

const STANDARD: Quirks = Quirks {
    name: None,
    takes_resource: true,
    knows_pkce: false,
    tenant_issuer: false,
    scope_on_refresh: false,
    authorize: &[],
    callback_host: None,
    advice: None,
};

const ENTRA: Quirks = Quirks {
    takes_resource: false,
    knows_pkce: true,
    tenant_issuer: true,
    scope_on_refresh: true,
    callback_host: Some("localhost"),
    ..STANDARD
};

/// A refresh token only with `access_type=offline`, and again only after consent.
const GOOGLE: Quirks = Quirks {
    knows_pkce: true,
    authorize: &[("access_type", "offline"), ("prompt", "consent")],
    ..STANDARD
};

const COGNITO: Quirks = Quirks {
    knows_pkce: true,
    ..STANDARD
};

/// The whole host, or a suffix that begins with a dot and, before the star, a prefix.
const TABLE: &[(&str, Quirks)] = &[
    ("login.microsoftonline.com", ENTRA),
    ("login.microsoftonline.us", ENTRA),
    ("accounts.google.com", GOOGLE),
    ("cognito-idp.*.amazonaws.com", COGNITO),
];

/// What is known about this issuer.
pub fn quirks(issuer: &str) -> Quirks {
    let parsed = Url::parse(issuer).ok();
    let Some(host) = parsed.as_ref().and_then(Url::host_str) else {
        return STANDARD;
    };
    let fits = |pattern: &str| match pattern.split_once('*') {
        None => host == pattern,
        Some((head, tail)) => host
            .strip_prefix(head)
            .and_then(|rest| rest.strip_suffix(tail))
            .is_some_and(|middle| !middle.is_empty() && !middle.contains('.')),
    };
    TABLE
        .iter()
        .find(|(pattern, _)| fits(pattern))
        .map_or(STANDARD, |(_, quirks)| *quirks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_known_by_their_whole_host() {
        assert!(!quirks("https://login.microsoftonline.com/common/v2.0").takes_resource);
        assert!(quirks("https://login.microsoftonline.com.evil.example/").takes_resource);
        assert!(quirks("https://cognito-idp.eu-west-1.amazonaws.com/p").knows_pkce);
        assert!(!quirks("https://cognito-idp.a.b.amazonaws.com/p").knows_pkce);
        assert!(!quirks("https://as.example.com").knows_pkce);
    }
}
