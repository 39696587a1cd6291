//! Proxies: which one a request goes through, and what a failing one is called.
//!
//! Chooses by the usual variables, and on macOS and Windows by the system's settings where no variable says anything.
//! This machine is never reached through a proxy: a proxy elsewhere cannot reach it, and would be shown the
//! credentials of a plain http request. The password of a proxy is in no message.
//!
//! RFC 9110 section 9.3.6 (CONNECT), RFC 1928 (SOCKS5). The variables have no standard; curl(1), "ENVIRONMENT".

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use ipnet::IpNet;
use url::{Host, Url};

use crate::address_class::{Class, class_of};
use crate::text::printable;

/// The variables for one scheme, in the order they are looked at.
const HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// Ways of talking to a proxy. `socks` is what GNOME writes.
const SCHEMES: [&str; 7] = [
    "http", "https", "socks", "socks4", "socks4a", "socks5", "socks5h",
];

/// The proxies of this process.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    http: Option<Proxy>,
    https: Option<Proxy>,
    bypass: Bypass,
    /// True to ask for the system's settings where no variable is set.
    asks_system: bool,
}

/// A proxy. Prints as host, port and where it was named.
#[derive(Clone)]
pub struct Proxy {
    /// The address, which may hold a name and a password.
    url: Url,
    named_by: &'static str,
}

impl Proxy {
    fn read(named_by: &'static str, value: &str) -> Option<Self> {
        let value = value.trim();
        let url = match value.contains("://") {
            true => Url::parse(value),
            false => Url::parse(&format!("http://{value}")),
        };
        let mut url = url.ok().filter(Url::has_host)?;
        if !SCHEMES.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
            return None;
        }
        if url.scheme() == "socks" {
            url.set_scheme("socks5h").ok()?;
        }
        Some(Self { url, named_by })
    }

    fn is_socks(&self) -> bool {
        self.url.scheme().starts_with("socks")
    }

    /// Returns the proxy as hyper-util takes it, with the credentials that its address holds, for requests to an
    /// address.
    pub fn of(&self, address: &http::Uri) -> Option<Intercept> {
        let matcher = Matcher::builder().all(self.url.to_string()).build();
        matcher.intercept(address)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        write!(out, "{}", printable(host, 200))?;
        let usual = match self.url.scheme() {
            "http" => 80,
            "https" => 443,
            _ => 1080,
        };
        write!(
            out,
            ":{} ({})",
            self.url.port().unwrap_or(usual),
            self.named_by
        )
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Proxy({self})")
    }
}

