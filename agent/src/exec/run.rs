//! The walk of one local job, from the command line to the receipt.

use std::io;
use std::path::{Path, PathBuf};

use hearth_host::clock::SystemClock;
use hearth_host::guard::{EnvironmentBase, Raw, Start, Stdio, Usage};
use hearth_host::processes;
use hearth_host::view::{Access, Mount, Shown, View, ViewError};
use hearth_ledger::Owner;
use hearth_model::{Clock, ExecutionId, Millis, Outcome, SlotNumber, UsageReading};
use hearth_trust::{Trust, classify};

use super::facts::{build_options, facts};
use super::summary::{self, Told};
use super::{ExecArgs, OWN_FAILURE};
use crate::checkout::{self, Checkout, GitError, Toolchain, Workspace};
use crate::desk::{Desk, DeskError};
use crate::environment::{EXECUTION, Environment};
use crate::journey::{Begun, Finish, Intent, Receipt, Stage, Target, chain};
use crate::places::{Places, PlacesError};
use crate::settings::Settings;
use crate::slots::{self, JobPlace, SlotsError};
use crate::supervision::{CompileCache, JOB, Limits, SuperviseError, Supervisor, told_apart_from_full_disk, wrapper};
use crate::targets::{GivenBack, LaneKey, LanePaths, Restored, link_final_artifacts};

