//! Skills (SEP-2640), through the real binary in all four pairs of eras: what a server says of its skills, the bytes of
//! their files, and what is kept of them. `fixtures/skills/exchanges.jsonl` has the server's answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcpipe::frame::{Frame, Id};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::support::host::{INITIALIZED, Process, json as read};
use crate::support::pairs::{Era, PAIRS, answer};
use crate::support::remote::{Ask, Server};

const SETTINGS: &str = r#""io.modelcontextprotocol/skills":{"directoryRead":true,"vendor/x":1.50}"#;
const DECLARED: &str = r#""io.modelcontextprotocol/skills":{"vendor/y":[ 2.0 ]}"#;

/// One question and its answer, as the text that the server writes.
#[derive(Deserialize)]
struct Exchange {
    method: String,
    params: Box<RawValue>,
    result: Box<RawValue>,
}

impl Exchange {
    /// The members of the result, without its braces.
    fn members(&self) -> &str {
        let result = self.result.get();
        &result[1..result.len() - 1]
    }
}

fn exchanges() -> Vec<Exchange> {
    let lines = include_str!("../fixtures/skills/exchanges.jsonl").lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A server that has these skills. Each answer lasts for `ttl` milliseconds, if it says so.
async fn server(
    era: Era,
    ttl: Option<u64>,
    edit: impl Fn(String) -> String + Send + 'static,
) -> Server {
    let exchanges = exchanges();
    let capabilities = format!(r#"{{"resources":{{}},"extensions":{{{SETTINGS}}}}}"#);
    Server::that(move |ask| {
        let result = |frame: &Frame| {
            let is_same = |exchange: &&Exchange| {
                let params: Value = serde_json::from_str(exchange.params.get()).unwrap();
                let asked = |name| frame.param(name).map(read);
                let is_it = |name| asked(name) == params.get(name).cloned();
                frame.method() == Some(&*exchange.method) && is_it("uri") && is_it("cursor")
            };
            let found = exchanges.iter().find(is_same)?;
            let hints = ttl.map_or(String::new(), |ttl| {
                format!(r#","ttlMs":{ttl},"cacheScope":"private""#)
            });
            Some(edit(format!("{{{}{hints}}}", found.members())))
        };
        answer(era, &capabilities, result, ask)
    })
    .await
}

/// A host of an era, connected to it by the binary.
struct Host {
    era: Era,
    process: Process,
    id: u64,
    /// The line that answered the handshake.
    hello: String,
}

impl Host {
    async fn start((era, of_server): (Era, Era), server: &Server, flags: &[&str]) -> Self {
        let protocol = match of_server {
            Era::Legacy => "legacy",
            Era::Modern => "modern",
        };
        let url = server.url();
        let arguments = [flags, &[&url]].concat();
        let mut host = Self {
            era,
            process: Process::start_with(&arguments, &[("MCPIPE_PROTOCOL", protocol)]),
            id: 0,
            hello: String::new(),
        };
        host.hello = match era {
            Era::Legacy => {
                let initialize = format!(
                    r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{"extensions":{{{DECLARED}}}}},"clientInfo":{{"name":"host","version":"1"}}}}}}"#
                );
                host.process.send(initialize).await;
                let hello = host.process.next().await;
                host.process.send(INITIALIZED).await;
                hello
            }
            Era::Modern => host.ask("server/discover", "{}").await,
        };
        host
    }

    /// The line that answers.
    async fn ask(&mut self, method: &str, params: &str) -> String {
        self.id += 1;
        let meta = format!(
            r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{"extensions":{{{DECLARED}}}}}}}"#
        );
        let params = match (self.era, params) {
            (Era::Legacy, _) => params.to_owned(),
            (Era::Modern, "{}") => format!("{{{meta}}}"),
            (Era::Modern, _) => format!("{{{meta},{}", &params[1..]),
        };
        let id = self.id;
        let request =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        self.process.send(request).await;
        let line = self.process.next().await;
        let answer = Frame::parse(&line).unwrap();
        assert_eq!(answer.id().and_then(Id::number), Some(id), "{line}");
        line
    }
}

/// The digest and the size of each file, as the list of skills tells them.
fn told() -> HashMap<String, (String, u64)> {
    // A number that no `Value` holds is no matter here.
    let list = read(&exchanges()[0].result.get().replace("1e400", "1"));
    let files = list["skills"][0]["resources"].as_array().unwrap().clone();
    let of = |file: &Value, name: &str| file[name].as_str().unwrap().to_owned();
    files
        .iter()
        .map(|file| {
            (
                of(file, "uri"),
                (of(file, "digest"), file["size"].as_u64().unwrap()),
            )
        })
        .collect()
}

/// The digest and the size of the file in an answer.
fn read_file(line: &str) -> (String, u64) {
    let content = &read(line)["result"]["contents"][0];
    let bytes = match content["text"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => STANDARD.decode(content["blob"].as_str().unwrap()).unwrap(),
    };
    let hex: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    (format!("sha256:{hex}"), bytes.len() as u64)
}

