//! What an sccache daemon says it has counted (`--show-stats --stats-format json`).

use std::collections::BTreeMap;

use hearth_model::CompileCounts;
use serde::Deserialize;

#[derive(Deserialize)]
struct Info {
    stats: Stats,
}

/// The fields that every version since 0.8 has; later ones are ignored.
#[derive(Deserialize)]
struct Stats {
    compile_requests: u64,
    requests_not_cacheable: u64,
    #[serde(default)]
    cache_errors: PerLanguage,
    cache_hits: PerLanguage,
    cache_misses: PerLanguage,
    #[serde(default)]
    cache_read_errors: u64,
    #[serde(default)]
    cache_write_errors: u64,
    #[serde(default)]
    cache_timeouts: u64,
}

#[derive(Default, Deserialize)]
struct PerLanguage {
    counts: BTreeMap<String, u64>,
}

impl PerLanguage {
    fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// Reads the daemon's answer; `None` when it is not one.
pub fn parse_counts(json: &[u8]) -> Option<CompileCounts> {
    let Info { stats } = serde_json::from_slice(json).ok()?;
    Some(CompileCounts {
        requests: stats.compile_requests,
        hits: stats.cache_hits.total(),
        misses: stats.cache_misses.total(),
        uncacheable: stats.requests_not_cacheable,
        errors: stats.cache_errors.total() + stats.cache_read_errors + stats.cache_write_errors + stats.cache_timeouts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_the_answer_are_read() {
        let json = br#"{"stats":{"compile_requests":9,"requests_not_cacheable":2,"cache_errors":{"counts":{"Rust":1},
            "adv_counts":{}},"cache_hits":{"counts":{"Rust":4,"C/C++":1}},"cache_misses":{"counts":{}},
            "cache_write_errors":1,"something_new":{}},"version":"0.19.0"}"#;
        let counts = parse_counts(json).unwrap();
        let expected = CompileCounts { requests: 9, hits: 5, misses: 0, uncacheable: 2, errors: 2 };
        assert_eq!(counts, expected);
        assert_eq!(parse_counts(b"Stopping sccache server..."), None);
    }
}
