//! Places where public servers put their metadata, as users met them (punkpeye/mcp-remote#192; `seen` names the server), cut
//! down to the parts that discovery reads.
//!
//! A fixture holds real addresses; none of them is visited. Every origin in it is given to a server of this test, and the
//! text changed accordingly, so nothing is asked but this machine.

use std::collections::BTreeMap;

use mcpipe::auth::net::guard::Guard;
use mcpipe::auth::net::http::Http;
use mcpipe::auth::oauth::challenge::Challenge;
use mcpipe::auth::oauth::discovery::{self, Preference};
use serde_json::Value;
use url::Url;

use super::tls;
use crate::support::authority::{Authority, Reply};

/// Every origin of a fixture, each with a server that stands for it.
struct Stand {
    servers: BTreeMap<String, Authority>,
    text: String,
}

impl Stand {
    async fn new(fixture: &str) -> Self {
        let mut servers = BTreeMap::new();
        let mut text = fixture.to_owned();
        for piece in fixture.split("https://").skip(1) {
            let host = piece.split(['/', '"', '?', ' ', '\\']).next().unwrap();
            if !servers.contains_key(host) {
                let server = Authority::start().await;
                server.remove("/.well-known/oauth-authorization-server");
                servers.insert(host.to_owned(), server);
            }
        }
        // The longest first: one host may end like another.
        let mut hosts: Vec<_> = servers.iter().collect();
        hosts.sort_by_key(|(host, _)| std::cmp::Reverse(host.len()));
        for (host, server) in hosts {
            text = text.replace(&format!("https://{host}"), &server.origin);
        }
        Self { servers, text }
    }

    fn at(&self, url: &Url) -> &Authority {
        let origin = url.origin().ascii_serialization();
        let mut servers = self.servers.values();
        servers.find(|server| server.origin == origin).unwrap()
    }
}

/// Reported in punkpeye/mcp-remote#192.
#[tokio::test]
async fn every_layout_of_the_field_is_found() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/metadata");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.display().to_string();
        let stand = Stand::new(&std::fs::read_to_string(&path).unwrap()).await;
        let fixture: Value = serde_json::from_str(&stand.text).unwrap();
        for (place, document) in fixture["documents"].as_object().unwrap() {
            let place = Url::parse(place).unwrap();
            let reply = match document.as_str() {
                Some(text) => Reply::Text(400, "application/xml", text.to_owned()),
                None => Reply::Json(document.clone()),
            };
            stand.at(&place).serve(place.path(), reply);
        }
        let server = Url::parse(fixture["server"].as_str().unwrap()).unwrap();
        let mut headers = http::HeaderMap::new();
        let words = fixture["challenge"].as_str().unwrap();
        headers.insert("www-authenticate", words.parse().unwrap());
        let challenge = Challenge::read(401, &headers);
        let http = Http::new(tls(), Guard::new(&server, false, false));

        let named = challenge.resource_metadata.as_deref();
        let resource = discovery::protected_resource(&http, &server, named).await;
        let resource = resource.unwrap_or_else(|error| panic!("{name}: {error}"));
        let preference = Preference::default();
        let found = discovery::authorization_server(&http, &resource, preference).await;
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));

        let expected = &fixture["expected"];
        let url = |url: Option<&Url>| url.map(ToString::to_string);
        for (what, is) in [
            ("resource", resource.name().map(str::to_owned)),
            ("issuer", Some(found.issuer().to_owned())),
            (
                "authorization_endpoint",
                url(found.authorization_endpoint()),
            ),
            ("token_endpoint", url(Some(found.token_endpoint()))),
            ("registration_endpoint", url(found.registration_endpoint())),
            ("scopes", resource.scopes().map(ToString::to_string)),
        ] {
            assert!(expected.get(what).is_some(), "{name}: {what}");
            assert_eq!(is.as_deref(), expected[what].as_str(), "{name}: {what}");
        }
        for place in fixture["unasked"].as_array().unwrap() {
            let place = Url::parse(place.as_str().unwrap()).unwrap();
            let asked = stand.at(&place).at(place.path());
            assert!(asked.is_empty(), "{name}: {place} was asked");
        }
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} layouts");
}
