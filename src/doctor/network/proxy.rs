//! The proxy on the way, and the variable that names it.

use crate::doctor::codes::network::{PROXY_BYPASSED, PROXY_NONE, PROXY_UNREADABLE, PROXY_USED};
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::proxy::Proxies;

const VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let (url, env) = (context.url(), &context.env);
    let mut findings = Vec::new();
    for name in VARIABLES.iter().filter(|name| env.get(name).is_some()) {
        // Asked for a host that no list excludes, by each scheme.
        let alone = Proxies::new(|asked| env.get(asked).filter(|_| asked == *name));
        let mut probes = ["https://a.example/", "http://a.example/"].iter();
        let is_read = probes.any(|probe| {
            let probe = url::Url::parse(probe);
            probe.is_ok_and(|probe| alone.to(&probe).is_some())
        });
        if !is_read {
            findings.push(
                Finding::warn(
                    &PROXY_UNREADABLE,
                    format!("{name} is set and names no proxy, so it is passed over"),
                )
                .remedy(format!("write {name}=http://HOST:PORT, or `unset {name}`"))
                .fact("variable", name),
            );
        }
    }
    let excludes = ["NO_PROXY", "no_proxy"];
    let set = excludes.iter().find(|name| env.get(name).is_some());
    let without_list = Proxies::new(|name| env.get(name).filter(|_| !excludes.contains(&name)));
    findings.push(
        match (
            context.target.https.proxies.to(url),
            without_list.to(url),
            set,
        ) {
            (Some(proxy), ..) => Finding::ok(
                &PROXY_USED,
                format!("the way goes through the proxy {proxy}"),
            )
            .fact("proxy", &proxy),
            (None, Some(proxy), Some(list)) => Finding::ok(
                &PROXY_BYPASSED,
                format!("{list} excludes this server from the proxy {proxy}"),
            )
            .fact("variable", list),
            _ => Finding::ok(&PROXY_NONE, "no proxy is on the way"),
        },
    );
    findings
}
