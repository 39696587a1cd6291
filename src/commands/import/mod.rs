//! `mcpipe import mcp-remote`: takes over the sign-ins that mcp-remote kept, so that the user need not sign in again.
//!
//! mcp-remote's files are moved aside rather than copied: after the first renewal one of the two copies is dead, and
//! where the authorization server watches for reuse, a process that shows the dead one signs out both.
//!
//! The formats are those of mcp-remote 0.15.1 and its predecessors, as published.

mod accounts; // names for those that share a server
mod bridge_settings;
mod error;
mod next_steps; // what is left to do
mod output; // what became of each
mod search; // the files of each candidate
mod sources; // which servers to look for
mod take_over; // the import of one

use self::bridge_settings::settings_of;
use self::output::Report;
use self::search::{FoundFiles, Searched, search};
use self::sources::{Candidate, Candidates};
use self::take_over::Import;
use crate::auth::flow::adopt::{self, Foreign, Judged};
use crate::cli::DEFAULT_ACCOUNT;
use crate::cli::import::ImportArgs;
use crate::mcp_remote::client_configs::{self, Folders};
use crate::mcp_remote::command_line;
use crate::mcp_remote::{command, key, running};
use crate::report::Failure;
use crate::settings::{self, Environment};
use crate::store::Vault;

/// Finds mcp-remote's sign-ins, takes them over, and says what was done.
///
/// # Errors
/// Wrong settings, or a sign-in that could not be taken over.
pub async fn run(args: ImportArgs, env: &Environment) -> Result<(), Failure> {
    let folders = Folders::of_this_process()
        .ok_or_else(|| Failure::usage("there is no home directory").hint("set HOME"))?;
    let vault = settings::vault(&args.vault, env, env.is_terminal)?;
    if vault.location().is_none() {
        let error = "a sign-in that is kept in memory only ends with this command";
        return Err(Failure::usage(error).hint("leave out --vault none"));
    }
    let (dry_run, keep) = (args.dry_run, args.keep);
    let is_single = args.names_one_server();
    let names_account = args.sign_in.account != DEFAULT_ACCOUNT;
    let usual = sources::usual(&args, env, &folders)?;
    let Candidates {
        list,
        unread,
        of_projects,
    } = sources::all(args, &usual, &folders)?;
    let (mut searched, taken) = search(list);
    if !names_account {
        accounts::name(&mut searched, env);
    }
    let mut report = Report::default();
    for it in &searched {
        let candidate = &it.candidate;
        let found = match &it.files {
            FoundFiles::Here(found) => found,
            FoundFiles::OfAnother(owner) => {
                if let Some(owner) = searched.get(*owner) {
                    report.shared(candidate, &owner.candidate);
                }
                continue;
            }
            FoundFiles::Moved(files) => {
                let account = account_of(it, env, &vault).await;
                report.taken_before(candidate, files, account.as_deref());
                continue;
            }
            FoundFiles::Nowhere => {
                report.nothing(candidate);
                continue;
            }
        };
        let import = Import {
            candidate,
            files: found,
            env,
            vault: &vault,
            keep,
        };
        if dry_run {
            report.judged(candidate, import.judge().await);
        } else {
            let outcome = import.take_over().await;
            let is_running = outcome.is_ok() && is_running(candidate).await;
            report.done(candidate, &import, outcome, is_running);
        }
    }
    report.not_understood(&unread);
    if !is_single {
        let bases = searched.iter().map(|it| &it.candidate.base);
        report.orphans(bases.chain([&usual]), &taken);
        report.of_projects(&of_projects);
    }
    report.conclude(dry_run, keep)
}

/// Returns the account under which a sign-in taken over before is kept now, if it is: the name that it would get today,
/// or none.
async fn account_of(searched: &Searched, env: &Environment, vault: &Vault) -> Option<String> {
    let (_, mut settings) = settings_of(&searched.candidate, env).ok()?;
    for account in [searched.account(), DEFAULT_ACCOUNT] {
        account.clone_into(&mut settings.account);
        let judged = adopt::judge(&Foreign::default(), &settings, vault).await;
        if matches!(judged, Ok(Judged::AlreadySignedIn)) {
            return Some(account.to_owned());
        }
    }
    None
}

/// Says whether an mcp-remote for the same server can be seen: among the processes, or signing in.
async fn is_running(candidate: &Candidate) -> bool {
    let key = candidate.key();
    let is_it = |words: &Vec<String>| {
        let words = command_line::arguments(words).unwrap_or_default();
        let asked = command::read(&words, &client_configs::read_header_file);
        asked.is_ok_and(|asked| key::of(&asked, key::Form::Full) == key)
    };
    if running::command_lines().iter().any(is_it) {
        return true;
    }
    match candidate.asked.port.or_else(|| key::default_port(&key)) {
        Some(port) => running::answers(&key, port).await,
        None => false,
    }
}
