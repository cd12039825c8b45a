//! How long artifacts are kept. Pure.

use std::time::Duration;

use hearth_model::{Millis, Timestamp};
use hearth_trust::Class;

use crate::access::Who;

const DAY: Duration = Duration::from_hours(24);

/// How long artifacts are kept, at most and unless their uploader asks for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArtifactLife {
    /// Of ordinary jobs: what one job of a run hands to the next.
    pub jobs: Duration,
    /// Of jobs of tags and releases, whose artifacts people come back for.
    pub releases: Duration,
}

impl Default for ArtifactLife {
    fn default() -> Self {
        Self { jobs: DAY, releases: 7 * DAY }
    }
}

impl ArtifactLife {
    /// When an artifact that this one stores now goes.
    pub(super) fn end(&self, who: &Who, asked: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let longest = match who {
            Who::Job { class: Class::Release, .. } => self.releases,
            Who::Job { .. } | Who::Token { .. } => self.jobs,
        };
        let longest = now + Millis(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX));
        asked.map_or(longest, |asked| asked.min(longest))
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::ExecutionId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn check(class: Class, asked_days: Option<u32>, expected_days: u32) {
        let after = |days: u32| NOW + Millis(u64::from(days) * 24 * 3600 * 1000);
        let who = Who::Job { execution: ExecutionId::new(NOW), class };
        let end = ArtifactLife::default().end(&who, asked_days.map(after), NOW);
        assert_eq!(end, after(expected_days), "{class} asked for {asked_days:?}");
    }

    #[test]
    fn nobody_gets_longer_than_his_class_and_everybody_shorter_if_he_asks() {
        for class in [Class::Trusted, Class::Branch, Class::PullRequest, Class::ForkPullRequest, Class::Unknown] {
            check(class, None, 1);
            check(class, Some(90), 1);
            check(class, Some(0), 0);
        }
        check(Class::Release, None, 7);
        check(Class::Release, Some(90), 7);
        check(Class::Release, Some(3), 3);
    }
}
