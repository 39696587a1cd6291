//! The limits on calls as all processes of the machine share them for one server and account.
//!
//! A small file holds the buckets and the numbers of calls under way ([`State`]). It is kept open; for each call it is
//! locked, looked at, read, changed in place and unlocked: five system calls, 4 to 5 µs on a local disk, and as much again
//! for the end of a call that counts as under way. They touch memory of the system only, so they are done on the runtime's
//! thread. The lock is held for these microseconds; a process that finds it taken tries again, other work of its own in
//! between, and gives up when the lock has not been free for five seconds.
//!
//! The calls under way of a process that was killed are given back: each process holds the lock of a file of its own as
//! long as it lives, and a process that reaches a limit removes the entries of those that do not.
//!
//! A state that cannot be read refuses all calls. One that is damaged begins anew, with a warning: deleting the file
//! does the same, and every program of this user can do that.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::time::{self, Instant};
use tokio_util::task::TaskTracker;

use crate::policy::limit::state::{LONGEST, State, Unreadable};
use crate::policy::limit::{Applied, Excess, Limits};
use crate::random;
use crate::store::files::{self, FileLock, SharedContent, SharedFile};

/// The time for which the lock of the file is waited for; it is held for microseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// The attempts at the lock between which other work of this process is done, before the first pause.
const TURNS: u32 = 3;
/// The first pause between attempts, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);

/// The limits on calls of one server and account, shared with other processes.
#[derive(Debug)]
pub struct SharedLimits {
    limits: Limits,
    /// The path of the files without their endings; none where there is no place for them.
    stem: Option<PathBuf>,
    /// The wall clock: of all clocks it alone is the same in all processes.
    now: fn() -> SystemTime,
    /// The file. Calls of this process take turns at it, in their order.
    opened: Mutex<Opened>,
    /// Told when a call of this process has ended that counted as under way.
    freed: Notify,
    tracker: TaskTracker,
}

#[derive(Debug, Default)]
struct Opened {
    file: Option<Arc<SharedFile>>,
    life: Option<Life>,
    /// The numbers of calls of this process under way, by limit: the file's are a copy of these.
    own: Vec<(u64, u64)>,
    content: Vec<u8>,
}

/// The sign that this process lives: the lock of a file that is named after it.
#[derive(Debug)]
struct Life {
    process: u64,
    path: PathBuf,
    _lock: FileLock,
}

/// A call that was let pass. Dropping it ends the call.
#[derive(Debug)]
pub struct Place {
    of: Arc<SharedLimits>,
    /// The limits that count the call as under way.
    places: Applied,
}

/// The reason why limits cannot be kept. No call passes then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system or the user's files do not let the state be read or changed.
    #[error("the limits cannot be kept: {0}")]
    File(#[from] files::Error),
    /// A process holds the lock and does not let go of it.
    #[error("the limits cannot be kept: another process has held the lock of {0} for 5 s")]
    Held(PathBuf),
    /// The state is in a format of a newer version.
    #[error("the limits cannot be kept: {0} is of a newer version of mcpipe")]
    Newer(PathBuf),
    /// More processes have calls under way than the file has room for.
    #[error("the limits cannot be kept: {0} has no room for more processes")]
    Full(PathBuf),
    /// The system gives no random numbers, of which the name of this process is made.
    #[error("the limits cannot be kept: {0}")]
    Random(#[from] getrandom::Error),
}

impl Error {
    /// Returns what the user can type or do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::File(error) => error
                .hint()
                .unwrap_or_else(|| "set MCPIPE_HOME to a directory of yours".to_owned()),
            Self::Held(_) => "end the mcpipe process that hangs".to_owned(),
            Self::Newer(path) => format!(
                "use the newer mcpipe everywhere, or remove '{}' when none runs",
                path.display()
            ),
            Self::Full(_) => "end some of the hosts that use this server".to_owned(),
            Self::Random(_) => "try again".to_owned(),
        }
    }
}

impl SharedLimits {
    /// Makes the limits of one server and account. `stem` is the path of the files without their endings
    /// ([`VaultPaths::limits`](crate::store::VaultPaths::limits)); without one, no call passes. Opens nothing yet.
    pub fn new(limits: Limits, stem: Option<PathBuf>, now: fn() -> SystemTime) -> Arc<Self> {
        Arc::new(Self {
            limits,
            stem,
            now,
            opened: Mutex::default(),
            freed: Notify::new(),
            tracker: TaskTracker::new(),
        })
    }

    /// Returns the limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the signal that a call of this process has ended that counted as under way.
    pub fn freed(&self) -> &Notify {
        &self.freed
    }

    /// Lets a call pass all of these limits, or finds those that refuse it. Done at once unless the lock is taken.
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// The limits cannot be kept.
    pub async fn admit(
        self: &Arc<Self>,
        applied: &[usize],
    ) -> Result<Result<Place, Excess>, Error> {
        let mut opened = self.opened().await;
        let admitted = opened
            .change(self, |state, process, now, is_alive| {
                let admit = |state: &mut State| self.limits.admit(applied, state, process, now);
                let admitted = admit(state);
                match admitted {
                    Err(excess) if self.limits.is_about_places(&excess) => {
                        let dead = state.processes().into_iter();
                        let dead = dead.filter(|other| *other != process && !is_alive(*other));
                        let dead: Vec<_> = dead.collect();
                        dead.iter().for_each(|process| state.forget(*process));
                        match dead.is_empty() {
                            true => Err(excess),
                            false => admit(state),
                        }
                    }
                    admitted => admitted,
                }
            })
            .await?;
        Ok(admitted.map(|()| Place {
            of: Arc::clone(self),
            places: self.limits.places_of(applied),
        }))
    }

