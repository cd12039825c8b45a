//! The ground on which the demo's jobs run: its directory, its environment, and one way to run a job as a real
//! `hearth exec` and to learn from its receipt and from the ledger what came of it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use hearth_host::clock::SystemClock;
use hearth_ledger::Book;
use hearth_model::{Bytes, ExecutionId, Millis, Timestamp};

use super::DemoError;
use super::figures::{JobFigures, Receipt};
use super::plans::{Cache, Plan, Presence};
use super::progress::say;
use super::project::Project;
use super::stage::{Ran, Stage, Stream};
use super::units::Units;
use crate::environment::{CONFIG, Environment};
use crate::places::Places;
use crate::targets::Targets;

/// The jobs' configuration, so that the user's own has no say. One slot: what runs one after the other needs no more,
/// and every job has the same paths even where there is no mount namespace.
const CONFIGURATION: &str = "\
# The configuration of the demo's jobs; everything else is as Hearth comes.
[slots]
count = 1

[targets]
free_reserve = \"256MiB\"

[cache]
free_reserve = \"256MiB\"
";

/// Where jobs run. Borrows the stage, which outlives it to end what is left.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    pub(super) stage: &'a mut Stage,
    pub(super) project: Project,
    root: PathBuf,
    own: PathBuf,
    scrubbed: Vec<OsString>,
    jobs: u32,
}

impl<'a> Ground<'a> {
    pub(super) fn prepare(stage: &'a mut Stage, root: &Path, environment: &Environment) -> Result<Self, DemoError> {
        let own = std::env::current_exe().map_err(DemoError::Own)?;
        for (path, text) in [("hearth.toml", CONFIGURATION), ("tmp/.keep", ""), ("receipts/.keep", "")] {
            let path = root.join(path);
            let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
            written.map_err(|cause| DemoError::File { what: "write", path, cause })?;
        }
        let scrubbed = environment.texts().filter(|(name, _)| is_scrubbed(name)).map(|(name, _)| name.into());
        let project = Project::write(root.join("kiln"))?;
        Ok(Self { stage, project, root: root.to_owned(), own, scrubbed: scrubbed.collect(), jobs: 0 })
    }

    pub(super) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// This program with the demo's state, for people to copy.
    pub(super) fn own_command_line(&self, arguments: &str) -> String {
        format!("{} --state {} {arguments}", self.own.display(), self.state().display())
    }

    /// This program with the demo's state and configuration and none of the user's.
    pub(super) fn hearth(&self) -> Command {
        let mut command = self.scrub(Command::new(&self.own));
        command.arg("--state").arg(self.state()).env(CONFIG, self.root.join("hearth.toml"));
        command
    }

    /// Runs a program that has to succeed.
    pub(super) fn tool(&mut self, command: Command, what: &'static str) -> Result<Ran, DemoError> {
        let command = self.scrub(command);
        self.unscrubbed_tool(command, what)
    }

    /// The same with all that the user has set, say a proxy for cargo.
    pub(super) fn unscrubbed_tool(&mut self, command: Command, what: &'static str) -> Result<Ran, DemoError> {
        let ran = self.stage.run(command, |_, line| line.trim().to_owned())?;
        if ran.status.success() {
            return Ok(ran);
        }
        self.show_output(&ran);
        Err(DemoError::Tool { what, status: ran.status })
    }

