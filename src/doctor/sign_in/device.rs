//! The sign-in by a code on another device (RFC 8628).

use super::server::Server;
use super::shown_name;
use crate::auth::flow::preview;
use crate::doctor::codes::sign_in as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let Some(server) = context.known::<Server>() else {
        return Vec::new();
    };
    let host = shown_name(&server.0.host());
    match preview::is_by_device(&context.sign_in, &server.0) {
        Err(_) => vec![
            Finding::fail(
                &codes::DEVICE_CODE_NOT_OFFERED,
                format!("--device-code is set, and {host} has no endpoint for it"),
            )
            .remedy("leave --device-code out: `mcpipe login` prints an address, and takes the pasted answer"),
        ],
        Ok(true) => vec![Finding::ok(
            &codes::DEVICE_CODE_OFFERED,
            format!("a sign-in is by a code that is typed in on another device, which {host} offers"),
        )],
        Ok(false) if server.0.device_endpoint().is_some() => vec![Finding::ok(
            &codes::DEVICE_CODE_OFFERED,
            format!("{host} offers a sign-in by a code on another device (--device-code)"),
        )],
        Ok(false) => Vec::new(),
    }
}
