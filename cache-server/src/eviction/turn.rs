//! One turn of the hand over all objects: says, slice by slice, which of them go. A slice is every n-th object of the
//! index, so a fair sample of all ages and kinds, and its worst tenth is the worst tenth of all but for chance: no
//! sorting of a million objects, no list of them, and the first room is there after the first slice.
//!
//! ```text
//! index ─slice of a few thousand─▶ choose ─those that go─▶ store        again, until nothing has to go or all was seen
//! ```
//!
//! A slice of n costs a sort of n. A turn is needed once for each tenth of the budget that is stored anew. Pure.

use hearth_model::Timestamp;

use super::budgets::{Budgets, Excess};
use super::standing::{Class, Pin, Standing};
use crate::index::Usage;
use crate::keys::ObjectName;

/// What eviction looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) name: ObjectName,
    pub(crate) bytes: u64,
    pub(crate) standing: Standing,
}

/// What is still to be done.
#[derive(Debug)]
pub(crate) struct Turn {
    budgets: Budgets,
    now: Timestamp,
    excess: Excess,
    /// What no slice has shown yet, as far as is known.
    unseen: [Usage; Class::COUNT],
}

impl Turn {
    pub(crate) fn new(budgets: Budgets, excess: Excess, used: [Usage; Class::COUNT], now: Timestamp) -> Self {
        Self { budgets, now, excess, unseen: used }
    }

    /// Whether room has to be made yet. What is too old is taken on the way in any case.
    pub(crate) fn is_done(&self) -> bool {
        self.excess == Excess::default()
    }

    /// Those of the slice that go.
    pub(crate) fn choose(&mut self, slice: &[Candidate]) -> Vec<Candidate> {
        let mut going = Vec::new();
        let mut staying: Vec<(f32, Candidate)> = Vec::with_capacity(slice.len());
        let shown = self.show(slice);
        for candidate in slice {
            if candidate.standing.pin == Pin::Pinned {
                continue;
            }
            if self.budgets.is_too_old(candidate.standing, self.now) {
                self.goes(*candidate);
                going.push(*candidate);
            } else {
                staying.push((candidate.standing.worth(candidate.bytes, self.now), *candidate));
            }
        }
        if self.is_done() {
            return going;
        }
        // Names decide between equals, so that a turn can be repeated.
        staying.sort_unstable_by(|(a, x), (b, y)| a.total_cmp(b).then(x.name.cmp(&y.name)));
        for class in Class::ALL {
            let n = class as usize;
            let due = due(self.excess.classes[n], shown[n], self.unseen[n]);
            self.take_worst(due, Some(class), &mut staying, &mut going);
        }
        // What the classes will yet give back themselves is not asked of all.
        let by_classes = Usage::sum(&self.excess.classes);
        let rest = Usage {
            bytes: self.excess.all.bytes.saturating_sub(by_classes.bytes),
            objects: self.excess.all.objects.saturating_sub(by_classes.objects),
        };
        let due = due(rest, Usage::sum(&shown), Usage::sum(&self.unseen));
        self.take_worst(due, None, &mut staying, &mut going);
        going
    }

    /// Moves the least worthy ones of a class, or of all, until what is due is there.
    fn take_worst(
        &mut self,
        mut due: Usage,
        class: Option<Class>,
        staying: &mut Vec<(f32, Candidate)>,
        going: &mut Vec<Candidate>,
    ) {
        if due == Usage::default() {
            return;
        }
        staying.retain(|(_, candidate)| {
            let meant = class.is_none_or(|class| class == candidate.standing.class);
            if !meant || due == Usage::default() {
                return true;
            }
            due.lose(candidate.bytes);
            self.goes(*candidate);
            going.push(*candidate);
            false
        });
    }

