//! What the directory of parts keeps, loses and refuses.

use bytes::Bytes;
use hearth_model::Millis;

use super::super::ids::MAX_PART_ID;
use super::*;

fn upload(n: u8) -> UploadId {
    UploadId::from_hex(&blake3::hash(&[n]).to_hex()).unwrap()
}

fn writer(n: u8) -> WriterId {
    WriterId::from_bytes([n; WriterId::LENGTH])
}

fn id(text: &str) -> PartId {
    PartId::new(text.as_bytes()).unwrap()
}

fn stage(parts: &Parts, upload: UploadId, part: &PartId, data: &'static [u8]) {
    let mut staged = parts.stage(upload, Summed::Md5).unwrap();
    staged.write(&[Bytes::from_static(data)]).unwrap();
    parts.keep(staged, upload, part).unwrap();
}

fn read(parts: &Parts, upload: UploadId, part: &PartId) -> io::Result<Vec<u8>> {
    let mut reader = parts.open_part(upload, part)?;
    let mut all = Vec::new();
    while let Some(bytes) = reader.next(2)? {
        all.extend(bytes);
    }
    Ok(all)
}

#[test]
fn parts_are_found_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let parts = Parts::open(dir.path().join("parts")).unwrap();
    parts.begin(upload(1), writer(1), "note").unwrap();
    stage(&parts, upload(1), &id("b"), b"world");
    stage(&parts, upload(1), &id("a"), b"hello");
    parts.set_order(upload(1), &[id("a"), id("b")]).unwrap();
    let _torn = std::mem::ManuallyDrop::new(parts.stage(upload(1), Summed::Not).unwrap());

    let parts = Parts::open(dir.path().join("parts")).unwrap();
    assert_eq!(parts.note(upload(1)).unwrap().as_deref(), Some("note"));
    assert_eq!(parts.order(upload(1)).unwrap(), Some(vec![id("a"), id("b")]));
    assert_eq!(parts.length(upload(1), &id("a")).unwrap(), Some(5));
    assert_eq!(read(&parts, upload(1), &id("a")).unwrap(), b"hello");
    assert_eq!(files_in(&parts.dir_of(upload(1))).unwrap().len(), 4, "what was not whole is gone");
    assert_eq!(parts.occupied(writer(1)).by_all, 2 * LEAST);
    parts.remove(upload(1)).unwrap();
    assert_eq!((parts.occupied(writer(1)).by_all, parts.note(upload(1)).unwrap()), (0, None));
}

#[test]
fn a_part_that_comes_again_takes_the_place_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let parts = Parts::open(dir.path().to_owned()).unwrap();
    parts.begin(upload(1), writer(1), "").unwrap();
    stage(&parts, upload(1), &id("a"), b"one");
    stage(&parts, upload(1), &id("a"), b"two");
    assert_eq!(read(&parts, upload(1), &id("a")).unwrap(), b"two");
    assert_eq!(parts.occupied(writer(1)).by_all, LEAST);
}

#[test]
fn what_was_never_begun_takes_no_parts_and_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let parts = Parts::open(dir.path().to_owned()).unwrap();
    assert_eq!(parts.stage(upload(1), Summed::Not).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(parts.order(upload(1)).unwrap(), None);
    assert_eq!(parts.length(upload(1), &id("a")).unwrap(), None);
    parts.remove(upload(1)).unwrap();
}

#[test]
fn a_part_that_was_damaged_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let parts = Parts::open(dir.path().to_owned()).unwrap();
    parts.begin(upload(1), writer(1), "").unwrap();
    stage(&parts, upload(1), &id("a"), b"hello");
    let path = parts.dir_of(upload(1)).join(id("a").as_str());
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(read(&parts, upload(1), &id("a")).is_err(), "byte {at}");
        fs::write(&path, &good[..at]).unwrap();
        assert!(read(&parts, upload(1), &id("a")).is_err(), "cut at {at}");
    }
    fs::write(&path, vec![0; good.len()]).unwrap();
    assert!(read(&parts, upload(1), &id("a")).is_err(), "zeroed");
}

#[test]
fn old_uploads_are_swept_and_young_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    let parts = Parts::open(dir.path().to_owned()).unwrap();
    let now = fs::metadata(dir.path()).unwrap().modified().unwrap();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let now = Timestamp::from_millis(i64::try_from(now).unwrap());
    parts.begin(upload(1), writer(1), "").unwrap();
    stage(&parts, upload(1), &id("a"), b"hello");
    assert_eq!(parts.sweep(now - Millis::from_minutes(1)).unwrap(), 0);
    assert_eq!(parts.sweep(now + Millis::from_minutes(1)).unwrap(), 1);
    assert_eq!((parts.occupied(writer(1)).by_all, parts.note(upload(1)).unwrap()), (0, None));
}

#[test]
fn no_part_of_a_client_is_called_as_a_file_of_ours() {
    for bytes in [&b"x"[..], b"whole.part", b"\xff\xfe"] {
        assert!(!PartId::new(bytes).unwrap().as_str().contains('.'));
    }
    for ours in [PartId::whole().as_str(), NOTE, ORDER, "1.new"] {
        assert!(ours.contains('.'));
    }
    assert_eq!(PartId::new(&[0; MAX_PART_ID + 1]), None);
}

#[test]
fn parts_with_numbers_are_listed_in_their_order_with_their_sums() {
    let dir = tempfile::tempdir().unwrap();
    let parts = Parts::open(dir.path().to_owned()).unwrap();
    assert_eq!(parts.numbered(upload(1)).unwrap(), None);
    parts.begin(upload(1), writer(1), "").unwrap();
    for (number, data) in [(10_000, &b"last"[..]), (2, b"second"), (2, b"second again")] {
        stage(&parts, upload(1), &PartId::numbered(number), data);
    }
    stage(&parts, upload(1), &PartId::whole(), b"no number");
    let listed = parts.numbered(upload(1)).unwrap().unwrap();
    let md5 = |data: &[u8]| <[u8; 16]>::from(<md5::Md5 as md5::Digest>::digest(data));
    let said: Vec<_> = listed.iter().map(|part| (part.number, part.length, part.md5)).collect();
    assert_eq!(said, [(2, 12, md5(b"second again")), (10_000, 4, md5(b"last"))]);
}

#[test]
fn what_was_never_begun_to_its_end_is_gone_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let parts = Parts::open(dir.path().to_owned()).unwrap();
    for (n, note) in [(1, "no writer"), (2, "")] {
        parts.begin(upload(n), writer(1), "").unwrap();
        fs::write(parts.dir_of(upload(n)).join(NOTE), note).unwrap();
    }
    fs::write(dir.path().join("a file"), "").unwrap();
    let parts = Parts::open(dir.path().to_owned()).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(parts.of_writer(writer(1)), []);
}
