//! Encodings, redirects, proxies, headers.

mod codings; // compressed bodies
mod labels; // content types, byte order marks, invalid characters
mod proxies; // HTTP and SOCKS proxies, never for loopback
mod redirects; // redirects on the same host
mod start; // session ids, many headers, open files, a server that is starting

use mcpipe::auth::net::guard::Guard;
use mcpipe::auth::net::http::Http;
use url::Url;

use crate::login::tls;

/// The sign-in's client for a server of this origin.
fn sign_in_at(origin: &str) -> Http {
    Http::new(
        tls(),
        Guard::new(&Url::parse(origin).unwrap(), false, false),
    )
}
