//! The words of each page.
//!
//! A page names the server only to a browser that has shown that it knows of the sign-in: by the start page's address, by
//! its cookie, or by an answer with the right `state`. To every other visitor of the port, the pages are constant.

use super::html::{Page, Tone};
use crate::text::{capitalised, printable};

/// The sign-in that the pages are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The server's address, without its query.
    pub server: String,
    /// The server's host, with its port where that is unusual.
    pub host: String,
    /// The account, where it is not the only one.
    pub account: Option<String>,
    /// The host of the authorization server.
    pub authority: String,
    /// The name that the MCP host gives itself.
    pub application: Option<String>,
    /// True if the user has typed the command that signs in.
    pub is_command: bool,
    /// True if the tokens are kept in a vault on disk.
    pub is_kept: bool,
}

/// The end of a sign-in without tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The reason.
    pub reason: Reason,
    /// The remedy, besides a new sign-in.
    pub hint: Option<String>,
}

/// The reason why a sign-in has ended without tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The authorization server's refusal, at its page or at its token endpoint (RFC 6749 sections 4.1.2.1 and 5.2).
    Refused {
        /// The code of the error, cleaned.
        code: String,
        /// The description, cleaned.
        description: Option<String>,
    },
    /// A second browser that has opened the start page.
    OpenedTwice,
    /// The time for the sign-in is over.
    TooLate,
    /// Any other reason, as a sentence.
    Other(String),
}

impl About {
    /// Returns the command that begins a new sign-in.
    pub fn login(&self) -> String {
        self.command("login")
    }

    fn command(&self, verb: &str) -> String {
        let server = word(&self.server);
        match &self.account {
            Some(account) => format!("mcpipe {verb} {server} --account {}", word(account)),
            None => format!("mcpipe {verb} {server}"),
        }
    }

