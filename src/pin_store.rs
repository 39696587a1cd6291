//! The pins of one account at one server, in the vault.
//!
//! Several bridges may share them, and `mcpipe pins` changes them while bridges run: each write is a compare-and-swap, and
//! [`PinStore::stamp`] tells cheaply whether it is worth reading them again. In a vault in memory they last as long as the
//! process.
//!
//! Knows nothing of what is pinned, or why.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::policy::pins::set::{Foreign, PinSet};
use crate::secret::Secret;
use crate::store::{self, EntryKind, Expected, Vault};

/// Tries at a write that other processes keep overtaking.
const TRIES: usize = 10;

/// The reason why pins are not read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The vault is in the way.
    #[error(transparent)]
    Vault(#[from] store::Error),
    /// The pins are none that this version can read.
    #[error(transparent)]
    Foreign(#[from] Foreign),
}

impl Error {
    /// Says whether what is kept is at fault, and not the way to its key: a file that cannot be used or is no vault, or pins
    /// that this version cannot read.
    pub fn is_of_content(&self) -> bool {
        matches!(
            self,
            Self::Foreign(_) | Self::Vault(store::Error::Envelope { .. } | store::Error::File(_))
        )
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Vault(error) => error.hint(),
            Self::Foreign(_) => {
                Some("use the newest mcpipe, or `mcpipe pins URL forget` to begin anew".to_owned())
            }
        }
    }
}

/// The pins of one account at one server.
#[derive(Clone, Debug)]
pub struct PinStore {
    vault: Arc<Vault>,
    name: String,
}

/// The state of the place where pins are kept. Two that differ tell that the pins may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The vault's file: the time of the last write, its length, and on Unix its number. None if there is no file.
    File(Option<(Option<SystemTime>, u64, u64)>),
    /// The revision of the entry in memory.
    Revision(Option<u64>),
}

impl PinStore {
    /// Returns the pins of this account at this server, whose address is in its canonical spelling. Reads nothing.
    pub fn new(vault: Arc<Vault>, account: &str, server: &str) -> Self {
        let name = serde_json::json!(["pins", account, server]).to_string();
        Self { vault, name }
    }

    /// Says whether the pins outlast the process.
    pub fn is_lasting(&self) -> bool {
        self.vault.location().is_some()
    }

    /// Returns the pins; `None` where none were ever kept.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read(&self) -> Result<Option<PinSet>, Error> {
        Ok(self.stored().await?.map(|(set, _)| set))
    }

    /// Returns the pins of all other servers, of any account, each with the server's address, or the reason why it cannot
    /// be read.
    ///
    /// # Errors
    /// The vault cannot be read.
    pub async fn others(&self) -> Result<Vec<(String, Result<PinSet, Error>)>, Error> {
        let (_, own) = Self::parts(&self.name).unwrap_or_default();
        let mut others = Vec::new();
        for (name, kind) in self.vault.list().await? {
            let Some((account, server)) = Self::parts(&name) else {
                continue;
            };
            if kind != EntryKind::Pins || server == own {
                continue;
            }
            let store = Self::new(Arc::clone(&self.vault), &account, &server);
            match store.read().await {
                Ok(Some(set)) => others.push((server, Ok(set))),
                Ok(None) => {}
                Err(error) => others.push((server, Err(error))),
            }
        }
        Ok(others)
    }

    /// The account and the server in the name of an entry.
    fn parts(name: &str) -> Option<(String, String)> {
        match serde_json::from_str::<[String; 3]>(name) {
            Ok([kind, account, server]) if kind == "pins" => Some((account, server)),
            _ => None,
        }
    }

    async fn stored(&self) -> Result<Option<(PinSet, u64)>, Error> {
        let Some(entry) = self.vault.read(&self.name).await? else {
            return Ok(None);
        };
        if entry.kind != EntryKind::Pins {
            return Err(Foreign.into());
        }
        Ok(Some((PinSet::parse(entry.content.expose())?, entry.rev)))
    }

    /// Changes the pins, which are an empty set where none were kept, and returns them with what `edit` returned. `edit`
    /// is called again if another process wrote in between; nothing is written if it left the set as it was.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn change<T>(
        &self,
        mut edit: impl FnMut(&mut PinSet) -> T,
    ) -> Result<(PinSet, T), Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (before, expected) = match self.stored().await? {
                Some((set, rev)) => (set, Expected::Revision(rev)),
                None => (PinSet::default(), Expected::Absent),
            };
            let mut set = before.clone();
            let edited = edit(&mut set);
            if set == before {
                return Ok((set, edited));
            }
            let text = Secret::new(set.text());
            let put = self.vault.put(&self.name, EntryKind::Pins, &text, expected);
            match put.await {
                Ok(_) => return Ok((set, edited)),
                Err(store::Error::Stale) if tries < TRIES => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes the pins; returns false if there were none. What a server lists next is a first sight.
    ///
    /// # Errors
    /// As [`Vault::remove`].
    pub async fn forget(&self) -> Result<bool, Error> {
        Ok(self.vault.remove(&self.name).await?)
    }

    /// Returns the state of the place where the pins are kept. Opens nothing.
    pub async fn stamp(&self) -> Stamp {
        match self.vault.location() {
            Some(path) => {
                let looked = tokio::task::spawn_blocking(move || of_file(&path)).await;
                Stamp::File(looked.unwrap_or_default())
            }
            None => {
                let entry = self.vault.read(&self.name).await.ok().flatten();
                Stamp::Revision(entry.map(|entry| entry.rev))
            }
        }
    }
}

