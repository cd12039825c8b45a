//! Framed bodies: the examples that AWS publishes, cut at every place, and everything that could be wrong with them.

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use proptest::prelude::*;

use super::chunked::{Covered, Unframed};
use super::error::Code;
use super::signature::Seal;
use super::signature_tests::Example;
use super::sums::Sums;

const LENGTH: usize = 66_560;
const FIRST: usize = 65_536;

fn seal(payload: &str, more: &[(&str, &str)], signed: &str, signature: &str) -> Seal {
    let mut headers = vec![
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", payload),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
    ];
    headers.extend(more);
    Example::new(Method::PUT, "/examplebucket/chunkObject.txt", &headers).signed(signed, signature).check().unwrap()
}

fn plain_seal() -> Seal {
    seal(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        &[("content-length", "66824")],
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
}

fn trailer_seal() -> Seal {
    seal(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        &[("x-amz-trailer", "x-amz-checksum-crc32c")],
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    )
}

fn framed(signatures: [&str; 3], trailer: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for (length, signature) in [FIRST, LENGTH - FIRST, 0].into_iter().zip(signatures) {
        wire.extend(format!("{length:x};chunk-signature={signature}\r\n").bytes());
        wire.extend(vec![b'a'; length]);
        wire.extend(if length > 0 { &b"\r\n"[..] } else { b"" });
    }
    wire.extend(trailer.bytes());
    wire.extend(b"\r\n");
    wire
}

fn signed() -> Vec<u8> {
    let signatures = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];
    framed(signatures, "")
}

fn signed_with_trailer() -> Vec<u8> {
    let signatures = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    let trailer = "x-amz-checksum-crc32c:sOO8/Q==\r\n\
                   x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n";
    framed(signatures, trailer)
}

fn announced(name: &str) -> Sums {
    let headers: HeaderMap = [("x-amz-trailer".parse().unwrap(), name.parse().unwrap())].into_iter().collect();
    Sums::announced(&headers).unwrap()
}

/// What comes out when the bytes come in pieces of this length.
fn unframe(wire: &[u8], piece: usize, length: usize, covered: Covered, mut sums: Sums) -> Result<Vec<u8>, Code> {
    let mut unframed = Unframed::new(length as u64, covered);
    let mut out = Vec::new();
    for piece in wire.chunks(piece) {
        let mut piece = Bytes::copy_from_slice(piece);
        while !piece.is_empty() {
            if let Some(bytes) = unframed.pass(&mut piece, &mut sums)? {
                out.extend(bytes);
            }
        }
    }
    unframed.end()?;
    sums.check()?;
    Ok(out)
}

fn plain(wire: &[u8]) -> Result<Vec<u8>, Code> {
    unframe(wire, wire.len().max(1), LENGTH, Covered::Chunks(plain_seal()), Sums::default())
}

fn with_trailer(wire: &[u8]) -> Result<Vec<u8>, Code> {
    let covered = Covered::ChunksAndTrailer(trailer_seal());
    unframe(wire, wire.len().max(1), LENGTH, covered, announced("x-amz-checksum-crc32c"))
}

/// Framing without signatures, as SDKs use it over TLS.
fn bare(wire: &str, length: usize, trailer: &str) -> Result<Vec<u8>, Code> {
    unframe(wire.as_bytes(), 3, length, Covered::Nothing, announced(trailer))
}

