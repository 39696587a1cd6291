//! Connections to the server's addresses, of each family by itself.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::time;

use super::name::Addresses;
use crate::doctor::codes::engine::SKIPPED;
use crate::doctor::codes::network::{TCP_CONNECTED, TCP_REFUSED, TCP_TIMED_OUT, TCP_UNREACHABLE};
use crate::doctor::context::Context;
use crate::doctor::finding::{Finding, Verdict};

/// The time for one address: less than a check has for all of them.
const LONGEST: Duration = Duration::from_secs(8);
/// The addresses of a family that are tried.
const MOST: usize = 4;

/// An address that took a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached(pub(crate) SocketAddr);

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let Some(addresses) = context.known::<Addresses>() else {
        let why = match context.target.https.proxies.to(context.url()) {
            Some(proxy) => format!("the proxy {proxy} makes the connection to the server"),
            None => "there is no address to connect to".to_owned(),
        };
        return vec![Finding::skipped(&SKIPPED, why)];
    };
    let patience = context.target.https.connect_timeout.min(LONGEST);
    let family = |is_ours: fn(&IpAddr) -> bool| {
        let ours = addresses.all.iter().filter(move |it| is_ours(it));
        let at = ours.map(|it| SocketAddr::new(*it, addresses.port));
        join_all(at.take(MOST).map(|at| tried(at, patience)))
    };
    let (v4, v6) = tokio::join!(family(IpAddr::is_ipv4), family(IpAddr::is_ipv6));
    let reached = v4.iter().chain(&v6).find(|(_, tried)| tried.is_ok());
    if let Some((at, _)) = reached {
        context.learn(Reached(*at));
    }
    let is_reached = reached.is_some();
    let mut findings = Vec::new();
    for (name, tried) in [("IPv4", v4), ("IPv6", v6)] {
        findings.extend(judged(name, &tried, is_reached, patience, context));
    }
    findings
}

async fn tried(at: SocketAddr, patience: Duration) -> Tried {
    match time::timeout(patience, TcpStream::connect(at)).await {
        Ok(connected) => (at, connected.map(drop)),
        Err(_) => (at, Err(io::Error::from(ErrorKind::TimedOut))),
    }
}

type Tried = (SocketAddr, io::Result<()>);

fn judged(
    family: &str,
    tried: &[Tried],
    is_reached: bool,
    patience: Duration,
    context: &Context,
) -> Option<Finding> {
    if let Some((at, _)) = tried.iter().find(|(_, tried)| tried.is_ok()) {
        return Some(Finding::ok(
            &TCP_CONNECTED,
            format!("{at} takes connections ({family})"),
        ));
    }
    let (at, Err(error)) = tried.first()? else {
        return None;
    };
    let (code, sentence, remedy) = match error.kind() {
        ErrorKind::ConnectionRefused => (
            &TCP_REFUSED,
            format!("{at} refuses connections: nothing listens on that port ({family})"),
            "check the port in the address, and that the server runs".to_owned(),
        ),
        ErrorKind::TimedOut => (
            &TCP_TIMED_OUT,
            format!("{at} has not taken a connection within {} s ({family})", patience.as_secs()),
            "a firewall drops packets, or the server is down: ask the owner of the network, or set HTTPS_PROXY where one is needed".to_owned(),
        ),
        _ => (
            &TCP_UNREACHABLE,
            format!("{at} cannot be reached: {error} ({family})"),
            "check the network and the VPN".to_owned(),
        ),
    };
    // One family is enough; the other costs time at each connection where nothing answers, and none where the answer is no.
    let has_none = error.kind() == ErrorKind::ConnectionRefused
        || error.kind() == ErrorKind::NetworkUnreachable
        || error.kind() == ErrorKind::HostUnreachable
        || error.raw_os_error() == Some(99);
    let finding = match (is_reached, has_none) {
        (true, true) => Finding::new(
            code,
            Verdict::Ok,
            format!("{sentence}; the other family is used"),
        ),
        (true, false) if family == "IPv6" && !context.target.https.ipv4_only => {
            return Some(Finding::warn(code, sentence).remedy(format!(
                "connect by IPv4 only: {}",
                context.typed.line("", &["--ipv4"])
            )));
        }
        (true, false) => Finding::warn(code, sentence).remedy(remedy),
        (false, _) => Finding::fail(code, sentence).remedy(remedy),
    };
    Some(finding.fact("system_error", error))
}
