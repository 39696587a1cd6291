use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio::time;
use zeroize::Zeroizing;

use super::Error;
use crate::store::files::FileLock;
use crate::store::primitives::{Key, decode, encode};
use crate::store::{VaultPaths, files};

/// The time for which one side waits for the other's line.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest line, in bytes.
const LONGEST: usize = 256;
/// The longest name of a socket: the shortest limit among the systems, macOS's.
const LONGEST_NAME: usize = 103;

/// Returns the root key of this vault, if an agent holds it.
///
/// # Errors
/// An agent, or another file in its place, cannot be asked.
pub fn key(paths: &VaultPaths, vault_id: &str) -> Result<Option<Key>, Error> {
    let Some(answer) = ask(paths, &format!("key {vault_id}"))? else {
        return Ok(None);
    };
    let mut words = answer.split_whitespace();
    match (words.next(), words.next().map(decode)) {
        (Some("key"), Some(Some(key))) => Ok(Some(Key::new(key))),
        (Some("none"), None) => Ok(None),
        _ => Err(Error::Babble(paths.socket())),
    }
}

/// Gives a running agent a key to hold for this time; false if there is no agent.
///
/// # Errors
/// As [`key`].
pub fn keep(paths: &VaultPaths, vault_id: &str, key: &Key, long: Duration) -> Result<bool, Error> {
    let key = Zeroizing::new(encode(key.expose()));
    let said = Zeroizing::new(format!("keep {vault_id} {} {}", *key, long.as_secs()));
    match ask(paths, &said)? {
        None => Ok(false),
        Some(answer) if *answer == "kept" => Ok(true),
        Some(_) => Err(Error::Babble(paths.socket())),
    }
}

/// Gives an agent that holds this vault's key the new one; false if there is none.
///
/// # Errors
/// As [`key`].
pub fn replace(paths: &VaultPaths, vault_id: &str, key: &Key) -> Result<bool, Error> {
    let key = Zeroizing::new(encode(key.expose()));
    let said = Zeroizing::new(format!("renew {vault_id} {}", *key));
    Ok(ask(paths, &said)?.is_some_and(|answer| *answer == "kept"))
}

/// Returns the time for which an agent still holds a key, and the id of that key's vault.
///
/// # Errors
/// As [`key`].
pub fn left(paths: &VaultPaths) -> Result<Option<(Duration, String)>, Error> {
    let Some(answer) = ask(paths, "left")? else {
        return Ok(None);
    };
    let mut words = answer.split_whitespace();
    match (words.next(), words.next().map(str::parse), words.next()) {
        (Some("left"), Some(Ok(seconds)), Some(vault)) => {
            Ok(Some((Duration::from_secs(seconds), vault.to_owned())))
        }
        _ => Err(Error::Babble(paths.socket())),
    }
}

/// Ends an agent; false if there was none.
///
/// # Errors
/// As [`key`].
pub fn lock(paths: &VaultPaths) -> Result<bool, Error> {
    Ok(ask(paths, "lock")?.is_some())
}

/// Asks in one line. `None` if no agent listens; an agent that died leaves its socket.
fn ask(paths: &VaultPaths, line: &str) -> Result<Option<Zeroizing<String>>, Error> {
    let socket = paths.socket();
    if socket.as_os_str().len() > LONGEST_NAME || !is_ours(&socket)? {
        return Ok(None);
    }
    let broken = |source| Error::Broken {
        socket: socket.clone(),
        source,
    };
    let mut stream = match UnixStream::connect(&socket) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
        Err(error) if files::is_absence(&error) => return Ok(None),
        Err(error) => return Err(broken(error)),
    };
    let talk = || {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let line = Zeroizing::new(format!("{line}\n"));
        stream.write_all(line.as_bytes())?;
        let mut answer = Zeroizing::new(String::with_capacity(LONGEST));
        let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        stream.take(limit).read_to_string(&mut answer)?;
        Ok::<_, io::Error>(Zeroizing::new(answer.trim_end().to_owned()))
    };
    match talk() {
        // The agent ended between the question and its answer.
        Ok(answer) if answer.is_empty() => Ok(None),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            ) =>
        {
            Ok(None)
        }
        Ok(answer) => Ok(Some(answer)),
        Err(error) => Err(broken(error)),
    }
}

