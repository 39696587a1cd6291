//! The last sign-in, as the processes of this machine have noted it: one that waits, and one that failed.

use super::shown_name;
use crate::auth::flow::preview::{self, Attempted};
use crate::doctor::codes::stored as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::typed::Typed;

/// The proof that a process of this machine waits for the user.
#[derive(Debug)]
pub(super) struct Waiting;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    // A note that cannot be read says nothing, as for a sign-in.
    let attempted = preview::attempted(&context.sign_in, &context.vault).await;
    let attempted = attempted.unwrap_or(Attempted::Nothing);
    if matches!(attempted, Attempted::Begun | Attempted::Waiting { .. }) {
        context.learn(Waiting);
    }
    judged(&attempted, &context.typed)
}

fn judged(attempted: &Attempted, typed: &Typed) -> Vec<Finding> {
    let login = || typed.line("login", &[]);
    match attempted {
        Attempted::Nothing | Attempted::Done => Vec::new(),
        Attempted::Begun => {
            let sentence = "a process of this machine has begun a sign-in";
            let finding = Finding::warn(&codes::SIGN_IN_WAITING, sentence);
            vec![finding.remedy(format!("wait for its page, or begin anew: {}", login()))]
        }
        Attempted::Waiting {
            host, is_by_code, ..
        } => {
            let host = shown_name(host);
            let how = if *is_by_code {
                "to type its code"
            } else {
                "to sign in"
            };
            let sentence = format!("a process of this machine waits for you {how} at {host}");
            let finding = Finding::warn(&codes::SIGN_IN_WAITING, sentence);
            vec![finding.remedy(format!(
                "finish it in the browser, or begin anew: {}",
                login()
            ))]
        }
        Attempted::Orphaned => {
            let sentence = "a process that waited for you to sign in has ended before you did";
            let finding = Finding::warn(&codes::SIGN_IN_ORPHANED, sentence);
            vec![finding.remedy(login())]
        }
        Attempted::Failed { why, hint, windows } => {
            let sentence = format!("the last sign-in brought no tokens: {}", shown_name(why));
            let hint = hint.as_ref().map(|hint| shown_name(hint));
            let mut findings = vec![
                Finding::warn(&codes::SIGN_IN_FAILED, sentence).remedy(hint.unwrap_or_else(login)),
            ];
            if let Some(windows) = windows {
                let sentence = format!(
                    "{windows} pages were shown within ten minutes, and no more are shown unasked for now"
                );
                let finding = Finding::warn(&codes::SIGN_IN_HELD_BACK, sentence);
                findings.push(finding.remedy(login()));
            }
            findings
        }
    }
}
