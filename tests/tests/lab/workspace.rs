//! A workspace made to be hard to rebuild correctly: one member for each kind of input that cargo tracks, and one commit
//! for each kind of change. Its program prints a line for every input, so that a stale part shows.

use hearth_tests::repository::Repository;

/// A file's new text; `None` deletes it.
type Edit = (&'static str, Option<&'static str>);

pub(crate) struct Commit {
    pub(crate) what: &'static str,
    edits: &'static [Edit],
}

macro_rules! root {
    ($profile:literal) => {
        concat!(
            "[workspace]\nresolver = \"3\"\nmembers = [\"members/*\"]\n",
            "[workspace.package]\nedition = \"2024\"\nversion = \"0.1.0\"\n",
            "[profile.dev]\ndebug = 0\n",
            $profile
        )
    };
}

macro_rules! member {
    ($name:literal, $rest:literal) => {
        concat!("[package]\nname = \"", $name, "\"\nedition.workspace = true\nversion.workspace = true\n", $rest)
    };
}

const ON_CORE: &str = "[dependencies]\nkernel = { path = \"../kernel\" }\n";

macro_rules! text {
    ($expression:literal) => {
        concat!("pub fn text() -> String { ", $expression, " }\n")
    };
}

/// Prints what the build script found out.
const OF_SCRIPT: &str = text!("env!(\"FOUND\").to_owned()");

const BASE: &[Edit] = &[
    (".gitignore", Some("/target\n")),
    ("Cargo.toml", Some(root!(""))),
    ("README.md", Some("readme one\n")),
    // A core library: all others but the program's own depend on it.
    ("members/kernel/Cargo.toml", Some(member!("kernel", ""))),
    ("members/kernel/src/lib.rs", Some(text!("\"kernel one\".to_owned()"))),
    ("members/leaf/src/lib.rs", Some(text!("format!(\"leaf one, {}\", kernel::text())"))),
    ("members/inside/src/lib.rs", Some(text!("include_str!(\"data.txt\").to_owned()"))),
    ("members/inside/src/data.txt", Some("inside one\n")),
    ("members/outside/src/lib.rs", Some(text!("include_str!(\"../../../README.md\").to_owned()"))),
    ("members/watches-file/src/lib.rs", Some(OF_SCRIPT)),
    (
        "members/watches-file/build.rs",
        Some(
            "fn main() {\n    println!(\"cargo::rerun-if-changed=input.txt\");\n    \
             println!(\"cargo::rustc-env=FOUND={}\", std::fs::read_to_string(\"input.txt\").unwrap().trim());\n}\n",
        ),
    ),
    ("members/watches-file/input.txt", Some("input one\n")),
    ("members/watches-directory/src/lib.rs", Some(OF_SCRIPT)),
    (
        "members/watches-directory/build.rs",
        Some(
            "fn main() {\n    println!(\"cargo::rerun-if-changed=watched\");\n    \
             let read = |p: std::path::PathBuf| format!(\"{}={}\", p.display(), std::fs::read_to_string(&p).unwrap());\n    \
             let mut all: Vec<_> = std::fs::read_dir(\"watched\").unwrap().map(|e| read(e.unwrap().path())).collect();\n    \
             all.sort();\n    println!(\"cargo::rustc-env=FOUND={}\", all.join(\",\").replace('\\n', \"\"));\n}\n",
        ),
    ),
    ("members/watches-directory/watched/a.txt", Some("a one\n")),
    ("members/watches-directory/watched/b.txt", Some("b one\n")),
    ("members/legacy/src/lib.rs", Some(OF_SCRIPT)),
    (
        "members/legacy/build.rs",
        Some(
            "fn main() {\n    \
             println!(\"cargo::rustc-env=FOUND={}\", std::fs::read_to_string(\"legacy.txt\").unwrap().trim());\n}\n",
        ),
    ),
    ("members/legacy/legacy.txt", Some("legacy one\n")),
    ("members/moving/src/lib.rs", Some("mod part;\npub fn text() -> String { part::text() }\n")),
    ("members/moving/src/part.rs", Some(text!("\"part one\".to_owned()"))),
    ("members/numbered/Cargo.toml", Some(member!("numbered", ""))),
    ("members/numbered/src/lib.rs", Some(text!("env!(\"CARGO_PKG_VERSION\").to_owned()"))),
    ("members/profiled/src/lib.rs", Some(text!("format!(\"debug assertions: {}\", cfg!(debug_assertions))"))),
    (
        "members/digest/Cargo.toml",
        Some(member!(
            "digest",
            "[dependencies]\ninside = { path = \"../inside\" }\nleaf = { path = \"../leaf\" }\nlegacy = { path = \
             \"../legacy\" }\nmoving = { path = \"../moving\" }\nnumbered = { path = \"../numbered\" }\noutside = { path \
             = \"../outside\" }\nprofiled = { path = \"../profiled\" }\nwatches-directory = { path = \
             \"../watches-directory\" }\nwatches-file = { path = \"../watches-file\" }\n"
        )),
    ),
    (
        "members/digest/src/main.rs",
        Some(
            "fn main() {\n    let all = [inside::text(), leaf::text(), legacy::text(), moving::text(), numbered::text(), \
             outside::text(),\n        profiled::text(), watches_directory::text(), watches_file::text()];\n    \
             for text in all {\n        println!(\"{}\", text.trim());\n    }\n}\n",
        ),
    ),
];

