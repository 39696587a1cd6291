//! The addresses of the server's name.

use std::io;
use std::net::IpAddr;

use tokio::net::lookup_host;
use url::Host;

use crate::address_class::{Class, classify};
use crate::doctor::codes::engine::SKIPPED;
use crate::doctor::codes::network::{
    ADDRESS_MIXED, ADDRESS_UNUSABLE, NAME_IS_ADDRESS, NAME_NO_IPV4, NAME_NOT_FOUND, NAME_RESOLVED,
    NAME_SERVER_FAILED,
};
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;

/// The addresses of the server, and its port.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) all: Vec<IpAddr>,
    pub(crate) port: u16,
}

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let url = context.url();
    let port = url.port_or_known_default().unwrap_or(443);
    let host = match url.host() {
        Some(Host::Domain(name)) => name,
        Some(Host::Ipv4(address)) => return literal(context, address.into(), port),
        Some(Host::Ipv6(address)) => return literal(context, address.into(), port),
        None => return Vec::new(),
    };
    if let Some(proxy) = context.target.https.proxies.to(url) {
        return vec![Finding::skipped(
            &SKIPPED,
            format!("the proxy {proxy} looks {host} up, not this machine"),
        )];
    }
    let found = lookup_host((host, port)).await;
    let found = found.map(|found| found.map(|it| it.ip()).collect::<Vec<_>>());
    if let Ok(all) = &found {
        let all = all.clone();
        context.learn(Addresses { all, port });
    }
    let ipv4_only = context.target.https.ipv4_only;
    judged(host, found, ipv4_only)
}

fn literal(context: &Context, address: IpAddr, port: u16) -> Vec<Finding> {
    context.learn(Addresses {
        all: vec![address],
        port,
    });
    vec![Finding::ok(
        &NAME_IS_ADDRESS,
        format!("the address names {address} itself, so no name is looked up"),
    )]
}

/// Judges the resolver's answer.
fn judged(host: &str, found: io::Result<Vec<IpAddr>>, ipv4_only: bool) -> Vec<Finding> {
    let mut all = match found {
        Ok(all) => all,
        Err(error) => return vec![failed(host, &error)],
    };
    all.sort();
    all.dedup();
    if all.is_empty() {
        return vec![failed(host, &io::Error::other("no addresses"))];
    }
    let list: Vec<_> = all.iter().map(ToString::to_string).collect();
    let list = list.join(", ");
    let classes: Vec<_> = all.iter().map(|it| classify(*it)).collect();
    let with = |finding: Finding| {
        let v4 = all.iter().filter(|it| it.is_ipv4()).count();
        vec![
            finding
                .fact("ipv4", v4)
                .fact("ipv6", all.len() - v4)
                .fact("addresses", &list),
        ]
    };
    if ipv4_only && !all.iter().any(IpAddr::is_ipv4) {
        return with(
            Finding::fail(
                &NAME_NO_IPV4,
                format!("{host} has IPv6 addresses only ({list}), and --ipv4 is given"),
            )
            .remedy("leave --ipv4 out"),
        );
    }
    if classes.iter().all(|class| *class == Class::Forbidden) {
        return with(
            Finding::fail(
                &ADDRESS_UNUSABLE,
                format!("{host} is at {list}, where no server can be"),
            )
            .remedy("a filter of names (Pi-hole, AdGuard, a company's) answers so: allow the name there, or use another name server"),
        );
    }
    if classes.contains(&Class::Global) && classes.iter().any(|class| *class != Class::Global) {
        return with(
            Finding::warn(
                &ADDRESS_MIXED,
                format!("{host} is at public and at private addresses ({list})"),
            )
            .remedy("ask the owner of the name: a public name that leads into a private network is a known attack (DNS rebinding)"),
        );
    }
    let place = match classes.first() {
        Some(Class::Private) => ", in a private network",
        Some(Class::Loopback) => ", on this machine",
        _ => "",
    };
    with(Finding::ok(
        &NAME_RESOLVED,
        format!("{host} is at {list}{place}"),
    ))
}

/// Returns the finding for a lookup that failed. The system's resolver tells a name server that does not answer
/// (`EAI_AGAIN`) from a name that is not there by its words only.
fn failed(host: &str, error: &io::Error) -> Finding {
    let why = error.to_string();
    let why = why
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(&why);
    let is_server = ["Temporary failure", "try again", "WSATRY_AGAIN", "11002"]
        .iter()
        .any(|words| why.contains(words));
    match is_server {
        true => Finding::fail(
            &NAME_SERVER_FAILED,
            format!("no name server has said where {host} is: {why}"),
        )
        .remedy("check the network and the VPN; `nslookup` with that name asks the same name server"),
        false => Finding::fail(&NAME_NOT_FOUND, format!("{host} has no address: {why}"))
            .remedy("check the spelling of the address, and that you are in the network (VPN) that knows it"),
    }
    .fact("resolver", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resolver_s_answer_is_judged() {
        let at = |list: &[&str]| Ok(list.iter().map(|it| it.parse().unwrap()).collect());
        let words = |text: &str| {
            Err(io::Error::other(format!(
                "failed to lookup address information: {text}"
            )))
        };
        for (found, ipv4_only, code) in [
            (
                at(&["93.184.216.34", "2606:2800:220:1::1"]),
                false,
                "NAME_RESOLVED",
            ),
            (at(&["10.0.0.1"]), false, "NAME_RESOLVED"),
            (at(&["0.0.0.0", "::"]), false, "ADDRESS_UNUSABLE"),
            (at(&["93.184.216.34", "10.0.0.1"]), false, "ADDRESS_MIXED"),
            (
                at(&["93.184.216.34", "169.254.169.254"]),
                false,
                "ADDRESS_MIXED",
            ),
            (at(&["2606:2800:220:1::1"]), true, "NAME_NO_IPV4"),
            (at(&[]), false, "NAME_NOT_FOUND"),
            (words("Name or service not known"), false, "NAME_NOT_FOUND"),
            (
                words("nodename nor servname provided, or not known"),
                false,
                "NAME_NOT_FOUND",
            ),
            (
                words("Temporary failure in name resolution"),
                false,
                "NAME_SERVER_FAILED",
            ),
        ] {
            let said = format!("{found:?}");
            let findings = judged("a.example", found, ipv4_only);
            assert_eq!(findings[0].code.name, code, "{said}");
        }
    }
}
