use std::pin::pin;
use std::time::UNIX_EPOCH;

use super::*;
use crate::frame::Frame;
use crate::policy::{Limit, Origin, Rate, Rule};
use crate::store::VaultPaths;

const URL: &str = "https://a.example/mcp";

fn limit<T>(value: T) -> Limit<T> {
    let rule = Rule {
        key: "a-limit",
        value: String::new(),
        origin: Origin::Flag("--a-limit"),
    };
    let tools = None;
    Limit { tools, value, rule }
}

fn rate(count: u32) -> Limits {
    let per = Duration::from_secs(3600);
    Limits::new(&[limit(Rate { count, per })], &[])
}

fn at_once(count: u32) -> Limits {
    Limits::new(&[], &[limit(count)])
}

fn stem(home: &Path, account: &str) -> Option<PathBuf> {
    Some(VaultPaths::new(Some(home)).unwrap().limits(URL, account))
}

/// The limits as one more process has them.
fn process(home: &Path, limits: Limits) -> Arc<SharedLimits> {
    let now = || UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    SharedLimits::new(limits, stem(home, "default"), now)
}

fn call() -> Frame {
    Frame::request(
        &crate::frame::Id::ours(1),
        "tools/call",
        Some(r#"{"name":"x"}"#),
    )
}

async fn admit(of: &Arc<SharedLimits>) -> Option<Place> {
    let applied = of.limits().for_frame(&call());
    of.admit(&applied).await.unwrap().ok()
}

fn files(home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.join("state/limits")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn state(home: &Path) -> PathBuf {
    let mut files = files(home).into_iter();
    files
        .find(|it| it.extension().unwrap() == "limits")
        .unwrap()
}

#[tokio::test]
async fn processes_share_one_bucket_of_a_server_and_account() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (process(home.path(), rate(3)), process(home.path(), rate(3)));
    let other = SharedLimits::new(rate(3), stem(home.path(), "work"), one.now);
    for of in [&one, &two, &one] {
        assert!(admit(of).await.is_some());
    }
    assert!(admit(&one).await.is_none() && admit(&two).await.is_none());
    assert!(admit(&other).await.is_some());
    // Nothing but the states is left where no calls under way are counted.
    assert_eq!(files(home.path()).len(), 2);
}

#[tokio::test]
async fn a_call_is_under_way_until_its_place_is_dropped() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (
        process(home.path(), at_once(2)),
        process(home.path(), at_once(2)),
    );
    let first = admit(&one).await.unwrap();
    let _second = admit(&two).await.unwrap();
    assert!(admit(&two).await.is_none());
    drop(first);
    let _third = admit(&two).await.unwrap();
    assert!(admit(&one).await.is_none());
}

#[tokio::test]
async fn calls_of_a_process_that_has_ended_are_given_back() {
    let home = tempfile::tempdir().unwrap();
    let one = process(home.path(), at_once(1));
    let place = admit(&one).await.unwrap();
    let two = process(home.path(), at_once(1));
    assert!(admit(&two).await.is_none());
    // As the system does it for a process that was killed: the lock is free, the file is there.
    let life = one.opened.lock().await.life.take().unwrap();
    let path = life.path.clone();
    drop(life);
    fs::write(&path, "").unwrap();
    std::mem::forget(place);
    assert!(admit(&two).await.is_some());
    assert!(!path.exists());
}

#[tokio::test]
async fn signs_of_processes_that_have_ended_are_removed_by_the_next() {
    let home = tempfile::tempdir().unwrap();
    let one = process(home.path(), at_once(9));
    let _place = admit(&one).await.unwrap();
    let stem = one.stem.clone().unwrap();
    fs::write(life_of(&stem, 7), "").unwrap();
    let two = process(home.path(), at_once(9));
    let second = admit(&two).await.unwrap();
    assert!(!life_of(&stem, 7).exists());
    assert_eq!(files(home.path()).len(), 3);
    drop(second);
    drop(two);
    assert_eq!(files(home.path()).len(), 2);
}

#[tokio::test]
async fn a_damaged_state_begins_anew_and_a_newer_one_refuses_all() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits::new(&[], &[limit(2)]);
    let one = process(home.path(), limits);
    let _place = admit(&one).await.unwrap();
    fs::write(state(home.path()), "mcpipe limits 1 0001 damaged").unwrap();
    let _second = admit(&one).await.unwrap();
    // The calls of this process are still counted.
    assert!(admit(&one).await.is_none());
    fs::write(state(home.path()), "mcpipe limits 2 …").unwrap();
    let refused = one.admit(&one.limits().for_frame(&call())).await;
    assert!(matches!(refused, Err(Error::Newer(_))));
    assert_eq!(
        fs::read_to_string(state(home.path())).unwrap(),
        "mcpipe limits 2 …"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_state_that_was_removed_is_made_anew_for_all() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (process(home.path(), rate(2)), process(home.path(), rate(2)));
    assert!(admit(&one).await.is_some());
    fs::remove_file(state(home.path())).unwrap();
    for of in [&one, &two] {
        assert!(admit(of).await.is_some());
    }
    assert!(admit(&one).await.is_none() && admit(&two).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_never_comes_free_refuses_after_a_while() {
    let home = tempfile::tempdir().unwrap();
    let one = process(home.path(), rate(9));
    assert!(admit(&one).await.is_some());
    let other = SharedFile::open(&state(home.path())).unwrap();
    let content = other.try_lock().unwrap().unwrap();
    let begun = Instant::now();
    let refused = one.admit(&one.limits().for_frame(&call())).await;
    assert!(matches!(refused, Err(Error::Held(_))) && begun.elapsed() >= PATIENCE);
    // A call that waits goes on when the lock is free.
    let applied = one.limits().for_frame(&call());
    let mut waits = pin!(one.admit(&applied));
    assert!(waits.as_mut().now_or_never().is_none());
    drop(content);
    assert!(waits.await.unwrap().is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn without_a_place_for_the_state_all_calls_are_refused() {
    for (stem, expected) in [
        (stem(Path::new("/dev/null"), "default"), "/dev/null"),
        (None, "no home directory"),
    ] {
        let nowhere = SharedLimits::new(rate(9), stem, || UNIX_EPOCH);
        let refused = nowhere.admit(&nowhere.limits().for_frame(&call())).await;
        let error = refused.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_decision_is_made_at_once_and_needs_no_turn_of_the_runtime() {
    let home = tempfile::tempdir().unwrap();
    let one = process(home.path(), at_once(9));
    let applied = one.limits().for_frame(&call());
    for _ in 0..500 {
        let admitted = one.admit(&applied).now_or_never();
        drop(admitted.unwrap().unwrap().unwrap());
    }
}
