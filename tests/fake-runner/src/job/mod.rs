//! One job, from its message to its result:
//!
//! ```text
//!   Set up job ─▶ Set up runner (started hook) ─▶ steps ─▶ Complete runner (completed hook) ─▶ Complete job
//!                    always()                   success(), always(), failure()   always()       orphans killed
//! ```
//!
//! A cancellation ends the running step unless its condition still holds, and skips later ones whose condition does not.
//! A shutdown of the runner ends any step and skips everything that has not begun, hooks included.

mod checkout;
mod context;
mod file_commands;
mod folders;
mod log;
mod orphans;
mod step;
#[cfg(test)]
mod tests;
mod workflow_commands;

use std::collections::BTreeMap;
use std::fs;

use fake_github::runner_protocol::{Action, Conclusion, Condition, JobMessage, JobResult, StepResult};
use serde::Deserialize;
use uuid::Uuid;

use crate::configuration::Configuration;
use crate::diagnostics::{Trace, chain};
use crate::environment::Environment;
use crate::root::Root;
use crate::stop::{Stop, Stopped};

use context::Context;
use folders::{FolderError, Folders};
use log::Log;
use step::Work;

/// What a job finds when it comes.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) root: &'a Root,
    pub(crate) environment: &'a Environment,
    pub(crate) configuration: &'a Configuration,
}

/// What the service hears of a job.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) result: JobResult,
    pub(crate) steps: Vec<StepResult>,
    pub(crate) log: String,
    pub(crate) summaries: Vec<String>,
}

struct Job<'a> {
    message: &'a JobMessage,
    site: Site<'a>,
    context: Context,
    folders: Folders,
    log: Log,
    stopped: Stopped,
    knows_of_shutdown: bool,
    status: JobResult,
    steps: Vec<StepResult>,
    summaries: Vec<String>,
}

struct Planned<'a> {
    name: String,
    condition: Condition,
    work: Work<'a>,
}

/// One group of `.setup_info`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetupInfo {
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    detail: Option<String>,
}

/// Runs a job. Its failure is a result, never an error.
pub(crate) async fn run(message: &JobMessage, site: Site<'_>, trace: Trace, stopped: Stopped) -> Finished {
    let mut log = Log::new(trace);
    log.masks.add(&site.configuration.key.secret);
    let shown = serde_json::to_string_pretty(message).expect("texts and maps are JSON");
    log.trace(&format!("Job message:\n{shown}"));
    set_up(message, site, &mut log);
    let tracking_id = format!("github_{}", Uuid::new_v4());
    let (context, folders) = match enter(message, site, &tracking_id) {
        Ok(entered) => entered,
        Err(error) => {
            log.error(&chain(&error));
            let steps = vec![concluded("Set up job", Conclusion::Failure)];
            return Finished { result: JobResult::Failed, steps, log: log.text(), summaries: Vec::new() };
        }
    };
    let before = orphans::snapshot();
    let mut job = Job {
        message,
        site,
        context,
        folders,
        log,
        stopped,
        knows_of_shutdown: false,
        status: JobResult::Succeeded,
        steps: vec![concluded("Set up job", Conclusion::Success)],
        summaries: Vec::new(),
    };
    for planned in job.plan() {
        job.step(planned).await;
    }
    job.log.output("Cleaning up orphan processes");
    for (pid, name) in orphans::kill(&before, &tracking_id) {
        job.log.output(&format!("Terminate orphan process: pid ({pid}) ({name})"));
    }
    if let Err(error) = job.folders.wipe_temporary() {
        job.log.trace(&chain(&error));
    }
    job.steps.push(concluded("Complete job", Conclusion::Success));
    Finished { result: job.status, steps: job.steps, log: job.log.text(), summaries: job.summaries }
}

/// Says what this runner is.
fn set_up(message: &JobMessage, site: Site<'_>, log: &mut Log) {
    log.output(&format!("Current runner version: '{}'", site.root.release.version));
    log.output(&format!("Runner name: '{}'", site.configuration.runner.agent_name));
    match setup_info(site.root) {
        Ok(groups) => {
            for (heading, detail) in groups {
                log.group(&heading, detail.lines().map(str::to_owned));
            }
        }
        Err(why) => log.output(&format!("The file .setup_info cannot be printed: {why}")),
    }
    log.output("Prepare workflow directory");
    if !message.display_name.trim().is_empty() {
        log.output(&format!("Complete job name: {}", message.display_name));
    }
}

