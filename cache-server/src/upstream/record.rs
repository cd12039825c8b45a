//! An object of this node as a record for others.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use super::SealKey;
use super::sealed::{Head, Sealer};
use crate::reads::{Broken, Found};
use crate::store::Info;

impl Head {
    pub(super) fn of(info: &Info) -> Self {
        Self {
            address: info.address.clone(),
            length: info.length,
            writer: info.writer,
            stored_at: info.stored_at,
            cost_ms: info.cost_ms,
            attributes: info.attributes.clone(),
        }
    }
}

struct Sealing {
    body: BoxStream<'static, Result<Bytes, Broken>>,
    /// `None` once all of the body is sealed.
    sealer: Option<Sealer>,
    ready: VecDeque<Bytes>,
}

/// The size of the record, and its bytes.
pub(crate) fn record_of(found: Found, key: SealKey) -> (u64, BoxStream<'static, Result<Bytes, Broken>>) {
    let (first, size, sealer) = Sealer::begin(key, &Head::of(&found.info));
    let sealing = Sealing { body: found.body.into_stream(), sealer: Some(sealer), ready: VecDeque::from([first]) };
    let record = stream::unfold(sealing, async |mut sealing| {
        loop {
            if let Some(piece) = sealing.ready.pop_front() {
                return Some((Ok(piece), sealing));
            }
            let sealer = sealing.sealer.as_mut()?;
            match sealing.body.next().await {
                Some(Ok(bytes)) => sealing.ready.extend(sealer.push(bytes)),
                Some(Err(broken)) => {
                    sealing.sealer = None;
                    return Some((Err(broken), sealing));
                }
                None => sealing.ready.extend(sealing.sealer.take()?.finish()),
            }
        }
    });
    (size, record.boxed())
}
