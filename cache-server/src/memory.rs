//! The memory tier: checked bytes of objects that were read lately, bounded in bytes, least recently used out first.
//! It holds nothing that is not on disk, and whoever removes an object there must remove it here.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hearth_model::Bytes as Size;

use crate::keys::ObjectName;
use crate::store::Info;

/// An object in the pieces in which it was read.
pub(crate) type Pieces = Vec<Bytes>;

#[derive(Debug)]
pub(crate) struct Memory {
    capacity: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: HashMap<ObjectName, Held>,
    /// By turn of last use, oldest first.
    order: BTreeMap<u64, ObjectName>,
    turn: u64,
    bytes: u64,
    /// The turn at the last [`Memory::rest`].
    rested_at: u64,
}

#[derive(Debug)]
struct Held {
    info: Arc<Info>,
    pieces: Pieces,
    length: u64,
    turn: u64,
}

impl Memory {
    pub(crate) fn new(capacity: Size) -> Self {
        Self { capacity: capacity.0, state: Mutex::default() }
    }

    /// Whether an object of this length has a place here: one must not push out everything else.
    pub(crate) fn takes(&self, length: u64) -> bool {
        length <= self.capacity / 4 && self.capacity > 0
    }

    pub(crate) fn get(&self, name: ObjectName) -> Option<(Arc<Info>, Pieces)> {
        let mut state = self.state();
        let State { objects, order, turn, .. } = &mut *state;
        let held = objects.get_mut(&name)?;
        *turn += 1;
        order.remove(&held.turn);
        order.insert(*turn, name);
        held.turn = *turn;
        Some((Arc::clone(&held.info), held.pieces.clone()))
    }

    pub(crate) fn insert(&self, info: Arc<Info>, pieces: Pieces) {
        let name = info.name;
        let length: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        if !self.takes(length) {
            return;
        }
        let mut state = self.state();
        state.forget(name);
        state.turn += 1;
        let turn = state.turn;
        state.order.insert(turn, name);
        state.objects.insert(name, Held { info, pieces, length, turn });
        state.bytes += length;
        while state.bytes > self.capacity {
            let Some((_, oldest)) = state.order.first_key_value() else {
                break;
            };
            let oldest = *oldest;
            state.forget(oldest);
        }
    }

    pub(crate) fn remove(&self, name: ObjectName) {
        self.state().forget(name);
    }

    /// Called now and then: when nothing was asked since the last call, a resting node gives its memory back.
    pub(crate) fn rest(&self) {
        let mut state = self.state();
        if state.rested_at == state.turn {
            *state = State { turn: state.turn, rested_at: state.turn, ..State::default() };
        }
        state.rested_at = state.turn;
    }

    pub(crate) fn bytes(&self) -> Size {
        Size(self.state().bytes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, name: ObjectName) {
        if let Some(held) = self.objects.remove(&name) {
            self.order.remove(&held.turn);
            self.bytes -= held.length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: u8) -> ObjectName {
        ObjectName::from_bytes([n; 32])
    }

    fn info(n: u8) -> Arc<Info> {
        Arc::new(Info {
            name: name(n),
            address: crate::testing::plain(0, "key"),
            length: 0,
            writer: hearth_model::WriterId::from_bytes([n; 16]),
            stored_at: hearth_model::Timestamp::from_millis(0),
            cost_ms: 0,
            attributes: "".into(),
        })
    }

    fn object(length: usize) -> Pieces {
        vec![Bytes::from(vec![0; length / 2]), Bytes::from(vec![0; length - length / 2])]
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let memory = Memory::new(Size(100));
        for n in 0..4 {
            memory.insert(info(n), object(25));
        }
        assert!(memory.get(name(0)).is_some());
        memory.insert(info(4), object(25));
        assert!(memory.get(name(1)).is_none());
        assert!(memory.get(name(0)).is_some());
        assert_eq!(memory.bytes(), Size(100));
    }

    #[test]
    fn big_objects_and_a_tier_of_zero_take_nothing() {
        let memory = Memory::new(Size(100));
        memory.insert(info(1), object(26));
        assert!(memory.get(name(1)).is_none());
        let off = Memory::new(Size(0));
        off.insert(info(1), object(0));
        assert!(off.get(name(1)).is_none());
    }

    #[test]
    fn a_replaced_and_a_removed_object_are_counted_once() {
        let memory = Memory::new(Size(100));
        memory.insert(info(1), object(20));
        memory.insert(info(1), object(10));
        assert_eq!(memory.bytes(), Size(10));
        memory.remove(name(1));
        memory.remove(name(1));
        assert_eq!(memory.bytes(), Size(0));
    }

    #[test]
    fn a_resting_node_gives_its_memory_back() {
        let memory = Memory::new(Size(100));
        memory.insert(info(1), object(20));
        memory.rest();
        assert_eq!(memory.bytes(), Size(20), "asked since the last call");
        memory.rest();
        assert_eq!(memory.bytes(), Size(0));
    }
}
