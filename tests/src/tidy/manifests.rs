//! What the manifests say: who depends on whom, whose lints hold, where versions stand.

use std::path::Path;

use toml::{Table, Value};

use super::{Complaint, Tree};

/// Our packages, each with those below it. Nothing points up, and a package that is not here has no place yet.
const BELOW: [(&str, &[&str]); 13] = [
    ("hearth-model", &[]),
    ("hearth-host", &["hearth-model"]),
    ("fake-github", &[]),
    ("fake-runner", &["hearth-model", "hearth-host", "fake-github"]),
    ("hearth-trust", &["hearth-model", "hearth-host"]),
    ("cache-load", &["hearth-model", "hearth-host", "hearth-trust"]),
    ("hearth-ledger", &["hearth-model"]),
    ("hearth-daemon", &["hearth-model", "hearth-host"]),
    ("hearth-cache-server", &["hearth-model", "hearth-host", "hearth-trust", "hearth-daemon"]),
    ("hearth-fuzz", &["hearth-cache-server"]),
    ("hearth-forge", &["hearth-model", "hearth-daemon"]),
    (
        "hearth",
        &[
            "hearth-model",
            "hearth-host",
            "hearth-trust",
            "hearth-ledger",
            "hearth-daemon",
            "hearth-cache-server",
            "hearth-forge",
        ],
    ),
    (
        "hearth-tests",
        &[
            "hearth-model",
            "hearth-host",
            "hearth-trust",
            "hearth-ledger",
            "hearth-daemon",
            "hearth-cache-server",
            "hearth-forge",
            "hearth",
            "fake-github",
            "fake-runner",
        ],
    ),
];

/// Dependencies between our packages point down.
pub fn dependencies_point_down(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, package, manifest) in packages(tree) {
        let Some((_, below)) = BELOW.iter().find(|(name, _)| *name == package) else {
            let what = format!("`{package}` has no place in the order of packages; give it one in tests/src/tidy");
            complaints.push(Complaint::new(path, 0, what));
            continue;
        };
        for (name, _) in dependencies(&manifest) {
            let ours = BELOW.iter().any(|(package, _)| *package == name) || name.starts_with("hearth-");
            if ours && !below.contains(&name.as_str()) {
                let what = format!("`{package}` may not depend on `{name}`");
                complaints.push(Complaint::new(path, 0, what));
            }
        }
    }
    complaints
}

/// Every package follows the lints of the workspace.
pub fn packages_use_the_lints_of_the_workspace(tree: &Tree) -> Vec<Complaint> {
    let follows = |manifest: &Table| manifest.get("lints").is_some_and(is_of_the_workspace);
    packages(tree)
        .filter(|(.., manifest)| !follows(manifest))
        .map(|(path, ..)| Complaint::new(path, 0, "does not say `[lints] workspace = true`"))
        .collect()
}

/// Versions, of our packages and of others', stand in the root manifest alone.
pub fn versions_stand_in_the_root_manifest(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, _, manifest) in packages(tree) {
        let package = manifest.get("package").and_then(Value::as_table);
        for key in ["version", "edition", "rust-version", "license"] {
            if !package.and_then(|package| package.get(key)).is_some_and(is_of_the_workspace) {
                complaints.push(Complaint::new(path, 0, format!("does not say `{key}.workspace = true`")));
            }
        }
        for (name, value) in dependencies(&manifest) {
            if !is_of_the_workspace(&value) {
                let what = format!("dependency `{name}` does not take its version from the root manifest");
                complaints.push(Complaint::new(path, 0, what));
            }
        }
    }
    complaints
}

/// Every file that ends in `.toml` is TOML.
pub fn toml_files_parse(tree: &Tree) -> Vec<Complaint> {
    let files = tree.files().filter(|(path, _)| Path::new(path).extension().is_some_and(|kind| kind == "toml"));
    files
        .filter_map(|(path, text)| {
            let error = text.parse::<Table>().err()?;
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            Some(Complaint::new(path, line, error.message()))
        })
        .collect()
}

