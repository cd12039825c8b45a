//! Uploads that come in parts, over several requests and maybe several lives of the node: what has arrived lies aside,
//! found again by the upload's id and the part's, until it is put together to one object or swept.

mod files;
mod ids;
mod intake;
mod ledger;
mod part;

pub(crate) use files::Parts;
pub(crate) use ids::{PartId, UploadId};
pub(crate) use intake::{Intake, assemble, receive, sweep};
pub(crate) use part::{Numbered, Summed};
