//! `mcpipe import mcp-remote`: takes over what mcp-remote kept, so that nobody has to sign in again.
//!
//! mcp-remote's files are moved aside rather than copied: after the first renewal one of the two copies is dead, and where
//! reuse is watched for, whoever shows the dead one signs out both.
//!
//! migration.md section 5.

mod candidates;
mod told;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use self::candidates::{Candidate, Candidates, Hit};
use self::told::Report;
use super::greeting::first_challenge;
use crate::auth::adopt::{self, Adopted, Foreign};
use crate::auth::{self, Announce};
use crate::cli::import::ImportArgs;
use crate::cli::{LogArgs, NetworkArgs, SignInArgs, TargetArgs, VaultArgs};
use crate::migrate::kept;
use crate::migrate::places::{self, Folders};
use crate::migrate::stash::{self, Kept, Lease};
use crate::migrate::{command, key, launch, running};
use crate::remote::https::Https;
use crate::report::{Failure, Kind};
use crate::settings::{self, Surroundings, Target};
use crate::store::Vault;

/// Finds it, takes it over, and says what was done.
///
/// # Errors
/// Wrong settings, or something that could not be taken over.
pub async fn run(args: ImportArgs, around: &Surroundings) -> Result<(), Failure> {
    let folders = Folders::of_this_process()
        .ok_or_else(|| Failure::usage("there is no home directory").hint("set HOME"))?;
    let vault = settings::vault(&args.vault, around, around.is_terminal)?;
    if vault.location().is_none() {
        let error = "a sign-in that is kept in memory only ends with this command";
        return Err(Failure::usage(error).hint("leave out --vault none"));
    }
    let (dry_run, keep) = (args.dry_run, args.keep);
    let is_single = args.names_one_server();
    let usual = args
        .from
        .clone()
        .or_else(|| around.get("MCP_REMOTE_CONFIG_DIR").map(PathBuf::from))
        .unwrap_or_else(|| folders.home.join(".mcp-auth"));
    let Candidates {
        list,
        unread,
        of_projects,
    } = candidates::all(args, around, &folders)?;
    let mut report = Report::default();
    let mut taken: Vec<(PathBuf, String)> = Vec::new();
    for candidate in &list {
        let Some(hit) = candidate.hit(&taken) else {
            report.nothing(candidate);
            continue;
        };
        taken.push((hit.directory.path.clone(), hit.key.clone()));
        let import = Import {
            candidate,
            hit,
            around,
            vault: &vault,
            keep,
        };
        if dry_run {
            report.told(candidate, import.look(), "would be taken over");
        } else {
            let outcome = import.take_over().await;
            let is_running = outcome.is_ok() && is_running(candidate).await;
            report.done(candidate, &import, outcome, is_running);
        }
    }
    report.not_understood(&unread);
    if !is_single {
        let bases = list.iter().map(|candidate| &candidate.base);
        report.orphans(bases.chain([&usual]), &taken);
        report.of_projects(&of_projects);
    }
    report.conclude(dry_run, keep)
}

/// One of them, on its way over.
struct Import<'a> {
    candidate: &'a Candidate,
    hit: Hit,
    around: &'a Surroundings,
    vault: &'a Vault,
    keep: bool,
}

/// Why one was not taken over.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: stash::Error },
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

/// What lies there.
#[derive(Default)]
struct Found {
    tokens: Option<kept::Tokens>,
    client: Option<kept::Client>,
}

