//! Lists page by page. Keys in order are nowhere but in the log, and to go through all of it for each page would make the
//! price of a list the square of its length. So who asks for a page gets a window made: the keys behind the place where
//! the page begins, as many as fit into some memory. The next pages are cut out of it, after what the log has been told
//! since; so a page says what is there when it is asked for, like the first one.
//!
//! One list at a time is worked on, by one thread: others wait for their turn, and requests for objects for none of it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use hearth_model::{Timestamp, WriterId};
use tokio::sync::Mutex;

use super::{Filter, Listed};
use crate::disk::{Patience, TooSlow};
use crate::index::{Continued, Fact, Follower};
use crate::keys::{Address, ObjectKey, ObjectName, Space};
use crate::store::Store;

/// Windows that are kept, until nobody has looked through them for a while.
const KEPT: usize = 4;
/// Memory of a window: some ten thousands of keys.
const LARGEST: usize = 8 << 20;
/// What a key takes beside its text.
const EACH: usize = size_of::<Held>() + size_of::<Box<str>>() + 16;

/// The windows of a store.
#[derive(Debug, Default)]
pub(crate) struct Windows(Arc<Mutex<VecDeque<Window>>>);

#[derive(Debug)]
struct Window {
    space: Space,
    prefix: String,
    /// It holds the keys behind this one …
    after: String,
    /// … up to this one; `None` for all there are.
    end: Option<String>,
    objects: BTreeMap<Box<str>, Held>,
    bytes: usize,
    /// How far the log was read.
    log: Follower,
    /// Looked through since the last rest.
    is_used: bool,
}

/// An object as the log tells of it.
#[derive(Debug)]
struct Held {
    name: ObjectName,
    length: u64,
    writer: WriterId,
    stored_at: Timestamp,
    has_attributes: bool,
}

impl Windows {
    /// Forgets the windows that nobody has looked through since the last time.
    pub(crate) async fn rest(&self) {
        self.0.lock().await.retain_mut(|window| std::mem::take(&mut window.is_used));
    }
}

/// A page that is asked for: of a space, keys with this prefix, from behind `after`.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) space: Space,
    pub(crate) prefix: String,
    pub(crate) after: String,
    pub(crate) limit: usize,
}

/// Up to `limit` objects in the order of their keys.
pub(crate) async fn page(
    store: &Arc<Store>,
    wanted: Wanted,
    patience: &mut Patience,
) -> Result<io::Result<Vec<Listed>>, TooSlow> {
    let mut windows = patience.wait(Arc::clone(&store.windows.0).lock_owned()).await?;
    let of = Arc::clone(store);
    store.disk.run(patience, move || of.page(&mut windows, &wanted)).await
}

impl Store {
    /// Blocks.
    fn page(&self, windows: &mut VecDeque<Window>, wanted: &Wanted) -> io::Result<Vec<Listed>> {
        let mut page = Vec::new();
        let mut rest = wanted.clone();
        loop {
            let mut window = match self.kept_window(windows, &rest)? {
                Some(window) => window,
                None => self.open_window(&rest)?,
            };
            window.is_used = true;
            page.extend(window.cut(self, &rest));
            let end = window.end.clone();
            windows.push_front(window);
            windows.truncate(KEPT);
            match end {
                Some(end) if page.len() < wanted.limit => rest.after = end,
                _ => return Ok(page),
            }
            rest.limit = wanted.limit - page.len();
        }
    }

    /// A window that is there already, if it can be brought up to date.
    fn kept_window(&self, windows: &mut VecDeque<Window>, wanted: &Wanted) -> io::Result<Option<Window>> {
        // While others write, what their logs say may not be in the index yet.
        let at = windows.iter().position(|window| window.reaches(wanted)).filter(|_| self.book.is_alone());
        let Some(mut window) = at.and_then(|at| windows.remove(at)) else { return Ok(None) };
        let continued = self.bring_up_to_date(&mut window)?;
        Ok((continued == Continued::Here).then_some(window))
    }

