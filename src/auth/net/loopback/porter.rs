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

use super::fields::{is_ahead, text_of};
use super::pages::{self, Answer, page_of, sent_on, turned_away};
use super::start::StartPage;
use super::{Door, Page, Visit};

pub(super) const MOST_VISITORS: usize = 64;
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// The time for a request's head when all places are taken.
const HEAD_PATIENCE_WHEN_FULL: Duration = Duration::from_secs(1);
const VISIT_PATIENCE: Duration = Duration::from_secs(90);
/// The longest head of a request. A browser sends the cookies of every other program on this machine: cookies do not
/// tell ports apart.
const LONGEST_HEAD: usize = 64 * 1024;
const LONGEST_FORM: usize = 64 * 1024;
/// The longest address that a form is asked for again at.
const LONGEST_AS_GET: usize = 16 * 1024;

/// The state that all connections of one sign-in share.
pub(super) struct Porter {
    pub(super) hosts: Vec<String>,
    pub(super) path: String,
    /// The redirect URI.
    pub(super) uri: String,
    pub(super) start: Option<Arc<StartPage>>,
    pub(super) onward: Option<Url>,
    pub(super) visits: mpsc::Sender<Visit>,
    pub(super) room: Arc<Semaphore>,
    /// True while a connection waits for a place.
    pub(super) is_full: watch::Sender<bool>,
    pub(super) tasks: TaskTracker,
}

impl Porter {
    /// Accepts the connections of the listener of that number, until the listener is closed.
    pub(super) async fn welcome(self: &Arc<Self>, door: &Door, number: usize) {
        loop {
            let room = Arc::clone(&self.room);
            let place = match Arc::clone(&room).try_acquire_owned() {
                Ok(place) => place,
                Err(_) => {
                    self.is_full.send_replace(true);
                    let Ok(place) = room.acquire_owned().await else {
                        return;
                    };
                    self.is_full.send_replace(false);
                    place
                }
            };
            let Ok(stream) = door.accept(number).await else {
                // This process has no file descriptors left, or the browser closed the connection at once.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let porter = Arc::clone(self);
            self.tasks.spawn(async move {
                let _ = tokio::time::timeout(VISIT_PATIENCE, porter.serve(stream)).await;
                drop(place);
            });
        }
    }

    async fn serve(&self, stream: TcpStream) {
        let has_spoken = AtomicBool::new(false);
        let answer = service_fn(|request| async {
            has_spoken.store(true, Ordering::Relaxed);
            let page = self.receive(request).await;
            Ok::<_, Infallible>(page)
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .keep_alive(false)
            .max_buf_size(LONGEST_HEAD)
            .serve_connection(TokioIo::new(stream), answer);
        tokio::select! {
            // A browser that breaks off gets no page.
            _ = served => {}
            () = self.place_is_needed(&has_spoken) => {}
        }
    }

    /// Returns when a connection without a request has to make room for the next.
    async fn place_is_needed(&self, has_spoken: &AtomicBool) {
        tokio::time::sleep(HEAD_PATIENCE_WHEN_FULL).await;
        let mut is_full = self.is_full.subscribe();
        let _ = is_full.wait_for(|is_full| *is_full).await;
        if has_spoken.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    async fn receive(&self, request: Request<Incoming>) -> Answer {
        let headers = request.headers();
        let host = text_of(headers, &HOST).unwrap_or_default();
        let path = request.uri().path();
        let start = self.start.as_ref().filter(|start| start.path() == path);
        if start.is_none() && path != self.path {
            return turned_away(StatusCode::NOT_FOUND);
        }
        if !self.hosts.contains(&host.to_ascii_lowercase()) {
            return page_of(StatusCode::MISDIRECTED_REQUEST, pages::ELSEWHERE);
        }
        if let Some(start) = start {
            return start.visit(request.method(), headers);
        }
        let is_posted = request.method() == Method::POST;
        if !is_posted && request.method() != Method::GET {
            return turned_away(StatusCode::METHOD_NOT_ALLOWED);
        }
        // A browser names the page that a POST began at, which is the authorization server's. A GET that has an origin was
        // made by a script.
        if !is_posted && text_of(headers, &ORIGIN).is_some_and(|origin| origin != "null") {
            return turned_away(StatusCode::FORBIDDEN);
        }
        let is_ahead = is_ahead(headers);
        let is_of_opener = self.start.as_ref().is_none_or(|it| it.knows(headers));
        let Some(parameters) = parameters(request).await else {
            return turned_away(StatusCode::BAD_REQUEST);
        };
        let (page, shown) = oneshot::channel();
        let as_get = is_posted.then(|| self.as_get(&parameters));
        let visit = Visit {
            parameters,
            is_ahead,
            is_of_opener,
            is_posted,
            page,
        };
        if self.visits.send(visit).await.is_err() {
            return turned_away(StatusCode::GONE);
        }
        match shown.await {
            Ok(Page::Again(url)) => sent_on(url.as_str(), pages::ON_THE_WAY),
            Ok(Page::AsGet) => match as_get {
                Some(url) if url.len() <= LONGEST_AS_GET => sent_on(&url, pages::ON_THE_WAY),
                _ => turned_away(StatusCode::BAD_REQUEST),
            },
            Ok(Page::SignedIn) => match &self.onward {
                Some(url) => sent_on(url.as_str(), pages::SIGNED_IN),
                None => page_of(StatusCode::OK, pages::SIGNED_IN),
            },
            Ok(Page::Failed) => page_of(StatusCode::OK, pages::FAILED),
            Ok(Page::NotOurs) => turned_away(StatusCode::BAD_REQUEST),
            Ok(Page::OtherBrowser) => page_of(StatusCode::FORBIDDEN, pages::OTHER_BROWSER),
            Err(_) => turned_away(StatusCode::GONE),
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
    let is_said = query.iter().any(|(name, _)| name == "state");
    if request.method() != Method::POST || is_said || !is_form {
        return Some(query);
    }
    let body = Limited::new(request.into_body(), LONGEST_FORM);
    let body = tokio::time::timeout(HEAD_PATIENCE, body.collect()).await;
    Some(read(&body.ok()?.ok()?.to_bytes()))
}