fn of_file(path: &Path) -> Option<(Option<SystemTime>, u64, u64)> {
    let metadata = path.metadata().ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let number = 0;
    Some((metadata.modified().ok(), metadata.len(), number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::pins::definition::{Definition, Kind};

    fn tool(name: &str) -> Vec<Definition> {
        let tool = Definition::read(Kind::Tool, &format!(r#"{{"name":"{name}"}}"#));
        tool.into_iter().collect()
    }

    #[tokio::test]
    async fn pins_are_kept_by_account_and_server() {
        let vault = Arc::new(Vault::in_memory());
        let mine = PinStore::new(Arc::clone(&vault), "default", "https://a.example");
        let stamp = mine.stamp().await;
        assert_eq!(mine.read().await.unwrap(), None);
        let (set, is_new) = mine
            .change(|set| set.observe(Kind::Tool, &tool("a"), true, 1))
            .await
            .unwrap();
        assert_eq!(is_new, Ok(true));
        assert_eq!(mine.read().await.unwrap(), Some(set));
        assert_ne!(mine.stamp().await, stamp);
        for (account, server) in [
            ("work", "https://a.example"),
            ("default", "https://b.example"),
        ] {
            let other = PinStore::new(Arc::clone(&vault), account, server);
            assert_eq!(other.read().await.unwrap(), None);
        }
        let other = PinStore::new(Arc::clone(&vault), "work", "https://b.example");
        let others = other.others().await.unwrap();
        let [(server, Ok(_))] = others.as_slice() else {
            panic!("{others:?}")
        };
        assert_eq!(server, "https://a.example");
        assert!(mine.others().await.unwrap().is_empty());
        assert!(mine.forget().await.unwrap());
        assert!(!mine.forget().await.unwrap());
    }

    #[tokio::test]
    async fn a_change_is_made_to_what_another_process_wrote_in_between() {
        let vault = Arc::new(Vault::in_memory());
        let store = PinStore::new(Arc::clone(&vault), "default", "https://a.example");
        let mut other = PinSet::default();
        other.observe(Kind::Prompt, &tool("p"), true, 1).unwrap();
        let mut calls = 0;
        let (set, ()) = store
            .change(|set| {
                calls += 1;
                if calls == 1 {
                    let text = Secret::new(other.text());
                    let put = vault.put(&store.name, EntryKind::Pins, &text, Expected::Anything);
                    futures_now(put).unwrap();
                }
                set.observe(Kind::Tool, &tool("a"), true, 2).unwrap();
            })
            .await
            .unwrap();
        assert_eq!(calls, 2);
        assert!(set.pin(Kind::Prompt, "p").is_some() && set.pin(Kind::Tool, "a").is_some());
    }

    /// A vault in memory never waits.
    fn futures_now<T>(future: impl Future<Output = T>) -> T {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(future).poll(&mut context) {
            std::task::Poll::Ready(done) => done,
            std::task::Poll::Pending => panic!("it waits"),
        }
    }

    #[tokio::test]
    async fn pins_of_another_format_are_refused_and_left_as_they_are() {
        let vault = Arc::new(Vault::in_memory());
        let store = PinStore::new(Arc::clone(&vault), "default", "https://a.example");
        let text = Secret::new(r#"{"format":2}"#);
        let put = vault.put(&store.name, EntryKind::Pins, &text, Expected::Absent);
        put.await.unwrap();
        let changed = store
            .change(|set| set.observe(Kind::Tool, &tool("a"), true, 1))
            .await;
        assert!(matches!(changed, Err(Error::Foreign(_))));
        let entry = vault.read(&store.name).await.unwrap().unwrap();
        assert_eq!(entry.content.expose(), r#"{"format":2}"#);
    }
}
