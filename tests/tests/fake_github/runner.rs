//! A runner and a listener of a scale set, as thin as they can be: each method is one call.

use fake_github::runner_protocol::{JitConfiguration, JobMessage};
use fake_github::{FakeGithub, JobId, Phase};
use serde_json::{Value, json};

use super::client::{Lab, PATIENCE, Reply, Request};

/// A runner that has a session.
#[derive(Debug)]
pub(crate) struct Runner {
    base: String,
    session: String,
}

impl Runner {
    pub(crate) fn open(blob: &str, version: &str) -> Reply {
        let JitConfiguration { runner, key, .. } = JitConfiguration::decode(blob).expect("a blob");
        let body = json!({
            "agentId": runner.agent_id, "agentName": runner.agent_name, "version": version, "os": "linux",
            "secret": key.secret,
        });
        Request::new("POST", format!("{}/sessions", runner.server_url)).json(&body).send()
    }

    /// Connects a registered runner.
    pub(crate) fn connect(blob: &str) -> Self {
        let session = Self::open(blob, "2.330.0").expect(200).json()["sessionId"].as_str().expect("an id").to_owned();
        Self { base: JitConfiguration::decode(blob).expect("a blob").runner.server_url, session }
    }

    pub(crate) fn poll(&self) -> Option<JobMessage> {
        let wait = PATIENCE.as_millis() / 2;
        self.poll_for(wait)
    }

    pub(crate) fn poll_for(&self, wait_ms: u128) -> Option<JobMessage> {
        let url = format!("{}/sessions/{}/message?wait_ms={wait_ms}", self.base, self.session);
        let reply = Request::new("GET", url).send();
        (reply.status == 200).then(|| serde_json::from_value(reply.json()).expect("a job"))
    }

    pub(crate) fn of_job(&self, job: &str, verb: &str, mut body: Value) -> Reply {
        body["sessionId"] = self.session.clone().into();
        Request::new("POST", format!("{}/jobs/{job}/{verb}", self.base)).json(&body).send()
    }

    pub(crate) fn acquire(&self, job: &str) -> Reply {
        self.of_job(job, "acquire", json!({}))
    }

    pub(crate) fn complete(&self, job: &str, result: &str) -> Reply {
        let steps = json!([{ "name": "Run true", "conclusion": "success" }]);
        let body = json!({ "result": result, "steps": steps, "log": "a log", "summaries": ["# Done"] });
        self.of_job(job, "complete", body)
    }

    pub(crate) fn close(&self) -> Reply {
        Request::new("DELETE", format!("{}/sessions/{}", self.base, self.session)).send()
    }

    /// Waits for a job, runs it and goes.
    pub(crate) fn run_one(&self) -> String {
        let job = self.poll().expect("a job").job_id;
        self.acquire(&job).expect(200);
        self.complete(&job, "succeeded").expect(200);
        self.close().expect(204);
        job
    }
}

/// A scale set, its session, and its token.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) service: String,
    pub(crate) admin: String,
    pub(crate) set: u64,
    pub(crate) session: Value,
}

/// The way from a token of REST to the Actions service.
pub(crate) fn connect(lab: &Lab, scope: &str, url: &str) -> Reply {
    let token = lab.rest("POST", &format!("{scope}/actions/runners/registration-token")).bearer(&lab.token).send();
    let token = token.expect(201).json()["token"].as_str().expect("a token").to_owned();
    lab.rest("POST", "/actions/runner-registration")
        .header("authorization", &format!("RemoteAuth {token}"))
        .json(&json!({ "url": url, "runner_event": "register" }))
        .send()
}

impl Listener {
    /// Connects for `acme`, makes a set with these labels and opens a session.
    pub(crate) fn open(lab: &Lab, name: &str, labels: &[&str]) -> Self {
        let mut listener = Self::admin(lab);
        listener.set = listener.create(name, labels).expect(200).json()["id"].as_u64().expect("an id");
        listener.session = listener.open_session().expect(200).json();
        listener
    }

    /// Only the connection.
    pub(crate) fn admin(lab: &Lab) -> Self {
        let answer = connect(lab, "/orgs/acme", &format!("{}/acme", lab.github.url())).expect(200).json();
        let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
        let service = text("url").trim_end_matches('/').to_owned();
        Self { service, admin: text("token"), set: 0, session: Value::Null }
    }

