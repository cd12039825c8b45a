//! Which call gets which fault. A plan decides by seed, operation and how many times that operation was called, so that
//! calls of different operations that overtake each other change nothing.

use std::collections::BTreeMap;

use super::FaultKind;
use crate::server::route::Route;

/// A random plan: for each kind the share of the calls that it can befall.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    seed: u64,
    rates: BTreeMap<FaultKind, f64>,
    /// No more than this many of each kind, so that a run ends.
    most: Option<u64>,
}

impl Faults {
    pub fn none() -> Self {
        Self::default()
    }

    pub fn random(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Every kind there is, at the same rate.
    pub fn of_every_kind(seed: u64, rate: f64) -> Self {
        FaultKind::ALL.into_iter().fold(Self::random(seed), |faults, kind| faults.rate(kind, rate))
    }

    #[must_use]
    pub fn rate(mut self, kind: FaultKind, rate: f64) -> Self {
        self.rates.insert(kind, rate.clamp(0.0, 1.0));
        self
    }

    #[must_use]
    pub fn at_most(mut self, of_each_kind: u64) -> Self {
        self.most = Some(of_each_kind);
        self
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The fault of the `nth` call of an operation. Kinds take their turns in an order that the seed decides too, so that
    /// none hides behind another.
    fn of_call(&self, route: &Route, nth: u64, done: &BTreeMap<FaultKind, u64>) -> Option<FaultKind> {
        let mut rng = fastrand::Rng::with_seed(mix(self.seed, &route.operation(), nth));
        let mut kinds: Vec<_> = self.rates.iter().filter(|(kind, _)| kind.befalls(route)).collect();
        rng.shuffle(&mut kinds);
        let exhausted = |kind| self.most.is_some_and(|most| done.get(kind).copied().unwrap_or(0) >= most);
        kinds.into_iter().find(|(kind, rate)| rng.f64() < **rate && !exhausted(kind)).map(|(kind, _)| *kind)
    }
}

/// FNV-1a: stable between versions of the standard library, which its own hasher does not promise.
fn mix(seed: u64, operation: &str, nth: u64) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(operation.bytes()).chain(nth.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Faults on command: the next calls whose operation contains a text.
#[derive(Debug, Clone)]
pub struct Injection {
    kind: FaultKind,
    operation: String,
    times: u32,
}

impl Injection {
    /// Once, on the next call that this kind can befall.
    pub fn of(kind: FaultKind) -> Self {
        Self { kind, operation: String::new(), times: 1 }
    }

    /// On calls whose operation, `POST /orgs/{org}/actions/runners/generate-jitconfig`, contains this.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Self {
        operation.clone_into(&mut self.operation);
        self
    }

    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

/// The plan at work: what was called, what was done.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    faults: Faults,
    injections: Vec<Injection>,
    calls: BTreeMap<String, u64>,
    done: BTreeMap<FaultKind, u64>,
}

impl Plan {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    pub(crate) fn replace(&mut self, faults: Faults) {
        self.faults = faults;
        self.calls.clear();
    }

    pub(crate) fn inject(&mut self, injection: Injection) {
        self.injections.push(injection);
    }

    /// The fault of this call, if it has one; counted by [`Plan::count`] when it has struck.
    pub(crate) fn next(&mut self, route: &Route) -> Option<FaultKind> {
        let operation = route.operation();
        let commanded = self
            .injections
            .iter_mut()
            .find(|injection| injection.kind.befalls(route) && operation.contains(&injection.operation));
        if let Some(injection) = commanded {
            let kind = injection.kind;
            injection.times = injection.times.saturating_sub(1);
            self.injections.retain(|injection| injection.times > 0);
            return Some(kind);
        }
        let nth = self.calls.entry(operation).or_default();
        *nth += 1;
        self.faults.of_call(route, *nth, &self.done)
    }

    pub(crate) fn count(&mut self, kind: FaultKind) {
        *self.done.entry(kind).or_default() += 1;
    }

    pub(crate) fn done(&self) -> &BTreeMap<FaultKind, u64> {
        &self.done
    }
}
