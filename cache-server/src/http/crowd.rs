//! How many connections there are, in all and from each peer. Whoever is one too many is closed at once: its descriptor
//! is freed before the next one is accepted, so no crowd can use up the descriptors that the store needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::counts::Count;
use crate::transport::Peer;

/// The connections of one node, over all its listeners.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    seated: Mutex<Seated>,
    /// Connections closed at once because there were too many.
    pub(crate) refused: Count,
}

#[derive(Debug, Default)]
struct Seated {
    all: usize,
    /// Only peers that have a connection: no more than there are connections.
    by_peer: HashMap<Peer, usize>,
}

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) in_all: usize,
    /// For each address. Processes of this machine that use the socket share the whole.
    pub(crate) per_peer: usize,
}

/// The place of one connection, free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    peer: Peer,
}

impl Crowd {
    pub(crate) fn seat(self: &Arc<Self>, peer: Peer, room: Room) -> Option<Seat> {
        let mut seated = self.lock();
        let of_peer = seated.by_peer.get(&peer).copied().unwrap_or(0);
        let most = if peer == Peer::Local { room.in_all } else { room.per_peer };
        if seated.all >= room.in_all || of_peer >= most {
            self.refused.one();
            return None;
        }
        seated.all += 1;
        seated.by_peer.insert(peer, of_peer + 1);
        Some(Seat { crowd: Arc::clone(self), peer })
    }

    /// Connections that are open.
    pub(crate) fn size(&self) -> usize {
        self.lock().all
    }

    /// Both numbers are right after every statement, so a poisoned lock is as good as a whole one.
    fn lock(&self) -> MutexGuard<'_, Seated> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seated = self.crowd.lock();
        seated.all -= 1;
        if let Some(count) = seated.by_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                seated.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_the_room_or_than_a_peer_may() {
        let (crowd, room) = (Arc::new(Crowd::default()), Room { in_all: 3, per_peer: 2 });
        let one = Peer::Address([10, 0, 0, 1].into());
        let other = Peer::Address([10, 0, 0, 2].into());
        let first = crowd.seat(one, room).unwrap();
        let _second = crowd.seat(one, room).unwrap();
        assert!(crowd.seat(one, room).is_none(), "one peer has two");
        let _third = crowd.seat(other, room).unwrap();
        assert!(crowd.seat(other, room).is_none(), "three in all");
        assert_eq!((crowd.size(), crowd.refused.get()), (3, 2));
        drop(first);
        assert!(crowd.seat(one, room).is_some());
        assert_eq!(crowd.size(), 2);
    }

    #[test]
    fn the_socket_is_no_single_peer_and_nobody_is_remembered() {
        let (crowd, room) = (Arc::new(Crowd::default()), Room { in_all: 3, per_peer: 1 });
        let seats: Vec<_> = (0..3).map(|_| crowd.seat(Peer::Local, room).unwrap()).collect();
        assert!(crowd.seat(Peer::Local, room).is_none());
        drop(seats);
        assert!(crowd.lock().by_peer.is_empty());
    }
}
