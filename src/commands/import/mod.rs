//! `mcpipe import mcp-remote`: takes over what mcp-remote kept, so that nobody has to sign in again.
//!
//! mcp-remote's files are moved aside rather than copied: after the first renewal one of the two copies is dead, and where
//! reuse is watched for, whoever shows the dead one signs out both.
//!
//! migration.md section 5.

mod candidates;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use self::candidates::{Candidate, Candidates, Hit};
use super::login::challenge;
use super::print;
use crate::auth::adopt::{self, Adopted, Foreign};
use crate::auth::{self, Announce};
use crate::cli::import::ImportArgs;
use crate::frame::printable;
use crate::migrate::kept;
use crate::migrate::places::Folders;
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
    let is_single = args.url.is_some() || !args.command.is_empty();
    let usual = args
        .from
        .clone()
        .or_else(|| around.get("MCP_REMOTE_CONFIG_DIR").map(PathBuf::from))
        .unwrap_or_else(|| folders.home.join(".mcp-auth"));
    let Candidates { list, unread } = candidates::all(args, around, &folders)?;
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
    for line in unread {
        let _ = writeln!(report.text, "not understood  {line}");
    }
    if !is_single {
        let bases = list.iter().map(|candidate| &candidate.base);
        report.orphans(bases.chain([&usual]), &taken);
    }
    report.conclude(dry_run, keep)
}

/// One of them, on its way over.
struct Import<'a> {
    candidate: &'a Candidate,
    hit: Hit,
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
        let http = settings::sign_in_http(target.tls.clone(), &settings);
        let remote = Https::new(target.https, target.tls)
            .map_err(|error| Error::Settings(Failure::new(Kind::Failed, error)))?;
        // Without an answer the well-known places are left, and discovery says better what is wrong.
        let challenge = challenge(&remote).await.unwrap_or_default();
        let _lease = self.lease().await?;
        let found = self.look()?;
        let (mut issuers, mut foreign) = (Vec::new(), Foreign::default());
        if let Some(read) = found.tokens {
            issuers.push(read.issuer);
            foreign.tokens = Some(read.tokens);
        }
        if let Some(read) = found.client {
            issuers.push(read.issuer);
            foreign.client = Some(read.client);
        }
        foreign.issuer = issuers.into_iter().flatten().next();
        let challenge = challenge.as_ref();
        let adopted = adopt::adopt(foreign, challenge, &settings, self.vault, &http).await?;
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
        let Candidate {
            target: args,
            around,
            ..
        } = self.candidate;
        let target = settings::target(args, around).map_err(Error::Settings)?;
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

const POLL: Duration = Duration::from_millis(200);

/// What a person reads at the end.
#[derive(Default)]
struct Report {
    text: String,
    taken: u32,
    failed: u32,
    renewed: bool,
    plain: Vec<PathBuf>,
    running: Vec<String>,
}

impl Report {
    fn title(&mut self, candidate: &Candidate) {
        let _ = write!(self.text, "{}", printable(&candidate.asked.url, 300));
        if !candidate.said_by.is_empty() {
            let _ = write!(self.text, "  ({})", candidate.said_by.join(", "));
        }
        self.text.push('\n');
    }

