//! Encodings, redirects, proxies, headers.

mod codings; // bodies that are compressed although nobody asked
mod labels; // content types, byte order marks, letters that are none
mod proxies; // never for this machine; SOCKS; a failing one is named
mod redirects; // followed on the same host, named otherwise
mod start; // session ids, many headers, open files, a server that is still starting

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
