//! `mcpipe doctor`: checks of a server and of what is kept for it; the codes of findings, and their explanation.

use std::io;
use std::panic;
use std::sync::Arc;

use crate::auth::Announce;
use crate::cli::DoctorArgs;
use crate::commands::connection::sign_in_http;
use crate::commands::print;
use crate::doctor::context::{Context, Learnt};
use crate::doctor::report::Report;
use crate::doctor::typed::Typed;
use crate::doctor::{self, codes, redact};
use crate::logging::Output;
use crate::report::{Failure, Kind};
use crate::server_cache::ServerCache;
use crate::server_card::domain::domain;
use crate::settings::{self, Environment};

/// Runs the checks, or shows the codes.
///
/// # Errors
/// Wrong settings, an unknown code, or a check that has failed.
pub async fn run(args: DoctorArgs, env: &Environment) -> Result<(), Failure> {
    if args.list {
        return print(&codes::list());
    }
    if let Some(name) = &args.explain {
        return explain(name);
    }
    let json = args.json;
    // A crash is a finding, and its text a fact of it.
    panic::set_hook(Box::new(|_| {}));
    let report = report(args, env).await;
    let _ = panic::take_hook();
    let report = report?;
    match json {
        true => print(&report.json())?,
        false => print(&report.text(env.style_of_stdout()))?,
    }
    match report.failed() {
        0 => Ok(()),
        failed => {
            let error = match failed {
                1 => "1 check has failed".to_owned(),
                failed => format!("{failed} checks have failed"),
            };
            let failure = Failure::new(Kind::Failed, error);
            Err(failure.hint("`mcpipe doctor --explain CODE` says more of each code"))
        }
    }
}

/// Runs the checks.
///
/// # Errors
/// Wrong settings.
pub async fn report(args: DoctorArgs, env: &Environment) -> Result<Report, Failure> {
    let mut args = args;
    let typed = args.target.url.clone().unwrap_or_default();
    // A bare domain is asked itself, and then its server cards.
    if let Some(origin) = domain(&typed) {
        args.target.url = Some(origin.to_string());
    }
    let args = Arc::new(args);
    let context = context(&args, env)?;
    let is_told = env.is_terminal;
    let tell_slow = move |name: &'static str| {
        if is_told {
            Output::direct(io::stderr()).say(&format!("{name}: takes longer than usual …\n"));
        }
    };
    let outcomes = doctor::run(&doctor::checks(), &context, &tell_slow).await;
    let report = Report::new(&context, outcomes);
    Ok(match args.is_redacted() {
        true => redact::redacted(report, &context),
        false => report,
    })
}

fn explain(name: &str) -> Result<(), Failure> {
    if let Some(code) = codes::find(name) {
        return print(&code.explanation());
    }
    let failure =
        Failure::usage("--explain takes the code of a finding, and there is none of that name");
    Err(failure.hint(match codes::nearest_to(name) {
        Some(near) => format!("perhaps {near} is meant; `mcpipe doctor --list` shows all codes"),
        None => "`mcpipe doctor --list` shows all codes".to_owned(),
    }))
}

/// Makes the state that the checks share.
///
/// # Errors
/// Wrong settings.
fn context(args: &Arc<DoctorArgs>, env: &Environment) -> Result<Context, Failure> {
    let target = settings::target(&args.target, env)?;
    let (network, flags) = (&args.target.network, &args.target.sign_in);
    let silent = Announce::new(|_: &crate::auth::Notice<'_>| {});
    let sign_in = settings::sign_in(&target, network, flags, env, silent)?;
    let http = sign_in_http(&target, &sign_in);
    let vault = Arc::new(settings::vault_without_questions(&args.target.vault, env)?);
    let home = env.get("MCPIPE_HOME").map(std::path::Path::new);
    let account = flags.account.clone();
    Ok(Context {
        facts: ServerCache::about(home, target.https.url.as_str(), &account),
        failures: settings::failures(&target.https.url, &account, env),
        typed: Typed::read(&target.typed, env.arguments.as_deref().unwrap_or_default()),
        arguments: Arc::clone(args),
        env: env.clone(),
        now: settings::now,
        learnt: Learnt::default(),
        target,
        sign_in,
        http,
        vault,
        account,
    })
}
