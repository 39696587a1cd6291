//! The pages of the listener, as responses.
//!
//! A page shows nothing that a request has sent: what it shows is known from elsewhere, or was checked and cleaned first.

mod html; // the layout, and escaping
mod texts; // the words of each page

use ::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use ::http::{Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use url::Url;

use html::POLICY;
pub(super) use html::Page;
pub use texts::{About, Ending, Reason};
pub(super) use texts::{
    ended, failed, no_navigation, on_the_way, opened_before, other_address, other_browser, over,
    signed_in,
};

/// The page that a browser gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackPage {
    /// The authorization server, once more, at this address, which we have made.
    Again(Url),
    /// The same address, to be requested as a GET.
    AsGet,
    /// An answer from a browser that the sign-in does not belong to.
    OtherBrowser,
    /// The sign-in is done.
    SignedIn,
    /// The sign-in ended without tokens.
    Failed(Ending),
    /// An answer that is not the one the sign-in waits for.
    NotOurs,
}

/// A response of the listener.
pub(super) type PageResponse = Response<Full<Bytes>>;

/// Returns the page for an answer that the sign-in does not wait for.
pub(super) fn not_the_answer() -> PageResponse {
    page_of(StatusCode::BAD_REQUEST, texts::not_the_answer())
}

/// Returns the page for a request that is none of a sign-in.
pub(super) fn refused(status: StatusCode) -> PageResponse {
    page_of(status, texts::not_here())
}

/// Redirects the browser to an address that does not learn how the browser came here.
pub(super) fn redirected(to: &str, page: Page) -> PageResponse {
    let mut response = page_of(StatusCode::SEE_OTHER, page);
    match HeaderValue::from_str(to) {
        Ok(to) => {
            response.headers_mut().insert(LOCATION, to);
            response
        }
        Err(_) => refused(StatusCode::BAD_REQUEST),
    }
}

pub(super) fn page_of(status: StatusCode, page: Page) -> PageResponse {
    let mut response = Response::new(Full::new(Bytes::from(page.into_html())));
    *response.status_mut() = status;
    set_headers(response.headers_mut());
    response
}

fn set_headers(headers: &mut HeaderMap) {
    let fixed = HeaderValue::from_static;
    headers.insert(CONTENT_TYPE, fixed("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, fixed("no-store"));
    headers.insert(REFERRER_POLICY, fixed("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    let policy = HeaderValue::from_str(&POLICY);
    let policy = policy.unwrap_or_else(|_| fixed("default-src 'none'"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
}

#[cfg(test)]
mod tests;
