use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::auth::net::guard::Guard;
use crate::tls;

fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1000)
}

/// A search whose catalog was kept by an earlier one, with names that lead to this machine, and the names that were looked
/// up.
fn search(home: &tempfile::TempDir, catalog: &Value) -> (Lookup, Arc<Mutex<Vec<String>>>) {
    let target = Url::parse("https://example.com/").unwrap();
    let cache = ServerCache::about(Some(home.path()), target.as_str(), "default");
    let kept = json!({"version": 1, "documents": {
        "https://example.com/.well-known/ai-catalog.json":
            {"read_at": 1000, "fresh_for": 60, "content": catalog},
    }});
    cache.store("server_card", kept);
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let names = Arc::clone(&asked);
    let lookup = Arc::new(move |name: String| {
        names.lock().unwrap().push(name.clone());
        let found = match name.as_str() {
            "example.com" => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]),
        };
        Box::pin(async { found }) as futures_util::future::BoxFuture<'static, _>
    });
    let guard = Guard::new(&target, false, false);
    let config = tls::config(Vec::new(), false).unwrap();
    let lookup = Lookup {
        http: Http::with_lookup(config, guard, lookup),
        target,
        cache,
        given: Given::Names(Vec::new()),
        asks_always: false,
        trusts_kept: true,
        now: clock,
    };
    (lookup, asked)
}

fn entry(url: &str) -> Value {
    json!({"type": "application/mcp-server-card+json", "url": url})
}

fn inline(endpoint: &str) -> Value {
    json!({"type": "application/mcp-server-card+json", "data":
        {"remotes": [{"type": "streamable-http", "url": endpoint}]}})
}

#[tokio::test]
async fn a_public_site_leads_to_no_address_inside() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let home = tempfile::tempdir().unwrap();
    let catalog = json!({"entries": [
        entry(&format!("https://inside.example:{port}/card")),
        entry(&format!("https://127.0.0.1:{port}/card")),
        entry(&format!("http://127.0.0.1:{port}/card")),
        entry(&format!("https://[::ffff:127.0.0.1]:{port}/card")),
        entry("https://169.254.169.254/latest"),
        entry("https://user:pw@example.net/card"),
        inline(&format!("http://127.0.0.1:{port}/mcp")),
        inline(&format!("https://2130706433:{port}/mcp")),
        inline("https://10.0.0.1/mcp"),
        inline("http://example.com/mcp"),
        inline("https://user:pw@example.com/mcp"),
        inline("javascript:alert(1)"),
    ]});
    let (lookup, _) = search(&home, &catalog);
    let looked = lookup.run().await;
    assert_eq!(looked.findings, Findings::default());
    let all = looked.absent.join("\n");
    assert!(all.contains("may not be visited"), "{all}");
    let met = listener.accept();
    assert_eq!(met.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn cards_beyond_the_bound_are_not_read_and_none_is_chosen() {
    let home = tempfile::tempdir().unwrap();
    let mut entries = vec![inline("https://example.com/mcp")];
    entries.extend((0..40).map(|nth| entry(&format!("https://a{nth}.example/card"))));
    let (lookup, asked) = search(&home, &json!({"entries": entries}));
    let looked = lookup.run().await;
    let mut names = asked.lock().unwrap().clone();
    names.retain(|name| name != "example.com");
    names.sort();
    names.dedup();
    assert!(names.len() < MAX_DOCUMENTS, "{names:?}");
    let [unread] = looked.findings.unread.as_slice() else {
        panic!("{looked:?}");
    };
    assert!(unread.contains("more"), "{unread}");
    let verdict = looked.findings.verdict(&lookup.target, None);
    assert_eq!(verdict, crate::server_card::choice::Verdict::Several);
}
