//! Where documents and code speak of the same thing, they say the same. What a shipped configuration means is checked
//! by the tests of its binary, which knows the keys; that every shipped `.toml` is TOML is checked in `manifests`.

use std::collections::BTreeMap;
use std::path::Path;

use super::source::{Source, lines};
use super::{Complaint, Tree};

/// The page that explains every metric, one row of a table each, the name first and in backticks.
const METRICS_PAGE: &str = "docs/metrics.md";

/// Calls whose first argument is the name of a metric.
const REGISTRATIONS: [&str; 2] = ["register(", "encode_descriptor("];

/// What the text format adds to the name under which a metric is registered.
const ADDED_BY_THE_FORMAT: [&str; 2] = ["_total", "_info"];

/// Every metric in the code is explained, and every explained metric exists.
pub fn metrics_are_explained(tree: &Tree) -> Vec<Complaint> {
    let Some(page) = tree.get(METRICS_PAGE) else {
        return Vec::new();
    };
    let explained = names_in_page(page);
    let registered = names_in_code(tree);
    let missing = registered.iter().filter(|(name, _)| !explained.contains_key(*name));
    let dead = explained.iter().filter(|(name, _)| !registered.contains_key(*name));
    let missing = missing.map(|(name, (path, line))| {
        Complaint::new(path, *line, format!("metric `{name}` is not explained in {METRICS_PAGE}"))
    });
    let dead = dead
        .map(|(name, line)| Complaint::new(METRICS_PAGE, *line, format!("metric `{name}` is not registered anywhere")));
    missing.chain(dead).collect()
}

fn names_in_page(page: &str) -> BTreeMap<String, usize> {
    let rows = lines(page).filter_map(|(number, line)| {
        let name = line.trim().strip_prefix('|')?.trim().strip_prefix('`')?.split('`').next()?;
        let name = name.split('{').next().unwrap_or(name);
        let base = ADDED_BY_THE_FORMAT.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        Some((base.to_owned(), number))
    });
    rows.collect()
}

/// Names of metrics with the place where each is registered. Code of tests registers metrics of its own.
fn names_in_code(tree: &Tree) -> BTreeMap<String, (String, usize)> {
    let mut names = BTreeMap::new();
    let is_test =
        |path: &str| path.starts_with("tests/") || path.contains("/tests/") || Path::new(path).ends_with("tests.rs");
    for file in tree.rust().filter(|file| !is_test(file.path)) {
        let end = file.source.product_lines().count();
        for (at, call) in REGISTRATIONS.iter().flat_map(|call| file.source.code.match_indices(call)) {
            let line = file.source.code[..at].matches('\n').count() + 1;
            if let Some(name) = first_string(&file.source, at + call.len()).filter(|_| line <= end) {
                names.insert(name, (file.path.to_owned(), line));
            }
        }
    }
    names
}

/// The string literal that stands behind this byte of the code, when one does.
fn first_string(source: &Source, from: usize) -> Option<String> {
    let (before, behind) = source.code.split_at(from);
    let gap = behind.chars().take_while(|c| c.is_whitespace()).count();
    let at = before.chars().count() + gap + 1;
    let literal = source.literals.iter().find(|literal| literal.at == at)?;
    Some(literal.text.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_without_explanation_and_an_explanation_without_metric_are_noticed() {
        let code = "//! ü\nfn f(r: &mut R) {\n    r.register(\"agent_jobs\", \"Jobs\", jobs);\n    \
                    r.register(\n        \"agent_slots\",\n        \"Slots\",\n    );\n    \
                    e.encode_descriptor(\"agent_build\", \"B\");\n    m.register(|r| r);\n}\n\
                    #[cfg(test)]\nmod tests { fn f() { r.register(\"only_a_test\", \"T\"); } }\n";
        let page = "| metric | meaning |\n| --- | --- |\n| `agent_jobs_total{conclusion}` | jobs |\n\
                    | `agent_build_info` | build |\n| `agent_gone` | nothing |\n";
        let tree = Tree::of(&[("agent/src/a.rs", code), ("docs/metrics.md", page)]);
        let complaints: Vec<_> = metrics_are_explained(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            complaints,
            [
                "agent/src/a.rs:4: metric `agent_slots` is not explained in docs/metrics.md",
                "docs/metrics.md:5: metric `agent_gone` is not registered anywhere"
            ]
        );
    }
}
