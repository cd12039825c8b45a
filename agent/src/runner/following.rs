//! The daemon's part: what is installed follows what GitHub offers, between jobs and without anybody's doing, and says in
//! time when it cannot.

use std::time::Duration;

use hearth_daemon::stop::Stop;
use hearth_forge::Github;
use hearth_model::Timestamp;
use tokio::time::{Instant, sleep};

use super::deadline::Deadline;
use super::install::Installed;
use super::version::RunnerVersion;
use super::versions::{Versions, VersionsError};
use crate::journey::chain;

const LOOK_EVERY: Duration = Duration::from_hours(1);
/// After something went wrong.
const LOOK_AGAIN: Duration = Duration::from_mins(5);
/// How soon a version that GitHub refused is noticed. Keepers are other processes and note it in the book.
const NOTICE_WITHIN: Duration = Duration::from_secs(30);

/// How a round went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Well,
    /// With something that is in the log.
    Badly,
}

/// Looks for new versions until the stop: at once, every hour, and as soon as GitHub has refused one as too old. Any place
/// at GitHub will do: they all offer the same.
pub async fn follow(versions: Versions, github: Option<Github>, stop: Stop) {
    let rounds = async {
        loop {
            let began = versions.now();
            let round = look(&versions, github.as_ref()).await;
            let pause = if round == Round::Well { LOOK_EVERY } else { LOOK_AGAIN };
            let until = Instant::now() + pause;
            while Instant::now() < until && !is_refused_since(&versions, began).await {
                sleep(NOTICE_WITHIN).await;
            }
        }
    };
    // A round that is dropped leaves what the next one sweeps.
    tokio::select! {
        biased;
        () = stop.requested() => {}
        () = rounds => {}
    }
}

async fn is_refused_since(versions: &Versions, began: Timestamp) -> bool {
    let versions = versions.clone();
    let looked = tokio::task::spawn_blocking(move || versions.refused_at()).await;
    // A book that cannot be read is told of by the next round.
    matches!(looked, Ok(Ok(Some(at))) if at > began)
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
    use std::sync::Arc;

    use hearth_daemon::stop::StopReason;
    use hearth_daemon::tasks::Tasks;
    use hearth_model::ManualClock;

    use super::super::sample;
    use super::super::settings::RunnerFile;
    use super::*;

    /// Waits for a state, in the time of the test.
    async fn until(reached: impl Fn() -> bool) {
        let waited = async {
            while !reached() {
                sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(LOOK_EVERY, waited).await.expect("it comes within an hour");
    }

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
    async fn a_refused_version_is_followed_at_once_and_a_stop_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (RunnerVersion::new(2, 335, 0), RunnerVersion::new(2, 336, 0));
        let (old_path, old_sum) = sample::file(dir.path(), old);
        let (path, sum) = sample::file(dir.path(), new);
        std::fs::rename(&path, dir.path().join("later")).unwrap();
        let file = RunnerFile { archive: Some(path.clone()), sha256: Some(sum.to_string()), ..RunnerFile::default() };
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let versions = Versions::open(&dir.path().join("runner"), file.check().unwrap(), clock.clone()).unwrap();
        versions.install_archive(&old_path, Some(old_sum)).unwrap();
        assert_eq!(look(&versions, None).await, Round::Badly, "the archive is not there yet");
        std::fs::rename(dir.path().join("later"), &path).unwrap();
        let stop = Stop::default();
        let following = Tasks::new(stop.clone()).spawn("following", follow(versions.clone(), None, stop.clone()));
        let current = || versions.current_deadline().unwrap().map(|(version, _)| version);
        until(|| current() == Some(new)).await;
        versions.roll_back().unwrap();
        clock.advance(Duration::from_secs(1));
        let began = Instant::now();
        versions.note_start(old, super::super::choose::Started::Refused).unwrap();
        // Nothing newer is there, so only the round itself shows: it sweeps.
        let leftover = dir.path().join("runner/incoming/leftover");
        std::fs::write(&leftover, "x").unwrap();
        until(|| !leftover.exists()).await;
        assert!(began.elapsed() < LOOK_AGAIN);
        stop.request(StopReason::Asked);
        following.await.unwrap();
    }
}
