//! The least that plays a runner: takes one job and ends it well.

use std::time::Duration;

use fake_github::runner_protocol::{
    CompleteJob, JitConfiguration, JobMessage, JobResult, OfSession, OpenSession, Session,
};
use hearth_forge::Ticket;
use reqwest::{Client, Response, StatusCode};
use serde::Serialize;

/// A runner with a session.
pub(crate) struct Runner {
    client: Client,
    base: String,
    session: String,
}

impl Runner {
    /// Comes up with a ticket. `None`: the registration is gone.
    pub(crate) async fn start(ticket: &Ticket) -> Option<Self> {
        let jit = JitConfiguration::decode(ticket.jit.expose()).unwrap();
        assert_eq!(jit.runner.agent_name, ticket.name.as_str());
        let (client, base) = (Client::new(), jit.runner.server_url.clone());
        let open = OpenSession {
            agent_id: jit.runner.agent_id,
            agent_name: jit.runner.agent_name,
            version: "2.336.0".to_owned(),
            os: "linux".to_owned(),
            secret: jit.key.secret,
        };
        let answer = post(&client, &format!("{base}/sessions"), &open).await;
        if answer.status() == StatusCode::NOT_FOUND {
            return None;
        }
        let opened: Session = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        Some(Self { client, base, session: opened.session_id })
    }

    /// Waits for a job and takes it. `None`: there was none in time.
    pub(crate) async fn take(&self) -> Option<JobMessage> {
        let url = format!("{}/sessions/{}/message?wait_ms=500", self.base, self.session);
        for _ in 0..20 {
            let answer = self.client.get(&url).timeout(Duration::from_secs(30)).send().await.unwrap();
            if answer.status() == StatusCode::OK {
                let job: JobMessage = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
                let of = OfSession { session_id: self.session.clone() };
                let taken = post(&self.client, &format!("{}/jobs/{}/acquire", self.base, job.job_id), &of).await;
                if taken.status() == StatusCode::OK {
                    return Some(job);
                }
            }
        }
        None
    }

    pub(crate) async fn complete(&self, job: &JobMessage) {
        let done = CompleteJob {
            session_id: self.session.clone(),
            result: JobResult::Succeeded,
            steps: Vec::new(),
            log: String::new(),
            summaries: Vec::new(),
        };
        let answer = post(&self.client, &format!("{}/jobs/{}/complete", self.base, job.job_id), &done).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

async fn post(client: &Client, url: &str, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).unwrap();
    client.post(url).header("content-type", "application/json").body(body).send().await.unwrap()
}
