//! How much may stay: of each class and in all, by bytes and by number, and for how long unused. Pure.

use hearth_model::{Bytes, Millis, Timestamp};

use super::standing::{Class, Standing};
use crate::index::Usage;

/// What one class of objects may take of a node's room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassLimit {
    /// Of the whole budget. More may be borrowed while there is room; when room is wanted, what was borrowed goes first.
    pub percent: u8,
    /// Objects that nobody has read for so long go even if there is room.
    pub unused: Option<Millis>,
    /// Objects that were stored so long ago go, read or not.
    pub age: Option<Millis>,
}

/// How the room is divided, and what goes by age. Pinned objects stay in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The most objects in all; each costs memory.
    pub objects: u64,
    pub trusted: ClassLimit,
    pub branches: ClassLimit,
    pub pull_requests: ClassLimit,
    /// Entries of GitHub's cache service.
    pub caches: ClassLimit,
    /// Artifacts. Their jobs may ask for fewer days.
    pub artifacts: ClassLimit,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |n: u64| Some(Millis::from_minutes(n * 24 * 60));
        let limit = |percent, unused| ClassLimit { percent, unused, age: None };
        Self {
            objects: 10_000_000,
            trusted: limit(100, None),
            branches: limit(40, days(30)),
            pull_requests: limit(25, days(14)),
            // As long as GitHub's own.
            caches: limit(50, days(7)),
            artifacts: ClassLimit { age: days(90), ..limit(50, None) },
        }
    }
}

impl Retention {
    pub(crate) fn of(&self, class: Class) -> ClassLimit {
        match class {
            Class::Trusted => self.trusted,
            Class::Branch => self.branches,
            Class::PullRequest => self.pull_requests,
            Class::Cache => self.caches,
            Class::Artifact => self.artifacts,
        }
    }
}

/// Where eviction of something starts, and where it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    high: u64,
    low: u64,
}

impl Marks {
    /// 95 and 85 percent: room for the uploads of the next minutes, and rarely a turn.
    fn of(limit: u64) -> Self {
        Self { high: percent(limit, 95), low: percent(limit, 85) }
    }

    fn excess(self, used: u64) -> u64 {
        if used > self.high { used - self.low } else { 0 }
    }
}

pub(super) fn percent(of: u64, n: u64) -> u64 {
    of / 100 * n + of % 100 * n / 100
}

/// A node's bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budgets {
    bytes: Bytes,
    retention: Retention,
}

/// What has to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Excess {
    pub(crate) all: Usage,
    pub(crate) classes: [Usage; Class::COUNT],
}

impl Budgets {
    pub(crate) fn new(bytes: Bytes, retention: Retention) -> Self {
        Self { bytes, retention }
    }

    /// Whether something has to go by what is stored alone.
    pub(crate) fn exceeded(&self, on_disk: Bytes, objects: u64) -> bool {
        on_disk.0 > Marks::of(self.bytes.0).high || objects > Marks::of(self.retention.objects).high
    }

    /// `on_disk` is what the objects take with what has not been given back yet, `short` what the file system lacks,
    /// `wanted` the biggest upload that found no room lately; one that can never fit moves nothing.
    pub(crate) fn excess(&self, on_disk: Bytes, used: &[Usage; Class::COUNT], short: Bytes, wanted: Bytes) -> Excess {
        let all = Usage::sum(used);
        let by_upload = if wanted <= self.bytes { (on_disk.0 + wanted.0).saturating_sub(self.bytes.0) } else { 0 };
        let bytes = Marks::of(self.bytes.0).excess(on_disk.0).max(by_upload).max(short.0).min(all.bytes);
        let objects = Marks::of(self.retention.objects).excess(all.objects);
        // Free room may be borrowed; when it is wanted back, whoever has more than his part gives first.
        let borrowed = Class::ALL.map(|class| {
            let part = percent(self.bytes.0, u64::from(self.retention.of(class).percent.min(100)));
            used[class as usize].bytes.saturating_sub(part)
        });
        let asked = |borrowed: u64, all: u64| {
            let share = (u128::from(borrowed) * u128::from(bytes)).checked_div(u128::from(all.max(bytes))).unwrap_or(0);
            u64::try_from(share).unwrap_or(borrowed)
        };
        let sum = borrowed.iter().sum();
        let classes = borrowed.map(|borrowed| Usage { bytes: asked(borrowed, sum), objects: 0 });
        Excess { all: Usage { objects, bytes }, classes }
    }

    /// Whether an object goes whatever room there is.
    pub(crate) fn is_too_old(&self, standing: Standing, now: Timestamp) -> bool {
        let limit = self.retention.of(standing.class);
        let over = |span: Millis, most: Option<Millis>| most.is_some_and(|most| span > most);
        over(standing.idle(now), limit.unused) || over(now.since(standing.stored), limit.age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(trusted: u64, pull_requests: u64) -> [Usage; Class::COUNT] {
        let mut used = [Usage::default(); Class::COUNT];
        used[Class::Trusted as usize] = Usage { bytes: trusted, objects: 1 };
        used[Class::PullRequest as usize] = Usage { bytes: pull_requests, objects: 1 };
        used
    }

    #[test]
    fn eviction_starts_at_the_high_mark_and_goes_to_the_low_one() {
        let budgets = Budgets::new(Bytes(1000), Retention::default());
        let check = |stored, short, wanted, expected| {
            assert_eq!(
                budgets.excess(Bytes(stored), &used(stored, 0), Bytes(short), Bytes(wanted)).all.bytes,
                expected
            );
        };
        check(950, 0, 0, 0);
        check(951, 0, 0, 101);
        check(500, 100, 0, 100);
        check(500, 700, 0, 500);
        check(900, 0, 300, 200);
        check(900, 0, 1001, 0);
        assert_eq!(percent(u64::MAX, 95) / 95, u64::MAX / 100);
    }

    #[test]
    fn what_was_borrowed_goes_first() {
        let budgets = Budgets::new(Bytes(1000), Retention::default());
        let check = |trusted, pull_requests, expected: (u64, u64)| {
            let stored = Bytes(trusted + pull_requests);
            let excess = budgets.excess(stored, &used(trusted, pull_requests), Bytes(0), Bytes(0));
            assert_eq!((excess.all.bytes, excess.classes[Class::PullRequest as usize].bytes), expected);
        };
        check(0, 950, (0, 0));
        check(0, 960, (110, 110));
        check(700, 300, (150, 50));
        check(900, 100, (150, 0));
        assert!(!budgets.exceeded(Bytes(950), 2) && budgets.exceeded(Bytes(951), 2));
    }

    #[test]
    fn objects_are_bounded_by_number_too() {
        let budgets = Budgets::new(Bytes(1000), Retention { objects: 100, ..Retention::default() });
        let mut stored = used(0, 0);
        stored[0].objects = 96;
        assert!(!budgets.exceeded(Bytes(0), 95) && budgets.exceeded(Bytes(0), 96));
        assert_eq!(budgets.excess(Bytes(0), &stored, Bytes(0), Bytes(0)).all.objects, 97 - 85);
    }
}
