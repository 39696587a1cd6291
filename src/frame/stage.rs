//! The stage in which a request ran out of time.

/// The stage that a request had reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The request waited for its turn among those that the server gets at once.
    Turn,
    /// A credential was obtained for it.
    Credential,
    /// No connection had been made yet.
    Connecting,
    /// The server had refused it for a time, and it waited to be sent again.
    Pause,
    /// The response had not begun.
    Response,
    /// The response had begun.
    Body,
    /// The response was cut, and its rest was asked for.
    Rest,
    /// The server had taken it, and the answer was to come on another stream.
    Stream,
}

impl Stage {
    /// All stages, in their order.
    pub const ALL: [Self; 8] = [
        Self::Turn,
        Self::Credential,
        Self::Connecting,
        Self::Pause,
        Self::Response,
        Self::Body,
        Self::Rest,
        Self::Stream,
    ];

    /// Returns the word for programs: `data.stage` of an error.
    pub fn word(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Credential => "credential",
            Self::Connecting => "connecting",
            Self::Pause => "pause",
            Self::Response => "response",
            Self::Body => "body",
            Self::Rest => "rest",
            Self::Stream => "stream",
        }
    }

    /// Returns the clause for people, with "it" for the request.
    pub fn clause(self) -> &'static str {
        match self {
            Self::Turn => "it still waited for its turn (--max-in-flight), and was not sent",
            Self::Credential => "a credential for it was still being obtained, and it was not sent",
            Self::Connecting => "there was no connection yet, and it was not sent",
            Self::Pause => {
                "the server had refused it for a time, and it was to be sent again, so nothing was done"
            }
            Self::Response => "it was sent, and the response had not begun",
            Self::Body => "it was sent, and the response was not complete",
            Self::Rest => {
                "it was sent, the response was cut, and the rest of it was being asked for"
            }
            Self::Stream => "the server had taken it, and the answer was still to come",
        }
    }

    /// Says whether the server may have carried the request out.
    pub fn may_have_run(self) -> bool {
        match self {
            Self::Turn | Self::Credential | Self::Connecting | Self::Pause => false,
            Self::Response | Self::Body | Self::Rest | Self::Stream => true,
        }
    }
}
