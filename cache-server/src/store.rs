//! Everything a node keeps, in one place: the book of its objects, memory, counts, clock. Owns the rules that tie them
//! together: an object that goes, goes everywhere; an object that is read is touched; space is asked for before it is used.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes as Data;
use hearth_model::{Bytes, Clock, Millis, Scope, Timestamp, WriterId};
use tokio::sync::Notify;
use tracing::warn;

use crate::access::{Accounts, Caller, OverQuota, Quota};
use crate::appender::Appender;
use crate::book::Book;
use crate::catalog::Windows;
use crate::config::{Durability, NodeConfig};
use crate::counts::{Counts, Traffic};
use crate::disk::Disk;
use crate::error::NodeError;
use crate::eviction::{Budgets, Hand};
use crate::index::{Entry, Fact, Place, USES};
use crate::keys::{Address, ObjectName, Space};
use crate::memory::Memory;
use crate::metrics::{Minutes, Requests, Sums};
use crate::node::TierHits;
use crate::parts::Parts;
use crate::savings::Savings;
use crate::segments::{ReadError, RecordReader, Source, Step};
use crate::uploads::ASIDE;
use crate::upstream::Tier;

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) config: NodeConfig,
    pub(crate) book: Arc<Book>,
    pub(crate) appender: Appender,
    pub(crate) memory: Memory,
    /// Uploads that come in several requests.
    pub(crate) parts: Parts,
    pub(crate) disk: Disk,
    pub(crate) counts: Counts,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) requests: Requests,
    pub(crate) minutes: Minutes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) budgets: Budgets,
    pub(crate) eviction_hand: Hand,
    /// Rung when somebody needs room.
    pub(crate) eviction_bell: Notify,
    /// What stands behind the disk.
    pub(crate) tier: Option<Arc<Tier>>,
    /// What was listed lately.
    pub(crate) windows: Windows,
    /// How much each scope but the trusted one may hold; the greatest number is no limit.
    scope_quota: AtomicU64,
    wanted: AtomicU64,
    accounts: Accounts,
    pub(crate) savings: Savings,
}

/// An object that was found, its first piece checked.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) info: Arc<Info>,
    /// What of its bytes is read.
    pub(crate) range: Range<u64>,
    pub(crate) reader: RecordReader,
    pub(crate) first: Data,
}

/// What is known of an object besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) name: ObjectName,
    pub(crate) address: Address,
    pub(crate) length: u64,
    pub(crate) writer: WriterId,
    pub(crate) stored_at: Timestamp,
    /// How long its maker took to make it, as far as that was known when it was stored.
    pub(crate) cost_ms: u32,
    /// What the dialect that stored it wrote down with it.
    pub(crate) attributes: Box<str>,
}

impl Store {
    pub(crate) fn open(config: NodeConfig, clock: Arc<dyn Clock>) -> Result<Self, NodeError> {
        let book = Arc::new(Book::open(&config)?);
        let at = |path: &PathBuf| {
            let path = path.clone();
            move |cause| NodeError::Directory { path, cause }
        };
        let uploads = config.root.join(ASIDE);
        std::fs::create_dir_all(&uploads).map_err(at(&uploads))?;
        let parts = config.root.join("parts");
        let parts = Parts::open(parts.clone()).map_err(at(&parts))?;
        let appender = Appender::start(Arc::clone(&book)).map_err(at(&config.root))?;
        Ok(Self {
            book,
            appender,
            memory: Memory::new(config.memory),
            parts,
            disk: Disk::default(),
            counts: Counts::default(),
            traffic: Arc::default(),
            requests: Requests::default(),
            minutes: Minutes::default(),
            budgets: Budgets::new(config.budget, config.retention),
            eviction_hand: Hand::default(),
            eviction_bell: Notify::new(),
            tier: None,
            windows: Windows::default(),
            scope_quota: AtomicU64::new(most_of(config.scope_quota)),
            wanted: AtomicU64::new(0),
            accounts: Accounts::default(),
            savings: Savings::default(),
            clock,
            config,
        })
    }

