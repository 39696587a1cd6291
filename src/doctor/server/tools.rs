//! The session and the tools: listed as a host would list them, and with `--compare` once for each identity.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::exchange::{Exchange, Failure, Identity, Prober};
use super::greeting::{Greeting, Spoken, greet};
use super::handshake::{Greeted, Identities};
use super::request::{First, unanswered};
use crate::doctor::codes::engine::SKIPPED;
use crate::doctor::codes::server as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::remote::refusal_text;
use crate::text::printable;

/// The pages of a list that are asked for.
const MAX_PAGES: u64 = 50;

/// The server's tools: their names, and whether their annotations say that they only read.
#[derive(Debug)]
pub(crate) struct Tools(pub(crate) Vec<(String, bool)>);

/// The reason why there is no list.
enum Unlisted {
    /// The server has none to offer.
    NotOffered,
    /// It has answered otherwise.
    Refused(Box<Exchange>),
    Unanswered(Failure),
    /// The same page again and again.
    Endless,
    /// An answer that is no list.
    NoList,
}

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let (Some(first), Some(greeted)) = (context.known::<First>(), context.known::<Greeted>())
    else {
        return vec![Finding::skipped(
            &SKIPPED,
            "the tools: there is no handshake",
        )];
    };
    let greeting = &greeted.0;
    if greeting.spoken.is_none() {
        return vec![Finding::skipped(
            &SKIPPED,
            "the tools: there is no handshake",
        )];
    }
    if greeting.spoken == Some(Spoken::Sse) {
        return vec![
            Finding::skipped(
                &SKIPPED,
                "the tools of a server of the old transport are not counted here",
            )
            .remedy(context.typed.line("", &[])),
        ];
    }
    let mut findings = Vec::new();
    let is_begun = begun(&first.prober, greeting).await;
    let listed = listed(&first.prober, greeting).await;
    findings.extend(session(greeting, &is_begun, &listed));
    match listed {
        Ok(names) => {
            findings.push(counted(greeting, &names));
            context.learn(Tools(names));
        }
        Err(why) => findings.push(not_listed(context, greeting, why).await),
    }
    ended(&first.prober, greeting).await;
    if context.arguments.compare {
        findings.extend(compared(context, &first, greeting).await);
    }
    findings
}

/// Ends the handshake, as every host of that era does.
async fn begun(prober: &Prober, greeting: &Greeting) -> Option<u16> {
    if greeting.spoken != Some(Spoken::Legacy) {
        return None;
    }
    let question = greeting.question(0, "notifications/initialized", json!({}));
    let answer = prober.ask(&question, &greeting.identity).await;
    answer.ok().map(|it| it.status)
}

async fn ended(prober: &Prober, greeting: &Greeting) {
    if let Some(farewell) = greeting.farewell() {
        let _ = prober.ask(&farewell, &greeting.identity).await;
    }
}

async fn listed(prober: &Prober, greeting: &Greeting) -> Result<Vec<(String, bool)>, Unlisted> {
    let offers = greeting.result().and_then(|it| it.get("capabilities"));
    if offers.is_some_and(|it| it.is_object() && it.get("tools").is_none()) {
        return Err(Unlisted::NotOffered);
    }
    let mut names = Vec::new();
    let (mut cursor, mut seen) = (None::<String>, BTreeSet::new());
    for page in 0..MAX_PAGES {
        let params = match &cursor {
            Some(cursor) => json!({"cursor": cursor}),
            None => json!({}),
        };
        let question = greeting.question(page + 3, "tools/list", params);
        let asked = prober.ask(&question, &greeting.identity).await;
        let exchange = asked.map_err(Unlisted::Unanswered)?;
        let Some(result) = exchange.result() else {
            return Err(Unlisted::Refused(Box::new(exchange)));
        };
        let tools = result
            .get("tools")
            .and_then(Value::as_array)
            .ok_or(Unlisted::NoList)?;
        names.extend(tools.iter().filter_map(|it| {
            let is_read_only = it.pointer("/annotations/readOnlyHint") == Some(&Value::Bool(true));
            Some((printable(it.get("name")?.as_str()?, 128), is_read_only))
        }));
        let next = result.get("nextCursor").and_then(Value::as_str);
        let Some(next) = next.filter(|it| !it.is_empty()) else {
            return Ok(names);
        };
        if !seen.insert(next.to_owned()) {
            return Err(Unlisted::Endless);
        }
        cursor = Some(next.to_owned());
    }
    Err(Unlisted::Endless)
}

fn session(
    greeting: &Greeting,
    begun: &Option<u16>,
    listed: &Result<Vec<(String, bool)>, Unlisted>,
) -> Option<Finding> {
    if greeting.spoken != Some(Spoken::Legacy) {
        return None;
    }
    // Servers word it: "Session not found", "No valid session ID provided", with 404, 400 or an error in a 200.
    let is_about_session = |exchange: &Exchange| exchange.body.to_lowercase().contains("session");
    let refused = match listed {
        Err(Unlisted::Refused(exchange))
            if exchange.status == 404 || is_about_session(exchange) =>
        {
            Some(exchange.status)
        }
        _ => None,
    };
    let lost = begun.filter(|status| *status == 404).or(refused);
    let Some(_) = &greeting.session else {
        let wants = match listed {
            Err(Unlisted::Refused(exchange)) => is_about_session(exchange),
            _ => false,
        };
        return Some(match wants {
            true => Finding::fail(
                &codes::SESSION_NOT_GIVEN,
                "the server wants a session and has given none with the handshake",
            )
            .remedy(
                "ask the operator: a proxy may take the field Mcp-Session-Id out of the answer",
            ),
            false => Finding::ok(&codes::SESSION_NONE, "the server keeps no session"),
        });
    };
    Some(match lost {
        Some(status) => Finding::fail(
            &codes::SESSION_LOST,
            format!("the server has given a session and does not know it with the next request (HTTP {status})"),
        )
        .remedy("ask the operator: behind a load balancer a session has to stay with one instance (sticky sessions)"),
        None => Finding::ok(&codes::SESSION_KEPT, "the server has given a session and knows it with the next request"),
    })
}