impl Proxies {
    /// Reads the variables. One that names no proxy is said and passed over.
    pub fn new<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        // A web server hands a request's `Proxy` header to its CGI programs as HTTP_PROXY (https://httpoxy.org).
        if set("REQUEST_METHOD").is_some() {
            return Self::default();
        }
        let first = |names: [&'static str; 4]| {
            let named = names
                .into_iter()
                .filter_map(|name| Some((name, set(name)?)));
            let mut read = named.map(|(name, value)| (name, Proxy::read(name, value)));
            read.find_map(|(name, proxy)| {
                if proxy.is_none() {
                    tracing::warn!(variable = name, "holds no address of a proxy; passed over");
                }
                proxy
            })
        };
        let bypass = ["NO_PROXY", "no_proxy"].into_iter().find_map(set);
        Self(Arc::new(Parts {
            http: first(HTTP),
            https: first(HTTPS),
            bypass: Bypass::read(bypass.unwrap_or_default()),
            asks_system: cfg!(any(windows, target_os = "macos")),
        }))
    }

    /// The proxy that a request to this URL goes through.
    pub fn to(&self, url: &Url) -> Option<Proxy> {
        if is_this_machine(url) || self.0.bypass.covers(url) {
            return None;
        }
        let named = match url.scheme() {
            "https" => &self.0.https,
            _ => &self.0.http,
        };
        named.clone().or_else(|| self.of_the_system(url))
    }

    #[cfg(any(windows, target_os = "macos"))]
    fn of_the_system(&self, url: &Url) -> Option<Proxy> {
        use std::sync::OnceLock;

        static SYSTEM: OnceLock<Matcher> = OnceLock::new();
        if !self.0.asks_system {
            return None;
        }
        let origin: http::Uri = url.origin().ascii_serialization().parse().ok()?;
        let found = SYSTEM
            .get_or_init(Matcher::from_system)
            .intercept(&origin)?;
        Proxy::read("the system's proxy settings", &found.uri().to_string())
    }

    #[cfg(not(any(windows, target_os = "macos")))]
    fn of_the_system(&self, _: &Url) -> Option<Proxy> {
        debug_assert!(!self.0.asks_system);
        None
    }

    /// Makes a client use these proxies and no other.
    pub fn used_by(&self, mut client: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        // A forwarding proxy may end the connection to the server after one answer and not tell: tinyproxy then loses
        // the next request on the same connection. A tunnel (CONNECT, SOCKS) is the server's own connection.
        if self.0.http.as_ref().is_some_and(|proxy| !proxy.is_socks()) {
            client = client.pool_max_idle_per_host(0);
        }
        let proxies = self.clone();
        client.proxy(reqwest::Proxy::custom(move |url| {
            proxies.to(url).map(|proxy| proxy.url)
        }))
    }

    /// Returns the proxy's failure, where an error of connecting is the proxy's and not the server's.
    pub fn failure(&self, url: &Url, error: &dyn Error) -> Option<Failure> {
        let proxy = self.to(url)?;
        let mut causes = Vec::new();
        let mut cause = error.source();
        while let Some(inner) = cause {
            causes.push(inner.to_string());
            cause = inner.source();
        }
        let innermost = causes.last().cloned().unwrap_or_default();
        // hyper-util has no public types for these; the tests of tests/network/proxies.rs hold their words.
        let tunnel = causes
            .iter()
            .find_map(|it| it.strip_prefix("tunnel error: "));
        let why = match tunnel {
            Some("proxy authorization required") => NEEDS_PASSWORD.to_owned(),
            Some("unsuccessful") => NO_TUNNEL.to_owned(),
            Some("unexpected end of file") => "it closed the connection".to_owned(),
            Some("failed to create underlying connection" | "io error establishing tunnel") => {
                innermost
            }
            Some(other) => other.to_owned(),
            None if causes
                .iter()
                .any(|it| it == "error connecting to socks proxy") =>
            {
                let why = innermost
                    .strip_prefix("SOCKS error: ")
                    .unwrap_or(&innermost);
                match why {
                    "failed to create underlying connection" => "it cannot be reached".to_owned(),
                    why => why.to_owned(),
                }
            }
            // The connection for a plain http request ends at the proxy.
            None if url.scheme() == "http" && !proxy.is_socks() => innermost,
            // The time for connecting covers the proxy, the server and TLS together.
            None if innermost == "operation timed out" => innermost,
            None => return None,
        };
        Some(Failure { proxy, why })
    }

    /// The failure that a proxy reports in the place of the server's answer.
    pub fn refusal(&self, url: &Url, status: u16) -> Option<Failure> {
        let proxy = self.to(url).filter(|_| status == 407)?;
        Some(Failure {
            proxy,
            why: NEEDS_PASSWORD.to_owned(),
        })
    }
}

const NO_TUNNEL: &str =
    "it opens no connection to the server (its answer to CONNECT is neither 200 nor 407)";
const NEEDS_PASSWORD: &str = "it wants a name and a password, or others (HTTP 407)";

/// A failure of a proxy.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the proxy {proxy}: {why}")]
pub struct Failure {
    proxy: Proxy,
    why: String,
}

impl Failure {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        let named_by = self.proxy.named_by;
        format!("Check {named_by}; NO_PROXY names hosts that are reached without a proxy.")
    }
}

/// Says whether only this machine answers there. The unspecified address is this machine to those who connect to it.
fn is_this_machine(url: &Url) -> bool {
    let is_unspecified = match url.host() {
        Some(Host::Ipv4(address)) => address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_unspecified(),
        _ => false,
    };
    is_unspecified || class_of(url) == Some(Class::Loopback)
}

/// `NO_PROXY`: `*`, names with all below them, addresses and ranges of addresses, each with a port or without.
#[derive(Debug, Default)]
struct Bypass {
    is_all: bool,
    ranges: Vec<(IpNet, Option<u16>)>,
    names: Vec<(String, Option<u16>)>,
}

impl Bypass {
    fn read(list: &str) -> Self {
        let mut bypass = Self::default();
        for entry in list
            .split([',', ';', ' ', '\t'])
            .filter(|it| !it.is_empty())
        {
            if entry == "*" {
                bypass.is_all = true;
                continue;
            }
            let (place, port) = split_port(entry);
            let place = place.trim_matches(['[', ']']);
            let address = place.parse::<IpAddr>().map(IpNet::from);
            if let Ok(range) = address.or_else(|_| place.parse::<IpNet>()) {
                bypass.ranges.push((range, port));
                continue;
            }
            let name = place.strip_prefix('*').unwrap_or(place);
            let name = name.trim_matches('.').to_ascii_lowercase();
            if !name.is_empty() {
                bypass.names.push((name, port));
            }
        }
        bypass
    }

    fn covers(&self, url: &Url) -> bool {
        let is_port = |port: Option<u16>| port.is_none() || port == url.port_or_known_default();
        if self.is_all {
            return true;
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::from(address),
            Some(Host::Ipv6(address)) => IpAddr::from(address).to_canonical(),
            Some(Host::Domain(host)) => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                let is_it = |name: &str| {
                    let above = host.strip_suffix(name);
                    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
                };
                let mut names = self.names.iter();
                return names.any(|(name, port)| is_port(*port) && is_it(name));
            }
            None => return false,
        };
        let mut ranges = self.ranges.iter();
        ranges.any(|(range, port)| is_port(*port) && range.contains(&address))
    }
}

