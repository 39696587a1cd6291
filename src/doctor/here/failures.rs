//! The last failures of hosts with this server, as bridges have kept them.

use std::time::{Duration, SystemTime};

use crate::clock::seconds;
use crate::doctor::codes::here::{FAILURES_NONE, FAILURES_RECENT};
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::recent_failures::FailedRequest;

/// Failures older than this, in seconds, are of another day.
const RECENT: u64 = 24 * 3600;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let failures = context.failures.clone();
    let read = tokio::task::spawn_blocking(move || failures.load()).await;
    vec![judged(&read.unwrap_or_default(), seconds((context.now)()))]
}

fn judged(all: &[FailedRequest], now: u64) -> Finding {
    let Some(last) = all.last() else {
        return Finding::ok(
            &FAILURES_NONE,
            "no bridge has kept a failure of this server",
        );
    };
    let age = now.saturating_sub(last.at);
    let run = match last.may_have_run {
        Some(true) => "; the server may have carried it out",
        _ => "",
    };
    let sentence = format!(
        "{} failed {} ago: {}{run}",
        last.method,
        ago(age),
        last.message.trim_end_matches('.')
    );
    let finding = match age <= RECENT {
        true => Finding::warn(&FAILURES_RECENT, sentence).remedy(match last.kind.as_str() {
            "timed_out" => {
                "raise the limit that the sentence names, if the server takes longer by nature"
            }
            "sign_in_needed" => "see the sign-in above",
            _ => "see the findings above; if all is well now, it has passed",
        }),
        false => Finding::ok(&FAILURES_RECENT, sentence),
    };
    let when = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(last.at));
    let when = when.map(httpdate::fmt_http_date).unwrap_or_default();
    let same = all.iter().filter(|it| it.kind == last.kind).count();
    finding
        .fact("kept", all.len())
        .fact("same_kind", same)
        .fact("kind", &last.kind)
        .fact("at", when)
        .fact("stage", last.stage.as_deref().unwrap_or("unknown"))
        .fact(
            "status",
            last.status.map_or("none".to_owned(), |it| it.to_string()),
        )
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
