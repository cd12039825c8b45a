//! What these dialects promise of any bytes; see [`crate::fuzzing`].

use std::collections::BTreeSet;
use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_model::Millis;
use hearth_trust::Signer;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use super::blocks::{self, MAX_BLOCKS, Put};
use super::grants::{self, Download, Errand, File};
use super::matching::{self, Wanted};
use super::twirp::{Form, read, read_json};
use super::wire::{
    ArtifactRequest, CreateArtifactRequest, CreateCacheEntryRequest, FinalizeArtifactRequest,
    FinalizeCacheEntryUploadRequest, GetCacheEntryDownloadUrlRequest, ListArtifactsRequest,
};
use crate::fuzzing::bytes::{NOW, changed, number, text};
use crate::keys::{ObjectName, Reserved};

/// A message that is understood is understood in the same way in its other form.
pub(crate) fn message(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 7 {
        0 => of_caches::<CreateCacheEntryRequest>(bytes),
        1 => of_caches::<FinalizeCacheEntryUploadRequest>(bytes),
        2 => of_caches::<GetCacheEntryDownloadUrlRequest>(bytes),
        3 => of_artifacts::<ArtifactRequest>(bytes),
        4 => of_artifacts::<CreateArtifactRequest>(bytes),
        5 => of_artifacts::<FinalizeArtifactRequest>(bytes),
        _ => of_artifacts::<ListArtifactsRequest>(bytes),
    }
}

fn of_caches<M: prost::Message + Default + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    for form in [Form::Json, Form::Protobuf] {
        if let Ok(message) = read::<M>(form, bytes) {
            // An empty text in a list of texts takes two bytes on the wire and 24 in memory, and no more than that.
            assert!(message.encoded_len() <= 16 + 10 * bytes.len(), "a message grew");
            let again = read::<M>(Form::Protobuf, &message.encode_to_vec());
            assert!(again.is_ok_and(|again| again == message), "{message:?} changed on its way");
        }
    }
}

fn of_artifacts<M: DeserializeOwned>(bytes: &[u8]) {
    let _checked_for_panics_alone = read_json::<M>(bytes);
}

/// An address is good for what it was made for, until its end, and no other address is good for anything.
pub(crate) fn address(bytes: &[u8]) {
    let (choice, rest) = number(bytes);
    let signer = Signer::from_key([7; 32]);
    let open = |address: &str, now| {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        grants::errand(&signer, path, query, now)
    };
    let told = text(rest);
    assert!(open(told, NOW).is_err(), "an address that nobody made");
    let file = File { name: told.to_owned(), media_type: "text/plain".to_owned() };
    let errand = Errand::Download(Download { name: ObjectName::from_bytes([1; 32]), file: Some(file) });
    let until = NOW + Millis::from_secs(1);
    let address = grants::address(&signer, Reserved::Artifacts, &errand, until);
    match open(&address, NOW) {
        Ok(read) => assert_eq!(read, errand),
        // The name of a file has a limit elsewhere; a path has its own.
        Err(_) => assert!(address.len() > 16 * 1024, "an address that is good for nothing"),
    }
    assert!(open(&address, until).is_err(), "an address outlived its end");
    if let Some(changed) = changed(address.as_bytes(), choice) {
        assert!(open(text(&changed), NOW).is_err(), "a changed address was believed");
    }
}

/// A block has one identity however it is spelled, and a list that is taken is the same list when it is written again.
pub(crate) fn blocks(bytes: &[u8]) {
    if let Ok(Put::Block(id)) = blocks::put(text(bytes)) {
        assert!((1..=64).contains(&id.as_bytes().len()));
        let spelled = STANDARD.encode(id.as_bytes());
        let query = format!("comp=block&blockid={}", utf8_percent_encode(&spelled, NON_ALPHANUMERIC));
        assert_eq!(blocks::put(&query), Ok(Put::Block(id)));
    }
    if let Ok(ids) = blocks::list(bytes) {
        assert!(ids.len() <= MAX_BLOCKS);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "a block twice");
        let entry = |id: &blocks::BlockId| ["<Latest>", &STANDARD.encode(id.as_bytes()), "</Latest>"].concat();
        let entries: String = ids.iter().map(entry).collect();
        assert_eq!(blocks::list(format!("<BlockList>{entries}</BlockList>").as_bytes()), Ok(ids));
    }
}

/// A version, a key and restore keys, one a line: what is looked for lies below the reserved segment, and the exact
/// entry gives back its key.
pub(crate) fn keys(bytes: &[u8]) {
    let mut lines = text(bytes).split('\n');
    let (version, key) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let restore: Vec<String> = lines.take(12).map(str::to_owned).collect();
    let Ok(all) = matching::wanted(version, key, &restore) else { return };
    assert_eq!(all.len(), 2 + restore.len());
    for wanted in &all {
        let (Wanted::Exactly(object) | Wanted::NewestBelow(object)) = wanted;
        assert!(object.is_reserved());
    }
    let Some(Wanted::Exactly(object)) = all.first() else { unreachable!("the exact entry comes first") };
    assert_eq!(matching::key_of(object), Some(key));
}
