//! The three calls of the cache service. Entries are immutable, and belong to the scope that the caller writes.

use super::Call;
use super::entries;
use super::grants::{Download, Errand, Upload};
use super::matching::{Entry, InvalidKey, key_of, wanted};
use super::twirp::{self, Code, Form, Refusal};
use super::wire::{
    CreateCacheEntryRequest, CreateCacheEntryResponse, FinalizeCacheEntryUploadRequest,
    FinalizeCacheEntryUploadResponse, GetCacheEntryDownloadUrlRequest, GetCacheEntryDownloadUrlResponse,
};
use crate::http::reply::Reply;
use crate::keys::Reserved;

pub(super) async fn call(call: &Call<'_>, method: &str, form: Form, message: &[u8]) -> Result<Reply, Refusal> {
    match method {
        "CreateCacheEntry" => {
            let answer = create(call, form, &twirp::read(form, message)?).await?;
            Ok(twirp::reply(form, &answer))
        }
        "FinalizeCacheEntryUpload" => {
            let answer = finalize(call, &twirp::read(form, message)?).await?;
            Ok(twirp::reply(form, &answer))
        }
        "GetCacheEntryDownloadURL" => {
            let answer = look_up(call, &twirp::read(form, message)?).await?;
            Ok(twirp::reply(form, &answer))
        }
        _ => Err(Refusal::new(Code::BadRoute, format!("the cache service has no method {method:.100}"))),
    }
}

async fn create(
    call: &Call<'_>,
    form: Form,
    request: &CreateCacheEntryRequest,
) -> Result<CreateCacheEntryResponse, Refusal> {
    let entry = Entry::new(&request.version, &request.key)?;
    let caller = call.caller()?;
    // The check is always there: to sccache that means that it may write, and nothing is asked of the disk for it.
    if entry.is_check() {
        return Err(already_exists());
    }
    // A caller who asks too fast is answered as one who may not write: at once, and with nothing to wait for.
    let target = if call.is_too_fast() { None } else { caller.writable(&entry.object()) };
    let errand = match target {
        Some(address) => {
            if entries::look(call.around.store, &address).await?.is_some() {
                return Err(already_exists());
            }
            let upload = Upload::new(caller, &address);
            entries::begin(call.around.store, &upload, String::new()).await?;
            Errand::Upload(upload)
        }
        None => match form {
            // GitHub's own client takes this for "somebody else is storing it", says so in a line, and uploads nothing.
            Form::Json => {
                call.around.store.counts.discarded.one();
                return Ok(CreateCacheEntryResponse::default());
            }
            // sccache would count a write error for each of its stores, and a healthy job would look broken.
            Form::Protobuf => Errand::Discard,
        },
    };
    let signed_upload_url = call.address(Reserved::Caches, &errand)?;
    Ok(CreateCacheEntryResponse { ok: true, signed_upload_url, message: String::new() })
}

async fn finalize(
    call: &Call<'_>,
    request: &FinalizeCacheEntryUploadRequest,
) -> Result<FinalizeCacheEntryUploadResponse, Refusal> {
    let entry = Entry::new(&request.version, &request.key)?;
    let size = size_of(request.size_bytes)?;
    let caller = call.caller()?;
    let entry_id = match caller.writable(&entry.object()) {
        Some(address) => {
            let upload = Upload::new(caller, &address);
            entries::commit(call, caller, &upload, size, "").await?.id()
        }
        // What was uploaded has been discarded, and was counted then.
        None => 0,
    };
    Ok(FinalizeCacheEntryUploadResponse { ok: true, entry_id, message: String::new() })
}

/// A miss is an answer, never an error: whoever asks without a good token, or asks a disk that hangs, goes on without.
async fn look_up(
    call: &Call<'_>,
    request: &GetCacheEntryDownloadUrlRequest,
) -> Result<GetCacheEntryDownloadUrlResponse, Refusal> {
    let all = wanted(&request.version, &request.key, &request.restore_keys)?;
    let miss = GetCacheEntryDownloadUrlResponse::default();
    let Ok(caller) = call.caller() else { return Ok(miss) };
    let (errand, matched_key) = if Entry::new(&request.version, &request.key)?.is_check() {
        (Errand::Check, request.key.clone())
    } else {
        let found =
            if call.is_too_fast() { None } else { entries::find(call.around.store, caller.reads(), &all).await };
        let Some(kept) = found else {
            call.around.store.counts.misses.one();
            return Ok(miss);
        };
        let matched_key = key_of(&kept.address.key).unwrap_or_default().to_owned();
        (Errand::Download(Download { name: kept.name, file: None }), matched_key)
    };
    let signed_download_url = call.address(Reserved::Caches, &errand)?;
    Ok(GetCacheEntryDownloadUrlResponse { ok: true, signed_download_url, matched_key })
}

pub(super) fn size_of(claimed: i64) -> Result<u64, Refusal> {
    u64::try_from(claimed).map_err(|_| Refusal::new(Code::InvalidArgument, "a size is never negative"))
}

fn already_exists() -> Refusal {
    Refusal::new(Code::AlreadyExists, "an entry with this key and version is there already")
}

impl From<InvalidKey> for Refusal {
    fn from(invalid: InvalidKey) -> Self {
        Self::new(Code::InvalidArgument, invalid.to_string())
    }
}