    fn line(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.text, "  {name:<8} {}", printable(value, 500));
    }

    fn nothing(&mut self, candidate: &Candidate) {
        self.title(candidate);
        let base = candidate.base.display().to_string();
        self.line("nothing", &format!("is kept for it under {base}"));
    }

    fn told(&mut self, candidate: &Candidate, found: Result<Found, Error>, outcome: &str) {
        self.title(candidate);
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                self.failed += 1;
                return self.line("skipped", &why.to_string());
            }
        };
        self.taken += 1;
        let client = found.client.as_ref();
        let tokens = found.tokens.as_ref();
        let issuer = tokens
            .and_then(|it| it.issuer.as_deref())
            .or_else(|| client?.issuer.as_deref());
        self.line(
            "issuer",
            issuer.unwrap_or("(not written down: the server is asked)"),
        );
        match tokens {
            Some(read) => {
                let end = read.tokens.lifetime.map(|lifetime| {
                    SystemTime::UNIX_EPOCH + Duration::from_secs(read.tokens.issued) + lifetime
                });
                let end = end.map_or("no known end".to_owned(), |end| {
                    let tense = if end > settings::now() {
                        "until"
                    } else {
                        "ended"
                    };
                    format!("{tense} {}", httpdate::fmt_http_date(end))
                });
                let renewal = match (&read.tokens.refresh, client, &candidate.asked) {
                    (Some(_), _, asked) if asked.has_static_client => "can be renewed",
                    (Some(_), Some(_), _) => "can be renewed",
                    _ => "cannot be renewed",
                };
                self.line("token", &format!("{end}, {renewal}"));
            }
            None => self.line("token", "none"),
        }
        if let Some(client) = client {
            let redirect = client.client.redirect_uri.as_deref().unwrap_or("nowhere");
            let id = &client.client.id;
            self.line("client", &format!("{id}, redirected to {redirect}"));
        }
        self.line("outcome", outcome);
    }

    fn done(
        &mut self,
        candidate: &Candidate,
        import: &Import<'_>,
        outcome: Result<Adopted, Error>,
        is_running: bool,
    ) {
        self.title(candidate);
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(why) => {
                self.failed += 1;
                return self.line("failed", &with_causes(&why));
            }
        };
        let said = match outcome {
            Adopted::AlreadySignedIn => {
                return self.line("left", "mcpipe is signed in there already");
            }
            Adopted::Client { issuer } => {
                self.line("issuer", &issuer);
                "only a client was kept: the next sign-in uses it"
            }
            Adopted::Tokens {
                issuer,
                renewed,
                is_renewable,
            } => {
                self.line("issuer", &issuer);
                self.renewed |= renewed;
                match (renewed, is_renewable) {
                    (true, _) => "signed in; renewed once, to see that the tokens belong there",
                    (false, true) => "signed in",
                    (false, false) => "signed in until the token ends: nothing can renew it",
                }
            }
        };
        self.line("taken", said);
        self.taken += 1;
        let log = import.file(stash::DEBUG_LOG);
        self.plain.extend(log.exists().then_some(log));
        if !import.keep {
            for name in [stash::TOKENS, stash::CLIENT] {
                let moved = import.file(&format!("{name}{}", stash::MOVED));
                self.plain.extend(moved.exists().then_some(moved));
            }
        }
        if is_running {
            self.running.push(candidate.asked.url.clone());
        }
    }

    /// Files that nobody claims.
    fn orphans<'a>(
        &mut self,
        bases: impl Iterator<Item = &'a PathBuf>,
        taken: &[(PathBuf, String)],
    ) {
        let mut bases: Vec<&PathBuf> = bases.collect();
        bases.sort();
        bases.dedup();
        let mut lines = String::new();
        for directory in bases.into_iter().flat_map(|base| stash::directories(base)) {
            for key in directory.keys() {
                let is_taken = taken
                    .iter()
                    .any(|(path, taken)| *path == directory.path && *taken == key);
                if !is_taken {
                    let at = directory.path.join(&key);
                    let _ = writeln!(lines, "  {}_*  {}", at.display(), orphan(&directory, &key));
                }
            }
        }
        if !lines.is_empty() {
            let _ = write!(
                self.text,
                "\nNo client's configuration leads to these. If you know the server, name it with --url:\n{lines}"
            );
        }
    }

    fn conclude(self, dry_run: bool, keep: bool) -> Result<(), Failure> {
        let mut text = self.text;
        if text.is_empty() {
            text.push_str("Nothing of mcp-remote's was found.\n");
        }
        if dry_run && self.taken > 0 {
            text.push_str("\nNothing was changed: this was a dry run.\n");
        }
        for url in self.running {
            let _ = writeln!(
                text,
                "\nmcp-remote is running for {}: let its host start mcpipe instead, or it will ask for a sign-in.",
                printable(&url, 300)
            );
        }
        if keep && self.taken > 0 && !dry_run {
            text.push_str(
                "\nmcp-remote's files were left. Use one of the two from now on: the first that renews takes the tokens from the other.\n",
            );
        }
        if keep && self.renewed {
            text.push_str("What was renewed is dead in mcp-remote's files already.\n");
        }
        if !self.plain.is_empty() {
            text.push_str("\nThese hold secrets that anybody can read who can read your files; delete them when all works:\n");
            for path in &self.plain {
                let _ = writeln!(text, "  {}", path.display());
            }
        }
        print(&text)?;
        match self.failed {
            0 => Ok(()),
            failed => Err(Failure::new(
                Kind::Failed,
                format!(
                    "{failed} of {} could not be taken over",
                    failed + self.taken
                ),
            )
            .hint("`mcpipe login URL` signs in anew")),
        }
    }
}

/// What can be said of files nobody claims, without a secret.
fn orphan(directory: &stash::Directory, key: &str) -> String {
    let path = |name| directory.file(key, name);
    let read = |path: &Path| stash::read(path).ok().flatten();
    let tokens = read(&path(stash::TOKENS));
    let tokens =
        tokens.and_then(|kept| kept::tokens(&kept.bytes, kept.written, kept.written, false));
    let client = read(&path(stash::CLIENT)).and_then(|kept| kept::client(&kept.bytes));
    let issuer = tokens
        .as_ref()
        .and_then(|it| it.issuer.clone())
        .or_else(|| client.as_ref()?.issuer.clone());
    let scope = tokens.as_ref().and_then(|it| it.tokens.granted.clone());
    let mut words = vec![match (&tokens, &client) {
        (Some(_), _) => "tokens".to_owned(),
        (None, Some(_)) => "a client".to_owned(),
        (None, None) => "cannot be read".to_owned(),
    }];
    words.extend(issuer.map(|issuer| format!("of {issuer}")));
    words.extend(scope.map(|scope| format!("for {scope}")));
    printable(&words.join(" "), 300)
}

/// Whether an mcp-remote for the same server can be seen: among the processes, or signing in.
async fn is_running(candidate: &Candidate) -> bool {
    let key = candidate.key();
    let is_it = |words: &Vec<String>| {
        let words = launch::arguments(words).unwrap_or_default();
        let asked = command::read(&words, &|path| std::fs::read_to_string(path));
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

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
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
