//! What the binary promises, by behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "clippy knows tests by their attribute, and not the functions they share"
)]

mod support; // the worlds that tests live in: remotes, hosts, an authorization server, a browser

mod caching; // what is answered without asking again, for whom, and until when
mod chaos; // random schedules: one outcome each, whatever happens
mod child_processes; // what the programs that mcpipe starts inherit from it
mod command_line; // help, version, bad input, exit codes
mod coordination; // many processes, one vault: one browser, one refresh, whoever dies in the middle
mod dpop; // tokens bound to a key: proofs, nonces, clocks, and servers that change their minds
mod drain; // end of file, signals, broken pipes, remotes that are dead: debts paid, nobody waits
mod early_initialize; // a host received while a person signs in
mod era_detection; // which revision a server is spoken to in, whatever it answers to the first question
mod eras; // plays every transcript in fixtures/
mod examples; // every example in the README is run
mod fallback; // HTTP+SSE (2024-11-05), found or forced
mod fidelity; // between the eras, what no rule names arrives as it left, to the letter
mod floors; // the order of modules: imports point down
mod header_command; // headers from a program: when it is run, again, and never
mod hostile; // a few megabytes from a server cost a few megabytes
mod import; // what mcp-remote kept, found and taken over
mod login; // from 401 to a credential, and everything that can go wrong on the way
mod messages; // answers with other ids, types and places than the specification has
mod modern; // modern servers: asked again as new requests, remembered, mistaken for what they were
mod modern_to_legacy; // a modern host with a legacy server: sessions the host knows nothing of
mod network; // encodings, redirects, proxies, headers
mod passthrough; // what goes through unchanged, byte for byte, and what travels beside it
mod patience; // what is tried again and when, what is given up, what is kept within bounds
mod pins; // what other versions and people rely on: texts on disk, names, words, help
mod recordings; // what may be passed on of what was said
mod requirements; // the table of rules names tests that exist, and the standards that the source names
mod secrets; // what was sent as a proof and is said back
mod sessions; // opened in order, opened again when lost
mod stories; // nine users: what each types, and all that each reads
mod streams; // cut answers resumed, standing streams reopened
mod tls; // certificates, roots, and a whole sign-in over TLS
mod turmoil; // the translator alone, between anything and anything: one answer each, no call twice
mod unattended; // tokens without a person: client credentials, workloads, an enterprise's provider
mod vault; // what is kept: wrong passphrases, damaged files, private modes, many writers
