//! Objects as sccache makes them, and what else may come instead of them.

use std::io::Write as _;

use proptest::prelude::*;
use rawzip::{ZipArchiveWriter, path::EntryPath};

use super::*;

/// A zip with members of these names and sizes, each a zstd frame as far as anyone looks.
fn object(members: &[(&str, usize)]) -> Vec<u8> {
    let mut archive = ZipArchiveWriter::new(Vec::new());
    for (name, size) in members {
        let (mut entry, config) = archive
            .new_file(EntryPath::verbatim(name.as_bytes()))
            .compression_method(CompressionMethod::STORE)
            .start()
            .unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(&ZSTD_FRAME).unwrap();
        writer.write_all(&vec![7; *size]).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap()
}

fn inspect(body: &[u8], piece: usize) -> Result<Option<Unit>, Malformed> {
    let mut inspector = Inspector::default();
    let most = piece.clamp(1, body.len().max(1));
    for piece in body.chunks(most) {
        inspector.see(&Bytes::copy_from_slice(piece));
        assert!(inspector.head.length <= WINDOW && inspector.tail.length < WINDOW + most.max(WINDOW));
        assert!(inspector.head.pieces.len().max(inspector.tail.pieces.len()) <= MANY_PIECES);
    }
    inspector.finish()
}

const SERDE: [(&str, usize); 3] =
    [("libserde-0123456789abcdef.rlib", 300_000), ("libserde-0123456789abcdef.rmeta", 100_000), ("stderr", 30)];

#[test]
fn a_unit_is_read_from_the_names_of_the_members() {
    let unit = Unit { name: "serde".into(), hash: 0x0123_4567_89ab_cdef };
    for piece in [7, 1000, 65_536, usize::MAX] {
        assert_eq!(inspect(&object(&SERDE), piece), Ok(Some(unit.clone())), "{piece}");
    }
    assert_eq!(inspect(&object(&[("foo.o", 10)]), 64), Ok(None), "of a C compiler");
}

#[test]
fn names_that_cargo_does_not_give_are_no_units() {
    for name in [
        "libserde.rlib",
        "serde-0123456789abcdef.rlib",
        "libserde-0123456789abcde.rlib",
        "libserde-0123456789abcdeg.rlib",
        "lib-0123456789abcdef.rlib",
        "lib<script>-0123456789abcdef.rlib",
        "libserde-+123456789abcdef.rlib",
        "serde-0123456789abcdef.d",
        &format!("lib{}-0123456789abcdef.rlib", "a".repeat(65)),
    ] {
        assert_eq!(Unit::of_member(name.as_bytes()), None, "{name}");
    }
    assert_eq!(Unit::of_member(b"lib\xff-0123456789abcdef.rlib"), None);
}

#[test]
fn what_is_no_object_of_sccache_is_malformed() {
    let good = object(&SERDE);
    let check = |what: &str, body: &[u8]| {
        for piece in [100, 65_536] {
            assert_eq!(inspect(body, piece), Err(Malformed), "{what}");
        }
    };
    check("nothing", b"");
    check("a page", b"<html><body>502 Bad Gateway</body></html>");
    check("zeros", &vec![0; good.len()]);
    check("bytes before", &[b"HTTP", good.as_slice()].concat());
    check("bytes behind", &[good.as_slice(), b"\r\n"].concat());
    check("no members", &object(&[]));
    for cut in [1, 22, 100, 1000, good.len() / 2, good.len() - 1] {
        check("an end that is missing", &good[..good.len() - cut]);
    }
    let mut first = good.clone();
    let at = first.windows(4).position(|bytes| bytes == ZSTD_FRAME).unwrap();
    first[at] = 0;
    check("a member that is no frame", &first);
    let mut beginning = good;
    beginning[..30].fill(0);
    check("no header at the beginning", &beginning);
}

proptest! {
    #[test]
    fn no_body_makes_it_fail(body in prop::collection::vec(any::<u8>(), 0..300), piece in 1..100_usize) {
        let _ = inspect(&body, piece);
    }

    #[test]
    fn no_damage_makes_it_fail(at in 0..2000_usize, byte: u8, piece in 1..3000_usize) {
        let mut body = object(&[("libserde-0123456789abcdef.rlib", 1000), ("stdout", 500)]);
        let at = at % body.len();
        body[at] = byte;
        let _ = inspect(&body, piece);
    }
}
