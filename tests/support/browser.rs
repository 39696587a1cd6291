//! A browser that does as it is told: asks for a page, and follows where it is sent. HTTP/1.1 on loopback, by hand, so
//! that a test can also send what no browser would.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

/// What came back.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Page {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Visits and follows redirects to their end.
pub async fn follow(url: &Url) -> Page {
    let mut at = url.clone();
    for _ in 0..10 {
        let page = visit(&at).await;
        match page.header("location") {
            Some(next) if (300..400).contains(&page.status) => at = at.join(next).unwrap(),
            _ => return page,
        }
    }
    panic!("redirected in a circle")
}

/// Where the sign-in page would send the browser, without going there.
pub async fn sent_to(url: &Url) -> Url {
    let page = visit(url).await;
    Url::parse(
        page.header("location")
            .unwrap_or_else(|| panic!("{page:?}")),
    )
    .unwrap()
}

/// One plain GET.
pub async fn visit(url: &Url) -> Page {
    send(url, "GET", &[]).await
}

/// One request, with whatever headers; a `Host` among them replaces the right one.
pub async fn send(url: &Url, method: &str, headers: &[(&str, &str)]) -> Page {
    let host = url.host_str().unwrap();
    let port = url.port().unwrap();
    assert!(
        ["127.0.0.1", "localhost", "[::1]"].contains(&host),
        "tests stay on this machine: {url}"
    );
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port))
        .await
        .unwrap();
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        request += &format!("Host: {host}:{port}\r\n");
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .unwrap()
        .unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Page {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
