//! How files look: what they say first, how long they are, what they are called, which words they do not use.

use super::source::{has_word, lines};
use super::{Complaint, Tree};

const LONGEST: usize = 400;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "helpers", "common", "manager"];

/// Marks of work that is not done. Written in halves, because this file is read too.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("unimplement", "ed!")];

/// Every Rust file opens with what it owns and what it must never do.
pub fn files_begin_with_what_they_own(tree: &Tree) -> Vec<Complaint> {
    let silent = tree.rust().filter(|file| !file.text.starts_with("//!"));
    silent.map(|file| Complaint::new(file.path, 1, "does not begin with `//!`")).collect()
}

/// No file is longer than a person reads. `exceptions` are paths with reasons; one that is not needed is a complaint,
/// so that the list only shrinks.
pub fn files_are_short(tree: &Tree, exceptions: &[(&str, &str)]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let excepted = |path: &str| exceptions.iter().any(|(exception, _)| *exception == path);
    for file in tree.rust() {
        let length = file.text.lines().count();
        if length > LONGEST && !excepted(file.path) {
            let what = format!("{length} lines; split by meaning to at most {LONGEST}");
            complaints.push(Complaint::new(file.path, LONGEST + 1, what));
        }
    }
    for (path, _) in exceptions {
        if tree.get(path).is_none_or(|text| text.lines().count() <= LONGEST) {
            complaints.push(Complaint::new(path, 0, "needs no exception from the length any more"));
        }
    }
    complaints
}

/// Rooms are named by what they are about.
pub fn rooms_have_names(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree.rust() {
        for (line, code) in file.source.code_lines() {
            let declares = |name: &&&str| has_word(code, &format!("mod {name}"));
            if let Some(name) = EMPTY_NAMES.iter().find(declares) {
                let what = format!("`mod {name}` does not say what is inside");
                complaints.push(Complaint::new(file.path, line, what));
            }
        }
    }
    complaints
}

/// Nothing that is not done is handed over.
pub fn nothing_is_left_undone(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, text) in tree.files() {
        for (line, text) in lines(text) {
            let unfinished = |mark: &&&str| match mark.strip_suffix('!') {
                Some(_) => text.contains(**mark),
                None => has_word(text, mark),
            };
            if let Some(mark) = UNFINISHED.iter().find(unfinished) {
                complaints.push(Complaint::new(path, line, format!("`{mark}`: finish it or drop it")));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn a_file_that_does_not_say_what_it_owns_is_noticed() {
        let tree = Tree::of(&[
            ("a.rs", "//! Owns a.\n"),
            ("b.rs", "use std::fs;\n//! Late.\n"),
            ("c.rs", ""),
            ("d.md", "text"),
        ]);
        assert_eq!(places(&files_begin_with_what_they_own(&tree)), ["b.rs:1", "c.rs:1"]);
    }

    #[test]
    fn a_long_file_is_noticed_and_so_is_an_exception_that_is_not_needed() {
        let long = "//! T\n".repeat(401);
        let full = "//! T\n".repeat(400);
        let tree = Tree::of(&[("long.rs", &long), ("excepted.rs", &long), ("full.rs", &full)]);
        assert_eq!(places(&files_are_short(&tree, &[("excepted.rs", "a table")])), ["long.rs:401"]);
        let idle = [("long.rs", "x"), ("excepted.rs", "x"), ("full.rs", "x"), ("gone.rs", "x")];
        assert_eq!(places(&files_are_short(&tree, &idle)), ["full.rs:0", "gone.rs:0"]);
    }

    #[test]
    fn a_room_without_a_name_of_its_own_is_noticed() {
        let text = "//! T\nmod utils;\npub(crate) mod helpers {}\nmod manager_of_slots;\n// mod common;\nmod slots;\n";
        assert_eq!(places(&rooms_have_names(&Tree::of(&[("a.rs", text)]))), ["a.rs:2", "a.rs:3"]);
    }

    #[test]
    fn unfinished_work_is_noticed_in_every_kind_of_file() {
        for mark in UNFINISHED {
            let text = format!("first line\n{mark} later\n");
            let tree = Tree::of(&[("a.md", &text), ("b.rs", &text), ("c.toml", "todo = \"deny\"\n")]);
            assert_eq!(places(&nothing_is_left_undone(&tree)), ["a.md:2", "b.rs:2"], "{mark}");
        }
    }
}