fn counted(greeting: &Greeting, names: &[(String, bool)]) -> Finding {
    let who = greeting.identity.words();
    let unique: BTreeSet<_> = names.iter().map(|(name, _)| name).collect();
    let twice = names.len() - unique.len();
    let finding = match names.len() {
        0 => Finding::warn(&codes::TOOLS_NONE, format!("the server lists no tools {who}"))
            .remedy("sign in as an account that may use them, or look whether tools are switched on at the server"),
        _ if twice > 0 => Finding::warn(
            &codes::TOOLS_TWICE,
            format!("the server lists {} tools {who}, {twice} of them under a name that is taken", names.len()),
        )
        .remedy("tell the operator: hosts call one of them, and refuse some lists as a whole"),
        count => Finding::ok(&codes::TOOLS_LISTED, format!("the server lists {count} tools {who}")),
    };
    finding.fact("tools", names.len())
}

async fn not_listed(context: &Context, greeting: &Greeting, why: Unlisted) -> Finding {
    let who = greeting.identity.words();
    match why {
        Unlisted::NotOffered => Finding::warn(
            &codes::TOOLS_NOT_OFFERED,
            format!("the server does not offer tools {who} (its capabilities have none)"),
        )
        .remedy("check the address: the server may have another one for tools, or offer them to other accounts"),
        Unlisted::Unanswered(failure) => unanswered(context, &failure).await,
        Unlisted::Endless => Finding::fail(
            &codes::TOOLS_ENDLESS,
            "the server's list of tools has no end: its pages lead back to pages that were read",
        )
        .remedy("tell the operator: nextCursor has to be left out on the last page"),
        Unlisted::NoList => Finding::fail(
            &codes::TOOLS_FAILED,
            "the server answers tools/list with a result that has no tools in it",
        )
        .remedy("tell the operator"),
        Unlisted::Refused(exchange) => {
            let words = exchange.error().map(|(code, words)| format!("{words} ({code})"));
            let words = words.or_else(|| refusal_text::of_body(&exchange.body));
            let words = words.map(|it| format!(": {it}")).unwrap_or_default();
            Finding::fail(
                &codes::TOOLS_FAILED,
                format!("the server refuses tools/list {who} (HTTP {}){words}", exchange.status),
            )
            .remedy(match exchange.status {
                401 | 403 => format!("sign in: {}", context.typed.line("login", &[])),
                _ => "show the operator these words".to_owned(),
            })
        }
    }
}

/// Lists the tools once more for each identity that was not used, and says where the lists differ.
async fn compared(context: &Context, first: &First, greeting: &Greeting) -> Vec<Finding> {
    let mut lists: Vec<(&'static str, BTreeSet<String>)> = Vec::new();
    let mut findings = Vec::new();
    let found = context.known::<Identities>();
    let (headers, token) = match &found {
        Some(found) => (found.headers.clone(), found.token.clone()),
        None => (None, None),
    };
    let used = greeting.identity.words();
    let all = [Some(Identity::Nobody), headers, token]
        .into_iter()
        .flatten();
    let all: Vec<_> = all.filter(|it| it.words() != used).collect();
    if let Some(tools) = context.known::<Tools>() {
        lists.push((
            greeting.identity.words(),
            tools.0.iter().map(|(name, _)| name.clone()).collect(),
        ));
    }
    for identity in all {
        let who = identity.words();
        let Ok(other) = greet(context, &first.prober, identity).await else {
            continue;
        };
        if other.spoken.is_none_or(|it| it == Spoken::Sse) {
            findings.push(Finding::ok(
                &codes::TOOLS_COMPARED,
                format!("{who} the server answers HTTP {}", other.exchange.status),
            ));
            continue;
        }
        begun(&first.prober, &other).await;
        let listed = listed(&first.prober, &other).await;
        ended(&first.prober, &other).await;
        match listed {
            Ok(names) => {
                let count = names.len();
                findings.push(
                    Finding::ok(
                        &codes::TOOLS_COMPARED,
                        format!("{who} the server lists {count} tools"),
                    )
                    .fact("tools", count),
                );
                lists.push((who, names.into_iter().map(|(name, _)| name).collect()));
            }
            Err(_) => findings.push(Finding::ok(
                &codes::TOOLS_COMPARED,
                format!("{who} the server lists no tools"),
            )),
        }
    }
    findings.extend(difference(&lists));
    findings
}

fn difference(lists: &[(&'static str, BTreeSet<String>)]) -> Option<Finding> {
    const SHOWN: usize = 3;
    let most = lists.iter().max_by_key(|(_, names)| names.len())?;
    let (who, names) = lists.iter().find(|(_, names)| *names != most.1)?;
    let missing: Vec<_> = most.1.difference(names).cloned().collect();
    let more = missing.len().saturating_sub(SHOWN);
    let mut shown = missing
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        shown.push_str(&format!(" and {more} more"));
    }
    Some(
        Finding::warn(
            &codes::TOOLS_DIFFER,
            format!("{} the server lists {} tools, {who} {}: {shown}", most.0, most.1.len(), names.len()),
        )
        .remedy("use the identity with the tools that you need; a header that is sent as well may change the list")
        .fact("missing", missing.len()),
    )
}
