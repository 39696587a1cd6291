//! An OAuth authorization server in this process, told what to want and what to answer.
//!
//! It checks what an attentive server checks (registered redirect URI, PKCE, client authentication, `resource` on every
//! leg, one use per code and per refresh token) and refuses what is wrong, so a sign-in that ends well was done well.
//! It writes down every request; tests look there for what must not have been sent. Documents can be put anywhere on
//! it, so it also stands in for a protected resource.

// The demonstration brings this file in from elsewhere, and its folder has to be named.
#[path = "authority/asking.rs"]
mod asking; // authorization requests up to the code
#[path = "authority/dpop.rs"]
pub mod dpop; // checks of proofs
#[path = "authority/grants.rs"]
pub(crate) mod grants; // grants without a user, and clients with a key
#[path = "authority/options.rs"]
mod options; // wishes and answers, set by a test
#[path = "authority/tokens.rs"]
mod tokens; // the token endpoint

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::remote;
use dpop::Verifier;
pub use options::Options;

/// A running server; it ends with the test's runtime.
#[derive(Clone)]
pub struct Authority {
    pub origin: String,
    state: Arc<Mutex<State>>,
    arrived: Arc<Notify>,
    gate: Arc<Notify>,
    at_the_gate: watch::Sender<usize>,
    tasks: TaskTracker,
}

/// Counts a token request while it waits; one whose client is gone waits no more.
struct AtTheGate(watch::Sender<usize>);

impl AtTheGate {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for AtTheGate {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// Query or form, decoded.
    pub fields: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut named = self.fields.iter().filter(|(key, _)| key == name);
        let first = named.next().map(|(_, value)| value.as_str());
        assert!(named.next().is_none(), "{name} twice in {self:?}");
        first
    }
}

#[derive(Default)]
struct State {
    options: Options,
    documents: HashMap<String, Reply>,
    seen: Vec<Seen>,
    clients: BTreeMap<String, Registered>,
    codes: HashMap<String, Code>,
    /// Refresh token to family; a spent one stays, marked.
    refreshes: HashMap<String, (usize, bool)>,
    dead_families: Vec<usize>,
    access: Vec<String>,
    counter: usize,
    grants: grants::Grants,
    verifier: Verifier,
    /// The thumbprints of the keys that tokens are bound to.
    bound: HashMap<String, String>,
}

/// A client that may come.
#[derive(Clone)]
pub struct Registered {
    pub redirect_uris: Vec<String>,
    pub secret: Option<String>,
    pub method: String,
}

struct Code {
    client: String,
    redirect_uri: String,
    challenge: String,
    /// The thumbprint of the key it is good with only.
    key: Option<String>,
}

