//! The port at which the browser comes back.

use std::io::{self, ErrorKind};

use url::Url;

use super::client::Registered;
use super::has_user;
use super::last::Waiting;
use super::shown_name;
use crate::auth::flow::preview;
use crate::doctor::codes::stored as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    if context.target.brings_authorization || !has_user(context) {
        return Vec::new();
    }
    let settings = &context.sign_in;
    let registered = context.known::<Registered>();
    let uri = registered.and_then(|it| Url::parse(&it.0.redirect_uri).ok());
    let announced = settings.redirect_uri.as_deref();
    let announced = announced.and_then(|uri| Url::parse(uri).ok());
    let stored = announced.as_ref().or(uri.as_ref());
    let port = settings.callback_port.or_else(|| stored?.port());
    let host = settings.callback_host.clone();
    let host = host.or_else(|| Some(stored?.host_str()?.trim_matches(['[', ']']).to_owned()));
    let host = host.unwrap_or_else(|| "127.0.0.1".to_owned());
    let opened = preview::can_listen(&host, port.unwrap_or(0)).await;
    let is_fixed = settings.callback_port.is_some() || announced.is_some();
    let mut findings = vec![judged(context, &host, port, is_fixed, opened)];
    if let Some(announced) = announced {
        let uri = shown_name(announced.as_str());
        let sentence =
            format!("the browser comes back to {uri}, which has to lead to mcpipe's port");
        findings.push(
            Finding::ok(&codes::CALLBACK_ELSEWHERE, sentence)
                .remedy("see that it forwards to --callback-port"),
        );
    }
    findings
}

fn judged(
    context: &Context,
    host: &str,
    port: Option<u16>,
    is_fixed: bool,
    opened: io::Result<()>,
) -> Finding {
    let place = port.map_or_else(
        || format!("a port of {host}"),
        |port| format!("{host}:{port}"),
    );
    let other = || context.typed.line("login", &["--callback-port", "PORT"]);
    match opened {
        Ok(()) => Finding::ok(
            &codes::CALLBACK_FREE,
            format!("{place}, where the browser comes back, can be opened"),
        ),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let sentence = format!("{place}, where the browser comes back, is taken");
            if context.known::<Waiting>().is_some() {
                let sentence = format!("{sentence}, perhaps by the sign-in that waits");
                return Finding::warn(&codes::CALLBACK_TAKEN, sentence)
                    .remedy("finish that sign-in in the browser");
            }
            match is_fixed {
                true => Finding::fail(&codes::CALLBACK_TAKEN, sentence).remedy(format!(
                    "end the program that listens there, or {}",
                    other()
                )),
                false => Finding::warn(
                    &codes::CALLBACK_TAKEN,
                    format!("{sentence}; the next sign-in registers another"),
                )
                .remedy("nothing, or end the program that listens there"),
            }
        }
        Err(error) => Finding::fail(
            &codes::CALLBACK_FORBIDDEN,
            format!("{place}, where the browser comes back, cannot be opened: {error}"),
        )
        .remedy(other()),
    }
}