/// Says whether this is a socket in a private directory, and both are ours: no other user can have put it there. False
/// if there is nothing.
fn is_ours(socket: &Path) -> Result<bool, Error> {
    let me = rustix::process::geteuid().as_raw();
    let directory = socket.parent().unwrap_or(socket);
    for (path, is_right) in [
        (directory, std::fs::FileType::is_dir as fn(&_) -> bool),
        (socket, std::fs::FileType::is_socket),
    ] {
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if files::is_absence(&error) => return Ok(false),
            Err(error) => return Err(files::Error::io("look at", path)(error).into()),
        };
        if metadata.is_symlink() {
            return Err(files::Error::Symlink(path.into()).into());
        }
        if !is_right(&metadata.file_type()) {
            return Err(files::Error::NotRegular(path.into()).into());
        }
        if metadata.uid() != me {
            return Err(files::Error::Owner(path.into()).into());
        }
        if metadata.is_dir() && metadata.mode() & 0o077 != 0 {
            return Err(files::Error::WritableDirectory {
                path: path.into(),
                mode: metadata.mode() & 0o777,
            }
            .into());
        }
    }
    Ok(true)
}

/// The key that an agent holds, and the end of its time.
struct HeldKey {
    vault_id: String,
    key: Key,
    until: SystemTime,
}

/// Runs the agent until its time is up or a process tells it to lock. Calls `ready` once the agent can be asked.
///
/// `now` is the wall clock: an agent whose machine slept through its time does not answer when it wakes.
///
/// # Errors
/// [`Error::Taken`] if there is one; the socket cannot be made.
pub async fn serve(
    paths: &VaultPaths,
    vault_id: String,
    key: Key,
    long: Duration,
    now: fn() -> SystemTime,
    ready: impl FnOnce(),
) -> Result<(), Error> {
    paths.prepare_runtime()?;
    // The lock is held as long as the agent lives, so any socket there now is a dead agent's.
    let _lock = FileLock::try_take(&paths.agent_lock(), true)?.ok_or(Error::Taken)?;
    let socket = Socket::bind(paths)?;
    let held = Arc::new(Mutex::new(Some(HeldKey {
        vault_id,
        key,
        until: now() + long,
    })));
    ready();
    let me = rustix::process::geteuid().as_raw();
    let mut talks = JoinSet::new();
    loop {
        let Some(left) = left_of(&held, now()) else {
            // Processes that have asked get the answer that there is no key.
            while talks.join_next().await.is_some() {}
            if let Err(error) = paths.mark_locked() {
                tracing::debug!(%error, "other processes are not told that the vault is locked");
            }
            return Ok(());
        };
        tokio::select! {
            accepted = socket.listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // This process has no descriptors left, or the other process left at once.
                    time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                if !stream.peer_cred().is_ok_and(|peer| peer.uid() == me) {
                    tracing::warn!("somebody else asked the unlock agent");
                    continue;
                }
                let held = Arc::clone(&held);
                talks.spawn(time::timeout(PATIENCE, talk(stream, held, now)));
            }
            // A conversation may have changed the key, and its time.
            Some(_) = talks.join_next() => {}
            () = time::sleep(left) => {}
        }
    }
}

struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    fn bind(paths: &VaultPaths) -> Result<Self, Error> {
        let path = paths.socket();
        if path.as_os_str().len() > LONGEST_NAME {
            return Err(Error::LongName(path));
        }
        let failed = |doing| files::Error::io(doing, &path);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("replace")(error).into());
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(failed("listen on"))?;
        // The directory is private, so no other user comes in between.
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).map_err(failed("make private"))?;
        Ok(Self { listener, path })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Returns the time for which the key is held from now; `None`, and the key is wiped, if its time is over.
fn left_of(held: &Mutex<Option<HeldKey>>, now: SystemTime) -> Option<Duration> {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    held.take_if(|held| held.until <= now);
    held.as_ref()
        .and_then(|held| held.until.duration_since(now).ok())
}

