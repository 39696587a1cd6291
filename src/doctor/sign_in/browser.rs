//! The browser: whether a sign-in opens one here, and why not.

use super::has_user;
use super::shown_name;
use crate::auth::Browser;
use crate::doctor::codes::stored as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    if context.target.brings_authorization || !has_user(context) {
        return Vec::new();
    }
    let by_hand = || {
        Finding::ok(
            &codes::BROWSER_BY_HAND,
            "a sign-in opens no browser, as you ask (--no-browser), and prints the address",
        )
    };
    vec![match &context.sign_in.browser {
        Browser::System => Finding::ok(
            &codes::BROWSER_OPENS,
            "a sign-in opens the browser of this machine",
        ),
        Browser::Command(words) => {
            let program = words.first().map_or("", String::as_str);
            let sentence = format!(
                "a sign-in opens the browser that BROWSER names, {}",
                shown_name(program)
            );
            Finding::ok(&codes::BROWSER_OPENS, sentence)
        }
        Browser::None => by_hand(),
        Browser::Nowhere if context.arguments.target.sign_in.no_browser => by_hand(),
        Browser::Nowhere => {
            let why = context.env.why_no_page();
            let why = why.unwrap_or_else(|| "no user would see it".to_owned());
            let sentence = format!("a sign-in opens no browser here: {why}");
            let line = context.typed.line("login", &[]);
            Finding::ok(&codes::BROWSER_NOWHERE, sentence).remedy(format!(
                "in a terminal, {line} prints an address and takes the pasted answer"
            ))
        }
    }]
}
