//! How many runners the service wants. It counts them itself; when its count denies the jobs that it delivers with it,
//! those are counted for a while. Pure: times are on the clock that only goes forward.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::JobNews;
use crate::ids::RequestId;
use crate::wire::Statistics;

/// After this the service has given the job to somebody else, or up.
const ASSIGNED_FOR: Duration = Duration::from_mins(15);
/// How long our own count stands in for one that was zero.
const DISTRUST: Duration = Duration::from_mins(15);
/// More than any machine has slots; a stranger's answers may not fill our memory.
const OPEN_LIMIT: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Wanted {
    statistics: Statistics,
    open: BTreeMap<RequestId, Open>,
    /// Told as available, and nobody has them as far as we know.
    offered: BTreeSet<RequestId>,
    /// Something was told since the offered jobs were last asked for.
    has_news: bool,
    distrusted: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
enum Open {
    Assigned(Duration),
    Started,
}

/// Whether the service's counts go with what it delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    Agree,
    Contradict,
}

impl Wanted {
    /// What the service counts, and the news that came with it.
    pub(super) fn told(&mut self, now: Duration, statistics: Option<Statistics>, jobs: &[JobNews]) -> Counts {
        if let Some(statistics) = statistics {
            self.statistics = statistics;
        }
        self.has_news = true;
        let mut begun = BTreeMap::new();
        for news in jobs {
            let request = news.job().request;
            self.offered.remove(&request);
            match news {
                JobNews::Available { .. } => {
                    self.offered.insert(request);
                }
                JobNews::Assigned { .. } => {
                    begun.insert(request, Open::Assigned(now));
                }
                JobNews::Started { .. } => {
                    begun.insert(request, Open::Started);
                }
                JobNews::Completed { .. } => {
                    begun.remove(&request);
                    self.open.remove(&request);
                }
            }
        }
        let denied = !begun.is_empty() && self.statistics.total_assigned_jobs == 0;
        self.open.append(&mut begun);
        while self.open.len() > OPEN_LIMIT {
            self.open.pop_first();
        }
        while self.offered.len() > OPEN_LIMIT {
            self.offered.pop_first();
        }
        if denied {
            self.distrusted = Some(now);
            return Counts::Contradict;
        }
        if self.statistics.total_assigned_jobs > 0 {
            self.distrusted = None;
        }
        Counts::Agree
    }

    /// Whether jobs may wait for somebody to acquire them. The count alone may be a zero that is not true.
    pub(super) fn has_unclaimed(&self) -> bool {
        self.statistics.total_available_jobs > 0 || !self.offered.is_empty()
    }

    /// Whether an offered job may fit by now for which there was no room when it was told: it is told only once.
    pub(super) fn may_fit(&mut self, now: Duration, capacity: u32) -> bool {
        self.has_news && !self.offered.is_empty() && self.runners(now) < capacity
    }

    /// These are ours now, whatever the last counts were.
    pub(super) fn acquired(&mut self, requests: &[RequestId]) {
        self.offered.retain(|request| !requests.contains(request));
        let more = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        self.statistics.total_assigned_jobs = self.statistics.total_assigned_jobs.saturating_add(more);
    }

    /// The jobs that wait to be acquired: these and no others.
    pub(super) fn unclaimed(&mut self, requests: impl Iterator<Item = RequestId>) {
        self.has_news = false;
        self.offered = requests.take(OPEN_LIMIT).collect();
        self.statistics.total_available_jobs = u32::try_from(self.offered.len()).unwrap_or(u32::MAX);
    }

