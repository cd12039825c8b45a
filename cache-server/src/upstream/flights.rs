//! One request upstream for everybody who wants the same object: the first one flies, the others wait for it to land,
//! each as long as he cares to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::keys::ObjectName;

#[derive(Debug, Clone, Default)]
pub(crate) struct Flights {
    under_way: Arc<Mutex<HashMap<ObjectName, watch::Receiver<()>>>>,
}

/// What somebody who wants an object has to do.
#[derive(Debug)]
pub(crate) enum Boarding {
    /// Fetch it. Everybody waits until this is dropped.
    Fly(Flight),
    /// Wait; then look whether it is there.
    Wait(Landing),
}

#[derive(Debug)]
pub(crate) struct Flight {
    flights: Flights,
    name: ObjectName,
    _landed: watch::Sender<()>,
}

#[derive(Debug)]
pub(crate) struct Landing(watch::Receiver<()>);

impl Landing {
    pub(crate) async fn landed(mut self) {
        // Nothing is ever sent; the sender goes when the flight is over.
        while self.0.changed().await.is_ok() {}
    }
}

impl Flights {
    pub(crate) fn board(&self, name: ObjectName) -> Boarding {
        let mut under_way = self.under_way();
        if let Some(landing) = under_way.get(&name) {
            return Boarding::Wait(Landing(landing.clone()));
        }
        let (landed, landing) = watch::channel(());
        under_way.insert(name, landing);
        Boarding::Fly(Flight { flights: self.clone(), name, _landed: landed })
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<ObjectName, watch::Receiver<()>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.under_way().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: u8) -> ObjectName {
        ObjectName::from_bytes([n; 32])
    }

    #[tokio::test]
    async fn one_flies_and_the_others_wait() {
        let flights = Flights::default();
        let Boarding::Fly(flight) = flights.board(name(1)) else { panic!("nobody flies yet") };
        assert!(matches!(flights.board(name(2)), Boarding::Fly(_)));
        let Boarding::Wait(landing) = flights.board(name(1)) else { panic!("one flies already") };
        let mut landed = std::pin::pin!(landing.landed());
        assert!(tokio::time::timeout(std::time::Duration::ZERO, landed.as_mut()).await.is_err());
        drop(flight);
        landed.await;
        assert!(matches!(flights.board(name(1)), Boarding::Fly(_)));
        assert!(flights.under_way().is_empty(), "nothing is left of flights that are over");
    }
}
