//! A node's objects as one caller may have them: where his rights, his pace, his revocation and the books about him meet
//! the store, whatever the dialect.

mod copies;
mod in_parts;
mod whole;

pub(crate) use in_parts::{Order, Refused, UnderWay};
pub(crate) use whole::NodeObjects;
