//! Which uploads are under way, whose they are, and how much room their parts take. In memory; read from disk at start.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hearth_model::WriterId;

use super::ids::UploadId;

/// Uploads under way at once. Each has a directory and a note, whether or not parts come.
const MAX_UPLOADS: usize = 8192;
/// The same for one writer.
const MAX_UPLOADS_PER_WRITER: usize = 1024;

/// There are too many uploads under way, of this writer or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many uploads are under way")]
pub(super) struct Crowded;

/// How much room parts take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Occupied {
    pub(crate) by_writer: u64,
    pub(crate) by_all: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<HashMap<UploadId, Standing>>);

#[derive(Debug, Clone, Copy)]
struct Standing {
    writer: WriterId,
    bytes: u64,
}

/// Whether an upload was known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    Anew,
    Again,
}

impl Ledger {
    pub(super) fn begin(&self, upload: UploadId, writer: WriterId) -> Result<Begun, Crowded> {
        let mut uploads = self.lock();
        if uploads.contains_key(&upload) {
            return Ok(Begun::Again);
        }
        let own = uploads.values().filter(|standing| standing.writer == writer).count();
        if uploads.len() >= MAX_UPLOADS || own >= MAX_UPLOADS_PER_WRITER {
            return Err(Crowded);
        }
        uploads.insert(upload, Standing { writer, bytes: 0 });
        Ok(Begun::Anew)
    }

    /// One that was begun before the node was; it counts whatever the bounds are now.
    pub(super) fn recall(&self, upload: UploadId, writer: WriterId) {
        self.lock().insert(upload, Standing { writer, bytes: 0 });
    }

    pub(super) fn add(&self, upload: UploadId, bytes: u64) {
        // Ended by somebody else at this very moment: it counts until it is swept, but for nobody.
        let nobody = Standing { writer: WriterId::from_bytes([0; WriterId::LENGTH]), bytes: 0 };
        self.lock().entry(upload).or_insert(nobody).bytes += bytes;
    }

    pub(super) fn discount(&self, upload: UploadId, bytes: u64) {
        if let Some(standing) = self.lock().get_mut(&upload) {
            standing.bytes = standing.bytes.saturating_sub(bytes);
        }
    }

    pub(super) fn end(&self, upload: UploadId) {
        self.lock().remove(&upload);
    }

    pub(super) fn occupied(&self, writer: WriterId) -> Occupied {
        let mut occupied = Occupied::default();
        for standing in self.lock().values() {
            occupied.by_all += standing.bytes;
            if standing.writer == writer {
                occupied.by_writer += standing.bytes;
            }
        }
        occupied
    }

    pub(super) fn of_writer(&self, writer: WriterId) -> Vec<UploadId> {
        let uploads = self.lock();
        uploads.iter().filter(|(_, standing)| standing.writer == writer).map(|(upload, _)| *upload).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(n: usize) -> UploadId {
        UploadId::from_hex(&blake3::hash(&n.to_le_bytes()).to_hex()).unwrap()
    }

    fn writer(n: u8) -> WriterId {
        WriterId::from_bytes([n; WriterId::LENGTH])
    }

    #[test]
    fn uploads_are_bounded_for_one_and_for_all() {
        let ledger = Ledger::default();
        for n in 0..MAX_UPLOADS {
            let of = u8::try_from(1 + n / MAX_UPLOADS_PER_WRITER).unwrap();
            assert_eq!(ledger.begin(upload(n), writer(of)), Ok(Begun::Anew));
        }
        assert_eq!(ledger.begin(upload(0), writer(1)), Ok(Begun::Again));
        assert_eq!(ledger.begin(upload(MAX_UPLOADS), writer(200)), Err(Crowded), "all of them are too many");
        ledger.end(upload(MAX_UPLOADS - 1));
        assert_eq!(ledger.begin(upload(MAX_UPLOADS), writer(1)), Err(Crowded), "one has too many");
        assert_eq!(ledger.begin(upload(MAX_UPLOADS), writer(200)), Ok(Begun::Anew));
        assert_eq!(ledger.of_writer(writer(200)), [upload(MAX_UPLOADS)]);
    }

    #[test]
    fn room_is_counted_by_writer_and_in_all() {
        let ledger = Ledger::default();
        ledger.begin(upload(1), writer(1)).unwrap();
        ledger.begin(upload(2), writer(2)).unwrap();
        ledger.add(upload(1), 10);
        ledger.add(upload(2), 5);
        ledger.discount(upload(1), 3);
        assert_eq!(ledger.occupied(writer(1)), Occupied { by_writer: 7, by_all: 12 });
        ledger.end(upload(2));
        ledger.add(upload(2), 5);
        assert_eq!(ledger.occupied(writer(2)), Occupied { by_writer: 0, by_all: 12 });
    }
}
