//! mcpipe: a stdio-to-HTTP MCP bridge. The library exists for the binary's own tests; no API is promised.
//!
//! mcpipe copies JSON-RPC messages between an MCP host on stdio and an MCP server on Streamable HTTP. One loop owns all
//! changing state of the conversation and performs the actions that a translator returns; the translator converts
//! between protocol eras and does no I/O. Each HTTP request is an exchange, a task of its own that sends, repeats what is
//! safe to repeat, and reports to the loop. An authorizer supplies the credential of each request.
//!
//! ```text
//!  host ⇄ stdio ⇄ translator ⇄ upstream ⇄ https ⇄ server
//!          I/O    └───── the loop ─────┘  ⇅     I/O
//!                                    authorizer ⇄ vault
//! ```
//!
//! # The map
//!
//! Imports point down the five floors; `tests/floors.rs` holds that.
//!
//! | Floor | Module | Content |
//! | --- | --- | --- |
//! | program | `main` | the life of the process on one screen: parse, run, report |
//! | | [`cli`] | the arguments, with clap; acts on nothing |
//! | | [`settings`] | arguments, environment and `mcpipe.toml` as settings, checked |
//! | | [`commands`] | one file per command, and `connection`, which makes arguments a running connection for all of them |
//! | | [`report`] | any failure as a sentence, a hint and an exit code |
//! | | [`logging`] | tracing to stderr or a file, filtered and redacted |
//! | | [`limits`] | limits that the system sets for this process |
//! | bridge | [`bridge`] | the loop, exchanges and their retries, streams, the early answers to the handshake, leaving |
//! | I/O | [`stdio`] | the host's pipes: one reader, one writer |
//! | | [`remote`] | the server: HTTP requests and responses with a client of its own, headers from programs, recording |
//! | | [`auth`] | OAuth: the sign-in, renewals, grants without a user, records of tokens |
//! | | [`store`] | the vault: its files, formats, slots and the agent |
//! | | [`header_secrets`] | `${vault:NAME}`: the user's own secrets for headers |
//! | | [`pin_store`] | the pins of a server in the vault |
//! | | [`mcp_remote`] | import: mcp-remote's command lines, files and processes, and the configuration of MCP clients |
//! | | [`tls`] | rustls with ring, the system's roots and the user's |
//! | | [`proxy`], [`redirect`], [`address_class`] | the proxy of a request; rules of redirects; kinds of IP addresses |
//! | | [`http_fields`], [`content_coding`] | header fields that the server's and the sign-in's client both read; compressed bodies |
//! | | [`server_cache`] | one JSON file per server: its era, its discover result; nothing secret |
//! | | [`server_card`] | server cards: the endpoint of a target that names none, found, chosen, and kept with its validators |
//! | | [`shared_limits`] | the limits on calls that all processes of the machine share: one small file per server and account |
//! | | [`audit`] | `--audit`: lines chained by their hashes, written by several processes, and checked |
//! | | [`result_store`] | results too large for a host, kept in private files |
//! | | [`recorder`], [`ledger`] | `--record`, and the append-only file behind it |
//! | | [`process`] | the only constructor of child processes; the programs that the user names, with their bounds |
//! | | [`named_file`] | files that the user names: secrets, certificates, headers |
//! | | [`random`] | the system's random numbers |
//! | protocol | [`era`] | both eras of the specification, and the translation between them; no I/O |
//! | | [`policy`] | the user's rules: what a host may list and call, and what of it passes; decides, and does nothing |
//! | | [`sse`] | the parser of server-sent events |
//! | | [`transcript`] | the format of recordings and of `fixtures/transcripts`, and what is left out of them |
//! | | `auth::oauth::{challenge, scope}`, the formats of [`store`] and parts of [`mcp_remote`] | the parts that do no I/O |
//! | base | [`frame`] | one JSON-RPC message that keeps its text; the error of ours that a host gets |
//! | | [`secret`] | text that does not print, and the search for live secrets in what is written for others |
//! | | [`text`] | text of other programs: made printable, split into words |
//! | | [`clock`], [`backoff`] | time as an argument; pauses that grow |
//!
//! The two lowest floors have no `async`, no socket, no file, no clock and no random numbers: salts, nonces and the time
//! are arguments, so that a test there is a function call.
//!
//! # Glossary
//!
//! - **host**: the program that starts mcpipe and talks to it on stdin and stdout.
//! - **server**, `remote` in code: the MCP server at the URL.
//! - **authorization server**: the server that issues tokens; always written in full.
//! - **client**: in [`auth`] the OAuth client (RFC 6749), elsewhere the MCP client.
//! - **frame**: one JSON-RPC message, kept as the text that it came in ([`frame::Frame`]).
//! - **outline**: the kind, id and method of a frame, read without its content ([`frame::Outline`]).
//! - **exchange**: one HTTP request and everything that comes back for it.
//! - **arrival**: a report of an exchange to the translator ([`era::Arrival`]).
//! - **action**: a wish of the translator that the loop performs ([`era::Action`]).
//! - **era**: legacy (revisions with `initialize` and a session) or modern (2026-07-28 and later).
//! - **pair**: the host's era and the server's era. **Relay**: the implementation of a pair.
//! - **probe**: `server/discover`, sent to learn the era of an unknown server.
//! - **session**: the state that a legacy server keeps under an `Mcp-Session-Id`.
//! - **response stream**: the server-sent events that answer a POST. **Standalone stream**: those of a GET.
//! - **early initialize**, **early discover**: the answer to the host's handshake, `initialize` or `server/discover`, while a
//!   user still signs in.
//! - **challenge**: the `WWW-Authenticate` header of a 401 or 403 (RFC 9110 section 11).
//! - **credential**: an access token and, with DPoP, its key; sent to its own origin only ([`auth::Credential`]).
//! - **generation**: the number of a credential; a newer one is greater.
//! - **renewal**: one attempt to get a newer credential, for all requests that wait: stored, refreshed, or by sign-in.
//! - **grant**: a way to get tokens (RFC 6749 section 1.3).
//! - **sign-in**: the part of a renewal that needs the user.
//! - **helper**: the detached process that signs in and outlives the host.
//! - **sign-in status**: the file beside the vault in which processes see how the one sign-in goes.
//! - **record**: an entry of the vault: the tokens of a server, or a registered client.
//! - **vault**: the encrypted file. **Slot**: a way to open it. **Envelope**: its format.
//! - **agent**: the process that keeps an unlocked vault's key for bridges.
//! - **drain**: finishing before exit: open requests are answered, the session is ended, output is flushed.
//! - **transcript**: a conversation as JSON lines; both a recording and a fixture.
//! - **ledger**: an append-only file that loses no line.
//! - **audit file**: the file of `--audit`. **Chain**: its lines, each with the hash of the one before. **Head**: the end of a
//!   chain, noted in a file beside it.
//!
//! # One frame
//!
//! A host of the legacy era sends `tools/list` to a modern server.
//!
//! 1. The reader of [`stdio`] reads one line, bounded by `--max-message-size`; [`frame::Frame`] keeps its text and makes the
//!    outline. The line enters the loop's queue. While the queue is full, nothing is read, and the pipe makes the host wait.
//! 2. The loop ([`bridge::run`]) notes the id, the method and the batch of the request. An id that is still open is refused.
//! 3. The translator ([`era::Translator`]) answers from its cache, or lets the relay of the pair push an [`era::Action`]: a
//!    POST with the modern `_meta` and the headers that the body asks for.
//! 4. The loop starts an exchange (`bridge/upstream.rs`). It takes the credential of the [`auth::Authorizer`] and sends
//!    through a [`remote::Remote`].
//! 5. The answer is one JSON body or a stream of events ([`sse`]). Each message becomes an arrival; a response stream that
//!    was cut is resumed, or asked for again where that does no harm (`bridge/retry.rs`).
//! 6. The translator turns the result into the words of the host's era and pushes the reply.
//! 7. The loop closes the id, and the writer of [`stdio`] writes one line. Every id that came in leaves exactly once, unless the
//!    host cancelled it.
//!
//! # One challenge
//!
//! 1. The server answers 401. The exchange (`bridge/credentials.rs`) keeps its frame and asks the [`auth::Authorizer`] for a
//!    credential newer than the one that was refused.
//! 2. If there is a newer one, it is taken. Otherwise one renewal starts, or the one in progress is joined. It belongs to
//!    the authorizer: a cancelled request does not cancel it.
//! 3. `auth/flow/renew.rs` takes the cheapest step first: a newer record that another process put into the vault, then a
//!    refresh, and only then the user. Where no user is present, the request fails and names `mcpipe login`.
//! 4. A sign-in is a chain of evidence ([`auth`]): protected resource, authorization server, client, scopes, code, tokens.
//!    One process on the machine does it, a helper that outlives the host; the others watch its status.
//! 5. The record is saved before the token is used. The new credential is published, and each waiting exchange sends its own
//!    frame again.
//! 6. Meanwhile the host's `initialize` is answered from memory, so that the host does not give up, and nothing it said is
//!    lost.

pub mod address_class;
pub mod audit;
pub mod auth;
pub mod backoff;
pub mod bridge;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod content_coding;
pub mod era;
pub mod frame;
pub mod header_secrets;
pub mod http_fields;
pub mod ledger;
pub mod limits;
pub mod logging;
pub mod mcp_remote;
pub mod named_file;
pub mod pin_store;
pub mod policy;
pub mod process;
pub mod proxy;
pub mod random;
pub mod recorder;
pub mod redirect;
pub mod remote;
pub mod report;
pub mod result_store;
pub mod secret;
pub mod server_cache;
pub mod server_card;
pub mod settings;
pub mod shared_limits;
pub mod sse;
pub mod stdio;
pub mod store;
pub mod text;
pub mod tls;
pub mod transcript;