impl Import<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.hit.directory.file(&self.hit.key, name)
    }

    fn read(&self, name: &str) -> Result<Option<Kept>, Error> {
        let path = self.file(name);
        stash::read(&path).map_err(|why| Error::File { path, why })
    }

    fn look(&self) -> Result<Found, Error> {
        let now = seconds(settings::now());
        let unreadable = |name| move || Error::Unreadable(self.file(name));
        let mut found = Found::default();
        if let Some(kept) = self.read(stash::TOKENS)? {
            let by_id = self.candidate.asked.use_id_token;
            let tokens = kept::tokens(&kept.bytes, kept.written, now, by_id);
            found.tokens = Some(tokens.ok_or_else(unreadable(stash::TOKENS))?);
        }
        if let Some(kept) = self.read(stash::CLIENT)? {
            let client = kept::client(&kept.bytes);
            found.client = Some(client.ok_or_else(unreadable(stash::CLIENT))?);
        }
        Ok(found)
    }

    async fn take_over(&self) -> Result<Adopted, Error> {
        let (target, settings) = self.settings()?;
        let http =
            settings::sign_in_http(target.tls.clone(), &settings, target.https.proxies.clone());
        let remote = Https::new(target.https, target.tls)
            .map_err(|error| Error::Settings(Failure::new(Kind::Failed, error)))?;
        // Without an answer the well-known places are left, and discovery says better what is wrong.
        let challenge = first_challenge(&remote).await.unwrap_or_default();
        let _lease = self.lease().await?;
        let found = self.look()?;
        let mut foreign = Foreign::default();
        if let Some(read) = found.tokens {
            foreign.issuer = read.issuer;
            foreign.tokens = Some(read.tokens);
        }
        if let Some(read) = found.client {
            foreign.registered_by = read.issuer;
            foreign.client = Some(read.client);
        }
        let challenge = challenge.as_ref();
        let adopted = adopt::adopt(foreign, challenge, &settings, self.vault, &http)
            .await
            .map_err(|why| Error::Adopt(Box::new(why)))?;
        if !self.keep && !matches!(adopted, Adopted::AlreadySignedIn) {
            for name in [stash::TOKENS, stash::CLIENT] {
                let path = self.file(name);
                stash::set_aside(&path).map_err(|source| Error::Stays { path, source })?;
            }
        }
        Ok(adopted)
    }

    /// The settings of a bridge started with the same words, so that it finds the entry.
    fn settings(&self) -> Result<(Target, auth::Settings), Error> {
        let (args, around) = (&self.candidate.target, self.around);
        // A header may need what only the client's own environment has; for signing in it is not needed.
        let target = settings::target(args, around)
            .or_else(|_| settings::target(&without_headers(args), around))
            .map_err(Error::Settings)?;
        let nowhere = Announce::nowhere();
        let settings = settings::sign_in(&target, &args.network, &args.sign_in, around, nowhere)
            .map_err(Error::Settings)?;
        Ok((target, settings))
    }

    /// Waits until no mcp-remote is renewing, and keeps others from it. Only the shared layout has leases.
    async fn lease(&self) -> Result<Option<Lease>, Error> {
        if !self.hit.directory.is_shared {
            return Ok(None);
        }
        let path = self.file(stash::LEASE);
        let mut waited = Duration::ZERO;
        loop {
            let now = milliseconds(settings::now());
            match Lease::try_take(&path, now) {
                Ok(Some(lease)) => return Ok(Some(lease)),
                Ok(None) => {}
                Err(error) => {
                    // A store nobody can write is one nobody renews in.
                    tracing::debug!(%error, "no lease can be taken");
                    return Ok(None);
                }
            }
            let until = match self.read(stash::LEASE)? {
                None => continue,
                Some(held) => kept::lease(&held.bytes)
                    .unwrap_or_else(|| held.written.saturating_mul(1000) + kept::LEASE),
            };
            // One from a clock that is ahead of ours would never end.
            if now >= until || waited >= Duration::from_millis(kept::LEASE) {
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

/// Whether an mcp-remote for the same server can be seen: among the processes, or signing in.
async fn is_running(candidate: &Candidate) -> bool {
    let key = candidate.key();
    let is_it = |words: &Vec<String>| {
        let words = launch::arguments(words).unwrap_or_default();
        let asked = command::read(&words, &places::read_header_file);
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

fn seconds(now: SystemTime) -> u64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn milliseconds(now: SystemTime) -> u64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
