//! What a running server shows of itself, and that the documents say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::world::{Server, World, key, until};

/// A metric: its type, and the labels of its series.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

/// The table of a section of the page that explains the metrics.
fn documented(heading: &str) -> Metrics {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split("\n## ").flat_map(|part| part.split("\n### ")).find(|part| part.starts_with(heading));
    let rows = section.unwrap().lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`').trim_end_matches("_total");
        let labels = cells[3].split(", ").map(|label| label.trim_matches('`').to_owned());
        (name.to_owned(), (cells[2].to_owned(), labels.filter(|label| !label.is_empty()).collect()))
    })
    .collect()
}

/// What a live server exposes, of its cache.
fn exposed(server: &Server) -> Metrics {
    let page = server.admin("/metrics").text();
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE cache_")?.split_once(' '));
    let mut metrics: Metrics =
        types.map(|(name, kind)| (format!("cache_{name}"), (kind.to_owned(), BTreeSet::new()))).collect();
    for line in page.lines().filter(|line| line.starts_with("cache_")) {
        let (name, labels) = line.split_once('{').unwrap_or((line.split(' ').next().unwrap(), ""));
        let (metric, suffix) =
            metrics.keys().filter_map(|m| Some((m.clone(), name.strip_prefix(m.as_str())?))).max().unwrap();
        assert!(["", "_total", "_sum", "_count", "_bucket"].contains(&suffix), "{line}");
        let labels = labels.split_once('}').map_or("", |(labels, _)| labels);
        let names = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
        metrics.get_mut(&metric).unwrap().1.extend(names.filter(|name| name != "le"));
    }
    metrics
}

#[test]
fn every_metric_of_a_live_server_is_explained_with_its_type_and_its_labels() {
    let world = World::new();
    let server = world.serve();
    assert_eq!(exposed(&server), documented("Compile cache node"));
}

#[test]
fn requests_are_counted_by_dialect_operation_and_outcome() {
    let world = World::new();
    let server = world.serve();
    let token = server.trusted();
    until("the index is read", || server.metric("cache_index_complete") == 1);
    let before = server.metric("cache_request_seconds_count{dialect=\"plain\",operation=\"put\"}");
    server.ask("PUT", &key(1), &token, b"made by rustc");
    server.ask("GET", &key(1), &token, b"");
    server.ask("GET", &key(2), &token, b"");
    server.ask("GET", "/twirp/nothing", &token, b"");
    let ended = |labels: &str| server.metric(&format!("cache_requests_total{{{labels}}}"));
    assert_eq!(ended("dialect=\"plain\",operation=\"put\",outcome=\"done\""), 1);
    assert_eq!(ended("dialect=\"plain\",operation=\"get\",outcome=\"done\""), 1);
    assert_eq!(ended("dialect=\"plain\",operation=\"get\",outcome=\"absent\""), 1);
    assert_eq!(ended("dialect=\"s3\",operation=\"get\",outcome=\"done\""), 0);
    assert_eq!(server.metric("cache_request_seconds_count{dialect=\"plain\",operation=\"put\"}") - before, 1);
    assert_eq!(server.metric("cache_requests_under_way{dialect=\"plain\",operation=\"put\"}"), 0);
    assert_eq!(server.metric("cache_class_bytes{class=\"pull_request\"}"), 0);
    assert!(server.metric("cache_class_bytes{class=\"trusted\"}") > 0);
}
