//! What bridges are compared with: the floor, the least that a bridge can be, and the direct client, which needs no
//! bridge. Both run as processes of their own, which are this program, started anew.

use std::io::{BufRead as _, BufReader, Read, Write, stdin, stdout};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use url::Url;

use crate::figures::median;
use crate::hosts::{Era, call};
use crate::system;

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection that takes one request at a time.
pub struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    url: Url,
    request: Vec<u8>,
}

impl Connection {
    /// Opens a connection, over TLS for https; `config` is asked only then.
    pub fn open(url: &str, config: impl FnOnce() -> Arc<ClientConfig>) -> Self {
        let url = Url::parse(url).unwrap();
        let host = url.host_str().unwrap();
        let tcp = TcpStream::connect((host, url.port().unwrap())).unwrap();
        tcp.set_nodelay(true).unwrap();
        let stream: Box<dyn Stream> = if url.scheme() == "https" {
            let name = host.to_owned().try_into().unwrap();
            let session = ClientConnection::new(config(), name).unwrap();
            Box::new(StreamOwned::new(session, tcp))
        } else {
            Box::new(tcp)
        };
        Self {
            stream: BufReader::with_capacity(64 << 10, stream),
            url,
            request: Vec::new(),
        }
    }

    /// Posts a message. Returns the length of the answer's body, which is to be read from the stream.
    pub fn post(&mut self, message: &[u8]) -> u64 {
        self.request.clear();
        write!(
            self.request,
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n",
            self.url.path(),
            self.url.host_str().unwrap(),
            message.len()
        )
        .unwrap();
        self.request.extend_from_slice(message);
        self.stream.get_mut().write_all(&self.request).unwrap();
        self.stream.get_mut().flush().unwrap();
        let mut length = 0;
        let mut head = String::new();
        while self.stream.read_line(&mut head).unwrap() > 2 {
            if let Some(value) = head.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.clear();
        }
        length
    }

    /// Copies a body of that length.
    pub fn copy_body(&mut self, length: u64, to: &mut impl Write) {
        std::io::copy(&mut self.stream.by_ref().take(length), to).unwrap();
    }
}

/// TLS that trusts the authority in `fixtures/tls` only.
pub fn tls() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(authority()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// The certificate of the authority that vouches for the server.
pub fn authority() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls/ca.pem")
}

/// Reads lines from stdin, posts each, writes the bodies of the answers to stdout: one connection, one request at a
/// time, JSON answers only.
pub fn floor(url: &str) {
    let mut connection = Connection::open(url, tls);
    let (mut line, mut stdin, mut stdout) = (Vec::new(), stdin().lock(), stdout().lock());
    while stdin.read_until(b'\n', &mut line).unwrap() > 0 {
        let length = connection.post(&line);
        line.clear();
        if length > 0 {
            connection.copy_body(length, &mut stdout);
            stdout.write_all(b"\n").unwrap();
            stdout.flush().unwrap();
        }
    }
}

/// Makes `calls` calls of a tool, `at_once` in flight, after as many to warm up (at most 1,000), and prints: the median
/// time of a call in microseconds, calls per second, CPU per call in microseconds.
pub fn direct(url: &str, tool: &str, at_once: usize, calls: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut lanes = Vec::new();
        for client in clients(url, at_once).await {
            lanes.push(Lane {
                client,
                url: url.to_owned(),
                tool: tool.to_owned(),
            });
        }
        let (mut lanes, _) = burst(lanes, calls.min(1000)).await;
        let (began, cpu) = (Instant::now(), system::cpu(std::process::id()));
        let mut times;
        (lanes, times) = burst(lanes, calls).await;
        let seconds = began.elapsed().as_secs_f64();
        let cpu = system::cpu(std::process::id())
            .zip(cpu)
            .map_or(f64::NAN, |(after, before)| after - before);
        drop(lanes);
        let calls = f64::from(u32::try_from(calls).unwrap());
        let mut stdout = stdout().lock();
        writeln!(
            stdout,
            "{} {} {}",
            median(&mut times),
            calls / seconds,
            cpu / calls
        )
        .unwrap();
    });
}

/// Makes one call after the other.
struct Lane {
    client: AnyClient,
    url: String,
    tool: String,
}

enum AnyClient {
    /// hyper's own client with its pool of connections.
    Pool(Client<HttpConnector, Full<Bytes>>),
    /// One connection over TLS: hyper's own client has no TLS.
    Connection(SendRequest<Full<Bytes>>),
}

/// A client for each lane.
async fn clients(url: &str, count: usize) -> Vec<AnyClient> {
    let url = Url::parse(url).unwrap();
    if url.scheme() == "http" {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        return (0..count)
            .map(|_| AnyClient::Pool(client.clone()))
            .collect();
    }
    let (host, connector) = (
        url.host_str().unwrap(),
        tokio_rustls::TlsConnector::from(tls()),
    );
    let mut clients = Vec::new();
    for _ in 0..count {
        let tcp = tokio::net::TcpStream::connect((host, url.port().unwrap()));
        let tcp = tcp.await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let stream = connector.connect(host.to_owned().try_into().unwrap(), tcp);
        let (client, connection) = http1::handshake(TokioIo::new(stream.await.unwrap()))
            .await
            .unwrap();
        tokio::spawn(connection);
        clients.push(AnyClient::Connection(client));
    }
    clients
}

/// Makes calls in all lanes. Returns the lanes, and the time of each call in microseconds.
async fn burst(lanes: Vec<Lane>, calls: usize) -> (Vec<Lane>, Vec<f64>) {
    let count = lanes.len();
    let running = lanes.into_iter().enumerate().map(|(at, mut lane)| {
        let calls = calls / count + usize::from(at < calls % count);
        tokio::spawn(async move {
            let mut times = Vec::with_capacity(calls);
            for number in 0..calls {
                let began = Instant::now();
                lane.call(number).await;
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
            (lane, times)
        })
    });
    let running: Vec<_> = running.collect();
    let (mut lanes, mut times) = (Vec::new(), Vec::with_capacity(calls));
    for lane in running {
        let (lane, mut its) = lane.await.unwrap();
        lanes.push(lane);
        times.append(&mut its);
    }
    (lanes, times)
}

impl Lane {
    async fn call(&mut self, number: usize) {
        let request = hyper::Request::post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(Full::from(call(Era::Legacy, number, &self.tool)))
            .unwrap();
        let response = match &mut self.client {
            AnyClient::Pool(client) => client.request(request).await.unwrap(),
            AnyClient::Connection(client) => {
                client.ready().await.unwrap();
                client.send_request(request).await.unwrap()
            }
        };
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame.unwrap();
        }
    }
}
