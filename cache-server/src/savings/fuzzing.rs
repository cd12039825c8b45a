//! What the look into objects promises of any bytes; see [`crate::fuzzing`].

use bytes::Bytes;

use super::contents::{Inspector, Malformed};
use crate::fuzzing::bytes::number;

/// However an object is cut as it passes, the same is found in it, and names that are found are names of crates.
pub(crate) fn object(bytes: &[u8]) {
    let (cut, object) = number(bytes);
    let found = look(object, object.len().max(1));
    assert_eq!(look(object, cut.max(1)), found);
    if let Ok(Some(name)) = found {
        assert!((1..=64).contains(&name.len()) && name.is_ascii(), "{name:?}");
    }
}

fn look(object: &[u8], cut: usize) -> Result<Option<Box<str>>, Malformed> {
    let mut inspector = Inspector::default();
    object.chunks(cut).for_each(|piece| inspector.see(&Bytes::copy_from_slice(piece)));
    Ok(inspector.finish()?.map(super::Unit::into_name))
}
