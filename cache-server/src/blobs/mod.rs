//! The store on disk: one file per object, filed under the digest of its name, written aside and renamed, proved by a
//! footer and checked chunk by chunk before a byte leaves. Blocking on purpose: only [`crate::disk`] calls in here.

mod files;
mod format;
mod reader;
mod writer;

pub(crate) use files::{BlobFiles, Listed};
pub(crate) use format::file_size;
pub(crate) use reader::{ReadError, SEGMENT, VerifiedReader};
pub(crate) use writer::{Filed, Upload};