/// `host:8080` and `[::1]:8080`; a lone IPv6 address has no port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    let split = entry.rsplit_once(':');
    let split = split.filter(|(place, _)| !place.contains(':') || place.ends_with(']'));
    match split.map(|(place, port)| (place, port.parse())) {
        Some((place, Ok(port))) => (place, Some(port)),
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &'static str)]) -> Proxies {
        Proxies::new(|name| {
            let mut set = variables.iter();
            set.find(|(known, _)| *known == name)
                .map(|(_, value)| *value)
        })
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn named(proxies: &Proxies, to: &str) -> Option<String> {
        proxies.to(&url(to)).map(|proxy| proxy.to_string())
    }

    #[test]
    fn this_machine_is_never_reached_through_a_proxy() {
        let proxies = proxies(&[("ALL_PROXY", "http://p:1"), ("HTTP_PROXY", "http://p:2")]);
        for here in [
            "http://127.0.0.1:8000/",
            "http://127.9.8.7/",
            "http://localhost:3000/",
            "https://LocalHost./",
            "https://a.localhost/",
            "http://[::1]:9/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0:8000/",
            "http://[::]/",
        ] {
            assert_eq!(named(&proxies, here), None, "{here}");
        }
        assert!(named(&proxies, "http://localhost.example/").is_some());
        assert!(named(&proxies, "http://128.0.0.1/").is_some());
    }

    #[test]
    fn the_variable_of_the_scheme_wins_and_one_that_is_empty_or_unreadable_is_none() {
        let there = ("https://a.example/", "http://a.example/");
        for (variables, https, http) in [
            (
                &[("HTTPS_PROXY", "http://p:1")][..],
                Some("p:1 (HTTPS_PROXY)"),
                None,
            ),
            (&[("http_proxy", "p:1")], None, Some("p:1 (http_proxy)")),
            (
                &[("ALL_PROXY", "socks5://p"), ("HTTP_PROXY", "")],
                Some("p:1080 (ALL_PROXY)"),
                Some("p:1080 (ALL_PROXY)"),
            ),
            (
                &[
                    ("all_proxy", "socks://u:s3cret@p:9/"),
                    ("https_proxy", "https://p"),
                ],
                Some("p:443 (https_proxy)"),
                Some("p:9 (all_proxy)"),
            ),
            (
                &[("HTTPS_PROXY", "ftp://p"), ("https_proxy", "p")],
                Some("p:80 (https_proxy)"),
                None,
            ),
            (
                &[("HTTPS_PROXY", "p"), ("REQUEST_METHOD", "GET")],
                None,
                None,
            ),
        ] {
            let proxies = proxies(variables);
            assert_eq!(named(&proxies, there.0).as_deref(), https, "{variables:?}");
            assert_eq!(named(&proxies, there.1).as_deref(), http, "{variables:?}");
            assert!(!format!("{proxies:?}").contains("s3cret"));
        }
    }

    #[test]
    fn no_proxy_is_honoured_for_names_addresses_and_ranges() {
        for (list, place, is_direct) in [
            ("*", "https://a.example/", true),
            ("*", "https://10.0.0.1/", true),
            ("*", "https://[2001:db8::1]/", true),
            ("a.example", "https://a.example/", true),
            ("a.example", "https://b.a.example/", true),
            (".a.example", "https://b.a.example/", true),
            ("*.a.example", "https://b.A.example./", true),
            ("a.example", "https://ba.example/", false),
            ("x, 10.0.0.0/8", "https://10.200.0.1/", true),
            ("10.0.0.0/8", "https://11.0.0.1/", false),
            ("10.0.0.1", "https://10.0.0.1:8443/", true),
            ("10.0.0.1:8443", "https://10.0.0.1:8443/", true),
            ("10.0.0.1:8443", "https://10.0.0.1/", false),
            ("a.example:443 b.example", "https://a.example/", true),
            ("2001:db8::/32", "https://[2001:db8::1]/", true),
            ("[2001:db8::1]:444", "https://[2001:db8::1]:444/", true),
            ("10.0.0.0/8", "https://[::ffff:10.0.0.1]/", true),
            ("", "https://a.example/", false),
            (", ,", "https://a.example/", false),
        ] {
            let proxies = Proxies::new(|name| match name {
                "HTTPS_PROXY" => Some("p"),
                "NO_PROXY" => Some(list),
                _ => None,
            });
            assert_eq!(
                named(&proxies, place).is_none(),
                is_direct,
                "{list} {place}"
            );
        }
    }
}
