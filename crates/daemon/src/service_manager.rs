//! Talking to the service manager that started us: ready, stopping, what we do, and that the main loop lives. The
//! protocol is systemd's (`sd_notify(3)`): small datagrams to one socket. The socket is the machine's and is handed in;
//! without a service manager every message goes nowhere.
//!
//! The watchdog is fed from the main loop and never by a task of its own: a task that feeds while the main loop hangs
//! would hide exactly what the watchdog is for.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use tracing::warn;

type SendDatagram = dyn Fn(&[u8]) -> io::Result<()> + Send + Sync;

/// The service manager, or nobody. Clones share.
#[derive(Clone, Default)]
pub struct ServiceManager {
    send: Option<Arc<SendDatagram>>,
}

impl fmt::Debug for ServiceManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.send.is_some() { "ServiceManager" } else { "ServiceManager(nobody)" })
    }
}

impl ServiceManager {
    /// A service manager that takes datagrams through `send`.
    pub fn new(send: impl Fn(&[u8]) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { send: Some(Arc::new(send)) }
    }

    /// Everything is set up, work begins.
    pub fn ready(&self) {
        self.tell("READY=1\n");
    }

    /// The orderly stop has begun.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\n");
    }

    /// One line for `systemctl status`.
    pub fn status(&self, line: &str) {
        // A line break would begin another message.
        self.tell(&format!("STATUS={}\n", line.replace(['\n', '\r'], " ")));
    }

    /// The watchdog, when the service manager keeps one for this process. `usec` and `pid` are the variables
    /// `WATCHDOG_USEC` and `WATCHDOG_PID`; `own` is our process id.
    pub fn watchdog(&self, usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Watchdog> {
        self.send.as_ref()?;
        let period = feeding_period(usec, pid, own)?;
        let mut interval = tokio::time::interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(Watchdog { manager: self.clone(), interval })
    }

    /// A message that is lost must not stop the daemon; the service manager has its own time limits.
    fn tell(&self, message: &str) {
        let Some(send) = &self.send else { return };
        if let Err(cause) = send(message.as_bytes()) {
            warn!(error = &cause as &dyn std::error::Error, "cannot reach the service manager");
        }
    }
}

/// Half of the time after which the service manager gives up on us, as `sd_watchdog_enabled(3)` advises.
fn feeding_period(usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None;
    }
    let usec: u64 = usec?.parse().ok()?;
    (usec > 1).then(|| Duration::from_micros(usec / 2))
}

/// A watchdog to be fed by the main loop: `select!` on [`Watchdog::feed`] beside the loop's events.
#[derive(Debug)]
pub struct Watchdog {
    manager: ServiceManager,
    interval: Interval,
}

impl Watchdog {
    /// Waits until food is due and gives it. Dropping the wait loses nothing: the next call waits for the same moment.
    pub async fn feed(&mut self) {
        self.interval.tick().await;
        self.manager.tell("WATCHDOG=1\n");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A service manager that remembers what it was told.
    fn listening() -> (ServiceManager, Arc<Mutex<Vec<String>>>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let manager = ServiceManager::new(move |message| {
            ears.lock().unwrap().push(String::from_utf8(message.to_vec()).unwrap());
            Ok(())
        });
        (manager, heard)
    }

    #[test]
    fn messages_are_spelled_as_systemd_reads_them() {
        let (manager, heard) = listening();
        manager.ready();
        manager.status("2 of 4 slots busy\nREADY=0");
        manager.stopping();
        assert_eq!(*heard.lock().unwrap(), ["READY=1\n", "STATUS=2 of 4 slots busy READY=0\n", "STOPPING=1\n"]);
    }

    #[test]
    fn nobody_and_a_deaf_manager_are_no_reason_to_stop() {
        ServiceManager::default().ready();
        ServiceManager::new(|_| Err(io::Error::from(io::ErrorKind::ConnectionRefused))).ready();
    }

    #[test]
    fn the_watchdog_is_fed_at_half_its_time_and_only_when_it_is_ours() {
        let half = Some(Duration::from_secs(15));
        for (usec, pid, period) in [
            (Some("30000000"), None, half),
            (Some("30000000"), Some("7"), half),
            (Some("30000000"), Some("8"), None),
            (Some("30000000"), Some("x"), None),
            (Some("soon"), None, None),
            (Some("0"), None, None),
            (None, None, None),
        ] {
            assert_eq!(feeding_period(usec, pid, 7), period, "{usec:?} {pid:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_hangs_does_not_feed() {
        let (manager, heard) = listening();
        let mut watchdog = manager.watchdog(Some("2000000"), None, 7).unwrap();
        watchdog.feed().await;
        let before = tokio::time::Instant::now();
        watchdog.feed().await;
        assert_eq!(before.elapsed(), Duration::from_secs(1));
        assert_eq!(heard.lock().unwrap().len(), 2);
        // The loop does something else for a long time, then comes back: one message, not a burst.
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(heard.lock().unwrap().len(), 2);
        watchdog.feed().await;
        let soon = tokio::time::timeout(Duration::from_millis(900), watchdog.feed()).await;
        assert!(soon.is_err());
        assert_eq!(heard.lock().unwrap().len(), 3);
    }
}
