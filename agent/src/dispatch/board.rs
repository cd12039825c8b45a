//! The board: the one task that owns the slots. It hears what the forge wants and which runners have ended, and gives
//! free slots away by [`plan`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_daemon::stop::Stop;
use hearth_forge::Registrar;
use hearth_model::{ExecutionId, SlotNumber};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::adopt::{self, Found};
use super::control::{Published, Standing};
use super::ends::Ends;
use super::patience::Patience;
use super::plan::{Want, capacity, plan};
use super::sweep::sweep;
use super::walk::{Ground, Walked, walk};
use super::{Place, Runners};
use crate::journey::chain;
use crate::slots::{self, Occupancy, Record, Slot};

/// Local jobs free their slots without a word.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// What the board hears.
#[derive(Debug)]
pub(super) enum Event {
    Wanted {
        place: usize,
        count: u32,
        /// Jobs of ours that the count is without.
        ended: Vec<ExecutionId>,
    },
    /// Nobody knows what the place wants.
    Unheard { place: usize, why: String },
    /// Take no jobs any more.
    Drain,
    /// Answered when no slot holds a runner.
    AwaitDrained { done: oneshot::Sender<()> },
}

/// The board of one machine.
#[derive(Debug)]
pub(super) struct Board<R, K> {
    ground: Arc<Ground<K>>,
    places: Vec<Served<R>>,
    /// Slots that hold a runner, with its place.
    taken: BTreeMap<SlotNumber, usize>,
    walks: JoinSet<(usize, SlotNumber, Walked)>,
    sweeps: JoinSet<()>,
    inbox: mpsc::Receiver<Event>,
    published: watch::Sender<Published>,
    stop_idle: watch::Sender<bool>,
    drains: Vec<oneshot::Sender<()>>,
    is_draining: bool,
}

#[derive(Debug)]
struct Served<R> {
    place: Arc<Place<R>>,
    /// As the forge counts.
    counted: u32,
    ends: Ends,
    capacity: watch::Sender<u32>,
    patience: Patience,
    unheard: Option<String>,
}

impl<R: Registrar, K: Runners> Board<R, K> {
    pub(super) fn new(
        ground: Ground<K>,
        places: Vec<(Place<R>, watch::Sender<u32>)>,
        inbox: mpsc::Receiver<Event>,
        published: watch::Sender<Published>,
        stop_idle: watch::Sender<bool>,
    ) -> Self {
        let served = |(place, capacity)| Served {
            place: Arc::new(place),
            counted: 0,
            ends: Ends::default(),
            capacity,
            patience: Patience::default(),
            unheard: None,
        };
        Self {
            ground: Arc::new(ground),
            places: places.into_iter().map(served).collect(),
            taken: BTreeMap::new(),
            walks: JoinSet::new(),
            sweeps: JoinSet::new(),
            inbox,
            published,
            stop_idle,
            drains: Vec::new(),
            is_draining: false,
        }
    }

    /// Runs until the stop; then runners without a job are let go, and those with one go on without us.
    pub(super) async fn run(mut self, stop: Stop) {
        self.adopt();
        let mut sweep_at = Instant::now();
        loop {
            self.give_slots();
            self.publish();
            if Instant::now() >= sweep_at {
                self.start_sweep();
                sweep_at = Instant::now() + SWEEP_EVERY;
            }
            tokio::select! {
                Some(event) = self.inbox.recv() => self.hear(event),
                Some(walked) = self.walks.join_next() => self.walked(walked),
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = stop.requested() => break,
            }
        }
        self.let_go().await;
    }

    fn count(&self) -> u16 {
        self.ground.app.settings.file.slots.count
    }

    fn adopt(&mut self) {
        for found in adopt::find(&self.ground, self.count()) {
            let number = found.number();
            let Some(index) = self.places.iter().position(|served| served.place.url == found.target()) else {
                tracing::warn!("slot {number} has a runner of {}, which is not served any more", found.target());
                if let Found::Abandoned { slot, .. } = found
                    && let Err(error) = Record::remove(&slot.directory)
                {
                    tracing::error!("{}", chain(&error));
                }
                continue;
            };
            self.taken.insert(number, index);
            let (ground, place) = (Arc::clone(&self.ground), Arc::clone(&self.places[index].place));
            self.walks.spawn(async move { (index, number, adopt::go_on(&ground, &place, found).await) });
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Wanted { place, count, ended } => {
                let served = &mut self.places[place];
                (served.counted, served.unheard) = (count, None);
                for execution in ended {
                    served.ends.heard(execution);
                }
            }
            Event::Unheard { place, why } => self.places[place].unheard = Some(why),
            Event::Drain => {
                self.is_draining = true;
                self.stop_idle.send_replace(true);
            }
            Event::AwaitDrained { done } => self.drains.push(done),
        }
    }

