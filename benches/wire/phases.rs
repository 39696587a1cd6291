//! The measurements, one of each per round and party.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::clients::{self, Connection};
use crate::distance;
use crate::figures::{Base, Figures, Row, median};
use crate::hosts::{Bridge, Era, GUARD_RAILS, INITIALIZE, Kind, Party, SECRETS};
use crate::server::{self, Server};
use crate::system;

/// The names of the phases, for `--only`.
pub const PHASES: [&str; 8] = [
    "start", "distance", "calls", "policy", "many", "large", "progress", "idle",
];

pub struct Bench {
    server: Server,
    /// The server's addresses behind the forwarder.
    distant: Ends,
    tls: Arc<ClientConfig>,
    pub figures: Figures,
    /// The first round warms the caches, mcpipe's and the system's, and is not counted.
    pub is_warming_up: bool,
}

/// Ports for plain HTTP and for TLS.
#[derive(Clone, Copy)]
struct Ends {
    plain: u16,
    tls: u16,
}

impl Ends {
    fn url(self, scheme: &str, server: Era, form: &str) -> String {
        let path = server.path();
        match scheme {
            "https" => format!("https://localhost:{}/{path}/{form}", self.tls),
            _ => format!("http://127.0.0.1:{}/{path}/{form}", self.plain),
        }
    }
}

impl Bench {
    pub fn start() -> Self {
        let server = Server::start();
        let distant = Ends {
            plain: distance::forwarder(server.plain).port(),
            tls: distance::forwarder(server.tls).port(),
        };
        Self {
            server,
            distant,
            tls: clients::tls(),
            figures: Figures::default(),
            is_warming_up: true,
        }
    }

    fn url(&self, scheme: &str, server: Era, form: &str) -> String {
        let near = Ends {
            plain: self.server.plain.port(),
            tls: self.server.tls.port(),
        };
        near.url(scheme, server, form)
    }

    fn note(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        base: Base,
        column: usize,
        value: Option<f64>,
    ) {
        let name = name.into();
        let value = value.filter(|_| !self.is_warming_up);
        self.figures.note(Row { name, unit, base }, column, value);
    }

    /// Makes the vaults of the starts with a token.
    pub fn prepare_secrets(&self, parties: &[Party]) {
        for party in parties {
            if let Kind::Mcpipe { .. } = party.kind {
                party.prepare_secrets(&self.url("http", party.server, "json"));
            }
        }
    }

    /// Runs one phase for one party.
    pub fn run(&mut self, phase: &str, column: usize, party: &Party) {
        match phase {
            "start" => self.starts(column, party),
            "distance" => self.distance(column, party),
            "calls" => self.calls(column, party),
            "policy" => self.policy(column, party),
            "many" => self.many(column, party),
            "large" => self.large(column, party),
            "progress" => self.progress(column, party),
            _ => {}
        }
    }

    /// From the start of the process to the answer to the host's first request; the server's era is known from before.
    fn starts(&mut self, column: usize, party: &Party) {
        for scheme in ["http", "https"] {
            let url = self.url(scheme, party.server, "json");
            let (took, resident) = self.first_answer(party, &url, None);
            let base = Base::Party("floor");
            self.note(format!("start, {scheme}"), "ms", base, column, took);
            let name = format!("resident after start, {scheme}");
            self.note(name, "MB", Base::Itself, column, resident);
        }
        let url = self.url("http", party.server, "json");
        for secret in SECRETS {
            let seen = (self.server.requests(), self.server.requests_with_token());
            let (took, _) = self.first_answer(party, &url, Some(secret));
            let new = (
                self.server.requests() - seen.0,
                self.server.requests_with_token() - seen.1,
            );
            assert_eq!(new.0, new.1, "a request without the token by {secret}");
            let base = Base::Row("start, http");
            let name = format!("start, http, token by {secret}");
            self.note(name, "ms", base, column, took);
        }
    }

