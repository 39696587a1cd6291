//! The connections of the listener: accepts a few at a time, and refuses requests that are plainly wrong.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use ::http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;
use url::Url;

use super::callback_request::CallbackRequest;
use super::fields::{is_prefetch, text_of};
use super::handle::ListenerHandle;
use super::pages::{self, CallbackPage, PageResponse, page_of, redirected, refused};
use super::start::StartPage;

pub(super) const MAX_CONNECTIONS: usize = 64;
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// The time for a request's head when all places are taken.
const HEAD_PATIENCE_WHEN_FULL: Duration = Duration::from_secs(1);
const CONNECTION_PATIENCE: Duration = Duration::from_secs(90);
/// The longest head of a request. A browser sends the cookies of every other program on this machine: cookies do not
/// tell ports apart.
const MAX_HEAD: usize = 64 * 1024;
const MAX_FORM: usize = 64 * 1024;
/// The longest address that a form is asked for again at.
const MAX_GET_URL: usize = 16 * 1024;

/// The state that all connections of one sign-in share.
pub(super) struct Connections {
    pub(super) hosts: Vec<String>,
    pub(super) path: String,
    /// The redirect URI.
    pub(super) uri: String,
    pub(super) start: Option<Arc<StartPage>>,
    pub(super) onward: Option<Url>,
    pub(super) requests: mpsc::Sender<CallbackRequest>,
    pub(super) permits: Arc<Semaphore>,
    /// True while a connection waits for a permit.
    pub(super) is_full: watch::Sender<bool>,
    pub(super) tasks: TaskTracker,
}

impl Connections {
    /// Accepts the connections of the listener of that number, until the listener is closed.
    pub(super) async fn accept_from(self: &Arc<Self>, handle: &ListenerHandle, number: usize) {
        loop {
            let permits = Arc::clone(&self.permits);
            let permit = match Arc::clone(&permits).try_acquire_owned() {
                Ok(permit) => permit,
                Err(_) => {
                    self.is_full.send_replace(true);
                    let Ok(permit) = permits.acquire_owned().await else {
                        return;
                    };
                    self.is_full.send_replace(false);
                    permit
                }
            };
            let Ok(stream) = handle.accept(number).await else {
                // This process has no file descriptors left, or the browser closed the connection at once.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let connections = Arc::clone(self);
            self.tasks.spawn(async move {
                let _ = tokio::time::timeout(CONNECTION_PATIENCE, connections.serve(stream)).await;
                drop(permit);
            });
        }
    }

    async fn serve(&self, stream: TcpStream) {
        let has_request = AtomicBool::new(false);
        let answer = service_fn(|request| async {
            has_request.store(true, Ordering::Relaxed);
            let page = self.receive(request).await;
            Ok::<_, Infallible>(page)
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .keep_alive(false)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), answer);
        tokio::select! {
            // A browser that breaks off gets no page.
            _ = served => {}
            () = self.permit_is_needed(&has_request) => {}
        }
    }

    /// Returns when a connection without a request has to make room for the next.
    async fn permit_is_needed(&self, has_request: &AtomicBool) {
        tokio::time::sleep(HEAD_PATIENCE_WHEN_FULL).await;
        let mut is_full = self.is_full.subscribe();
        let _ = is_full.wait_for(|is_full| *is_full).await;
        if has_request.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    async fn receive(&self, request: Request<Incoming>) -> PageResponse {
        let headers = request.headers();
        let host = text_of(headers, &HOST).unwrap_or_default();
        let path = request.uri().path();
        let start = self.start.as_ref().filter(|start| start.path() == path);
        if start.is_none() && path != self.path {
            return refused(StatusCode::NOT_FOUND);
        }
        if !self.hosts.contains(&host.to_ascii_lowercase()) {
            return page_of(StatusCode::MISDIRECTED_REQUEST, pages::OTHER_ADDRESS);
        }
        if let Some(start) = start {
            return start.respond(request.method(), headers);
        }
        let is_post = request.method() == Method::POST;
        if !is_post && request.method() != Method::GET {
            return refused(StatusCode::METHOD_NOT_ALLOWED);
        }
        // A browser names the page that a POST began at, which is the authorization server's. A GET that has an origin
        // was made by a script.
        if !is_post && text_of(headers, &ORIGIN).is_some_and(|origin| origin != "null") {
            return refused(StatusCode::FORBIDDEN);
        }
        let is_prefetch = is_prefetch(headers);
        let is_from_opener = self.start.as_ref().is_none_or(|it| it.has_cookie(headers));
        let Some(parameters) = parameters(request).await else {
            return refused(StatusCode::BAD_REQUEST);
        };
        let (page, shown) = oneshot::channel();
        let as_get = is_post.then(|| self.as_get(&parameters));
        let callback = CallbackRequest {
            parameters,
            is_prefetch,
            is_from_opener,
            is_post,
            page,
        };
        if self.requests.send(callback).await.is_err() {
            return refused(StatusCode::GONE);
        }
        match shown.await {
            Ok(CallbackPage::Again(url)) => redirected(url.as_str(), pages::REDIRECTED),
            Ok(CallbackPage::AsGet) => match as_get {
                Some(url) if url.len() <= MAX_GET_URL => redirected(&url, pages::REDIRECTED),
                _ => refused(StatusCode::BAD_REQUEST),
            },
            Ok(CallbackPage::SignedIn) => match &self.onward {
                Some(url) => redirected(url.as_str(), pages::SIGNED_IN),
                None => page_of(StatusCode::OK, pages::SIGNED_IN),
            },
            Ok(CallbackPage::Failed) => page_of(StatusCode::OK, pages::FAILED),
            Ok(CallbackPage::NotOurs) => refused(StatusCode::BAD_REQUEST),
            Ok(CallbackPage::OtherBrowser) => page_of(StatusCode::FORBIDDEN, pages::OTHER_BROWSER),
            Err(_) => refused(StatusCode::GONE),
        }
    }

    /// Returns the callback's address with the parameters that an answer consists of (RFC 6749 section 4.1.2,
    /// RFC 9207), and no other field of a form.
    fn as_get(&self, parameters: &[(String, String)]) -> String {
        let answers = ["code", "state", "iss", "error", "error_description"];
        let answer = parameters
            .iter()
            .filter(|(name, _)| answers.contains(&name.as_str()));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(answer)
            .finish();
        let separator = if self.uri.contains('?') { '&' } else { '?' };
        format!("{}{separator}{query}", self.uri)
    }
}

/// Returns the parameters of a request: the query, or the form of a POST without a `state` in its query. The body of
/// any other POST is meant for another program, and is not read.
async fn parameters(request: Request<Incoming>) -> Option<Vec<(String, String)>> {
    let read = |bytes: &[u8]| -> Vec<(String, String)> {
        url::form_urlencoded::parse(bytes).into_owned().collect()
    };
    let query = read(request.uri().query().unwrap_or_default().as_bytes());
    let is_form = text_of(request.headers(), &CONTENT_TYPE)
        .is_some_and(|media| media.starts_with("application/x-www-form-urlencoded"));
    let has_state = query.iter().any(|(name, _)| name == "state");
    if request.method() != Method::POST || has_state || !is_form {
        return Some(query);
    }
    let body = Limited::new(request.into_body(), MAX_FORM);
    let body = tokio::time::timeout(HEAD_PATIENCE, body.collect()).await;
    Some(read(&body.ok()?.ok()?.to_bytes()))
}
