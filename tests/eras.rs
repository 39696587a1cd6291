//! Plays every transcript in `fixtures/transcripts` through the bridge, and then once more what was recorded of it.
//!
//! A file named for its behaviour is a test; adding one needs no code. The format is told in `mcpipe::transcript`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcpipe::auth::Authorizer;
use mcpipe::bridge::{self, Parts, Settings, Stop};
use mcpipe::era::Protocol;
use mcpipe::frame::Parsed;
use mcpipe::ledger::Ledger;
use mcpipe::recorder::Recorder;
use mcpipe::remote::Remote;
use mcpipe::remote::recording::Recorded;
use mcpipe::stdio::Host;
use mcpipe::transcript::redact::Redactor;
use mcpipe::transcript::{Entry, Transcript};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::support::replay::Replay;

/// Time is paused, so this passes as soon as nothing else can happen: longer than anything waits.
const FOR_EVER: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn every_transcript_plays() {
    let mut failures = Vec::new();
    for path in transcripts() {
        if let Err(why) = played(&read(&path), &settings(&path)).await {
            failures.push(format!("{}:\n{why}", path.display()));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn what_is_recorded_of_a_play_plays() {
    let mut failures = Vec::new();
    for path in transcripts() {
        let recording = recorded(&read(&path), &settings(&path)).await;
        if let Err(why) = played(&recording, &settings(&path)).await {
            failures.push(format!("{}:\n{why}\nof\n{recording}", path.display()));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_bridge_that_does_something_else_is_told_apart() {
    let swapped = r#"
        {"host":{"id":1,"method":"tools/list"}}
        {"post":{"id":1,"method":"tools/list","params":{}}}
        {"answer":200,"json":{"result":{}}}
        {"bridge":{"id":1,"result":{"mood":"fine"}}}
    "#;
    let why = played(swapped, &with_protocol(Protocol::Legacy))
        .await
        .unwrap_err();
    for part in [
        "at params: expected {}, found nothing",
        "never came: line 3",
        "never came: line 5",
    ] {
        assert!(why.contains(part), "{part} in\n{why}");
    }
}

/// Every transcript there is, in a fixed order.
fn transcripts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transcripts")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "jsonl") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no transcripts");
    found
}

/// Which protocol the bridge is told to speak, by the folder: one for how the eras are found out, and one for each pair
/// of them, named for what is translated.
fn protocol(path: &Path) -> Protocol {
    let folder = path.parent().and_then(Path::file_name).unwrap();
    match folder.to_str().unwrap() {
        "same-era" => Protocol::Legacy,
        // Which of its eras a server is spoken to in is another folder's business.
        "legacy-host" => Protocol::Modern,
        "detection" | "modern-host" | "modern" => Protocol::Auto,
        other => panic!("no protocol is known for the folder {other}"),
    }
}

fn with_protocol(protocol: Protocol) -> Settings {
    Settings {
        protocol,
        ..Settings::new(|| SystemTime::UNIX_EPOCH)
    }
}

/// The settings of the play: the protocol by the folder, and the policy by a note that is a command line.
fn settings(path: &Path) -> Settings {
    let mut settings = with_protocol(protocol(path));
    let text = read(path);
    let note = text.lines().find_map(|line| {
        let note: serde_json::Value = serde_json::from_str(line).ok()?;
        let flags = note["note"].as_str()?.strip_prefix("mcpipe ")?.to_owned();
        Some(flags)
    });
    if let Some(flags) = note {
        settings.policy = crate::policy::rules(&flags);
    }
    settings
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Plays a transcript; what went wrong, if anything did.
async fn played(text: &str, settings: &Settings) -> Result<(), String> {
    let transcript = Transcript::parse(text).map_err(|error| error.to_string())?;
    let replay = Replay::new(transcript);
    let (host, near) = in_process_host();
    perform(&replay, replay.clone(), host, near, settings).await
}

/// What is recorded of a play.
async fn recorded(text: &str, settings: &Settings) -> String {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("recording.jsonl");
    let recorder = Recorder::new(Ledger::open(&path).unwrap(), Redactor::default());
    let replay = Replay::new(Transcript::parse(text).unwrap());
    let remote = Recorded::new(replay.clone(), recorder.clone());
    let (host, near) = in_process_host();
    let host = recorder.host(host, &TaskTracker::new());
    let played = perform(&replay, remote, host, near, settings).await;
    // The first test says why.
    drop(played);
    recorder.finish().await.unwrap();
    let recording: String = read(&path).lines().map(without_wording).collect();
    with_named_states(&recording)
}

/// A request state of the bridge's is made of random bytes, and so are the ids of its own requests: a script must give them
/// names, for the next play has others.
fn with_named_states(recording: &str) -> String {
    let mut named = recording.to_owned();
    let ids = recording.split(r#""id":"mcpipe-"#).skip(1);
    for id in ids.filter_map(|rest| rest.split('"').next()) {
        let (_, number) = id.split_once('-').unwrap();
        named = named.replace(&format!("\"mcpipe-{id}\""), &format!("\"$own{number}\""));
    }
    let said = recording
        .lines()
        .filter(|line| line.contains(r#""bridge":"#));
    let states = said.filter_map(|line| {
        let (_, state) = line.split_once(r#""requestState":""#)?;
        state.split_once('"').map(|(state, _)| state)
    });
    for (number, state) in states.enumerate() {
        named = named.replace(&format!("\"{state}\""), &format!("\"$state{number}\""));
    }
    named
}

/// Lines that are no messages are not recorded as they were, so the words they are refused with differ.
fn without_wording(line: &str) -> String {
    let is_refusal = line.contains(r#""code":-32700"#) || line.contains(r#""code":-32600"#);
    if is_refusal && line.contains(r#""bridge":"#) {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["bridge"]["error"]
            .as_object_mut()
            .unwrap()
            .remove("message");
        return format!("{value}\n");
    }
    format!("{line}\n")
}

/// The host's ends of its pipes.
struct InProcess {
    lines: mpsc::Sender<mcpipe::stdio::Line>,
    out: mpsc::Receiver<mcpipe::stdio::Written>,
    flushed: oneshot::Sender<()>,
}

fn in_process_host() -> (Host, InProcess) {
    let (lines_in, lines) = mpsc::channel(mcpipe::stdio::QUEUE);
    let (out, out_from) = mpsc::channel(mcpipe::stdio::QUEUE);
    let (flushed_in, flushed) = oneshot::channel();
    let host = Host {
        lines,
        out,
        flushed,
    };
    let near = InProcess {
        lines: lines_in,
        out: out_from,
        flushed: flushed_in,
    };
    (host, near)
}

async fn perform(
    replay: &Replay,
    remote: impl Remote,
    host: Host,
    near: InProcess,
    settings: &Settings,
) -> Result<(), String> {
    let InProcess {
        lines,
        mut out,
        flushed,
    } = near;
    let parts = Parts {
        host,
        remote,
        authorizer: Arc::new(Authorizer::off()),
        settings: settings.clone(),
        stop: Stop::default(),
    };
    let speaking = async move {
        let mut has_left = false;
        while let Ok(Some(entry)) = timeout(FOR_EVER, replay.next_of_host()).await {
            match entry {
                Entry::Host(line) => {
                    // A bridge that is gone complains by what never comes.
                    let _ = lines.send(Parsed::read(&line)).await;
                }
                _ => {
                    has_left = true;
                    break;
                }
            }
        }
        if has_left {
            drop(lines);
            return None;
        }
        // What the bridge does when the host leaves is not told in this transcript, what it does now would be.
        let _ = timeout(FOR_EVER, replay.over()).await;
        sleep(Duration::from_secs(1)).await;
        Some(replay.complaint())
    };
    let hearing = async move {
        while let Some(written) = out.recv().await {
            replay.said(&written.text());
        }
        let _ = flushed.send(());
    };
    let everything = async { tokio::join!(bridge::run(parts), speaking, hearing) };
    let Ok((_, complaint, ())) = timeout(10 * FOR_EVER, everything).await else {
        let complaint = replay.complaint().unwrap_or_default();
        return Err(format!("the bridge never ended\n{complaint}"));
    };
    match complaint.unwrap_or_else(|| replay.complaint()) {
        None => Ok(()),
        Some(complaint) => Err(complaint),
    }
}