    async fn end(self: Arc<Self>, places: Applied) {
        let mut opened = self.opened().await;
        if let Some(process) = opened.life.as_ref().map(|life| life.process) {
            let mut own = State::default();
            opened.put_own(&mut own, process);
            self.limits.end(&places, &mut own, process);
            opened.own = own.all_under_way_of(process);
        }
        if let Err(error) = opened.change(&self, |_, _, _, _| {}).await {
            // The number of this process is right, and the next change writes it.
            tracing::warn!(%error, "the end of a call is not yet seen by other processes");
        }
        drop(opened);
        self.freed.notify_waiters();
    }

    async fn opened(&self) -> MutexGuard<'_, Opened> {
        match self.opened.try_lock() {
            Ok(opened) => opened,
            Err(_) => self.opened.lock().await,
        }
    }
}

impl Opened {
    /// Changes the state under the lock: `act` gets the state, this process, the time, and a function that says whether a
    /// process lives.
    async fn change<T>(
        &mut self,
        shared: &SharedLimits,
        act: impl FnOnce(&mut State, u64, u64, &dyn Fn(u64) -> bool) -> T,
    ) -> Result<T, Error> {
        let stem = shared.stem.as_deref().ok_or(files::Error::NoPlace)?;
        let path = stem.with_extension("limits");
        let content = self.locked(&path).await?;
        // Nothing below waits: the lock is held for as long as the system takes.
        content.read(&mut self.content, LONGEST)?;
        let mut state = match State::read(&self.content) {
            Ok(state) => state,
            Err(Unreadable::Newer) => return Err(Error::Newer(path)),
            Err(Unreadable::Damaged) => {
                tracing::warn!(
                    path = %path.display(),
                    "the state of the limits was damaged; it begins anew, as if nothing had been called"
                );
                State::default()
            }
        };
        let process = self.live(stem, shared.limits.counts_calls_under_way())?;
        self.put_own(&mut state, process);
        let now = (shared.now)().duration_since(SystemTime::UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
        let acted = act(&mut state, process, now, &|process| is_alive(stem, process));
        let text = state.write(now).ok_or(Error::Full(path))?;
        if !self.content.starts_with(text.as_bytes()) {
            content.write(text.as_bytes())?;
        }
        self.own = state.all_under_way_of(process);
        Ok(acted)
    }

    /// Opens the file if it is not open, and takes its lock.
    async fn locked(&mut self, path: &Path) -> Result<SharedContent, Error> {
        let mut waited: Option<Instant> = None;
        let (mut tries, mut pause) = (0, FIRST_PAUSE);
        loop {
            let file = match &self.file {
                Some(file) => file,
                None => {
                    let folder = path.parent().unwrap_or(path);
                    files::private_directory(folder).map_err(|source| files::Error::Io {
                        doing: "make the directory",
                        path: folder.to_owned(),
                        source,
                    })?;
                    self.file.insert(SharedFile::open(path)?)
                }
            };
            if let Some(content) = file.try_lock()? {
                if !file.is_removed() {
                    return Ok(content);
                }
                self.file = None;
            }
            if waited.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Err(Error::Held(path.to_owned()));
            }
            tries += 1;
            match tries <= TURNS {
                true => tokio::task::yield_now().await,
                false => {
                    time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Returns the number of this process in the state, 0 where it needs none. The first call gives the sign that the process
    /// lives, and removes those of processes that do not. The caller holds the lock of the state, so that no sign is
    /// seen before its own lock is taken.
    fn live(&mut self, stem: &Path, is_needed: bool) -> Result<u64, Error> {
        if let Some(life) = &self.life {
            return Ok(life.process);
        }
        if !is_needed {
            return Ok(0);
        }
        remove_dead(stem);
        let process = u64::from_le_bytes(random::bytes()?).max(1);
        let path = life_of(stem, process);
        let lock = FileLock::try_take(&path, false)?.ok_or_else(|| Error::Held(path.clone()))?;
        self.life = Some(Life {
            process,
            path,
            _lock: lock,
        });
        Ok(process)
    }

    fn put_own(&self, state: &mut State, process: u64) {
        state.forget(process);
        for (limit, count) in &self.own {
            state.set_under_way(*limit, process, *count);
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // A sign that stays is removed by the next process.
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = std::mem::take(&mut self.places);
        if places.is_empty() {
            return;
        }
        let mut end = Box::pin(Arc::clone(&self.of).end(places));
        if (&mut end).now_or_never().is_some() {
            return;
        }
        // Without a runtime the process is ending, and its calls end with it.
        if let Ok(runtime) = Handle::try_current() {
            self.of.tracker.spawn_on(end, &runtime);
        }
    }
}

fn life_of(stem: &Path, process: u64) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(format!("-{process:016x}.alive"));
    path.into()
}

/// Says whether a process holds the lock of its sign. A sign that cannot be looked at counts as one that is held.
fn is_alive(stem: &Path, process: u64) -> bool {
    is_held(&life_of(stem, process))
}

/// Says whether the lock of this file is held; removes the file if it is not.
fn is_held(path: &Path) -> bool {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) => return error.kind() != std::io::ErrorKind::NotFound,
    };
    match file.try_lock() {
        Ok(()) => {
            drop(file);
            let _ = fs::remove_file(path);
            false
        }
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
    }
}

/// Removes the signs of processes that have ended.
fn remove_dead(stem: &Path) {
    let (Some(folder), Some(name)) = (stem.parent(), stem.file_name().and_then(OsStr::to_str))
    else {
        return;
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let found = entry.file_name();
        let found = found.to_str().and_then(|found| found.strip_prefix(name));
        if found.is_some_and(|rest| rest.starts_with('-') && rest.ends_with(".alive")) {
            is_held(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