fn is_of_the_workspace(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// Path, name and manifest of each of our packages.
fn packages(tree: &Tree) -> impl Iterator<Item = (&str, String, Table)> {
    tree.manifests().filter_map(|(path, manifest)| {
        let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
        Some((path, name, manifest))
    })
}

/// All dependencies of a manifest, whatever they are for. A renamed one counts under its real name.
fn dependencies(manifest: &Table) -> Vec<(String, Value)> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table).chain([manifest]);
    tables
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()))
        .flatten()
        .map(|(name, value)| {
            let real = value.get("package").and_then(Value::as_str).unwrap_or(name);
            (real.to_owned(), value.clone())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn manifest(name: &str, rest: &str) -> String {
        format!(
            "[package]\nname = \"{name}\"\nversion.workspace = true\nedition.workspace = true\n\
             rust-version.workspace = true\nlicense.workspace = true\n[lints]\nworkspace = true\n{rest}"
        )
    }

    #[test]
    fn a_dependency_that_points_up_is_noticed_wherever_it_hides() {
        for (name, rest, found) in [
            (
                "hearth-model",
                "[dev-dependencies]\nhearth-host.workspace = true",
                "`hearth-model` may not depend on `hearth-host`",
            ),
            (
                "hearth-host",
                "[target.'cfg(unix)'.build-dependencies]\nhearth-daemon = { workspace = true }",
                "`hearth-host` may not depend on `hearth-daemon`",
            ),
            (
                "hearth-ledger",
                "[dependencies]\nbook = { package = \"hearth\", path = \"../..\" }",
                "`hearth-ledger` may not depend on `hearth`",
            ),
            ("hearth-oven", "", "`hearth-oven` has no place in the order of packages; give it one in tests/src/tidy"),
        ] {
            let text = manifest(name, rest);
            let complaints = dependencies_point_down(&Tree::of(&[("x/Cargo.toml", &text)]));
            let what: Vec<_> = complaints.iter().map(|complaint| complaint.what.as_str()).collect();
            assert_eq!(what, [found]);
        }
        let good = manifest("hearth-daemon", "[dependencies]\nhearth-model.workspace = true\nserde.workspace = true");
        assert_eq!(dependencies_point_down(&Tree::of(&[("x/Cargo.toml", &good)])), []);
    }

    #[test]
    fn the_order_of_packages_has_no_circle() {
        for (index, (name, below)) in BELOW.iter().enumerate() {
            let earlier: Vec<_> = BELOW[..index].iter().map(|(name, _)| *name).collect();
            assert!(below.iter().all(|lower| earlier.contains(lower)), "{name}");
        }
    }

    #[test]
    fn a_package_with_lints_of_its_own_is_noticed() {
        let good = manifest("hearth-model", "");
        let none = "[package]\nname = \"a\"\n";
        let own = "[package]\nname = \"a\"\n[lints.rust]\nunsafe_code = \"allow\"\n";
        let tree = Tree::of(&[
            ("a/Cargo.toml", &good),
            ("b/Cargo.toml", none),
            ("c/Cargo.toml", own),
            ("Cargo.toml", "[workspace]\n"),
        ]);
        assert_eq!(places(&packages_use_the_lints_of_the_workspace(&tree)), ["b/Cargo.toml:0", "c/Cargo.toml:0"]);
    }

    #[test]
    fn a_version_outside_of_the_root_manifest_is_noticed() {
        let text = manifest("hearth-model", "[dependencies]\nserde.workspace = true\nuuid = \"1\"\n")
            .replace("edition.workspace = true", "edition = \"2024\"");
        let complaints = versions_stand_in_the_root_manifest(&Tree::of(&[("a/Cargo.toml", &text)]));
        let what: Vec<_> = complaints.iter().map(|complaint| complaint.what.as_str()).collect();
        assert_eq!(
            what,
            [
                "does not say `edition.workspace = true`",
                "dependency `uuid` does not take its version from the root manifest"
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_toml_is_noticed_with_its_line() {
        let tree = Tree::of(&[("a.toml", "a = 1\nb = = 2\n"), ("b.toml", "a = 1\n"), ("c.md", "= =")]);
        assert_eq!(places(&toml_files_parse(&tree)), ["a.toml:2"]);
    }
}
