//! The report that the user reads after an import: each server, its result, and the next steps. Never a secret.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::auth::flow::adopt::{Adopted, Foreign, Judged};
use crate::cli::DEFAULT_ACCOUNT;
use crate::commands::import::error::Error;
use crate::commands::import::next_steps::NextSteps;
use crate::commands::import::sources::Candidate;
use crate::commands::import::take_over::Import;
use crate::commands::print;
use crate::mcp_remote::records;
use crate::mcp_remote::token_files;
use crate::report::{Failure, Kind};
use crate::settings;
use crate::text::printable;
use crate::text::without_query;

/// The report that the user reads at the end.
#[derive(Default)]
pub(super) struct Report {
    text: String,
    taken: u32,
    failed: u32,
    renewed: bool,
    plain: Vec<PathBuf>,
    next: NextSteps,
    /// The sign-ins that mcpipe has now, by the keys of mcp-remote's files.
    signed_in: Vec<String>,
    running: Vec<String>,
}

impl Report {
    fn title(&mut self, candidate: &Candidate) {
        let url = without_query(&candidate.asked.url);
        let _ = write!(self.text, "{}", printable(&url, 300));
        if !candidate.entries.is_empty() {
            let said: Vec<_> = candidate.entries.iter().map(ToString::to_string).collect();
            let _ = write!(self.text, "  ({})", said.join(", "));
        }
        self.text.push('\n');
    }

