//! A job that the service gave to this runner: renewed while it runs, told when it ended.

use std::convert::Infallible;
use std::time::Duration;

use fake_github::runner_protocol::{CompleteJob, JobMessage, JobResult, Renewed};
use reqwest::StatusCode;
use tokio::time::sleep;

use crate::diagnostics::{Trace, chain};
use crate::exit::{Ending, SUCCESS};
use crate::job::{self, Finished};
use crate::listener::{End, Listener};
use crate::service::Service;
use crate::stop::{Stop, Stopper};

/// Attempts to renew a job before it begins, and to tell its end.
const ATTEMPTS: u32 = 5;

impl Listener<'_> {
    /// Runs a job that is ours, renewing it all the while.
    pub(crate) async fn play_job(&mut self, message: &JobMessage, session: &str) -> End {
        self.terminal.say_at(&format!("Running job: {}", message.display_name));
        let ending = match self.first_renewal(message, session).await {
            Some(renewed) if renewed.cancel => self.refuse(message, session).await,
            Some(_) => self.work(message, session).await,
            None => Ending::Abandoned,
        };
        self.terminal.say_at(&format!("Job {} completed with result: {}", message.display_name, ending.name()));
        if *self.stopped.borrow() == Stop::Shutdown {
            return End::Closing(SUCCESS);
        }
        End::AfterJob(if self.site.environment.returns_job_result() { ending.code() } else { SUCCESS })
    }

    /// A job whose first renewal never succeeds is not begun.
    async fn first_renewal(&mut self, message: &JobMessage, session: &str) -> Option<Renewed> {
        for _attempt in 0..ATTEMPTS {
            match self.service.renew(&message.job_id, session).await {
                Ok(renewed) => return Some(renewed),
                Err(error) => self.terminal.trace(&chain(&error)),
            }
            sleep(self.site.root.release.pace.renew()).await;
        }
        None
    }

    /// A job that was canceled before it began has no steps, not even hooks.
    async fn refuse(&mut self, message: &JobMessage, session: &str) -> Ending {
        let result = JobResult::Canceled;
        let finished = Finished { result, steps: Vec::new(), log: String::new(), summaries: Vec::new() };
        let _is_told = self.complete(message, session, finished).await;
        Ending::Of(result)
    }

    async fn work(&mut self, message: &JobMessage, session: &str) -> Ending {
        let trace = match Trace::open(self.site.root.path(), "Worker") {
            Ok(trace) => trace,
            Err(error) => {
                self.terminal.complain(&format!("The worker cannot write its log: {error}"));
                return Ending::Of(JobResult::Failed);
            }
        };
        let every = self.site.root.release.pace.renew();
        let job = Box::pin(job::run(message, self.site, trace, self.stopped.clone()));
        let mut is_lost = false;
        let renewals = renew(&self.service, (&message.job_id, session), every, &self.stopper, &mut is_lost);
        // A renewal that is dropped is of no use any more.
        let finished = tokio::select! {
            finished = job => finished,
            never = renewals => match never {},
        };
        let result = finished.result;
        let is_told = self.complete(message, session, finished).await;
        let is_shutdown = *self.stopped.borrow() == Stop::Shutdown;
        match is_told {
            _ if is_lost => Ending::Abandoned,
            _ if is_shutdown => Ending::Of(JobResult::Canceled),
            true => Ending::Of(result),
            // The official worker dies of this.
            false => Ending::Of(JobResult::Failed),
        }
    }

    /// Whether the service took the end of the job.
    async fn complete(&mut self, message: &JobMessage, session: &str, finished: Finished) -> bool {
        let Finished { result, steps, log, summaries } = finished;
        let body = CompleteJob { session_id: session.to_owned(), result, steps, log, summaries };
        for _attempt in 0..ATTEMPTS {
            match self.service.complete(&message.job_id, &body).await {
                Ok(()) => return true,
                Err(error) => {
                    self.terminal.trace(&chain(&error));
                    let is_final = [StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::UNAUTHORIZED];
                    if error.status().is_some_and(|status| is_final.contains(&status)) {
                        return false;
                    }
                }
            }
            sleep(self.site.root.release.pace.complete_retry()).await;
        }
        false
    }
}

/// Renews the job until it is dropped. A job that the service cancels, or does not know as ours any more, is canceled.
async fn renew(
    service: &Service,
    of: (&str, &str),
    every: Duration,
    stopper: &Stopper,
    is_lost: &mut bool,
) -> Infallible {
    let (job, session) = of;
    let is_taken = |status| [StatusCode::NOT_FOUND, StatusCode::CONFLICT].contains(&status);
    loop {
        sleep(every).await;
        match service.renew(job, session).await {
            Ok(renewed) if renewed.cancel => stopper.tell(Stop::Canceled),
            Err(error) if error.status().is_some_and(is_taken) => {
                *is_lost = true;
                stopper.tell(Stop::Canceled);
            }
            // A renewal that gets no answer is made again.
            Ok(_) | Err(_) => {}
        }
    }
}
