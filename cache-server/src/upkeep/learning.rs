//! The start of a node: what the logs say, and what they have lost.

use std::io;
use std::sync::Arc;

use tracing::{info, warn};

use crate::index::{Added, Fact, Site};
use crate::segments::{Segment, Walk};
use crate::store::Store;

/// Reads the logs; requests may be served meanwhile. What the logs have lost is found in the segments, which takes
/// longer and keeps nobody waiting.
pub(super) async fn learn(store: &Arc<Store>) {
    let book = Arc::clone(&store.book);
    let read = store.disk.at_leisure(move || book.load()).await;
    // Even with half of it: to wait longer brings no more.
    store.book.index.mark_loaded();
    let damaged = match read {
        Some(Ok(read)) => {
            let objects = store.book.index.objects();
            let bytes = store.book.index.bytes();
            info!(
                cache.objects = objects,
                cache.bytes = bytes.0,
                cache.damaged_bytes = read.damaged,
                "the cache holds {objects} objects, {bytes}"
            );
            read.damaged > 0
        }
        Some(Err(error)) => {
            warn!(error = %error, "cannot read all of the index log");
            true
        }
        None => return,
    };
    let lost: Vec<_> =
        store.book.shelf.all().into_iter().filter(|s| s.is_sealed() && (damaged || s.is_unknown())).collect();
    for segment in lost {
        let of = Arc::clone(store);
        let id = segment.id;
        match store.disk.at_leisure(move || find_again(&of, &segment)).await {
            Some(Ok(0)) => {}
            Some(Ok(found)) => info!(cache.segment = %id, "found {found} objects that no log knew"),
            Some(Err(error)) => warn!(cache.segment = %id, error = %error, "cannot go through a segment"),
            None => return,
        }
    }
    // Lists are made of the log: what was found has to be in it.
    let of = Arc::clone(store);
    let _ = store.disk.at_leisure(move || of.appender.settle()).await;
}

/// Enters the records of a segment that the index does not have. Blocks.
fn find_again(store: &Store, segment: &Arc<Segment>) -> io::Result<u64> {
    let book = &store.book;
    let file = book.shelf.file(segment)?;
    let Some(mut walk) = Walk::begin(Arc::clone(segment), Arc::clone(&file))? else { return Ok(0) };
    let mut found = 0;
    while let Some((record, head)) = walk.next()? {
        let offset = u32::try_from(record.offset).ok();
        let Some(offset) = offset.filter(|_| !book.index.contains(head.name) && head.name == head.address.name())
        else {
            continue;
        };
        // One that was being written when its writer died has no end.
        if record.hashes(&file, crate::segments::Source::Disk).is_err() {
            continue;
        }
        let added = Added {
            site: Site { segment: segment.id, offset },
            layout: record.layout,
            name: head.name,
            address: head.address,
            writer: head.writer,
            stored_at: head.stored_at,
            used_at: head.stored_at,
            cost_ms: head.cost_ms,
            pinned: false,
        };
        book.learn_of(&added);
        store.appender.tell(vec![Fact::Added(Box::new(added))]);
        found += 1;
    }
    Ok(found)
}