    /// Nothing more is taken in: what was is written, and on disk if it is to be.
    pub(crate) async fn finish(self: &Arc<Self>) {
        let on = Arc::clone(self);
        let end = move || {
            on.note_uses();
            on.appender.stop();
            if on.config.durability == Durability::None { Ok(()) } else { on.book.sync() }
        };
        if let Some(Err(error)) = self.disk.at_leisure(end).await {
            warn!(error = %error, "cannot have the last objects reach the disk");
        }
    }

    /// Writes down what was used since the last time. Blocks.
    pub(crate) fn note_uses(&self) {
        let uses = self.book.index.take_uses();
        let facts = uses.chunks(USES).map(|uses| Fact::Used(uses.to_vec())).collect::<Vec<_>>();
        if !facts.is_empty() {
            self.appender.tell(facts);
        }
    }

    /// Whether a name that the index does not have is nowhere.
    pub(crate) fn is_complete(&self) -> bool {
        self.book.index.is_loaded() && self.book.is_alone()
    }

    /// Opens the first of `names` that holds a good object. Blocks, unless only memory is asked.
    pub(crate) fn open_first(
        &self,
        names: &[ObjectName],
        wanted: impl Fn(u64) -> Range<u64>,
        source: Source,
    ) -> Step<Option<Opened>> {
        for name in names {
            let mut entry = self.book.index.get(*name);
            while let Some(known) = entry {
                match self.open_record(&known, &wanted, source) {
                    Ok(Step::Done(opened)) => {
                        self.book.health.reads.succeeded();
                        return Step::Done(Some(opened));
                    }
                    Ok(Step::WouldWait) => return Step::WouldWait,
                    // To remove it takes writing.
                    Err(_) if source == Source::Memory => return Step::WouldWait,
                    Err(error) => entry = self.unreadable(&known, &error),
                }
            }
        }
        Step::Done(None)
    }

    fn open_record(
        &self,
        entry: &Entry,
        wanted: &impl Fn(u64) -> Range<u64>,
        source: Source,
    ) -> Result<Step<Opened>, ReadError> {
        let record = self.book.record(entry).ok_or(ReadError::Gone)?;
        let file = self.book.shelf.file(&record.segment)?;
        let range = wanted(record.layout.length);
        let (head, reader, first) = match record.open(&file, range.clone(), source)? {
            Step::Done(opened) => opened,
            Step::WouldWait => return Ok(Step::WouldWait),
        };
        let info = Arc::new(Info {
            name: record.name,
            address: head.address,
            length: head.length,
            writer: head.writer,
            stored_at: head.stored_at,
            cost_ms: entry.cost_ms(),
            attributes: head.attributes,
        });
        Ok(Step::Done(Opened { info, range, reader, first }))
    }

    /// A damaged object is removed, so that the next build stores a good one. One that was moved, or stored anew, while
    /// it was read is not damaged: it is given as it lies now. Blocks.
    pub(crate) fn unreadable(&self, entry: &Entry, error: &ReadError) -> Option<Entry> {
        let name = entry.name();
        let object = name.to_hex();
        self.book.learn_from_others();
        let now = self.book.index.get(name)?;
        if now.place() != entry.place() {
            return Some(now);
        }
        match error {
            ReadError::Damaged(_) => {
                self.counts.corrupt.one();
                warn!(cache.object = %object, "removed a damaged object");
                self.remove_at(name, Some(entry.place()));
            }
            ReadError::Gone if self.book.is_there() => drop(self.remove_at(name, Some(entry.place()))),
            ReadError::Gone => {
                self.book.health.reads.failed(&"the cache directory is not there");
                warn!("the cache directory is not there");
            }
            ReadError::Io(cause) => {
                self.book.health.reads.failed(cause);
                warn!(cache.object = %object, error = %cause, "cannot read an object");
            }
        }
        None
    }

    /// Removes an object for good; says whether there was one. Blocks.
    pub(crate) fn remove(&self, name: ObjectName) -> bool {
        self.remove_at(name, None)
    }

