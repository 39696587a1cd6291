//! Limits on calls: the number in a time, and the number at once.
//!
//! The rate of a limit is a bucket of tokens: it holds as many as the limit allows in its time, is refilled evenly over
//! that time, and each call takes one. So the calls in any stretch of time are at most one bucket and what is refilled
//! in that stretch. Of the bucket only the time is kept at which it will be full (the generic cell rate algorithm).
//!
//! A call that several limits are for passes all of them, and takes from all of them or from none. The state is that of
//! all processes of the machine with one server and account ([`state`]); limits that are written alike share a bucket,
//! and limits of one pattern share the count of calls under way, whatever number each process allows.
//!
//! Reads no clock. Times are nanoseconds since 1970.

pub mod state;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::frame::{Frame, string};
use crate::policy::pattern::{Pattern, folded};
use crate::policy::refusal::{RATE_LIMITED, Refusal};
use crate::policy::rule::{Limit, Rate, Rule};
use state::{State, hash};

/// The time after which a call that found too many others under way may try again: no time of theirs is known.
pub const PLACE_PAUSE: Duration = Duration::from_secs(1);

/// The limits on calls of one server and account.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    limits: Vec<SharedLimit>,
}

#[derive(Clone, Debug)]
struct SharedLimit {
    /// The name of the limit in the state.
    id: u64,
    tools: Option<Pattern>,
    most: Most,
    rule: Rule,
}

#[derive(Clone, Copy, Debug)]
enum Most {
    /// The calls that a bucket allows.
    In(Rate),
    /// The calls under way at once.
    AtOnce(u32),
}

/// The limits that are for one call, by their places among all, in order.
pub type Applied = Vec<usize>;

/// The limits that refuse a call, and the time after which it may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The limits that refuse, by their places; at least one.
    pub by: Applied,
    /// The time after which it may pass, if no other call passes before it; where calls under way refuse, a guess of
    /// [`PLACE_PAUSE`] at least.
    pub wait: Duration,
    /// The time before which it certainly does not pass: that of buckets alone.
    pub least: Duration,
    /// The limit whose time `wait` is.
    longest: usize,
}

impl Excess {
    /// The call waits behind others for these limits, and has not been judged by them.
    pub fn behind(by: Applied) -> Option<Self> {
        Some(Self {
            longest: *by.first()?,
            by,
            wait: PLACE_PAUSE,
            least: Duration::ZERO,
        })
    }
}

impl Limits {
    /// Makes the limits of one server and account. Two that are alike count once.
    pub fn new(rates: &[Limit<Rate>], at_once: &[Limit<u32>]) -> Self {
        let mut limits = BTreeMap::new();
        for Limit { tools, value, rule } in rates {
            let id = id(
                "rate",
                tools.as_ref(),
                &format!("{}/{:?}", value.count, value.per),
            );
            limits.entry(id).or_insert_with(|| SharedLimit {
                id,
                tools: tools.clone(),
                most: Most::In(*value),
                rule: rule.clone(),
            });
        }
        for Limit { tools, value, rule } in at_once {
            let id = id("at once", tools.as_ref(), "");
            let limit = SharedLimit {
                id,
                tools: tools.clone(),
                most: Most::AtOnce(*value),
                rule: rule.clone(),
            };
            let lower = limits.entry(id).or_insert_with(|| limit.clone());
            if matches!(lower.most, Most::AtOnce(other) if other > *value) {
                *lower = limit;
            }
        }
        Self {
            limits: limits.into_values().collect(),
        }
    }

    /// Says whether there is no limit.
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Says whether calls under way are counted, which a process has to take back when it ends.
    pub fn counts_calls_under_way(&self) -> bool {
        let mut limits = self.limits.iter();
        limits.any(|limit| matches!(limit.most, Most::AtOnce(_)))
    }

