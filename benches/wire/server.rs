//! The server that everybody is measured against: one thread, HTTP/1.1 over plain TCP and over TLS, answers made
//! beforehand. `/legacy/json`, `/legacy/sse`, `/modern/json` and `/modern/sse` say the era and the form of an answer. The
//! tool `large-N` has a text of N MB as its result.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use memchr::memmem::find;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;

/// The largest result, in MB of text.
const LARGEST: usize = 64;
/// The bearer token of the starts that have one.
pub const TOKEN: &str = "s3cret";
const CREDENTIALS: &[u8] = b"Bearer s3cret";
/// Progress notifications before the answer to a call of `progress`.
pub const EVENTS: usize = 20_000;
/// Progress notifications that are written at once.
const EVENTS_A_CHUNK: usize = 32;

const LINE: &[u8] =
    br"the quick brown fox jumps over the lazy dog and \u00e9 then sleeps until noon\n";
const SMALL: &str = r#"{"content":[{"type":"text","text":"It is sunny in Paris, 21 degrees, with a light wind from the west."}]"#;
const INITIALIZED: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"wire","version":"1"}}"#;
/// A list of tools without its end: an era's suffix follows.
const TOOLS: &str = r#"{"tools":[{"name":"small","description":"The weather in a city.","inputSchema":{"type":"object","properties":{"city":{"type":"string","maxLength":100},"units":{"enum":["metric","imperial"]}},"required":["city"]},"annotations":{"readOnlyHint":true}}]"#;
const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":3600000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"wire","version":"1"}}}"#;

/// A running server; it ends with the process.
pub struct Server {
    /// Where it listens for plain HTTP.
    pub plain: SocketAddr,
    /// Where it listens for TLS, with a certificate for `localhost` of the authority in `fixtures/tls`.
    pub tls: SocketAddr,
    counters: Arc<Counters>,
}

/// What the server has seen so far.
#[derive(Default)]
struct Counters {
    connections: AtomicU64,
    requests: AtomicU64,
    /// Requests with the bearer token.
    with_token: AtomicU64,
}

/// What connections share.
struct Answers {
    large: Vec<u8>,
    counters: Arc<Counters>,
}

impl Server {
    /// Starts it on free ports of this machine.
    pub fn start() -> Self {
        let (send, receive) = std::sync::mpsc::channel();
        let counters = Arc::<Counters>::default();
        let answers = Arc::new(Answers {
            large: large(),
            counters: Arc::clone(&counters),
        });
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_io().build().unwrap();
            runtime.block_on(async {
                let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let addresses = (plain.local_addr().unwrap(), tls.local_addr().unwrap());
                send.send(addresses).unwrap();
                let acceptor = acceptor();
                loop {
                    tokio::select! {
                        Ok((stream, _)) = plain.accept() => {
                            answers.counters.connections.fetch_add(1, Ordering::Relaxed);
                            stream.set_nodelay(true).unwrap();
                            let answers = Arc::clone(&answers);
                            tokio::spawn(async move { serve(stream, &answers).await });
                        }
                        Ok((stream, _)) = tls.accept() => {
                            answers.counters.connections.fetch_add(1, Ordering::Relaxed);
                            stream.set_nodelay(true).unwrap();
                            let (answers, acceptor) = (Arc::clone(&answers), acceptor.clone());
                            tokio::spawn(async move {
                                if let Ok(stream) = acceptor.accept(stream).await {
                                    serve(stream, &answers).await;
                                }
                            });
                        }
                    }
                }
            });
        });
        let (plain, tls) = receive.recv().unwrap();
        Self {
            plain,
            tls,
            counters,
        }
    }

    /// Connections that it has accepted so far.
    pub fn connections(&self) -> u64 {
        self.counters.connections.load(Ordering::Relaxed)
    }

    /// Requests that have reached it so far.
    pub fn requests(&self) -> u64 {
        self.counters.requests.load(Ordering::Relaxed)
    }

    /// Requests with the bearer token [`TOKEN`] that have reached it so far.
    pub fn requests_with_token(&self) -> u64 {
        self.counters.with_token.load(Ordering::Relaxed)
    }
}

