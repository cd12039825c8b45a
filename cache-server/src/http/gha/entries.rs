//! What these services ask of the node: which entries there are, and to make one of what was uploaded.

use std::io;
use std::sync::Arc;

use hearth_model::{Timestamp, WriterId};

use super::grants::Upload;
use super::matching::Wanted;
use super::twirp::{Code, Refusal};
use super::{Around, Call};
use crate::access::{Act, Caller, Done};
use crate::appender::Filed;
use crate::disk::{Patience, TooSlow};
use crate::keys::{Address, ObjectKey, ObjectName, Space};
use crate::parts::{self, PartId, UploadId};
use crate::reads::{Nothing, Part, find_named};
use crate::store::Store;
use crate::uploads::{Failure, Offer, Taken, taken};

/// Artifacts of one run that are listed. GitHub's bound is 500 for each job.
const MAX_LISTED: usize = 10_000;

/// An entry that is stored.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) address: Address,
    pub(super) name: ObjectName,
    pub(super) length: u64,
    pub(super) writer: WriterId,
    pub(super) stored_at: Timestamp,
    /// What was noted of it when it was stored.
    pub(super) attributes: Box<str>,
}

impl Kept {
    /// A number for it that JavaScript can hold. An entry that goes and comes again has another one.
    pub(super) fn id(&self) -> i64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.name.as_bytes());
        hasher.update(&self.stored_at.as_millis().to_le_bytes());
        let hash = hasher.finalize();
        let (first, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        (i64::from_le_bytes(*first) & ((1 << 53) - 1)).max(1)
    }
}

/// The first entry of what is wanted, in the nearest space that has any.
pub(super) async fn find(store: &Arc<Store>, spaces: &[Space], all: &[Wanted]) -> Option<Kept> {
    for space in spaces {
        for wanted in all {
            let found = match wanted {
                Wanted::Exactly(key) => look(store, &Address { space: space.clone(), key: key.clone() }).await,
                Wanted::NewestBelow(prefix) => newest(store, space, prefix).await,
            };
            match found {
                Ok(Some(kept)) => return Some(kept),
                Ok(None) => {}
                // The next one would only wait once more.
                Err(TooSlow) => return None,
            }
        }
    }
    None
}

/// The newest entry that can be read.
async fn newest(store: &Arc<Store>, space: &Space, prefix: &ObjectKey) -> Result<Option<Kept>, TooSlow> {
    let mut all: Vec<_> = store
        .reserved_keys(space, prefix.as_str(), None, usize::MAX)
        .into_iter()
        .filter_map(|(key, name)| Some((store.times(name)?.1, key)))
        .collect();
    // The index knows the second, and what the objects themselves know is asked only where that leaves it open.
    all.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
    for same_second in all.chunk_by(|(one, _), (other, _)| one == other) {
        let mut newest: Option<Kept> = None;
        for (_, key) in same_second {
            let found = look(store, &Address { space: space.clone(), key: key.clone() }).await?;
            newest = newest.into_iter().chain(found).max_by_key(|kept| kept.stored_at);
        }
        if newest.is_some() {
            return Ok(newest);
        }
    }
    Ok(None)
}

/// The entry at this address, if there is one that can be read.
pub(super) async fn look(store: &Arc<Store>, address: &Address) -> Result<Option<Kept>, TooSlow> {
    let name = address.name();
    let mut patience = Patience::new(store.config.limits.read);
    match find_named(store, vec![name], Part::Between(0, 0), &mut patience).await {
        Ok(found) => Ok(Some(Kept {
            address: address.clone(),
            name,
            length: found.info.length,
            writer: found.info.writer,
            stored_at: found.info.stored_at,
            attributes: found.info.attributes.clone(),
        })),
        Err(Nothing::Absent) => Ok(None),
        Err(Nothing::TooSlow) => Err(TooSlow),
    }
}

/// The entries of a space below a prefix.
pub(super) async fn list(store: &Arc<Store>, space: &Space, prefix: &ObjectKey) -> Result<Vec<Kept>, TooSlow> {
    let mut all = Vec::new();
    for (key, _) in store.reserved_keys(space, prefix.as_str(), None, MAX_LISTED) {
        all.extend(look(store, &Address { space: space.clone(), key }).await?);
    }
    Ok(all)
}

pub(super) async fn remove(store: &Arc<Store>, name: ObjectName) -> Result<bool, TooSlow> {
    on_disk(store, move |store| store.remove(name)).await
}

