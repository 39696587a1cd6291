//! A remote that is told what to answer: raw HTTP/1.1 on a socket of 127.0.0.1, so that it can also answer wrongly.
//!
//! [`Ask`] is one request as it came, [`Reply`] what is done about it. [`Record`] keeps every request and fails the
//! test when dropped if something that was expected was not asked. The same two words serve [`super::memory`].

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use mcpipe::frame::{Frame, Outline};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One HTTP request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) verb: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Ask {
    /// `GET`, `DELETE`, `POST tools/call`, `POST answer`.
    pub(crate) fn label(&self) -> String {
        match Frame::parse(&self.body) {
            Ok(frame) => match frame.outline() {
                Outline::Response { .. } => "POST answer".into(),
                _ => format!("POST {}", frame.method().unwrap_or_default()),
            },
            Err(_) => self.verb.clone(),
        }
    }

    /// The JSON text of the message's id.
    pub(crate) fn id(&self) -> String {
        let frame = Frame::parse(&self.body).unwrap();
        frame.id().map(|id| id.text().to_owned()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What is done about a request.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// What happens before the head is sent; bytes are sent as they are.
    pub(crate) before: Vec<Step>,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    /// With its true length.
    Whole(Vec<u8>),
    /// With this length, whatever comes.
    Announced(usize, Vec<Step>),
    /// In chunks, ended properly unless cut.
    Chunked(Vec<Step>),
}

/// A piece of an answer.
#[derive(Debug)]
pub(crate) enum Step {
    Bytes(Vec<u8>),
    Pause(Duration),
    /// For as long as they are taken, with this pause in between.
    Endless(Vec<u8>, Duration),
    /// Until the test says so.
    Until(CancellationToken),
    /// Whatever the test sends.
    Live(mpsc::UnboundedReceiver<Self>),
    /// The connection breaks.
    Cut,
}

impl Step {
    /// One event with one line of data.
    pub(crate) fn event(data: impl AsRef<str>) -> Self {
        Self::Bytes(format!("data: {}\n\n", data.as_ref()).into_bytes())
    }

    /// One event with an id.
    pub(crate) fn event_at(id: impl std::fmt::Display, data: impl AsRef<str>) -> Self {
        Self::Bytes(format!("id: {id}\ndata: {}\n\n", data.as_ref()).into_bytes())
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Bytes(text.into().into_bytes())
    }

    /// Nothing more, and no end.
    pub(crate) fn forever() -> Self {
        Self::Until(CancellationToken::new())
    }
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            before: Vec::new(),
            body: Body::Whole(Vec::new()),
        }
    }

    pub(crate) fn accepted() -> Self {
        Self::status(202)
    }

    pub(crate) fn json(text: impl Into<String>) -> Self {
        Self::status(200)
            .with("Content-Type", "application/json")
            .body(text)
    }

    /// A successful answer to the request asked.
    pub(crate) fn result(ask: &Ask, result: &str) -> Self {
        Self::json(result_of(ask, result))
    }

    pub(crate) fn events(steps: impl Into<Vec<Step>>) -> Self {
        let mut reply = Self::status(200).with("Content-Type", "text/event-stream");
        reply.body = Body::Chunked(steps.into());
        reply
    }

    /// A stream of events that the test goes on writing.
    pub(crate) fn live() -> (Self, mpsc::UnboundedSender<Step>) {
        let (steps, live) = mpsc::unbounded_channel();
        (Self::events([Step::Live(live)]), steps)
    }

    /// The server is unreachable (in memory only; a socket is closed with [`Server::close`]).
    pub(crate) fn unreachable() -> Self {
        Self::status(0)
    }

    /// The connection breaks before any answer.
    pub(crate) fn cut() -> Self {
        let mut reply = Self::status(200);
        reply.before.push(Step::Cut);
        reply
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn body(mut self, text: impl Into<String>) -> Self {
        self.body = Body::Whole(text.into().into_bytes());
        self
    }

    /// Does this before answering.
    pub(crate) fn after(mut self, step: Step) -> Self {
        self.before.push(step);
        self
    }
}

/// The text of a successful answer to the request asked.
pub(crate) fn result_of(ask: &Ask, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, ask.id())
}

