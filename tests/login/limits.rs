//! Sign-ins are held back by what was sent and answered, never by the clock alone.

#[cfg(unix)]
mod callback; // what a browser may do at the end of a sign-in
#[cfg(unix)]
mod pauses; // processes that stand still
#[cfg(unix)]
mod renewals; // tokens that are turned down
#[cfg(unix)]
mod unasked; // challenges to what the host has not asked for
#[cfg(unix)]
mod windows; // what counts as one, and what holds the next one back