    /// The time to the first answer in milliseconds, and the memory that is in use then.
    fn first_answer(
        &self,
        party: &Party,
        url: &str,
        secret: Option<&str>,
    ) -> (Option<f64>, Option<f64>) {
        let began = Instant::now();
        let took = |began: Instant| Some(began.elapsed().as_secs_f64() * 1e3);
        if matches!(party.kind, Kind::Direct) {
            if secret.is_some() {
                return (None, None);
            }
            let mut connection = Connection::open(url, || Arc::clone(&self.tls));
            let length = connection.post(INITIALIZE.as_bytes());
            connection.copy_body(length, &mut std::io::sink());
            return (took(began), None);
        }
        let Some(mut bridge) = party.start(url, secret) else {
            return (None, None);
        };
        let took = bridge.greet().and_then(|()| took(began));
        let resident = system::resident(bridge.pid).filter(|_| took.is_some());
        bridge.end();
        (took, resident)
    }

    /// Starts with a server that is 40 ms away.
    fn distance(&mut self, column: usize, party: &Party) {
        let base = Base::Party("direct");
        for scheme in ["http", "https"] {
            let url = self.distant.url(scheme, party.server, "json");
            let before = self.server.requests();
            let (took, _) = self.first_answer(party, &url, None);
            let requests = took.map(|_| (self.server.requests() - before) as f64);
            let name = format!("start, {scheme}, 40 ms away");
            self.note(name, "ms", base, column, took);
            if scheme == "http" {
                let name = "requests before the first answer";
                self.note(name, "", Base::Itself, column, requests);
            }
        }
    }

    /// The direct client's figures: the median time of a call in µs, calls per second, CPU per call in µs.
    fn direct(&self, url: &str, tool: &str, at_once: usize, calls: usize) -> [Option<f64>; 3] {
        let (at_once, calls) = (at_once.to_string(), calls.to_string());
        let output = mcpipe::process::command(std::env::current_exe().unwrap())
            .args(["direct", url, tool, &at_once, &calls])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let mut words = text.split_ascii_whitespace().map(|word| word.parse().ok());
        std::array::from_fn(|_| words.next().flatten())
    }

    /// A bridge that has greeted the server and made some calls.
    fn warm(&self, party: &Party, url: &str, at_once: usize) -> Option<Bridge> {
        self.warm_with(party, url, at_once, None)
    }

    fn warm_with(
        &self,
        party: &Party,
        url: &str,
        at_once: usize,
        secret: Option<&str>,
    ) -> Option<Bridge> {
        let mut bridge = party.start(url, secret)?;
        bridge.greet()?;
        bridge.initialized()?;
        bridge.burst("small", at_once, 200 + 2 * at_once)?;
        Some(bridge)
    }

    /// One call at a time.
    fn calls(&mut self, column: usize, party: &Party) {
        const CALLS: usize = 1000;
        for (form, base) in [("json", "floor"), ("sse", "direct")] {
            let url = self.url("http", party.server, form);
            let p50 = match party.kind {
                Kind::Direct => self.direct(&url, "small", 1, CALLS)[0],
                Kind::Floor if form == "sse" => None,
                _ => self.warm(party, &url, 1).and_then(|mut bridge| {
                    let times = bridge.times("small", CALLS);
                    bridge.end();
                    Some(median(&mut times?))
                }),
            };
            let name = format!("one call, {form}, p50");
            self.note(name, "µs", Base::Party(base), column, p50);
        }
    }

