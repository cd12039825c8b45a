//! The forge's news of jobs as observations for the ledger. Pure.

use hearth_forge::{JobNews, JobSeen};
use hearth_ledger::{Fact, Observation, Source};
use hearth_model::{Conclusion, ExecutionId, Millis, Outcome, Timestamp};

use super::Names;

/// What `news` says about an execution of ours; nothing when it is about a runner of others, or about none.
pub(super) fn observations(
    names: &Names,
    source: Source,
    news: &JobNews,
    heard_at: Timestamp,
) -> Vec<(ExecutionId, Observation)> {
    let runner = match news {
        JobNews::Started { runner_name, .. } | JobNews::Completed { runner_name, .. } => runner_name.as_deref(),
        JobNews::Available { .. } | JobNews::Assigned { .. } => None,
    };
    let Some(execution) = runner.and_then(|name| names.execution(name)) else { return Vec::new() };
    let say = |what: &str, fact| {
        // The same job on the same runner starts once and ends once, however often we are told.
        let event_id = format!("{}/{what}/{execution}", news.job().request);
        (execution, Observation { source, event_id, execution, heard_at, fact })
    };
    let mut said = Vec::new();
    if let Some(at) = news.job().times.started {
        said.push(say("started", Fact::Started { at }));
    }
    if let JobNews::Completed { job, conclusion, .. } = news
        && let (Some(at), Some(ran)) = (job.times.finished, ran(job))
    {
        said.push(say("completed", Fact::Ended { at, outcome: outcome(*conclusion), ran }));
    }
    said
}

/// The execution of ours whose end the news tells.
pub(super) fn ended(names: &Names, news: &JobNews) -> Option<ExecutionId> {
    let JobNews::Completed { runner_name, .. } = news else { return None };
    names.execution(runner_name.as_deref()?)
}

/// From the runner's taking it to its end. A job that no runner took used nothing.
fn ran(job: &JobSeen) -> Option<Millis> {
    let (started, finished) = (job.times.started?, job.times.finished?);
    let millis = finished.as_millis().saturating_sub(started.as_millis());
    Some(Millis(u64::try_from(millis).unwrap_or(0)))
}

/// The forge tells how a job ended and never its exit code.
fn outcome(conclusion: Option<Conclusion>) -> Outcome {
    match conclusion {
        Some(Conclusion::Success | Conclusion::Neutral | Conclusion::Skipped) => Outcome::Exited { code: 0 },
        Some(Conclusion::Cancelled) => Outcome::Cancelled { signal: 0, code: 1 },
        Some(Conclusion::TimedOut) => Outcome::TimedOut,
        Some(Conclusion::Failure | Conclusion::ActionRequired) | None => Outcome::Exited { code: 1 },
    }
}

#[cfg(test)]
mod tests {
    use hearth_forge::{JobTimes, RequestId};

    use super::*;

    fn job(times: [Option<i64>; 2]) -> JobSeen {
        let [started, finished] = times.map(|at| at.map(Timestamp::from_millis));
        JobSeen {
            request: RequestId(7),
            repository: "acme/rocket".to_owned(),
            job: None,
            workflow: None,
            display_name: "test".to_owned(),
            run: None,
            event: None,
            labels: Vec::new(),
            times: JobTimes { started, finished, ..JobTimes::default() },
        }
    }

    fn completed(runner: Option<&str>, times: [Option<i64>; 2]) -> JobNews {
        let (runner_name, conclusion) = (runner.map(str::to_owned), Some(Conclusion::Success));
        JobNews::Completed { job: job(times), runner: None, runner_name, conclusion, said: "succeeded".to_owned() }
    }

    #[test]
    fn only_what_our_runners_carried_is_ours_to_book() {
        let dir = tempfile::tempdir().unwrap();
        let names = Names::open(&dir.path().join("id"), "box").unwrap();
        let execution = ExecutionId::new(Timestamp::from_millis(1));
        let ours = names.of(execution);
        let of = |news: &JobNews| {
            let said = observations(&names, Source::ScaleSet, news, Timestamp::from_millis(9));
            said.into_iter().map(|(_, observation)| observation).collect::<Vec<_>>()
        };
        let both = [Some(1_000), Some(4_000)];
        let said = of(&completed(Some(ours.as_str()), both));
        assert_eq!(said.len(), 2);
        assert_eq!(said[0].fact, Fact::Started { at: Timestamp::from_millis(1_000) });
        let end =
            Fact::Ended { at: Timestamp::from_millis(4_000), outcome: Outcome::Exited { code: 0 }, ran: Millis(3_000) };
        assert_eq!(said[1].fact, end);
        assert_eq!(of(&completed(Some(ours.as_str()), both)), said, "redelivered news is the same news");
        assert!(of(&completed(Some("somebody-else"), both)).is_empty());
        assert!(of(&completed(None, both)).is_empty());
        // Cancelled before a runner took it.
        assert!(of(&completed(Some(ours.as_str()), [None, Some(4_000)])).is_empty());
        assert!(of(&JobNews::Assigned { job: job(both) }).is_empty());
    }
}
