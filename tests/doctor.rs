//! `mcpipe doctor`: broken servers, each with the code that names its fault.
//!
//! Most run in this process, all at once. `outputs` has the golden texts, through the real binary.

mod answers; // what servers answer to the first request
mod lists; // handshakes, sessions, tools, and the policy over them
mod network; // names, connections, proxies, TLS
#[cfg(unix)]
mod outputs; // texts, JSON, codes, exit codes
mod secrets; // nothing of the user's goes to a place that is not verified
mod sign_in; // metadata, clients, stored sign-ins, the vault

use std::ffi::OsString;

use futures_util::future::join_all;
use mcpipe::cli::{self, Command};
use mcpipe::commands;
use mcpipe::doctor::finding::{Finding, Verdict};
use mcpipe::doctor::report::Report;
use mcpipe::settings::{self, Environment};
use tempfile::TempDir;

use crate::support::remote::{Ask, Reply, Server};

/// The environment of a person with this home.
fn environment(home: &TempDir, words: &[&str], variables: &[(&str, &str)]) -> Environment {
    let path = home.path().display().to_string();
    let own = [("MCPIPE_HOME", path.as_str())];
    let all = own.iter().chain(variables);
    Environment {
        variables: all
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        arguments: Some(words.iter().map(|it| (*it).to_owned()).collect()),
        ..Environment::default()
    }
}

/// Runs the checks with these words behind `mcpipe doctor`.
async fn report_in(home: &TempDir, words: &[&str], variables: &[(&str, &str)]) -> Report {
    let words: Vec<_> = ["mcpipe", "doctor"].iter().chain(words).copied().collect();
    let env = environment(home, &words, variables);
    let typed: Vec<_> = words.iter().map(OsString::from).collect();
    let cli = cli::parse(typed.iter().cloned()).unwrap();
    let cli = settings::configured(cli, &typed, &env).unwrap();
    let Some(Command::Doctor(args)) = cli.command else {
        panic!("{words:?}");
    };
    commands::doctor::report(*args, &env).await.unwrap()
}

async fn report(words: &[&str]) -> Report {
    report_in(&tempfile::tempdir().unwrap(), words, &[]).await
}

fn findings(report: &Report) -> Vec<&Finding> {
    report.outcomes.iter().flat_map(|it| &it.findings).collect()
}

/// Fails where the report has no finding of this code and verdict; otherwise returns it.
fn found<'a>(report: &'a Report, code: &str, verdict: Verdict) -> &'a Finding {
    let all = findings(report);
    let found = all.iter().find(|it| it.code.name == code);
    let seen: Vec<_> = all
        .iter()
        .map(|it| format!("{} {}: {}", it.verdict.word(), it.code.name, it.sentence))
        .collect();
    let found = found.unwrap_or_else(|| panic!("no {code} in\n{}", seen.join("\n")));
    assert_eq!(found.verdict, verdict, "{code}: {}", found.sentence);
    found
}

/// What a server does, and what is to be found.
struct Case {
    code: &'static str,
    verdict: Verdict,
    answer: Box<dyn FnMut(&Ask) -> Reply + Send>,
    flags: Vec<String>,
}

fn case(
    code: &'static str,
    verdict: Verdict,
    answer: impl FnMut(&Ask) -> Reply + Send + 'static,
) -> Case {
    Case {
        code,
        verdict,
        answer: Box::new(answer),
        flags: Vec::new(),
    }
}

impl Case {
    fn with(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|it| (*it).to_owned()));
        self
    }
}

/// Plays all cases at once. A finding that has failed or is to be known says what to do.
async fn play(cases: Vec<Case>) {
    let played = cases.into_iter().map(|case| async move {
        let server = Server::that(case.answer).await;
        let url = server.url();
        let mut words = vec![url.as_str()];
        words.extend(case.flags.iter().map(String::as_str));
        let report = report(&words).await;
        found(&report, case.code, case.verdict);
        for finding in findings(&report) {
            let is_bad = matches!(finding.verdict, Verdict::Fail | Verdict::Warn);
            assert!(
                !is_bad || finding.remedy.is_some(),
                "{}: {finding:?}",
                case.code
            );
            let words = finding.sentence.split_whitespace().count();
            assert!(words <= 45, "{}: {finding:?}", case.code);
            assert!(
                !finding.sentence.ends_with('.'),
                "{}: {finding:?}",
                case.code
            );
        }
    });
    join_all(played).await;
}
