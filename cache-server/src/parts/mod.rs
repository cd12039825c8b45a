//! Uploads that come in parts, over several requests and maybe several lives of the node: what has arrived lies aside,
//! found again by the upload's id and the part's, until it is put together to one object or swept.

mod files;
mod intake;

pub(crate) use files::{PartId, Parts, UploadId};
pub(crate) use intake::{assemble, receive, sweep};
