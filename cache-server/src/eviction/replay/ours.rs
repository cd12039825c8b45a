//! Our policy in a replay: the product's standings, budgets and turns over a table that stands for the index.

use std::collections::BTreeMap;

use hearth_model::{Bytes, Millis, Timestamp};

use super::{Object, Policy};
use crate::eviction::budgets::{Budgets, Retention};
use crate::eviction::standing::{Class, Pin, Standing, counts};
use crate::eviction::turn::{Candidate, Turn};
use crate::index::Usage;
use crate::keys::ObjectName;

/// As many as the node looks at in one go.
const SLICE: usize = 4096;

#[derive(Debug)]
pub(super) struct Ours {
    budgets: Budgets,
    /// In the order of digests, as an index is.
    objects: BTreeMap<u64, (u64, Standing)>,
    used: [Usage; Class::COUNT],
    hand: u64,
}

impl Ours {
    pub(super) fn new(budget: u64) -> Self {
        let budgets = Budgets::new(Bytes(budget), Retention::default());
        Self { budgets, objects: BTreeMap::new(), used: Default::default(), hand: 0 }
    }

    /// The next objects behind the hand, from the beginning again after the last one.
    fn slice(&mut self) -> Vec<Candidate> {
        let candidate = |(id, (bytes, standing)): (&u64, &(u64, Standing))| {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&id.to_be_bytes());
            Candidate { name: ObjectName::from_bytes(name), bytes: *bytes, standing: *standing }
        };
        let slice: Vec<_> = self.objects.range(self.hand..).take(SLICE).map(candidate).collect();
        self.hand = slice.last().filter(|_| slice.len() == SLICE).map_or(0, |last| id_of(last) + 1);
        slice
    }
}

impl Policy for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn get(&mut self, id: u64, at: u32) -> bool {
        let found = self.objects.get_mut(&id);
        let touch = |(_, standing): &mut (u64, Standing)| {
            standing.uses = counts(standing.uses, standing.idle(time(at)));
            standing.used = time(at);
        };
        found.map(touch).is_some()
    }

    fn put(&mut self, id: u64, object: Object, at: u32) {
        let size = u64::from(object.size);
        let cost = Some(Millis(u64::from(object.cost_ms)));
        let (stored, used) = (time(at), time(at));
        let standing = Standing { class: object.class, stored, used, uses: 0, cost, pin: Pin::Free };
        self.objects.insert(id, (size, standing));
        self.used[object.class as usize].gain(size);
        let excess = self.budgets.excess(Bytes(self.bytes()), &self.used, Bytes(0), Bytes(0));
        let mut turn = Turn::new(self.budgets, excess, self.used, time(at));
        while !turn.is_done() {
            for gone in turn.choose(&self.slice()) {
                self.objects.remove(&id_of(&gone));
                self.used[gone.standing.class as usize].lose(gone.bytes);
            }
        }
    }

    fn bytes(&self) -> u64 {
        Usage::sum(&self.used).bytes
    }

    /// The marks are those of the budgets, and `put` keeps them.
    fn evict(&mut self, target: u64, _at: u32) {
        assert!(self.bytes() <= target, "nothing that is pinned is in a trace");
    }
}

fn id_of(candidate: &Candidate) -> u64 {
    u64::from_be_bytes(*candidate.name.as_bytes().first_chunk().unwrap())
}

fn time(at: u32) -> Timestamp {
    Timestamp::from_millis(i64::from(at) * 1000)
}
