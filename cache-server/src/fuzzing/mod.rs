//! What strangers' bytes are put through: one function for each reader of bytes that come from outside, which panics when
//! a promise of that reader is broken. The guided fuzzer of `tests/fuzz` calls them for as long as somebody lets it; the
//! test below puts the kept corpus through them, and changed copies of it, each time.
//!
//! Not part of the program: compiled for tests and with the feature `fuzzing` only.

mod access;
pub(crate) mod bytes;
#[cfg(test)]
mod corpus;
mod paths;
mod settings;

use crate::http::{gha, s3};
use crate::{index, savings, segments, upstream};

/// A reader and the promises that it makes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also the name of its corpus.
    pub name: &'static str,
    /// Panics when a promise is broken.
    pub run: fn(&[u8]),
}

/// Every target there is.
pub const TARGETS: &[Target] = &[
    Target { name: "static_token", run: access::static_token },
    Target { name: "job_token", run: access::job_token },
    Target { name: "coat", run: access::coat },
    Target { name: "authorization", run: access::authorization },
    Target { name: "token_book", run: access::book },
    Target { name: "path", run: paths::path },
    Target { name: "range", run: paths::range },
    Target { name: "peer_path", run: paths::peer },
    Target { name: "s3_query", run: s3::fuzzing::query },
    Target { name: "s3_request", run: s3::fuzzing::request },
    Target { name: "s3_chunked", run: s3::fuzzing::chunked },
    Target { name: "s3_removals", run: s3::fuzzing::removals },
    Target { name: "s3_parts", run: s3::fuzzing::parts },
    Target { name: "s3_list", run: s3::fuzzing::list },
    Target { name: "gha_message", run: gha::fuzzing::message },
    Target { name: "gha_address", run: gha::fuzzing::address },
    Target { name: "gha_blocks", run: gha::fuzzing::blocks },
    Target { name: "gha_keys", run: gha::fuzzing::keys },
    Target { name: "index_log", run: index::fuzzing::log },
    Target { name: "segment", run: segments::fuzzing::segment },
    Target { name: "segment_walk", run: segments::fuzzing::walk },
    Target { name: "sealed_record", run: upstream::fuzzing::record },
    Target { name: "sccache_object", run: savings::fuzzing::object },
    Target { name: "settings", run: settings::file },
];
