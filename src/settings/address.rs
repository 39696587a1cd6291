//! URLs that the user gives, checked: what is sent there stays secret.

use url::{Host, Url};

use crate::settings::error::Error;

/// Reads a URL: https, or http to this machine, or http to any host where allowed. `place` names the place of the text
/// in messages.
///
/// # Errors
/// See [`Error`].
pub fn address(typed: &str, place: &'static str, allow_http: bool) -> Result<Url, Error> {
    let mut url = Url::parse(typed).map_err(|_| Error::NotUrl(place))?;
    // The URL parser takes spaces, and would make a path of the flags that a host has put into the same string.
    if typed.trim().contains(char::is_whitespace) {
        return Err(Error::Spaced(place));
    }
    let Some(host) = url.host() else {
        return Err(Error::NotUrl(place));
    };
    match url.scheme() {
        "https" => {}
        "http" if allow_http || is_loopback(&host) => {}
        "http" => return Err(Error::PlainHttp(host.to_string())),
        _ => return Err(Error::Scheme(place)),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::UserInfo);
    }
    url.set_fragment(None);
    Ok(url)
}

/// Returns the origin of a URL as text (RFC 6454). A secret belongs to one origin.
pub fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Says whether a host is this machine.
pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::error::SERVER;

    #[test]
    fn only_addresses_that_keep_secrets_are_taken() {
        for good in [
            "https://a.example/mcp",
            "http://localhost:1/x",
            "http://127.0.0.1:1",
            "http://[::1]:1/",
            "http://x.localhost/",
        ] {
            assert!(address(good, SERVER, false).is_ok(), "{good}");
        }
        for bad in [
            "a.example/mcp",
            "",
            "ftp://a.example",
            "http://a.example/",
            "http://192.168.0.1/",
            "https://user:pw@a.example/",
            "file:///etc/passwd",
            "https://",
        ] {
            assert!(address(bad, SERVER, false).is_err(), "{bad}");
        }
        assert!(address("http://a.example/", SERVER, true).is_ok());
    }
}
