//! The comparison of an endpoint with the target that led to it.

use url::{Host, Url};

/// Says whether an endpoint is on the site of a target: at the same host, on any port, or at a host below it. No list of
/// public suffixes is asked, so a host beside the target's or above it is another site.
pub fn is_same_site(target: &Url, endpoint: &Url) -> bool {
    match (target.host(), endpoint.host()) {
        (Some(Host::Domain(target)), Some(Host::Domain(endpoint))) => {
            let (target, endpoint) = (without_dot(target), without_dot(endpoint));
            let below = endpoint.strip_suffix(target);
            // Everything is below a name of one label.
            endpoint == target
                || target.contains('.') && below.is_some_and(|below| below.ends_with('.'))
        }
        (target, endpoint) => target.is_some() && target == endpoint,
    }
}

fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_a_host_and_the_hosts_below_it() {
        for (target, endpoint, is_same) in [
            ("https://example.com/", "https://example.com/mcp", true),
            (
                "https://example.com/",
                "https://Example.com.:8443/mcp",
                true,
            ),
            ("https://example.com/", "https://mcp.example.com/", true),
            ("https://example.com./", "https://a.mcp.example.com/", true),
            ("https://127.0.0.1/", "https://127.0.0.1:1/", true),
            ("https://[::1]/", "https://[::1]:1/", true),
            // Never up, and never beside.
            ("https://docs.example.com/", "https://example.com/", false),
            (
                "https://docs.example.com/",
                "https://mcp.example.com/",
                false,
            ),
            ("https://example.com/", "https://badexample.com/", false),
            (
                "https://example.com/",
                "https://example.com.evil.example/",
                false,
            ),
            ("https://localhost/", "https://evil.localhost/", false),
            ("https://com/", "https://example.com/", false),
            ("https://127.0.0.1/", "https://127.0.0.2/", false),
            ("https://localhost/", "https://127.0.0.1/", false),
        ] {
            let url = |text: &str| Url::parse(text).unwrap();
            let found = is_same_site(&url(target), &url(endpoint));
            assert_eq!(found, is_same, "{target} {endpoint}");
        }
    }
}
