//! What records from elsewhere may do; see [`crate::fuzzing`].

use bytes::Bytes;
use hearth_model::{Scope, Timestamp, WriterId};
use hearth_trust::Signer;

use super::SealKey;
use super::sealed::{Broken, Head, Opener, Sealer};
use crate::fuzzing::bytes::{changed, number, text};
use crate::keys::{Address, ObjectKey, ObjectName, Space};

/// What was sealed is opened, and nothing else: not the bytes themselves, not a changed or shortened record.
pub(crate) fn record(bytes: &[u8]) {
    let (choice, data) = number(bytes);
    let key = SealKey::of(&Signer::from_key([7; 32]));
    let head = Head {
        address: Address {
            space: Space { realm: "github.com/acme/rocket".into(), scope: Scope::Trusted },
            key: ObjectKey::stored("a/b"),
        },
        length: data.len() as u64,
        writer: WriterId::from_bytes([9; 16]),
        stored_at: Timestamp::from_millis(1_700_000_000_000),
        cost_ms: 7,
        attributes: text(data).chars().filter(|c| !c.is_control()).take(64).collect(),
    };
    let name = head.address.name();
    let (first, size, mut sealer) = Sealer::begin(key.clone(), &head);
    let mut record = first.to_vec();
    sealer.push(Bytes::copy_from_slice(data)).iter().for_each(|sealed| record.extend_from_slice(sealed));
    sealer.finish().iter().for_each(|sealed| record.extend_from_slice(sealed));
    assert_eq!(record.len() as u64, size);
    let open = |record: &[u8]| open(key.clone(), name, record, choice % 128 + 1);
    let (read, out) = open(&record).expect("what was sealed is opened");
    assert_eq!((read, out.as_slice()), (head, data));
    assert!(open(data).is_err(), "a record that nobody sealed was opened");
    assert!(open(&record[..choice % record.len()]).is_err(), "a shortened record was opened");
    if let Some(changed) = changed(&record, choice) {
        assert!(open(&changed).is_err(), "a changed record was opened");
    }
}

fn open(key: SealKey, name: ObjectName, record: &[u8], cut: usize) -> Result<(Head, Vec<u8>), Broken> {
    let mut opener = Opener::new(key, name);
    let (mut head, mut data) = (None, Vec::new());
    for piece in record.chunks(cut) {
        opener.push(piece);
        if head.is_none() {
            head = opener.head()?;
        }
        while let Some(chunk) = opener.next()? {
            data.extend_from_slice(&chunk);
        }
    }
    opener.finish()?;
    Ok((head.ok_or(Broken)?, data))
}