fn acceptor() -> TlsAcceptor {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls");
    let chain = CertificateDer::pem_file_iter(fixtures.join("server.pem")).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(fixtures.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A text as tools return it: lines of words, an escape in each.
fn large() -> Vec<u8> {
    LINE.repeat((LARGEST << 20) / LINE.len())
}

enum Tool {
    Large { megabytes: usize },
    Progress,
    Small,
}

/// The tool of that name, which is in quotes.
fn tool(name: &[u8]) -> Tool {
    let name = String::from_utf8_lossy(name);
    let name = name.trim_matches('"');
    match name.strip_prefix("large-") {
        Some(megabytes) => Tool::Large {
            megabytes: megabytes.parse().unwrap(),
        },
        None if name == "progress" => Tool::Progress,
        None => Tool::Small,
    }
}

/// Answers requests on one connection until the peer closes it.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answers: &Answers) -> Option<()> {
    let mut input = Vec::with_capacity(64 << 10);
    let mut output = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = find(&input, b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut input).await.ok()? == 0 {
                return None;
            }
        };
        let end = head + content_length(input.get(..head)?);
        while input.len() < end {
            if stream.read_buf(&mut input).await.ok()? == 0 {
                return None;
            }
        }
        output.clear();
        let (request, body) = (input.get(..head)?, input.get(head..end)?);
        answers.counters.requests.fetch_add(1, Ordering::Relaxed);
        if find(request, CREDENTIALS).is_some() {
            answers.counters.with_token.fetch_add(1, Ordering::Relaxed);
        }
        let is_sse = find(request, b"/sse ").is_some();
        let is_modern = find(request, b"/modern/").is_some();
        let method = member(body, b"\"method\":");
        let (id, is_post) = (member(body, b"\"id\":"), request.starts_with(b"POST"));
        let suffix: &[u8] = if is_modern {
            b",\"resultType\":\"complete\"}"
        } else {
            b"}"
        };
        match (is_modern, method) {
            _ if !is_post => status(&mut output, "405 Method Not Allowed"),
            _ if id.is_empty() => status(&mut output, "202 Accepted"),
            (true, b"\"server/discover\"") => {
                result(&mut output, false, id, &[DISCOVERED.as_bytes()]);
            }
            (false, b"\"server/discover\"") | (true, b"\"initialize\"") => {
                status(&mut output, "404 Not Found");
            }
            (false, b"\"initialize\"") => {
                result(&mut output, false, id, &[INITIALIZED.as_bytes()]);
            }
            (_, b"\"tools/list\"") => result(&mut output, false, id, &[TOOLS.as_bytes(), suffix]),
            _ => match tool(member(body, b"\"name\":")) {
                Tool::Large { megabytes } => {
                    // Not in the middle of an escape.
                    let line = LINE.len();
                    let large = answers.large.get(..(megabytes << 20) / line * line)?;
                    let head: &[u8] = br#"{"content":[{"type":"text","text":""#;
                    result(&mut output, is_sse, id, &[head, large, br#""}]"#, suffix]);
                }
                Tool::Progress => {
                    progress(&mut output, member(body, b"\"progressToken\":"));
                    event(
                        &mut output,
                        &[
                            br#"{"jsonrpc":"2.0","id":"#,
                            id,
                            br#","result":"#,
                            SMALL.as_bytes(),
                            suffix,
                            b"}",
                        ],
                    );
                    output.extend_from_slice(b"0\r\n\r\n");
                }
                Tool::Small => result(&mut output, is_sse, id, &[SMALL.as_bytes(), suffix]),
            },
        }
        stream.write_all(&output).await.ok()?;
        stream.flush().await.ok()?;
        input.drain(..end);
        // What one large answer needed is not kept.
        output.shrink_to(64 << 10);
    }
}

/// The value of a member whose value holds no comma: an id, a name, a token. Empty if there is none.
fn member<'a>(body: &'a [u8], key: &[u8]) -> &'a [u8] {
    let Some(at) = find(body, key) else {
        return b"";
    };
    let value = body.get(at + key.len()..).unwrap_or_default();
    let length = value
        .iter()
        .position(|byte| matches!(byte, b',' | b'}'))
        .unwrap_or(value.len());
    value.get(..length).unwrap_or_default().trim_ascii()
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    value.map_or(0, |value| value.trim().parse().unwrap())
}

fn status(output: &mut Vec<u8>, status: &str) {
    output.extend_from_slice(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes());
}

/// A whole response: the result, as JSON or as an event stream of one event.
fn result(output: &mut Vec<u8>, is_sse: bool, id: &[u8], result: &[&[u8]]) {
    let mut parts: Vec<&[u8]> = vec![br#"{"jsonrpc":"2.0","id":"#, id, br#","result":"#];
    parts.extend_from_slice(result);
    parts.push(b"}");
    if is_sse {
        event_stream(output);
        event(output, &parts);
        output.extend_from_slice(b"0\r\n\r\n");
    } else {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        output.extend_from_slice(head.as_bytes());
        for part in parts {
            output.extend_from_slice(part);
        }
    }
}

fn event_stream(output: &mut Vec<u8>) {
    output.extend_from_slice(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    );
}

/// One event, in a chunk of its own (RFC 9112 section 7.1).
fn event(output: &mut Vec<u8>, data: &[&[u8]]) {
    let length: usize = data.iter().map(|part| part.len()).sum();
    output.extend_from_slice(format!("{:x}\r\ndata: ", length + 8).as_bytes());
    for part in data {
        output.extend_from_slice(part);
    }
    output.extend_from_slice(b"\n\n\r\n");
}

/// The head of an event stream and all progress notifications for a token.
fn progress(output: &mut Vec<u8>, token: &[u8]) {
    event_stream(output);
    let token = String::from_utf8_lossy(token);
    let mut chunk = String::new();
    for number in 1..=EVENTS {
        chunk.push_str("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":");
        chunk.push_str(&token);
        chunk.push_str(&format!(",\"progress\":{number},\"total\":{EVENTS},\"message\":\"reading the next file\"}}}}\n\n"));
        if number % EVENTS_A_CHUNK == 0 || number == EVENTS {
            output.extend_from_slice(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes());
            chunk.clear();
        }
    }
}
