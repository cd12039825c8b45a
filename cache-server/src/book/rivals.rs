//! Records of a name that another record has, as logs tell of them. Logs are read in any order, so the one that is known
//! may turn out to be removed, and then the next has the name: none is given up before every log was read further than
//! where it was when the record was told of.

use std::collections::HashMap;

use crate::index::{Added, Site};
use crate::keys::ObjectName;

type Told = HashMap<ObjectName, Vec<Added>>;

#[derive(Debug, Default)]
pub(crate) struct Rivals {
    /// Told of in this reading of the logs.
    now: Told,
    /// Told of in the one before.
    before: Told,
}

impl Rivals {
    /// Says whether it was not there yet.
    pub(crate) fn add(&mut self, added: Added) -> bool {
        let is_new = !self.has(added.name, added.site);
        if is_new {
            self.now.entry(added.name).or_default().push(added);
        }
        is_new
    }

    pub(crate) fn has(&self, name: ObjectName, site: Site) -> bool {
        let all = [&self.now, &self.before].into_iter().filter_map(|told| told.get(&name)).flatten();
        all.into_iter().any(|added| added.site == site)
    }

    /// Those of a name whose holder was removed.
    pub(crate) fn take(&mut self, name: ObjectName) -> Vec<Added> {
        let all = [&mut self.before, &mut self.now].map(|told| told.remove(&name).unwrap_or_default());
        all.concat()
    }

    /// One that was itself removed.
    pub(crate) fn withdraw(&mut self, name: ObjectName, site: Site) -> Option<Added> {
        [&mut self.before, &mut self.now].into_iter().find_map(|told| {
            let all = told.get_mut(&name)?;
            let at = all.iter().position(|added| added.site == site)?;
            let added = all.swap_remove(at);
            if all.is_empty() {
                told.remove(&name);
            }
            Some(added)
        })
    }

    /// The logs were read: gives those that were told of in the reading before.
    pub(crate) fn due(&mut self) -> Vec<Added> {
        let due = std::mem::replace(&mut self.before, std::mem::take(&mut self.now));
        due.into_values().flatten().collect()
    }
}
