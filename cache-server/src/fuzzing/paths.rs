//! What plain clients name things by: paths, and ranges of bytes.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::bytes::{number, text};
use crate::http::peer::{Asked, MOST, asked};
use crate::http::range;
use crate::keys::{self, MAX_KEY_LENGTH, ObjectKey, Place, Reserved};

/// Whatever a path looks like, the key that it means is one that can be written, has no tricks in it, and is the same
/// key however it is spelled.
pub(super) fn path(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(Place::Object(key)) = keys::place(text) {
        sound(&key);
        let spelled = format!("/{}", utf8_percent_encode(key.as_str(), NON_ALPHANUMERIC));
        assert_eq!(keys::place(&spelled), Ok(Place::Object(key)));
    }
    if let Ok(key) = ObjectKey::new(text) {
        sound(&key);
        assert_eq!(key.as_str(), text);
    }
    if let Ok(key) = ObjectKey::from_elsewhere(text) {
        assert_eq!(key.as_str(), text);
        assert_eq!(key.is_reserved(), ObjectKey::new(text).is_err());
    }
}

fn sound(key: &ObjectKey) {
    let text = key.as_str();
    assert!((1..=MAX_KEY_LENGTH).contains(&text.len()));
    assert!(!text.chars().any(char::is_control), "a control character in a key");
    assert!(!text.split('/').any(|segment| matches!(segment, "" | "." | "..")), "a way out of a key's place");
    let first = text.split('/').next();
    assert!(!Reserved::ALL.iter().any(|own| first == Some(own.segment())), "a reserved place");
    assert!(!key.is_reserved());
}

/// A range never leaves the object.
pub(super) fn range(bytes: &[u8]) {
    let (length, rest) = number(bytes);
    for length in [length as u64, u64::MAX - length as u64] {
        let range = range::part(Some(text(rest))).of(length);
        assert!(range.start <= range.end && range.end <= length, "{range:?} of {length}");
    }
}

/// What one node asks another is no object of anybody, and is asked by one spelling as by another.
pub(super) fn peer(bytes: &[u8]) {
    let text = text(bytes);
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let Some(found) = asked(path, query) else { return };
    assert!(!matches!(keys::place(path), Ok(Place::Object(_))), "a request of a peer that is an object too");
    let again = match &found {
        Asked::Record(name) => asked(&format!("/.peer/v1/{}", name.to_hex()), None),
        Asked::Names { after, most } => {
            assert!((1..=MOST).contains(most));
            let after = after.map_or(String::new(), |name| format!("after={}&", name.to_hex()));
            asked("/.peer/v1/", Some(&format!("{after}most={most}")))
        }
    };
    assert_eq!(again, Some(found));
}
