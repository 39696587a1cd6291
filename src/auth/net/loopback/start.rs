//! The page that a sign-in begins at, which ties it to one browser.
//!
//! Other users of this machine can read the address a browser is started with, the host's log and its errors. An
//! address that held the authorization request would let such a reader finish the sign-in with an account of the
//! reader's own, and the user's tools would then work in that account. So the address that is shown leads here. The
//! first browser that opens it gets a cookie and is sent on to the authorization server; an answer counts only together
//! with that cookie. A further request without the cookie shows that two have read the address, and nothing tells which
//! of them is the user.
//!
//! Cookies do not tell ports apart (RFC 6265 section 8.5), so the name of the cookie is random too: two sign-ins at the
//! same time do not take each other's.
//!
//! RFC 9700 section 4.7, RFC 6265, RFC 6265bis section 5.6.7 (`SameSite`).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::http::header::{COOKIE, HeaderMap, HeaderValue, ORIGIN, SET_COOKIE};
use ::http::{Method, StatusCode};
use oauth2::CsrfToken;
use tokio::sync::watch;
use url::Url;

use super::fields::{is_prefetch, text_of};
use super::pages::{
    FAILED, NO_NAVIGATION, OPENED_BEFORE, OVER, PageResponse, REDIRECTED, SIGNED_IN, page_of,
    redirected, refused,
};
use crate::secret::Secret;

/// The start page of one listener.
#[derive(Debug)]
pub(super) struct StartPage {
    path: String,
    cookie: Secret,
    name: String,
    /// The attributes of the cookie.
    attributes: String,
    progress: Mutex<Progress>,
    /// True once a browser without the cookie has come after the first one.
    is_contested: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Progress {
    /// The authorization request, once there is one.
    request: Option<Url>,
    is_opened: bool,
    /// True once the sign-in has ended with tokens.
    is_over: bool,
}

impl StartPage {
    /// Makes a start page below the path of the callback, so that one cookie path covers both and little else.
    pub(super) fn below(callback: &str, lifetime: Duration) -> Self {
        let random = |bytes| CsrfToken::new_random_len(bytes).into_secret();
        let (folder, name) = (callback.trim_end_matches('/'), random(8));
        let scope = cookie_path(callback);
        Self {
            path: format!("{folder}/{}/start", random(16)),
            cookie: Secret::new(random(32)),
            name: format!("mcpipe-{name}"),
            attributes: format!(
                "Path={scope}; Max-Age={}; HttpOnly; SameSite=Lax",
                lifetime.as_secs()
            ),
            progress: Mutex::default(),
            is_contested: watch::Sender::new(false),
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Sets the address that the first browser is sent to from now on.
    pub(super) fn leads_to(&self, request: Url) {
        self.progress().request = Some(request);
    }

    /// Notes that the sign-in has brought tokens: the page sends no browser to the authorization server any more.
    pub(super) fn finish(&self) {
        self.progress().is_over = true;
    }

    /// Says whether a second browser has opened the page before the sign-in was over.
    pub(super) fn is_contested(&self) -> bool {
        *self.is_contested.borrow()
    }

    /// Returns when a second browser has opened the page.
    pub(super) async fn contested(&self) {
        let mut contested = self.is_contested.subscribe();
        // The sender is a member of `self`.
        let _ = contested.wait_for(|is_contested| *is_contested).await;
    }

    /// Says whether a request carries the cookie.
    pub(super) fn has_cookie(&self, headers: &HeaderMap) -> bool {
        // The comparison is of bytes: a cookie of another program on this machine, in the same header field, need not
        // be ASCII.
        let cookies = headers.get_all(COOKIE).into_iter();
        cookies
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
            .filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
            .any(|(name, value)| name == self.name && self.cookie.same_as(value))
    }

    /// Answers a request for the start page. A request that is no navigation by the user (a prefetch, a frame, an
    /// image, a script) neither opens nor contests it.
    pub(super) fn respond(&self, method: &Method, headers: &HeaderMap) -> PageResponse {
        if method != Method::GET {
            return refused(StatusCode::METHOD_NOT_ALLOWED);
        }
        if is_prefetch(headers) {
            // A browser drops a prefetch that failed, and asks again when the user goes there.
            return page_of(StatusCode::SERVICE_UNAVAILABLE, NO_NAVIGATION);
        }
        if !may_be_navigation(headers) {
            return page_of(StatusCode::FORBIDDEN, NO_NAVIGATION);
        }
        let has_cookie = self.has_cookie(headers);
        let mut progress = self.progress();
        let Some(request) = progress.request.clone() else {
            return refused(StatusCode::NOT_FOUND);
        };
        if progress.is_over {
            return match has_cookie {
                true => page_of(StatusCode::OK, SIGNED_IN),
                false => page_of(StatusCode::GONE, OVER),
            };
        }
        if progress.is_opened && !has_cookie {
            self.is_contested.send_replace(true);
            return page_of(StatusCode::CONFLICT, OPENED_BEFORE);
        }
        if self.is_contested() {
            return page_of(StatusCode::OK, FAILED);
        }
        progress.is_opened = true;
        let mut answer = redirected(request.as_str(), REDIRECTED);
        let cookie = format!(
            "{}={}; {}",
            self.name,
            self.cookie.expose(),
            self.attributes
        );
        if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
            cookie.set_sensitive(true);
            answer.headers_mut().insert(SET_COOKIE, cookie);
        }
        answer
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says whether a browser may be showing the page in a window of its own. Browsers say so (Fetch Metadata); a request
/// that says nothing counts as a navigation. `Sec-Fetch-Mode` is not read: programs that are no browser send it without
/// the other headers. The referring site does not count: the user may follow a link in a host that is a web page.
fn may_be_navigation(headers: &HeaderMap) -> bool {
    let is_document = headers
        .get("sec-fetch-dest")
        .is_none_or(|value| value.as_bytes().eq_ignore_ascii_case(b"document"));
    is_document && text_of(headers, &ORIGIN).is_none_or(|origin| origin == "null")
}

/// Returns the callback's path as a cookie's, or the nearest folder above it where the path holds characters that no
/// cookie path does.
fn cookie_path(callback: &str) -> &str {
    let good = callback
        .bytes()
        .take_while(|byte| byte.is_ascii_graphic() && *byte != b';')
        .count();
    if good == callback.len() {
        return callback;
    }
    let good = callback.get(..good).unwrap_or_default();
    let folder = good.rfind('/').and_then(|at| good.get(..=at));
    folder.unwrap_or("/")
}

#[cfg(test)]
mod tests;
