//! The main loop of a daemon that is up: it feeds the service manager's watchdog until somebody asks for the stop, says
//! that we stop, and waits for the tasks.

use std::time::Duration;

use crate::service_manager::{ServiceManager, Watchdog};
use crate::tasks::{Finish, Tasks};

/// Comes back when the daemon may exit, at most `deadline` after it was asked to.
pub async fn run(tasks: &Tasks, manager: &ServiceManager, watchdog: Option<Watchdog>, deadline: Duration) -> Finish {
    let feeding = async {
        if let Some(mut watchdog) = watchdog {
            loop {
                watchdog.feed().await;
            }
        }
        std::future::pending().await
    };
    let telling = async {
        tasks.stop().requested().await;
        manager.stopping();
        std::future::pending().await
    };
    // The first two never come back; what they were waiting for matters to nobody after the end. In this order, so that
    // the manager is told even where the tasks end at the very moment of the stop.
    tokio::select! {
        biased;
        finish = feeding => finish,
        finish = telling => finish,
        finish = tasks.finish(deadline) => finish,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::stop::Stop;

    #[tokio::test(start_paused = true)]
    async fn the_manager_is_fed_then_told_and_the_tasks_are_waited_for() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let manager = ServiceManager::new(move |message| {
            ears.lock().unwrap().push(String::from_utf8(message.to_vec()).unwrap());
            Ok(())
        });
        let stop = Stop::default();
        let tasks = Tasks::new(stop.clone());
        tasks.spawn("asks", async move {
            tokio::time::sleep(Duration::from_millis(2500)).await;
            stop.signal(15);
        });
        let watchdog = manager.watchdog(Some("2000000"), None, 7);
        assert_eq!(run(&tasks, &manager, watchdog, Duration::from_secs(9)).await, Finish::Orderly);
        assert_eq!(*heard.lock().unwrap(), ["WATCHDOG=1\n", "WATCHDOG=1\n", "WATCHDOG=1\n", "STOPPING=1\n"]);
    }
}