#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error("there is no directory {path}")]
    Directory {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(transparent)]
    Git(GitError),
    #[error(transparent)]
    Places(PlacesError),
    #[error(transparent)]
    Slots(SlotsError),
    #[error(transparent)]
    Desk(DeskError),
    #[error(transparent)]
    Supervise(SuperviseError),
    #[error("cannot find this program's own file")]
    Own(#[source] io::Error),
    #[error("cannot show the slot at its constant place")]
    View(#[source] ViewError),
    #[error("cannot tell this process from others")]
    Identity(#[source] io::Error),
}

/// Runs the job; gives the exit code.
pub async fn run(args: ExecArgs, settings: Settings, environment: Environment) -> Result<i32, ExecError> {
    let directory =
        args.repo.canonicalize().map_err(|cause| ExecError::Directory { path: args.repo.clone(), cause })?;
    let own = std::env::current_exe().map_err(ExecError::Own)?;
    // What takes longest first, and all of it at once.
    let places = Places::open(&settings.state).map_err(ExecError::Places)?;
    let mut supervisor = Supervisor::start(own.as_os_str()).map_err(ExecError::Supervise)?;
    let (checkout, toolchain, workspace, has_view) = tokio::join!(
        checkout::inspect(&directory),
        Toolchain::of(&directory),
        Workspace::of(&directory),
        supervisor.enter_view()
    );
    let mut checkout = checkout.map_err(ExecError::Git)?;
    let has_view = has_view.map_err(ExecError::Supervise)?;
    let (mut desk, mut warnings) = Desk::open(settings.clone()).await.map_err(ExecError::Desk)?;

    let slot = slots::claim(&places, settings.file.slots.count, || {
        summary::waiting(settings.file.slots.count, args.quiet);
    });
    let slot = tokio::select! {
        slot = slot => slot.map_err(ExecError::Slots)?,
        // Nothing has begun yet, so there is nothing to end and nothing to book.
        signal = supervisor.stop_signal() => {
            summary::gave_up_waiting(signal, args.quiet);
            return Ok(128 + signal);
        }
    };
    let build_directory = if has_view { places.view().join("build") } else { slot.job().join("build") };
    let facts = facts(&args, &checkout, toolchain.as_ref().ok(), &environment);
    let (target, why_no_target) = match lane_of(&checkout, toolchain.as_ref(), &args, &environment, &build_directory) {
        Ok(key) => (Target::Lane(Box::new(key)), None),
        Err(why) => (Target::Off { why: why.clone() }, Some(why)),
    };
    let execution = ExecutionId::new(SystemClock::default().now());
    let intent = Intent { execution, facts, slot: slot.number, owner: owner()?, target, stage: Stage::Waiting };
    let (begun, access) = desk.begin(intent).await.map_err(ExecError::Desk)?;
    tracing::debug!(job.execution = %begun.execution, "job step: leased");

    // From here on the job is in the ledger, so whatever goes wrong has to be booked.
    let carried = async {
        let restored = restore(&places, &begun, &mut checkout, &mut warnings);
        if let (Some(lease), Some(workspace)) = (&begun.lease, &workspace)
            && let Err(error) = link_final_artifacts(&lease.build, workspace, &triples(&args, &environment))
        {
            warnings.push(format!("tests may not find the binaries that they test: {error}"));
        }
        if has_view {
            let shown = Shown { source: slot.job(), place: places.view(), access: Access::Writable, owners: None };
            let view = View { mounts: vec![Mount::Shown(shown)] };
            supervisor.assemble(view).await.map_err(ExecError::Supervise)?.map_err(ExecError::View)?;
        }
        let told = Told::new(&args, &checkout, slot.number, &begun, restored, why_no_target);
        let compile = match wrapper(&settings.file.compiler_cache, &environment, &places.programs()) {
            Err(without) => Err(without),
            Ok(program) => {
                // The job sees the whole machine, so it finds its sockets where we do.
                let place = JobPlace { ours: slot.job(), seen: slot.job(), user: None };
                CompileCache::start(program, &desk, &begun, &access, &mut supervisor, place, &environment).await
            }
        };
        let start = command(&args, &directory, &begun, compile.as_ref().ok(), &build_directory);
        tracing::debug!(job.execution = %begun.execution, "job step: prepared");
        desk.started(begun.execution).await.map_err(ExecError::Desk)?;
        tracing::debug!(job.execution = %begun.execution, "job step: started");

        let limits = Limits {
            stop_grace: settings.file.exec.stop_grace.0.to_duration(),
            time_limit: args.time_limit.or(settings.file.exec.time_limit.map(|t| t.0)).map(Millis::to_duration),
        };
        let (outcome, ran) = watch(&mut supervisor, start, limits, &desk, &begun).await?;
        Ok::<_, ExecError>((told, compile, outcome, ran))
    };
    let (mut told, compile, outcome, ran) = match carried.await {
        Ok(carried) => carried,
        Err(error) => return Err(give_up(error, supervisor, desk, begun, checkout).await),
    };
    if let Some(error) = supervisor.refusal() {
        warnings.push(format!("cannot start `{}`: {error}", args.command[0].to_string_lossy()));
    }
    let outcome = told_apart_from_full_disk(outcome, &[&checkout.top, &slot.directory]);
    // Should we die before the end is in the ledger, the time is there already.
    desk.beat(begun.execution, ran).await;
    tracing::debug!(job.execution = %begun.execution, "job step: ended");
    match compile {
        Ok(cache) => told.counted(cache.finish().await),
        Err(without) => told.without(&without),
    }
    let (swept, usage) = supervisor.sweep().await;
    let usage = usage.map_or(UsageReading::NOT_MEASURED, Usage::reading);
    tracing::debug!(job.execution = %begun.execution, "job step: swept");
    let (compile, build_options) = (told.compile_counts(), build_options(&args.command));
    let checkout = Some(checkout);
    let receipt = desk.finish(Finish { begun, checkout, outcome, ran, swept, usage, compile, build_options }).await;
    let receipt = receipt.map_err(ExecError::Desk)?;
    tracing::debug!(job.execution = %receipt.execution, "job step: recorded");
    // The slot is free before anybody is told that the job is done.
    drop(slot);
    if matches!(desk, Desk::Here(_)) && has_upkeep(&receipt, &places) {
        start_upkeep(&own, &settings, &mut warnings);
    }
    warnings.extend(receipt.warnings.clone());
    if let Some(path) = &args.receipt
        && let Err(error) = told.write_receipt(path, outcome, ran, &usage, &receipt)
    {
        // The job has ended as it has, and its exit code is what the caller waits for.
        warnings.push(format!("the receipt could not be written to {}: {error}", path.display()));
    }
    told.print(outcome, ran, &receipt, &warnings);
    Ok(outcome.exit_code())
}

/// Books a job whose command did not come into being because of us: it costs nothing, and its clone is dropped.
async fn give_up(
    error: ExecError,
    supervisor: Supervisor,
    mut desk: Desk,
    begun: Begun,
    checkout: Checkout,
) -> ExecError {
    let (swept, usage) = supervisor.sweep().await;
    let usage = usage.map_or(UsageReading::NOT_MEASURED, Usage::reading);
    let outcome = Outcome::NeverStarted { code: OWN_FAILURE.into() };
    let execution = begun.execution;
    let (ran, compile, build_options) = (Millis(0), None, String::new());
    let checkout = Some(checkout);
    let finish = Finish { begun, checkout, outcome, ran, swept, usage, compile, build_options };
    if let Err(error) = desk.finish(finish).await {
        tracing::warn!(job.execution = %execution, "the job stays open until the next one: {}", chain(&error));
    }
    error
}

/// The lane and the scopes that a job in this checkout would have, or why it would have no warm target.
pub async fn expectation(
    repo: &Path,
    job: &str,
    lane: Option<String>,
    places: &Places,
    environment: &Environment,
) -> Result<Result<(LaneKey, Trust), String>, ExecError> {
    let args = ExecArgs { lane, ..ExecArgs::plain(repo, job) };
    let directory =
        args.repo.canonicalize().map_err(|cause| ExecError::Directory { path: args.repo.clone(), cause })?;
    let own = std::env::current_exe().map_err(ExecError::Own)?;
    let mut supervisor = Supervisor::start(own.as_os_str()).map_err(ExecError::Supervise)?;
    let (checkout, toolchain, has_view) =
        tokio::join!(checkout::inspect(&directory), Toolchain::of(&directory), supervisor.enter_view());
    let checkout = checkout.map_err(ExecError::Git)?;
    let first = slots::job_directory(&places.slot(SlotNumber(0))).join("build");
    let view = places.view().join("build");
    let build_directory = if has_view.map_err(ExecError::Supervise)? { view } else { first };
    let facts = facts(&args, &checkout, toolchain.as_ref().ok(), environment);
    let key = lane_of(&checkout, toolchain.as_ref(), &args, environment, &build_directory);
    Ok(key.map(|key| (key, classify(&facts))))
}

/// The lane of this job's warm target, or why none is possible here.
fn lane_of(
    checkout: &Checkout,
    toolchain: Result<&Toolchain, &checkout::ToolchainError>,
    args: &ExecArgs,
    environment: &Environment,
    build_directory: &Path,
) -> Result<LaneKey, String> {
    let has_manifest = |path: &String| path == "Cargo.toml" || path.ends_with("/Cargo.toml");
    if !checkout.listing.files.keys().any(has_manifest) {
        return Err("there is no Cargo.toml in this checkout".to_owned());
    }
    let toolchain = toolchain.map_err(|error| chain(error))?;
    if !toolchain.has_build_directory() {
        return Err(format!(
            "{} cannot keep intermediate files apart from target/ (build.build-dir came with 1.91)",
            toolchain.cargo
        ));
    }
    if let Some(own) = environment.text("CARGO_BUILD_BUILD_DIR") {
        return Err(format!("CARGO_BUILD_BUILD_DIR is set to {own} already, and the job's own choice stands"));
    }
    let paths = LanePaths {
        workspace: checkout.top.clone(),
        build_directory: build_directory.to_owned(),
        cargo_home: environment.cargo_home().unwrap_or_default(),
    };
    let name = args.lane.as_ref().unwrap_or(&args.job).clone();
    let key = LaneKey::new(checkout.repository.clone(), name, toolchain, paths);
    Ok(key.with_environment(environment.texts()))
}

/// The targets that the command or the environment names.
fn triples(args: &ExecArgs, environment: &Environment) -> Vec<String> {
    let words: Vec<&str> = args.command.iter().filter_map(|word| word.to_str()).collect();
    let joined = words.iter().filter_map(|word| word.strip_prefix("--target="));
    let apart = words.windows(2).filter(|pair| pair[0] == "--target").map(|pair| pair[1]);
    let named = joined.chain(apart).chain(environment.text("CARGO_BUILD_TARGET"));
    // A path to a target description is no directory name.
    named.filter(|name| !name.contains('/') && *name != "..").map(str::to_owned).collect()
}

fn owner() -> Result<Owner, ExecError> {
    let own = processes::identify(std::process::id()).map_err(ExecError::Identity)?;
    Ok(Owner { pid: own.pid, process_start_ticks: own.start_ticks, boot_id: own.boot_id })
}

/// The times belong to the checkout, so whoever owns it sets them: this process and not a daemon.
fn restore(places: &Places, begun: &Begun, checkout: &mut Checkout, warnings: &mut Vec<String>) -> Restored {
    let Some(lease) = &begun.lease else { return Restored::default() };
    let clock = hearth_host::clock::SystemClock::default();
    lease.restore(&places.targets(), checkout, &clock).unwrap_or_else(|error| {
        // Times that stay new only cost a rebuild.
        warnings.push(format!("the times of unchanged files could not be restored: {error}"));
        Restored::default()
    })
}

fn command(
    args: &ExecArgs,
    directory: &Path,
    begun: &Begun,
    compile: Option<&CompileCache>,
    build_directory: &Path,
) -> Start {
    let mut environment = compile.map(CompileCache::for_job).unwrap_or_default();
    environment.push((Raw::from(EXECUTION), Some(Raw::from(begun.execution.to_string()))));
    if begun.lease.is_some() {
        // A constant of the view: every CARGO_ variable is part of sccache's key.
        environment.push((Raw::from("CARGO_BUILD_BUILD_DIR"), Some(Raw::from(build_directory))));
    }
    let (program, arguments) = args.command.split_first().expect("clap requires a command");
    Start {
        name: JOB.to_owned(),
        program: Raw::from(program),
        arguments: arguments.iter().map(Raw::from).collect(),
        directory: Raw::from(directory),
        environment_base: EnvironmentBase::Inherited,
        environment,
        stdio: Stdio::Inherit,
        identity: None,
    }
}

async fn watch(
    supervisor: &mut Supervisor,
    start: Start,
    limits: Limits,
    desk: &Desk,
    begun: &Begun,
) -> Result<(Outcome, Millis), ExecError> {
    let (tell, mut beats) = tokio::sync::mpsc::unbounded_channel();
    let running = supervisor.run(start, limits, move |ran| {
        let _ended = tell.send(ran);
    });
    // The second future ends when the first has dropped its sender, so no beat is left behind.
    let beating = async {
        while let Some(ran) = beats.recv().await {
            desk.beat(begun.execution, ran).await;
        }
    };
    let (ended, ()) = tokio::join!(running, beating);
    ended.map_err(ExecError::Supervise)
}

/// Whether there is anything to do for it.
fn has_upkeep(receipt: &Receipt, places: &Places) -> bool {
    let has_trash = std::fs::read_dir(places.trash()).is_ok_and(|mut entries| entries.next().is_some());
    has_trash || receipt.given_back != Some(GivenBack::Unchanged)
}

/// Without a daemon, a process of its own makes the next clone ready while the caller goes on.
fn start_upkeep(own: &Path, settings: &Settings, warnings: &mut Vec<String>) {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new(own);
    command.arg("upkeep").arg("--state").arg(&settings.state).env_remove(EXECUTION);
    let null = std::process::Stdio::null;
    command.stdin(null()).stdout(null()).stderr(null()).process_group(0);
    if let Err(error) = command.spawn() {
        warnings.push(format!("the next clone could not be made ready: {error}"));
    }
}