    /// One call at a time, and 64 at once, with every guard rail and without.
    fn policy(&mut self, column: usize, party: &Party) {
        const CALLS: usize = 1000;
        if !matches!(party.kind, Kind::Mcpipe { .. }) {
            return;
        }
        let url = self.url("http", party.server, "json");
        let (time, load) = (
            "one call, no guard rail, p50",
            "64 in flight, no guard rail, CPU per call",
        );
        for (names, secret) in [
            ([time, load], None),
            (
                [
                    "one call, every guard rail, p50",
                    "64 in flight, every guard rail, CPU per call",
                ],
                Some(GUARD_RAILS),
            ),
        ] {
            let measured = self
                .warm_with(party, &url, 64, secret)
                .and_then(|mut bridge| {
                    let p50 = median(&mut bridge.times("small", CALLS)?);
                    let before = system::cpu(bridge.pid)?;
                    bridge.burst("small", 64, MANY)?;
                    let cpu = (system::cpu(bridge.pid)? - before) / MANY as f64;
                    bridge.end();
                    Some((p50, cpu))
                });
            let (p50, cpu) = measured.unzip();
            let bases = match secret {
                None => [Base::Itself, Base::Itself],
                Some(_) => [Base::Row(time), Base::Row(load)],
            };
            for ((name, base), value) in names.into_iter().zip(bases).zip([p50, cpu]) {
                self.note(name, "µs", base, column, value);
            }
        }
    }

    /// Many calls in flight.
    fn many(&mut self, column: usize, party: &Party) {
        let base = Base::Party("direct");
        for (scheme, at_once) in [("http", 16), ("http", 64), ("http", 256), ("https", 256)] {
            let url = self.url(scheme, party.server, "json");
            let figures = match party.kind {
                Kind::Direct => {
                    let [_, rate, cpu] = self.direct(&url, "small", at_once, MANY);
                    Many {
                        rate,
                        cpu,
                        ..Many::default()
                    }
                }
                Kind::Floor => Many::default(),
                Kind::Rival { .. } if scheme == "https" => Many::default(),
                _ => self
                    .many_in_flight(party, &url, at_once)
                    .unwrap_or_default(),
            };
            let name = match scheme {
                "https" => format!("{at_once} in flight, https"),
                _ => format!("{at_once} in flight"),
            };
            self.note(&name, "calls/s", base, column, figures.rate);
            self.note(
                format!("{name}, CPU per call"),
                "µs",
                base,
                column,
                figures.cpu,
            );
            if at_once == 256 {
                let rows = [
                    ("new connections per 1,000 calls", "", figures.connections),
                    ("threads", "", figures.threads),
                    ("resident after it", "MB", figures.resident),
                ];
                for (what, unit, value) in rows {
                    self.note(format!("{name}, {what}"), unit, Base::Itself, column, value);
                }
            }
        }
    }

    fn many_in_flight(&self, party: &Party, url: &str, at_once: usize) -> Option<Many> {
        let mut bridge = self.warm(party, url, at_once)?;
        let (before, accepted) = (system::cpu(bridge.pid), self.server.connections());
        let began = Instant::now();
        bridge.burst("small", at_once, MANY)?;
        let (seconds, calls) = (began.elapsed().as_secs_f64(), MANY as f64);
        let after = system::cpu(bridge.pid);
        let connections = self.server.connections() - accepted;
        let figures = Many {
            rate: Some(calls / seconds),
            cpu: after
                .zip(before)
                .map(|(after, before)| (after - before) / calls),
            connections: Some(connections as f64 * 1000.0 / calls),
            threads: system::threads(bridge.pid),
            resident: system::resident(bridge.pid),
        };
        bridge.end();
        Some(figures)
    }

    /// Results of 16 and of 64 MB.
    fn large(&mut self, column: usize, party: &Party) {
        for size in [16, 64] {
            let url = self.url("http", party.server, "json");
            let tool = format!("large-{size}");
            let calls = if size == 16 { 3 } else { 1 };
            let megabytes = (size << 20) as f64 * calls as f64 / 1e6;
            let figures = match party.kind {
                Kind::Direct => {
                    let [_, rate, cpu] = self.direct(&url, &tool, 1, calls);
                    let a_call = megabytes / calls as f64;
                    Large {
                        rate: rate.map(|calls| calls * a_call),
                        cpu: cpu.map(|cpu| cpu / 1e3 / a_call),
                        ..Large::default()
                    }
                }
                _ => self
                    .large_results(party, &url, &tool, calls, megabytes)
                    .unwrap_or_default(),
            };
            let base = Base::Party("direct");
            let name = format!("{size} MB result");
            self.note(&name, "MB/s", base, column, figures.rate);
            self.note(
                format!("{name}, CPU per MB"),
                "ms",
                base,
                column,
                figures.cpu,
            );
            for (what, value) in [
                ("peak memory", figures.peak),
                ("resident after it", figures.resident),
            ] {
                self.note(format!("{name}, {what}"), "MB", Base::Itself, column, value);
            }
        }
    }