/// Begins an upload, with a note for its end.
pub(super) async fn begin(store: &Arc<Store>, upload: &Upload, note: String) -> Result<(), Refusal> {
    let (id, writer) = (upload.id(), upload.writer);
    on_disk(store, move |store| store.parts.begin(id, writer, &note)).await?.map_err(|_| no_room())
}

/// What was noted when the upload was begun; `None` when it was not, or is over.
pub(super) async fn note(store: &Arc<Store>, upload: &Upload) -> Result<Option<String>, Refusal> {
    let id = upload.id();
    on_disk(store, move |store| store.parts.note(id)).await?.map_err(|_| unavailable())
}

/// Makes an entry of what the caller has uploaded. Who has done so already and asks again is told the same again.
pub(super) async fn commit(
    call: &Call<'_>,
    caller: &Caller,
    upload: &Upload,
    size: u64,
    attributes: &str,
) -> Result<Kept, Refusal> {
    let Around { store, gate } = call.around;
    let (id, address) = (upload.id(), upload.address());
    let there = look(store, &address).await?;
    if let Some(kept) = there.as_ref().filter(|kept| kept.writer == upload.writer && kept.length == size) {
        return Ok(kept.clone());
    }
    let found = on_disk(store, move |store| committed(store, id)).await?;
    let Some((order, length)) = found.map_err(|_| unavailable())? else {
        return Err(match there {
            Some(_) => Refusal::new(Code::AlreadyExists, "an entry of this name is there already"),
            None => Refusal::new(Code::FailedPrecondition, "nothing that was uploaded for this has been kept"),
        });
    };
    if length != size {
        return Err(Refusal::new(Code::FailedPrecondition, format!("{length} bytes were uploaded, not {size}")));
    }
    let name = address.name();
    let offer = Offer {
        address: address.clone(),
        length: Some(length),
        writer: upload.writer,
        attributes: attributes.into(),
        cost_ms: 0,
        stored_at: None,
    };
    let Some(filed) = parts::assemble(store, id, order, offer).await else {
        return Err(Refusal::new(Code::FailedPrecondition, "a part of the upload is missing or damaged"));
    };
    let became = filed.map_or_else(Taken::from, taken);
    store.counts.of_write(became).one();
    call.note(Act::Write, &address.key, Done { outcome: became.as_str(), size: Some(length) });
    match filed {
        // What was stored stays only if its writer was not revoked meanwhile: his objects have been looked for already.
        Ok(Filed::New) if !gate.admits(caller) => {
            remove(store, name).await?;
            Err(Refusal::new(Code::PermissionDenied, "the token has been revoked"))
        }
        // Another upload of the same entry may have come first; its bytes stay, and the entry is there.
        Ok(Filed::New | Filed::Same | Filed::Divergent) => look(store, &address).await?.ok_or_else(no_room),
        Ok(Filed::Gone) | Err(Failure::TooLarge | Failure::NoRoom) => Err(no_room()),
        Err(Failure::Malformed) => Err(Refusal::new(
            Code::FailedPrecondition,
            "what was uploaded is no entry of the client that its key is of",
        )),
        Err(Failure::TooSlow | Failure::Short) => Err(unavailable()),
    }
}

/// The parts of an upload in their order, and how long they are together. Blocks.
fn committed(store: &Store, id: UploadId) -> io::Result<Option<(Vec<PartId>, u64)>> {
    let Some(order) = store.parts.order(id)? else { return Ok(None) };
    let mut length = 0;
    for part in &order {
        let Some(more) = store.parts.length(id, part)? else { return Ok(None) };
        length += more;
    }
    Ok(Some((order, length)))
}

/// Work on the disk, waited for no longer than a write.
pub(super) async fn on_disk<T: Send + 'static>(
    store: &Arc<Store>,
    work: impl FnOnce(&Store) -> T + Send + 'static,
) -> Result<T, TooSlow> {
    let mut patience = Patience::new(store.config.limits.write);
    let on = Arc::clone(store);
    store.disk.run(&mut patience, move || work(&on)).await
}

fn no_room() -> Refusal {
    Refusal::new(Code::OutOfRange, "the cache has no room for it")
}

fn unavailable() -> Refusal {
    Refusal::new(Code::Unavailable, "the cache's disk does not answer")
}

impl From<TooSlow> for Refusal {
    fn from(_: TooSlow) -> Self {
        unavailable()
    }
}
