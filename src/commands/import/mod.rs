//! `mcpipe import mcp-remote`: takes over the sign-ins that mcp-remote kept, so that the user need not sign in again.
//!
//! mcp-remote's files are moved aside rather than copied: after the first renewal one of the two copies is dead, and
//! where the authorization server watches for reuse, a process that shows the dead one signs out both.
//!
//! The formats are those of mcp-remote 0.15.1 and its predecessors, as published.

mod accounts; // names for those that share a server
mod next_steps; // what is left to do
mod output; // what became of each
mod sources; // which servers to look for

use std::path::PathBuf;
use std::time::Duration;

use self::output::Report;
use self::sources::{Candidate, Candidates, Hit};
use crate::auth::flow::adopt::{self, Adopted, Foreign, Judged};
use crate::auth::{self, Announce};
use crate::cli::import::ImportArgs;
use crate::cli::{DEFAULT_ACCOUNT, LogArgs, NetworkArgs, SignInArgs, TargetArgs, VaultArgs};
use crate::clock::{milliseconds, seconds};
use crate::commands::connection;
use crate::commands::first_challenge::first_challenge;
use crate::mcp_remote::client_configs::{self, Folders};
use crate::mcp_remote::command_line;
use crate::mcp_remote::records;
use crate::mcp_remote::token_files::{self, Kept, Lease};
use crate::mcp_remote::{command, key, running};
use crate::report::Failure;
use crate::settings::{self, Environment, Target};
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
    let (mut sought, taken) = sought(list);
    if !names_account {
        accounts::name(&mut sought, env);
    }
    let mut report = Report::default();
    for it in &sought {
        let candidate = &it.candidate;
        let hit = match &it.files {
            Files::Here(hit) => hit,
            Files::OfAnother(owner) => {
                if let Some(owner) = sought.get(*owner) {
                    report.shared(candidate, &owner.candidate);
                }
                continue;
            }
            Files::Moved(files) => {
                let account = account_of(it, env, &vault).await;
                report.taken_before(candidate, files, account.as_deref());
                continue;
            }
            Files::Nowhere => {
                report.nothing(candidate);
                continue;
            }
        };
        let import = Import {
            candidate,
            hit,
            env,
            vault: &vault,
            keep,
        };
        if dry_run {
            report.told(candidate, import.judge().await);
        } else {
            let outcome = import.take_over().await;
            let is_running = outcome.is_ok() && is_running(candidate).await;
            report.done(candidate, &import, outcome, is_running);
        }
    }
    report.not_understood(&unread);
    if !is_single {
        let bases = sought.iter().map(|it| &it.candidate.base);
        report.orphans(bases.chain([&usual]), &taken);
        report.of_projects(&of_projects);
    }
    report.conclude(dry_run, keep)
}

/// A candidate, and the files that mcp-remote has for it.
struct Sought {
    candidate: Candidate,
    files: Files,
}

impl Sought {
    fn account(&self) -> &str {
        &self.candidate.target.sign_in.account
    }
}

/// The files that mcp-remote kept for a candidate.
enum Files {
    /// Files that exist.
    Here(Hit),
    /// The same files as for the candidate of that number.
    OfAnother(usize),
    /// Files that an import moved aside before.
    Moved(Vec<PathBuf>),
    /// No files.
    Nowhere,
}

/// Looks for the files of each candidate. Returns the candidates, and the files that were found.
fn sought(list: Vec<Candidate>) -> (Vec<Sought>, Vec<(PathBuf, String)>) {
    let mut taken: Vec<(PathBuf, String)> = Vec::new();
    let mut sought: Vec<Sought> = Vec::new();
    for candidate in list {
        let file = |hit: &Hit| (hit.directory.path.clone(), hit.key.clone());
        let owner_of = |wanted: &(PathBuf, String)| {
            let is_it = |it: &Sought| matches!(&it.files, Files::Here(hit) if file(hit) == *wanted);
            sought.iter().position(is_it)
        };
        let files = if let Some(hit) = candidate.hit(&taken) {
            taken.push(file(&hit));
            Files::Here(hit)
        } else if let Some(owner) = candidate.hit(&[]).and_then(|hit| owner_of(&file(&hit))) {
            Files::OfAnother(owner)
        } else {
            let moved = candidate.moved();
            let is_it = |it: &Sought| matches!(&it.files, Files::Moved(files) if *files == moved);
            match sought.iter().position(is_it) {
                Some(owner) => Files::OfAnother(owner),
                None if moved.is_empty() => Files::Nowhere,
                None => Files::Moved(moved),
            }
        };
        sought.push(Sought { candidate, files });
    }
    (sought, taken)
}

/// Returns the account under which a sign-in taken over before is kept now, if it is: the name that it would get today,
/// or none.
async fn account_of(sought: &Sought, env: &Environment, vault: &Vault) -> Option<String> {
    let (_, mut settings) = settings_of(&sought.candidate, env).ok()?;
    for account in [sought.account(), DEFAULT_ACCOUNT] {
        account.clone_into(&mut settings.account);
        let judged = adopt::judge(&Foreign::default(), &settings, vault).await;
        if matches!(judged, Ok(Judged::AlreadySignedIn)) {
            return Some(account.to_owned());
        }
    }
    None
}

/// The import of one candidate.
struct Import<'a> {
    candidate: &'a Candidate,
    hit: &'a Hit,
    env: &'a Environment,
    vault: &'a Vault,
    keep: bool,
}

