//! An OAuth authorization server in this process, told what to want and what to answer.
//!
//! It checks what an attentive server checks (registered redirect URI, PKCE, client authentication, `resource` on every
//! leg, one use per code and per refresh token) and refuses what is wrong, so a sign-in that ends well was done well.
//! It writes down every request; tests look there for what must not have been sent. Documents can be put anywhere on
//! it, so it also stands in for a protected resource.

#[path = "authority/grants.rs"] // The demonstration brings this file in from elsewhere.
pub(crate) mod grants; // without a person, and clients that have a key
// The demonstration has this file without its folder.
#[path = "authority/dpop.rs"]
pub mod dpop;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
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
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use dpop::Verifier;

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

/// What to want and what to answer.
pub struct Knobs {
    /// The issuer, in metadata and `iss`; the origin unless set.
    pub issuer: Option<String>,
    /// Seconds an access token lives.
    pub lifetime: Option<u64>,
    /// Whether refresh tokens are given, and replaced at each use; a used one that comes again ends its family.
    pub gives_refresh: bool,
    pub rotates: bool,
    /// What `resource` has to be on every leg; anything goes if unset.
    pub resource: Option<String>,
    /// `iss` in the answer: `None` leaves it out.
    pub iss: Option<String>,
    /// Members put over the metadata; null takes one away.
    pub metadata: Value,
    /// What the next token requests are answered instead, status and body.
    pub token_answers: VecDeque<(u16, String)>,
    /// Token requests are refused, with these fields of theirs said back.
    pub echoes: Vec<&'static str>,
    /// What registrations are answered instead.
    pub register_answers: VecDeque<(u16, String)>,
    /// Members put over a registration's answer.
    pub registration: Value,
    /// `error` instead of a code, for the next authorization requests.
    pub authorize_errors: VecDeque<String>,
    /// Token requests wait for [`Authority::open_gate`].
    pub gated: bool,
    /// What those who ask about a device code are told before the tokens.
    pub device_answers: VecDeque<&'static str>,
    /// What a token answer says of the scope instead of nothing.
    pub granted: Option<String>,
    /// With what code and explanation a `resource` is refused, on every leg.
    pub refuses_resource: Option<(&'static str, &'static str)>,
    /// What revocations are answered with instead of 200.
    pub revocation: Option<u16>,
    /// The one way it takes a client's secret, whatever was registered.
    pub takes: Option<&'static str>,
    /// A scope it does not know.
    pub unknown_scope: Option<&'static str>,
    /// Whether it offers to bind tokens to keys, and does.
    pub offers_dpop: bool,
    pub binds: bool,
    /// A page to show before the code is given, with a link that gives it; none unless set.
    pub page: Option<fn(link: &str) -> String>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            issuer: None,
            lifetime: Some(3600),
            gives_refresh: true,
            rotates: true,
            resource: None,
            iss: None,
            metadata: json!({}),
            token_answers: VecDeque::new(),
            echoes: Vec::new(),
            register_answers: VecDeque::new(),
            registration: json!({}),
            authorize_errors: VecDeque::new(),
            gated: false,
            device_answers: VecDeque::new(),
            granted: None,
            refuses_resource: None,
            revocation: None,
            takes: None,
            unknown_scope: None,
            offers_dpop: false,
            binds: true,
            page: None,
        }
    }
}

#[derive(Default)]
struct State {
    knobs: Knobs,
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Turns knobs.
    pub fn turn(&self, with: impl FnOnce(&mut Knobs)) {
        with(&mut self.state().knobs);
    }

    pub fn serve(&self, path: &str, reply: Reply) {
        self.state().documents.insert(path.to_owned(), reply);
    }

    pub fn remove(&self, path: &str) {
        self.state().documents.remove(path);
    }

    /// Its own metadata stands there, made fresh each time from the knobs.
    pub fn serve_metadata_at(&self, path: &str) {
        self.serve(path, Reply::Json(Value::Null));
    }

