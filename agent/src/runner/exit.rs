//! How a runner ended, from its exit code, and what that says of its version. Pure. The codes are those of `Runner.Listener`
//! itself; the scripts around it turn most of them into others.

use hearth_host::guard::How;

use super::choose::Started;

/// The result of the one job of a runner, as the runner names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobResult {
    Succeeded,
    SucceededWithIssues,
    Failed,
    Canceled,
    Skipped,
    Abandoned,
}

impl JobResult {
    /// In the order of their numbers.
    const ALL: [(Self, &'static str); 6] = [
        (Self::Succeeded, "Succeeded"),
        (Self::SucceededWithIssues, "SucceededWithIssues"),
        (Self::Failed, "Failed"),
        (Self::Canceled, "Canceled"),
        (Self::Skipped, "Skipped"),
        (Self::Abandoned, "Abandoned"),
    ];

    /// The runner's word for it, in which it also tells of it on its output.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(result, _)| *result == self).map_or("", |(_, word)| word)
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(result, _)| *result)
    }

    fn of_code(code: i32) -> Option<Self> {
        let number = usize::try_from(code.checked_sub(FIRST_JOB_RESULT)?).ok()?;
        Self::ALL.get(number).map(|(result, _)| *result)
    }
}

/// Codes from here on are the job's result, when we ask for that.
const FIRST_JOB_RESULT: i32 = 100;

/// Whether we had told the runner to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Asked,
    Unasked,
}

/// How a runner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It had its job, or its registration is gone. The result is known when it had one and said so.
    Done(Option<JobResult>),
    /// Something on the way to GitHub went wrong that may be right again.
    Retry,
    /// It wants to replace itself by a newer version, in spite of being told not to.
    Updating,
    /// Another process has a session under its registration, and kept it for minutes.
    SessionConflict,
    /// GitHub gave it another configuration.
    Reconfigured,
    /// GitHub takes no runner of this version any more.
    VersionRefused,
    /// We stopped it.
    Stopped,
    /// It ended with an error that has no meaning of its own, or by a signal that was not ours.
    Failed(How),
}

impl Ending {
    pub fn of(how: How, stop: Stop) -> Self {
        let job = match how {
            How::Exited(code) => JobResult::of_code(code),
            How::Signaled(_) => None,
        };
        match (how, stop) {
            // A job that came to its end before the stop has its result all the same.
            _ if job.is_some() => Self::Done(job),
            (_, Stop::Asked) => Self::Stopped,
            (How::Exited(0), Stop::Unasked) => Self::Done(None),
            (How::Exited(2), Stop::Unasked) => Self::Retry,
            (How::Exited(3 | 4), Stop::Unasked) => Self::Updating,
            (How::Exited(5), Stop::Unasked) => Self::SessionConflict,
            (How::Exited(6), Stop::Unasked) => Self::Reconfigured,
            (How::Exited(7), Stop::Unasked) => Self::VersionRefused,
            (how, Stop::Unasked) => Self::Failed(how),
        }
    }

    /// What this says of the version, if anything. `Listening` is what the runner said on its output.
    pub fn speaks_for_version(self, heard: Heard) -> Option<Started> {
        match (self, heard) {
            (Self::VersionRefused, _) => Some(Started::Refused),
            (Self::Done(Some(_)), _) | (_, Heard::Listening) => Some(Started::Worked),
            (Self::Failed(_), Heard::Nothing) => Some(Started::Failed),
            (
                Self::Done(None)
                | Self::Retry
                | Self::Updating
                | Self::SessionConflict
                | Self::Reconfigured
                | Self::Stopped,
                Heard::Nothing,
            ) => None,
        }
    }
}

/// Whether a runner ever said that it listens for jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Listening,
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_meaning() {
        use Ending::{Done, Failed, Reconfigured, Retry, SessionConflict, Updating, VersionRefused};
        for (code, ending) in [
            (0, Done(None)),
            (1, Failed(How::Exited(1))),
            (2, Retry),
            (3, Updating),
            (4, Updating),
            (5, SessionConflict),
            (6, Reconfigured),
            (7, VersionRefused),
            (8, Failed(How::Exited(8))),
            (99, Failed(How::Exited(99))),
            (100, Done(Some(JobResult::Succeeded))),
            (101, Done(Some(JobResult::SucceededWithIssues))),
            (102, Done(Some(JobResult::Failed))),
            (103, Done(Some(JobResult::Canceled))),
            (104, Done(Some(JobResult::Skipped))),
            (105, Done(Some(JobResult::Abandoned))),
            (106, Failed(How::Exited(106))),
            (-1, Failed(How::Exited(-1))),
            (i32::MIN, Failed(How::Exited(i32::MIN))),
        ] {
            assert_eq!(Ending::of(How::Exited(code), Stop::Unasked), ending, "{code}");
        }
        let killed = How::Signaled(9);
        assert_eq!(Ending::of(killed, Stop::Unasked), Failed(killed));
    }

    #[test]
    fn a_runner_that_we_stopped_has_not_failed() {
        for how in [How::Exited(0), How::Exited(1), How::Exited(7), How::Signaled(15)] {
            assert_eq!(Ending::of(how, Stop::Asked), Ending::Stopped);
        }
        let finished = Ending::of(How::Exited(102), Stop::Asked);
        assert_eq!(finished, Ending::Done(Some(JobResult::Failed)), "its job had ended already");
    }

    #[test]
    fn only_an_error_before_it_listened_speaks_against_a_version() {
        let failed = Ending::Failed(How::Exited(1));
        for (ending, heard, says) in [
            (failed, Heard::Nothing, Some(Started::Failed)),
            (failed, Heard::Listening, Some(Started::Worked)),
            (Ending::VersionRefused, Heard::Listening, Some(Started::Refused)),
            (Ending::Done(Some(JobResult::Failed)), Heard::Nothing, Some(Started::Worked)),
            (Ending::Done(None), Heard::Nothing, None),
            (Ending::Stopped, Heard::Nothing, None),
            (Ending::Retry, Heard::Nothing, None),
            (Ending::Stopped, Heard::Listening, Some(Started::Worked)),
        ] {
            assert_eq!(ending.speaks_for_version(heard), says, "{ending:?} {heard:?}");
        }
    }

    #[test]
    fn results_are_known_by_their_words() {
        for (result, word) in JobResult::ALL {
            assert_eq!((result.as_str(), JobResult::from_word(word)), (word, Some(result)));
        }
        assert_eq!(JobResult::from_word("succeeded"), None);
    }
}
