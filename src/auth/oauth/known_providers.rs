//! Known differences of authorization servers, as data keyed by the issuer's host.

use url::Url;

/// The differences of one authorization server from the standards.
#[derive(Clone, Copy, Debug)]
pub struct Quirks {
    /// The name that users know.
    pub name: Option<&'static str>,
    /// True where the server takes the `resource` parameter (RFC 8707).
    pub takes_resource: bool,
    /// True where the server knows PKCE S256 though its metadata does not list it.
    pub knows_pkce: bool,
    /// The names that the server gives itself where those are not the name it was looked up by.
    pub namings: &'static [Naming],
    /// True where a refresh must repeat the scope.
    pub scope_on_refresh: bool,
    /// The parameters that the server wants in the authorization request.
    pub authorize: &'static [(&'static str, &'static str)],
    /// True where the server takes one `prompt` only, not a list (AADSTS90023).
    pub takes_one_prompt: bool,
    /// True where the server takes `prompt=select_account` although it does not speak OpenID Connect.
    pub selects_account: bool,
    /// The loopback host that registrations there can hold.
    pub callback_host: Option<&'static str>,
    /// Advice for a user who has to register a client there by hand.
    pub advice: Option<&'static str>,
}

/// The issuer that metadata that are looked up for another may name. Blanks of one name hold the same text; `{tenant}`
/// follows the rules of `metadata_urls`. Without the slash at the end.
#[derive(Clone, Copy, Debug)]
pub struct Naming {
    /// The issuer that the metadata are looked up for.
    pub asked: &'static str,
    /// The issuer that the metadata may name.
    pub found: &'static str,
}

const fn naming(asked: &'static str, found: &'static str) -> Naming {
    Naming { asked, found }
}

/// Microsoft Entra: version 1 of the endpoints has one name for all hosts of a cloud; version 2 has the host, with the
/// number of the tenant.
const ENTRA_NAMES: [Naming; 9] = [
    naming(
        "https://{host}/{tenant}/v2.0",
        "https://{host}/{tenant}/v2.0",
    ),
    naming("https://{host}/{tenant}", "https://{host}/{tenant}/v2.0"),
    naming("https://login.microsoftonline.com/{tenant}/v2.0", STS),
    naming("https://login.microsoftonline.com/{tenant}", STS),
    naming("https://login.microsoftonline.us/{tenant}", STS),
    naming("https://login.windows.net/{tenant}", STS),
    naming(
        "https://login.windows.net/{tenant}/v2.0",
        "https://login.microsoftonline.com/{tenant}/v2.0",
    ),
    naming(STS, "https://login.microsoftonline.com/{tenant}/v2.0"),
    naming(
        "https://login.partner.microsoftonline.cn/{tenant}",
        "https://sts.chinacloudapi.cn/{tenant}",
    ),
];

const STS: &str = "https://sts.windows.net/{tenant}";

/// Microsoft Entra External ID: the number of the tenant takes the place of its name, in the host too.
const CIAM_NAMES: [Naming; 4] = [
    naming(
        "https://{name}.ciamlogin.com/{tenant}/v2.0",
        "https://{tenant}.ciamlogin.com/{tenant}/v2.0",
    ),
    naming(
        "https://{name}.ciamlogin.com/{tenant}",
        "https://{tenant}.ciamlogin.com/{tenant}/v2.0",
    ),
    naming(
        "https://{name}.ciamlogin.com/{tenant}/v2.0",
        "https://{name}.ciamlogin.com/{tenant}/v2.0",
    ),
    naming(
        "https://{name}.ciamlogin.com/{tenant}",
        "https://{name}.ciamlogin.com/{tenant}/v2.0",
    ),
];

