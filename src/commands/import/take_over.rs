//! The import of one sign-in: what mcp-remote kept is read, judged, taken over, and moved aside.

use std::path::PathBuf;
use std::time::Duration;

use crate::auth::flow::adopt::{self, Adopted, Foreign, Judged};
use crate::clock::{milliseconds, seconds};
use crate::commands::connection;
use crate::commands::first_challenge::first_challenge;
use crate::commands::import::bridge_settings::settings_of;
use crate::commands::import::error::Error;
use crate::commands::import::sources::{Candidate, CandidateFiles};
use crate::mcp_remote::records;
use crate::mcp_remote::token_files::{self, Lease, TokenFile};
use crate::settings::{self, Environment};
use crate::store::Vault;

/// The time between two looks at another process's lease.
const POLL: Duration = Duration::from_millis(200);

/// The import of one candidate.
pub(super) struct Import<'a> {
    pub(super) candidate: &'a Candidate,
    pub(super) files: &'a CandidateFiles,
    pub(super) env: &'a Environment,
    pub(super) vault: &'a Vault,
    pub(super) keep: bool,
}

impl Import<'_> {
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.files.directory.file(&self.files.key, name)
    }

    fn read(&self, name: &str) -> Result<Option<TokenFile>, Error> {
        let path = self.file(name);
        token_files::read(&path).map_err(|why| Error::File { path, why })
    }

    fn look(&self) -> Result<Foreign, Error> {
        let now = seconds(settings::now());
        let unreadable = |name| move || Error::Unreadable(self.file(name));
        let mut found = Foreign::default();
        if let Some(file) = self.read(token_files::TOKENS)? {
            let by_id = self.candidate.asked.use_id_token;
            let tokens = records::tokens(&file.bytes, file.written, now, by_id);
            let read = tokens.ok_or_else(unreadable(token_files::TOKENS))?;
            found.issuer = read.issuer;
            found.tokens = Some(read.tokens);
        }
        if let Some(file) = self.read(token_files::CLIENT)? {
            let client = records::client(&file.bytes);
            let read = client.ok_or_else(unreadable(token_files::CLIENT))?;
            found.registered_by = read.issuer;
            found.client = Some(read.client);
        }
        Ok(found)
    }

    /// Returns what mcp-remote kept, and the judgement of it. A dry run ends here, and an import begins here.
    pub(super) async fn judge(&self) -> Result<(Foreign, Judged), Error> {
        let (_, settings) = settings_of(self.candidate, self.env)?;
        let found = self.look()?;
        let judged = adopt::judge(&found, &settings, self.vault).await?;
        Ok((found, judged))
    }

    pub(super) async fn take_over(&self) -> Result<Adopted, Error> {
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
        if !self.files.directory.is_shared {
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
