//! Taking an object in: rights, quota and room first, then its bytes to disk in batches while the next ones arrive.
//! Nothing here makes a client wait for longer than the write limit beyond the time that it takes to send.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hearth_model::WriterId;

use crate::access::{Caller, OverQuota};
use crate::blobs::{Filed, SEGMENT, Upload, file_size};
use crate::disk::{Call, Patience, TooSlow};
use crate::http::inflow::{Cut, Inflow};
use crate::keys::{ObjectKey, ObjectName};
use crate::store::Store;

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
    TooLarge,
    NoRoom,
    TooSlow,
    Aborted,
}

pub(crate) async fn receive(store: &Arc<Store>, caller: &Caller, key: &ObjectKey, mut inflow: Inflow) -> Taken {
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
    let Some(reservation) = store.reserve(file_size(length)) else {
        store.ask_for_room(file_size(length));
        return refuse(inflow, Taken::NoRoom).await;
    };
    let arrival = Arrival { store: Arc::clone(store), name: address.name(), writer: caller.writer, length };
    let taken = arrival.take_in(&mut inflow).await;
    drop(reservation);
    match taken {
        Ok(taken) => taken,
        Err(Failure::Cut) => Taken::Aborted,
        Err(Failure::NoRoom) => refuse(inflow, Taken::NoRoom).await,
        Err(Failure::TooSlow) => refuse(inflow, Taken::TooSlow).await,
    }
}

/// Reads the rest of the body before the answer: a client that is still sending would see a broken connection.
async fn refuse(mut inflow: Inflow, taken: Taken) -> Taken {
    match inflow.drain().await {
        Ok(()) => taken,
        Err(Cut) => Taken::Aborted,
    }
}

#[derive(Debug)]
enum Failure {
    Cut,
    NoRoom,
    TooSlow,
}

impl From<Cut> for Failure {
    fn from(_: Cut) -> Self {
        Self::Cut
    }
}

impl From<TooSlow> for Failure {
    fn from(_: TooSlow) -> Self {
        Self::TooSlow
    }
}

#[derive(Clone)]
struct Arrival {
    store: Arc<Store>,
    name: ObjectName,
    writer: WriterId,
    length: u64,
}

/// A batch being written; gives the upload back for the next one.
type Writing = Call<Result<Upload, Failure>>;

impl Arrival {
    async fn take_in(&self, inflow: &mut Inflow) -> Result<Taken, Failure> {
        let mut patience = Patience::new(self.store.config.limits.write);
        let mut writing: Option<Writing> = None;
        let mut batch = Vec::new();
        let mut batched = 0;
        while let Some(bytes) = inflow.next().await? {
            batched += bytes.len();
            batch.push(bytes);
            if batched < SEGMENT {
                continue;
            }
            // One batch is written while the next one arrives, and never two.
            let upload = settle(writing.take(), &mut patience).await?;
            let arrival = self.clone();
            let pieces = std::mem::take(&mut batch);
            batched = 0;
            let call = move || arrival.write(upload, &pieces);
            writing = Some(self.store.disk.start(&mut patience, call).await?);
        }
        let upload = settle(writing, &mut patience).await?;
        let arrival = self.clone();
        let call = move || arrival.finish(upload, &batch);
        Ok(match self.store.disk.run(&mut patience, call).await?? {
            Filed::New { .. } => Taken::Stored,
            Filed::Same => Taken::Duplicate,
            Filed::Divergent => Taken::Divergent,
        })
    }

    /// Writes a batch, and opens the upload for the first one. Blocks.
    fn write(&self, upload: Option<Upload>, pieces: &[Bytes]) -> Result<Upload, Failure> {
        let mut upload = match upload {
            Some(upload) => upload,
            None => self.begin()?,
        };
        upload.write(pieces).map_err(|error| failed(&error))?;
        Ok(upload)
    }

    fn begin(&self) -> Result<Upload, Failure> {
        let short = self.store.short_of(file_size(self.length)).map_err(|error| failed(&error))?;
        if short.0 > 0 {
            self.store.ask_for_room(file_size(self.length));
            return Err(Failure::NoRoom);
        }
        Upload::begin(&self.store.files, self.name).map_err(|error| failed(&error))
    }

    /// Writes the last batch and files the object. Blocks.
    fn finish(&self, upload: Option<Upload>, pieces: &[Bytes]) -> Result<Filed, Failure> {
        let now = self.store.clock.now();
        let upload = self.write(upload, pieces)?;
        let filed = upload.finish(&self.store.files, self.writer, now).map_err(|error| failed(&error))?;
        if let Filed::New { file_size } = filed {
            // Here, on the thread that moved the file: whoever asked may be gone by now, the object is not.
            self.store.filed(self.name, file_size, now);
        }
        Ok(filed)
    }
}

async fn settle(writing: Option<Writing>, patience: &mut Patience) -> Result<Option<Upload>, Failure> {
    match writing {
        Some(call) => call.wait(patience).await?.map(Some),
        None => Ok(None),
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
