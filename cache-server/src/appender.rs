//! The one thread that puts records into segments and facts into the log. What comes while it writes is written
//! together next: one write for the bytes and one for the facts, whatever their number. Here, and only here, it is
//! decided who was first with a name. Nobody waits for it without a limit: its queue is bounded, and a disk that hangs
//! leaves it hanging alone.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use hearth_host::files;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::book::Book;
use crate::config::Durability;
use crate::disk::{Patience, TooSlow};
use crate::index::{Added, Divergence, Fact, Insertion, Place, Site};
use crate::segments::{Hashes, Room};

/// Orders that wait.
const QUEUE: usize = 256;
/// Orders, and bytes, that are written together.
const TOGETHER: usize = 128;
const TOGETHER_BYTES: u64 = 8 << 20;

/// An object whose bytes were checked and counted, all but where it will lie.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) added: Added,
    pub(crate) hashes: Hashes,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filed {
    New,
    /// The same bytes were there.
    Same,
    /// Other bytes were there, and still are.
    Divergent,
    /// It no longer lay where it was to be moved from.
    Gone,
}

pub(crate) type Answer = oneshot::Sender<io::Result<Filed>>;

#[derive(Debug)]
pub(crate) enum Order {
    /// A small object, to be written and filed. `record` is all of it, in pieces.
    Write {
        ready: Box<Ready>,
        record: Vec<Bytes>,
        answer: Answer,
    },
    /// An object whose record is in its room already.
    Publish {
        ready: Box<Ready>,
        room: Room,
        answer: Answer,
    },
    /// A copy of a record, to take the place of the one at `from`.
    Move {
        from: Place,
        ready: Box<Ready>,
        record: Vec<Bytes>,
        answer: Answer,
    },
    /// An object of which only hashes were kept, because its name is taken.
    Compare {
        ready: Box<Ready>,
        answer: Answer,
    },
    Tell(Vec<Fact>),
    /// Answered once everything that was ordered before is done.
    Settle(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(crate) struct Appender {
    /// `None` once it is stopped.
    orders: Mutex<Option<mpsc::Sender<Order>>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Appender {
    pub(crate) fn start(book: Arc<Book>) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("cache-appender".to_owned()).spawn(move || run(&book, queue))?;
        Ok(Self { orders: Mutex::new(Some(orders)), thread: Mutex::new(Some(thread)) })
    }

    /// Has an order carried out, and waits for the answer within the patience.
    pub(crate) async fn order<T>(
        &self,
        patience: &mut Patience,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, TooSlow> {
        let Some(orders) = self.orders() else { return Err(TooSlow) };
        let (answer, answered) = oneshot::channel();
        patience.wait(orders.send(order(answer))).await?.map_err(|_| TooSlow)?;
        // Without an answer it panicked or was stopped.
        patience.wait(answered).await?.map_err(|_| TooSlow)
    }

    /// The same for blocking threads, without a limit; the answer comes later, so that many orders are written together.
    pub(crate) fn order_blocking<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Option<oneshot::Receiver<T>> {
        let (answer, answered) = oneshot::channel();
        self.orders()?.blocking_send(order(answer)).ok()?;
        Some(answered)
    }

    /// Has facts written; blocks while the queue is full.
    pub(crate) fn tell(&self, facts: Vec<Fact>) {
        if let Some(orders) = self.orders() {
            // The appender ends with its node, after which there is nobody to tell.
            let _ = orders.blocking_send(Order::Tell(facts));
        }
    }

    /// Waits until everything that was ordered before is done. Blocks.
    pub(crate) fn settle(&self) {
        if let Some(orders) = self.orders() {
            let (answer, settled) = oneshot::channel();
            // One that has stopped has nothing to do any more.
            let _ = orders.blocking_send(Order::Settle(answer));
            let _ = settled.blocking_recv();
        }
    }

    /// No orders are taken any more; waits until those that were are carried out. Blocks.
    pub(crate) fn stop(&self) {
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            warn!("the cache's appender ended badly");
        }
    }

    fn orders(&self) -> Option<mpsc::Sender<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn run(book: &Book, mut queue: mpsc::Receiver<Order>) {
    let mut batch = Vec::new();
    while let Some(order) = queue.blocking_recv() {
        let mut bytes = order.bytes();
        batch.push(order);
        while batch.len() < TOGETHER && bytes < TOGETHER_BYTES {
            let Ok(order) = queue.try_recv() else { break };
            bytes += order.bytes();
            batch.push(order);
        }
        book.health.appending();
        // Before anything is decided: somebody else may have been first.
        book.learn_from_others();
        let mut writing = Writing::new(book, bytes);
        batch.drain(..).for_each(|order| writing.take(order));
        writing.commit();
        book.health.appended();
    }
}

impl Order {
    fn bytes(&self) -> u64 {
        match self {
            Self::Write { ready, .. } | Self::Move { ready, .. } => ready.added.layout.size(),
            Self::Publish { .. } | Self::Compare { .. } | Self::Tell(_) | Self::Settle(_) => 0,
        }
    }
}

/// What will be written together.
struct Writing<'a> {
    book: &'a Book,
    records: Vec<Entering>,
    facts: Vec<u8>,
    /// Those who are told that others were first, once that is written down.
    divergent: Vec<Answer>,
    /// Whether the facts have one that must not get lost.
    told: bool,
    /// The file system has no room beside what is left to others.
    full: bool,
}

/// A record that enters the index once it is written.
struct Entering {
    added: Box<Ready>,
    /// What is still to be written of it.
    record: Vec<Bytes>,
    room: Room,
    from: Option<Place>,
    answer: Answer,
}

impl<'a> Writing<'a> {
    fn new(book: &'a Book, bytes: u64) -> Self {
        // A file system that cannot say how full it is will say so when it is written to.
        let full = bytes > 0 && book.short_of(bytes).is_ok_and(|short| short.0 > 0);
        Self { book, records: Vec::new(), facts: Vec::new(), divergent: Vec::new(), told: false, full }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Write { ready, record, answer } => {
                if let Some(filed) = self.look(&ready) {
                    self.answer(filed, answer);
                    return;
                }
                self.put(ready, record, None, answer);
            }
            Order::Publish { ready, room, answer } => {
                if let Some(filed) = self.look(&ready) {
                    self.give_back(&room);
                    self.answer(filed, answer);
                    return;
                }
                self.enter(Entering { added: ready, record: Vec::new(), room, from: None, answer });
            }
            Order::Move { from, ready, record, answer } => {
                if self.book.index.get(ready.added.name).map(|entry| entry.place()) != Some(from) {
                    let _ = answer.send(Ok(Filed::Gone));
                    return;
                }
                self.put(ready, record, Some(from), answer);
            }
            Order::Compare { ready, answer } => match self.look(&ready) {
                Some(filed) => self.answer(filed, answer),
                // Gone since, and its bytes with it.
                None => drop(answer.send(Err(io::ErrorKind::NotFound.into()))),
            },
            Order::Tell(facts) => {
                for fact in facts {
                    fact.encode(&mut self.facts);
                }
                self.told = true;
            }
            Order::Settle(answer) => {
                self.commit();
                let _ = answer.send(());
            }
        }
    }

    /// Answers whoever was not first.
    fn answer(&mut self, filed: Filed, answer: Answer) {
        match filed {
            Filed::Divergent => self.divergent.push(answer),
            filed => drop(answer.send(Ok(filed))),
        }
    }

    /// Gives a record room in a segment.
    fn put(&mut self, added: Box<Ready>, record: Vec<Bytes>, from: Option<Place>, answer: Answer) {
        let full = Err(io::ErrorKind::StorageFull.into());
        match if self.full { full } else { self.book.shelf.room(added.added.layout.size()) } {
            Ok(room) => self.enter(Entering { added, record, room, from, answer }),
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// What the name holds already, compared with what is offered.
    fn look(&mut self, ready: &Ready) -> Option<Filed> {
        if self.records.iter().any(|entering| entering.added.added.name == ready.added.name) {
            // Two of one name at once: the first has to be there before the second can be compared with it.
            self.commit();
        }
        let (kept, same) = self.book.compare(ready)?;
        if same {
            return Some(Filed::Same);
        }
        let Added { name, writer, stored_at, layout, .. } = ready.added;
        let (length, digest) = (layout.length, ready.hashes.digest(layout.length));
        let divergence = Divergence { name, kept, refused: writer, at: stored_at, length, digest };
        Fact::Diverged(divergence).encode(&mut self.facts);
        Some(Filed::Divergent)
    }

    fn enter(&mut self, mut entering: Entering) {
        let Entering { added, room, from, .. } = &mut entering;
        let offset = u32::try_from(room.offset).expect("segments of many records are small");
        added.added.site = Site { segment: room.segment.id, offset };
        let to = Box::new(added.added.clone());
        match from.and_then(|from| self.book.site(from)) {
            Some(from) => Fact::Moved { from, to }.encode(&mut self.facts),
            None => Fact::Added(to).encode(&mut self.facts),
        }
        self.records.push(entering);
    }

    /// Writes bytes, then facts; then everybody may know.
    fn commit(&mut self) {
        let records = std::mem::take(&mut self.records);
        let facts = std::mem::take(&mut self.facts);
        let divergent = std::mem::take(&mut self.divergent);
        let told = std::mem::take(&mut self.told);
        if records.is_empty() && facts.is_empty() {
            return;
        }
        let mut written = self.write(&records);
        for entering in &records {
            self.book.touched(&entering.room.segment);
        }
        if written.is_ok() || told {
            let logged = if told { self.book.logs.append_surely(&facts) } else { self.book.logs.append(&facts) };
            written = written.and(logged);
        }
        if written.is_ok() && self.book.durability == Durability::Every {
            written = self.book.sync();
        }
        self.book.written();
        match &written {
            Ok(()) => self.book.health.writes.succeeded(),
            Err(error) => self.book.health.writes.failed(error),
        }
        match written {
            Ok(()) => self.publish_all(records),
            Err(error) => self.fail(records, &error),
        }
        for answer in divergent {
            // What they offered is not wanted, whether that could be written down or not.
            let _ = answer.send(Ok(Filed::Divergent));
        }
    }

    /// Writes what is to be written of the records, neighbors in one call.
    fn write(&self, records: &[Entering]) -> io::Result<()> {
        let mut rest = records;
        while let Some(first) = rest.first() {
            let mut end = first.room.offset;
            let follows = |entering: &&Entering| {
                let room = &entering.room;
                let next =
                    !entering.record.is_empty() && room.segment.slot == first.room.segment.slot && room.offset == end;
                end += room.size;
                next
            };
            let count = rest.iter().take_while(follows).count();
            let (now, later) = rest.split_at(count.max(1));
            rest = later;
            let mut buffers: Vec<_> = now.iter().flat_map(|e| &e.record).map(|piece| IoSlice::new(piece)).collect();
            if !buffers.is_empty() {
                let file = self.book.shelf.file(&first.room.segment)?;
                files::write_all_at(&file, &mut buffers, first.room.offset)?;
            }
        }
        Ok(())
    }

    fn publish_all(&self, records: Vec<Entering>) {
        let filed: Vec<_> =
            records.iter().map(|entering| self.publish(&entering.added.added, &entering.room, entering.from)).collect();
        self.book.logs.settle();
        for (entering, filed) in records.into_iter().zip(filed) {
            // Whoever asked may be gone; the object is not.
            let _ = entering.answer.send(Ok(filed));
        }
    }

    fn publish(&self, added: &Added, room: &Room, from: Option<Place>) -> Filed {
        let Room { segment, size, .. } = room;
        segment.gain(*size);
        let to = Place { slot: segment.slot, offset: added.site.offset, layout: added.layout };
        match from {
            None if self.book.index.insert(added, segment.slot) == Insertion::New => Filed::New,
            Some(from) if self.book.index.relocate(added.name, from, to) => {
                self.book.moved(from);
                Filed::New
            }
            // Removed while it was copied. The log has the copy already.
            _ => {
                segment.lose(*size);
                self.book.deny(added);
                Filed::Gone
            }
        }
    }

    fn fail(&self, records: Vec<Entering>, error: &io::Error) {
        // The last one first: then all of the room comes back.
        for Entering { room, answer, .. } in records.into_iter().rev() {
            self.give_back(&room);
            let _ = answer.send(Err(error.kind().into()));
        }
    }

    fn give_back(&self, room: &Room) {
        if let Err(error) = self.book.shelf.give_back(room) {
            // It stays as dead bytes, which compaction finds.
            warn!(error = %error, "cannot give room in a segment back");
        }
    }
}
