//! The pages of the listener. The pages are constant: they repeat nothing that a request sent.

use ::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use ::http::{Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use url::Url;

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
    Failed,
    /// An answer that is not the one the sign-in waits for.
    NotOurs,
}

/// A response of the listener.
pub(super) type PageResponse = Response<Full<Bytes>>;

/// A heading, and the next step for the user.
pub(super) struct PageText(&'static str, &'static str);

pub(super) const SIGNED_IN: PageText = PageText(
    "You are signed in",
    "You can close this window and go back to your application.",
);
pub(super) const FAILED: PageText = PageText(
    "The sign-in did not work",
    "Nothing was stored. You can close this window; the application you came from says what happened.",
);
pub(super) const REFUSED: PageText = PageText(
    "Nothing to see here",
    "This is not the answer mcpipe is waiting for. If a sign-in is going on, finish it in its own window; \
     you can close this one.",
);
pub(super) const REDIRECTED: PageText = PageText(
    "On the way to the sign-in page",
    "Your browser should go on by itself. If it does not, let it follow redirects and load this page again.",
);
pub(super) const OPENED_BEFORE: PageText = PageText(
    "Another browser or program opened this sign-in first",
    "A sign-in belongs to the browser that opens it first, and this is another one, or one that keeps no cookies. \
     So this sign-in has ended, and nothing was stored. Begin a new one with mcpipe login and the address of your \
     server, and open it in one browser only. If you did not open it twice, another program on this machine did.",
);
pub(super) const OVER: PageText = PageText(
    "This sign-in is over",
    "It was finished elsewhere: in another browser, or by another program. If that was not you, run mcpipe logout and \
     mcpipe login with the address of your server. You can close this window.",
);
pub(super) const OTHER_BROWSER: PageText = PageText(
    "This browser did not begin the sign-in",
    "The answer was not used, and mcpipe goes on waiting. An answer counts only from the browser that opened the address \
     mcpipe shows, with the cookie it got there: open that address in this browser. If mcpipe asked you to paste the \
     address that the browser ends at, copy the address of this page and paste it there.",
);
pub(super) const OTHER_ADDRESS: PageText = PageText(
    "This is not the address that mcpipe shows",
    "The host or the port differs from the one mcpipe listens at. If you forward a port, use the same number on both \
     ends and open the address exactly as it is shown. Where that cannot be, mcpipe login with --no-browser lets you \
     paste the answer.",
);
pub(super) const NO_NAVIGATION: PageText = PageText(
    "Open this address in a window of its own",
    "It begins a sign-in, and was asked for by something other than a person who goes to it. Nothing has happened.",
);

pub(super) fn refused(status: StatusCode) -> PageResponse {
    page_of(status, REFUSED)
}

/// Redirects the browser to an address that does not learn how the browser came here.
pub(super) fn redirected(to: &str, words: PageText) -> PageResponse {
    let mut response = page_of(StatusCode::SEE_OTHER, words);
    match HeaderValue::from_str(to) {
        Ok(to) => {
            response.headers_mut().insert(LOCATION, to);
            response
        }
        Err(_) => refused(StatusCode::BAD_REQUEST),
    }
}

pub(super) fn page_of(status: StatusCode, PageText(heading, advice): PageText) -> PageResponse {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{heading} - mcpipe</title>\n\
         <style>:root{{color-scheme:light dark}}body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;\
         margin:18vh auto;padding:0 1.5rem}}h1{{font-size:1.5rem}}</style>\n\
         <h1>{heading}</h1>\n<p>{advice}</p>\n</html>\n"
    );
    let mut response = Response::new(Full::new(Bytes::from(page)));
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
    headers.insert(
        CONTENT_SECURITY_POLICY,
        fixed(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; \
             form-action 'none'",
        ),
    );
}
