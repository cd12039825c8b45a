//! Uploads in numbered parts. Compilers send whole objects, so whoever comes here wants to hear the truth: what he may
//! not store is refused, and not taken as if all were well.
//!
//! ```text
//! begin ─ id ─▶ part, part, … (in any order, each again as often as one likes) ─▶ finish: one object
//!                 └─ abort, or nothing for two hours: swept
//! ```
//!
//! An id means something only together with the writer who began and the object that he named: where the parts lie
//! follows from all three, so nobody meets an upload that is not his.

use std::sync::Arc;

use hearth_model::Timestamp;

use super::NodeObjects;
use crate::access::{Act, Done, OverQuota, Pace};
use crate::disk::{Patience, TooSlow};
use crate::http::inflow::Inflow;
use crate::keys::{Address, ObjectKey};
use crate::parts::{self, Intake, Numbered, PartId, Parts, Summed, UploadId};
use crate::store::Store;
use crate::uploads::{Failure, Offer, Taken, taken};

/// Stands before the notes of such uploads.
const MARK: &str = "numbered";

/// Why there is no upload, or none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    NotAllowed,
    NoSuchUpload,
    OverQuota,
    TooFast,
    /// A part of the order is missing, or was damaged.
    NoSuchPart,
    /// The body did not come whole.
    Cut,
    Failed(Failure),
}

/// An upload that a caller has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnderWay {
    pub(crate) key: ObjectKey,
    pub(crate) id: String,
    pub(crate) begun_at: Timestamp,
    /// What its dialect wants to know again of the object.
    pub(crate) attributes: Box<str>,
}

/// What an upload is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) numbers: Vec<u16>,
    pub(crate) length: u64,
    pub(crate) attributes: Box<str>,
}

impl NodeObjects {
    /// Begins an upload; says what it is called.
    pub(crate) async fn begin_upload(&self, key: &ObjectKey, attributes: &str) -> Result<String, Refused> {
        let address = self.may_store(key)?;
        let serial = getrandom::u64().and_then(|high| Ok((u128::from(high) << 64) | u128::from(getrandom::u64()?)));
        let serial = serial.map_err(|_| Refused::Failed(Failure::NoRoom))?.to_be_bytes();
        let under_way = UnderWay {
            key: key.clone(),
            id: hex(serial),
            begun_at: self.store.clock.now(),
            attributes: attributes.into(),
        };
        let (upload, writer) = (UploadId::nth(address.name(), self.caller.writer, &serial), self.caller.writer);
        let note = under_way.to_note();
        self.on_disk(move |parts| parts.begin(upload, writer, &note)).await?;
        Ok(under_way.id)
    }

    /// The upload of this id to this object, which the caller must have begun himself.
    pub(crate) async fn upload(&self, key: &ObjectKey, id: &str) -> Result<UnderWay, Refused> {
        let upload = self.upload_id(key, id)?;
        let note = self.on_disk(move |parts| parts.note(upload)).await?;
        note.and_then(|note| UnderWay::from_note(&note)).ok_or(Refused::NoSuchUpload)
    }

    /// Takes a part in; says its MD5.
    pub(crate) async fn add_part(
        &self,
        key: &ObjectKey,
        id: &str,
        number: u16,
        mut inflow: Inflow,
    ) -> Result<[u8; 16], Refused> {
        let added = match self.part_upload(key, id, inflow.length()).await {
            Ok(upload) => {
                let (writer, part) = (self.caller.writer, PartId::numbered(number));
                let intake = Intake { upload, writer, part, summed: Summed::Md5 };
                parts::receive(&self.store, intake, &mut inflow).await.map(|kept| kept.map_err(Refused::Failed))
            }
            // The rest of the body before the answer: a client that is still sending would see a broken connection.
            Err(refused) => inflow.drain().await.map(|()| Err(refused)),
        };
        added.unwrap_or(Err(Refused::Cut))
    }

    /// The parts that the upload has.
    pub(crate) async fn parts_of(&self, key: &ObjectKey, id: &str) -> Result<Vec<Numbered>, Refused> {
        let upload = self.upload_id(key, id)?;
        self.on_disk(move |parts| parts.numbered(upload)).await?.ok_or(Refused::NoSuchUpload)
    }

    /// Makes an object of the parts that the order names.
    pub(crate) async fn finish_upload(&self, key: &ObjectKey, id: &str, order: Order) -> Result<Taken, Refused> {
        let address = self.may_store(key)?;
        let upload = self.upload_id(key, id)?;
        let Order { numbers, length, attributes } = order;
        let numbers = numbers.into_iter().map(PartId::numbered).collect();
        let offer = Offer {
            address,
            length: Some(length),
            writer: self.caller.writer,
            attributes,
            cost_ms: 0,
            stored_at: None,
        };
        let filed = parts::assemble(&self.store, upload, numbers, offer).await.ok_or(Refused::NoSuchPart)?;
        let became = self.keep(key, filed.map_or_else(Taken::from, taken)).await;
        self.note(Act::Write, key, Done { outcome: became.as_str(), size: Some(length) });
        self.store.counts.of_write(became).one();
        Ok(became)
    }