    pub(super) fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// How many runners are wanted in all.
    pub(super) fn runners(&mut self, now: Duration) -> u32 {
        let since = |then: Duration| now.saturating_sub(then);
        self.open.retain(|_, open| match open {
            Open::Assigned(then) => since(*then) < ASSIGNED_FOR,
            Open::Started => true,
        });
        let counted = self.statistics.total_assigned_jobs;
        match self.distrusted {
            Some(then) if since(then) < DISTRUST => counted.max(u32::try_from(self.open.len()).unwrap_or(u32::MAX)),
            _ => counted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    #[expect(clippy::unnecessary_wraps, reason = "what a message may bring")]
    fn counts(assigned: u32) -> Option<Statistics> {
        Some(Statistics { total_available_jobs: 0, total_assigned_jobs: assigned, total_running_jobs: 0 })
    }

    fn assigned(request: i64) -> JobNews {
        JobNews::Assigned { job: job(request) }
    }

    fn started(request: i64) -> JobNews {
        JobNews::Started { job: job(request), runner: None, runner_name: None }
    }

    fn completed(request: i64) -> JobNews {
        let said = "canceled".to_owned();
        JobNews::Completed { job: job(request), runner: None, runner_name: None, conclusion: None, said }
    }

    #[test]
    fn the_service_s_count_is_believed() {
        let mut wanted = Wanted::default();
        for (statistics, jobs, runners) in [
            (counts(3), vec![assigned(1)], 3),
            (None, vec![started(1)], 3),
            (counts(1), vec![completed(1)], 1),
            (counts(0), vec![completed(2)], 0),
        ] {
            assert_eq!(wanted.told(NOW, statistics, &jobs), Counts::Agree);
            assert_eq!(wanted.runners(NOW), runners);
        }
    }

    #[test]
    fn a_count_of_zero_beside_assigned_jobs_is_not_believed_for_a_while() {
        let mut wanted = Wanted::default();
        assert_eq!(wanted.told(NOW, counts(0), &[assigned(1), assigned(2), completed(2)]), Counts::Contradict);
        assert_eq!(wanted.runners(NOW), 1);
        assert_eq!(wanted.told(NOW, counts(0), &[started(1), assigned(3)]), Counts::Contradict);
        assert_eq!(wanted.runners(NOW), 2);
        assert_eq!(wanted.told(NOW, counts(0), &[completed(1)]), Counts::Agree);
        assert_eq!(wanted.runners(NOW), 1);
        assert_eq!(wanted.runners(NOW + ASSIGNED_FOR), 0);
    }

    #[test]
    fn a_count_that_is_back_is_believed_again() {
        let mut wanted = Wanted::default();
        wanted.told(NOW, counts(0), &[assigned(1), assigned(2)]);
        wanted.told(NOW, counts(1), &[]);
        assert_eq!(wanted.runners(NOW), 1);
    }

    #[test]
    fn an_offer_stands_until_somebody_has_it_whatever_the_counts_say() {
        let mut wanted = Wanted::default();
        let available = |request| JobNews::Available { job: job(request) };
        wanted.told(NOW, counts(0), &[available(1), available(2), available(3)]);
        wanted.told(NOW, counts(1), &[assigned(1)]);
        assert!(wanted.has_unclaimed());
        wanted.unclaimed([RequestId(3)].into_iter());
        assert!(wanted.has_unclaimed());
        wanted.unclaimed(std::iter::empty());
        assert!(!wanted.has_unclaimed(), "another set has them");
    }

    #[test]
    fn an_offered_job_is_asked_for_once_for_all_news_and_only_while_there_is_room() {
        let mut wanted = Wanted::default();
        let available = |request| JobNews::Available { job: job(request) };
        wanted.told(NOW, counts(0), &[available(1), available(2)]);
        assert!(wanted.may_fit(NOW, 1));
        wanted.acquired(&[RequestId(1)]);
        assert!(!wanted.may_fit(NOW, 1), "there is no room");
        assert!(wanted.may_fit(NOW, 2), "there is more room than before");
        wanted.told(NOW, counts(0), &[completed(1)]);
        assert!(wanted.may_fit(NOW, 1));
        wanted.unclaimed([RequestId(2)].into_iter());
        assert!(!wanted.may_fit(NOW, 1), "it was asked for");
        wanted.acquired(&[RequestId(2)]);
        wanted.told(NOW, counts(1), &[]);
        assert!(!wanted.may_fit(NOW, 9), "nothing is offered");
    }

    #[test]
    fn the_memory_of_open_jobs_is_bounded() {
        let mut wanted = Wanted::default();
        for request in 0..5_000 {
            wanted.told(NOW, counts(0), &[started(request)]);
        }
        assert_eq!(wanted.open.len(), OPEN_LIMIT);
    }
}
