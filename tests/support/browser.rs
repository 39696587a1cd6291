//! A browser that does as it is told: asks for a page, keeps cookies, and follows where it is sent. HTTP/1.1 on loopback,
//! by hand, so that a test can also send what no browser would.
//!
//! The functions are one browser, that of the person who is being signed in. [`Browser::new`] is another one, or a program
//! of another user: it shares no cookie with the first.

use std::sync::{LazyLock, Mutex};
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

    fn sends_on(&self) -> Option<&str> {
        let location = self.header("location")?;
        (300..400).contains(&self.status).then_some(location)
    }
}

/// A browser with its cookies.
#[derive(Default)]
pub struct Browser {
    jar: Mutex<Vec<Cookie>>,
}

/// One cookie, as RFC 6265 keeps it: ports do not count.
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
}

impl Cookie {
    /// Reads a `Set-Cookie` line.
    fn read(line: &str, from: &Url) -> Self {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let path = parts.find_map(|part| part.strip_prefix("Path="));
        Self {
            host: from.host_str().unwrap().to_owned(),
            path: path.expect("a cookie says its path").to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    fn is_for(&self, url: &Url) -> bool {
        let rest = url.path().strip_prefix(&self.path);
        self.host == url.host_str().unwrap()
            && rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
            })
    }
}

impl Browser {
    pub fn new() -> Self {
        Self::default()
    }

    /// Visits and follows redirects to their end.
    pub async fn follow(&self, url: &Url) -> Page {
        let mut at = url.clone();
        // As many as browsers follow.
        for _ in 0..20 {
            let page = self.visit(&at).await;
            match page.sends_on() {
                Some(next) => at = at.join(next).unwrap(),
                None => return page,
            }
        }
        panic!("redirected in a circle")
    }

    /// Where the authorization server sends the browser back to, without going there.
    pub async fn sent_to(&self, url: &Url) -> Url {
        let mut at = url.clone();
        for _ in 0..10 {
            let page = self.visit(&at).await;
            let next = page.sends_on().unwrap_or_else(|| panic!("{page:?}"));
            at = at.join(next).unwrap();
            let is_answer = |(name, _): (_, _)| name == "code" || name == "error";
            if at.query_pairs().any(is_answer) {
                return at;
            }
        }
        panic!("redirected in a circle")
    }

    /// One plain GET.
    pub async fn visit(&self, url: &Url) -> Page {
        self.send(url, "GET", &[]).await
    }

    /// One request, with whatever headers; a `Host` or `Cookie` among them replaces the right one.
    pub async fn send(&self, url: &Url, method: &str, headers: &[(&str, &str)]) -> Page {
        self.say(url, method, headers, "").await
    }

    /// A POST that another site makes the browser do: it brings no cookie that is `SameSite=Lax`.
    pub async fn post_from_elsewhere(&self, url: &Url, form: &str) -> Page {
        let headers = [
            ("Origin", "https://as.example.com"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Cookie", ""),
        ];
        let page = self.say(url, "POST", &headers, form).await;
        match page.sends_on() {
            Some(next) => self.follow(&url.join(next).unwrap()).await,
            None => page,
        }
    }

    async fn say(&self, url: &Url, method: &str, headers: &[(&str, &str)], body: &str) -> Page {
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
        let has = |wanted: &str| {
            headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        if !has("host") {
            request += &format!("Host: {host}:{port}\r\n");
        }
        let cookies = self.cookies(url);
        if !has("cookie") && !cookies.is_empty() {
            request += &format!("Cookie: {cookies}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        request += body;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_secs(60), read)
            .await
            .unwrap()
            .unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        self.keep(url, head);
        Page {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// What it would show there.
    pub fn cookies(&self, url: &Url) -> String {
        let jar = self.jar.lock().unwrap();
        let shown = jar.iter().filter(|cookie| cookie.is_for(url));
        let shown: Vec<_> = shown
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        shown.join("; ")
    }

    fn keep(&self, url: &Url, head: &str) {
        let mut jar = self.jar.lock().unwrap();
        for line in head.lines() {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("set-cookie")
            {
                let new = Cookie::read(value.trim(), url);
                jar.retain(|it| {
                    (&it.host, &it.path, &it.name) != (&new.host, &new.path, &new.name)
                });
                jar.push(new);
            }
        }
    }
}

static PERSON: LazyLock<Browser> = LazyLock::new(Browser::new);

/// Visits and follows redirects to their end.
pub async fn follow(url: &Url) -> Page {
    PERSON.follow(url).await
}

/// Where the sign-in page would send the browser, without going there.
pub async fn sent_to(url: &Url) -> Url {
    PERSON.sent_to(url).await
}

/// One plain GET.
pub async fn visit(url: &Url) -> Page {
    PERSON.visit(url).await
}

/// One request, with whatever headers.
pub async fn send(url: &Url, method: &str, headers: &[(&str, &str)]) -> Page {
    PERSON.send(url, method, headers).await
}

/// A POST that another site makes the browser do, and where it leads.
pub async fn post_from_elsewhere(url: &Url, form: &str) -> Page {
    PERSON.post_from_elsewhere(url, form).await
}