    /// Drops an upload with all its parts.
    pub(crate) async fn abort_upload(&self, key: &ObjectKey, id: &str) -> Result<(), Refused> {
        self.upload(key, id).await?;
        let upload = self.upload_id(key, id)?;
        self.on_disk(move |parts| parts.remove(upload)).await
    }

    /// The uploads that the caller has under way, by key, and those of one key in the order in which they were begun.
    pub(crate) async fn uploads(&self) -> Result<Vec<UnderWay>, Refused> {
        let writer = self.caller.writer;
        let notes = self.on_disk(move |parts| {
            let notes = parts.of_writer(writer).into_iter().map(|upload| Ok((upload, parts.note(upload)?)));
            notes.collect::<std::io::Result<Vec<_>>>()
        });
        let known = |(upload, note): (UploadId, Option<String>)| {
            let under_way = UnderWay::from_note(&note?)?;
            // Begun where the caller could write then, and maybe cannot now.
            (self.upload_id(&under_way.key, &under_way.id) == Ok(upload)).then_some(under_way)
        };
        let mut all: Vec<_> = notes.await?.into_iter().filter_map(known).collect();
        all.sort_unstable_by(|one, other| {
            let place = |under_way: &UnderWay| (under_way.key.clone(), under_way.begun_at, under_way.id.clone());
            place(one).cmp(&place(other))
        });
        Ok(all)
    }

    /// Where a part of this length goes, if it may go anywhere.
    async fn part_upload(&self, key: &ObjectKey, id: &str, length: u64) -> Result<UploadId, Refused> {
        self.may_store(key)?;
        self.upload(key, id).await?;
        if self.pace_of(length) == Pace::TooFast {
            return Err(Refused::TooFast);
        }
        self.store.take_allowance(&self.caller, length).map_err(|OverQuota| Refused::OverQuota)?;
        self.upload_id(key, id)
    }

    fn may_store(&self, key: &ObjectKey) -> Result<Address, Refused> {
        let address = self.caller.writable(key).ok_or(Refused::NotAllowed)?;
        if self.pace() == Pace::TooFast { Err(Refused::TooFast) } else { Ok(address) }
    }

    fn upload_id(&self, key: &ObjectKey, id: &str) -> Result<UploadId, Refused> {
        let address = self.caller.writable(key).ok_or(Refused::NotAllowed)?;
        let serial = serial(id).ok_or(Refused::NoSuchUpload)?;
        Ok(UploadId::nth(address.name(), self.caller.writer, &serial))
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Parts) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Refused> {
        let mut patience = Patience::new(self.store.config.limits.write);
        let on: Arc<Store> = Arc::clone(&self.store);
        let done = self.store.disk.run(&mut patience, move || work(&on.parts)).await;
        let done = done.map_err(|TooSlow| Refused::Failed(Failure::TooSlow))?;
        done.map_err(|error| {
            if error.kind() != std::io::ErrorKind::QuotaExceeded {
                tracing::warn!(error = %error, "cannot look after an upload in parts");
            }
            Refused::Failed(Failure::NoRoom)
        })
    }
}

impl UnderWay {
    /// Keys and attributes have no control characters, and so no line ends.
    fn to_note(&self) -> String {
        let Self { key, id, begun_at, attributes } = self;
        format!("{MARK}\n{id}\n{}\n{}\n{attributes}", begun_at.as_millis(), key.as_str())
    }

    /// `None` for the note of another kind of upload.
    fn from_note(note: &str) -> Option<Self> {
        let mut lines = note.split('\n');
        if lines.next()? != MARK {
            return None;
        }
        let id = lines.next()?.to_owned();
        let begun_at = Timestamp::from_millis(lines.next()?.parse().ok()?);
        let key = ObjectKey::new(lines.next()?).ok()?;
        Some(Self { key, id, begun_at, attributes: lines.next()?.into() })
    }
}

fn hex(serial: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(serial))
}

/// In the one spelling that was handed out.
fn serial(id: &str) -> Option<[u8; 16]> {
    let serial = u128::from_str_radix(id, 16).ok()?.to_be_bytes();
    (hex(serial) == id).then_some(serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let under_way = UnderWay {
            key: ObjectKey::new("bucket/a key").unwrap(),
            id: hex([7; 16]),
            begun_at: Timestamp::from_millis(1_700_000_000_123),
            attributes: "s3&content-type=text%2Fplain".into(),
        };
        assert_eq!(UnderWay::from_note(&under_way.to_note()), Some(under_way));
        for other in ["", "{}", "numbered", "numbered\n1\nx\nkey\n", "numbered\n1\n2\n../key\n"] {
            assert_eq!(UnderWay::from_note(other), None, "{other}");
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!(serial(&hex([0xab; 16])), Some([0xab; 16]));
        for other in ["", "0", "+7", &hex([0xab; 16]).to_uppercase(), &format!("0{}", hex([1; 16])), "../.."] {
            assert_eq!(serial(other), None, "{other}");
        }
    }
}
