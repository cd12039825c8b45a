//! Which entry a request for a cache means, by GitHub's rules, and which texts may be keys at all. Pure.
//!
//! Scopes are asked in the caller's order; within a scope the exact key comes first, then the newest entry whose key
//! begins with the key, then for each restore key in turn the newest that begins with it. Versions are always equal:
//! they are a part of the name.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::keys::{ObjectKey, Reserved};

/// The key and its restore keys.
const MAX_KEYS: usize = 10;
const MAX_KEY_CHARS: usize = 512;
/// GitHub's clients send 64 hex digits.
const MAX_VERSION_LENGTH: usize = 128;
/// What would end the version's segment, and what escapes it.
const IN_SEGMENT: &AsciiSet = &CONTROLS.add(b'/').add(b'%');
/// The object with which sccache tests the server when it starts.
const CHECK: &str = ".sccache_check";

/// A version and a key that may be used, and what object they name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    version: &'a str,
    key: &'a str,
}

/// Why a text is no key or no version, for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidKey {
    #[error("a key must not be empty")]
    Empty,
    #[error("a key has at most {MAX_KEY_CHARS} characters")]
    TooLong,
    #[error("a key must not hold a comma")]
    Comma,
    #[error("a key must not hold a control character")]
    Control,
    #[error("a version has 1 to {MAX_VERSION_LENGTH} bytes and no control character")]
    Version,
    #[error("there may be at most {MAX_KEYS} keys, restore keys included")]
    TooMany,
}

/// One thing to look for in a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Exactly(ObjectKey),
    /// The newest one that begins so.
    NewestBelow(ObjectKey),
}

impl<'a> Entry<'a> {
    pub(super) fn new(version: &'a str, key: &'a str) -> Result<Self, InvalidKey> {
        let control = |text: &str| text.chars().any(char::is_control);
        if version.is_empty() || version.len() > MAX_VERSION_LENGTH || control(version) {
            Err(InvalidKey::Version)
        } else if key.is_empty() {
            Err(InvalidKey::Empty)
        } else if key.chars().count() > MAX_KEY_CHARS {
            Err(InvalidKey::TooLong)
        } else if key.contains(',') {
            Err(InvalidKey::Comma)
        } else if control(key) {
            Err(InvalidKey::Control)
        } else {
            Ok(Self { version, key })
        }
    }

    /// The key of the object: the version is one segment, the rest is the key as it is.
    pub(super) fn object(self) -> ObjectKey {
        let version = utf8_percent_encode(self.version, IN_SEGMENT);
        let text = format!("{version}/{}", self.key);
        ObjectKey::reserved(Reserved::Caches, &text).expect("short, and without control characters")
    }

    /// Whether it is sccache's test of the server. `sccache` is what sccache puts before it.
    pub(super) fn is_check(self) -> bool {
        self.key.rsplit('/').next() == Some(CHECK)
    }
}

/// What to look for in each scope, in this order.
pub(super) fn wanted(version: &str, key: &str, restore_keys: &[String]) -> Result<Vec<Wanted>, InvalidKey> {
    if 1 + restore_keys.len() > MAX_KEYS {
        return Err(InvalidKey::TooMany);
    }
    let object = |key| Entry::new(version, key).map(Entry::object);
    let own = object(key)?;
    let mut all = vec![Wanted::Exactly(own.clone()), Wanted::NewestBelow(own)];
    for restore in restore_keys {
        all.push(Wanted::NewestBelow(object(restore)?));
    }
    Ok(all)
}

/// The key that a client gave to the entry which is stored under this one.
pub(super) fn key_of(object: &ObjectKey) -> Option<&str> {
    let below = object.as_str().strip_prefix(Reserved::Caches.segment())?.strip_prefix('/')?;
    below.split_once('/').map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(text: &str) -> ObjectKey {
        ObjectKey::reserved(Reserved::Caches, text).unwrap()
    }

    fn check(key: &str, expected: Result<(), InvalidKey>) {
        assert_eq!(Entry::new("v", key).map(drop), expected, "{key:.40}");
    }

    #[test]
    fn keys_are_what_github_takes_for_keys() {
        for key in ["k", "Linux-cargo-0123", "a/../b", "sp ace", "pi\u{f1}ata", &"\u{e9}".repeat(512), "%2F"] {
            check(key, Ok(()));
        }
        check("", Err(InvalidKey::Empty));
        check(&"k".repeat(513), Err(InvalidKey::TooLong));
        check("a,b", Err(InvalidKey::Comma));
        for key in ["a\0", "a\nb", "\u{7f}", "\u{85}"] {
            check(key, Err(InvalidKey::Control));
        }
        for version in ["", "\n", &"v".repeat(129)] {
            assert_eq!(Entry::new(version, "k"), Err(InvalidKey::Version));
        }
    }

    #[test]
    fn the_longest_of_everything_is_an_object() {
        let longest = "\u{10000}".repeat(512);
        for version in ["v", &"/".repeat(128), &"\u{10000}".repeat(32)] {
            let object = Entry::new(version, &longest).unwrap().object();
            assert!(object.as_str().ends_with(&longest), "{version}");
        }
    }

    #[test]
    fn the_exact_key_comes_first_then_its_prefix_then_restore_keys() {
        let restore = ["r1".to_owned(), "r2".to_owned()];
        let expected = [
            Wanted::Exactly(object("v/k")),
            Wanted::NewestBelow(object("v/k")),
            Wanted::NewestBelow(object("v/r1")),
            Wanted::NewestBelow(object("v/r2")),
        ];
        assert_eq!(wanted("v", "k", &restore), Ok(expected.to_vec()));
    }

    #[test]
    fn nine_restore_keys_are_enough() {
        let some = |count| vec!["r".to_owned(); count];
        assert_eq!(wanted("v", "k", &some(9)).map(|all| all.len()), Ok(11));
        assert_eq!(wanted("v", "k", &some(10)), Err(InvalidKey::TooMany));
        assert_eq!(wanted("v", "k", &some(1000)), Err(InvalidKey::TooMany));
        assert_eq!(wanted("v", "k", &[String::new()]), Err(InvalidKey::Empty));
    }

    #[test]
    fn the_check_is_known_by_its_last_segment() {
        for (key, expected) in [("sccache/.sccache_check", true), (".sccache_check", true), ("x.sccache_check", false)]
        {
            assert_eq!(Entry::new("v", key).unwrap().is_check(), expected, "{key}");
        }
    }

    proptest! {
        #[test]
        fn two_entries_are_never_one_object(
            (v1, k1) in ("[ab/%2F]{1,4}", "[ab/%2F]{1,4}"),
            (v2, k2) in ("[ab/%2F]{1,4}", "[ab/%2F]{1,4}"),
        ) {
            let object = |v, k| Entry::new(v, k).unwrap().object();
            prop_assert_eq!(object(&v1, &k1) == object(&v2, &k2), (&v1, &k1) == (&v2, &k2));
            let first = object(&v1, &k1);
            prop_assert_eq!(key_of(&first), Some(&*k1));
        }

        #[test]
        fn no_texts_make_it_fail(version in "\\PC{0,20}", key in "\\PC{0,20}", restore in "\\PC{0,20}") {
            let _ = wanted(&version, &key, &[restore]);
        }
    }
}