/// The reason why a candidate was not taken over.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{}: {why}", path.display())]
    File {
        path: PathBuf,
        why: token_files::Error,
    },
    #[error("{} is not what mcp-remote writes", .0.display())]
    Unreadable(PathBuf),
    #[error("mcp-remote has been renewing it for too long")]
    Busy,
    #[error("{}", one_line(.0))]
    Settings(Failure),
    #[error(transparent)]
    Adopt(Box<adopt::Error>),
    #[error("taken over, but {} cannot be renamed: {source}", path.display())]
    Stays {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl From<adopt::Error> for Error {
    fn from(error: adopt::Error) -> Self {
        Self::Adopt(Box::new(error))
    }
}

fn one_line(failure: &Failure) -> String {
    failure
        .text()
        .trim_end()
        .trim_start_matches("error: ")
        .replace('\n', "; ")
}

impl Import<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.hit.directory.file(&self.hit.key, name)
    }

    fn read(&self, name: &str) -> Result<Option<Kept>, Error> {
        let path = self.file(name);
        token_files::read(&path).map_err(|why| Error::File { path, why })
    }

    fn look(&self) -> Result<Foreign, Error> {
        let now = seconds(settings::now());
        let unreadable = |name| move || Error::Unreadable(self.file(name));
        let mut found = Foreign::default();
        if let Some(kept) = self.read(token_files::TOKENS)? {
            let by_id = self.candidate.asked.use_id_token;
            let tokens = records::tokens(&kept.bytes, kept.written, now, by_id);
            let read = tokens.ok_or_else(unreadable(token_files::TOKENS))?;
            found.issuer = read.issuer;
            found.tokens = Some(read.tokens);
        }
        if let Some(kept) = self.read(token_files::CLIENT)? {
            let client = records::client(&kept.bytes);
            let read = client.ok_or_else(unreadable(token_files::CLIENT))?;
            found.registered_by = read.issuer;
            found.client = Some(read.client);
        }
        Ok(found)
    }

    /// Returns what mcp-remote kept, and the judgement of it. A dry run ends here, and an import begins here.
    async fn judge(&self) -> Result<(Foreign, Judged), Error> {
        let (_, settings) = settings_of(self.candidate, self.env)?;
        let found = self.look()?;
        let judged = adopt::judge(&found, &settings, self.vault).await?;
        Ok((found, judged))
    }

    async fn take_over(&self) -> Result<Adopted, Error> {
        if let (_, Judged::AlreadySignedIn) = self.judge().await? {
            return Ok(Adopted::AlreadySignedIn);
        }
        let (target, settings) = settings_of(self.candidate, self.env)?;
        let http = connection::sign_in_http(&target, &settings);
        let remote = connection::server(target).map_err(Error::Settings)?;
        // Without an answer the well-known places are left, and discovery says better what is wrong.
        let challenge = first_challenge(&remote).await.unwrap_or_default();
        let _lease = self.lease().await?;
        let found = self.look()?;
        let challenge = challenge.as_ref();
        let adopted = adopt::adopt(found, challenge, &settings, self.vault, &http).await?;
        if !self.keep && !matches!(adopted, Adopted::AlreadySignedIn) {
            for name in [token_files::TOKENS, token_files::CLIENT] {
                let path = self.file(name);
                token_files::set_aside(&path).map_err(|source| Error::Stays { path, source })?;
            }
        }
        Ok(adopted)
    }

    /// Waits until no mcp-remote is renewing, and keeps other processes from it. Only the shared layout has leases.
    async fn lease(&self) -> Result<Option<Lease>, Error> {
        if !self.hit.directory.is_shared {
            return Ok(None);
        }
        let path = self.file(token_files::LEASE);
        let mut waited = Duration::ZERO;
        loop {
            let now = milliseconds(settings::now());
            match Lease::try_take(&path, now) {
                Ok(Some(lease)) => return Ok(Some(lease)),
                Ok(None) => {}
                Err(error) => {
                    // A store that no process can write is one that no process renews in.
                    tracing::debug!(%error, "no lease can be taken");
                    return Ok(None);
                }
            }
            let until = match self.read(token_files::LEASE)? {
                None => continue,
                Some(held) => records::lease(&held.bytes)
                    .unwrap_or_else(|| held.written.saturating_mul(1000) + records::LEASE),
            };
            // A lease from a clock that is ahead of ours would never end.
            if now >= until || waited >= Duration::from_millis(records::LEASE) {
                std::fs::remove_file(&path).map_err(|_| Error::Busy)?;
                continue;
            }
            if waited.is_zero() {
                tracing::warn!(
                    url = self.candidate.asked.url,
                    "waiting for mcp-remote, which is renewing the tokens"
                );
            }
            tokio::time::sleep(POLL).await;
            waited += POLL;
        }
    }
}

/// Returns the settings of a bridge started with the same words, so that the bridge finds the entry.
fn settings_of(
    candidate: &Candidate,
    env: &Environment,
) -> Result<(Target, auth::Settings), Error> {
    let args = &candidate.target;
    // A header may need a variable that only the client's own environment has; signing in does not need the header.
    let target = settings::target(args, env)
        .or_else(|_| settings::target(&without_headers(args), env))
        .map_err(Error::Settings)?;
    let nowhere = Announce::nowhere();
    let settings = settings::sign_in(&target, &args.network, &args.sign_in, env, nowhere)
        .map_err(Error::Settings)?;
    Ok((target, settings))
}

fn without_headers(args: &TargetArgs) -> TargetArgs {
    TargetArgs {
        url: args.url.clone(),
        network: NetworkArgs {
            headers: Vec::new(),
            header_files: Vec::new(),
            header_command: None,
            ..args.network.clone()
        },
        sign_in: SignInArgs::default(),
        vault: VaultArgs::default(),
        log: LogArgs::default(),
    }
}

const POLL: Duration = Duration::from_millis(200);

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
