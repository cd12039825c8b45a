//! The kept corpus, and changed copies of it, through every target.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;

use super::{TARGETS, Target};

/// Changed copies of each file of a corpus.
const COPIES: u64 = 200;
/// Changes of one copy at most.
const CHANGES: usize = 4;
/// What syntax is made of, and numbers at the edges of their kinds.
const PIECES: [&[u8]; 24] = [
    b"\0",
    b"\xff",
    b"/",
    b"..",
    b"%2e",
    b"%00",
    b"&",
    b"=",
    b"+",
    b"\r\n",
    b"\n",
    b":",
    b";",
    b",",
    b".",
    b"<",
    b">",
    b"&#0;",
    b"\"",
    b"{}",
    b"-1",
    b"18446744073709551616",
    "\u{e9}\u{301}\u{202e}".as_bytes(),
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus")
}

fn files(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<_> =
        fs::read_dir(corpus().join(target.name)).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn changed(bytes: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    for _ in 0..random.usize(1..=CHANGES) {
        let at = random.usize(..=copy.len());
        match random.u8(..6) {
            0 if at < copy.len() => copy[at] = random.u8(..),
            1 if at < copy.len() => copy[at] ^= 1 << random.u8(..8),
            2 => copy.truncate(at),
            3 => {
                let end = copy.len().min(at + random.usize(..32));
                let part = copy[at..end].to_vec();
                copy.extend(part);
            }
            4 if at < copy.len() => drop(copy.remove(at)),
            _ => drop(copy.splice(at..at, random.choice(PIECES).unwrap_or_default().iter().copied())),
        }
    }
    copy
}

#[test]
fn no_kept_or_changed_input_breaks_a_promise() {
    for target in TARGETS {
        let files = files(target);
        assert!(!files.is_empty(), "{} has no corpus", target.name);
        for (path, bytes) in &files {
            (target.run)(bytes);
            let mut random = Rng::with_seed(bytes.len() as u64);
            for _ in 0..COPIES {
                let copy = changed(bytes, &mut random);
                let broken = catch_unwind(AssertUnwindSafe(|| (target.run)(&copy))).is_err();
                assert!(
                    !broken,
                    "{}: a changed copy of {}: {:?}",
                    target.name,
                    path.display(),
                    copy.escape_ascii().to_string()
                );
            }
        }
    }
}

#[test]
fn every_corpus_belongs_to_a_target() {
    let there: BTreeSet<_> = fs::read_dir(corpus()).unwrap().map(|dir| dir.unwrap().file_name()).collect();
    let named: BTreeSet<_> = TARGETS.iter().map(|target| target.name.into()).collect();
    assert_eq!(there, named);
}