/// Azure AD B2C: the policy is left out of the name, unless the tenant is set to have it there.
const B2C_NAMES: [Naming; 4] = [
    naming(
        "https://{name}.b2clogin.com/{tenant}/{policy}/v2.0",
        "https://{name}.b2clogin.com/{tenant}/v2.0",
    ),
    naming(
        "https://{name}.b2clogin.com/{tenant}/{policy}/v2.0",
        "https://{name}.b2clogin.com/tfp/{tenant}/{policy}/v2.0",
    ),
    naming(
        "https://{name}.b2clogin.com/tfp/{tenant}/{policy}/v2.0",
        "https://{name}.b2clogin.com/tfp/{tenant}/{policy}/v2.0",
    ),
    naming(
        "https://{name}.b2clogin.com/tfp/{tenant}/{policy}/v2.0",
        "https://{name}.b2clogin.com/{tenant}/v2.0",
    ),
];

const STANDARD: Quirks = Quirks {
    name: None,
    takes_resource: true,
    knows_pkce: false,
    namings: &[],
    scope_on_refresh: false,
    authorize: &[],
    takes_one_prompt: false,
    selects_account: false,
    callback_host: None,
    advice: None,
};

const ENTRA: Quirks = Quirks {
    name: Some("Microsoft Entra ID"),
    takes_resource: false,
    knows_pkce: true,
    namings: &ENTRA_NAMES,
    scope_on_refresh: true,
    takes_one_prompt: true,
    callback_host: Some("localhost"),
    advice: Some(
        "register it as a mobile and desktop application, and ask for the server's own scope: --scope api://…/.default",
    ),
    ..STANDARD
};

const CIAM: Quirks = Quirks {
    name: Some("Microsoft Entra External ID"),
    namings: &CIAM_NAMES,
    ..ENTRA
};

const B2C: Quirks = Quirks {
    name: Some("Azure AD B2C"),
    namings: &B2C_NAMES,
    ..ENTRA
};

/// Google gives a refresh token only with `access_type=offline`, and a further one only after consent.
const GOOGLE: Quirks = Quirks {
    name: Some("Google"),
    knows_pkce: true,
    authorize: &[("access_type", "offline"), ("prompt", "consent")],
    advice: Some("a client of the type \"Desktop app\" has a secret too, and it is needed"),
    ..STANDARD
};

const COGNITO: Quirks = Quirks {
    name: Some("Amazon Cognito"),
    knows_pkce: true,
    advice: Some("some servers behind it want the ID token: --use-id-token with --scope openid"),
    ..STANDARD
};

const OKTA: Quirks = Quirks {
    name: Some("Okta"),
    advice: Some(
        "its registration endpoint wants an administrator's token (--dcr-token-env); a custom \
         authorization server may want --authorize-param audience=…",
    ),
    ..STANDARD
};

const AUTH0: Quirks = Quirks {
    name: Some("Auth0"),
    advice: Some("if the server turns its tokens down, try --authorize-param audience=…"),
    ..STANDARD
};

const GITHUB: Quirks = Quirks {
    name: Some("GitHub"),
    selects_account: true,
    advice: Some(
        "or bring a personal access token: --header 'Authorization: Bearer ${GITHUB_TOKEN}'",
    ),
    ..STANDARD
};

const SLACK: Quirks = Quirks {
    name: Some("Slack"),
    advice: Some("the redirect URI has to be listed in the app's settings, port and all"),
    ..STANDARD
};

const FIGMA: Quirks = Quirks {
    name: Some("Figma"),
    advice: Some("it registers only clients whose name it knows: --client-name"),
    ..STANDARD
};

const ATLASSIAN: Quirks = Quirks {
    name: Some("Atlassian"),
    advice: Some("or bring an API token: --header 'Authorization: Basic ${ATLASSIAN_TOKEN}'"),
    ..STANDARD
};

const STRIPE: Quirks = Quirks {
    name: Some("Stripe"),
    advice: Some("or bring a restricted API key: --header 'Authorization: Bearer ${STRIPE_KEY}'"),
    ..STANDARD
};

const fn called(name: &'static str) -> Quirks {
    Quirks {
        name: Some(name),
        ..STANDARD
    }
}

