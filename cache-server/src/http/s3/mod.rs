//! The S3 dialect, path style, for everything that speaks it without being told about us: sccache, aws-cli, boto3,
//! opendal, object_store. A bucket is the first segment of a key, so both dialects see the same objects.
//!
//! ```text
//! request ─▶ operation ─▶ claim of a signature ─▶ secret, caller ─▶ verified ─▶ objects, listings, uploads
//!                └─ refused: S3's code in XML                         payload: framing off, checksums
//! ```
//!
//! An access key id is a job token or the id of a static token. Requests without a signature are not of this dialect.
//! A presigned address may be used as often as one likes until it ends: that is what S3 promises. It is good for one
//! method on one key, and objects do not change, so the second PUT to it changes nothing.

mod answer;
mod attributes;
mod chunked;
mod conditions;
mod copies;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod listing;
mod lists;
mod multipart;
mod objects;
mod operation;
mod payload;
mod query;
mod signature;
mod sums;
mod xml;

#[cfg(test)]
mod chunked_tests;
#[cfg(test)]
mod signature_tests;

pub(crate) use answer::answer;
