//! Newer certificates, without a restart: looked for now and then, and at once upon SIGHUP.

use std::sync::Arc;
use std::time::Duration;

use hearth_daemon::stop::Stop;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use crate::transport::Certificates;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    TimePassed,
    Asked,
}

/// Runs until the stop.
pub(super) async fn follow(certificates: Arc<Certificates>, period: Duration, asked: Arc<Notify>, stop: Stop) {
    let mut looks = interval(period);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // All branches only wait; a dropped one loses nothing.
        let reason = tokio::select! {
            () = stop.requested() => return,
            _ = looks.tick() => Reason::TimePassed,
            () = asked.notified() => Reason::Asked,
        };
        let of = Arc::clone(&certificates);
        let looked = move || (reason == Reason::Asked || of.have_changed()).then(|| of.reload());
        match tokio::task::spawn_blocking(looked).await {
            Ok(Some(Ok(()))) => info!("new connections get the certificates that the files hold now"),
            Ok(Some(Err(error))) => {
                let error = &error as &dyn std::error::Error;
                error!(error, "cannot use the new certificates; the old ones stay in force");
            }
            Ok(None) | Err(_) => {}
        }
    }
}
