//! Addresses that no server may send us to: judged by name, by number, and by what a name turns out to be. Nothing here leaves
//! this machine: names are resolved by the test, and what would be reached is a local listener.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mcpipe::auth::net::guard::{self, Guard};
use mcpipe::auth::net::http::{Error, Http, Lookup};
use tokio::net::TcpListener;
use url::Url;

use super::tls;

/// A client for a server at `home`, where every name has these addresses in turn, the last for ever.
fn http(home: &str, allow_private: bool, addresses: &[&[&str]]) -> (Http, Arc<AtomicUsize>) {
    let turns: Vec<Vec<IpAddr>> = addresses
        .iter()
        .map(|turn| turn.iter().map(|ip| ip.parse().unwrap()).collect())
        .collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let turn = count.fetch_add(1, Ordering::SeqCst).min(turns.len() - 1);
        let found = turns[turn].clone();
        Box::pin(async move { Ok(found) })
    });
    let guard = Guard::new(&Url::parse(home).unwrap(), false, allow_private);
    (Http::with_lookup(tls(), guard, lookup), asked)
}

fn is_inside(fault: &Error) -> bool {
    matches!(
        fault,
        Error::Refused {
            why: guard::Error::Inside,
            ..
        }
    )
}

async fn nobody_came(listener: TcpListener) {
    let came = futures_util::FutureExt::now_or_never(listener.accept());
    assert!(came.is_none(), "somebody connected");
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    // Loopback stands for all of the inside here (the rest is the guard's own table): a guard that broke would connect.
    for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = Url::parse(&format!("https://as.example.com:{port}/token")).unwrap();
        // First the name that was sent, then the server's own, which leads nowhere: so it is not known to be inside.
        let turns: [&[&str]; 2] = [&[address], &["203.0.113.1"]];
        let (http, asked) = http("https://mcp.example.com/mcp", false, &turns);
        let code = b"code=c".to_vec();
        let fault = http
            .post(&url, http::HeaderMap::new(), code)
            .await
            .unwrap_err();
        assert!(is_inside(&fault), "{address}: {fault}");
        assert!(!fault.is_passing());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        nobody_came(listener).await;
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_each_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = Url::parse(&format!("https://as.example.com:{port}/x")).unwrap();
    let (http, _) = http("https://8.8.8.8/mcp", false, &[&["::1"], &["127.0.0.1"]]);
    for _ in 0..2 {
        let fault = http.document(&url).await.unwrap_err();
        assert!(is_inside(&fault), "{fault}");
    }
    nobody_came(listener).await;
}

#[tokio::test]
async fn what_is_allowed_is_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = Url::parse(&format!("https://as.example.com:{port}/x")).unwrap();
    let (http, _) = http("https://mcp.example.com/mcp", true, &[&["127.0.0.1"]]);
    let (fault, came) = tokio::join!(http.document(&url), async {
        let (stream, _) = listener.accept().await.unwrap();
        drop(stream);
    });
    assert!(matches!(fault, Err(Error::Unreachable { .. })));
    let () = came;
}

#[tokio::test]
async fn a_redirect_does_not_carry_a_token_request_elsewhere() {
    use crate::support::authority::{Authority, Reply};
    let (here, there) = (Authority::start().await, Authority::start().await);
    here.serve("/moved", Reply::Redirect(format!("{}/token", there.origin)));
    let url = Url::parse(&format!("{}/moved", here.origin)).unwrap();
    let (http, _) = http(&here.origin, false, &[&["127.0.0.1"]]);
    let answer = http
        .post(&url, http::HeaderMap::new(), b"refresh_token=x".to_vec())
        .await
        .unwrap();
    assert_eq!(answer.status, 302);
    assert!(there.seen().is_empty());
}

#[tokio::test]
async fn errors_do_not_hold_the_query() {
    let (http, _) = http("http://127.0.0.1:1/mcp", false, &[&["127.0.0.1"]]);
    let url = Url::parse("http://127.0.0.1:1/token?code=canary").unwrap();
    let fault = http.document(&url).await.unwrap_err();
    assert!(
        !format!("{fault} {fault:?}").contains("canary"),
        "{fault:?}"
    );
}

/// A server inside may name others inside. That its name leads inside when it is looked up is no evidence: the owner of the
/// name decides that, at each look. It has to answer from there.
#[tokio::test]
async fn where_the_server_is_is_told_by_the_address_that_answers() {
    use crate::support::authority::Authority;
    for answers in [true, false] {
        let server = Authority::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = Url::parse(&format!("https://as.example.com:{port}/x")).unwrap();
        let home = match answers {
            true => server.origin.replace("127.0.0.1", "mcp.example.com"),
            // Its name has the same address, and no server answers under it.
            false => "https://mcp.example.com:1".to_owned(),
        };
        let lookup: Lookup =
            Arc::new(|_| Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) }));
        let guard = Guard::new(&Url::parse(&format!("{home}/mcp")).unwrap(), true, false);
        let http = Http::with_lookup(tls(), guard, lookup);
        if answers {
            let came = async { drop(listener.accept().await.unwrap()) };
            let (fault, ()) = tokio::join!(http.document(&url), came);
            assert!(matches!(fault, Err(Error::Unreachable { .. })), "{fault:?}");
            assert_eq!(server.seen().len(), 1);
        } else {
            let fault = http.document(&url).await.unwrap_err();
            assert!(is_inside(&fault), "{fault}");
            nobody_came(listener).await;
        }
    }
}