/// Members whose manifest is the plain one, with the core library below them.
const ON_KERNEL: [&str; 7] = ["inside", "leaf", "legacy", "moving", "outside", "profiled", "watches-file"];

pub(crate) const COMMITS: &[Commit] = &[
    Commit { what: "everything is new", edits: BASE },
    Commit {
        what: "a leaf is edited",
        edits: &[("members/leaf/src/lib.rs", Some(text!("format!(\"leaf two, {}\", kernel::text())")))],
    },
    Commit {
        what: "the core library is edited",
        edits: &[("members/kernel/src/lib.rs", Some(text!("\"kernel two\".to_owned()")))],
    },
    Commit {
        what: "a file included from inside the package is edited",
        edits: &[("members/inside/src/data.txt", Some("inside two\n"))],
    },
    Commit {
        what: "a file included from outside the package is edited",
        edits: &[("README.md", Some("readme two\n"))],
    },
    Commit {
        what: "a file that a build script watches is edited",
        edits: &[("members/watches-file/input.txt", Some("input two\n"))],
    },
    Commit {
        what: "a file in a watched directory is edited",
        edits: &[("members/watches-directory/watched/a.txt", Some("a two\n"))],
    },
    Commit {
        what: "a file is added to a watched directory",
        edits: &[("members/watches-directory/watched/c.txt", Some("c one\n"))],
    },
    Commit {
        what: "a file in a watched directory is renamed",
        edits: &[
            ("members/watches-directory/watched/c.txt", None),
            ("members/watches-directory/watched/d.txt", Some("c one\n")),
        ],
    },
    Commit {
        what: "a file is deleted from a watched directory",
        edits: &[("members/watches-directory/watched/b.txt", None)],
    },
    Commit {
        what: "the input of a script that declares nothing is edited",
        edits: &[("members/legacy/legacy.txt", Some("legacy two\n"))],
    },
    Commit {
        what: "a module file moves",
        edits: &[
            ("members/moving/src/part.rs", None),
            ("members/moving/src/part/mod.rs", Some(text!("\"part one\".to_owned()"))),
        ],
    },
    Commit {
        what: "a module file is deleted",
        edits: &[
            ("members/moving/src/part/mod.rs", None),
            ("members/moving/src/lib.rs", Some(text!("\"no part\".to_owned()"))),
        ],
    },
    Commit {
        what: "a member's version is raised",
        edits: &[(
            "members/numbered/Cargo.toml",
            Some("[package]\nname = \"numbered\"\nedition.workspace = true\nversion = \"0.2.0\"\n"),
        )],
    },
    Commit {
        what: "the profile changes and older texts come back",
        edits: &[
            ("Cargo.toml", Some(root!("debug-assertions = false\n"))),
            ("members/leaf/src/lib.rs", Some(text!("format!(\"leaf one, {}\", kernel::text())"))),
            ("members/watches-directory/watched/b.txt", Some("b one\n")),
            ("README.md", Some("readme one\n")),
        ],
    },
];

/// Makes all commits in `repository`; gives their ids. `lock` writes the lock file that fits the manifests.
pub(crate) fn write(repository: &Repository, mut lock: impl FnMut(&Repository)) -> Vec<String> {
    for name in ON_KERNEL {
        let manifest = member!("NAME", "").replace("NAME", name) + ON_CORE;
        repository.write(&format!("members/{name}/Cargo.toml"), &manifest);
    }
    let watches_directory = member!("watches-directory", "");
    repository.write("members/watches-directory/Cargo.toml", watches_directory);
    let commit = |commit: &Commit| {
        for (path, text) in commit.edits {
            match text {
                Some(text) => repository.write(path, text),
                None => repository.remove(path),
            };
        }
        lock(repository);
        repository.commit(commit.what)
    };
    COMMITS.iter().map(commit).collect()
}
