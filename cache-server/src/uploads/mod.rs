//! Taking objects in: rights, quota and room first, then their bytes to disk while the next ones arrive. Nothing here
//! makes a client wait for longer than the write limit beyond the time that it takes to send.

mod aside;
mod draft;
mod upload;

use std::io;
use std::sync::Arc;

use crate::access::{Caller, OverQuota};
use crate::appender::Filed;
use crate::http::inflow::{Cut, Inflow};
use crate::keys::ObjectKey;
use crate::savings::{Inspector, Malformed, Unit};
use crate::store::Store;

pub(crate) use aside::{DIR as ASIDE, sweep_aside};
pub(crate) use draft::Offer;
pub(crate) use upload::Upload;

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Stored,
    /// The same bytes were there.
    Duplicate,
    /// Other bytes were there; they stay.
    Divergent,
    /// The job has no right or no quota for it. It is told that all is well: its build is none of ours to disturb.
    Discarded,
    /// It is no object of sccache, though its key says so. Nothing was stored, and the client is told that all is well.
    Malformed,
    TooLarge,
    NoRoom,
    TooSlow,
    Aborted,
}

impl Taken {
    pub(crate) const ALL: [Self; 9] = [
        Self::Stored,
        Self::Duplicate,
        Self::Divergent,
        Self::Discarded,
        Self::Malformed,
        Self::TooLarge,
        Self::NoRoom,
        Self::TooSlow,
        Self::Aborted,
    ];

    /// The word for it in logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Divergent => "divergent",
            Self::Discarded => "discarded",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::NoRoom => "no_room",
            Self::TooSlow => "too_slow",
            Self::Aborted => "aborted",
        }
    }
}

/// Why an object could not be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    TooLarge,
    NoRoom,
    TooSlow,
    /// Fewer bytes came than were promised.
    Short,
    Malformed,
}

impl From<crate::disk::TooSlow> for Failure {
    fn from(_: crate::disk::TooSlow) -> Self {
        Self::TooSlow
    }
}

impl From<Failure> for Taken {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooLarge => Self::TooLarge,
            Failure::NoRoom => Self::NoRoom,
            Failure::TooSlow => Self::TooSlow,
            Failure::Short => Self::Aborted,
            Failure::Malformed => Self::Malformed,
        }
    }
}

/// Takes an object in, with what its dialect wants to know again.
pub(crate) async fn receive(
    store: &Arc<Store>,
    caller: &Caller,
    key: &ObjectKey,
    attributes: Box<str>,
    mut inflow: Inflow,
) -> Taken {
    let length = inflow.length();
    if length > store.config.max_object.0 {
        return Taken::TooLarge;
    }
    let Some(address) = caller.writable(key) else {
        return refuse(inflow, Taken::Discarded).await;
    };
    if store.take_allowance(caller, length) == Err(OverQuota) {
        return refuse(inflow, Taken::Discarded).await;
    }
    let cost = store.savings.cost(caller, key, store.clock.now());
    let cost_ms = cost.map_or(0, |cost| u32::try_from(cost.0).unwrap_or(u32::MAX));
    let offer = Offer { address, length: Some(length), writer: caller.writer, attributes, cost_ms, stored_at: None };
    let inspector = key.is_compilation().then(Inspector::default);
    match take_in(store, offer, inspector, &mut inflow).await {
        Ok(Ok((filed, unit))) => {
            if let Some(unit) = unit {
                store.savings.stored(caller, key, unit, cost, store.clock.now());
            }
            taken(filed)
        }
        Ok(Err(failure)) => refuse(inflow, failure.into()).await,
        Err(Cut) => Taken::Aborted,
    }
}

/// Takes the body in. What an inspector has seen as something else than sccache's is dropped at the end.
async fn take_in(
    store: &Arc<Store>,
    offer: Offer,
    mut inspector: Option<Inspector>,
    inflow: &mut Inflow,
) -> Result<Result<(Filed, Option<Unit>), Failure>, Cut> {
    let mut upload = match Upload::begin(store, offer).await {
        Ok(upload) => upload,
        Err(failure) => return Ok(Err(failure)),
    };
    while let Some(bytes) = inflow.next().await? {
        if let Some(inspector) = &mut inspector {
            inspector.see(&bytes);
        }
        if let Err(failure) = upload.write(bytes).await {
            return Ok(Err(failure));
        }
    }
    let unit = match inspector.map_or(Ok(None), Inspector::finish) {
        Ok(unit) => unit,
        Err(Malformed) => return Ok(Err(Failure::Malformed)),
    };
    Ok(upload.finish().await.map(|filed| (filed, unit)))
}

pub(crate) fn taken(filed: Filed) -> Taken {
    match filed {
        Filed::New => Taken::Stored,
        Filed::Same => Taken::Duplicate,
        Filed::Divergent => Taken::Divergent,
        // Only what is moved can be gone.
        Filed::Gone => Taken::NoRoom,
    }
}

/// Reads the rest of the body before the answer: a client that is still sending would see a broken connection.
pub(crate) async fn refuse(mut inflow: Inflow, taken: Taken) -> Taken {
    match inflow.drain().await {
        Ok(()) => taken,
        Err(Cut) => Taken::Aborted,
    }
}

/// Whatever the disk says to a write, the client may go on; only the count and the log differ.
fn failed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {}
        _ => tracing::warn!(error = %error, "cannot store an object"),
    }
    Failure::NoRoom
}
