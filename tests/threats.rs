//! What an attacker of some kind tries, on the real binary: a malicious server or authorization server, a thief of files,
//! another process of the same user, a repository that was cloned.
#![cfg(unix)]

mod addresses; // where a server may not send us
mod commit; // told to leave between the authorization server's answer and the vault
mod dumps; // no process leaves its memory behind
mod files; // a vault's file alone, and files of a project
mod lines; // what a server says reaches the host as messages or not at all
mod origin; // by no redirect and no second address does a credential go elsewhere
mod pages; // what may not be opened as a page
mod terminal; // without a terminal, nothing waits for one
mod traces; // after a sign-in, no secret is in any file or log
mod words; // what a server says cannot move a terminal
