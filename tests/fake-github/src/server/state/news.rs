//! What a scale set is told of its jobs, in the words of the Actions service.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{JobId, JobRecord, State};
use crate::runner_protocol::JobResult;
use crate::server::clock::service_time;

/// A time that has not come yet.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Available,
    Assigned,
    Started,
    Completed(JobResult),
}

impl State {
    /// Tells the job's set, if it has one and the set is still there.
    pub(super) fn tell_set(&mut self, id: JobId, news: News) {
        if let Some(set) = self.jobs.get(id).and_then(|job| job.scale_set) {
            self.tell(set, id, news);
        }
    }

    pub(super) fn tell(&mut self, set: u64, id: JobId, news: News) {
        let Some(job) = self.jobs.get(id) else { return };
        let mut message = message(job);
        let runner = |message: &mut Value| {
            // Zero and empty when it never had one.
            message["runnerId"] = job.runner.as_ref().map_or(0, |runner| runner.id).into();
            message["runnerName"] = job.runner.as_ref().map_or("", |runner| &runner.name).into();
        };
        let kind = match news {
            News::Available => {
                let base = format!("{}/_services/pipelines/{}", self.base, self.tenant);
                let address = format!("{base}/_apis/runtime/runnerscalesets/{set}/acquirejobs");
                message["acquireJobUrl"] = address.into();
                "JobAvailable"
            }
            News::Assigned => "JobAssigned",
            News::Started => {
                runner(&mut message);
                "JobStarted"
            }
            News::Completed(result) => {
                runner(&mut message);
                message["result"] = json!(result);
                "JobCompleted"
            }
        };
        message["messageType"] = kind.into();
        self.moves += 1;
        if let Some(set) = self.sets.get_mut(set) {
            set.queue.tell(message);
        }
    }
}

/// What every kind of news says.
fn message(job: &JobRecord) -> Value {
    let (owner, name) = job.queue_name();
    let time = |time: Option<Timestamp>| time.map_or_else(|| NO_TIME.to_owned(), service_time);
    json!({
        "runnerRequestId": job.request_id,
        "repositoryName": name,
        "ownerName": owner,
        "jobId": job.uuid,
        "jobWorkflowRef": job.job.workflow_ref(),
        "jobDisplayName": job.job.name,
        "workflowRunId": job.run_id,
        "eventName": job.job.event_name,
        "requestLabels": job.job.labels,
        "queueTime": time(Some(job.queued_at)),
        "scaleSetAssignTime": time(job.assigned_at),
        "runnerAssignTime": time(job.runner_assigned_at),
        "finishTime": time(job.finished_at),
    })
}

/// A set in numbers.
pub(crate) fn statistics(state: &State, set: u64) -> Value {
    use super::Phase;
    let mine = || state.jobs.engaged().filter(|job| job.scale_set == Some(set));
    let count = |phase: &dyn Fn(&Phase) -> bool| mine().filter(|job| phase(&job.phase)).count();
    let runners = || state.runners.all().filter(|runner| runner.scale_set == Some(set));
    let available = state.jobs.queued().filter(|job| job.announced.contains(&set)).count();
    json!({
        "totalAvailableJobs": available,
        "totalAcquiredJobs": count(&|phase| !matches!(phase, Phase::Running)),
        "totalAssignedJobs": mine().count(),
        "totalRunningJobs": count(&|phase| matches!(phase, Phase::Running)),
        "totalRegisteredRunners": runners().count(),
        "totalBusyRunners": runners().filter(|runner| runner.busy).count(),
        "totalIdleRunners": runners().filter(|runner| runner.is_online() && !runner.busy).count(),
    })
}
