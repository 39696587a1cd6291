//! What the binary promises, by behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "clippy knows tests by their attribute, and not the functions they share"
)]

mod support; // hosts, servers, an authorization server and a browser that the tests share

mod arguments; // arguments of calls beside the tools' own schemas
mod audit; // a line for each call, in one chain: written, refused, checked and shown
mod caching; // results that are answered again without a request: for which account, and until when
mod chaos; // random failures of server and network: each request gets one outcome
mod child_processes; // environment and descriptors that child processes inherit
mod command_line; // help, version, bad input, exit codes, sentences for the user
mod config_file; // mcpipe.toml: which value counts, which all hold, and where each was set
mod coordination; // several processes with one vault: one browser, one refresh, one registration; an older version beside this one
mod documents; // the paths that the documents for contributors name
mod dpop; // tokens bound to a key: proofs, nonces, clock differences, servers that change their policy
mod drain; // end of file, signals, broken pipes, dead servers: each request is answered, within a bound
mod early_initialize; // `initialize` and `server/discover` answered while a user signs in
mod era_detection; // revision chosen for a server, by its answers to the first question
mod eras; // every transcript of fixtures/, played and recorded
mod events; // streams of events and other requests that stand: silences, cuts, cursors; secrets of webhooks
mod examples; // every example of the README, run
mod fallback; // HTTP+SSE (2024-11-05), found or forced
mod fidelity; // between the eras, members that no rule names arrive unchanged
mod floors; // the order of modules: imports point down
mod header_command; // headers from a program: when it runs, and when it does not
mod hostile; // large, endless and forged messages, within bounds of memory and screen
mod import; // sign-ins and configuration of mcp-remote, found and taken over
mod limits; // calls in a time and at once, of all processes; refusals, waits, time limits of tools, the circuit breaker
mod login; // from a 401 to a credential: discovery, registration, browser, tokens, renewal
mod lost_answers; // lost answers, asked for again in every pair of eras
mod messages; // answers with ids, statuses and places that the specification does not have
mod modern; // modern servers: input requests, remembered eras, restarts
mod modern_to_legacy; // a modern host with a legacy server and its session
mod network; // encodings, redirects, proxies, headers
mod passthrough; // messages between equal eras, byte for byte, and their headers
mod patience; // retries, time limits, and bounds of queues
mod pins; // texts that other versions and users rely on: files, lock names, JSON, help
mod pins_of_tools; // what a server lists, compared with what was accepted of it
mod policy; // whatever a host sends, no message that names a hidden thing leaves
mod recordings; // recordings hold no secret
mod requirements; // the table of rules names tests that exist, and the standards that the source names
mod results; // results larger than the user's limit: the head, the note, the pages
mod secrets; // proofs that a server says back are not written out
mod server_cards; // targets that name no endpoint: found in server cards, chosen, signed in to
mod sessions; // sessions opened in order, and opened again when lost
mod skills; // skills of servers: every member, every byte, and what is kept
mod stories; // nine users: each command, and the whole output
mod streams; // response streams resumed, standalone streams reopened
mod tasks; // calls that have become tasks of a server, and a host that leaves
mod texts; // texts of servers escaped, scanned, counted, measured
mod tls; // certificates, roots, and a sign-in over TLS
mod turmoil; // the translator alone, with random input: one answer for each request, no call repeated
mod unattended; // tokens without a user: client credentials, workload identity, an enterprise's identity provider
mod vault; // the vault: passphrases, damaged files, permissions, concurrent writers