/// What an ordinary Streamable HTTP server without a standing stream does.
pub(crate) fn ordinary(ask: &Ask) -> Reply {
    match (ask.verb.as_str(), Frame::parse(&ask.body)) {
        ("POST", Ok(frame)) if frame.method() == Some("initialize") => opening(ask, "session-1"),
        ("POST", Ok(frame)) if frame.is_request() => Reply::result(ask, "{}"),
        ("POST", Ok(_)) => Reply::accepted(),
        ("DELETE", _) => Reply::status(200),
        ("GET", _) => Reply::status(405),
        _ => Reply::status(400),
    }
}

/// The answer to `initialize` in a session of that name.
pub(crate) fn opening(ask: &Ask, session: &str) -> Reply {
    let result = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"remote","version":"1"}}"#;
    Reply::result(ask, result).with("Mcp-Session-Id", session)
}

type Handler = Box<dyn FnMut(&Ask) -> Reply + Send>;

/// What was asked, and what should have been.
pub(crate) struct Record {
    asks: watch::Sender<Vec<Ask>>,
    handler: Mutex<Handler>,
    /// Whether asks are kept; a soak would drown in them.
    pub(crate) is_keeping: AtomicBool,
    /// Pieces of bodies that were taken off the server's hands.
    pub(crate) pulled: AtomicUsize,
}

impl Record {
    pub(crate) fn new(handler: impl FnMut(&Ask) -> Reply + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            asks: watch::Sender::new(Vec::new()),
            handler: Mutex::new(Box::new(handler)),
            is_keeping: AtomicBool::new(true),
            pulled: AtomicUsize::new(0),
        })
    }

    pub(crate) fn answer(&self, ask: Ask) -> Reply {
        let reply = (self.handler.lock().unwrap())(&ask);
        if self.is_keeping.load(Ordering::SeqCst) {
            self.asks.send_modify(|asks| asks.push(ask));
        }
        reply
    }

    pub(crate) fn all(&self) -> Vec<Ask> {
        self.asks.borrow().clone()
    }

    /// The labels of everything asked, in order of arrival.
    pub(crate) fn labels(&self) -> Vec<String> {
        self.asks.borrow().iter().map(Ask::label).collect()
    }

    pub(crate) fn count(&self, label: &str) -> usize {
        self.labels().iter().filter(|asked| *asked == label).count()
    }

    /// Waits for the `nth` request of that label, counted from 1.
    pub(crate) async fn asked(&self, label: &str, nth: usize) -> Ask {
        let mut asks = self.asks.subscribe();
        let found =
            asks.wait_for(|asks| asks.iter().filter(|ask| ask.label() == label).count() >= nth);
        let Ok(found) = time::timeout(Duration::from_secs(60), found).await else {
            panic!(
                "waited for {label} number {nth}; asked was {:?}",
                self.labels()
            );
        };
        let found = found.unwrap();
        let mut same = found.iter().filter(|ask| ask.label() == label);
        same.nth(nth - 1).unwrap().clone()
    }
}

/// Fails the test when dropped if what was expected was not asked exactly so often.
pub(crate) struct Expected {
    record: Arc<Record>,
    wanted: Vec<(String, usize)>,
}

impl Expected {
    pub(crate) fn new(record: Arc<Record>) -> Self {
        Self {
            record,
            wanted: Vec::new(),
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for (label, times) in &self.wanted {
            let asked = self.record.count(label);
            assert_eq!(
                asked,
                *times,
                "{label}; asked was {:?}",
                self.record.labels()
            );
        }
    }
}

/// The remote on a socket.
pub(crate) struct Server {
    record: Arc<Record>,
    expected: Expected,
    address: std::net::SocketAddr,
    connections: Arc<AtomicUsize>,
    tasks: TaskTracker,
    accepting: CancellationToken,
    serving: CancellationToken,
}

impl Deref for Server {
    type Target = Record;
    fn deref(&self) -> &Record {
        &self.record
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.cancel();
        self.serving.cancel();
    }
}

impl Server {
    /// Listens, and answers as told.
    pub(crate) async fn that(handler: impl FnMut(&Ask) -> Reply + Send + 'static) -> Self {
        Self::that_listens_at("127.0.0.1:0", handler).await
    }

