//! The state and those who wait for it to change: polls inside the server, tests outside of it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::server::clock::Clock;
use crate::server::openapi::OpenApi;
use crate::server::route::Route;
use crate::server::state::State;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) routes: Vec<Route>,
    pub(crate) openapi: Option<Arc<OpenApi>>,
    state: Mutex<State>,
    outside: Condvar,
    inside: watch::Sender<u64>,
}

impl World {
    pub(crate) fn new(state: State, routes: Vec<Route>, openapi: Option<Arc<OpenApi>>) -> Self {
        let (outside, inside) = (Condvar::new(), watch::Sender::new(0));
        Self { clock: Clock::default(), routes, openapi, state: Mutex::new(state), outside, inside }
    }

    /// The state as it is. A test that failed while it looked at it has changed nothing.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, lets the service act on it, and wakes whoever waits.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        state.dispatch(self.clock.now());
        drop(state);
        self.wake();
        result
    }

    /// As [`World::change`], for what often changes nothing: wakes others only when something moved.
    pub(crate) fn step<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let before = state.moves;
        let result = step(&mut state);
        state.dispatch(self.clock.now());
        let moved = state.moves != before;
        drop(state);
        if moved {
            self.wake();
        }
        result
    }

    fn wake(&self) {
        self.outside.notify_all();
        self.inside.send_modify(|version| *version += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inside.subscribe()
    }

    /// Waits outside of the server until `condition` holds; whether it came to that.
    pub(crate) fn wait(&self, patience: Duration, mut condition: impl FnMut(&State) -> bool) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.state();
        loop {
            if condition(&state) {
                return true;
            }
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return false;
            }
            state = self.outside.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
