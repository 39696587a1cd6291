//! `--record`: writes every frame of the host and every exchange with the server to a [`Ledger`], as a
//! [transcript](crate::transcript).
//!
//! [`Recorder::host`] records the host, and the server is recorded by [`Recorded`](crate::remote::recording::Recorded).
//! Everything goes through the redactor before it is queued. A recording that fails does not stop the bridge.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::era::secrets;
use crate::frame::{Frame, PARSE_ERROR, Parsed, member_of};
use crate::ledger::{self, Ledger};
use crate::secret::Secret;
use crate::stdio::{Host, Line, QUEUE, Written};
use crate::transcript::redact::Redactor;
use crate::transcript::{About, Entry, ExchangeNumber};

/// Writes a recording; clones write to the same one.
#[derive(Clone, Debug)]
pub struct Recorder {
    ledger: Ledger,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Held for one line at a time, never across an await.
    redactor: Mutex<Redactor>,
    began: Instant,
    exchanges: AtomicU64,
    /// The eras that have shown themselves: the host's, the server's.
    eras: Mutex<[Option<Era>; 2]>,
}

/// An era of the protocol: with a handshake, or with a revision in every request (2026-07-28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25 and before.
    Legacy,
    /// 2026-07-28.
    Modern,
}

impl Era {
    /// Returns the era of a message with which a party begins, if it shows one.
    pub fn of(frame: &Frame) -> Option<Self> {
        let meta = frame.param("_meta").unwrap_or("{}");
        let names_revision = member_of(meta, "io.modelcontextprotocol/protocolVersion").is_some();
        match frame.method() {
            Some("initialize") => Some(Self::Legacy),
            Some("server/discover") => None, // it asks
            Some(_) if names_revision => Some(Self::Modern),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

impl Recorder {
    /// Begins a recording.
    pub fn new(ledger: Ledger, redactor: Redactor) -> Self {
        let shared = Shared {
            redactor: Mutex::new(redactor),
            began: Instant::now(),
            exchanges: AtomicU64::new(0),
            eras: Mutex::default(),
        };
        Self {
            ledger,
            shared: Arc::new(shared),
        }
    }

    /// Begins with what the reader has to know of this process, a JSON object. What was in the file before is another's.
    pub fn begin(&self, mut about: serde_json::Value) {
        if self.ledger.is_continued()
            && let Some(about) = about.as_object_mut()
        {
            about.insert("continues".into(), true.into());
        }
        self.write_now(Entry::About(About::Recording, about.to_string()));
    }

    /// Adds a line. That the ledger is broken it has said itself, once; the bridge goes on.
    pub async fn write(&self, entry: Entry) {
        let _ = self.ledger.write(self.line(entry)).await;
    }

    /// Adds a short line where nothing can wait.
    pub fn write_now(&self, entry: Entry) {
        let _ = self.ledger.write_now(self.line(entry));
    }

    /// Notes the era that the host, or the server, has shown to speak; it is written down when it is news.
    pub fn note_era(&self, is_servers: bool, era: Era) {
        let eras = {
            let mut eras = self
                .shared
                .eras
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let [host, server] = &mut *eras;
            let place = if is_servers { server } else { host };
            if place.replace(era) == Some(era) {
                return;
            }
            *eras
        };
        let [host, server] = eras.map(|era| era.map(Era::name));
        let eras = serde_json::json!({ "host": host, "server": server });
        self.write_now(Entry::About(About::Eras, eras.to_string()));
    }

    /// Keeps a secret out of everything written from now on.
    pub fn learn(&self, secret: Secret) {
        self.learner()(secret);
    }

    /// Does as [`Recorder::learn`], for a caller that may outlive the recording.
    pub fn learner(&self) -> impl Fn(Secret) + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move |secret| {
            let redactor = &shared.redactor;
            let mut redactor = redactor.lock().unwrap_or_else(PoisonError::into_inner);
            redactor.learn(secret);
        }
    }

    /// Writes down what is asked while signing in, for a listener that may outlive the recording.
    pub fn sign_ins(&self) -> impl Fn(serde_json::Value) + Send + Sync + 'static {
        let (ledger, shared) = (self.ledger.weak(), Arc::clone(&self.shared));
        move |asked| {
            if let Some(ledger) = ledger.get() {
                let entry = Entry::About(About::SignIn, asked.to_string());
                let _ = ledger.write_now(shared.line(entry));
            }
        }
    }

    /// A new exchange's name.
    pub fn exchange(&self) -> ExchangeNumber {
        self.shared.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Returns the same host, overheard. Two tasks on `tracker` pass everything on and end with their channels.
    pub fn host(&self, host: Host, tracker: &TaskTracker) -> Host {
        let Host {
            lines,
            out,
            flushed,
        } = host;
        let (lines_in, lines_out) = mpsc::channel(QUEUE);
        let (out_in, out_out) = mpsc::channel(QUEUE);
        tracker.spawn(overhear_lines(self.clone(), lines, lines_in));
        tracker.spawn(overhear_out(self.clone(), out_out, out));
        Host {
            lines: lines_out,
            out: out_in,
            flushed,
        }
    }

    /// Waits until every clone is gone and the last line is on disk.
    ///
    /// # Errors
    /// The recording is not whole.
    pub async fn finish(self) -> Result<(), ledger::Error> {
        self.ledger.finish().await
    }

    fn line(&self, entry: Entry) -> String {
        self.shared.line(entry)
    }
}

impl Shared {
    fn line(&self, entry: Entry) -> String {
        let at = u64::try_from(self.began.elapsed().as_millis()).ok();
        let mut redactor = self.redactor.lock().unwrap_or_else(PoisonError::into_inner);
        redactor.entry(entry).line(at)
    }
}

async fn overhear_lines(
    recorder: Recorder,
    mut from: mpsc::Receiver<Line>,
    to: mpsc::Sender<Line>,
) {
    loop {
        let line = tokio::select! {
            line = from.recv() => line,
            () = to.closed() => return,
        };
        let Some(line) = line else {
            return recorder.write(Entry::Eof).await;
        };
        if let Ok(Parsed::One(frame)) = &line
            && let Some(era) = Era::of(frame)
        {
            recorder.note_era(false, era);
        }
        match &line {
            Ok(Parsed::One(frame)) => secrets::note(frame),
            Ok(Parsed::Batch(members)) => members.iter().flatten().for_each(secrets::note),
            Err(_) => {}
        }
        recorder.write(Entry::Host(said(&line))).await;
        if to.send(line).await.is_err() {
            return;
        }
    }
}

async fn overhear_out(
    recorder: Recorder,
    mut from: mpsc::Receiver<Written>,
    to: mpsc::Sender<Written>,
) {
    loop {
        let written = tokio::select! {
            written = from.recv() => written,
            // The loop learns from its own channel's end that the reader is gone.
            () = to.closed() => None,
        };
        let Some(written) = written else { return };
        recorder.write(Entry::Bridge(written.text())).await;
        if to.send(written).await.is_err() {
            return;
        }
    }
}

/// The line's text; of a line that is no message, one that is refused with the same code. What it was is not kept:
/// it is gone by the time it is known to be none.
fn said(line: &Line) -> String {
    match line {
        Ok(Parsed::One(frame)) => frame.text().into(),
        Ok(Parsed::Batch(members)) => {
            let texts: Vec<_> = members
                .iter()
                .map(|member| match member {
                    Ok(frame) => frame.text(),
                    Err(_) => "{}",
                })
                .collect();
            format!("[{}]", texts.join(","))
        }
        Err(malformed) if malformed.code == PARSE_ERROR => malformed.reason.clone(),
        Err(malformed) => match &malformed.id {
            Some(id) => format!(r#"{{"jsonrpc":"2.0","id":{id}}}"#),
            None => r#"{"jsonrpc":"2.0"}"#.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Transcript;

    #[tokio::test]
    async fn both_directions_of_the_near_bank_are_recorded_and_passed_on() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("recording.jsonl");
        let recorder = Recorder::new(
            Ledger::open(&path).unwrap(),
            Redactor::new([Secret::new("swordfish")]),
        );
        let tracker = TaskTracker::new();
        let (page_in, mut page) = std::io::pipe().map(|(from, to)| (to, from)).unwrap();
        let input: &[u8] =
            b"{\"jsonrpc\":\"2.0\",\"method\":\"swordfish\"}\n{broken\n{\"jsonrpc\":\"2.0\",\"id\":1}\n";
        let mut host = recorder.host(Host::over(input, page_in, 1000), &tracker);

        assert!(host.lines.recv().await.unwrap().is_ok());
        let codes = [
            host.lines.recv().await.unwrap().unwrap_err().code,
            host.lines.recv().await.unwrap().unwrap_err().code,
        ];
        assert!(host.lines.recv().await.is_none());
        let frame = Frame::notification("hello", None);
        host.out.send(Written::One(frame.clone())).await.unwrap();
        drop(host.out);
        host.flushed.await.unwrap();
        let mut written = String::new();
        std::io::Read::read_to_string(&mut page, &mut written).unwrap();
        assert_eq!(written, format!("{}\n", frame.text()));
        recorder.finish().await.unwrap();

        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("swordfish"), "{text}");
        let entries = Transcript::parse(&text).unwrap().lines;
        let again: Vec<_> = entries
            .iter()
            .filter_map(|line| match &line.entry {
                Entry::Host(text) => Parsed::read(text).err().map(|malformed| malformed.code),
                _ => None,
            })
            .collect();
        assert_eq!(again, codes);
        assert!(entries.iter().any(|line| line.entry == Entry::Eof));
        assert!(
            entries
                .iter()
                .any(|line| line.entry == Entry::Bridge(frame.text().into()))
        );
    }
}
