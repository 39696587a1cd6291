//! What bridges are compared with, as processes of their own: the floor, the least that a bridge can be, and the direct
//! client, which needs no bridge. Both are this program, started anew.

use std::io::{BufRead as _, BufReader, Read, Write, stdin, stdout};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use url::Url;

use crate::{call, median, system};

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// Reads lines from stdin, posts each, writes the bodies of the answers to stdout: one connection, one request at a
/// time, JSON answers only.
pub fn floor(url: &str) {
    let url = Url::parse(url).unwrap();
    let host = url.host_str().unwrap().to_owned();
    let tcp = TcpStream::connect((host.as_str(), url.port().unwrap())).unwrap();
    tcp.set_nodelay(true).unwrap();
    let stream: Box<dyn Stream> = if url.scheme() == "https" {
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
        let session = ClientConnection::new(Arc::new(config), host.clone().try_into().unwrap());
        Box::new(StreamOwned::new(session.unwrap(), tcp))
    } else {
        Box::new(tcp)
    };
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    let (mut line, mut request, mut stdout) = (Vec::new(), Vec::new(), stdout().lock());
    let mut stdin = stdin().lock();
    while stdin.read_until(b'\n', &mut line).unwrap() > 0 {
        request.clear();
        write!(
            request,
            "POST {} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n",
            url.path(),
            line.len()
        )
        .unwrap();
        request.append(&mut line);
        stream.get_mut().write_all(&request).unwrap();
        stream.get_mut().flush().unwrap();
        let mut length = 0;
        let mut head = String::new();
        while stream.read_line(&mut head).unwrap() > 2 {
            if let Some(value) = head.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.clear();
        }
        if length > 0 {
            std::io::copy(&mut stream.by_ref().take(length), &mut stdout).unwrap();
            stdout.write_all(b"\n").unwrap();
            stdout.flush().unwrap();
        }
    }
}

/// The certificate of the authority that vouches for the server.
pub fn authority() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls/ca.pem")
}

/// Makes `calls` calls of a tool, `at_once` in flight, after as many to warm up (at most 1,000), and prints: the median
/// time of a call in microseconds, calls per second, CPU per call in microseconds.
pub fn direct(url: &str, tool: &str, at_once: usize, calls: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        burst(&client, url, tool, at_once, calls.min(1000)).await;
        let (began, cpu) = (Instant::now(), system::cpu(std::process::id()));
        let mut times = burst(&client, url, tool, at_once, calls).await;
        let seconds = began.elapsed().as_secs_f64();
        let cpu = system::cpu(std::process::id())
            .zip(cpu)
            .map_or(f64::NAN, |(after, before)| after - before);
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

/// The time of each call, in microseconds.
async fn burst(
    client: &Client<HttpConnector, Full<Bytes>>,
    url: &str,
    tool: &str,
    at_once: usize,
    calls: usize,
) -> Vec<f64> {
    let lanes = (0..at_once).map(|lane| {
        let (client, url, tool) = (client.clone(), url.to_owned(), tool.to_owned());
        let calls = calls / at_once + usize::from(lane < calls % at_once);
        tokio::spawn(async move {
            let mut times = Vec::with_capacity(calls);
            for number in 0..calls {
                let began = Instant::now();
                let request = hyper::Request::post(&url)
                    .header("content-type", "application/json")
                    .header("accept", "application/json, text/event-stream")
                    .body(Full::from(call(crate::Era::Legacy, number, &tool)))
                    .unwrap();
                let mut body = client.request(request).await.unwrap().into_body();
                while let Some(frame) = body.frame().await {
                    frame.unwrap();
                }
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
            times
        })
    });
    let lanes: Vec<_> = lanes.collect();
    let mut times = Vec::with_capacity(calls);
    for lane in lanes {
        times.append(&mut lane.await.unwrap());
    }
    times
}
