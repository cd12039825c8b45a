//! What the upstream was found not to have, remembered for a short while, so that a build of things that nobody has
//! built asks once for each of them. Pure: the clock's reading is handed in.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::keys::ObjectName;

#[derive(Debug)]
pub(crate) struct Absent {
    /// How long an answer is believed.
    belief: Duration,
    most: usize,
    until: HashMap<ObjectName, Duration>,
    /// In the order in which they were found; some are forgotten already.
    order: VecDeque<(ObjectName, Duration)>,
}

impl Absent {
    pub(crate) fn new(belief: Duration, most: usize) -> Self {
        Self { belief, most, until: HashMap::new(), order: VecDeque::new() }
    }

    /// The upstream has said that it has no such object.
    pub(crate) fn found(&mut self, name: ObjectName, now: Duration) {
        while self.order.front().is_some_and(|(_, until)| *until <= now) || self.order.len() >= self.most.max(1) {
            let Some((oldest, until)) = self.order.pop_front() else { break };
            // It may have been found absent again since.
            if self.until.get(&oldest) == Some(&until) {
                self.until.remove(&oldest);
            }
        }
        let until = now + self.belief;
        self.until.insert(name, until);
        self.order.push_back((name, until));
    }

    pub(crate) fn knows(&self, name: ObjectName, now: Duration) -> bool {
        self.until.get(&name).is_some_and(|until| now < *until)
    }

    /// Somebody has stored it.
    pub(crate) fn forget(&mut self, name: ObjectName) {
        self.until.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(n: u8) -> ObjectName {
        ObjectName::from_bytes([n; 32])
    }

    #[test]
    fn an_absence_is_believed_for_a_while_and_until_it_is_stored() {
        let at = Duration::from_secs;
        let mut absent = Absent::new(at(10), 100);
        absent.found(name(1), at(0));
        absent.found(name(2), at(5));
        assert!(absent.knows(name(1), at(9)) && !absent.knows(name(1), at(10)) && absent.knows(name(2), at(14)));
        absent.forget(name(2));
        assert!(!absent.knows(name(2), at(6)));
        // Found once more: the older answer's end is not the newer one's.
        absent.found(name(1), at(8));
        absent.found(name(3), at(11));
        assert!(absent.knows(name(1), at(17)));
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_it_may(steps in prop::collection::vec((0..20u8, 0..5u64), 0..200), most in 0..8usize) {
            let mut absent = Absent::new(Duration::from_secs(30), most);
            let mut now = Duration::ZERO;
            for (n, pause) in steps {
                now += Duration::from_secs(pause);
                absent.found(name(n), now);
                prop_assert!(absent.order.len() <= most.max(1) && absent.until.len() <= absent.order.len());
                prop_assert!(absent.knows(name(n), now));
            }
        }
    }
}
