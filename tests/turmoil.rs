//! The translator alone, between any host and any remote, in any order: every request of the host's is answered once,
//! or was cancelled, by the time nothing is under way any more; no tool is called again that may have been called; each event
//! of a stream is heard once, in order, whatever becomes of its streams; and nothing is left behind.
//!
//! What `chaos` does to the whole bridge and one pair of eras, this does to all four and to the ways between them, with
//! remotes that say what no server would. `MCPIPE_TURMOIL_CASES` plays more (default 400), `MCPIPE_TURMOIL_SEED`
//! others.

mod files; // files of skills and their digests
mod remote; // a server of either era
mod stream; // streams of events
mod world; // the host, the translator and their rules

use mcpipe::era::{Options, Protocol, RememberedDiscover, ServerEra, Transport};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::time::Duration;

use self::world::{Era, World};

/// One thing that happens; the numbers choose among what could.
#[derive(Clone, Copy, Debug)]
enum Op {
    Ask(u8),
    Cancel(u8),
    Answer(u8, u8),
    Notify(u8),
    /// From the remote: on which exchange, and what.
    Arrive(u8, u8),
    Wake(u8),
    /// In milliseconds.
    Pass(u16),
    OtherName,
    Ping,
}

#[derive(Clone, Debug)]
struct Case {
    host: Era,
    protocol: Protocol,
    transport: Transport,
    remembered: Option<ServerEra>,
    knows: bool,
    is_legacy_untried: bool,
    ops: Vec<Op>,
    /// Whether the host leaves in the middle of it all, rather than when all is said.
    leaves: bool,
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => any::<u8>().prop_map(Op::Ask),
        1 => any::<u8>().prop_map(Op::Cancel),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Op::Answer(a, b)),
        1 => any::<u8>().prop_map(Op::Notify),
        16 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Op::Arrive(a, b)),
        3 => any::<u8>().prop_map(Op::Wake),
        1 => any::<u16>().prop_map(Op::Pass),
        1 => select(vec![Op::OtherName, Op::Ping]),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    let host = select(vec![Era::Legacy, Era::Modern, Era::Both]);
    let protocol = prop_oneof![
        4 => Just(Protocol::Auto),
        1 => select(vec![Protocol::Legacy, Protocol::Modern]),
    ];
    let transport = prop_oneof![
        6 => Just(Transport::HttpOnly),
        2 => Just(Transport::HttpFirst),
        1 => select(vec![Transport::SseFirst, Transport::SseOnly]),
    ];
    let remembered = select(vec![
        None,
        Some(ServerEra::Legacy),
        Some(ServerEra::Modern),
        Some(ServerEra::Both),
    ]);
    let knows = any::<(bool, bool)>();
    let beginning = (host, protocol, transport, remembered, knows);
    (beginning, vec(ops(), 0..90), any::<bool>()).prop_map(|(beginning, ops, leaves)| {
        let (host, protocol, transport, remembered, (knows, is_legacy_untried)) = beginning;
        Case {
            host,
            protocol,
            transport,
            remembered,
            knows,
            is_legacy_untried,
            ops,
            leaves,
        }
    })
}

fn play(case: &Case) {
    let known = RememberedDiscover {
        capabilities: world::CAPABILITIES.into(),
        discover: remote::DISCOVERED.into(),
    };
    let mut world = World::new(
        case.host,
        Options {
            protocol: case.protocol,
            transport: case.transport,
            remembered: case.remembered,
            is_legacy_untried: case.is_legacy_untried,
            known: case.knows.then_some(known).into_iter().collect(),
            server: "s".into(),
            seed: [7; 32],
            cache_ttl: Some(Duration::from_secs(1)),
            ..Options::default()
        },
    );
    for op in &case.ops {
        match *op {
            Op::Ask(which) => world.ask(which),
            Op::Cancel(which) => world.cancel(which),
            Op::Answer(which, how) => world.answer(which, how),
            Op::Notify(which) => world.notify(which),
            Op::Arrive(which, what) => world.arrive(which, what),
            Op::Wake(which) => world.wake(which),
            Op::Pass(millis) => world.pass(millis),
            Op::OtherName => world.other_name(),
            Op::Ping => world.ping(),
        }
    }
    world.end(case.leaves);
}

#[test]
fn whatever_happens_each_request_is_answered_once_and_no_tool_is_called_twice() {
    #[expect(clippy::disallowed_methods, reason = "options of this test")]
    let variable = |name: &str| std::env::var(name).ok();
    let config = Config {
        cases: variable("MCPIPE_TURMOIL_CASES").map_or(400, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..Config::default()
    };
    let seed = variable("MCPIPE_TURMOIL_SEED").map_or(6, |seed| seed.parse().unwrap());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let outcome = TestRunner::new_with_rng(config, rng).run(&cases(), |case| {
        play(&case);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