    fn large_results(
        &self,
        party: &Party,
        url: &str,
        tool: &str,
        calls: usize,
        megabytes: f64,
    ) -> Option<Large> {
        let mut bridge = self.warm(party, url, 1)?;
        let (before, began) = (system::cpu(bridge.pid), Instant::now());
        bridge.burst(tool, 1, calls)?;
        let seconds = began.elapsed().as_secs_f64();
        let after = system::cpu(bridge.pid);
        let figures = Large {
            rate: Some(megabytes / seconds),
            cpu: after
                .zip(before)
                .map(|(after, before)| (after - before) / 1e3 / megabytes),
            peak: system::peak(bridge.pid),
            resident: system::resident(bridge.pid),
        };
        bridge.end();
        Some(figures)
    }

    /// An event stream of progress notifications.
    fn progress(&mut self, column: usize, party: &Party) {
        let events = server::EVENTS as f64;
        let url = self.url("http", party.server, "sse");
        let rate = match party.kind {
            Kind::Direct => self.direct(&url, "progress", 1, 5)[1].map(|calls| calls * events),
            Kind::Floor => None,
            _ => self.warm(party, &url, 1).and_then(|mut bridge| {
                let began = Instant::now();
                let came = bridge.lines_before_response("progress");
                let seconds = began.elapsed().as_secs_f64();
                bridge.end();
                if came? == server::EVENTS {
                    return Some(events / seconds);
                }
                let lost = format!("{} lost progress notifications", party.name);
                assert!(matches!(party.kind, Kind::Rival { .. }), "{lost}");
                eprintln!("no figure: {lost}");
                None
            }),
        };
        let base = Base::Party("direct");
        self.note("progress notifications", "events/s", base, column, rate);
    }

    /// Context switches while nothing happens, of all parties at the same time.
    pub fn idle(&mut self, parties: &[Party]) {
        let bridges: Vec<Option<Bridge>> = parties
            .iter()
            .map(|party| {
                let mut bridge = party.start(&self.url("http", party.server, "json"), None)?;
                bridge.greet()?;
                bridge.initialized()?;
                bridge.burst("small", 1, 1)?;
                Some(bridge)
            })
            .collect();
        let switches = |bridge: &Option<Bridge>| system::switches(bridge.as_ref()?.pid);
        thread::sleep(Duration::from_secs(1));
        let before: Vec<_> = bridges.iter().map(switches).collect();
        thread::sleep(Duration::from_secs(3));
        let after: Vec<_> = bridges.iter().map(switches).collect();
        for (column, bridge) in bridges.into_iter().enumerate() {
            let switches = after[column]
                .zip(before[column])
                .map(|(after, before)| after - before);
            let name = "context switches in 3 s without work";
            self.note(name, "", Base::Itself, column, switches);
            if let Some(bridge) = bridge {
                bridge.end();
            }
        }
    }
}

/// Calls that are measured with many in flight.
const MANY: usize = 6000;

#[derive(Default)]
struct Many {
    rate: Option<f64>,
    cpu: Option<f64>,
    connections: Option<f64>,
    threads: Option<f64>,
    resident: Option<f64>,
}

#[derive(Default)]
struct Large {
    rate: Option<f64>,
    cpu: Option<f64>,
    peak: Option<f64>,
    resident: Option<f64>,
}

/// The size of a binary, in MB.
pub fn size(binary: &Path) -> f64 {
    std::fs::metadata(binary).unwrap().len() as f64 / 1e6
}