    fn line(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.text, "  {name:<8} {}", printable(value, 500));
    }

    pub(super) fn nothing(&mut self, candidate: &Candidate) {
        self.title(candidate);
        let base = candidate.base.display().to_string();
        let why = match candidate.base.is_dir() {
            true => "",
            false => ": there is no such folder",
        };
        self.line("nothing", &format!("is kept for it under {base}{why}"));
    }

    /// Reports a candidate whose files are those of another.
    pub(super) fn shared(&mut self, candidate: &Candidate, owner: &Candidate) {
        self.title(candidate);
        let other = owner.entries.first();
        let other = other.map_or_else(|| "the one above".to_owned(), ToString::to_string);
        self.line("same", &format!("sign-in as {other}"));
        if self.signed_in.contains(&owner.key()) {
            self.next.add(candidate, &candidate.target.sign_in.account);
        }
    }

    /// Notes that mcpipe has this sign-in now, under this account.
    fn keeps(&mut self, candidate: &Candidate, account: &str) {
        self.signed_in.push(candidate.key());
        self.next.add(candidate, account);
    }

    /// Reports a candidate that an earlier import moved aside; `account` is the one that mcpipe is signed in with, if
    /// it still is.
    pub(super) fn taken_before(
        &mut self,
        candidate: &Candidate,
        files: &[PathBuf],
        account: Option<&str>,
    ) {
        self.title(candidate);
        self.line("left", "taken over already");
        self.plain.extend_from_slice(files);
        match account {
            Some(account) => {
                self.named(account);
                self.keeps(candidate, account);
            }
            None => {
                let url = without_query(&candidate.asked.url);
                self.line(
                    "since",
                    &format!("signed out: `mcpipe login {url}` signs in anew"),
                );
            }
        }
    }

    /// Reports the account, where it is not the usual one.
    fn named(&mut self, account: &str) {
        if account != DEFAULT_ACCOUNT {
            self.line("account", account);
        }
    }

    /// Reports the result of a dry run.
    pub(super) fn judged(
        &mut self,
        candidate: &Candidate,
        judged: Result<(Foreign, Judged), Error>,
    ) {
        self.title(candidate);
        let (found, judged) = match judged {
            Ok(judged) => judged,
            Err(why) => {
                self.failed += 1;
                return self.line("failed", &with_causes(&why));
            }
        };
        self.named(&candidate.target.sign_in.account);
        if judged == Judged::AlreadySignedIn {
            return self.line("left", ALREADY);
        }
        self.taken += 1;
        let registered_by = found.registered_by.as_deref();
        let issuer = found.issuer.as_deref().or(registered_by);
        self.line(
            "issuer",
            issuer.unwrap_or("(not written down: the server is asked)"),
        );
        match &found.tokens {
            Some(tokens) => {
                let end = tokens.lifetime.map(|lifetime| {
                    SystemTime::UNIX_EPOCH + Duration::from_secs(tokens.issued) + lifetime
                });
                let end = end.map_or("no known end".to_owned(), |end| {
                    let tense = if end > settings::now() {
                        "until"
                    } else {
                        "ended"
                    };
                    format!("{tense} {}", httpdate::fmt_http_date(end))
                });
                let renewal = match judged {
                    Judged::Tokens { is_renewable: true } => "can be renewed",
                    _ => "cannot be renewed",
                };
                self.line("token", &format!("{end}, {renewal}"));
            }
            None => self.line("token", "none"),
        }
        if let Some(client) = &found.client {
            let redirect = client.redirect_uri.as_deref().unwrap_or("nowhere");
            self.line(
                "client",
                &format!("{}, redirected to {redirect}", client.id),
            );
        }
        let outcome = match (&found.tokens, issuer) {
            (_, Some(_)) => "would be taken over, if the server still signs in there",
            (Some(_), None) => {
                "would be taken over, if the server's authorization server renews it"
            }
            (None, None) => "would be taken over, for the server's authorization server",
        };
        self.line("outcome", outcome);
    }

    pub(super) fn done(
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
        let account = &candidate.target.sign_in.account;
        self.named(account);
        self.keeps(candidate, account);
        let said = match outcome {
            Adopted::AlreadySignedIn => return self.line("left", ALREADY),
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
        let log = import.file(token_files::DEBUG_LOG);
        self.plain.extend(log.exists().then_some(log));
        if !import.keep {
            for name in [token_files::TOKENS, token_files::CLIENT] {
                let moved = import.file(&format!("{name}{}", token_files::MOVED));
                self.plain.extend(moved.exists().then_some(moved));
            }
        }
        if is_running {
            self.running.push(candidate.asked.url.clone());
        }
    }

    pub(super) fn not_understood(&mut self, lines: &[String]) {
        for line in lines {
            let _ = writeln!(self.text, "not understood  {line}");
        }
    }

    /// Reports files of a project, and the servers they would have taken over.
    pub(super) fn of_projects(&mut self, files: &[(PathBuf, Vec<String>)]) {
        if files.is_empty() {
            return;
        }
        self.text.push_str(
            "\nNot taken: others may have written what lies in a project. If you trust a file, name it with --project:\n",
        );
        for (path, servers) in files {
            let path = printable(&path.to_string_lossy(), 500);
            let mut named = servers
                .iter()
                .take(SHOWN)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            if let Some(more) = servers.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                let _ = write!(named, ", and {more} more");
            }
            let _ = writeln!(self.text, "  {path}  {named}");
        }
    }

    /// Reports files that belong to no candidate.
    pub(super) fn orphans<'a>(
        &mut self,
        bases: impl Iterator<Item = &'a PathBuf>,
        taken: &[(PathBuf, String)],
    ) {
        let mut bases: Vec<&PathBuf> = bases.collect();
        bases.sort();
        bases.dedup();
        let mut lines = String::new();
        for directory in bases
            .into_iter()
            .flat_map(|base| token_files::directories(base))
        {
            for key in directory.keys() {
                let is_taken = taken
                    .iter()
                    .any(|(path, taken)| *path == directory.path && *taken == key);
                if !is_taken {
                    let at = directory.path.join(&key);
                    let at = printable(&at.to_string_lossy(), 500);
                    let _ = writeln!(lines, "  {at}_*  {}", orphan(&directory, &key));
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

    pub(super) fn conclude(self, dry_run: bool, keep: bool) -> Result<(), Failure> {
        let mut text = self.text;
        if text.is_empty() {
            text.push_str("Nothing of mcp-remote's was found.\n");
        }
        if dry_run && self.taken > 0 {
            text.push_str(
                "\nNothing was changed: this was a dry run. Without --dry-run it is done.\n",
            );
        }
        for url in self.running {
            let _ = writeln!(
                text,
                "\nmcp-remote is running for {}: let its host start mcpipe instead, or it will ask for a sign-in.",
                printable(&without_query(&url), 300)
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
        text.push_str(&self.next.text(&self.plain));
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

/// The text about files that would take the place of an entry in the vault.
const ALREADY: &str = "mcpipe is signed in there already; with --account NAME both are kept";
/// The number of servers named of one file.
const SHOWN: usize = 10;

/// Describes files that belong to no candidate, without a secret.
fn orphan(directory: &token_files::Directory, key: &str) -> String {
    let path = |name| directory.file(key, name);
    let read = |path: &Path| token_files::read(path).ok().flatten();
    let tokens = read(&path(token_files::TOKENS));
    let tokens =
        tokens.and_then(|file| records::tokens(&file.bytes, file.written, file.written, false));
    let client = read(&path(token_files::CLIENT)).and_then(|file| records::client(&file.bytes));
    let issuer = tokens
        .as_ref()
        .and_then(|it| it.issuer.clone())
        .or_else(|| client.as_ref()?.issuer.clone());
    let scope = tokens.as_ref().and_then(|it| it.tokens.granted.clone());
    let mut words = vec![match (&tokens, &client) {
        (Some(_), _) => "tokens".to_owned(),
        (None, Some(_)) => "a client".to_owned(),
        // The owner of a file, or the target of its link, is the reason to leave it alone.
        (None, None) => match token_files::read(&path(token_files::TOKENS)) {
            Err(error) => format!("left alone: {error}"),
            Ok(_) => "cannot be read".to_owned(),
        },
    }];
    words.extend(issuer.map(|issuer| format!("of {issuer}")));
    words.extend(scope.map(|scope| format!("for {scope}")));
    printable(&words.join(" "), 300)
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