    fn remove_at(&self, name: ObjectName, place: Option<Place>) -> bool {
        let Some(entry) = self.book.index.remove(name, place) else { return false };
        self.memory.remove(name);
        let place = entry.place();
        if let Some(site) = self.book.site(place) {
            self.appender.tell(vec![Fact::Removed { site, name }]);
        }
        self.book.lost(place);
        true
    }

    pub(crate) fn tier_hits(&self) -> TierHits {
        let memory = self.counts.memory_hits.get();
        let upstream = self.tier.as_ref().map_or(0, |tier| tier.counts.hits.get());
        TierHits { memory, upstream, disk: self.counts.hits.get().saturating_sub(memory + upstream) }
    }

    /// What the last hours are made of.
    pub(crate) fn sums(&self) -> Sums {
        let (hits, misses) = (self.counts.hits.get(), self.counts.misses.get());
        Sums { hits, misses, saved: Millis(self.savings.saved_ms.get()) }
    }

    /// Objects were added: maybe more than should be.
    pub(crate) fn filed(&self) {
        if self.is_over_budget() {
            self.eviction_bell.notify_one();
        }
    }

    /// Whether more is stored than should stay.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.budgets.exceeded(Bytes(self.book.shelf.on_disk()), self.book.index.objects())
    }

    /// Notes that an object was read.
    pub(crate) fn touch(&self, name: ObjectName) {
        self.book.index.touch(name, self.clock.now());
    }

    /// Sets space aside within the budget.
    pub(crate) fn reserve(&self, size: u64) -> Option<Reservation> {
        let mut reservation = Reservation { book: Arc::clone(&self.book), budget: self.config.budget, size: 0 };
        reservation.grow(size).then_some(reservation)
    }

    /// An upload found no room. It is declined, but the next one should find some.
    pub(crate) fn ask_for_room(&self, size: u64) {
        self.wanted.fetch_max(size, Ordering::Relaxed);
        self.eviction_bell.notify_one();
    }

    /// The biggest upload that found no room since the last call.
    pub(crate) fn take_wanted(&self) -> Bytes {
        Bytes(self.wanted.swap(0, Ordering::Relaxed))
    }

    /// How much each scope but the trusted one may hold from now on.
    pub(crate) fn set_scope_quota(&self, quota: Option<Bytes>) {
        self.scope_quota.store(most_of(quota), Ordering::Relaxed);
    }

    /// Takes `length` from what the caller may still write, by himself and together with all who write his scope.
    pub(crate) fn take_allowance(&self, caller: &Caller, length: u64) -> Result<(), OverQuota> {
        self.take_from_account(caller.writes(), caller.writer, caller.quota, length)
    }

    /// The same for somebody who is known by what he was handed out.
    pub(crate) fn take_from_account(
        &self,
        space: Option<&Space>,
        writer: WriterId,
        quota: Option<Quota>,
        length: u64,
    ) -> Result<(), OverQuota> {
        let limit = self.scope_quota.load(Ordering::Relaxed);
        if limit < u64::MAX
            && let Some(space) = space.filter(|space| space.scope != Scope::Trusted)
            && self.usage(space).bytes.saturating_add(length) > limit
        {
            self.counts.over_quota.one();
            return Err(OverQuota);
        }
        let Some(quota) = quota else { return Ok(()) };
        let taken = self.accounts.take(writer, quota, length, self.clock.now());
        taken.inspect_err(|_| self.counts.over_quota.one())
    }
}

fn most_of(quota: Option<Bytes>) -> u64 {
    quota.map_or(u64::MAX, |quota| quota.0)
}

/// Room set aside for one upload; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    book: Arc<Book>,
    budget: Bytes,
    size: u64,
}

impl Reservation {
    /// Sets aside more, if it is to be had.
    pub(crate) fn grow(&mut self, more: u64) -> bool {
        let grown = self.book.index.set_aside(more, self.book.shelf.on_disk(), self.budget);
        self.size += if grown { more } else { 0 };
        grown
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.book.index.release(self.size);
    }
}
