//! The daemon's part: what is installed follows what GitHub offers, between jobs and without anybody's doing, and says in
//! time when it cannot.

use std::sync::Arc;
use std::time::Duration;

use hearth_daemon::stop::Stop;
use hearth_forge::Github;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::deadline::Deadline;
use super::install::Installed;
use super::version::RunnerVersion;
use super::versions::{Versions, VersionsError};
use crate::journey::chain;

const LOOK_EVERY: Duration = Duration::from_hours(1);
/// After something went wrong.
const LOOK_AGAIN: Duration = Duration::from_mins(5);

/// How a round went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Well,
    /// With something that is in the log.
    Badly,
}

/// Looks for new versions until the stop: at once, every hour, and whenever the bell is rung, because a version was
/// refused or wants to be replaced. Any place at GitHub will do: they all offer the same.
pub async fn follow(versions: Versions, github: Option<Github>, bell: Arc<Notify>, stop: Stop) {
    loop {
        // A round that is dropped leaves what the next one sweeps.
        let round = tokio::select! {
            biased;
            () = stop.requested() => return,
            round = look(&versions, github.as_ref()) => round,
        };
        let pause = if round == Round::Well { LOOK_EVERY } else { LOOK_AGAIN };
        // A ring while a round is under way is kept for this turn.
        tokio::select! {
            () = stop.requested() => return,
            () = bell.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

async fn look(versions: &Versions, github: Option<&Github>) -> Round {
    let mut round = Round::Well;
    let mut went = |what: &str, error: &dyn std::error::Error| {
        round = Round::Badly;
        tracing::warn!("{what}: {}", chain(error));
    };
    let blocking = versions.clone();
    match tokio::task::spawn_blocking(move || blocking.install_configured()).await {
        Ok(Ok(installed)) => tell(installed),
        Ok(Err(error)) => went("the configured runner could not be installed", &error),
        Err(error) => went("the configured runner could not be installed", &error),
    }
    if let Some(github) = github {
        match versions.follow_github(github).await {
            Ok(installed) => tell(installed),
            Err(error) => went("GitHub's runner versions could not be followed", &error),
        }
    }
    let blocking = versions.clone();
    match tokio::task::spawn_blocking(move || blocking.tidy_and_warn()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => went("old runner versions could not be removed", &error),
        Err(error) => went("old runner versions could not be removed", &error),
    }
    round
}

fn tell(installed: Option<Installed>) {
    if let Some(Installed::New(version)) = installed {
        tracing::info!(runner.version = %version, "runner {version} is installed; the next start takes it");
    }
}

impl Versions {
    /// The version that the next start takes, and when GitHub stops taking it.
    pub fn current_deadline(&self) -> Result<Option<(RunnerVersion, Option<Deadline>)>, VersionsError> {
        let current = self.list()?.into_iter().find(|listed| listed.current);
        Ok(current.map(|listed| (listed.version, listed.deadline)))
    }

    fn tidy_and_warn(&self) -> Result<(), VersionsError> {
        let tidied = self.tidy()?;
        for version in tidied.removed {
            tracing::info!(runner.version = %version, "runner {version} is removed, because nobody needs it any more");
        }
        if let Some((version, Some(deadline))) = self.current_deadline()?
            && let Some(warning) = deadline.warning(version, self.now(), self.settings().warn_before)
        {
            tracing::warn!(runner.version = %version, "{warning}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hearth_daemon::stop::StopReason;
    use hearth_model::{ManualClock, Timestamp};

    use super::super::sample;
    use super::super::settings::RunnerFile;
    use super::*;

    #[tokio::test]
    async fn the_configured_archive_is_there_after_the_first_look_and_older_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (RunnerVersion::new(2, 335, 0), RunnerVersion::new(2, 336, 0));
        let (old_path, old_sum) = sample::file(dir.path(), old);
        let (path, sum) = sample::file(dir.path(), new);
        let file = RunnerFile { archive: Some(path), sha256: Some(sum.to_string()), keep: 1, ..RunnerFile::default() };
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let versions = Versions::open(&dir.path().join("runner"), file.check().unwrap(), clock).unwrap();
        versions.install_archive(&old_path, Some(old_sum)).unwrap();
        assert_eq!(look(&versions, None).await, Round::Well);
        let listed: Vec<_> = versions.list().unwrap().iter().map(|listed| listed.version).collect();
        assert_eq!(listed, [new]);
        assert_eq!(versions.current_deadline().unwrap().map(|(version, _)| version), Some(new));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_went_badly_says_so_and_a_stop_ends_the_following() {
        let dir = tempfile::tempdir().unwrap();
        let (path, _) = sample::file(dir.path(), RunnerVersion::new(2, 336, 0));
        let file = RunnerFile { archive: Some(path), sha256: Some("ab".repeat(32)), ..RunnerFile::default() };
        let versions =
            Versions::open(&dir.path().join("runner"), file.check().unwrap(), Arc::new(ManualClock::default()))
                .unwrap();
        assert_eq!(look(&versions, None).await, Round::Badly);
        let stop = Stop::default();
        stop.request(StopReason::Asked);
        follow(versions, None, Arc::default(), stop).await;
    }
}
