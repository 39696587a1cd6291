//! How long a bridge takes from its start to the answer to `initialize`, by where its secret comes from. Prints medians
//! and their ratios to the start that has the secret in its environment and no vault; passes no judgement.
//!
//! `cargo bench --bench start [-- ROUNDS]`. Rounds are interleaved, so that what else the machine does touches all alike.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures, for people who read what it prints"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const KEY: &str = "s3cret";
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;

struct Way {
    name: &'static str,
    home: tempfile::TempDir,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    took: Vec<Duration>,
}

fn main() {
    let rounds = std::env::args().find_map(|word| word.parse().ok());
    let rounds: usize = rounds.unwrap_or(30);
    let url = serve();
    let header = "Authorization: Bearer ${KEY}".to_owned();
    let bearer = || vec!["--bearer".to_owned(), "key".to_owned(), url.clone()];
    let way = |name, arguments, variables| Way {
        name,
        home: tempfile::tempdir().unwrap(),
        arguments,
        variables,
        took: Vec::new(),
    };
    let words = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&words, "correct horse battery staple").unwrap();
    let words = words.path().to_str().unwrap().to_owned();
    let mut ways = vec![
        way(
            "no vault",
            vec!["--header".into(), header, url.clone()],
            vec![("KEY", KEY.to_owned())],
        ),
        way("key file", bearer(), Vec::new()),
        way("agent", bearer(), Vec::new()),
        way(
            "passphrase",
            bearer(),
            vec![("MCPIPE_PASSPHRASE_FILE", words.clone())],
        ),
    ];
    for way in &ways {
        let file = ("MCPIPE_PASSPHRASE_FILE", words.clone());
        let given = match way.name {
            "no vault" => continue,
            "key file" => Vec::new(),
            _ => vec![file],
        };
        run(way.home.path(), &["vault", "init"], &given, "");
        run(
            way.home.path(),
            &["vault", "put", "key", "--for", &url],
            &given,
            KEY,
        );
        if way.name == "agent" {
            run(
                way.home.path(),
                &["vault", "unlock", "--for", "10m"],
                &given,
                "",
            );
        }
    }
    for round in 0..=rounds {
        for way in &mut ways {
            let took = start(way);
            // The first warms the caches, ours and the system's.
            if round > 0 {
                way.took.push(took);
            }
        }
    }
    for way in &ways {
        if way.name == "agent" {
            run(way.home.path(), &["vault", "lock"], &[], "");
        }
    }
    let medians: Vec<Duration> = ways
        .iter_mut()
        .map(|way| {
            way.took.sort();
            way.took
                .get(way.took.len() / 2)
                .copied()
                .unwrap_or_default()
        })
        .collect();
    let base = medians.first().copied().unwrap_or_default().as_secs_f64();
    println!("start to the answer to `initialize`, {rounds} rounds, median");
    for (way, median) in ways.iter().zip(medians) {
        let least = way.took.first().copied().unwrap_or_default();
        println!(
            "{:<12} {:>8.2} ms   least {:>8.2} ms   {:>6.2} x",
            way.name,
            median.as_secs_f64() * 1e3,
            least.as_secs_f64() * 1e3,
            median.as_secs_f64() / base
        );
    }
}

fn program(home: &Path) -> Command {
    let mut command = mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"));
    command
        .env_clear()
        .env("MCPIPE_HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn run(home: &Path, arguments: &[&str], variables: &[(&str, String)], input: &str) {
    let mut child = program(home)
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    assert!(
        child.wait_with_output().unwrap().status.success(),
        "{arguments:?}"
    );
}

fn start(way: &Way) -> Duration {
    let begun = Instant::now();
    let mut child = program(way.home.path())
        .args(&way.arguments)
        .envs(way.variables.iter().map(|(name, value)| (name, value)))
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{INITIALIZE}").unwrap();
    let mut answer = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut answer).unwrap();
    let took = begun.elapsed();
    assert!(answer.contains("\"result\""), "{}: {answer}", way.name);
    drop(stdin);
    child.wait().unwrap();
    took
}

/// A server that answers everybody who shows the key.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(&stream));
        }
    });
    url
}

fn answer(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            let line = line.to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (status, text) = if !head.contains(&format!("bearer {KEY}")) {
            ("403 Forbidden", "")
        } else if body.windows(12).any(|window| window == b"\"initialize\"") {
            (
                "200 OK",
                r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"bench","version":"1"}}}"#,
            )
        } else if head.starts_with("post") {
            ("400 Bad Request", "")
        } else {
            ("405 Method Not Allowed", "")
        };
        write!(
            writer,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )
        .ok()?;
    }
}
