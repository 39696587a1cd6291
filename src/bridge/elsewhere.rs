//! A server that is not at its address: the signs of it, and the search for the server elsewhere.
//!
//! The one sign is that the first request is answered with 404 or 405 and that nothing that follows comes from an MCP
//! server, the attempts of older protocols included. The host is told of it by the first error; that error waits for the
//! search. Where a server is found, nothing has been done for the host: all its lines are read again.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use url::Url;

use crate::era::Arrival;
use crate::frame::{BridgeError, Frame, Parsed};
use crate::stdio::{Host, Line, Written};

/// The most lines of the host that are kept to be read again; with more there is no search.
const MAX_LINES: usize = 1024;

/// A search for the server at another address, and the place of the host that is handed over.
#[derive(Clone)]
pub struct Elsewhere {
    search: Search,
    moved: Arc<Mutex<Option<Moved>>>,
}

type Search = Arc<dyn Fn(u16) -> BoxFuture<'static, Found> + Send + Sync>;

/// The result of a search.
#[derive(Debug)]
pub enum Found {
    /// Nothing: the host is told what the server answered.
    Nothing,
    /// Something to tell the host in the place of that.
    Told(BridgeError),
    /// The server is at this address.
    At(Url),
}

/// A host that was handed over.
#[derive(Debug)]
pub struct Moved {
    /// The host; its lines begin with those that were read before.
    pub host: Host,
    /// The address of the server.
    pub to: Url,
}

impl Elsewhere {
    /// Makes one of a search, which gets the status that the server's address answered with.
    pub fn new(search: impl Fn(u16) -> BoxFuture<'static, Found> + Send + Sync + 'static) -> Self {
        Self {
            search: Arc::new(search),
            moved: Arc::default(),
        }
    }

    /// Takes the host, after a run that ended with [`Ended::Moved`](crate::bridge::Ended::Moved).
    pub fn take(&self) -> Option<Moved> {
        self.place().take()
    }

    pub(super) fn search(&self, status: u16) -> BoxFuture<'static, Found> {
        (self.search)(status)
    }

    pub(super) fn hand_over(&self, moved: Moved) {
        *self.place() = Some(moved);
    }

    fn place(&self) -> MutexGuard<'_, Option<Moved>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Elsewhere {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Elsewhere")
    }
}

/// The signs that no server is at its address.
#[derive(Debug)]
pub(super) enum Absence {
    /// There may be none.
    Watched {
        elsewhere: Elsewhere,
        /// The lines of the host so far.
        lines: Vec<Line>,
        /// The status of the first answer, once it was one of an address without a server.
        status: Option<u16>,
    },
    /// The server was found at another address.
    Moved {
        elsewhere: Elsewhere,
        lines: Vec<Line>,
        to: Url,
    },
    /// A server is there, or was looked for without success.
    Over,
}

impl Absence {
    pub(super) fn new(elsewhere: Option<Elsewhere>) -> Self {
        elsewhere.map_or(Self::Over, |elsewhere| Self::Watched {
            elsewhere,
            lines: Vec::new(),
            status: None,
        })
    }

    pub(super) fn note_line(&mut self, line: &Line) {
        let Self::Watched { lines, .. } = self else {
            return;
        };
        match line {
            _ if lines.len() >= MAX_LINES => *self = Self::Over,
            Ok(_) => lines.push(line.clone()),
            // It is refused at once.
            Err(_) => {}
        }
    }

    /// Notes what the host is told: a line that is answered is not read again.
    pub(super) fn note_written(&mut self, written: &Written) {
        let Self::Watched { lines, .. } = self else {
            return;
        };
        match written {
            Written::One(frame) | Written::Answer { frame, .. } if frame.is_response() => {
                let is_answered = |line: &Line| matches!(line, Ok(Parsed::One(asked)) if asked.is_request() && asked.id() == frame.id());
                // Of two requests with one id the later one is refused.
                if let Some(at) = lines.iter().rposition(is_answered) {
                    let _ = lines.remove(at);
                }
            }
            Written::One(_) | Written::Answer { .. } => {}
            Written::Batch(_) => *self = Self::Over,
        }
    }

