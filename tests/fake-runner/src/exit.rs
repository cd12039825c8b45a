//! Exit codes, and the ends of a job that some of them tell.

use fake_github::runner_protocol::JobResult;

/// Exit codes by the official names.
pub(crate) const SUCCESS: u8 = 0;
pub(crate) const TERMINATED_ERROR: u8 = 1;
pub(crate) const RETRYABLE_ERROR: u8 = 2;
pub(crate) const SESSION_CONFLICT: u8 = 5;
pub(crate) const VERSION_DEPRECATED: u8 = 7;
/// Added to the number of a job's result.
pub(crate) const JOB_RESULT: u8 = 100;

/// How a job ended for the runner, which knows one end more than the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Of(JobResult),
    /// The service took the job away, or never heard of us again.
    Abandoned,
}

impl Ending {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Of(JobResult::Succeeded) => "Succeeded",
            Self::Of(JobResult::Failed) => "Failed",
            Self::Of(JobResult::Canceled) => "Canceled",
            Self::Abandoned => "Abandoned",
        }
    }

    pub(crate) fn code(self) -> u8 {
        JOB_RESULT
            + match self {
                Self::Of(JobResult::Succeeded) => 0,
                Self::Of(JobResult::Failed) => 2,
                Self::Of(JobResult::Canceled) => 3,
                Self::Abandoned => 5,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_of_a_job_has_its_code() {
        use JobResult::{Canceled, Failed, Succeeded};
        let ends = [Ending::Of(Succeeded), Ending::Of(Failed), Ending::Of(Canceled), Ending::Abandoned];
        assert_eq!(ends.map(Ending::code), [100, 102, 103, 105]);
        assert_eq!(ends.map(Ending::name), ["Succeeded", "Failed", "Canceled", "Abandoned"]);
    }
}
