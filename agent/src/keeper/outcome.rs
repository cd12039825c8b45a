//! How a runner and its job ended, from what the runner program says of them. Its exit code says it when it carried a
//! job; else the line that it writes for people; else nobody knows more than that it ended.

use hearth_model::Outcome;

use crate::runner::{Ending, JobResult};
use crate::slots::Ended;

/// The job's outcome. `said` is what the program's line about the result said, `stopped` the signal by which we ended
/// it, if we did.
pub(super) fn outcome(ending: Ending, said: Option<JobResult>, stopped: Option<i32>) -> Outcome {
    let result = match ending {
        Ending::Done(result) => result.or(said),
        _ => said,
    };
    match (result, stopped) {
        (Some(JobResult::Succeeded | JobResult::SucceededWithIssues | JobResult::Skipped), _) => {
            Outcome::Exited { code: 0 }
        }
        (Some(JobResult::Canceled) | None, Some(signal)) => Outcome::Cancelled { signal, code: 1 },
        (Some(JobResult::Canceled), None) => Outcome::Cancelled { signal: 0, code: 1 },
        (Some(JobResult::Failed), _) => Outcome::Exited { code: 1 },
        // Without a result nothing is kept of it: that it ended does not mean that anything succeeded.
        (Some(JobResult::Abandoned) | None, _) => Outcome::Lost,
    }
}

/// How a runner ended that had no job.
pub(super) fn without_a_job(ending: Ending) -> Ended {
    match ending {
        Ending::Done(_) | Ending::Stopped => Ended::Idle,
        Ending::VersionRefused => Ended::TooOld,
        other => Ended::Failed { why: format!("{other:?}") },
    }
}

#[cfg(test)]
mod tests {
    use hearth_host::guard::How;

    use super::*;
    use crate::runner::Stop;

    fn check(code: i32, said: Option<JobResult>, stopped: Option<i32>, expected: Outcome) {
        let stop = if stopped.is_some() { Stop::Asked } else { Stop::Unasked };
        let ending = Ending::of(How::Exited(code), stop);
        assert_eq!(outcome(ending, said, stopped), expected, "{code} {said:?} {stopped:?}");
    }

    #[test]
    fn a_job_succeeded_only_when_the_program_says_so() {
        check(100, None, None, Outcome::Exited { code: 0 });
        check(102, None, None, Outcome::Exited { code: 1 });
        check(103, None, None, Outcome::Cancelled { signal: 0, code: 1 });
        check(0, Some(JobResult::Succeeded), None, Outcome::Exited { code: 0 });
        check(0, None, None, Outcome::Lost);
        check(1, None, None, Outcome::Lost);
        check(0, None, Some(2), Outcome::Cancelled { signal: 2, code: 1 });
        // It had ended before we stopped it.
        check(100, None, Some(2), Outcome::Exited { code: 0 });
        check(1, Some(JobResult::Canceled), Some(2), Outcome::Cancelled { signal: 2, code: 1 });
    }
}
