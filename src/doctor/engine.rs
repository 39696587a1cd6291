//! Runs checks: side by side, each after those it depends on, each within its time, and none able to end the others.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{join_all, poll_fn};
use tokio::sync::watch;
use tokio::time;

use super::check::{Check, Outcome, Work};
use super::codes::engine::{CHECK_CRASHED, CHECK_TIMED_OUT};
use super::finding::Finding;
use crate::text::printable;

/// The time after which a check that is under way is told to the user.
const SLOW: Duration = Duration::from_secs(5);

/// Runs the checks and returns what each has found, in the order of the checks. `tell_slow` is told the name of a check
/// that takes long.
pub async fn run<C>(
    checks: &[Check<C>],
    context: &C,
    tell_slow: &dyn Fn(&'static str),
) -> Vec<Outcome> {
    let ended: Vec<_> = checks.iter().map(|_| watch::Sender::new(false)).collect();
    let ended = &ended;
    let running = checks.iter().zip(ended).map(|(check, own)| async move {
        for (earlier, end) in checks.iter().zip(ended) {
            if check.after.contains(&earlier.name) {
                // The sender lives until all have ended.
                let _ = end.subscribe().wait_for(|has_ended| *has_ended).await;
            }
        }
        let findings = findings(check, context, tell_slow).await;
        own.send_replace(true);
        Outcome {
            check: check.name,
            group: check.group,
            findings,
        }
    });
    join_all(running).await
}

async fn findings<C>(
    check: &Check<C>,
    context: &C,
    tell_slow: &dyn Fn(&'static str),
) -> Vec<Finding> {
    // A check may crash before its first await, too.
    let made = catch_unwind(AssertUnwindSafe(|| (check.run)(context)));
    let mut work = match made {
        Ok(work) => work,
        Err(panic) => return vec![crashed(check.name, &*panic)],
    };
    let mut guarded = Box::pin(guarded(&mut work));
    let ended = match time::timeout(SLOW.min(check.patience), &mut guarded).await {
        Ok(ended) => Ok(ended),
        Err(_) => {
            tell_slow(check.name);
            time::timeout(check.patience.saturating_sub(SLOW), guarded).await
        }
    };
    match ended {
        Ok(Ok(findings)) => findings,
        Ok(Err(panic)) => vec![crashed(check.name, &*panic)],
        Err(_) => vec![
            Finding::fail(
                &CHECK_TIMED_OUT,
                format!(
                    "the check `{}` has not ended within {} s",
                    check.name,
                    check.patience.as_secs()
                ),
            )
            .remedy("try again; if it happens again, look at the findings above it"),
        ],
    }
}

/// Does the work, and returns the content of its panic where it crashes.
async fn guarded(work: &mut Work<'_>) -> Result<Vec<Finding>, Box<dyn Any + Send>> {
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(findings)) => Poll::Ready(Ok(findings)),
            Err(panic) => Poll::Ready(Err(panic)),
        },
    )
    .await
}

fn crashed(name: &str, panic: &(dyn Any + Send)) -> Finding {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Finding::fail(
        &CHECK_CRASHED,
        format!("the check `{name}` has crashed, which is a fault of mcpipe"),
    )
    .remedy("report it with this output; the other checks count")
    .fact("panic", printable(text.unwrap_or("no text"), 300))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::doctor::check::Group;
    use crate::doctor::codes::engine::SKIPPED;
    use crate::doctor::finding::Verdict;

    type Ran = Mutex<Vec<&'static str>>;

    fn check(
        name: &'static str,
        after: &'static [&'static str],
        run: for<'a> fn(&'a Ran) -> Work<'a>,
    ) -> Check<Ran> {
        Check {
            name,
            group: Group::Here,
            after,
            patience: Duration::from_secs(8),
            run,
        }
    }

    fn noted(ran: &Ran, name: &'static str) -> Vec<Finding> {
        ran.lock().unwrap().push(name);
        vec![Finding::skipped(&SKIPPED, name)]
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_crashes_or_hangs_is_a_result_and_those_after_it_still_run() {
        let told = Mutex::new(Vec::new());
        let checks = [
            check("first", &[], |ran| {
                Box::pin(async move {
                    time::sleep(Duration::from_secs(2)).await;
                    noted(ran, "first")
                })
            }),
            check("crash", &[], |_| Box::pin(async { panic!("oh {}", "no") })),
            check("early crash", &[], |_| panic!("at once")),
            check("hang", &[], |_| Box::pin(std::future::pending())),
            check("beside", &[], |ran| {
                Box::pin(async { noted(ran, "beside") })
            }),
            check("last", &["first", "crash", "hang"], |ran| {
                Box::pin(async { noted(ran, "last") })
            }),
        ];
        let ran = Ran::default();
        let begun = time::Instant::now();
        let outcomes = run(&checks, &ran, &|name| told.lock().unwrap().push(name)).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(8));
        assert_eq!(*ran.lock().unwrap(), ["beside", "first", "last"]);
        assert_eq!(*told.lock().unwrap(), ["hang"]);
        let codes: Vec<_> = outcomes
            .iter()
            .map(|outcome| (outcome.check, outcome.findings[0].code.name))
            .collect();
        assert_eq!(
            codes,
            [
                ("first", "SKIPPED"),
                ("crash", "CHECK_CRASHED"),
                ("early crash", "CHECK_CRASHED"),
                ("hang", "CHECK_TIMED_OUT"),
                ("beside", "SKIPPED"),
                ("last", "SKIPPED"),
            ]
        );
        assert_eq!(outcomes[1].findings[0].verdict, Verdict::Fail);
        assert_eq!(outcomes[1].findings[0].facts[0].1, "oh no");
    }

    #[test]
    fn a_check_depends_on_checks_above_it() {
        let checks = super::super::checks();
        for (at, check) in checks.iter().enumerate() {
            for name in check.after {
                let found = checks.iter().position(|it| it.name == *name);
                assert!(found.is_some_and(|it| it < at), "{}: {name}", check.name);
            }
        }
    }
}
