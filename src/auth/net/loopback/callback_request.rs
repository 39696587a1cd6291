//! A request at the redirect URI, whose browser waits for a page.

use std::fmt;

use tokio::sync::oneshot;

use super::pages::CallbackPage;

/// A request at the right address, whose browser waits for a page.
pub struct CallbackRequest {
    /// The query, or the form where there is none, decoded.
    pub parameters: Vec<(String, String)>,
    /// True where the request comes from a browser that prefetches a page, not from the user.
    pub is_prefetch: bool,
    /// True where the request comes from the browser that the sign-in belongs to.
    pub is_from_opener: bool,
    /// True where the request came as a POST, which brings no cookie from another site.
    pub is_post: bool,
    pub(super) page: oneshot::Sender<CallbackPage>,
}

impl fmt::Debug for CallbackRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A code may be among the parameters.
        out.write_str("CallbackRequest")
    }
}

impl CallbackRequest {
    /// Sends the page, if the browser is still connected.
    pub fn answer(self, page: CallbackPage) {
        let _ = self.page.send(page);
    }

    /// Says whether the browser still waits for a page.
    pub fn is_waiting(&self) -> bool {
        !self.page.is_closed()
    }
}
