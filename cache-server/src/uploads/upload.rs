//! One upload from its first byte to its answer: pieces are collected, written by one batch while the next one arrives,
//! and filed by the appender. Dropped before its end, it leaves nothing behind.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes as Data;
use hearth_model::Bytes;

use super::draft::{Draft, Offer, Whole};
use super::{Failure, failed};
use crate::appender::{Filed, Order};
use crate::disk::{Call, Patience};
use crate::index::MAX_LENGTH;
use crate::keys::ObjectName;
use crate::segments::PIECE;
use crate::store::{Reservation, Store};

/// Room that an upload of unknown length takes in advance.
const STEP: u64 = 4 << 20;
/// Room for a record's head and hashes, roughly.
const AROUND: u64 = 8 * 1024;

#[derive(Debug)]
pub(crate) struct Upload {
    store: Arc<Store>,
    /// `None` when the object streams into room that is counted as taken.
    reservation: Option<Reservation>,
    /// Bytes that the reservation covers beyond those that have come.
    left: u64,
    patience: Patience,
    state: State,
    batch: Vec<Data>,
    batched: usize,
    received: u64,
    length: Option<u64>,
    /// The name under which other nodes look for it.
    common: Option<ObjectName>,
}

#[derive(Debug)]
enum State {
    /// Nothing is written; a small one stays so until its end.
    Waiting(Box<Draft>),
    Writing(Call<io::Result<Box<Draft>>>),
    Failed,
}

impl Upload {
    pub(crate) async fn begin(store: &Arc<Store>, offer: Offer) -> Result<Self, Failure> {
        let length = offer.length;
        let size = length.map_or(STEP, |length| length + length / 4096) + AROUND;
        if length.is_some_and(|length| length > store.config.max_object.0.min(MAX_LENGTH)) || !offer.is_writable() {
            return Err(Failure::TooLarge);
        }
        let mut patience = Patience::new(store.config.limits.write);
        // Reserved keys are found by prefix, which no other node can do by name.
        let common = (!offer.address.key.is_reserved()).then(|| offer.address.name());
        if !store.book.index.is_loaded() {
            // Who was first with a name is known only then.
            patience.wait(store.book.index.loaded()).await?;
        }
        let Some(reservation) = store.reserve(size) else {
            store.ask_for_room(size);
            return Err(Failure::NoRoom);
        };
        let draft = if Draft::is_small(length) {
            Draft::begin(store, offer)
        } else {
            let on = Arc::clone(store);
            store.disk.run(&mut patience, move || Draft::begin(&on, offer)).await?
        };
        let draft = draft.map_err(|error| no_room(store, &error, size))?;
        let streams = length.is_some() && !Draft::is_small(length);
        let reservation = (!streams).then_some(reservation);
        let left = if length.is_some() { u64::MAX } else { STEP };
        Ok(Self {
            store: Arc::clone(store),
            reservation,
            left,
            patience,
            state: State::Waiting(Box::new(draft)),
            batch: Vec::new(),
            batched: 0,
            received: 0,
            length,
            common,
        })
    }

    /// Waits for the disk so long in all: whoever copies, and does not receive, waits for it the whole time.
    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = Patience::new(patience);
        self
    }

    pub(crate) async fn write(&mut self, bytes: Data) -> Result<(), Failure> {
        let more = bytes.len() as u64;
        self.received += more;
        if self.received > self.length.unwrap_or(self.store.config.max_object.0) {
            return Err(Failure::TooLarge);
        }
        if self.left < more {
            if self.reservation.as_mut().is_some_and(|reservation| !reservation.grow(STEP.max(more))) {
                self.store.ask_for_room(self.received);
                return Err(Failure::NoRoom);
            }
            self.left += STEP.max(more);
        }
        self.left -= more;
        self.batched += bytes.len();
        self.batch.push(bytes);
        if self.batched < PIECE || Draft::is_small(self.length) {
            return Ok(());
        }
        // One batch is written while the next one arrives, and never two.
        let mut draft = self.settle().await?;
        let pieces = std::mem::take(&mut self.batch);
        self.batched = 0;
        let write = move || draft.write(&pieces).map(|()| draft);
        self.state = State::Writing(self.store.disk.start(&mut self.patience, write).await?);
        Ok(())
    }

    /// Files the object, and has it go up where there is something behind the disk. That it has to is written down
    /// first: of what was stored, nothing is forgotten.
    pub(crate) async fn finish(mut self) -> Result<Filed, Failure> {
        let upward = self.store.tier.clone().zip(self.common);
        let going_up = if let Some((tier, name)) = &upward {
            let (tier, name, size) = (Arc::clone(tier), *name, Bytes(self.received));
            self.store.disk.run(&mut self.patience, move || tier.will_go_up(name, size)).await?
        } else {
            None
        };
        let filed = self.file().await?;
        if let Some((tier, name)) = upward {
            tier.stored(name);
        }
        drop(going_up);
        Ok(filed)
    }

    /// Files an object that need not go up.
    pub(crate) async fn file(mut self) -> Result<Filed, Failure> {
        if self.length.is_some_and(|length| length != self.received) {
            return Err(Failure::Short);
        }
        let mut draft = self.settle().await?;
        let size = self.received + AROUND;
        let pieces = std::mem::take(&mut self.batch);
        let end = move || {
            draft.write(&pieces)?;
            draft.finish()
        };
        let whole =
            if Draft::is_small(self.length) { end() } else { self.store.disk.run(&mut self.patience, end).await? };
        let whole = whole.map_err(|error| no_room(&self.store, &error, size))?;
        let filed = match whole {
            Whole::Record { ready, record } => {
                let order = |answer| Order::Write { ready, record, answer };
                self.store.appender.order(&mut self.patience, order).await?
            }
            Whole::InRoom { ready, claim } => {
                let Some(room) = claim.into_room() else { return Err(Failure::NoRoom) };
                let order = |answer| Order::Publish { ready, room, answer };
                self.store.appender.order(&mut self.patience, order).await?
            }
            Whole::Known { ready } => {
                let order = |answer| Order::Compare { ready, answer };
                self.store.appender.order(&mut self.patience, order).await?
            }
        };
        let filed = filed.map_err(|error| no_room(&self.store, &error, size))?;
        if filed == Filed::New {
            self.store.filed();
        }
        Ok(filed)
    }

    async fn settle(&mut self) -> Result<Box<Draft>, Failure> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Waiting(draft) => Ok(draft),
            State::Writing(call) => {
                let written = call.wait(&mut self.patience).await?;
                written.map_err(|error| no_room(&self.store, &error, self.received))
            }
            State::Failed => Err(Failure::NoRoom),
        }
    }
}

fn no_room(store: &Store, error: &io::Error, size: u64) -> Failure {
    if error.kind() == io::ErrorKind::StorageFull {
        store.ask_for_room(size);
    }
    failed(error)
}
