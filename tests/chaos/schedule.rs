//! What happens in one case: drawn at random, shrunk when it fails.

use mcpipe::era::Transport;
use proptest::prelude::*;

/// What the host does, in order.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// A request that may do harm, or one that does none.
    Call,
    List,
    /// Several requests in one line.
    Batch(usize),
    Ping,
    Note,
    Subscribe,
    Initialize,
    /// Cancels one of the requests said so far.
    Cancel(prop::sample::Index),
    /// Answers the remote's oldest open question.
    Answer,
    Wait(u64),
    /// The remote forgets its session and its streams.
    Restart,
}

/// How the remote takes one request.
#[derive(Clone, Debug)]
pub(super) enum Mood {
    Plain {
        after: u64,
    },
    /// Truncated in the middle of its body.
    Short {
        at: usize,
    },
    Stream {
        has_ids: bool,
        notes: usize,
        asks: bool,
        cut: Option<usize>,
        after: u64,
    },
    Refuse {
        status: u16,
        retry: Option<u64>,
    },
    Unreachable,
    Cut,
    Accepted,
    Nonsense,
    /// Under another id, on a stream that may stay open.
    ForAnother {
        spelling: u8,
        stays: bool,
    },
    Never,
}

/// How the remote takes a GET.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    NotOffered,
    Notes { notes: usize, cut: Option<usize> },
    Busy,
    Never,
    Unreachable,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Eof,
    Told,
    ToldTwice,
    Deaf,
}

#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) transport: Transport,
    pub(super) said: Vec<Said>,
    pub(super) moods: Vec<Mood>,
    pub(super) openings: Vec<Mood>,
    pub(super) standings: Vec<Standing>,
    /// How long the host takes to read a line.
    pub(super) reading: u64,
    pub(super) max_in_flight: usize,
    pub(super) call_timeout: Option<u64>,
    /// Whether the host stays for an hour before it leaves.
    pub(super) stays: bool,
    pub(super) end: End,
}

pub(super) fn schedules() -> impl Strategy<Value = Schedule> {
    let said = prop_oneof![
        6 => Just(Said::Call),
        3 => Just(Said::List),
        1 => (0..4usize).prop_map(Said::Batch),
        1 => Just(Said::Ping),
        1 => Just(Said::Note),
        1 => Just(Said::Subscribe),
        1 => Just(Said::Initialize),
        3 => any::<prop::sample::Index>().prop_map(Said::Cancel),
        2 => Just(Said::Answer),
        3 => (0..20_000u64).prop_map(Said::Wait),
        2 => Just(Said::Restart),
    ];
    let after = || prop_oneof![3 => Just(0), 1 => 0..40_000u64];
    let cut = || prop_oneof![1 => Just(None), 2 => (0..600usize).prop_map(Some)];
    let stream = (any::<bool>(), 0..4usize, any::<bool>(), cut(), after()).prop_map(
        |(has_ids, notes, asks, cut, after)| Mood::Stream {
            has_ids,
            notes,
            asks,
            cut,
            after,
        },
    );
    let refuse = (
        prop::sample::select(vec![400, 403, 404, 408, 410, 429, 500, 502, 503, 504]),
        prop::option::of(0..50u64),
    )
        .prop_map(|(status, retry)| Mood::Refuse { status, retry });
    let mood = prop_oneof![
        4 => after().prop_map(|after| Mood::Plain { after }),
        2 => (0..60usize).prop_map(|at| Mood::Short { at }),
        6 => stream,
        2 => refuse,
        1 => Just(Mood::Unreachable),
        1 => Just(Mood::Cut),
        1 => Just(Mood::Accepted),
        1 => Just(Mood::Nonsense),
        2 => (any::<u8>(), any::<bool>())
            .prop_map(|(spelling, stays)| Mood::ForAnother { spelling, stays }),
        1 => Just(Mood::Never),
    ];
    let opening = prop_oneof![
        8 => after().prop_map(|after| Mood::Plain { after }),
        1 => Just(Mood::Refuse { status: 500, retry: None }),
        1 => Just(Mood::Unreachable),
        1 => Just(Mood::Cut),
        1 => (0..60usize).prop_map(|at| Mood::Short { at }),
    ];
    let standing = prop_oneof![
        2 => Just(Standing::NotOffered),
        4 => (0..4usize, cut()).prop_map(|(notes, cut)| Standing::Notes { notes, cut }),
        1 => Just(Standing::Busy),
        1 => Just(Standing::Never),
        1 => Just(Standing::Unreachable),
    ];
    let end = prop_oneof![
        4 => Just(End::Eof),
        2 => Just(End::Told),
        1 => Just(End::ToldTwice),
        1 => Just(End::Deaf),
    ];
    let transport = prop_oneof![
        4 => Just(Transport::HttpFirst),
        1 => Just(Transport::SseOnly),
        1 => Just(Transport::SseFirst),
    ];
    (
        (transport, prop::collection::vec(said, 1..25)),
        prop::collection::vec(mood, 1..12),
        prop::collection::vec(opening, 1..4),
        prop::collection::vec(standing, 1..4),
        (
            prop_oneof![2 => Just(0u64), 1 => 0..300u64],
            prop_oneof![Just(512usize), 1..4usize],
            prop_oneof![2 => Just(None), 1 => (1..60_000u64).prop_map(Some)],
        ),
        (any::<bool>(), end),
    )
        .prop_map(
            |(beginning, moods, openings, standings, limits, (stays, end))| Schedule {
                transport: beginning.0,
                said: beginning.1,
                moods,
                openings,
                standings,
                reading: limits.0,
                max_in_flight: limits.1,
                call_timeout: limits.2,
                stays,
                end,
            },
        )
}
