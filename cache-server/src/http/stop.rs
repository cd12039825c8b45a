//! How servers are told to stop, and how whoever tells them learns that they have.

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
}

/// Tells servers to stop. Dropping it stops them too.
#[derive(Debug)]
pub(crate) struct StopSender(watch::Sender<Phase>);

#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Phase>);

pub(crate) fn stop_pair() -> (StopSender, Stop) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (StopSender(sender), Stop(receiver))
}

impl StopSender {
    pub(crate) fn stop(&self) {
        self.0.send_replace(Phase::Stopping);
    }

    /// Ends when everybody who listens for the stop is gone.
    pub(crate) async fn all_gone(&self) {
        self.0.closed().await;
    }

    pub(crate) fn listen(&self) -> Stop {
        Stop(self.0.subscribe())
    }
}

impl Stop {
    pub(crate) async fn stopped(&mut self) {
        // An error says that the sender is gone, which is a stop as well.
        let _ = self.0.wait_for(|phase| *phase == Phase::Stopping).await;
    }
}
