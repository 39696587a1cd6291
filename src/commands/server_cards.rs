//! Targets that name no endpoint: the search for it in server cards, a person's choice, and the texts for both.
//!
//! An endpoint on another site is used only when a person has chosen it at a terminal; and where several servers are found,
//! a person chooses too. A bridge, and a command without a terminal, name what was found instead.

mod refusal; // texts

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use url::Url;

use crate::auth::net::guard::Guard;
use crate::auth::net::http::Http;
use crate::bridge::{Elsewhere, Found};
use crate::cli::{self, Cli, HeaderSource, NetworkArgs, ParseError, TargetArgs};
use crate::logging::Output;
use crate::redirect::shown;
use crate::report::{Failure, Kind};
use crate::server_cache::ServerCache;
use crate::server_card::choice::{Endpoint, Given, Verdict};
use crate::server_card::lookup::{Looked, Lookup};
use crate::server_card::site::is_same_site;
use crate::settings::{self, Environment};
use crate::text::without_query;
pub(super) use refusal::{Missing, Refusal};
use refusal::{named, wants};

/// Returns the search for the endpoint of a target.
///
/// # Errors
/// A `--ca` file that holds no certificate.
fn lookup(
    missing: &Missing,
    network: &NetworkArgs,
    account: &str,
    env: &Environment,
) -> Result<Lookup, Failure> {
    let target = &missing.target;
    let tls = settings::tls(network, env, target.scheme() == "https")?;
    let guard = Guard::new(target, network.allow_http, network.allow_private);
    Ok(Lookup {
        http: Http::new(tls, guard).through(settings::proxies(env)),
        cache: ServerCache::about(
            env.get("MCPIPE_HOME").map(Path::new),
            target.as_str(),
            account,
        ),
        target: target.clone(),
        given: given(network),
        asks_always: true,
        trusts_kept: false,
        now: settings::now,
    })
}

/// Returns the names of the headers that the user gives.
fn given(network: &NetworkArgs) -> Given {
    let is_known = network.header_files.is_empty() && network.header_command.is_none();
    let configured = network.configured.iter().map(|it| match &it.header {
        HeaderSource::Line(line) => Some(line),
        HeaderSource::File(_) | HeaderSource::Bearer(_) => None,
    });
    let lines = network.headers.iter().map(Some).chain(configured);
    let names = lines.map(|line| {
        let (name, _) = line?.split_once(':')?;
        Some(name.trim().to_owned())
    });
    let names: Option<Vec<String>> = names.collect();
    names
        .filter(|_| is_known)
        .map_or(Given::Unknown, Given::Names)
}

/// Says whether the user gives headers with the target.
fn has_headers(network: &NetworkArgs) -> bool {
    !network.headers.is_empty()
        || !network.header_files.is_empty()
        || network.bearer.is_some()
        || network.header_command.is_some()
}

/// Returns the endpoint that a bridge uses without a question.
///
/// # Errors
/// The reason why there is none.
fn without_question(
    missing: &Missing,
    looked: &Looked,
    network: &NetworkArgs,
) -> Result<Url, Refusal> {
    match looked
        .findings
        .verdict(&missing.target, looked.chosen.as_ref())
    {
        Verdict::Use(endpoint) => {
            let is_same = is_same_site(&missing.target, &endpoint.url);
            match is_same || !has_headers(network) {
                true => Ok(endpoint.url.clone()),
                false => Err(missing.with_headers(endpoint, looked)),
            }
        }
        Verdict::Foreign(endpoint) => Err(missing.foreign(endpoint, looked)),
        Verdict::Several => Err(missing.several(looked)),
        Verdict::Incomplete => Err(missing.incomplete(looked)),
        Verdict::Nothing => Err(missing.nothing(looked)),
    }
}

/// Searches for the endpoint of a bare domain, for a bridge.
///
/// # Errors
/// Wrong settings, in the outer result; in the inner one the reason why no endpoint is used.
pub(super) async fn of_bridge(
    missing: &Missing,
    args: &TargetArgs,
    env: &Environment,
) -> Result<Result<Url, Refusal>, Failure> {
    let lookup = Lookup {
        asks_always: false,
        trusts_kept: true,
        ..lookup(missing, &args.network, &args.sign_in.account, env)?
    };
    let looked = lookup.run().await;
    let found = without_question(missing, &looked, &args.network);
    if let Ok(endpoint) = &found {
        note(missing, &looked, endpoint);
    }
    Ok(found)
}

/// Returns the search that a bridge makes when its address has shown to have no server. `found` is that address where an
/// earlier search of the same bridge has found it: then every document is asked for again, and only another address counts.
pub(super) fn of_running_bridge(
    target: &Url,
    args: &TargetArgs,
    env: &Environment,
    found: Option<&Url>,
) -> Elsewhere {
    let typed = args.url.as_deref().unwrap_or_default();
    let missing = Missing {
        typed: without_query(typed),
        target: target.clone(),
        status: None,
    };
    let (network, account) = (args.network.clone(), args.sign_in.account.clone());
    let (env, found) = (env.clone(), found.cloned());
    Elsewhere::new(move |status| {
        let missing = Missing {
            status: Some(status),
            ..missing.clone()
        };
        let made = lookup(&missing, &network, &account, &env);
        let (network, found) = (network.clone(), found.clone());
        Box::pin(async move {
            let lookup = match made {
                Ok(lookup) => Lookup {
                    asks_always: found.is_some(),
                    trusts_kept: true,
                    ..lookup
                },
                Err(failure) => {
                    tracing::warn!(error = %failure.error, "server cards cannot be looked for");
                    return Found::Nothing;
                }
            };
            let looked = lookup.run().await;
            match without_question(&missing, &looked, &network) {
                Ok(endpoint) if found.as_ref() != Some(&endpoint) => {
                    note(&missing, &looked, &endpoint);
                    Found::At(endpoint)
                }
                Err(refusal) if found.is_none() && !is_nothing(&missing, &looked) => {
                    Found::Told(refusal.for_host(Some(status)))
                }
                _ => {
                    tracing::info!(absent = ?looked.absent, "no server card leads on");
                    Found::Nothing
                }
            }
        })
    })
}