#[tokio::test]
async fn skills_pass_with_every_member_and_their_files_with_every_byte() {
    for pair in PAIRS {
        let server = server(pair.1, None, |result| result).await;
        let mut host = Host::start(pair, &server, &["--sanitize"]).await;
        assert!(host.hello.contains(SETTINGS), "{pair:?} {}", host.hello);
        let files = told();
        let mut compared = 0;
        for exchange in exchanges() {
            let line = host.ask(&exchange.method, exchange.params.get()).await;
            let shown = format!("{pair:?} {}: {line}", exchange.method);
            // Members of `_meta` are the server's, beside its name.
            let members = exchange.members().trim_end_matches('}');
            assert!(line.contains(members), "{shown}");
            let is_modern_host = pair.0 == Era::Modern;
            assert_eq!(
                line.contains(r#""resultType":"complete""#),
                is_modern_host,
                "{shown}"
            );
            // A modern server that says nothing of it is let.
            let is_hinted = pair == (Era::Modern, Era::Legacy);
            let hints = r#""ttlMs":0,"cacheScope":"private""#;
            assert_eq!(line.contains(hints), is_hinted, "{shown}");
            assert_eq!(line.contains("ttlMs"), is_hinted, "{shown}");
            if exchange.method == "resources/read" {
                let uri = read(exchange.params.get())["uri"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                assert_eq!(read_file(&line), files[&uri], "{shown}");
                compared += 1;
            }
        }
        assert_eq!(compared, files.len());
        let asks: Vec<Ask> = server.all();
        let declared = asks.iter().filter(|ask| ask.body.contains(DECLARED));
        assert!(declared.count() > 0, "{pair:?}");
        for ask in asks
            .iter()
            .filter(|ask| ask.label().contains("skills/") || ask.label().contains("directory"))
        {
            // Skills do not ask for it (SEP-2640).
            assert_eq!(ask.header("mcp-name"), None, "{pair:?} {ask:?}");
            let is_modern = pair.1 == Era::Modern;
            assert_eq!(
                ask.header("mcp-method").is_some(),
                is_modern,
                "{pair:?} {ask:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_file_that_is_too_large_for_the_host_says_so() {
    for pair in PAIRS {
        let server = server(pair.1, None, |result| result).await;
        let mut host = Host::start(pair, &server, &["--max-result", "3000"]).await;
        let exchange = exchanges().pop().unwrap();
        let line = host.ask(&exchange.method, exchange.params.get()).await;
        let contents = read(&line)["result"]["contents"]
            .as_array()
            .unwrap()
            .clone();
        let note = contents.last().unwrap()["text"]
            .as_str()
            .unwrap_or_default();
        assert!(
            note.contains("mcpipe") && note.contains("--max-result"),
            "{pair:?} {line}"
        );
        assert!(line.len() < 3200, "{pair:?}");
    }
}

#[tokio::test]
async fn what_is_kept_of_a_skill_ends_when_its_digest_does() {
    for pair in PAIRS {
        let version = Arc::new(AtomicUsize::new(0));
        let current = Arc::clone(&version);
        let server = server(pair.1, Some(60_000), move |result| {
            if current.load(Ordering::SeqCst) == 0 {
                return result;
            }
            let (digest, size) = told()
                .values()
                .find(|(_, size)| *size == 5001)
                .unwrap()
                .clone();
            let newer: String = Sha256::digest("new")
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let result = result.replace(&digest, &format!("sha256:{newer}"));
            let result = result.replace(&format!(r#""size":{size}"#), r#""size":3"#);
            let old = format!(r#""text":"{}\n""#, "x".repeat(5000));
            result.replace(&old, r#""text":"new""#)
        })
        .await;
        let mut host = Host::start(pair, &server, &[]).await;
        let all = exchanges();
        let is_asked = |ask: &Exchange| server.count(&format!("POST {}", ask.method));
        for _ in 0..2 {
            for exchange in &all {
                host.ask(&exchange.method, exchange.params.get()).await;
            }
        }
        // A directory is looked at each time, and skills are asked for anew behind that.
        let counts: Vec<usize> = all.iter().map(is_asked).collect();
        assert_eq!(counts, [4, 4, 2, 2, 6, 6, 6], "{pair:?}");
        version.store(1, Ordering::SeqCst);
        let get = &all[2];
        let line = host.ask(&get.method, get.params.get()).await;
        assert!(line.contains(r#""size":3"#), "{pair:?} {line}");
        let big = &all[6];
        let line = host.ask(&big.method, big.params.get()).await;
        assert_eq!(read_file(&line).1, 3, "{pair:?}");
        let before = is_asked(big);
        let other = &all[4];
        host.ask(&other.method, other.params.get()).await;
        assert_eq!(
            is_asked(big),
            before,
            "{pair:?}: a file whose digest is the same"
        );
    }
}