async fn talk(
    mut stream: tokio::net::UnixStream,
    held: Arc<Mutex<Option<HeldKey>>>,
    now: fn() -> SystemTime,
) -> io::Result<()> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    while line.last() != Some(&b'\n') && line.len() < LONGEST {
        let Ok(byte) = stream.read_u8().await else {
            return Ok(());
        };
        line.push(byte);
    }
    let answer = answer(&String::from_utf8_lossy(&line), &held, now());
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

fn answer(line: &str, held: &Mutex<Option<HeldKey>>, now: SystemTime) -> Zeroizing<String> {
    left_of(held, now);
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let words: Vec<&str> = line.split_whitespace().collect();
    let text = match (words.as_slice(), held.as_mut()) {
        (["key", vault], Some(held)) if held.vault_id == *vault => {
            let key = Zeroizing::new(encode(held.key.expose()));
            format!("key {}\n", *key)
        }
        (["key", _], _) | (["renew", ..], None) => "none\n".to_owned(),
        (["renew", vault, key], Some(held)) => match decode(key) {
            Some(key) if held.vault_id == *vault => {
                held.key = Key::new(key);
                "kept\n".to_owned()
            }
            _ => "none\n".to_owned(),
        },
        (["keep", vault, key, seconds], _) => match (decode(key), seconds.parse()) {
            (Some(key), Ok(seconds)) => {
                *held = now
                    .checked_add(Duration::from_secs(seconds))
                    .map(|until| HeldKey {
                        vault_id: (*vault).to_owned(),
                        key: Key::new(key),
                        until,
                    });
                "kept\n".to_owned()
            }
            _ => "what\n".to_owned(),
        },
        (["left"], Some(held)) => {
            let left = held.until.duration_since(now).unwrap_or_default();
            format!("left {} {}\n", left.as_secs(), held.vault_id)
        }
        (["lock"], _) => {
            *held = None;
            "locked\n".to_owned()
        }
        _ => "what\n".to_owned(),
    };
    Zeroizing::new(text)
}

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

    /// A process of one version asks an agent of another.
    #[test]
    fn an_agent_answers_with_these_words() {
        let now = SystemTime::UNIX_EPOCH;
        let held = Mutex::new(None);
        for (line, wanted) in [
            ("key v", "none"),
            ("renew v KEY", "none"),
            ("left", "what"),
            ("keep v KEY 60", "kept"),
            ("key v", "key KEY"),
            ("key other", "none"),
            ("renew v KEY", "kept"),
            ("renew other KEY", "none"),
            ("left", "left 60 v"),
            ("a word of a version to come", "what"),
            ("lock", "locked"),
            ("key v", "none"),
        ] {
            let said = answer(&line.replace("KEY", KEY), &held, now);
            assert_eq!(*said, wanted.replace("KEY", KEY) + "\n", "{line}");
        }
    }

    #[test]
    fn an_agent_is_asked_with_these_words() {
        let home = tempfile::tempdir().unwrap();
        let paths = VaultPaths::new(Some(home.path())).unwrap();
        paths.prepare_runtime().unwrap();
        let listener = UnixListener::bind(paths.socket()).unwrap();
        let heard = std::thread::spawn(move || {
            let answers = ["none", "kept", "kept", "left 5 v", "locked"];
            let heard = answers.map(|answer| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                io::BufReader::new(&stream).read_line(&mut line).unwrap();
                stream.write_all(format!("{answer}\n").as_bytes()).unwrap();
                line
            });
            heard.concat()
        });
        let root = Key::new([7; 32]);
        assert!(key(&paths, "v").unwrap().is_none());
        assert!(keep(&paths, "v", &root, Duration::from_secs(60)).unwrap());
        assert!(replace(&paths, "v", &root).unwrap());
        assert!(left(&paths).unwrap().is_some());
        assert!(lock(&paths).unwrap());
        let wanted = "key v\nkeep v KEY 60\nrenew v KEY\nleft\nlock\n";
        assert_eq!(heard.join().unwrap(), wanted.replace("KEY", KEY));
    }
}