    /// Returns the limits that are for this message of the host. None are for one that is no call ([`call_of`]). A
    /// notification has no answer, and so is never under way.
    pub fn for_frame(&self, frame: &Frame) -> Applied {
        let Some(call) = call_of(frame) else {
            return Vec::new();
        };
        let mut applied = self.for_call(&call);
        if !frame.is_request() {
            let places = self.places_of(&applied);
            applied.retain(|at| !places.contains(at));
        }
        applied
    }

    fn for_call(&self, call: &Call) -> Applied {
        let is_for = |limit: &SharedLimit| match (&limit.tools, call) {
            (None, _) => true,
            (Some(tools), Call::Tool(name)) => tools.may_match(name),
            (Some(_), Call::Other) => false,
        };
        let limits = self.limits.iter().enumerate();
        let applied = limits.filter(|(_, limit)| is_for(limit));
        applied.map(|(at, _)| at).collect()
    }

    /// Lets a call of this process pass all of these limits, and notes it in the state; or else finds those that refuse it,
    /// and takes nothing from any. `now` is read while no other process can change the state.
    ///
    /// # Errors
    /// The limits that refuse.
    pub fn admit(
        &self,
        applied: &[usize],
        state: &mut State,
        process: u64,
        now: u64,
    ) -> Result<(), Excess> {
        let mut excess: Option<Excess> = None;
        for (at, limit) in self.of(applied) {
            let wait = match limit.most {
                Most::In(rate) => Bucket::of(rate).wait(limit.id, state, now),
                Most::AtOnce(most) => {
                    (state.under_way(limit.id) >= u64::from(most)).then_some(PLACE_PAUSE)
                }
            };
            let Some(wait) = wait else { continue };
            let found = excess.get_or_insert_with(|| Excess {
                by: Vec::new(),
                wait: Duration::ZERO,
                least: Duration::ZERO,
                longest: at,
            });
            found.by.push(at);
            if wait > found.wait {
                (found.longest, found.wait) = (at, wait);
            }
            if let Most::In(_) = limit.most {
                found.least = found.least.max(wait);
            }
        }
        if let Some(excess) = excess {
            return Err(excess);
        }
        for (_, limit) in self.of(applied) {
            match limit.most {
                Most::In(rate) => Bucket::of(rate).take(limit.id, state, now),
                Most::AtOnce(_) => {
                    let own = state.under_way_of(limit.id, process).saturating_add(1);
                    state.set_under_way(limit.id, process, own);
                }
            }
        }
        Ok(())
    }

    /// Notes that a call of this process, which passed these limits, has ended.
    pub fn end(&self, applied: &[usize], state: &mut State, process: u64) {
        for (_, limit) in self.of(applied) {
            if let Most::AtOnce(_) = limit.most {
                let own = state.under_way_of(limit.id, process).saturating_sub(1);
                state.set_under_way(limit.id, process, own);
            }
        }
    }

    /// Returns those of the limits that count calls under way.
    pub fn places_of(&self, applied: &[usize]) -> Applied {
        let of = self.of(applied);
        let places = of.filter(|(_, limit)| matches!(limit.most, Most::AtOnce(_)));
        places.map(|(at, _)| at).collect()
    }

    /// Says whether processes that have ended may be the reason: they leave calls under way behind.
    pub fn is_about_places(&self, excess: &Excess) -> bool {
        !self.places_of(&excess.by).is_empty()
    }

    /// Returns the refusal for the host.
    pub fn refusal(&self, excess: &Excess) -> Option<Refusal> {
        let limit = self.limits.get(excess.longest)?;
        let tools = limit.tools.as_ref();
        let of = tools.map_or_else(String::new, |tools| {
            format!(" of tools that match {}", tools.text())
        });
        let calls = |count: u32| if count == 1 { "call" } else { "calls" };
        let (allowed, used, hint) = match limit.most {
            Most::In(Rate { count, per }) => {
                let allowed = format!("{count} {}{of} in {}", calls(count), time(per));
                let used = "as many were made";
                (allowed, used, format!("try again in {}", time(excess.wait)))
            }
            Most::AtOnce(count) => {
                let allowed = format!("{count} {}{of} at once", calls(count));
                let used = "as many are under way";
                (allowed, used, "try again when one is answered".to_owned())
            }
        };
        let message = format!(
            "The policy allows {allowed} to this server and account, from all of this machine, and {used}."
        );
        Some(Refusal {
            kind: RATE_LIMITED,
            retry_after: Some(excess.wait),
            ..Refusal::by(&limit.rule, message).hint(hint)
        })
    }