    pub(crate) fn call(&self, method: &'static str, path: &str) -> Request {
        let mark = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}/_apis{path}{mark}api-version=6.0-preview", self.service);
        Request::new(method, url).bearer(&self.admin)
    }

    pub(crate) fn create(&self, name: &str, labels: &[&str]) -> Reply {
        let labels: Vec<_> = labels.iter().map(|name| json!({ "type": "System", "name": name })).collect();
        let body = json!({
            "name": name, "runnerGroupId": 1, "labels": labels, "RunnerSetting": { "disableUpdate": true },
        });
        self.call("POST", "/runtime/runnerscalesets").json(&body).send()
    }

    pub(crate) fn open_session(&self) -> Reply {
        let path = format!("/runtime/runnerscalesets/{}/sessions", self.set);
        self.call("POST", &path).json(&json!({ "ownerName": "oven" })).send()
    }

    pub(crate) fn of_session(&self, method: &'static str) -> Reply {
        let session = self.session["sessionId"].as_str().expect("a session");
        self.call(method, &format!("/runtime/runnerscalesets/{}/sessions/{session}", self.set)).send()
    }

    pub(crate) fn queue(&self, method: &'static str, url: &str) -> Request {
        let token = self.session["messageQueueAccessToken"].as_str().expect("a token");
        Request::new(method, url).bearer(token).header("accept", "application/json; api-version=6.0-preview")
    }

    pub(crate) fn poll_request(&self, last: u64, capacity: u32) -> Request {
        let queue = self.session["messageQueueUrl"].as_str().expect("an address");
        let url = if last == 0 { queue.to_owned() } else { format!("{queue}&lastMessageId={last}") };
        self.queue("GET", &url).header("x-scalesetmaxcapacity", &capacity.to_string())
    }

    /// The next message; its body taken apart.
    pub(crate) fn poll(&self, last: u64, capacity: u32) -> Option<(u64, Vec<Value>, Value)> {
        let reply = self.poll_request(last, capacity).send();
        if reply.status == 202 {
            return None;
        }
        let message = reply.expect(200).json();
        let body = message["body"].as_str().expect("the body is a text");
        let news = serde_json::from_str(body).expect("which holds an array");
        Some((message["messageId"].as_u64().expect("a number"), news, message["statistics"].clone()))
    }

    pub(crate) fn acknowledge(&self, message: u64) -> Reply {
        let queue = self.session["messageQueueUrl"].as_str().expect("an address");
        let (path, query) = queue.split_once('?').expect("an address with a query");
        self.queue("DELETE", &format!("{path}/{message}?{query}")).send()
    }

    pub(crate) fn generate(&self, name: &str) -> Reply {
        let path = format!("/runtime/runnerscalesets/{}/generatejitconfig", self.set);
        self.call("POST", &path).json(&json!({ "name": name, "workFolder": "_work" })).send()
    }

    pub(crate) fn runner(&self, name: &str) -> Runner {
        Runner::connect(self.generate(name).expect(200).json()["encodedJITConfig"].as_str().expect("a blob"))
    }

    pub(crate) fn acquire(&self, requests: &[i64]) -> Reply {
        let token = self.session["messageQueueAccessToken"].as_str().expect("a token");
        let path = format!("/runtime/runnerscalesets/{}/acquirejobs", self.set);
        self.call("POST", &path).bearer(token).json(&json!(requests)).send()
    }

    pub(crate) fn agent(&self, method: &'static str, id: u64) -> Reply {
        self.call(method, &format!("/distributedtask/pools/0/agents/{id}")).send()
    }
}

pub(crate) fn kinds(news: &[Value]) -> Vec<&str> {
    news.iter().map(|news| news["messageType"].as_str().expect("a kind")).collect()
}

#[track_caller]
pub(crate) fn reaches(github: &FakeGithub, job: JobId, phase: impl Fn(Phase) -> bool) {
    let is_there = |state: &fake_github::State| state.job(job).is_some_and(|job| phase(job.phase));
    assert!(github.until(is_there, PATIENCE), "{:?}", github.job(job));
}