    /// Returns the user's next step after the page.
    fn way_back(&self) -> String {
        match &self.application {
            _ if self.is_command => {
                "You can close this tab and go back to your terminal.".to_owned()
            }
            Some(name) => format!("You can close this tab. {} goes on by itself.", bare(name)),
            None => "You can close this tab. The application that asked for it goes on by itself."
                .to_owned(),
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let application = match &self.application {
            _ if self.is_command => Some("mcpipe, in a terminal".to_owned()),
            Some(name) => Some(format!("{name}, through mcpipe")),
            None => Some("mcpipe".to_owned()),
        };
        let authority = Some(self.authority.clone()).filter(|authority| !authority.is_empty());
        [
            ("Server", Some(self.server.clone())),
            ("Account", self.account.clone()),
            ("Signed in at", authority),
            ("Application", application),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    fn facts_without_sign_in(&self) -> Vec<(&'static str, String)> {
        let mut facts = self.facts();
        facts.retain(|(name, _)| *name != "Signed in at");
        facts
    }
}

pub(in crate::auth::net::loopback) fn signed_in(about: &About) -> Page {
    let page = Page::new(Tone::Done, format!("You are signed in to {}", about.host))
        .says(&about.way_back())
        .facts(&about.facts());
    match about.is_kept {
        true => page.notes(&format!("To sign out again: `{}`", about.command("logout"))),
        false => page,
    }
}

pub(in crate::auth::net::loopback) fn failed(about: &About, ending: &Ending) -> Page {
    let Ending { reason, hint } = ending;
    let page = match reason {
        Reason::OpenedTwice => return opened_twice(about),
        Reason::TooLate => return too_late(about),
        Reason::Refused { code, description } => refused(about, code, description.as_deref()),
        Reason::Other(sentence) => Page::new(Tone::Stop, "The sign-in did not work").says(
            &format!("{}. Nothing was stored.", capitalised(&bare(sentence))),
        ),
    };
    let page = page
        .facts(&about.facts_without_sign_in())
        .then("What to do");
    let page = match hint {
        Some(hint) => page.says(&format!("{}.", capitalised(hint))),
        None => page,
    };
    again(page, about)
}

fn refused(about: &About, code: &str, description: Option<&str>) -> Page {
    let host = bare(&about.authority);
    let (heading, happened) = match code {
        "access_denied" => (
            "The sign-in was refused",
            format!("{host} gave no access. You declined there, or your account may not do this."),
        ),
        "invalid_grant" => (
            "The sign-in did not work",
            format!(
                "{host} no longer accepts the answer of its own page. It may have taken too long."
            ),
        ),
        _ => (
            "The sign-in did not work",
            format!("{host} ended it with an error."),
        ),
    };
    let words = match description {
        Some(words) if !words.is_empty() => format!("{words} ({code})"),
        _ => code.to_owned(),
    };
    Page::new(Tone::Stop, heading)
        .says(&format!("{happened} Nothing was stored."))
        .quotes(&format!("{} says", about.authority), &words)
}

fn too_late(about: &About) -> Page {
    let page = Page::new(Tone::Stop, "The time for this sign-in is over")
        .says("Nobody finished it in time, so mcpipe does not wait for it any more. Nothing was stored.")
        .facts(&about.facts_without_sign_in())
        .then("What to do")
        .says("`--auth-timeout SECONDS` gives you longer.");
    again(page, about)
}

fn opened_twice(about: &About) -> Page {
    let page = Page::new(Tone::Stop, "This sign-in did not work")
        .says(
            "Another browser or program has opened it too, and mcpipe cannot tell which of them is yours. So it has \
             ended, and nothing was stored.",
        )
        .facts(&about.facts_without_sign_in())
        .then("What to do")
        .says("Begin a new sign-in, and open it in one browser only.");
    again(page, about).notes("If you did not open it twice, another program on this computer did.")
}

/// The page for the second browser at the start page.
pub(in crate::auth::net::loopback) fn opened_before(about: &About) -> Page {
    let page = Page::new(
        Tone::Stop,
        "Another browser or program opened this sign-in first",
    )
    .says(
        "A sign-in belongs to the browser that opens it first. This is another one, or one that keeps no cookies. So \
         this sign-in has ended, and nothing was stored.",
    )
    .then("What to do")
    .says("Begin a new sign-in, and open it in one browser only.");
    again(page, about).notes("If you did not open it twice, another program on this computer did.")
}

/// The page of the start page's address once the sign-in is over, for another browser than the one that did it.
pub(in crate::auth::net::loopback) fn over(about: &About) -> Page {
    Page::new(Tone::Done, "This sign-in is over")
        .says("It was finished elsewhere: in another browser, or by another program. You can close this tab.")
        .then("If that was not you")
        .says("Sign out, then begin a new sign-in:")
        .command(&about.command("logout"))
        .command(&about.login())
}

/// The page for a right answer in a browser that did not begin the sign-in.
pub(in crate::auth::net::loopback) fn other_browser(about: &About) -> Page {
    Page::new(Tone::Wait, "This browser did not begin the sign-in")
        .says(
            "The answer was not used, and mcpipe goes on waiting. An answer counts only from the browser that opened \
             the address that mcpipe shows.",
        )
        .then("What to do")
        .says("Open the address that mcpipe shows in this browser. Or begin anew, and paste the address of the last page:")
        .command(&format!("{} --no-browser", about.login()))
        .notes("If mcpipe asks you to paste an address, copy the address of this page.")
}

/// The page for an answer that the sign-in does not wait for.
pub(in crate::auth::net::loopback) fn not_the_answer() -> Page {
    unnamed(
        Page::new(Tone::Wait, "This is not the answer that mcpipe waits for").says(
            "The page you came from belongs to another sign-in, or to an earlier one. Nothing has happened.",
        ),
    )
}

/// The page for any other request.
pub(in crate::auth::net::loopback) fn not_here() -> Page {
    unnamed(
        Page::new(Tone::Wait, "There is nothing to see here")
            .says("mcpipe waits here for the end of a sign-in, and this is something else. Nothing has happened."),
    )
}

/// The page for an answer to a sign-in that waits no more.
pub(in crate::auth::net::loopback) fn ended() -> Page {
    Page::new(Tone::Stop, "This sign-in has ended")
        .says("mcpipe does not wait for its answer any more: the time was over, or the application has left.")
        .then("What to do")
        .says("Begin a new sign-in, with the address of your server in the place of URL:")
        .command("mcpipe login URL")
}

/// The page for a host or a port that is not the listener's.
pub(in crate::auth::net::loopback) fn other_address() -> Page {
    Page::new(Tone::Wait, "This is not the address that mcpipe shows")
        .says("The host or the port differs from the one that mcpipe listens at. Nothing has happened.")
        .then("What to do")
        .says("Open the address exactly as it is shown. If you forward a port, use the same number on both ends.")
        .says("Where that cannot be, sign in with an answer that you paste. Your server's address takes the place of URL:")
        .command("mcpipe login URL --no-browser")
}

/// The page for what is no visit of a user.
pub(in crate::auth::net::loopback) fn no_navigation() -> Page {
    Page::new(Tone::Wait, "Open this address in a tab of its own").says(
        "It begins a sign-in, and was asked for by something other than a person who goes to it. Nothing has happened.",
    )
}

/// The page in the body of a redirect.
pub(in crate::auth::net::loopback) fn on_the_way() -> Page {
    Page::new(Tone::Wait, "On the way to the sign-in page").says(
        "Your browser should go on by itself. If it does not, let it follow redirects and load this page again.",
    )
}

fn unnamed(page: Page) -> Page {
    page.then("What to do")
        .says("If a sign-in is going on, finish it in its own tab. You can close this one.")
        .says("To begin a new one, with the address of your server in the place of URL:")
        .command("mcpipe login URL")
}

fn again(page: Page, about: &About) -> Page {
    page.says("To try again, type this in a terminal:")
        .command(&about.login())
}

/// Returns a word for a shell.
fn word(text: &str) -> String {
    let text = printable(text, MAX_WORD);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:/@%+=".contains(c);
    match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Returns a text without the marks of what can be typed.
fn bare(text: &str) -> String {
    text.replace('`', "'")
}

/// The longest word of a command, in characters.
const MAX_WORD: usize = 2000;