fn changed(wire: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(wire.to_vec()).unwrap();
    assert!(text.contains(from));
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn published_examples_are_read_however_they_are_cut() {
    for piece in [1, 7, 100, 65_536, 100_000] {
        let sums = Sums::default();
        assert_eq!(unframe(&signed(), piece, LENGTH, Covered::Chunks(plain_seal()), sums), Ok(vec![b'a'; LENGTH]));
        let covered = Covered::ChunksAndTrailer(trailer_seal());
        let sums = announced("x-amz-checksum-crc32c");
        assert_eq!(unframe(&signed_with_trailer(), piece, LENGTH, covered, sums), Ok(vec![b'a'; LENGTH]));
    }
}

#[test]
fn a_changed_byte_or_signature_is_found() {
    const FORGED: Result<Vec<u8>, Code> = Err(Code::SignatureDoesNotMatch);
    assert_eq!(plain(&changed(&signed(), "aaaa\r\n400", "aaab\r\n400")), FORGED);
    assert_eq!(plain(&changed(&signed(), "=0055", "=0056")), FORGED);
    assert_eq!(plain(&changed(&signed(), ";chunk-signature=b6c6", ";chunk-signature=b6c7")), FORGED);
    assert_eq!(plain(&changed(&signed(), "400;chunk-signature=", "400;signature=")), FORGED);
    let trailer = signed_with_trailer();
    assert_eq!(with_trailer(&changed(&trailer, "sOO8/Q==", "sOO8/g==")), FORGED);
    assert_eq!(with_trailer(&changed(&trailer, "-signature:d81f", "-signature:d81e")), FORGED);
    let unsigned = changed(&trailer, "x-amz-trailer-signature:d81f", "x-amz-other:d81f");
    assert_eq!(with_trailer(&unsigned), Err(Code::IncompleteBody));
}

#[test]
fn a_body_that_is_cut_or_too_long_is_not_whole() {
    let wire = signed();
    for end in [0, 10, 85, 1000, wire.len() - 90, wire.len() - 1] {
        assert_eq!(plain(&wire[..end]), Err(Code::IncompleteBody), "{end}");
    }
    assert_eq!(plain(&[&wire[..], b"x"].concat()), Err(Code::IncompleteBody));
}

#[test]
fn checksums_of_a_trailer_are_checked() {
    let body = |sum: &str| format!("b\r\nhello world\r\n0\r\n{sum}\r\n\r\n");
    let good = [
        ("x-amz-checksum-crc32", "DUoRhQ=="),
        ("x-amz-checksum-crc32c", "yZRlqg=="),
        ("x-amz-checksum-crc64nvme", "jSnVw/bqjr4="),
        ("x-amz-checksum-sha1", "Kq5sNclPz7QV2+lfQIuc6R7oRu0="),
        ("x-amz-checksum-sha256", "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="),
    ];
    for (name, value) in good {
        assert_eq!(bare(&body(&format!("{name}:{value}")), 11, name), Ok(b"hello world".to_vec()), "{name}");
        let other = value.replacen(&value[..1], "B", 1);
        assert_eq!(bare(&body(&format!("{name}:{other}")), 11, name), Err(Code::BadDigest), "{name}");
    }
    assert_eq!(bare("b\r\nhello world\r\n0\r\n\r\n", 11, "x-amz-checksum-crc32"), Err(Code::IncompleteBody));
    let twice = body("x-amz-checksum-crc32:DUoRhQ==\r\nx-amz-checksum-crc32:DUoRhQ==");
    assert_eq!(bare(&twice, 11, "x-amz-checksum-crc32"), Err(Code::IncompleteBody));
}

#[test]
fn lengths_that_lie_are_found() {
    let sum = "x-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
    let check = |frames: &str, length| bare(&format!("{frames}{sum}"), length, "x-amz-checksum-crc32");
    assert_eq!(check("b\r\nhello world\r\n0\r\n", 11), Ok(b"hello world".to_vec()));
    assert_eq!(check("5\r\nhello\r\n6\r\n world\r\n0\r\n", 11), Ok(b"hello world".to_vec()));
    for (frames, length) in [
        ("b\r\nhello world\r\n0\r\n", 10),
        ("b\r\nhello world\r\n0\r\n", 12),
        ("5\r\nhello\r\n0\r\n", 11),
        ("ffffffffffffffff\r\nhello world\r\n0\r\n", 11),
        ("10000000000000000b\r\nhello world\r\n0\r\n", 11),
        ("-b\r\nhello world\r\n0\r\n", 11),
        ("b\nhello world\r\n0\r\n", 11),
        ("b\r\nhello world!\r\n0\r\n", 11),
        ("\r\n", 0),
    ] {
        assert_eq!(check(frames, length), Err(Code::IncompleteBody), "{frames:?} {length}");
    }
    let long = format!("b;{}\r\n", "x".repeat(300));
    assert_eq!(check(&long, 11), Err(Code::IncompleteBody));
}

proptest! {
    #[test]
    fn no_bytes_make_it_fail(wire in prop::collection::vec(any::<u8>(), 0..200), piece in 1..50_usize, length in 0..100_usize) {
        let _ = unframe(&wire, piece, length, Covered::Nothing, Sums::default());
    }

    #[test]
    fn nothing_comes_out_beyond_the_length(frames in prop::collection::vec("[a-z]{1,20}", 0..10), length in 0..100_usize) {
        let wire: Vec<String> = frames.iter().map(|data| format!("{:x}\r\n{data}\r\n", data.len())).collect();
        let out = unframe(format!("{}0\r\n\r\n", wire.concat()).as_bytes(), 5, length, Covered::Nothing, Sums::default());
        let whole = frames.concat();
        prop_assert_eq!(out.is_ok(), whole.len() == length);
        prop_assert!(out.is_err() || out == Ok(whole.into_bytes()));
    }
}
