//! GitHub's limits: told apart, waited for, and readable for the metrics. While a limit is used up nothing is sent, so
//! that we do not make it worse.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_model::{Clock, Millis, Timestamp};
use reqwest::header::HeaderMap;

use super::answer::{Answer, date, header};
use crate::call::{Call, CallError, Limit};

/// GitHub asks for at least this when it does not say how long, and for more each time.
const SECONDARY_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// GitHub has about fifteen; a stranger's answer may not fill our memory.
const BUCKETS: usize = 32;

/// Which of GitHub's hourly buckets a call draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Core,
    Registration,
}

impl Resource {
    fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Registration => "actions_runner_registration",
        }
    }
}

/// One hourly bucket, as the last answer told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    pub limit: u64,
    pub remaining: u64,
    pub used: u64,
    pub resets: Timestamp,
}

/// The limits at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitState {
    /// By GitHub's name of the bucket.
    pub buckets: BTreeMap<String, Bucket>,
    /// Nothing is sent before this time.
    pub held_until: Option<Timestamp>,
    /// How often a limit was hit since the start.
    pub primary_hits: u64,
    pub secondary_hits: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Limits(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    buckets: BTreeMap<String, Bucket>,
    /// By bucket: the end of the wait, on the clock that only goes forward.
    holds: BTreeMap<String, Hold>,
    /// Secondary limits in a row.
    strikes: u32,
    primary_hits: u64,
    secondary_hits: u64,
}

#[derive(Debug, Clone, Copy)]
struct Hold {
    limit: Limit,
    ends: Duration,
}

/// The secondary limit holds for everything.
const EVERYTHING: &str = "";

impl Limits {
    /// Refuses a call that GitHub would only refuse.
    pub(crate) fn check(&self, call: &Call, resource: Resource, clock: &dyn Clock) -> Result<(), CallError> {
        let mut known = self.lock();
        let now = clock.monotonic();
        known.holds.retain(|_, hold| hold.ends > now);
        // Which bucket a registration draws from is GitHub's business; an empty core bucket stops it too.
        let names = [EVERYTHING, Resource::Core.name(), resource.name()];
        let hold = names.iter().filter_map(|name| known.holds.get(*name)).max_by_key(|hold| hold.ends);
        match hold {
            None => Ok(()),
            Some(hold) => {
                let until = clock.now() + Millis::from(hold.ends.saturating_sub(now));
                Err(CallError::Limited { call: call.clone(), limit: hold.limit, until })
            }
        }
    }

    /// Takes note of what an answer tells. An error when it is the answer of a limit.
    pub(crate) fn note(&self, answer: &Answer, resource: Resource, clock: &dyn Clock) -> Result<(), CallError> {
        let mut known = self.lock();
        if let Some((name, bucket)) = bucket(&answer.headers)
            && (known.buckets.len() < BUCKETS || known.buckets.contains_key(name))
        {
            known.buckets.insert(name.to_owned(), bucket);
        }
        let Some((limit, said)) = limited(answer, clock.now()) else {
            if answer.status.is_success() {
                known.strikes = 0;
            }
            return Ok(());
        };
        let (name, wait) = match limit {
            Limit::Primary => {
                known.primary_hits += 1;
                (header(&answer.headers, "x-ratelimit-resource").unwrap_or(resource.name()), said)
            }
            Limit::Secondary => {
                known.secondary_hits += 1;
                known.strikes = known.strikes.saturating_add(1);
                let more = SECONDARY_PAUSE.saturating_mul(1_u32.checked_shl(known.strikes - 1).unwrap_or(u32::MAX));
                (EVERYTHING, said.or(Some(more)))
            }
        };
        // A little later, by chance: everybody who shares the limit waits for the same second.
        let wait = wait.unwrap_or(SECONDARY_PAUSE).min(LONGEST_PAUSE) + Duration::from_millis(fastrand::u64(0..2_000));
        if known.holds.len() < BUCKETS || known.holds.contains_key(name) {
            known.holds.insert(name.to_owned(), Hold { limit, ends: clock.monotonic() + wait });
        }
        Err(CallError::Limited { call: answer.call.clone(), limit, until: clock.now() + Millis::from(wait) })
    }

