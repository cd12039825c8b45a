//! From the service's job messages to news. Pure; what one message of many says in words that we do not know is passed
//! over, since the counts beside it still tell how many runners are wanted.

use hearth_model::Conclusion;
use serde_json::Value;

use super::{JobNews, JobSeen, JobTimes};
use crate::ids::{RequestId, RunId, RunnerId};
use crate::times::instant;
use crate::wire::JobMessage;

/// The news in a message's body, and how many entries were not understood.
pub(super) fn read(body: &str) -> (Vec<JobNews>, usize) {
    if body.trim().is_empty() {
        return (Vec::new(), 0);
    }
    let Ok(entries) = serde_json::from_str::<Vec<Value>>(body) else { return (Vec::new(), 1) };
    let all = entries.len();
    let news: Vec<JobNews> =
        entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok().and_then(one)).collect();
    let strange = all - news.len();
    (news, strange)
}

/// A job of the list of those that may be acquired.
pub(super) fn available(message: JobMessage) -> JobNews {
    JobNews::Available { job: job(message) }
}

fn one(mut message: JobMessage) -> Option<JobNews> {
    // Zero and nothing stand for "no runner yet".
    let runner = message.runner_id.filter(|id| *id != 0).map(RunnerId);
    let runner_name = message.runner_name.take().filter(|name| !name.is_empty());
    let (kind, said) = (std::mem::take(&mut message.message_type), std::mem::take(&mut message.result));
    let job = job(message);
    match kind.as_str() {
        "JobAvailable" => Some(JobNews::Available { job }),
        "JobAssigned" => Some(JobNews::Assigned { job }),
        "JobStarted" => Some(JobNews::Started { job, runner, runner_name }),
        "JobCompleted" => Some(JobNews::Completed { job, runner, runner_name, conclusion: conclusion(&said), said }),
        _ => None,
    }
}

fn job(message: JobMessage) -> JobSeen {
    let at = |text: &Option<String>| text.as_deref().and_then(instant);
    let times = JobTimes {
        queued: at(&message.queue_time),
        assigned: at(&message.scale_set_assign_time),
        started: at(&message.runner_assign_time),
        finished: at(&message.finish_time),
    };
    JobSeen {
        request: RequestId(message.runner_request_id),
        repository: format!("{}/{}", message.owner_name, message.repository_name),
        job: message.job_id.map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned)),
        workflow: message.job_workflow_ref,
        display_name: message.job_display_name,
        run: message.workflow_run_id.map(RunId),
        event: message.event_name,
        labels: message.request_labels,
        times,
    }
}

/// The service's word for an end, or REST's, as one of ours.
pub(super) fn conclusion(said: &str) -> Option<Conclusion> {
    match said.to_ascii_lowercase().as_str() {
        "succeeded" | "succeededwithissues" => Some(Conclusion::Success),
        "failed" | "abandoned" => Some(Conclusion::Failure),
        "canceled" => Some(Conclusion::Cancelled),
        word => Conclusion::from_word(word),
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Timestamp;

    use super::*;

    #[test]
    fn a_completed_job_brings_the_whole_record() {
        let body = r#"[{"messageType":"JobCompleted","runnerRequestId":7,"repositoryName":"widgets","ownerName":"acme",
            "jobId":"0c-1","jobWorkflowRef":"acme/widgets/.github/workflows/ci.yml@refs/heads/main",
            "jobDisplayName":"test (linux)","workflowRunId":11,"eventName":"push","requestLabels":["linux"],
            "queueTime":"2026-11-22T18:34:23Z","scaleSetAssignTime":"2026-11-22T18:34:24Z",
            "runnerAssignTime":"2026-11-22T18:34:25.5Z","finishTime":"2026-11-22T18:35:25Z",
            "result":"canceled","runnerId":3,"runnerName":"hearth-1","somethingNew":{}}]"#;
        let at = |ms: i64| Some(Timestamp::from_millis(1_795_372_463_000 + ms));
        let times = JobTimes { queued: at(0), assigned: at(1_000), started: at(2_500), finished: at(62_000) };
        let job = JobSeen {
            request: RequestId(7),
            repository: "acme/widgets".to_owned(),
            job: Some("0c-1".to_owned()),
            workflow: Some("acme/widgets/.github/workflows/ci.yml@refs/heads/main".to_owned()),
            display_name: "test (linux)".to_owned(),
            run: Some(RunId(11)),
            event: Some("push".to_owned()),
            labels: vec!["linux".to_owned()],
            times,
        };
        let completed = JobNews::Completed {
            job,
            runner: Some(RunnerId(3)),
            runner_name: Some("hearth-1".to_owned()),
            conclusion: Some(Conclusion::Cancelled),
            said: "canceled".to_owned(),
        };
        assert_eq!(read(body), (vec![completed], 0));
    }

    #[test]
    fn a_job_that_no_runner_took_has_no_runner_and_no_start() {
        let body = r#"[{"messageType":"JobCompleted","runnerRequestId":7,"runnerId":0,"runnerName":"","result":"canceled",
            "runnerAssignTime":"0001-01-01T00:00:00Z"}]"#;
        let (news, _) = read(body);
        let [JobNews::Completed { job, runner: None, runner_name: None, .. }] = &news[..] else {
            unreachable!("{news:?}")
        };
        assert_eq!(job.times, JobTimes::default());
    }

    #[test]
    fn null_stands_for_nothing() {
        let body = r#"[{"messageType":"JobAssigned","runnerRequestId":7,"result":null,"requestLabels":null,"jobId":null,
            "jobDisplayName":null,"queueTime":null,"runnerName":null,"repositoryName":null,"ownerName":null}]"#;
        assert!(matches!(read(body), (news, 0) if news.len() == 1));
    }

    #[test]
    fn what_is_not_understood_is_counted_and_passed_over() {
        let assigned = r#"{"messageType":"JobAssigned","runnerRequestId":1}"#;
        for (body, understood, strange) in [
            ("", 0, 0),
            ("[]", 0, 0),
            ("{}", 0, 1),
            ("not json", 0, 1),
            (&format!("[{assigned}]"), 1, 0),
            (&format!("[{assigned},{{\"messageType\":\"JobMoved\",\"runnerRequestId\":2}}]"), 1, 1),
            (&format!("[{{\"messageType\":\"JobAssigned\"}},{assigned}]"), 1, 1),
        ] {
            let (news, passed_over) = read(body);
            assert_eq!((news.len(), passed_over), (understood, strange), "{body}");
        }
    }

    #[test]
    fn both_services_words_for_an_end_are_known() {
        for (said, ours) in [
            ("succeeded", Some(Conclusion::Success)),
            ("Failed", Some(Conclusion::Failure)),
            ("canceled", Some(Conclusion::Cancelled)),
            ("skipped", Some(Conclusion::Skipped)),
            ("success", Some(Conclusion::Success)),
            ("timed_out", Some(Conclusion::TimedOut)),
            ("vanished", None),
            ("", None),
        ] {
            assert_eq!(conclusion(said), ours, "{said}");
        }
    }
}
