//! Server cards: the endpoint of an address at which there is none.

use super::request::First;
use crate::cli::HeaderSource;
use crate::doctor::codes::server as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::redirect::shown;
use crate::server_cache::ServerCache;
use crate::server_card::choice::{Given, Verdict};
use crate::server_card::lookup::Lookup;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let Some(first) = context.known::<First>() else {
        return Vec::new();
    };
    let greeting = &first.greeting;
    let is_nowhere = greeting.spoken.is_none()
        && (matches!(greeting.exchange.status, 404 | 405 | 410) || greeting.exchange.is_page());
    if !is_nowhere {
        return Vec::new();
    }
    let lookup = Lookup {
        http: context.http.clone(),
        cache: ServerCache::nowhere(),
        target: context.url().clone(),
        given: given(context),
        asks_always: true,
        trusts_kept: false,
        now: context.now,
    };
    let looked = lookup.run().await;
    vec![match looked
        .findings
        .verdict(context.url(), looked.chosen.as_ref())
    {
        Verdict::Use(endpoint) => Finding::warn(
            &codes::CARD_NAMES_ENDPOINT,
            format!(
                "the site's server card names the endpoint {}",
                shown(&endpoint.url)
            ),
        )
        .remedy(context.typed.line_to(endpoint.url.as_str(), "doctor", &[])),
        Verdict::Foreign(endpoint) => Finding::warn(
            &codes::CARD_NAMES_FOREIGN,
            format!(
                "the site's server card names an endpoint of another site, {}",
                shown(&endpoint.url)
            ),
        )
        .remedy(format!(
            "if you trust that site: {}",
            context.typed.line_to(endpoint.url.as_str(), "doctor", &[])
        )),
        Verdict::Several => {
            let names = looked.findings.endpoints.iter().map(|it| shown(&it.url));
            Finding::warn(
                &codes::CARD_NAMES_SEVERAL,
                format!(
                    "the site's server cards name several: {}",
                    names.collect::<Vec<_>>().join(", ")
                ),
            )
            .remedy("give the address of the one that is meant")
        }
        Verdict::Incomplete => Finding::warn(
            &codes::CARD_INCOMPLETE,
            "the site's server card names an endpoint that wants more than an address",
        )
        .remedy("give the address itself, with the headers that the server's documentation names"),
        Verdict::Nothing => Finding::skipped(
            &codes::CARD_NONE,
            "the site has no server card that names an endpoint",
        )
        .fact("looked_at", looked.absent.join("; ")),
    }]
}

fn given(context: &Context) -> Given {
    let network = &context.arguments.target.network;
    let lines = network.headers.iter().map(Some);
    let configured = network.configured.iter().map(|it| match &it.header {
        HeaderSource::Line(line) => Some(line),
        HeaderSource::File(_) | HeaderSource::Bearer(_) => None,
    });
    let names = lines.chain(configured).map(|line| {
        let (name, _) = line?.split_once(':')?;
        Some(name.trim().to_owned())
    });
    let is_known = network.header_files.is_empty() && network.header_command.is_none();
    names
        .collect::<Option<Vec<_>>>()
        .filter(|_| is_known)
        .map_or(Given::Unknown, Given::Names)
}