    pub(crate) fn state(&self, clock: &dyn Clock) -> LimitState {
        let known = self.lock();
        let now = clock.monotonic();
        let longest = known.holds.values().map(|hold| hold.ends).filter(|ends| *ends > now).max();
        LimitState {
            buckets: known.buckets.clone(),
            held_until: longest.map(|ends| clock.now() + Millis::from(ends.saturating_sub(now))),
            primary_hits: known.primary_hits,
            secondary_hits: known.secondary_hits,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which limit an answer tells of, and how long it says to wait.
fn limited(answer: &Answer, now: Timestamp) -> Option<(Limit, Option<Duration>)> {
    if !matches!(answer.status.as_u16(), 403 | 429) {
        return None;
    }
    let number = |name| header(&answer.headers, name)?.trim().parse::<u64>().ok();
    let empty = number("x-ratelimit-remaining") == Some(0);
    let kind = if empty { Limit::Primary } else { Limit::Secondary };
    if let Some(seconds) = number("retry-after") {
        return Some((kind, Some(Duration::from_secs(seconds))));
    }
    if empty {
        // By their clock: ours may be minutes off.
        let theirs = date(&answer.headers).unwrap_or(now);
        let resets = number("x-ratelimit-reset").map(instant);
        return Some((kind, resets.map(|resets| resets.since(theirs).to_duration())));
    }
    let message = answer.complaint().message.to_lowercase();
    let said = message.contains("secondary rate limit") || message.contains("abuse detection");
    (said || answer.status.as_u16() == 429).then_some((Limit::Secondary, None))
}

fn bucket(headers: &HeaderMap) -> Option<(&str, Bucket)> {
    let number = |name| header(headers, name)?.trim().parse::<u64>().ok();
    let name = header(headers, "x-ratelimit-resource")?;
    let (limit, remaining) = (number("x-ratelimit-limit")?, number("x-ratelimit-remaining")?);
    let used = number("x-ratelimit-used").unwrap_or(limit.saturating_sub(remaining));
    Some((name, Bucket { limit, remaining, used, resets: number("x-ratelimit-reset").map(instant)? }))
}

fn instant(seconds: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use hearth_model::ManualClock;

    use super::super::answer::tests::answer;
    use super::*;

    const DATE: (&str, &str) = ("date", "Sun, 22 Nov 2026 18:34:23 GMT");
    const EMPTY: [(&str, &str); 3] =
        [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795372523"), ("x-ratelimit-resource", "core")];

    #[test]
    fn a_refusal_is_told_apart_from_a_limit() {
        let secondary = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        let core = [DATE, EMPTY[0], EMPTY[1], EMPTY[2]];
        let second = |n| Some(Duration::from_secs(n));
        for (status, headers, body, expected) in [
            (403, &[][..], r#"{"message":"Resource not accessible"}"#, None),
            (403, &[("x-ratelimit-remaining", "17")], "{}", None),
            (403, &core, "{}", Some((Limit::Primary, second(60)))),
            (429, &core, "{}", Some((Limit::Primary, second(60)))),
            (403, &[("retry-after", "30")], "{}", Some((Limit::Secondary, second(30)))),
            (403, &[], secondary, Some((Limit::Secondary, None))),
            (429, &[], "{}", Some((Limit::Secondary, None))),
            (404, &core, "{}", None),
        ] {
            let limited = limited(&answer(status, headers, body), Timestamp::from_millis(0));
            assert_eq!(limited, expected, "{status} {headers:?} {body}");
        }
    }

    #[test]
    fn nothing_is_sent_while_a_limit_is_used_up() {
        let (limits, clock) = (Limits::default(), ManualClock::at(Timestamp::from_millis(1_000)));
        let call = Call::new("try");
        let core = [DATE, EMPTY[0], EMPTY[1], EMPTY[2]];
        assert!(limits.note(&answer(403, &core, "{}"), Resource::Core, &clock).is_err());
        let refused = limits.check(&call, Resource::Registration, &clock).unwrap_err();
        assert!(matches!(refused, CallError::Limited { limit: Limit::Primary, .. }), "{refused}");
        clock.advance(Duration::from_secs(59));
        assert!(limits.check(&call, Resource::Core, &clock).is_err());
        clock.advance(Duration::from_secs(4));
        assert!(limits.check(&call, Resource::Core, &clock).is_ok());
    }

    #[test]
    fn a_registration_limit_leaves_other_calls_alone() {
        let (limits, clock) = (Limits::default(), ManualClock::at(Timestamp::from_millis(1_000)));
        let call = Call::new("try");
        let headers = [EMPTY[0], ("retry-after", "9"), ("x-ratelimit-resource", "actions_runner_registration")];
        assert!(limits.note(&answer(403, &headers, "{}"), Resource::Registration, &clock).is_err());
        assert!(limits.check(&call, Resource::Core, &clock).is_ok());
        assert!(limits.check(&call, Resource::Registration, &clock).is_err());
    }

    #[test]
    fn secondary_limits_in_a_row_double_the_wait() {
        let (limits, clock) = (Limits::default(), ManualClock::at(Timestamp::from_millis(0)));
        let mut waits = Vec::new();
        for _ in 0..8 {
            let hit = limits.note(&answer(429, &[], "{}"), Resource::Core, &clock).unwrap_err();
            let CallError::Limited { until, .. } = hit else { unreachable!("a limit") };
            waits.push(until.since(clock.now()).0 / 4_000 * 4);
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert!(limits.note(&answer(200, &[], "{}"), Resource::Core, &clock).is_ok());
        let hit = limits.note(&answer(429, &[], "{}"), Resource::Core, &clock).unwrap_err();
        assert!(matches!(hit, CallError::Limited { until, .. } if until.since(clock.now()).0 < 62_000));
    }

    #[test]
    fn buckets_are_kept_as_github_told_them_and_are_few() {
        let (limits, clock) = (Limits::default(), ManualClock::default());
        for n in 0..100 {
            let name = format!("bucket-{n}");
            let headers = [
                ("x-ratelimit-limit", "5000"),
                ("x-ratelimit-remaining", "4000"),
                ("x-ratelimit-reset", "60"),
                ("x-ratelimit-resource", name.as_str()),
            ];
            limits.note(&answer(200, &headers, "{}"), Resource::Core, &clock).unwrap();
        }
        let state = limits.state(&clock);
        assert_eq!(state.buckets.len(), BUCKETS);
        let resets = Timestamp::from_millis(60_000);
        assert_eq!(state.buckets["bucket-0"], Bucket { limit: 5000, remaining: 4000, used: 1000, resets });
    }
}
