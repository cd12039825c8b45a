//! Listings: what a caller sees of a bucket, page by page. Objects of several scopes lie over each other, the nearest
//! one is seen; what lies behind a delimiter is folded into one common prefix. Pure: pages of the scopes go in, sorted.

use std::cmp::Ordering;
use std::collections::VecDeque;

/// An object as a listing shows it, by its whole key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed<T> {
    pub(crate) key: String,
    pub(crate) about: T,
}

/// One line of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry<T> {
    Object(Listed<T>),
    /// Everything whose key begins so.
    Prefix(String),
}

impl<T> Entry<T> {
    /// Where the next page begins when this is the last line of one.
    pub(crate) fn end(&self) -> &str {
        match self {
            Self::Object(listed) => &listed.key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// A page under construction.
#[derive(Debug)]
pub(crate) struct Page<T> {
    prefix: String,
    delimiter: Option<String>,
    limit: usize,
    pub(crate) entries: Vec<Entry<T>>,
    /// There is more behind the last line.
    pub(crate) is_truncated: bool,
}

/// What a scope has behind the place that was reached, as far as it was asked for.
#[derive(Debug)]
pub(crate) struct Source<T> {
    pub(crate) ready: VecDeque<Listed<T>>,
    pub(crate) rest: Rest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing comes behind what is ready.
    None,
    /// Something may.
    Unknown,
}

/// How a page goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// The page is full, or there is nothing more.
    Done,
    /// This source must be asked for what comes behind this key.
    Ask { source: usize, after: String },
}

/// Sorts behind every key that begins with `prefix`.
pub(crate) fn behind(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

impl<T> Page<T> {
    pub(crate) fn new(prefix: String, delimiter: Option<String>, limit: usize) -> Self {
        Self { prefix, delimiter, limit, entries: Vec::new(), is_truncated: false }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How many objects to ask for at once: those of a page and one behind it, or `folded` where many make one line.
    pub(crate) fn batch(&self, folded: usize) -> usize {
        if self.delimiter.is_some() { folded } else { self.limit + 1 }
    }

    /// Takes lines from the sources, nearest first, until one of them has to be asked again. `after` is the place that
    /// was reached, and is kept up to date.
    pub(crate) fn fill(&mut self, sources: &mut [Source<T>], after: &mut String) -> Next {
        loop {
            for (n, source) in sources.iter_mut().enumerate() {
                while source.ready.front().is_some_and(|front| front.key <= *after) {
                    source.ready.pop_front();
                }
                if source.ready.is_empty() && source.rest == Rest::Unknown {
                    return Next::Ask { source: n, after: after.clone() };
                }
            }
            // Of equal keys, the one of the nearest source.
            let first = sources.iter().enumerate().filter_map(|(n, source)| Some((n, source.ready.front()?)));
            let nearest = first.min_by(|(_, one), (_, other)| match one.key.cmp(&other.key) {
                Ordering::Equal => Ordering::Less,
                order => order,
            });
            let Some((nearest, _)) = nearest else { return Next::Done };
            if self.entries.len() >= self.limit {
                // A page for which nothing may be said is not cut off: nobody could go on from it.
                self.is_truncated = self.limit > 0;
                return Next::Done;
            }
            let Some(listed) = sources[nearest].ready.pop_front() else { return Next::Done };
            let folded = self.folded(&listed.key);
            *after = folded.as_deref().map_or_else(|| listed.key.clone(), behind);
            self.entries.push(folded.map_or(Entry::Object(listed), Entry::Prefix));
        }
    }

    /// The common prefix under which the key is shown, if it has a delimiter behind the page's prefix.
    fn folded(&self, key: &str) -> Option<String> {
        let delimiter = self.delimiter.as_deref()?;
        let at = key.get(self.prefix.len()..)?.find(delimiter)?;
        Some(key[..self.prefix.len() + at + delimiter.len()].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Scope = BTreeMap<String, u32>;

    /// Pages as a server makes them, from sources that give `batch` at a time.
    fn pages(
        scopes: &[Scope],
        prefix: &str,
        delimiter: Option<&str>,
        limit: usize,
        batch: usize,
    ) -> Vec<Vec<Entry<u32>>> {
        let mut pages = Vec::new();
        let mut after = String::new();
        loop {
            let mut sources: Vec<Source<u32>> =
                scopes.iter().map(|_| Source { ready: VecDeque::new(), rest: Rest::Unknown }).collect();
            let mut page = Page::new(prefix.to_owned(), delimiter.map(str::to_owned), limit);
            while let Next::Ask { source, after } = page.fill(&mut sources, &mut after) {
                let behind = scopes[source].iter().filter(|(key, _)| key.starts_with(prefix) && **key > after);
                let ready: VecDeque<_> =
                    behind.take(batch).map(|(key, about)| Listed { key: key.clone(), about: *about }).collect();
                let rest = if ready.len() < batch { Rest::None } else { Rest::Unknown };
                sources[source] = Source { ready, rest };
            }
            assert!(page.entries.len() <= limit);
            let more = page.is_truncated;
            // A client goes on from the last line alone.
            after = page.entries.last().map_or_else(String::new, |last| match last {
                Entry::Object(listed) => listed.key.clone(),
                Entry::Prefix(prefix) => behind(prefix),
            });
            pages.push(page.entries);
            if !more {
                return pages;
            }
        }
    }

    fn expected(scopes: &[Scope], prefix: &str, delimiter: Option<&str>) -> Vec<Entry<u32>> {
        let mut seen = Scope::new();
        for scope in scopes.iter().rev() {
            seen.extend(scope.clone());
        }
        let mut entries: Vec<Entry<u32>> = Vec::new();
        for (key, about) in seen.into_iter().filter(|(key, _)| key.starts_with(prefix)) {
            let folded = delimiter.and_then(|delimiter| {
                let at = key[prefix.len()..].find(delimiter)?;
                Some(Entry::Prefix(key[..prefix.len() + at + delimiter.len()].to_owned()))
            });
            let entry = folded.unwrap_or(Entry::Object(Listed { key, about }));
            if entries.last() != Some(&entry) {
                entries.push(entry);
            }
        }
        entries
    }

    fn scope(keys: &[(&str, u32)]) -> Scope {
        keys.iter().map(|(key, about)| ((*key).to_owned(), *about)).collect()
    }

    #[test]
    fn the_nearest_scope_is_seen() {
        let scopes = [scope(&[("b/a", 1), ("b/c", 1)]), scope(&[("b/a", 2), ("b/b", 2)])];
        let pages = pages(&scopes, "b/", None, 10, 1);
        let seen: Vec<_> =
            pages[0].iter().map(|entry| (entry.end(), matches!(entry, Entry::Object(l) if l.about == 1))).collect();
        assert_eq!(seen, [("b/a", true), ("b/b", false), ("b/c", true)]);
    }

    #[test]
    fn what_lies_behind_a_delimiter_is_one_line() {
        let all = scope(&[("b/a/1", 1), ("b/a/2", 1), ("b/a0", 1), ("b/z/1", 1)]);
        let pages = pages(&[all], "b/", Some("/"), 2, 1);
        let lines: Vec<Vec<_>> = pages.iter().map(|page| page.iter().map(Entry::end).collect()).collect();
        assert_eq!(lines, [vec!["b/a/", "b/a0"], vec!["b/z/"]]);
    }

    proptest! {
        #[test]
        fn pages_put_together_are_the_whole(
            scopes in prop::collection::vec(prop::collection::btree_map("[ab/]{1,5}", 0..9_u32, 0..20), 1..4),
            prefix in "[ab/]{0,2}",
            delimiter in prop::option::of(prop::sample::select(vec!["/", "ab"])),
            limit in 1..5_usize,
            batch in 1..4_usize,
        ) {
            let pages = pages(&scopes, &prefix, delimiter, limit, batch);
            prop_assert!(pages.iter().rev().skip(1).all(|page| page.len() == limit));
            prop_assert_eq!(pages.concat(), expected(&scopes, &prefix, delimiter));
        }
    }
}
