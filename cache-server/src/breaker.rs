//! When to stop asking. Pure: the clock's reading is handed in.
//!
//! ```text
//! Closed ── failures in a row ──▶ Open ── pause over ──▶ Trying ── success ──▶ Closed
//!    ▲ each success forgets them    ▲                       │
//!    └──────────────────────────────┴───────── failure ─────┘
//! ```
//!
//! A failure costs a build nothing and may be one object's; a silence costs it the whole wait. So one silence is enough,
//! and each pause after a trial that failed is twice as long as the one before, up to a limit. So is one soon after a
//! trial that went well: there is a way to fail that a trial does not see.

use std::time::Duration;

/// The longest pause, in first pauses.
const LONGEST: u32 = 16;

/// When to open and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) failures: u32,
    pub(crate) pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Duration,
    },
    /// One request is under way; if nothing is heard of it by `until`, another may try.
    Trying {
        until: Duration,
    },
}

#[derive(Debug)]
pub(crate) struct Breaker {
    rules: Rules,
    state: State,
    pause: Duration,
    /// A silence before this is the old trouble, whatever the last trial has said.
    calm_at: Duration,
}

/// Whether a request may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ask,
    Spare,
}

impl Breaker {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, state: State::Closed { failures: 0 }, pause: rules.pause, calm_at: Duration::ZERO }
    }

    pub(crate) fn ask(&mut self, now: Duration) -> Verdict {
        match self.state {
            State::Closed { .. } => Verdict::Ask,
            State::Open { until } | State::Trying { until } if now < until => Verdict::Spare,
            State::Open { .. } | State::Trying { .. } => {
                self.state = State::Trying { until: now + self.rules.pause };
                Verdict::Ask
            }
        }
    }

    /// Whether all is well, as far as anybody knows.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    pub(crate) fn succeeded(&mut self, now: Duration) {
        match self.state {
            // A late success of a request from before the pause does not end the pause: that is the trial's to say.
            State::Open { .. } => return,
            State::Trying { .. } => self.calm_at = now + self.pause * 2,
            State::Closed { .. } => {}
        }
        self.state = State::Closed { failures: 0 };
    }

    /// It has said that it cannot.
    pub(crate) fn failed(&mut self, now: Duration) {
        match &mut self.state {
            State::Closed { failures } if *failures + 1 < self.rules.failures => *failures += 1,
            _ => self.silent(now),
        }
    }

    /// It has said nothing.
    pub(crate) fn silent(&mut self, now: Duration) {
        self.pause = match self.state {
            State::Closed { .. } if now >= self.calm_at => self.rules.pause,
            State::Closed { .. } | State::Trying { .. } => (self.pause * 2).min(self.rules.pause * LONGEST),
            // Late failures of requests from before do not lengthen the pause.
            State::Open { .. } => return,
        };
        self.state = State::Open { until: now + self.pause };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules { failures: 3, pause: Duration::from_secs(10) };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(RULES);
        for _ in 0..3 {
            assert_eq!(breaker.ask(at(0)), Verdict::Ask);
            breaker.failed(at(0));
        }
        breaker
    }

    #[test]
    fn three_failures_in_a_row_open_it() {
        let mut breaker = opened();
        assert_eq!(breaker.ask(at(0)), Verdict::Spare);
        assert_eq!(breaker.ask(at(9)), Verdict::Spare);
    }

    #[test]
    fn a_success_between_failures_forgets_them() {
        let mut breaker = Breaker::new(RULES);
        for _ in 0..5 {
            breaker.failed(at(0));
            breaker.failed(at(0));
            breaker.succeeded(at(0));
        }
        assert_eq!(breaker.ask(at(0)), Verdict::Ask);
    }

    #[test]
    fn after_the_pause_one_request_tries() {
        let mut breaker = opened();
        assert_eq!(breaker.ask(at(10)), Verdict::Ask);
        assert_eq!(breaker.ask(at(10)), Verdict::Spare);
        breaker.succeeded(at(10));
        assert_eq!(breaker.ask(at(10)), Verdict::Ask);
        assert_eq!(breaker.ask(at(10)), Verdict::Ask);
    }

    #[test]
    fn one_silence_opens_it() {
        let mut breaker = Breaker::new(RULES);
        breaker.silent(at(0));
        assert_eq!(breaker.ask(at(9)), Verdict::Spare);
        assert_eq!(breaker.ask(at(10)), Verdict::Ask);
    }

    #[test]
    fn a_failed_trial_pauses_again_and_longer() {
        let (mut breaker, mut now) = (opened(), at(10));
        for pause in [20, 40, 80, 160, 160] {
            assert_eq!(breaker.ask(now), Verdict::Ask);
            breaker.failed(now);
            breaker.failed(now + at(1));
            assert_eq!(breaker.ask(now + at(pause - 1)), Verdict::Spare, "{pause}");
            now += at(pause);
        }
        assert_eq!(breaker.ask(now), Verdict::Ask);
    }

    #[test]
    fn a_relapse_pauses_longer_until_there_was_calm() {
        let mut breaker = Breaker::new(RULES);
        let mut now = at(0);
        for pause in [10, 20, 40] {
            breaker.silent(now);
            assert_eq!(breaker.ask(now + at(pause - 1)), Verdict::Spare, "{pause}");
            now += at(pause);
            assert_eq!(breaker.ask(now), Verdict::Ask, "{pause}");
            breaker.succeeded(now);
            now += at(1);
        }
        now += at(80);
        breaker.silent(now);
        assert_eq!(breaker.ask(now + at(10)), Verdict::Ask, "calm forgets the long pauses");
    }

    #[test]
    fn a_lost_trial_does_not_keep_it_open_for_ever() {
        let mut breaker = opened();
        assert_eq!(breaker.ask(at(10)), Verdict::Ask);
        assert_eq!(breaker.ask(at(19)), Verdict::Spare);
        assert_eq!(breaker.ask(at(20)), Verdict::Ask);
    }

    proptest! {
        #[test]
        fn it_always_asks_again_after_the_longest_pause(steps in prop::collection::vec((0..4u8, 0..5u64), 0..40)) {
            let mut breaker = Breaker::new(RULES);
            let mut now = at(0);
            for (step, seconds) in steps {
                now += at(seconds);
                match step {
                    0 => { let _ = breaker.ask(now); }
                    1 => breaker.succeeded(now),
                    2 => breaker.silent(now),
                    _ => breaker.failed(now),
                }
            }
            prop_assert_eq!(breaker.ask(now + RULES.pause * LONGEST), Verdict::Ask);
        }
    }
}
