//! A line for whoever waits longer than one waits without wondering.

use std::io::Write;
use std::time::Duration;

use hearth_daemon::terminal::for_terminal;

const PATIENCE: Duration = Duration::from_secs(2);

/// Waits; says what for, once, when it takes long.
pub(crate) async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    // Nothing is lost with the branch that is dropped: the work goes on below.
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = tokio::time::sleep(PATIENCE) => {}
    }
    let _closed = writeln!(std::io::stderr().lock(), "hearth: {} …", for_terminal(what));
    work.await
}
