//! Proxies: never for this machine, by HTTP and SOCKS for the rest, and named when they fail.

use std::sync::{Arc, Mutex};

use http::HeaderMap;
use mcpipe::auth::net::guard::{self, Guard};
use mcpipe::auth::net::http::{Document, Error, Http};
use mcpipe::proxy::Proxies;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::login::tls;
use crate::support::host::{INITIALIZE, Process, call};
use crate::support::remote::{Reply, Server, ordinary};

/// A SOCKS5 proxy that leads every request to one server and notes what was asked for (RFC 1928, RFC 1929).
struct Socks {
    address: String,
    /// Host, as name or address.
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Open,
    /// Asks for this name and password.
    Password(&'static str, &'static str),
    /// Answers every request with this code.
    Refusing(u8),
}

impl Socks {
    async fn before(origin: &str, manner: Manner) -> Self {
        let behind = Url::parse(origin).unwrap().port().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let note = Arc::clone(&asked);
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let note = Arc::clone(&note);
                tasks.spawn(async move {
                    let _ = lead(socket, behind, manner, &note).await;
                });
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn lead(
    mut near: TcpStream,
    behind: u16,
    manner: Manner,
    note: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let bytes = async |near: &mut TcpStream, count: usize| {
        let mut found = vec![0; count];
        near.read_exact(&mut found).await.map(|_| found)
    };
    let greeting = bytes(&mut near, 2).await?;
    bytes(&mut near, greeting[1].into()).await?;
    if let Manner::Password(name, password) = manner {
        near.write_all(&[5, 2]).await?;
        let length = bytes(&mut near, 2).await?[1];
        let said = bytes(&mut near, length.into()).await?;
        let length = bytes(&mut near, 1).await?[0];
        let secret = bytes(&mut near, length.into()).await?;
        let is_right = said == name.as_bytes() && secret == password.as_bytes();
        near.write_all(&[1, u8::from(!is_right)]).await?;
        if !is_right {
            return Ok(());
        }
    } else {
        near.write_all(&[5, 0]).await?;
    }
    let request = bytes(&mut near, 4).await?;
    let host = match request[3] {
        1 => {
            let octets: [u8; 4] = bytes(&mut near, 4).await?.try_into().unwrap();
            std::net::Ipv4Addr::from(octets).to_string()
        }
        3 => {
            let length = bytes(&mut near, 1).await?[0];
            String::from_utf8(bytes(&mut near, length.into()).await?).unwrap()
        }
        _ => {
            let octets: [u8; 16] = bytes(&mut near, 16).await?.try_into().unwrap();
            std::net::Ipv6Addr::from(octets).to_string()
        }
    };
    bytes(&mut near, 2).await?;
    note.lock().unwrap().push(host);
    let code = match manner {
        Manner::Refusing(code) => code,
        _ => 0,
    };
    near.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    if code == 0 {
        let mut far = TcpStream::connect(("127.0.0.1", behind)).await?;
        copy_bidirectional(&mut near, &mut far).await?;
    }
    Ok(())
}

const VARIABLES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

#[tokio::test]
async fn a_server_on_this_machine_is_never_reached_through_a_proxy() {
    let proxy = Server::that(|_| Reply::status(500)).await;
    let socks = Socks::before(&proxy.origin(), Manner::Open).await;
    let server = Server::that(ordinary).await;
    let port = Url::parse(&server.origin()).unwrap().port().unwrap();
    for host in ["127.0.0.1", "localhost", "127.1", "LOCALHOST"] {
        for address in [proxy.origin(), format!("socks5h://{}", socks.address)] {
            let variables = VARIABLES.map(|name| (name, address.as_str()));
            let url = format!("http://{host}:{port}/mcp");
            let arguments = [url.as_str(), "--header", "Authorization: Bearer s3cret"];
            let mut host = Process::start_with(&arguments, &variables);
            host.send(INITIALIZE).await;
            let answer = host.next_json().await;
            assert!(answer["result"].is_object(), "{url}: {answer}");
        }
    }
    assert_eq!(proxy.connections(), 0);
    assert_eq!(socks.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_elsewhere_is_reached_through_the_proxy_that_a_variable_names() {
    let server = Server::that(ordinary).await;
    let socks = Socks::before(&server.origin(), Manner::Password("me", "s3 cret")).await;
    let bare = server.origin().replace("http://", "");
    for (variable, address) in [
        ("HTTP_PROXY", server.origin()),
        ("http_proxy", bare),
        ("ALL_PROXY", server.origin()),
        (
            "ALL_PROXY",
            format!("socks5h://me:s3%20cret@{}", socks.address),
        ),
        (
            "all_proxy",
            format!("socks://me:s3%20cret@{}/", socks.address),
        ),
        (
            "http_proxy",
            format!("socks5h://me:s3%20cret@{}", socks.address),
        ),
    ] {
        let url = "http://mcp.invalid/mcp";
        let arguments = [url, "--allow-http"];
        let mut host = Process::start_with(&arguments, &[(variable, &address)]);
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        assert!(
            answer["result"].is_object(),
            "{variable}={address}: {answer}"
        );
        assert!(host.closed().await.status.success());
    }
    assert!(!socks.asked().is_empty());
    assert!(socks.asked().iter().all(|host| host == "mcp.invalid"));
}

#[tokio::test]
async fn no_proxy_is_honoured_for_every_kind_of_host() {
    let proxy = Server::that(ordinary).await;
    for (list, url) in [
        ("*", "http://192.0.2.7:9/mcp"),
        ("192.0.2.0/24", "http://192.0.2.7:9/mcp"),
        ("*", "http://mcp.invalid/mcp"),
        ("x,.invalid", "http://mcp.invalid/mcp"),
    ] {
        let proxies = Proxies::new(|name| match name {
            "ALL_PROXY" => Some("http://127.0.0.1:1"),
            "NO_PROXY" => Some(list),
            _ => None,
        });
        assert!(proxies.to(&Url::parse(url).unwrap()).is_none(), "{list}");
    }
    // The binary asks by the same rule: a name that cannot be resolved is not asked of the proxy.
    let variables = [
        ("HTTP_PROXY", proxy.origin()),
        ("NO_PROXY", "other, invalid".to_owned()),
    ];
    let variables = variables
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let arguments = ["http://mcp.invalid/mcp", "--allow-http"];
    let mut host = Process::start_with(&arguments, &variables);
    host.send(INITIALIZE).await;
    let answer = host.next_json().await;
    assert_eq!(answer["error"]["data"]["kind"], "unreachable", "{answer}");
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn a_proxy_that_fails_is_named_as_the_proxy_with_its_variable_and_without_its_password() {
    // Bound and not listening: it refuses, and no other test is given its port meanwhile.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nowhere = closed.local_addr().unwrap().to_string();
    let wants = Server::that(|_| Reply::status(407)).await;
    let refuses = Server::that(|_| Reply::status(502)).await;
    let cuts = Server::that(|_| Reply::cut()).await;
    let server = Server::that(ordinary).await;
    let locked = Socks::before(&server.origin(), Manner::Password("me", "right")).await;
    let unable = Socks::before(&server.origin(), Manner::Refusing(4)).await;
    let here = |origin: String| origin.replace("http://", "");
    for (scheme, proxy, said) in [
        ("http", nowhere.clone(), "refused"),
        ("http", here(wants.origin()), "407"),
        ("http", here(refuses.origin()), ""),
        ("http", here(cuts.origin()), ""),
        ("socks5h", nowhere.clone(), ""),
        ("socks5h", locked.address.clone(), ""),
        ("socks5h", unable.address.clone(), "unreachable"),
    ] {
        for (variable, url) in [
            ("HTTPS_PROXY", "https://mcp.invalid/mcp"),
            ("ALL_PROXY", "http://mcp.invalid/mcp"),
        ] {
            let is_forwarded = scheme == "http" && variable == "ALL_PROXY";
            // What comes through a forwarding proxy may be the server's own.
            if is_forwarded && said.is_empty() {
                continue;
            }
            let address = match proxy == unable.address {
                true => format!("{scheme}://{proxy}"),
                false => format!("{scheme}://user:s3cret@{proxy}"),
            };
            let arguments = [url, "--allow-http"];
            let mut host = Process::start_with(&arguments, &[(variable, &address)]);
            host.send(INITIALIZE).await;
            let answer = host.next_json().await;
            let text = answer.to_string();
            let error = &answer["error"];
            let message = error["message"].as_str().unwrap();
            let named = format!("the proxy {proxy} ({variable})");
            assert!(message.contains(&named), "{address} {url}: {text}");
            assert!(message.contains(said), "{said}: {text}");
            assert_eq!(error["data"]["kind"], "unreachable", "{text}");
            assert!(
                error["data"]["hint"].as_str().unwrap().contains(variable),
                "{text}"
            );
            let left = host.closed().await;
            assert!(!text.contains("s3cret") && !left.stderr.contains("s3cret"));
        }
    }
}

#[tokio::test]
async fn a_variable_that_names_no_proxy_is_said_without_its_value() {
    let server = Server::that(ordinary).await;
    let variables = [("HTTPS_PROXY", "gopher://user:s3cret@proxy:1")];
    let mut host = Process::start_with(&[&server.url()], &variables);
    host.send(INITIALIZE).await;
    host.next().await;
    let said = host.closed().await.stderr;
    assert!(
        said.contains("HTTPS_PROXY") && !said.contains("s3cret"),
        "{said}"
    );
}

/// The sign-in's client, of a server elsewhere, with this proxy for everything.
fn sign_in_through(proxy: &str) -> Http {
    let proxy: &str = Box::leak(proxy.to_owned().into_boxed_str());
    let proxies = Proxies::new(|name| (name == "ALL_PROXY").then_some(proxy));
    let home = Url::parse("http://mcp.invalid/mcp").unwrap();
    Http::new(tls(), Guard::new(&home, true, false)).through(proxies)
}

#[tokio::test]
async fn a_sign_in_goes_through_the_same_proxies() {
    let server = Server::that(|_| Reply::json(r#"{"issuer":"x"}"#)).await;
    let socks = Socks::before(&server.origin(), Manner::Open).await;
    let there = Url::parse("http://mcp.invalid/.well-known/x").unwrap();
    for proxy in [server.origin(), format!("socks5h://{}", socks.address)] {
        let http = sign_in_through(&proxy);
        let found = http.document(&there).await.unwrap();
        assert!(matches!(found, Document::Found(_)), "{proxy}");
        let answer = http.post(&there, HeaderMap::new(), Vec::new()).await;
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(socks.asked(), ["mcp.invalid"]);
    // Where the name is resolved here, it is judged here: an unknown name is not handed to the proxy.
    let local = sign_in_through(&format!("socks5://{}", socks.address));
    assert!(local.document(&there).await.is_err());
    assert_eq!(socks.asked().len(), 1);

    let wants = Server::that(|_| Reply::status(407)).await;
    let secret = wants.origin().replace("http://", "http://user:s3cret@");
    for url in ["http://mcp.invalid/x", "https://mcp.invalid/x"] {
        let url = Url::parse(url).unwrap();
        let fault = sign_in_through(&secret).document(&url).await.unwrap_err();
        let said = fault.to_string();
        assert!(
            said.contains("(ALL_PROXY)") && said.contains("407"),
            "{said}"
        );
        assert!(!said.contains("s3cret") && fault.is_passing(), "{said}");
    }
    // And this machine is still reached without one.
    let home = Url::parse(&server.url()).unwrap();
    let wants_all = Proxies::new(|name| (name == "ALL_PROXY").then_some("http://127.0.0.1:1"));
    let near = Http::new(tls(), Guard::new(&home, false, false)).through(wants_all);
    assert!(matches!(near.document(&home).await, Ok(Document::Found(_))));
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_although_a_socks_proxy_would_go_there() {
    let server = Server::that(|_| Reply::json("{}")).await;
    let socks = Socks::before(&server.origin(), Manner::Open).await;
    let address: &str = Box::leak(format!("socks5://{}", socks.address).into_boxed_str());
    let proxies = Proxies::new(|name| (name == "ALL_PROXY").then_some(address));
    let lookup: mcpipe::auth::net::http::Lookup =
        Arc::new(|_| Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) }));
    let guard = Guard::new(&Url::parse("https://8.8.8.8/mcp").unwrap(), false, false);
    let http = Http::with_lookup(tls(), guard, lookup).through(proxies);
    let url = Url::parse("https://as.example/token").unwrap();
    let fault = http.post(&url, HeaderMap::new(), b"code=c".to_vec()).await;
    let fault = fault.unwrap_err();
    let is_inside = matches!(
        fault,
        Error::Refused {
            why: guard::Error::Inside,
            ..
        }
    );
    assert!(is_inside, "{fault}");
    assert!(socks.asked().is_empty());
}

#[tokio::test]
async fn each_request_to_a_forwarding_proxy_has_a_connection_of_its_own() {
    // tinyproxy closes its connection to the server after one answer, does not say so, and loses what comes next.
    let server = Server::that(ordinary).await;
    let variables = [("HTTP_PROXY", server.origin())];
    let variables = variables
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let arguments = ["http://mcp.invalid/mcp", "--allow-http"];
    let mut host = Process::start_with(&arguments, &variables);
    host.send(INITIALIZE).await;
    host.next().await;
    for id in 1..4 {
        host.send(call(id)).await;
        assert!(host.next_json().await["result"].is_object());
    }
    let asked = server.asked("POST tools/call", 3).await;
    assert_eq!(asked.path, "http://mcp.invalid/mcp");
    assert_eq!(server.connections(), server.all().len());
}
