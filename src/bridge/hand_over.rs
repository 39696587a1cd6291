//! The host of a server that is not at its address: told after the search, or handed over to a bridge to the address that
//! was found.

use tokio::sync::{mpsc, oneshot};

use crate::bridge::elsewhere::{Absence, Found, Moved};
use crate::bridge::end::{Ended, Outcome};
use crate::bridge::state::{Bridge, Inputs, WriterGone};
use crate::frame::Frame;
use crate::remote::Remote;
use crate::stdio::Host;

impl<R: Remote> Bridge<R> {
    /// Searches for the server before the host is told the error, and returns the message that the host is told.
    ///
    /// # Errors
    /// The server was found, and nothing more is to be written here.
    pub(super) async fn search(&mut self, status: u16, told: Frame) -> Result<Frame, WriterGone> {
        let Absence::Watched {
            elsewhere, lines, ..
        } = std::mem::replace(&mut self.absence, Absence::Over)
        else {
            return Ok(told);
        };
        let found = tokio::select! {
            found = elsewhere.search(status) => found,
            () = self.stop.soon.cancelled() => Found::Nothing,
            () = self.stop.now.cancelled() => Found::Nothing,
            () = self.out.closed() => Found::Nothing,
        };
        match found {
            Found::Nothing => Ok(told),
            Found::Told(error) => Ok(match told.id() {
                Some(id) => error.reply(id),
                None => told,
            }),
            Found::At(to) => {
                self.absence = Absence::Moved {
                    elsewhere,
                    lines,
                    to,
                };
                Err(WriterGone)
            }
        }
    }

    /// Ends this run without a word to the host, which goes on with the server at its other address.
    pub(super) fn hand_over(mut self, inputs: &mut Inputs) -> Outcome {
        for running in self.running.values() {
            running.token.cancel();
        }
        if let Some(enforcement) = &self.enforcement {
            enforcement.leave();
        }
        if let Absence::Moved {
            elsewhere,
            lines,
            to,
        } = std::mem::replace(&mut self.absence, Absence::Over)
        {
            let host = Host {
                lines: std::mem::replace(&mut inputs.lines, mpsc::channel(1).1),
                out: self.out,
                flushed: std::mem::replace(&mut inputs.flushed, oneshot::channel().1),
            };
            elsewhere.hand_over(Moved {
                host: host.again(lines),
                to,
            });
        }
        Outcome {
            ended: Ended::Moved,
            unanswered: None,
        }
    }
}