/// The quirks by host; a star stands for a single label.
const TABLE: &[(&str, Quirks)] = &[
    ("login.microsoftonline.com", ENTRA),
    ("login.microsoftonline.us", ENTRA),
    ("login.partner.microsoftonline.cn", ENTRA),
    ("login.windows.net", ENTRA),
    ("sts.windows.net", ENTRA),
    ("*.ciamlogin.com", CIAM),
    ("*.b2clogin.com", B2C),
    ("accounts.google.com", GOOGLE),
    ("cognito-idp.*.amazonaws.com", COGNITO),
    ("*.okta.com", OKTA),
    ("*.oktapreview.com", OKTA),
    ("*.auth0.com", AUTH0),
    ("*.us.auth0.com", AUTH0),
    ("*.eu.auth0.com", AUTH0),
    ("*.au.auth0.com", AUTH0),
    ("*.jp.auth0.com", AUTH0),
    ("github.com", GITHUB),
    ("slack.com", SLACK),
    ("mcp.slack.com", SLACK),
    ("api.figma.com", FIGMA),
    ("mcp.figma.com", FIGMA),
    ("auth.atlassian.com", ATLASSIAN),
    ("cf.mcp.atlassian.com", ATLASSIAN),
    ("mcp.atlassian.com", ATLASSIAN),
    ("access.stripe.com", STRIPE),
    ("gitlab.com", called("GitLab")),
    ("mcp.linear.app", called("Linear")),
    ("mcp.notion.com", called("Notion")),
    ("mcp.sentry.dev", called("Sentry")),
    ("api.supabase.com", called("Supabase")),
    ("app.asana.com", called("Asana")),
    ("mcp.hubspot.com", called("HubSpot")),
    ("login.salesforce.com", called("Salesforce")),
    ("test.salesforce.com", called("Salesforce (sandbox)")),
];

impl Quirks {
    /// Returns what is known, as text for the user.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if !self.takes_resource {
            words.push("the resource parameter is left out".to_owned());
        }
        if self.knows_pkce {
            words.push("PKCE is believed, whatever the metadata says".to_owned());
        }
        if self.scope_on_refresh {
            words.push("the scope is repeated when tokens are renewed".to_owned());
        }
        for (name, value) in self.authorize {
            words.push(format!("{name}={value} is added"));
        }
        if let Some(host) = self.callback_host {
            words.push(format!("the redirect goes to {host}"));
        }
        words
    }
}

/// Returns what is known about this issuer. Only an issuer that is served over https is the issuer that its name
/// states.
pub fn known_quirks(issuer: &str) -> Quirks {
    let parsed = Url::parse(issuer).ok();
    let parsed = parsed.as_ref().filter(|url| url.scheme() == "https");
    let Some(host) = parsed.and_then(Url::host_str) else {
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
    fn google_is_asked_for_a_refresh_token() {
        let wanted = [("access_type", "offline"), ("prompt", "consent")];
        assert_eq!(
            known_quirks("https://accounts.google.com").authorize,
            wanted
        );
        assert_eq!(
            known_quirks("https://accounts.google.com/").authorize,
            wanted
        );
    }

    #[test]
    fn issuers_are_known_by_their_whole_host() {
        assert!(!known_quirks("https://login.microsoftonline.com/common/v2.0").takes_resource);
        assert!(known_quirks("https://login.microsoftonline.com.evil.example/").takes_resource);
        assert!(known_quirks("http://login.microsoftonline.com/common/v2.0").takes_resource);
        assert_eq!(
            known_quirks("https://acme.okta.com/oauth2/default").name,
            Some("Okta")
        );
        assert_eq!(known_quirks("https://okta.com").name, None);
        assert!(known_quirks("https://cognito-idp.eu-west-1.amazonaws.com/p").knows_pkce);
        assert!(!known_quirks("https://cognito-idp.a.b.amazonaws.com/p").knows_pkce);
        assert!(!known_quirks("https://as.example.com").knows_pkce);
    }
}