/// Heading and text of each group that is to be printed.
fn setup_info(root: &Root) -> Result<Vec<(String, String)>, String> {
    let path = root.file(".setup_info");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let groups: Vec<SetupInfo> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let shown = groups.into_iter().filter_map(|group| {
        let heading = group.group.filter(|heading| !heading.is_empty()).unwrap_or("Machine Setup Info".to_owned());
        let detail = group.detail.filter(|detail| !detail.is_empty())?;
        (!heading.to_ascii_lowercase().starts_with("_internal_")).then_some((heading, detail))
    });
    Ok(shown.collect())
}

/// The directories of this job, and what its steps are to see.
fn enter(message: &JobMessage, site: Site<'_>, tracking_id: &str) -> Result<(Context, Folders), FolderError> {
    let repository = message.github.get("repository").map(String::as_str).unwrap_or_default();
    let folders = Folders::prepare(&site.configuration.work, repository, site.environment.tool_cache())?;
    let mut inherited = site.environment.variables().clone();
    inherited.insert(orphans::VARIABLE.into(), tracking_id.into());
    let mut context = Context::new(inherited, message.env.clone(), message.github.clone());
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    context.github.insert("workspace".to_owned(), text(&folders.workspace));
    context.runner = BTreeMap::from([
        ("os".to_owned(), "Linux".to_owned()),
        ("arch".to_owned(), architecture().to_owned()),
        ("name".to_owned(), site.configuration.runner.agent_name.clone()),
        ("environment".to_owned(), "self-hosted".to_owned()),
        ("tool_cache".to_owned(), text(&folders.tools)),
        ("temp".to_owned(), text(&folders.temporary)),
        ("workspace".to_owned(), text(&folders.pipeline)),
    ]);
    Ok((context, folders))
}

/// By the runner's names.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "ARM64",
        "arm" => "ARM",
        "x86" => "X86",
        _ => "X64",
    }
}

impl<'a> Job<'a> {
    fn plan(&self) -> Vec<Planned<'a>> {
        let hook = |name: &str, path, when| Planned {
            name: name.to_owned(),
            condition: Condition::Always,
            work: Work::Hook { path, when },
        };
        let started = self.site.environment.started_hook().map(|path| hook("Set up runner", path, "starts"));
        let completed = self.site.environment.completed_hook().map(|path| hook("Complete runner", path, "completes"));
        let mut calls = BTreeMap::new();
        let steps = self.message.steps.iter().map(|step| {
            let kind = if matches!(step.action, Action::Run(_)) { "__run" } else { "__actions_checkout" };
            let count = calls.entry(kind).and_modify(|count| *count += 1).or_insert(1);
            let name = if *count == 1 { kind.to_owned() } else { format!("{kind}_{count}") };
            Planned { name: step.name.clone(), condition: step.condition, work: Work::Step { step, name } }
        });
        started.into_iter().chain(steps).chain(completed).collect()
    }

    async fn step(&mut self, planned: Planned<'_>) {
        let Planned { name, condition, work } = planned;
        let stop = self.hear_stop();
        if stop == Stop::Shutdown || !holds(condition, self.status) {
            self.steps.push(concluded(&name, Conclusion::Skipped));
            return;
        }
        let conclusion = self.carry_out(&work, condition).await;
        self.hear_stop();
        if conclusion == Conclusion::Failure && self.status == JobResult::Succeeded {
            self.status = JobResult::Failed;
        }
        self.steps.push(concluded(&name, conclusion));
    }

    /// Takes note of what the job was told.
    fn hear_stop(&mut self) -> Stop {
        let stop = *self.stopped.borrow();
        if stop == Stop::Shutdown && !std::mem::replace(&mut self.knows_of_shutdown, true) {
            self.log.error("The runner has received a shutdown signal.");
        }
        self.status = status_after(self.status, stop);
        stop
    }
}

fn concluded(name: &str, conclusion: Conclusion) -> StepResult {
    StepResult { name: name.to_owned(), conclusion }
}

fn holds(condition: Condition, status: JobResult) -> bool {
    match condition {
        Condition::Always => true,
        Condition::Success => status == JobResult::Succeeded,
        Condition::Failure => status == JobResult::Failed,
    }
}

/// A canceled job is canceled whatever its steps said. One whose runner was stopped has failed.
fn status_after(status: JobResult, stop: Stop) -> JobResult {
    match (stop, status) {
        (Stop::No, status) => status,
        (Stop::Canceled, _) | (Stop::Shutdown, JobResult::Canceled) => JobResult::Canceled,
        (Stop::Shutdown, _) => JobResult::Failed,
    }
}
