//! The redirect address that the user gives, checked here: otherwise a mistake in it would look like the authorization
//! server's.

use url::{Host, Url};

use crate::cli::SignInArgs;
use crate::settings::error::Error;

/// Checks the user's flags about the redirect address.
///
/// # Errors
/// See [`Error`].
pub(super) fn check(args: &SignInArgs) -> Result<(), Error> {
    if let Some(uri) = &args.redirect_uri
        && Url::parse(uri).is_err()
    {
        return Err(Error::NotUrl("--redirect-uri"));
    }
    if let Some(host) = &args.callback_host
        && !is_host(host)
    {
        return Err(Error::NotHost("--callback-host"));
    }
    match &args.callback_path {
        Some(path) if !is_path(path) => Err(Error::NotPath("--callback-path")),
        _ => Ok(()),
    }
}

/// Says whether a text is a host's name or address; IPv6 with its brackets or without.
fn is_host(host: &str) -> bool {
    Host::parse(host).is_ok() || Host::parse(&format!("[{host}]")).is_ok()
}

/// Says whether a text is the path of a URI, and nothing more of one (RFC 3986 section 3.3).
fn is_path(path: &str) -> bool {
    path.starts_with('/') && !path.contains(|c: char| "?#\\".contains(c) || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_paths_are_told_from_other_words() {
        for host in ["localhost", "127.0.0.1", "::1", "[::1]", "a.example"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["", "a b", "a/b", "http://a", "a:80", "a?b"] {
            assert!(!is_host(host), "{host}");
        }
        for (path, is) in [
            ("/", true),
            ("/cb/a%20b", true),
            ("cb", false),
            ("/a?b", false),
            ("", false),
        ] {
            assert_eq!(is_path(path), is, "{path}");
        }
    }
}
