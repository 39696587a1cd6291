//! The wait for the callback of an authorization request, or for its address from the user.

use crate::auth::Cause;
use crate::auth::flow::attempt::Attempt;
use crate::auth::flow::context::Context;
use crate::auth::net::http::time_is_up;
use crate::auth::net::loopback::{CallbackPage, CallbackRequest, Loopback, StartLink};
use crate::auth::notice::Notice;
use crate::auth::oauth::authorization_code::{Callback, PendingAuthorization, VerifiedCode};
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::settings::Pasted;

/// The end of a request without tokens, and the browser that still waits for a page.
pub(in crate::auth) struct Unfinished {
    pub(in crate::auth) why: Cause,
    pub(in crate::auth) request: Option<CallbackRequest>,
}

impl<C: Into<Cause>> From<C> for Unfinished {
    fn from(why: C) -> Self {
        Self {
            why: why.into(),
            request: None,
        }
    }
}

/// Waits for the callback of this authorization request. Every other request is turned away and forgotten: another page of
/// this machine must not be able to end the sign-in.
pub(in crate::auth) async fn receive(
    context: &Context,
    attempt: &Attempt<'_>,
    listener: &mut Loopback,
    pending: &PendingAuthorization,
) -> Result<(VerifiedCode, Option<CallbackRequest>), Unfinished> {
    let server = attempt.server;
    let patience = context.settings.auth_timeout;
    let end = time_is_up(patience);
    let superseded = context.status.superseded(attempt.name);
    let start = listener.start().cloned();
    let second = StartLink::contested(start.as_ref());
    tokio::pin!(end, superseded, second);
    let pasted = context.settings.pasted.as_ref();
    loop {
        let (callback, request) = tokio::select! {
            // What has come is looked at before the clock.
            biased;
            () = &mut second => return Err(contested(server).into()),
            request = listener.next_request() => (pending.verify(&request.parameters), Some(request)),
            line = Pasted::next(pasted) => (pending.verify_pasted(&line), None),
            () = context.leaving.cancelled() => return Err(Cause::Leaving.into()),
            () = &mut superseded => return Err(Cause::TakenOver.into()),
            () = &mut end => {
                let (host, seconds) = (server.host(), patience.as_secs());
                return Err(Cause::TooLate { host, seconds }.into());
            }
        };
        let Some(request) = request else {
            match callback {
                Callback::NotOurs => context.settings.announce.tell(&Notice::NotOurs),
                Callback::Code(code) => return Ok((code, None)),
                Callback::Failed(why) => return Err(why.into()),
            }
            continue;
        };
        match callback {
            Callback::NotOurs => request.answer(CallbackPage::NotOurs),
            _ if !request.is_from_opener && request.is_post => request.answer(CallbackPage::AsGet),
            _ if !request.is_from_opener => {
                tracing::info!(
                    "an answer came from a browser that did not begin the sign-in: it does not count"
                );
                request.answer(CallbackPage::OtherBrowser);
            }
            Callback::Code(code) => return Ok((code, Some(request))),
            Callback::Failed(why) => {
                let (why, request) = (why.into(), Some(request));
                return Err(Unfinished { why, request });
            }
        }
    }
}

/// Returns the error of a start page that two browsers have opened.
pub(in crate::auth) fn contested(server: &AuthorizationServer) -> Cause {
    Cause::OpenedTwice {
        host: server.host(),
    }
}
