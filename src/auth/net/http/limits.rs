//! The times and sizes that a sign-in's requests keep to.

use std::time::Duration;

use url::Url;

use super::error::{Error, host_of};

pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
pub(super) const DOCUMENT_PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const POST_PATIENCE: Duration = Duration::from_secs(30);
/// The time for a token request. A refresh token or a code whose answer we do not wait for may be spent and lost, so a
/// slow server gets this time.
pub(crate) const TOKEN_PATIENCE: Duration = Duration::from_secs(120);
pub(super) const MAX_REDIRECTS: usize = 3;
pub(super) const MAX_DOCUMENT: usize = 256 * 1024;
pub(super) const MAX_ANSWER: usize = 64 * 1024;

/// Waits for a result, for this time at most.
pub(super) async fn within<T>(
    patience: Duration,
    url: &Url,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        // A result that has come counts before the clock.
        biased;
        done = work => done,
        () = time_is_up(patience) => Err(Error::Unreachable {
            host: host_of(url),
            why: format!("no answer within {} s", patience.as_secs()),
        }),
    }
}

/// Returns when this time has passed, and one second more of running. A process that stood still meanwhile (a machine
/// that slept, a frozen container, SIGSTOP) finds its time over when it wakes, and an answer still unread.
pub(in crate::auth) async fn time_is_up(patience: Duration) {
    const TICKS: u32 = 10;
    tokio::time::sleep(patience).await;
    for _ in 0..TICKS {
        tokio::time::sleep(Duration::from_secs(1) / TICKS).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_has_come_is_looked_at_before_the_clock_and_a_token_is_waited_for_two_minutes() {
        let url = Url::parse("https://as.example.com/token").unwrap();
        let after = |seconds| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(seconds)
        };
        // At 120 s the answer and the clock come together.
        for (seconds, is_waited_for) in [(31, true), (119, true), (120, true), (122, false)] {
            let answer = within(TOKEN_PATIENCE, &url, after(seconds)).await;
            assert_eq!(answer.is_ok(), is_waited_for, "{seconds}");
            assert!(answer.is_ok() || answer.unwrap_err().is_passing());
        }
        assert!(within(POST_PATIENCE, &url, after(32)).await.is_err());
    }
}
