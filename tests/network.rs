//! Encodings, redirects, proxies, headers.

mod codings; // compressed bodies
mod connections; // connections that are kept, and those that are not
mod labels; // content types, byte order marks, invalid characters
mod proxies; // HTTP and SOCKS proxies, never for loopback
mod redirects; // redirects on the same host
mod start; // session ids, many headers, open files, a server that is starting

use http::HeaderMap;
use mcpipe::auth::net::guard::Guard;
use mcpipe::auth::net::http::{Document, Http};
use url::Url;

use crate::login::tls;
use crate::support::remote::Server;

/// The sign-in's client for a server of this origin.
fn sign_in_at(origin: &str) -> Http {
    Http::new(
        tls(),
        Guard::new(&Url::parse(origin).unwrap(), false, false),
    )
}

/// Returns what the sign-in's client reads at a server: a document, and the body that answers a POST.
async fn document_and_answer(server: &Server) -> (Document, Vec<u8>) {
    let place = Url::parse(&server.url()).unwrap();
    let http = sign_in_at(&server.origin());
    let document = http.document(&place).await.unwrap();
    let answer = http
        .post(&place, HeaderMap::new(), Vec::new())
        .await
        .unwrap();
    (document, answer.body.to_vec())
}
