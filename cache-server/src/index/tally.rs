//! How much each space holds, kept with every change so that nobody has to count. An entry names its space by a number.

use std::collections::HashMap;

use crate::keys::Space;

/// What a space holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) objects: u64,
    /// Bytes of records on disk.
    pub(crate) bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tallies {
    numbers: HashMap<Space, u32>,
    spaces: Vec<Option<(Space, Usage)>>,
    free: Vec<u32>,
}

impl Tallies {
    /// Counts an object in; says under which number.
    pub(super) fn gain(&mut self, space: &Space, size: u64) -> u32 {
        let number = match self.numbers.get(space) {
            Some(number) => *number,
            None => self.enter(space.clone()),
        };
        if let Some((_, usage)) = &mut self.spaces[number as usize] {
            usage.objects += 1;
            usage.bytes += size;
        }
        number
    }

    /// Counts an object out. A space without objects is forgotten, and its number used again.
    pub(super) fn lose(&mut self, number: u32, size: u64) {
        let Some(tally) = self.spaces.get_mut(number as usize) else { return };
        let Some((space, usage)) = tally else { return };
        usage.objects -= 1;
        usage.bytes -= size;
        if usage.objects == 0 {
            self.numbers.remove(space);
            *tally = None;
            self.free.push(number);
        }
    }

    pub(super) fn usage(&self, space: &Space) -> Usage {
        let number = self.numbers.get(space);
        number.and_then(|n| self.spaces[*n as usize].as_ref()).map_or_else(Usage::default, |(_, usage)| *usage)
    }

    pub(super) fn all(&self) -> Vec<(Space, Usage)> {
        self.spaces.iter().flatten().cloned().collect()
    }

    fn enter(&mut self, space: Space) -> u32 {
        let tally = Some((space.clone(), Usage::default()));
        let number = if let Some(number) = self.free.pop() {
            self.spaces[number as usize] = tally;
            number
        } else {
            self.spaces.push(tally);
            u32::try_from(self.spaces.len() - 1).expect("each space has an object, of which fewer fit in memory")
        };
        self.numbers.insert(space, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Scope;

    use super::*;

    fn space(n: u64) -> Space {
        Space { realm: "github.com/a/b".into(), scope: Scope::PullRequest(n) }
    }

    #[test]
    fn a_space_is_forgotten_with_its_last_object() {
        let mut tallies = Tallies::default();
        let one = tallies.gain(&space(1), 10);
        assert_eq!(tallies.gain(&space(1), 5), one);
        tallies.gain(&space(2), 7);
        assert_eq!(tallies.usage(&space(1)), Usage { objects: 2, bytes: 15 });
        tallies.lose(one, 10);
        tallies.lose(one, 5);
        assert_eq!(tallies.usage(&space(1)), Usage::default());
        assert_eq!(tallies.gain(&space(3), 1), one, "the number is used again");
        assert_eq!(tallies.all().len(), 2);
    }
}
