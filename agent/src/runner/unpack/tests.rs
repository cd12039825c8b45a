//! Archives as an attacker would pack them, each packed here.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::*;

const SMALL: Bounds = Bounds { entries: 50, bytes: Bytes::mib(1) };

/// One entry: kind, name, mode, and the content or the target.
type Packed<'a> = (EntryType, &'a str, u32, &'a [u8]);

const FILE: EntryType = EntryType::Regular;
const DIRECTORY: EntryType = EntryType::Directory;
const LINK: EntryType = EntryType::Symlink;
const HARD_LINK: EntryType = EntryType::Link;

/// A header by its parts. Names are put in raw: the archive writer itself refuses the bad ones.
fn header(kind: EntryType, name: &str, mode: u32, size: usize, target: &[u8]) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_mtime(1_700_000_000);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
    header.set_cksum();
    header
}

fn tar_of(entries: &[Packed<'_>]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (kind, name, mode, content) in entries {
        let is_link = matches!(*kind, LINK | HARD_LINK);
        let (content, target) = if is_link { (&b""[..], *content) } else { (*content, &b""[..]) };
        archive.append(&header(*kind, name, *mode, content.len(), target), content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A line of a POSIX header, which begins with its own length.
fn posix(field: &str) -> Vec<u8> {
    let mut length = field.len() + 2;
    while length != format!("{length} {field}\n").len() {
        length = format!("{length} {field}\n").len();
    }
    format!("{length} {field}\n").into_bytes()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Unpacks into a new directory; tells what came of it, and that nothing came to stand beside that directory.
fn try_unpack(archive: &[u8], packing: Packing, bounds: Bounds) -> (TempDir, Result<Unpacked, UnpackError>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    fs::write(&path, archive).unwrap();
    let unpacked = unpack(fs::File::open(&path).unwrap(), packing, &dir.path().join("root"), bounds);
    let beside: Vec<PathBuf> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
    (dir, unpacked)
}

fn text_of(error: &UnpackError) -> String {
    crate::journey::chain(error)
}

/// What unpacking these entries says.
fn check(entries: &[Packed<'_>], expected: &str) {
    let (_dir, unpacked) = try_unpack(&gz(&tar_of(entries)), Packing::TarGz, SMALL);
    let error = unpacked.expect_err(expected);
    assert!(text_of(&error).contains(expected), "{}: {expected}", text_of(&error));
}

#[test]
fn an_archive_comes_out_as_it_went_in() {
    let long = format!("externals/{}/file", "long".repeat(30));
    let mut archive = Builder::new(Vec::new());
    archive.append(&header(DIRECTORY, "./", 0o755, 0, b""), &b""[..]).unwrap();
    archive.append(&header(DIRECTORY, "./bin/", 0o755, 0, b""), &b""[..]).unwrap();
    archive.append(&header(FILE, "./bin/tool", 0o755, 2, b""), &b"ok"[..]).unwrap();
    archive.append(&header(FILE, "./text", 0o644, 4, b""), &b"text"[..]).unwrap();
    let mut described = Header::new_gnu();
    described.set_size(1);
    described.set_mode(0o600);
    described.set_mtime(1_800_000_000);
    // Writes a GNU header with the long name before it.
    archive.append_data(&mut described, &long, &b"l"[..]).unwrap();
    archive.append(&header(LINK, "./link", 0o777, 0, b"bin/tool"), &b""[..]).unwrap();
    archive.append(&header(LINK, "./bin/up", 0o777, 0, b"../text"), &b""[..]).unwrap();
    archive.append(&header(HARD_LINK, "./again", 0o644, 0, b"./text"), &b""[..]).unwrap();
    // And a POSIX one, as the archiver of macOS writes it.
    let described = [posix("path=externals/posix"), posix("LIBARCHIVE.creationtime=1")].concat();
    archive.append(&header(EntryType::XHeader, "x", 0o644, described.len(), b""), &described[..]).unwrap();
    archive.append(&header(FILE, "short", 0o644, 1, b""), &b"p"[..]).unwrap();
    let (dir, unpacked) = try_unpack(&gz(&archive.into_inner().unwrap()), Packing::TarGz, SMALL);
    let built_at = Some(Timestamp::from_millis(1_800_000_000_000));
    assert_eq!(unpacked.unwrap(), Unpacked { files: 5, bytes: Bytes(8), built_at });
    let root = dir.path().join("root");
    let mode = |path: &str| root.join(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("bin/tool"), mode("text")), (0o755, 0o644));
    assert_eq!(fs::read(root.join("link")).unwrap(), b"ok");
    assert_eq!(fs::read(root.join("bin/up")).unwrap(), b"text");
    assert_eq!(fs::read(root.join("again")).unwrap(), b"text");
    assert_eq!(fs::read(root.join(&long)).unwrap(), b"l");
    assert_eq!(fs::read(root.join("externals/posix")).unwrap(), b"p");
}

#[test]
fn a_name_that_leads_out_is_refused() {
    check(&[(FILE, "../evil", 0o644, b"x")], "climbs out");
    check(&[(FILE, "bin/../../evil", 0o644, b"x")], "climbs out");
    check(&[(FILE, "bin/../ok", 0o644, b"x")], "climbs out");
    check(&[(FILE, "/tmp/evil", 0o644, b"x")], "absolute path");
    check(&[(DIRECTORY, "..", 0o755, b"")], "climbs out");
    check(&[(FILE, "C:evil", 0o644, b"x")], "absolute path");
    check(&[(FILE, "\\evil", 0o644, b"x")], "absolute path");
    check(&[(FILE, "a\\..\\evil", 0o644, b"x")], "characters that no file");
    check(&[(FILE, "a/C:/evil", 0o644, b"x")], "characters that no file");
    check(&[(FILE, "a\u{1b}[2J", 0o644, b"x")], "\\u{1b}[2J");
    check(&[(FILE, "./", 0o644, b"x")], "is empty");
    check(&[(FILE, &"d/".repeat(45), 0o644, b"")], "is empty, too long");
    let deep = format!("x{}", "/d".repeat(49));
    check(
        &[(DIRECTORY, "x", 0o755, b""), (FILE, &deep, 0o644, b""), (FILE, &deep, 0o644, b"")],
        "more than 50 entries",
    );
}

#[test]
fn a_link_that_leads_out_is_refused_however_long_its_way() {
    check(&[(LINK, "evil", 0o777, b"/etc")], "leaves");
    check(&[(LINK, "evil", 0o777, b"../..")], "leaves");
    check(&[(LINK, "bin/evil", 0o777, b"../../x")], "link");
    // Each of these looks harmless by itself: `a/b/up` is the root, so `a/b/up/..` is outside.
    let chain: &[Packed<'_>] =
        &[(FILE, "a/b/f", 0o644, b"x"), (LINK, "a/b/up", 0o777, b"../.."), (LINK, "a/b/out", 0o777, b"up/..")];
    check(chain, "leaves");
    check(&[(HARD_LINK, "evil", 0o644, b"/etc/passwd")], "leaves");
    check(&[(HARD_LINK, "evil", 0o644, b"../archive")], "leaves");
}

#[test]
fn nothing_is_written_through_a_link_or_a_file() {
    check(&[(LINK, "d", 0o777, b"/tmp")], "leaves");
    check(
        &[(DIRECTORY, "bin", 0o755, b""), (LINK, "d", 0o777, b"bin"), (FILE, "d/x", 0o644, b"x")],
        "directory is none",
    );
    check(&[(FILE, "f", 0o644, b"x"), (FILE, "f/x", 0o644, b"x")], "directory is none");
}

#[test]
fn a_link_to_nothing_is_refused() {
    check(&[(LINK, "l", 0o777, b"missing")], "does not hold");
    check(&[(LINK, "a", 0o777, b"b"), (LINK, "b", 0o777, b"a")], "does not hold");
    check(&[(HARD_LINK, "l", 0o644, b"missing")], "does not hold");
    check(&[(DIRECTORY, "d", 0o755, b""), (HARD_LINK, "l", 0o644, b"d")], "does not hold");
}

#[test]
fn what_is_there_twice_is_refused() {
    check(&[(FILE, "f", 0o644, b"x"), (FILE, "f", 0o644, b"y")], "twice");
    check(&[(FILE, "f", 0o644, b"x"), (FILE, "./f", 0o644, b"y")], "twice");
    check(&[(DIRECTORY, "d", 0o755, b""), (DIRECTORY, "d/", 0o755, b"")], "twice");
    check(&[(FILE, "d/f", 0o644, b"x"), (FILE, "d", 0o644, b"y")], "twice");
    check(&[(FILE, "f", 0o644, b"x"), (LINK, "f", 0o777, b"g")], "twice");
}

#[test]
fn devices_pipes_and_set_id_files_are_refused() {
    check(&[(EntryType::Char, "null", 0o666, b"")], "character device");
    check(&[(EntryType::Block, "disk", 0o666, b"")], "block device");
    check(&[(EntryType::Fifo, "pipe", 0o666, b"")], "named pipe");
    check(&[(EntryType::GNUSparse, "sparse", 0o644, b"")], "sparse file");
    check(&[(FILE, "su", 0o4755, b"x")], "rights of its owner");
    check(&[(FILE, "sg", 0o2755, b"x")], "rights of its owner");
    check(&[(DIRECTORY, "sg", 0o2755, b"")], "rights of its owner");
}

#[test]
fn a_header_that_says_something_else_than_its_entry_is_refused() {
    for (field, expected) in [
        ("size=4096", "header that no archive"),
        ("GNU.sparse.major=1.0", "header that no archive"),
        ("path=../../climber", "climbs out"),
    ] {
        check(&[(EntryType::XHeader, "x", 0o644, &posix(field)), (FILE, "f", 0o644, b"x")], expected);
    }
    check(&[(EntryType::XHeader, "x", 0o644, &posix("linkpath=/etc")), (LINK, "l", 0o777, b"f")], "leaves");
    check(&[(EntryType::GNULongName, "x", 0o644, b"/tmp/evil\0"), (FILE, "f", 0o644, b"x")], "absolute path");
    let endless = vec![b'a'; 100 << 10];
    check(&[(EntryType::GNULongName, "x", 0o644, &endless), (FILE, "f", 0o644, b"x")], "header that no archive");
}

#[test]
fn a_bomb_ends_at_the_bounds() {
    let zeros = vec![0; 2 << 20];
    check(&[(FILE, "zeros", 0o644, &zeros)], "more than 1.00 MiB");
    let names: Vec<String> = (0..60).map(|n| format!("f{n}")).collect();
    let many: Vec<Packed<'_>> = names.iter().map(|name| (FILE, name.as_str(), 0o644, &b""[..])).collect();
    check(&many, "more than 50 entries");
    let headers: Vec<Packed<'_>> = (0..60).map(|_| (EntryType::XGlobalHeader, "g", 0o644, &b""[..])).collect();
    check(&headers, "more than 50 entries");
}

#[test]
fn a_damaged_archive_is_refused_wherever_it_was_cut() {
    let noise: Vec<u8> = (0_u32..60_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let whole = gz(&tar_of(&[(FILE, "f", 0o644, &noise[..200_000]), (FILE, "g", 0o644, b"x")]));
    assert!(try_unpack(&whole, Packing::TarGz, SMALL).1.is_ok());
    for cut in [0, 1, 10, 400, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let (_dir, unpacked) = try_unpack(&whole[..cut], Packing::TarGz, SMALL);
        assert!(matches!(unpacked, Err(UnpackError::Read { .. })), "cut at {cut}: {unpacked:?}");
    }
    let mut flipped = whole.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    assert!(try_unpack(&flipped, Packing::TarGz, SMALL).1.is_err(), "the checksum of the stream does not hold");
    assert!(try_unpack(&tar_of(&[(FILE, "f", 0o644, b"x")]), Packing::TarGz, SMALL).1.is_err(), "not compressed");
    // A tar inside of a whole stream that ends in the middle of an entry.
    let cut = gz(&tar_of(&[(FILE, "f", 0o644, &noise[..200_000])])[..100_000]);
    assert!(matches!(try_unpack(&cut, Packing::TarGz, SMALL).1, Err(UnpackError::Read { .. })));
}

/// A file for a zip: its name, mode and content.
type Zipped<'a> = (&'a str, u32, &'a [u8]);

fn zip_of(files: &[Zipped<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, mode, content) in files {
        let file = archive.new_file(rawzip::path::EntryPath::verbatim(name.as_bytes())).unix_permissions(*mode);
        let (mut entry, config) = file.compression_method(rawzip::CompressionMethod::DEFLATE).start().unwrap();
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::fast()));
        writer.write_all(content).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

#[test]
fn a_zip_comes_out_as_it_went_in() {
    let zip = zip_of(&[("bin/Runner.Listener.exe", 0o100_755, b"exe"), ("run.cmd", 0o100_644, b"cmd")]);
    let (dir, unpacked) = try_unpack(&zip, Packing::Zip, SMALL);
    assert_eq!(unpacked.unwrap(), Unpacked { files: 2, bytes: Bytes(6), built_at: None });
    let root = dir.path().join("root");
    assert_eq!(fs::read(root.join("bin/Runner.Listener.exe")).unwrap(), b"exe");
    assert_eq!(root.join("run.cmd").metadata().unwrap().permissions().mode() & 0o111, 0);
}

#[test]
fn a_bad_zip_is_refused_like_a_bad_tar() {
    let zeros = vec![0; 2 << 20];
    let cases: [(&[Zipped<'_>], &str); 7] = [
        (&[("../evil", 0o100_644, b"x")], "climbs out"),
        (&[("/evil", 0o100_644, b"x")], "absolute path"),
        (&[("f", 0o100_644, b"x"), ("f", 0o100_644, b"y")], "twice"),
        (&[("su", 0o104_755, b"x")], "rights of its owner"),
        (&[("link", 0o120_777, b"/etc")], "a symbolic link"),
        (&[("pipe", 0o010_644, b"")], "of an unknown kind"),
        (&[("zeros", 0o100_644, &zeros)], "more than 1.00 MiB"),
    ];
    for (files, expected) in cases {
        let (_dir, unpacked) = try_unpack(&zip_of(files), Packing::Zip, SMALL);
        let said = text_of(&unpacked.expect_err(expected));
        assert!(said.contains(expected), "{said}: {expected}");
    }
    let whole = zip_of(&[("f", 0o100_644, b"content")]);
    for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
        let (_dir, unpacked) = try_unpack(&whole[..cut], Packing::Zip, SMALL);
        assert!(matches!(unpacked, Err(UnpackError::Read { .. })), "cut at {cut}");
    }
}
