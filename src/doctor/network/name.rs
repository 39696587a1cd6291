//! The addresses of the server's name.

use std::net::IpAddr;

use tokio::net::lookup_host;

use crate::doctor::codes::network::{NAME_NOT_FOUND, NAME_RESOLVED};
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;

/// The addresses of the server.
#[derive(Debug)]
pub(super) struct Addresses(pub(super) Vec<IpAddr>);

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let url = context.url();
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    match lookup_host((host.trim_matches(['[', ']']), port)).await {
        Ok(found) => {
            let mut addresses: Vec<_> = found.map(|it| it.ip()).collect();
            addresses.dedup();
            let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            context.learn(Addresses(addresses));
            vec![Finding::ok(
                &NAME_RESOLVED,
                format!("{host} is at {}", list.join(", ")),
            )]
        }
        Err(error) => vec![Finding::fail(
            &NAME_NOT_FOUND,
            format!("{host} has no address: {error}"),
        )],
    }
}