    fn open_window(&self, wanted: &Wanted) -> io::Result<Window> {
        let mut filling = Filling::of(wanted);
        let (_, log) = self.book.logs.follow(|fact| filling.learn(self, fact))?;
        let Filling { end, objects, bytes, .. } = filling;
        let Wanted { space, prefix, after, .. } = wanted.clone();
        Ok(Window { space, prefix, after, end, objects, bytes, log, is_used: true })
    }

    fn bring_up_to_date(&self, window: &mut Window) -> io::Result<Continued> {
        let mut filling = Filling {
            filter: filter(&window.space, &window.prefix),
            after: window.after.clone(),
            end: window.end.take(),
            objects: std::mem::take(&mut window.objects),
            bytes: window.bytes,
        };
        let continued = self.book.logs.read_on(&mut window.log, |fact| filling.learn(self, fact));
        (window.end, window.objects, window.bytes) = (filling.end, filling.objects, filling.bytes);
        continued
    }
}

fn filter(space: &Space, prefix: &str) -> Filter {
    Filter { key_prefix: Some(prefix.to_owned()), ..Filter::of_space(space) }
}

impl Window {
    /// Whether the page begins in it.
    fn reaches(&self, wanted: &Wanted) -> bool {
        self.space == wanted.space
            && self.prefix == wanted.prefix
            && self.after <= wanted.after
            && self.end.as_ref().is_none_or(|end| wanted.after < *end)
    }

    /// What is here of the page.
    fn cut(&self, store: &Store, wanted: &Wanted) -> Vec<Listed> {
        let behind = self.objects.range::<str, _>((Bound::Excluded(wanted.after.as_str()), Bound::Unbounded));
        behind.filter_map(|(key, held)| held.listed(store, &self.space, key)).take(wanted.limit).collect()
    }
}

impl Held {
    /// `None` once it has gone.
    fn listed(&self, store: &Store, space: &Space, key: &str) -> Option<Listed> {
        let entry = store.book.index.get(self.name)?;
        Some(Listed {
            address: Address { space: space.clone(), key: ObjectKey::stored(key) },
            name: self.name,
            length: self.length,
            writer: self.writer,
            stored_at: self.stored_at,
            used_at: entry.used(),
            cost_ms: entry.cost_ms(),
            pinned: entry.is_pinned(),
            has_attributes: self.has_attributes,
        })
    }
}

/// A window that learns.
struct Filling {
    filter: Filter,
    after: String,
    end: Option<String>,
    objects: BTreeMap<Box<str>, Held>,
    bytes: usize,
}

impl Filling {
    fn of(wanted: &Wanted) -> Self {
        Self {
            filter: filter(&wanted.space, &wanted.prefix),
            after: wanted.after.clone(),
            end: None,
            objects: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn learn(&mut self, store: &Store, fact: Fact) {
        let Some(added) = self.filter.added(fact) else { return };
        let key = added.address.key.as_str();
        if key <= self.after.as_str() || self.end.as_ref().is_some_and(|end| key > end.as_str()) {
            return;
        }
        let Some(Listed { address, name, length, writer, stored_at, has_attributes, .. }) = store.listed(*added) else {
            return;
        };
        let key = address.key.as_str();
        self.bytes += EACH + key.len();
        let held = Held { name, length, writer, stored_at, has_attributes };
        if self.objects.insert(key.into(), held).is_some() {
            self.bytes -= EACH + key.len();
        }
        if self.bytes > LARGEST {
            self.shrink();
        }
    }

    /// Gives up the last keys, an eighth at once: the next ones would only go one by one.
    fn shrink(&mut self) {
        while self.bytes > LARGEST / 8 * 7 && self.objects.len() > 1 {
            let Some((last, _)) = self.objects.pop_last() else { break };
            self.bytes -= EACH + last.len();
        }
        self.end = self.objects.last_key_value().map(|(key, _)| key.to_string());
    }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
