//! Which place at the forge gets a free slot. Pure.

/// One place as the plan sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Want {
    /// Runners that the forge wants in all.
    pub(super) wanted: u32,
    /// Slots that hold a runner of it already.
    pub(super) have: u32,
    /// The most that it may have.
    pub(super) max: u32,
    pub(super) share: u16,
    pub(super) priority: i16,
}

impl Want {
    fn wants_more(self) -> bool {
        self.have < self.wanted.min(self.max)
    }
}

/// For each of `free` slots the place that gets it, by its index; fewer when nobody wants more. The highest priority
/// first; among equals whoever is furthest below its share.
pub(super) fn plan(free: usize, wants: &[Want]) -> Vec<usize> {
    let mut wants = wants.to_vec();
    let mut given = Vec::new();
    while given.len() < free {
        let hungry = wants.iter().enumerate().filter(|(_, want)| want.wants_more());
        // Compared crosswise, so that no fraction is rounded: have/share < have/share.
        let next = hungry.min_by(|(_, a), (_, b)| {
            let shares = |one: &Want, other: &Want| u64::from(one.have) * u64::from(other.share);
            b.priority.cmp(&a.priority).then_with(|| shares(a, b).cmp(&shares(b, a)))
        });
        let Some(index) = next.map(|(index, _)| index) else { break };
        wants[index].have += 1;
        given.push(index);
    }
    given
}

/// How many jobs a place may be promised: the runners that it has and the slots that it could get.
pub(super) fn capacity(free: usize, want: Want) -> u32 {
    let free = u32::try_from(free).unwrap_or(u32::MAX);
    want.have.saturating_add(free).min(want.max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn want(wanted: u32, have: u32) -> Want {
        Want { wanted, have, max: 100, share: 1, priority: 0 }
    }

    #[test]
    fn slots_go_by_priority_then_by_share() {
        assert_eq!(plan(3, &[want(0, 0), want(5, 0)]), [1, 1, 1]);
        assert_eq!(plan(4, &[want(9, 0), want(9, 0)]), [0, 1, 0, 1]);
        let twice = Want { share: 2, ..want(9, 0) };
        assert_eq!(plan(6, &[want(9, 0), twice]).iter().filter(|i| **i == 1).count(), 4);
        let first = Want { priority: 1, ..want(2, 0) };
        assert_eq!(plan(3, &[want(9, 0), first]), [1, 1, 0]);
        let limited = Want { max: 1, priority: 9, ..want(9, 1) };
        assert_eq!(plan(2, &[want(1, 0), limited]), [0]);
    }

    #[test]
    fn nobody_is_promised_what_is_not_there() {
        assert_eq!(capacity(2, want(9, 1)), 3);
        assert_eq!(capacity(2, Want { max: 2, ..want(9, 1) }), 2);
        assert_eq!(capacity(0, want(9, 0)), 0);
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_wanted_and_no_slot_stays_free_while_somebody_wants_it(
            free in 0_usize..20,
            wants in proptest::collection::vec((0_u32..9, 0_u32..5, 0_u32..9, 1_u16..5, -2_i16..3), 0..5),
        ) {
            let of = |(wanted, have, max, share, priority)| Want { wanted, have, max, share, priority };
            let wants: Vec<Want> = wants.into_iter().map(of).collect();
            let given = plan(free, &wants);
            prop_assert!(given.len() <= free);
            let missing: u32 = wants.iter().map(|w| w.wanted.min(w.max).saturating_sub(w.have)).sum();
            prop_assert_eq!(given.len(), free.min(missing as usize));
            for (index, want) in wants.iter().enumerate() {
                let got = given.iter().filter(|i| **i == index).count();
                prop_assert!(got <= want.wanted.min(want.max).saturating_sub(want.have) as usize);
            }
        }
    }
}