    /// Whether this program runs and succeeds.
    pub(super) fn has(&mut self, program: &str, arguments: &[&str]) -> Result<Presence, DemoError> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.project.root());
        let command = self.scrub(command);
        match self.stage.run(command, |_, _| String::new()) {
            Ok(ran) if ran.status.success() => Ok(Presence::There),
            Ok(_) | Err(DemoError::Start { .. }) => Ok(Presence::Missing),
            Err(other) => Err(other),
        }
    }

    /// Runs a job in a fresh checkout, waits for the upkeep after it, and reads what came of it.
    pub(super) fn job(&mut self, plan: &Plan) -> Result<JobFigures, DemoError> {
        let checkout = self.project.fresh_checkout()?;
        self.tool(checkout, "make a fresh checkout")?;
        self.jobs += 1;
        let receipt = self.root.join(format!("receipts/{}-{}.json", self.jobs, plan.job));
        let command = self.exec(plan, &receipt);
        self.stage.progress.begin(&plan.title);
        let mut units = Units::default();
        let ran = self.stage.run(command, |stream, line| {
            if stream == Stream::Output {
                units.hear(line);
            }
            format!("{} units", units.total)
        })?;
        if !ran.status.success() {
            self.show_output(&ran);
            return Err(DemoError::Job { job: plan.title.clone(), status: ran.status });
        }
        let receipt = read_receipt(&receipt)?;
        let fresh = units.total - units.compiled;
        self.stage.progress.end(&format!("{}, {fresh} of {} units fresh", receipt.ran_ms, units.total));
        if plan.run_id.is_none() {
            // What a person sees of any job; once is enough, so not in the pipelines.
            for line in ran.of(Stream::Error).filter(|line| line.starts_with("hearth: ")) {
                say(&format!("      {line}"));
            }
        }
        let upkeep = self.upkeep(plan.job)?;
        let times = self.times(receipt.execution)?;
        Ok(JobFigures::new((plan.job, &plan.command()), receipt, times, units, upkeep))
    }

    fn exec(&self, plan: &Plan, receipt: &Path) -> Command {
        let mut command = self.hearth();
        command.arg("exec").arg("--repo").arg(self.project.root()).arg("--receipt").arg(receipt);
        command.args(["--event", "push", "--job", plan.job, "--workflow", plan.workflow]);
        if let Some(run_id) = plan.run_id {
            command.arg("--run-id").arg(run_id.to_string());
        }
        if let Some(lane) = plan.lane {
            command.args(["--lane", lane]);
        }
        if plan.cache == Cache::Off {
            command.env("HEARTH_SCCACHE", "off");
        }
        // What the job's tools leave in the temporary directory goes with the demo's own.
        command.env("TMPDIR", self.root.join("tmp"));
        command.args(["--", "sh", "-c", &plan.command()]);
        command
    }

    /// The job has started an upkeep of its own, which nobody waits for. Ours comes after it, or does its work.
    fn upkeep(&mut self, after: &str) -> Result<Millis, DemoError> {
        self.stage.progress.begin(&format!("upkeep after {after}"));
        let mut command = self.hearth();
        command.arg("upkeep");
        let ran = self.tool(command, "make the next clone ready")?;
        self.stage.progress.drop_step();
        Ok(ran.took)
    }

    fn times(&self, execution: ExecutionId) -> Result<(Option<Timestamp>, Option<Timestamp>), DemoError> {
        let places = Places::at(&self.state());
        let opened = Book::open(&places.ledger(), Arc::new(SystemClock::default())).map_err(DemoError::Ledger)?;
        let booked = opened.book.execution(execution).map_err(DemoError::Ledger)?;
        Ok(booked.map_or((None, None), |booked| (booked.accepted_at, booked.completed_at)))
    }

    /// Takes all warm targets away and leaves the compile cache: the machine next door.
    pub(super) fn forget_targets(&self) -> Result<(), DemoError> {
        let places = Places::at(&self.state());
        let targets = Targets::open(&places.targets(), &places.trash(), Bytes(0), Bytes(0));
        let forgotten = targets.and_then(|targets| {
            targets.evict(Bytes(0))?;
            targets.empty_trash()
        });
        forgotten.map(drop).map_err(DemoError::Targets)
    }

    /// What a program that has failed had to say, without what was meant for programs.
    fn show_output(&mut self, ran: &Ran) {
        self.stage.progress.drop_step();
        let mut unheard = Units::default();
        for (stream, line) in &ran.lines {
            if *stream == Stream::Error || unheard.hear(line).is_some() {
                say(&format!("  | {line}"));
            }
        }
    }

    fn scrub(&self, mut command: Command) -> Command {
        for name in &self.scrubbed {
            command.env_remove(name);
        }
        command
    }
}

/// Variables that would make the jobs others than the demo says they are. `CARGO_HOME` and `RUSTUP_*` stay, so that
/// nothing is downloaded twice.
fn is_scrubbed(name: &str) -> bool {
    let prefixes = ["CARGO_", "RUSTC", "RUSTFLAGS", "RUSTDOC", "HEARTH_", "SCCACHE_", "GIT_"];
    let names = ["CARGO", "MAKEFLAGS", "MFLAGS", "OUT_DIR"];
    name != "CARGO_HOME" && (names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix)))
}

fn read_receipt(path: &Path) -> Result<Receipt, DemoError> {
    let bytes = fs::read(path).map_err(|cause| DemoError::File { what: "read", path: path.to_owned(), cause })?;
    serde_json::from_slice(&bytes).map_err(|cause| DemoError::Receipt { path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_way_to_the_toolchain_is_inherited() {
        for name in ["CARGO_INCREMENTAL", "CARGO_TARGET_DIR", "RUSTC_WRAPPER", "RUSTFLAGS", "HEARTH_STATE", "GIT_DIR"] {
            assert!(is_scrubbed(name), "{name}");
        }
        for name in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "PATH", "HOME", "https_proxy"] {
            assert!(!is_scrubbed(name), "{name}");
        }
    }
}