/// A fixed answer.
#[derive(Clone)]
pub enum Reply {
    Json(Value),
    Text(u16, &'static str, String),
    Redirect(String),
    /// `text/event-stream` that never ends.
    Endless,
}

type Body = BoxBody<Bytes, Infallible>;

impl Authority {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let authority = Self {
            origin,
            state: Arc::default(),
            arrived: Arc::default(),
            gate: Arc::default(),
            at_the_gate: watch::Sender::new(0),
            tasks: TaskTracker::new(),
        };
        authority.serve_metadata_at("/.well-known/oauth-authorization-server");
        let this = authority.clone();
        let token: TaskTrackerToken = authority.tasks.token();
        authority.tasks.spawn(async move {
            let _token = token;
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let this = this.clone();
                let tasks = this.tasks.clone();
                tasks.spawn(async move {
                    let answer = service_fn(|request| {
                        let this = this.clone();
                        async move { Ok::<_, Infallible>(this.receive(request).await) }
                    });
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
        authority
    }

    /// The metadata of a remote at `/mcp` that this authority protects (RFC 9728), if that is what it is asked for.
    pub fn metadata_of(&self, ask: &remote::Ask) -> Option<remote::Reply> {
        if !ask
            .path
            .starts_with("/.well-known/oauth-protected-resource")
        {
            return None;
        }
        let document = json!({
            "resource": format!("http://{}/mcp", ask.header("host").unwrap()),
            "authorization_servers": [self.origin],
        });
        Some(remote::Reply::json(document.to_string()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Turns options.
    pub fn configure(&self, with: impl FnOnce(&mut Options)) {
        with(&mut self.state().options);
    }

    pub fn serve(&self, path: &str, reply: Reply) {
        self.state().documents.insert(path.to_owned(), reply);
    }

    pub fn remove(&self, path: &str) {
        self.state().documents.remove(path);
    }

    /// Its own metadata stands there, made fresh each time from the options.
    pub fn serve_metadata_at(&self, path: &str) {
        self.serve(path, Reply::Json(Value::Null));
    }

    /// Metadata of a protected resource on this origin.
    pub fn protect(&self, path: &str, resource: &str, issuers: &[&str]) {
        let document = json!({ "resource": resource, "authorization_servers": issuers });
        self.serve(path, Reply::Json(document));
    }

    pub fn issuer(&self) -> String {
        let issuer = self.state().options.issuer.clone();
        issuer.unwrap_or_else(|| self.origin.clone())
    }

    pub fn add_client(&self, id: &str, client: Registered) {
        self.state().clients.insert(id.to_owned(), client);
    }

    /// A public client that may be sent back to any address on this machine.
    pub fn welcome_anywhere(&self, id: &str) {
        let client = Registered {
            redirect_uris: Vec::new(),
            secret: None,
            method: "none".to_owned(),
        };
        self.add_client(id, client);
    }

    /// Revocations are answered with this status from now on.
    pub fn refuse_revocations(&self, status: u16) {
        self.configure(|options| options.revocation = Some(status));
    }

    pub fn forget_clients(&self) {
        self.state().clients.clear();
    }

    /// Ends every refresh token given so far.
    pub fn revoke_all(&self) {
        let mut state = self.state();
        state.dead_families = (0..=state.counter).collect();
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    pub fn at(&self, path: &str) -> Vec<Seen> {
        self.seen()
            .into_iter()
            .filter(|seen| seen.path == path)
            .collect()
    }

    /// Token requests with this grant type.
    pub fn grants(&self, grant: &str) -> Vec<Seen> {
        let at = self.at("/token").into_iter();
        at.filter(|seen| seen.field("grant_type") == Some(grant))
            .collect()
    }

    /// Who looks at the proofs of token requests.
    pub fn verifier<T>(&self, with: impl FnOnce(&mut Verifier) -> T) -> T {
        with(&mut self.state().verifier)
    }

    /// The thumbprint of the key that a token is bound to.
    pub fn key_of(&self, token: &str) -> Option<String> {
        self.state().bound.get(token).cloned()
    }

    /// Every access token ever given, oldest first.
    pub fn access_tokens(&self) -> Vec<String> {
        self.state().access.clone()
    }

    pub fn refresh_tokens(&self) -> Vec<String> {
        self.state().refreshes.keys().cloned().collect()
    }

    /// Waits until something was asked for at `path`.
    pub async fn has_been_asked(&self, path: &str) {
        loop {
            let arrived = self.arrived.notified();
            if !self.at(path).is_empty() {
                return;
            }
            arrived.await;
        }
    }

    /// Waits until it has been asked so often at `path`.
    pub async fn was_asked(&self, path: &str, times: usize) {
        loop {
            let arrived = self.arrived.notified();
            if self.at(path).len() >= times {
                return;
            }
            arrived.await;
        }
    }

    /// Waits until so many token requests wait at the gate.
    pub async fn waits_at_the_gate(&self, wanted: usize) {
        let mut count = self.at_the_gate.subscribe();
        count.wait_for(|count| *count == wanted).await.unwrap();
    }

    pub fn open_gate(&self) {
        self.configure(|options| options.gated = false);
        self.gate.notify_waiters();
    }

    async fn receive(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        let path = head.uri.path().to_owned();
        let text = match head.uri.query() {
            Some(query) => query.to_owned(),
            None => body.clone(),
        };
        let seen = Seen {
            method: head.method.to_string(),
            fields: url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
            headers: head.headers,
            body,
            path,
        };
        self.state().seen.push(seen.clone());
        self.arrived.notify_waiters();
        let here = seen.path.strip_prefix("/tenant").unwrap_or(&seen.path);
        if ["/token", "/device", "/revoke"].contains(&here)
            && let Some(refusal) = tokens::refused_form(&self.state().options, &seen)
        {
            return refusal;
        }
        match (&head.method, here) {
            (&Method::GET, "/authorize") => self.authorize(&seen),
            (&Method::POST, "/register") => self.register(&seen),
            (&Method::POST, "/token") => {
                loop {
                    let opened = self.gate.notified();
                    if !self.state().options.gated {
                        break;
                    }
                    let _waiting = AtTheGate::new(&self.at_the_gate);
                    opened.await;
                }
                let mut response = self.token(&seen);
                for (name, value) in self.state().verifier.headers() {
                    response.headers_mut().insert(name, value.parse().unwrap());
                }
                response
            }
            (&Method::POST, "/device") => self.device(&seen),
            (&Method::POST, "/revoke") => {
                let issuer = self.issuer();
                let mut state = self.state();
                let status = match seen.field("client_assertion") {
                    Some(_) if grants::proved(&mut state, &issuer, &seen).is_none() => 401,
                    _ => state.options.revocation.unwrap_or(200),
                };
                json_reply(status, &json!({}))
            }
            _ => self.document(&seen),
        }
    }

    fn document(&self, seen: &Seen) -> Response<Body> {
        let reply = self.state().documents.get(&seen.path).cloned();
        match reply {
            None => text_reply(404, "text/plain", "nothing here"),
            Some(Reply::Json(Value::Null)) => json_reply(200, &self.metadata()),
            Some(Reply::Json(value)) => json_reply(200, &value),
            Some(Reply::Text(status, media, text)) => text_reply(status, media, &text),
            Some(Reply::Redirect(to)) => redirect(&to),
            Some(Reply::Endless) => {
                let first =
                    futures_util::stream::iter([Ok(Frame::data(Bytes::from(": hello\n\n")))]);
                let endless = first.chain(futures_util::stream::pending());
                let mut response = Response::new(BoxBody::new(StreamBody::new(endless)));
                response
                    .headers_mut()
                    .insert("content-type", "text/event-stream".parse().unwrap());
                response
            }
        }
    }

    fn metadata(&self) -> Value {
        let origin = &self.origin;
        let mut metadata = json!({
            "issuer": self.issuer(),
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "revocation_endpoint": format!("{origin}/revoke"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        });
        let state = self.state();
        if state.options.offers_dpop {
            metadata["dpop_signing_alg_values_supported"] = json!(["ES256"]);
        }
        overlay(&mut metadata, &state.options.metadata);
        metadata
    }
}

fn overlay(under: &mut Value, over: &Value) {
    for (name, value) in over.as_object().unwrap() {
        if value.is_null() {
            under.as_object_mut().unwrap().remove(name);
        } else {
            under[name.as_str()] = value.clone();
        }
    }
}

fn json_reply(status: u16, value: &Value) -> Response<Body> {
    text_reply(status, "application/json", &value.to_string())
}

fn text_reply(status: u16, media: &str, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(text.to_owned())).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
        .headers_mut()
        .insert("content-type", media.parse().unwrap());
    response
}

fn redirect(to: &str) -> Response<Body> {
    let mut response = text_reply(302, "text/plain", "");
    response
        .headers_mut()
        .insert("location", to.parse().unwrap());
    response
}