    fn of(&self, applied: &[usize]) -> impl Iterator<Item = (usize, &SharedLimit)> {
        let limit = |at: &usize| Some((*at, self.limits.get(*at)?));
        applied.iter().filter_map(limit)
    }
}

/// A message that limits count.
#[derive(Debug, PartialEq, Eq)]
pub enum Call {
    /// A `tools/call`, with the tool's name.
    Tool(String),
    /// Another message that makes the server work: limits without a pattern count it.
    Other,
}

/// Returns the call that a message of the host is: `tools/call`, `prompts/get`, `resources/read` or
/// `completion/complete`, in any spelling that a server may take for it; a server may carry a notification of that name
/// out too. Others hold the conversation together (`initialize`, lists, `ping`, the state of a task), and a host that was
/// refused one could not go on.
pub fn call_of(frame: &Frame) -> Option<Call> {
    match &*folded(frame.method()?) {
        "tools/call" => {
            let name = frame.param("name").and_then(string);
            Some(Call::Tool(name.unwrap_or_default()))
        }
        "prompts/get" | "resources/read" | "completion/complete" => Some(Call::Other),
        _ => None,
    }
}

/// The bucket of a rate, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// The time in which one token is refilled.
    interval: u64,
    /// The time in which an empty bucket is refilled.
    capacity: u64,
}

impl Bucket {
    fn of(rate: Rate) -> Self {
        let count = u64::from(rate.count.max(1));
        // Rounded up: never more calls than the limit allows.
        let interval = nanoseconds(rate.per).div_ceil(count).max(1);
        Self {
            interval,
            capacity: interval.saturating_mul(count),
        }
    }

    /// Returns the time until there is a token; `None` if there is one.
    fn wait(self, limit: u64, state: &mut State, now: u64) -> Option<Duration> {
        // A clock that was set back must not keep the bucket empty for longer than it takes to refill it.
        let latest = now.saturating_add(self.capacity);
        let full_at = state.full_at(limit);
        if full_at > latest {
            state.set_full_at(limit, latest);
        }
        let lacks = full_at.min(latest).saturating_sub(now);
        let wait = lacks
            .saturating_add(self.interval)
            .saturating_sub(self.capacity);
        (wait > 0).then(|| Duration::from_nanos(wait))
    }

    /// Takes a token.
    fn take(self, limit: u64, state: &mut State, now: u64) {
        let full_at = state.full_at(limit).max(now).saturating_add(self.interval);
        state.set_full_at(limit, full_at);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn id(kind: &str, tools: Option<&Pattern>, value: &str) -> u64 {
    let tools = tools.map(Pattern::text);
    hash(format!("{kind} {value} {tools:?}").as_bytes())
}

/// Returns a time as people write it, rounded up: `1.5 s`, `12 s`, `3 minutes`.
fn time(time: Duration) -> String {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    if time < Duration::from_secs(10) {
        return format!("{} s", (time.as_secs_f64() * 1000.0).ceil() / 1000.0);
    }
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let fits = |(unit, _): &(u64, &str)| whole.is_multiple_of(*unit) || whole >= 10 * unit;
    match units.into_iter().find(fits) {
        Some((unit, name)) => match whole.div_ceil(unit) {
            1 => format!("1 {name}"),
            count => format!("{count} {name}s"),
        },
        None => format!("{whole} s"),
    }
}

#[cfg(test)]
mod tests;
