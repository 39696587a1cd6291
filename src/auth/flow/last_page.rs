//! The end of a sign-in, in the words of the page that the browser gets.

use crate::auth::Cause;
use crate::auth::net::http::host_of;
use crate::auth::net::loopback::{About, CallbackPage, Ending, Reason};
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::settings::Settings;
use crate::auth::text_limits::MAX_ADDRESS;
use crate::text::{plain, without_query};

/// Returns the names that the pages of a sign-in show.
pub(in crate::auth) fn about(
    settings: &Settings,
    server: &AuthorizationServer,
    is_command: bool,
    is_kept: bool,
) -> About {
    About {
        server: plain(&without_query(&settings.resource), MAX_ADDRESS),
        host: host_of(&settings.url),
        account: (settings.account != "default").then(|| settings.account.clone()),
        authority: server.host(),
        application: settings.host_name.known().map(str::to_owned),
        is_command,
        is_kept,
    }
}

/// Returns the page for a sign-in that ended without tokens.
pub(in crate::auth) fn failed(why: &Cause, settings: &Settings) -> CallbackPage {
    let reason = match why {
        Cause::OpenedTwice { .. } => Reason::OpenedTwice,
        Cause::TooLate { .. } => Reason::TooLate,
        why => match why.refusal() {
            Some((code, description)) if !code.contains(' ') => Reason::Refused {
                code: code.to_owned(),
                description: description.map(str::to_owned),
            },
            _ => Reason::Other(why.to_string()),
        },
    };
    let resource = without_query(&settings.resource);
    CallbackPage::Failed(Ending {
        reason,
        hint: why.way_out(&resource),
    })
}