    /// The same, at this address.
    pub(crate) async fn that_listens_at(
        address: &str,
        handler: impl FnMut(&Ask) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let record = Record::new(handler);
        let server = Self {
            expected: Expected::new(Arc::clone(&record)),
            record,
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            tasks: TaskTracker::new(),
            accepting: CancellationToken::new(),
            serving: CancellationToken::new(),
        };
        let accept = accept(
            listener,
            Arc::clone(&server.record),
            Arc::clone(&server.connections),
            server.tasks.clone(),
            server.serving.clone(),
        );
        let accepting = server.accepting.clone();
        server.tasks.spawn(async move {
            accepting.run_until_cancelled(accept).await;
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// At the end there must have been exactly so many requests of that label.
    pub(crate) fn expect(&mut self, label: &str, times: usize) {
        self.expected.wanted.push((label.into(), times));
    }

    /// How many connections were ever made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The server stops listening, and every connection breaks.
    pub(crate) async fn close(&self) {
        self.accepting.cancel();
        self.serving.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(
    listener: TcpListener,
    record: Arc<Record>,
    connections: Arc<AtomicUsize>,
    tasks: TaskTracker,
    serving: CancellationToken,
) {
    while let Ok((socket, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let (record, serving) = (Arc::clone(&record), serving.clone());
        tasks.spawn(async move {
            serving.run_until_cancelled(serve(socket, &record)).await;
        });
    }
}

/// Serves one connection until either side ends it.
async fn serve(socket: TcpStream, record: &Record) {
    socket.set_nodelay(true).unwrap();
    let mut socket = BufReader::new(socket);
    while let Some(ask) = read(&mut socket).await {
        let reply = record.answer(ask);
        // A client that leaves in the middle is noticed by the next write.
        if write(socket.get_mut(), reply, record).await.is_none() {
            return;
        }
    }
}

async fn read(socket: &mut BufReader<TcpStream>) -> Option<Ask> {
    let mut line = String::new();
    socket.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ');
    let (verb, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HeaderMap::new();
    loop {
        line.clear();
        socket.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.append(
            HeaderName::try_from(name).ok()?,
            HeaderValue::from_str(value.trim()).ok()?,
        );
    }
    let length = headers.get("content-length");
    let length = length.map_or(0, |value| value.to_str().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some(Ask {
        verb,
        path,
        headers,
        body: String::from_utf8(body).ok()?,
    })
}

/// Plays a reply; `None` when the connection is over.
async fn write(socket: &mut TcpStream, reply: Reply, record: &Record) -> Option<()> {
    let mut before = Steps::new(reply.before);
    while let Some(bytes) = before.next().await? {
        socket.write_all(&bytes).await.ok()?;
    }
    let mut head = format!("HTTP/1.1 {} Told\r\n", reply.status);
    for (name, value) in reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let (is_chunked, length, steps) = match reply.body {
        Body::Whole(bytes) => (false, bytes.len(), vec![Step::Bytes(bytes)]),
        Body::Announced(length, steps) => (false, length, steps),
        Body::Chunked(steps) => (true, 0, steps),
    };
    head.push_str(&match is_chunked {
        true => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
        false => format!("Content-Length: {length}\r\n\r\n"),
    });
    socket.write_all(head.as_bytes()).await.ok()?;
    let mut sent = 0;
    let mut steps = Steps::new(steps);
    while let Some(bytes) = steps.next().await? {
        if is_chunked {
            let size = format!("{:x}\r\n", bytes.len());
            socket.write_all(size.as_bytes()).await.ok()?;
        }
        socket.write_all(&bytes).await.ok()?;
        if is_chunked {
            socket.write_all(b"\r\n").await.ok()?;
        }
        sent += bytes.len();
        record.pulled.fetch_add(1, Ordering::SeqCst);
    }
    if is_chunked {
        socket.write_all(b"0\r\n\r\n").await.ok()?;
    } else if sent < length {
        return None;
    }
    Some(())
}

/// Steps, played one after the other.
pub(crate) struct Steps(VecDeque<Step>);

impl Steps {
    pub(crate) fn new(steps: Vec<Step>) -> Self {
        Self(steps.into())
    }

    /// The next bytes; `Some(None)` at the proper end, `None` when cut.
    pub(crate) async fn next(&mut self) -> Option<Option<Vec<u8>>> {
        loop {
            match self.0.front_mut() {
                None => return Some(None),
                Some(Step::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Step::Bytes(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    self.0.pop_front();
                    return Some(Some(bytes));
                }
                Some(Step::Endless(bytes, pause)) => {
                    time::sleep(*pause).await;
                    return Some(Some(bytes.clone()));
                }
                Some(Step::Pause(pause)) => time::sleep(*pause).await,
                Some(Step::Until(told)) => told.cancelled().await,
                Some(Step::Cut) => return None,
                Some(Step::Live(live)) => {
                    if let Some(step) = live.recv().await {
                        self.0.push_front(step);
                        continue;
                    }
                }
            }
            self.0.pop_front();
        }
    }
}