    fn show(&mut self, slice: &[Candidate]) -> [Usage; Class::COUNT] {
        let mut shown = [Usage::default(); Class::COUNT];
        for candidate in slice {
            let class = candidate.standing.class as usize;
            shown[class].gain(candidate.bytes);
            self.unseen[class].lose(candidate.bytes);
        }
        shown
    }

    fn goes(&mut self, candidate: Candidate) {
        self.excess.all.lose(candidate.bytes);
        self.excess.classes[candidate.standing.class as usize].lose(candidate.bytes);
    }
}

/// The slice's part of what has to go: as much of it as the slice is of everything that is left to see.
fn due(excess: Usage, shown: Usage, unseen: Usage) -> Usage {
    let part = |excess: u64, shown: u64, unseen: u64| {
        let left = u128::from(shown) + u128::from(unseen);
        let part = (u128::from(excess) * u128::from(shown)).checked_div(left).unwrap_or(0);
        // Rounded up, so that a turn comes to its end; never more than what has to go.
        u64::try_from(part).map_or(excess, |part| (part + 1).min(excess))
    };
    Usage {
        bytes: part(excess.bytes, shown.bytes, unseen.bytes),
        objects: part(excess.objects, shown.objects, unseen.objects),
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{Bytes, Millis};
    use proptest::prelude::*;

    use super::*;
    use crate::eviction::budgets::Retention;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const DAY: Millis = Millis::from_minutes(24 * 60);

    fn object(n: usize, bytes: u64, standing: Standing) -> Candidate {
        let digest = blake3::hash(&n.to_le_bytes());
        Candidate { name: ObjectName::from_bytes(*digest.as_bytes()), bytes, standing }
    }

    fn used(all: &[Candidate]) -> [Usage; Class::COUNT] {
        let mut used = [Usage::default(); Class::COUNT];
        for candidate in all {
            used[candidate.standing.class as usize].gain(candidate.bytes);
        }
        used
    }

    fn excess(budgets: Budgets, all: &[Candidate]) -> Excess {
        let used = used(all);
        budgets.excess(Bytes(Usage::sum(&used).bytes), &used, Bytes(0), Bytes(0))
    }

    /// A whole turn in slices; what stays.
    fn turn(budgets: Budgets, mut all: Vec<Candidate>, slice: usize) -> Vec<Candidate> {
        all.sort_unstable_by_key(|candidate| candidate.name);
        let excess = excess(budgets, &all);
        let mut turn = Turn::new(budgets, excess, used(&all), NOW);
        let gone: Vec<_> = all.chunks(slice).flat_map(|slice| turn.choose(slice)).collect();
        all.retain(|candidate| !gone.contains(candidate));
        all
    }

    fn fresh(class: Class, cost_ms: u64) -> Standing {
        Standing { class, stored: NOW, used: NOW, uses: 0, cost: Some(Millis(cost_ms)), pin: Pin::Free }
    }

    #[test]
    fn slices_take_together_what_one_would() {
        // Of ten thousand objects, all alike but for their cost, the cheapest go, give or take what chance has put in a slice.
        let all: Vec<_> = (0..10_000).map(|n| object(n, 10_000, fresh(Class::Trusted, 1 + n as u64))).collect();
        let budgets = Budgets::new(Bytes(100_000_000), Retention::default());
        for slice in [10_000, 1000, 256] {
            let stays = turn(budgets, all.clone(), slice);
            let bytes = Usage::sum(&used(&stays)).bytes;
            assert!((84_900_000..=85_000_000).contains(&bytes), "{bytes} in slices of {slice}");
            let cheapest = stays.iter().filter_map(|c| c.standing.cost).map(|cost| cost.0).min().unwrap();
            assert!(cheapest > if slice == 10_000 { 1500 } else { 800 }, "{cheapest} in slices of {slice}");
        }
    }

    #[test]
    fn pull_requests_do_not_push_out_what_is_trusted() {
        // However dear they say that it was.
        let trusted = (0..700).map(|n| object(n, 100_000, fresh(Class::Trusted, 10)));
        let flood = (700..3000).map(|n| object(n, 100_000, fresh(Class::PullRequest, 600_000)));
        let stays = turn(Budgets::new(Bytes(100_000_000), Retention::default()), trusted.chain(flood).collect(), 256);
        let used = used(&stays);
        let (trusted, flood) = (used[Class::Trusted as usize].bytes, used[Class::PullRequest as usize].bytes);
        assert!(flood <= 25_000_000, "{flood}");
        assert!(trusted >= 85_000_000 - 25_000_000, "{trusted}");
    }

    #[test]
    fn what_is_too_old_goes_though_there_is_room() {
        let old = |class, days: u64| Standing { used: NOW - Millis(DAY.0 * days), ..fresh(class, 0) };
        let stored = |class, days: u64| Standing { stored: NOW - Millis(DAY.0 * days), ..fresh(class, 0) };
        let pinned = Standing { pin: Pin::Pinned, ..old(Class::PullRequest, 30) };
        let check = |standing, goes| {
            let stays = turn(Budgets::new(Bytes::gib(1), Retention::default()), vec![object(0, 1, standing)], 1);
            assert_eq!(stays.is_empty(), goes, "{standing:?}");
        };
        check(old(Class::PullRequest, 15), true);
        check(old(Class::PullRequest, 13), false);
        check(old(Class::Branch, 31), true);
        check(old(Class::Cache, 8), true);
        check(old(Class::Trusted, 300), false);
        check(old(Class::Artifact, 300), false);
        check(stored(Class::Artifact, 91), true);
        check(stored(Class::Trusted, 300), false);
        check(pinned, false);
    }

    fn any_object() -> impl Strategy<Value = (u64, usize, u64, u64, bool)> {
        (0..2_000_000_u64, 0..Class::COUNT, 0..5000_u64, 0..16_u64, prop::bool::weighted(0.1))
    }

    proptest! {
        #[test]
        fn a_turn_keeps_every_bound_and_every_pin(
            all in prop::collection::vec(any_object(), 0..300), budget in 0..100_000_000_u64, objects in 1..400_u64,
            slice in 1..100_usize,
        ) {
            let all: Vec<_> = all.into_iter().enumerate().map(|(n, (bytes, class, cost, days, pinned))| {
                let pin = if pinned { Pin::Pinned } else { Pin::Free };
                let standing = Standing { used: NOW - Millis(DAY.0 * days), pin, ..fresh(Class::ALL[class], cost) };
                object(n, bytes, standing)
            }).collect();
            let budgets = Budgets::new(Bytes(budget), Retention { objects, ..Retention::default() });
            let before = used(&all);
            let over = excess(budgets, &all);
            let stays = turn(budgets, all.clone(), slice);
            let is_pinned = |candidate: &&Candidate| candidate.standing.pin == Pin::Pinned;
            prop_assert!(all.iter().filter(is_pinned).all(|pinned| stays.contains(pinned)));
            let old = |c: &&Candidate| !is_pinned(c) && budgets.is_too_old(c.standing, NOW);
            prop_assert_eq!(stays.iter().filter(old).count(), 0);
            // Where nothing is pinned, what had to go is gone; nothing goes that need not.
            let after = used(&stays);
            if all.iter().filter(is_pinned).count() == 0 {
                let gone = before.iter().zip(&after).map(|(b, a)| b.bytes - a.bytes).sum::<u64>();
                prop_assert!(gone >= over.all.bytes);
                prop_assert!(all.len() - stays.len() >= usize::try_from(over.all.objects).unwrap());
                for class in Class::ALL.map(|class| class as usize) {
                    prop_assert!(before[class].bytes - after[class].bytes >= over.classes[class].bytes);
                }
            }
            if over == Excess::default() {
                prop_assert_eq!(stays.len(), all.iter().filter(|c| is_pinned(c) || !old(c)).count());
            }
        }
    }
}
