//! The findings about a server in this run, and those among them that are to be remembered.

use super::options::{Options, RememberedDiscover};
use super::server_era::ServerEra;

/// The findings of one run.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// To be remembered.
    pub(super) server_era: Option<ServerEra>,
    /// To be remembered with [`ServerEra::Modern`]: no legacy host's `initialize` has been tried.
    pub(super) is_legacy_untried: bool,
    /// The server's era as known in this run, whether or not it is to be remembered.
    pub(super) known_era: Option<KnownEra>,
    /// The question was not answered for want of a credential.
    pub(super) was_challenged: bool,
    /// The server's last `DiscoverResult`, until it is taken.
    pub(super) discovered: Option<RememberedDiscover>,
}

/// A finding about the server's era.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownEra {
    pub(super) era: ServerEra,
    /// By an answer that leaves no doubt.
    pub(super) is_sure: bool,
}

impl KnownEra {
    /// Makes one of an answer that leaves no doubt.
    fn sure(era: ServerEra) -> Self {
        Self { era, is_sure: true }
    }
}

impl Findings {
    /// Notes that the server is modern, and is spoken to as that. `is_tried`: a legacy host has nothing better from it.
    pub(super) fn note_modern(&mut self, options: &Options, is_tried: bool) {
        let (remembered, was_untried) = (options.remembered, options.is_legacy_untried);
        self.known_era = Some(KnownEra::sure(ServerEra::Modern));
        match remembered {
            // A modern host has seen nothing to the contrary.
            Some(ServerEra::Both) if !is_tried => {}
            _ => {
                let was_tried = remembered == Some(ServerEra::Modern) && !was_untried;
                self.server_era = Some(ServerEra::Modern);
                self.is_legacy_untried = !is_tried && !was_tried;
            }
        }
    }

    /// Notes that the server serves legacy hosts as well.
    pub(super) fn note_both(&mut self) {
        self.server_era = Some(ServerEra::Both);
        self.is_legacy_untried = false;
        self.known_era = Some(KnownEra::sure(ServerEra::Both));
    }

    /// Notes that the server, asked or spoken to, is legacy after all. It is remembered when a handshake has succeeded.
    pub(super) fn note_legacy(&mut self) {
        self.known_era = Some(KnownEra::sure(ServerEra::Legacy));
    }

    /// Forgets a finding that another answer may correct.
    pub(super) fn forget_unsure(&mut self) {
        self.known_era = self.known_era.filter(|found| found.is_sure);
    }
}