    fn walked(&mut self, walked: Result<(usize, SlotNumber, Walked), tokio::task::JoinError>) {
        let (index, number, walked) = match walked {
            Ok(walked) => walked,
            Err(error) => {
                // Its slot stays taken until the next start, which finds its record.
                tracing::error!("a walk stumbled: {error}");
                return;
            }
        };
        self.taken.remove(&number);
        let served = &mut self.places[index];
        match walked {
            Walked::Job { execution } => {
                served.ends.seen(execution, Instant::now());
                served.patience.went_well();
            }
            Walked::Idle => served.patience.went_well(),
            Walked::Failed { why } => served.patience.failed(Instant::now(), why),
        }
    }

    fn wants(&mut self) -> Vec<Want> {
        let now = Instant::now();
        let want = |(index, served): (usize, &mut Served<R>)| {
            let have = self.taken.values().filter(|taken| **taken == index).count();
            let have = u32::try_from(have).unwrap_or(u32::MAX);
            // Who is in trouble is neither given a slot nor promised one.
            let max = if served.patience.is_waiting(now) { have.min(served.place.max) } else { served.place.max };
            let wanted = served.counted.saturating_sub(served.ends.ahead(now));
            Want { wanted, have, max, share: served.place.share, priority: served.place.priority }
        };
        self.places.iter_mut().enumerate().map(want).collect()
    }

    fn give_slots(&mut self) {
        let mut free = if self.is_draining { Vec::new() } else { self.free_slots() };
        for index in plan(free.len(), &self.wants()) {
            let Some(slot) = self.claim_one(&mut free) else { break };
            self.start(index, slot);
        }
        let wants = self.wants();
        for (served, want) in self.places.iter().zip(wants) {
            let promised = if self.is_draining { 0 } else { capacity(free.len(), want) };
            served.capacity.send_if_modified(|known| std::mem::replace(known, promised) != promised);
        }
        if self.taken.is_empty() {
            for done in self.drains.drain(..) {
                let _left = done.send(());
            }
        }
    }

    /// Slots that nobody has, the lowest number last.
    fn free_slots(&self) -> Vec<SlotNumber> {
        let places = &self.ground.app.places;
        let is_free = |number: &SlotNumber| {
            !self.taken.contains_key(number)
                && !Record::stands_in(&places.slot(*number))
                && slots::look(places, *number) == Occupancy::Free
        };
        (0..self.count()).rev().map(SlotNumber).filter(is_free).collect()
    }

    /// Takes the last of these that no local job was quicker to take.
    fn claim_one(&self, free: &mut Vec<SlotNumber>) -> Option<Slot> {
        while let Some(number) = free.pop() {
            match slots::try_claim_one(&self.ground.app.places, number) {
                Ok(Some(slot)) => return Some(slot),
                Ok(None) => {}
                Err(error) => tracing::error!("{}", chain(&error)),
            }
        }
        None
    }

    fn start(&mut self, index: usize, slot: Slot) {
        let number = slot.number;
        self.taken.insert(number, index);
        let (ground, place) = (Arc::clone(&self.ground), Arc::clone(&self.places[index].place));
        self.walks.spawn(async move {
            let walked = walk(&ground, &place, slot).await;
            place.counts.walked(&walked);
            (index, number, walked)
        });
    }

    fn start_sweep(&mut self) {
        while self.sweeps.try_join_next().is_some() {}
        let count = self.count();
        for served in &self.places {
            let (ground, place) = (Arc::clone(&self.ground), Arc::clone(&served.place));
            self.sweeps.spawn(async move {
                match sweep(&place.registrar, &ground.names, &ground.app.places, count).await {
                    Ok(_removed) => {}
                    Err(error) => tracing::warn!("{}: the sweep waits for the next: {}", place.url, chain(&error)),
                }
            });
        }
    }

    /// The daemon stops: whoever has no job goes.
    async fn let_go(&mut self) {
        for served in &self.places {
            served.capacity.send_replace(0);
        }
        self.stop_idle.send_replace(true);
        let has_idle = |board: &Self| {
            let is_idle = |number: &SlotNumber| {
                let record = Record::read(&board.ground.app.places.slot(*number));
                !matches!(record, Ok(Some(record)) if record.state.has_job())
            };
            board.taken.keys().any(is_idle)
        };
        while has_idle(self) {
            tokio::select! {
                Some(walked) = self.walks.join_next() => self.walked(walked),
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    fn publish(&mut self) {
        let wants = self.wants();
        let places = self.places.iter().zip(wants).map(|(served, want)| Standing {
            wanted: want.wanted,
            have: want.have,
            capacity: *served.capacity.borrow(),
            trouble: served.unheard.as_ref().or(served.patience.trouble()).cloned(),
        });
        let state = Published { is_draining: self.is_draining, places: places.collect() };
        self.published.send_if_modified(|published| {
            let is_news = *published != state;
            *published = state;
            is_news
        });
    }
}
