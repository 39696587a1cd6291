//! Sign-ins are held back by what was sent and answered, never by the clock alone.

#[cfg(unix)]
mod callback; // browsers at the end of a sign-in
#[cfg(unix)]
mod pauses; // suspended processes
#[cfg(unix)]
mod renewals; // good tokens that are refused
#[cfg(unix)]
mod unasked; // challenges to requests of mcpipe itself
#[cfg(unix)]
mod windows; // browser windows counted and held back