fn is_nothing(missing: &Missing, looked: &Looked) -> bool {
    let verdict = looked.findings.verdict(&missing.target, None);
    verdict == Verdict::Nothing
}

fn note(missing: &Missing, looked: &Looked, endpoint: &Url) {
    tracing::info!("{}", missing.names(looked, &shown(endpoint)));
}

/// Searches for the endpoint of a target, for a person who signs in: at a terminal, the person chooses where there is a
/// choice, and the choice is remembered. Returns `None` where nothing was found and the address answered 405, as an address
/// for other requests does.
///
/// # Errors
/// Wrong settings, or the reason why no endpoint is used.
pub(super) async fn of_login(
    missing: &Missing,
    args: &TargetArgs,
    env: &Environment,
    stderr: &Output,
) -> Result<Option<Url>, Failure> {
    let network = &args.network;
    let lookup = lookup(missing, network, &args.sign_in.account, env)?;
    let looked = lookup.run().await;
    let refusal = match without_question(missing, &looked, network) {
        Ok(endpoint) => {
            stderr.say(&format!("{}.\n", missing.names(&looked, &shown(&endpoint))));
            return Ok(Some(endpoint));
        }
        Err(_) if missing.status == Some(405) && is_nothing(missing, &looked) => return Ok(None),
        Err(refusal) => refusal,
    };
    let choices = &looked.findings.endpoints;
    let is_open = !choices.is_empty() && env.is_typed_into && env.is_terminal;
    let is_here = |it: &Endpoint| is_same_site(&missing.target, &it.url);
    if !is_open || has_headers(network) && !choices.iter().all(is_here) {
        return Err(refusal.into());
    }
    stderr.say(&question(missing, choices, &looked));
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer.await.ok().and_then(Result::ok).unwrap_or_default();
    let Some(endpoint) = chosen(&answer, choices) else {
        let nothing = Failure::new(Kind::Failed, "no server was chosen");
        return Err(nothing.hint(refusal.hint));
    };
    lookup.remember(&endpoint.url).await;
    Ok(Some(endpoint.url.clone()))
}

/// Returns the question for a person, with the servers to choose from.
fn question(missing: &Missing, choices: &[Endpoint], looked: &Looked) -> String {
    let mut text = missing.names(looked, "this:\n");
    let is_one = choices.len() == 1;
    for (nth, endpoint) in choices.iter().enumerate() {
        let number = match is_one {
            true => String::new(),
            false => format!("{}  ", nth + 1),
        };
        let site = match is_same_site(&missing.target, &endpoint.url) {
            true => "",
            false => ", on another site",
        };
        let _ = writeln!(text, "  {number}{}{site}", named(endpoint));
    }
    for other in &looked.findings.incomplete {
        let _ = writeln!(text, "  {} (give its address itself)", wants(other, true));
    }
    for unread in &looked.findings.unread {
        let _ = writeln!(text, "  {unread}");
    }
    match is_one {
        true => text.push_str("Use it? [y/N] "),
        false => {
            let _ = write!(
                text,
                "Which one? [1-{}, or nothing for none] ",
                choices.len()
            );
        }
    }
    text
}

/// Returns the endpoint that the answer to the question names.
fn chosen<'a>(answer: &str, choices: &'a [Endpoint]) -> Option<&'a Endpoint> {
    let answer = answer.trim();
    match choices {
        [only] => matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes").then_some(only),
        _ => choices.get(answer.parse::<usize>().ok()?.checked_sub(1)?),
    }
}

/// Returns the command line and the environment as if the endpoint had been typed in the place of the target: what
/// configuration files set for the endpoint counts, and a helper signs in there.
///
/// # Errors
/// Arguments that are not Unicode, and mistakes in configuration files.
pub(super) fn retyped(
    typed: &str,
    endpoint: &Url,
    env: &Environment,
) -> Result<(Cli, Environment), Failure> {
    let words = env.arguments.clone().unwrap_or_default();
    let is_target = |(at, word): (usize, &String)| (at > 0 && word == typed).then_some(at);
    for at in words.iter().enumerate().filter_map(is_target) {
        let mut words = words.clone();
        if let Some(word) = words.get_mut(at) {
            *word = endpoint.to_string();
        }
        let parsed: Vec<OsString> = words.iter().map(OsString::from).collect();
        // Flags may have the same text as their value.
        let cli = match cli::parse(parsed.iter().cloned()) {
            Ok(cli) if cli.server() == Some(endpoint.as_str()) => cli,
            Ok(_) | Err(ParseError::Help(_) | ParseError::Usage(_)) => continue,
        };
        let env = Environment {
            arguments: Some(words),
            domain: None,
            ..env.clone()
        };
        let cli = settings::configured(cli, &parsed, &env)?;
        return Ok((cli, env));
    }
    let error = format!("the server is at {endpoint}, and the arguments cannot be read again");
    Err(Failure::usage(error).hint("give that address itself"))
}