    /// Notes what came of a request.
    pub(super) fn note_arrival(&mut self, arrival: &Arrival) {
        let Self::Watched { status, .. } = self else {
            return;
        };
        let is_nothing = match arrival {
            Arrival::Refused(refusal) | Arrival::LostWithSession(refusal) => {
                let is_absent = matches!(refusal.status, 404 | 405) && refusal.redirect.is_none();
                if is_absent {
                    status.get_or_insert(refusal.status);
                }
                // A challenge is a server's, and so is a message.
                status.is_some() && refusal.frame.is_none() && refusal.status != 401
            }
            // Pages are no answer of a server, and the way to it may fail at any time.
            Arrival::Failed(error) | Arrival::GivenUp(error) => {
                status.is_some() && error.kind != "sign_in_needed"
            }
            Arrival::Ended => status.is_some(),
            Arrival::Opened(_)
            | Arrival::Endpoint(_)
            | Arrival::Frame(_)
            | Arrival::Accepted(_) => false,
        };
        if !is_nothing {
            *self = Self::Over;
        }
    }

    /// Returns the status of the server's address, if this message tells the host that no server is there.
    pub(super) fn is_told_by(&self, frame: &Frame) -> Option<u16> {
        match self {
            Self::Watched { status, .. } if frame.is_response() && frame.is_error() => *status,
            _ => None,
        }
    }

    pub(super) fn has_moved(&self) -> bool {
        matches!(self, Self::Moved { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::era::{Head, HttpError};
    use crate::frame::{Id, Malformed};

    fn refused(status: u16) -> Arrival {
        Arrival::Refused(HttpError {
            status,
            ..HttpError::default()
        })
    }

    fn page() -> Arrival {
        Arrival::Failed(BridgeError::new("bad_answer", "A page."))
    }

    fn told_after(arrivals: &[Arrival]) -> Option<u16> {
        let elsewhere = Elsewhere::new(|_| Box::pin(async { Found::Nothing }));
        let mut absence = Absence::new(Some(elsewhere));
        for arrival in arrivals {
            absence.note_arrival(arrival);
        }
        absence.is_told_by(&Frame::error(Some(&Id::ours(1)), -32603, "x", None))
    }

    #[test]
    fn only_what_begins_with_404_or_405_and_brings_nothing_of_a_server_is_no_server() {
        let message = Frame::error(Some(&Id::ours(1)), -32601, "unknown", None);
        let with_frame = Arrival::Refused(HttpError {
            status: 404,
            frame: Some(message.clone()),
            ..HttpError::default()
        });
        for (arrivals, wanted) in [
            (vec![refused(404)], Some(404)),
            (vec![refused(405), refused(404)], Some(405)),
            (vec![refused(404), refused(400), page()], Some(404)),
            (vec![], None),
            (vec![refused(400), refused(404)], None),
            (vec![page(), refused(404)], None),
            (vec![refused(404), refused(401)], None),
            (vec![with_frame], None),
            (vec![refused(404), Arrival::Frame(message)], None),
            (vec![refused(404), Arrival::Accepted(Head::default())], None),
            (vec![refused(404), Arrival::Opened(Head::default())], None),
            (vec![refused(404), Arrival::Endpoint(String::new())], None),
        ] {
            assert_eq!(told_after(&arrivals), wanted, "{arrivals:?}");
        }
    }

    #[test]
    fn what_is_answered_is_not_read_again() {
        let elsewhere = Elsewhere::new(|_| Box::pin(async { Found::Nothing }));
        let mut absence = Absence::new(Some(elsewhere));
        let request = |nth| Frame::request(&Id::ours(nth), "ping", None);
        for frame in [request(1), request(2), request(1)] {
            absence.note_line(&Ok(Parsed::One(frame)));
        }
        absence.note_line(&Err(Malformed::batch("2025-11-25")));
        // The second request with that id.
        absence.note_written(&Written::One(Frame::result(&Id::ours(1), "{}")));
        absence.note_written(&Written::One(request(2)));
        let Absence::Watched { lines, .. } = &absence else {
            panic!("{absence:?}");
        };
        let ids = lines.iter().map(|line| match line {
            Ok(Parsed::One(frame)) => frame.id().cloned(),
            _ => None,
        });
        let wanted = [Some(Id::ours(1)), Some(Id::ours(2))];
        assert_eq!(ids.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn a_host_that_says_very_much_first_is_not_kept() {
        let elsewhere = Elsewhere::new(|_| Box::pin(async { Found::Nothing }));
        let mut absence = Absence::new(Some(elsewhere));
        let line = || Ok(Parsed::One(Frame::notification("x", None)));
        for _ in 0..MAX_LINES {
            absence.note_line(&line());
        }
        assert!(matches!(absence, Absence::Watched { .. }));
        absence.note_line(&line());
        assert!(matches!(absence, Absence::Over));
    }
}