    /// Metadata of a protected resource on this origin.
    pub fn protect(&self, path: &str, resource: &str, issuers: &[&str]) {
        let document = json!({ "resource": resource, "authorization_servers": issuers });
        self.serve(path, Reply::Json(document));
    }

    pub fn issuer(&self) -> String {
        let issuer = self.state().knobs.issuer.clone();
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
        self.turn(|knobs| knobs.revocation = Some(status));
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
        self.turn(|knobs| knobs.gated = false);
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
        match (&head.method, here) {
            (&Method::GET, "/authorize") => self.authorize(&seen),
            (&Method::POST, "/register") => self.register(&seen),
            (&Method::POST, "/token") => {
                loop {
                    let opened = self.gate.notified();
                    if !self.state().knobs.gated {
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
                    _ => state.knobs.revocation.unwrap_or(200),
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
        if state.knobs.offers_dpop {
            metadata["dpop_signing_alg_values_supported"] = json!(["ES256"]);
        }
        overlay(&mut metadata, &state.knobs.metadata);
        metadata
    }

    fn register(&self, seen: &Seen) -> Response<Body> {
        let mut state = self.state();
        if let Some((status, body)) = state.knobs.register_answers.pop_front() {
            return text_reply(status, "application/json", &body);
        }
        let asked: Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(asked["application_type"], "native");
        state.counter += 1;
        let id = format!("client-{}", state.counter);
        let mut answer = asked.clone();
        answer["client_id"] = id.clone().into();
        overlay(&mut answer, &state.knobs.registration.clone());
        let uris = answer["redirect_uris"].as_array().unwrap().iter();
        let client = Registered {
            redirect_uris: uris.map(|uri| uri.as_str().unwrap().to_owned()).collect(),
            secret: answer["client_secret"].as_str().map(str::to_owned),
            method: answer["token_endpoint_auth_method"]
                .as_str()
                .unwrap_or("none")
                .to_owned(),
        };
        state.clients.insert(id, client);
        json_reply(201, &answer)
    }

    fn authorize(&self, seen: &Seen) -> Response<Body> {
        let issuer = self.issuer();
        let mut state = self.state();
        let field = |name: &str| seen.field(name).unwrap_or_default().to_owned();
        let (id, redirect_uri) = (field("client_id"), field("redirect_uri"));
        let is_known = state.clients.get(&id).is_some_and(|client| {
            client.redirect_uris.is_empty() || client.redirect_uris.contains(&redirect_uri)
        });
        if !is_known {
            return text_reply(400, "text/plain", "unknown client or redirect URI");
        }
        if let Some(page) = state.knobs.page.filter(|_| seen.field("allowed").is_none()) {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query
                .extend_pairs(&seen.fields)
                .append_pair("allowed", "yes");
            let link = format!("{}?{}", seen.path, query.finish());
            return text_reply(200, "text/html; charset=utf-8", &page(&link));
        }
        let mut back = url::Url::parse(&redirect_uri).unwrap();
        back.query_pairs_mut().append_pair("state", &field("state"));
        if let Some(iss) = &state.knobs.iss {
            back.query_pairs_mut().append_pair("iss", iss);
        }
        let error = state.knobs.authorize_errors.pop_front().or_else(|| {
            let wanted = state.knobs.resource.as_deref();
            let is_wrong = field("response_type") != "code"
                || field("code_challenge_method") != "S256"
                || field("state").len() < 22
                || wanted.is_some_and(|wanted| seen.field("resource") != Some(wanted));
            is_wrong.then(|| "invalid_request".to_owned())
        });
        let mut why = format!("because of {issuer}");
        let mut error = error;
        if let (Some((code, text)), Some(_)) =
            (state.knobs.refuses_resource, seen.field("resource"))
        {
            (error, why) = (Some(code.to_owned()), text.to_owned());
        }
        let scope = seen.field("scope").unwrap_or_default();
        let unknown = state.knobs.unknown_scope;
        if unknown.is_some_and(|unknown| scope.split(' ').any(|one| one == unknown)) {
            error = Some("invalid_scope".to_owned());
        }
        if let Some(error) = error {
            back.query_pairs_mut()
                .append_pair("error", &error)
                .append_pair("error_description", &why);
            return redirect(back.as_str());
        }
        state.counter += 1;
        let code = format!("code-canary-{}", state.counter);
        back.query_pairs_mut().append_pair("code", &code);
        let code_of = Code {
            client: id,
            redirect_uri,
            challenge: field("code_challenge"),
            key: seen.field("dpop_jkt").map(str::to_owned),
        };
        state.codes.insert(code, code_of);
        redirect(back.as_str())
    }

    fn device(&self, seen: &Seen) -> Response<Body> {
        let issuer = self.issuer();
        let mut state = self.state();
        if authenticated(&mut state, &issuer, seen).is_none() {
            return json_reply(401, &json!({ "error": "invalid_client" }));
        }
        let origin = &self.origin;
        let answer = json!({
            "device_code": "device-canary",
            "user_code": "WDJB-MJHT",
            "verification_uri": format!("{origin}/activate"),
            "verification_uri_complete": "https://elsewhere.example/activate?code=WDJB-MJHT",
            "expires_in": 600,
            "interval": 0,
        });
        json_reply(200, &answer)
    }

    fn token(&self, seen: &Seen) -> Response<Body> {
        let issuer = self.issuer();
        let mut state = self.state();
        if let Some((status, body)) = state.knobs.token_answers.pop_front() {
            return text_reply(status, "application/json", &body);
        }
        let refuse = |code: &str, why: &str| {
            let body = json!({ "error": code, "error_description": why });
            json_reply(if code == "invalid_client" { 401 } else { 400 }, &body)
        };
        if !state.knobs.echoes.is_empty() {
            let shown = state.knobs.echoes.iter().filter_map(|it| seen.field(it));
            let shown: Vec<_> = shown.collect();
            return refuse("invalid_grant", &format!("not {}", shown.join(" ")));
        }
        let client = grants::nobody(seen);
        let client = client.or_else(|| authenticated(&mut state, &issuer, seen));
        let Some(client) = client else {
            return refuse("invalid_client", "who are you");
        };
        let proof = if state.knobs.offers_dpop {
            let at = format!("{}/token", self.origin);
            match state.verifier.judge("POST", &at, &seen.headers, None) {
                Ok(proof) => proof,
                Err(code) => return refuse(code, "of the proof"),
            }
        } else {
            None
        };
        let key = proof.filter(|_| state.knobs.binds).map(|proof| proof.key);
        if let (Some((code, text)), Some(_)) =
            (state.knobs.refuses_resource, seen.field("resource"))
        {
            return refuse(code, text);
        }
        let wanted = state.knobs.resource.clone();
        if wanted.is_some() && seen.field("resource") != wanted.as_deref() {
            return refuse("invalid_target", "another resource");
        }
        let family = match seen.field("grant_type") {
            Some("authorization_code") => {
                let code = seen.field("code").unwrap_or_default();
                let Some(held) = state.codes.remove(code) else {
                    return refuse("invalid_grant", &format!("code {code} is spent or unknown"));
                };
                let verifier = seen.field("code_verifier").unwrap_or_default();
                let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
                let fits = held.client == client
                    && held.challenge == hash
                    && (43..=128).contains(&verifier.len())
                    && seen.field("redirect_uri") == Some(&held.redirect_uri)
                    && (held.key.is_none() || key.is_none() || held.key == key);
                if !fits {
                    return refuse(
                        "invalid_grant",
                        &format!("verifier {verifier} does not fit"),
                    );
                }
                state.counter
            }
            Some("refresh_token") => {
                let token = seen.field("refresh_token").unwrap_or_default();
                let Some(&(family, is_spent)) = state.refreshes.get(token) else {
                    return refuse("invalid_grant", &format!("{token} is unknown"));
                };
                let wanted = state.bound.get(token).filter(|_| state.knobs.offers_dpop);
                if state.knobs.binds && wanted.is_some_and(|wanted| key.as_ref() != Some(wanted)) {
                    return refuse("invalid_grant", "another key");
                }
                if is_spent {
                    state.dead_families.push(family);
                }
                if state.dead_families.contains(&family) {
                    return refuse("invalid_grant", &format!("{token} was revoked"));
                }
                if state.knobs.rotates {
                    state.refreshes.insert(token.to_owned(), (family, true));
                }
                family
            }
            Some("urn:ietf:params:oauth:grant-type:device_code") => {
                assert_eq!(seen.field("device_code"), Some("device-canary"));
                if let Some(error) = state.knobs.device_answers.pop_front() {
                    return refuse(error, "as told");
                }
                state.counter
            }
            Some("client_credentials") => state.counter,
            Some(grants::JWT_BEARER) => {
                if !grants::is_taken(&state, seen) {
                    return refuse("invalid_grant", "an assertion of somebody else");
                }
                state.counter
            }
            Some(grants::TOKEN_EXCHANGE) => {
                return match grants::exchanged(&mut state, &client, seen) {
                    Ok(answer) => json_reply(200, &answer),
                    Err(why) => refuse("invalid_grant", &why),
                };
            }
            other => panic!("a grant of type {other:?}"),
        };
        state.counter += 1;
        let access = format!("access-canary-{}", state.counter);
        state.access.push(access.clone());
        let kind = if key.is_some() { "DPoP" } else { "Bearer" };
        let mut answer = json!({ "access_token": access, "token_type": kind });
        if let Some(key) = &key {
            state.bound.insert(access, key.clone());
        }
        if let Some(lifetime) = state.knobs.lifetime {
            answer["expires_in"] = lifetime.into();
        }
        if let Some(id_token) = grants::id_token(&mut state, &issuer, &client) {
            answer["id_token"] = id_token.into();
        }
        if let Some(granted) = &state.knobs.granted {
            answer["scope"] = granted.clone().into();
        }
        let is_first = seen.field("grant_type") != Some("refresh_token");
        if state.knobs.gives_refresh && (is_first || state.knobs.rotates) {
            let refresh = format!("refresh-canary-{}", state.counter);
            state.refreshes.insert(refresh.clone(), (family, false));
            if let Some(key) = key {
                state.bound.insert(refresh.clone(), key);
            }
            answer["refresh_token"] = refresh.into();
        }
        json_reply(200, &answer)
    }
}

/// The client, if it proved itself the one way it is registered for.
fn authenticated(state: &mut State, issuer: &str, seen: &Seen) -> Option<String> {
    if seen.field("client_assertion").is_some() {
        return grants::proved(state, issuer, seen);
    }
    let basic = seen.headers.get("authorization").map(|value| {
        let pair = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(BASE64_STANDARD.decode(pair).unwrap()).unwrap();
        let decode = |text: &str| {
            let text = format!("x={text}");
            let mut pairs = url::form_urlencoded::parse(text.as_bytes());
            pairs.next().unwrap().1.into_owned()
        };
        let (id, secret) = pair.split_once(':').unwrap();
        (decode(id), decode(secret))
    });
    let posted = seen.field("client_secret").map(str::to_owned);
    assert!(basic.is_none() || posted.is_none(), "two ways at once");
    let (method, id, secret) = match basic {
        Some((id, secret)) => ("client_secret_basic", id, Some(secret)),
        None if posted.is_some() => (
            "client_secret_post",
            seen.field("client_id")?.to_owned(),
            posted,
        ),
        None => ("none", seen.field("client_id")?.to_owned(), None),
    };
    let client = state.clients.get(&id)?;
    let wanted = state.knobs.takes.unwrap_or(&client.method);
    (wanted == method && client.secret == secret).then_some(id)
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
