//! The command line: which commands there are and which room answers each. Prints errors with all their causes.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::{Parser, Subcommand};
use hearth_daemon::telemetry::{self, Surroundings};
use hearth_daemon::terminal;

use hearth_host::lock::FileLock;
use tracing::Instrument;
use zeroize::Zeroizing;

use crate::app::App;
use crate::config::{self, ConfigCommand};
use crate::demo::{self, DemoArgs};
use crate::dispatch;
use crate::doctor::{self, DoctorArgs};
use crate::enrollment::{self, RegisterArgs, UnregisterArgs};
use crate::environment::Environment;
use crate::exec::{self, ExecArgs};
use crate::hooks::{self, HookCommand};
use crate::jobs::{self, JobsArgs, LogsArgs};
use crate::keeper::{self, Order};
use crate::places::Places;
use crate::report::{self, BudgetsArgs, ReportArgs, Screen, Setting};
use crate::runner::commands as runner_commands;
use crate::runner::commands::{InstallArgs, ProgressLines, RunnerCommand};
use crate::runner::{Installed, Versions};
use crate::settings::{self, Settings, SettingsArgs};
use crate::slots;
use crate::status::{self, DrainArgs, Status, StatusArgs};
use crate::supervision;
use crate::targets::commands::{Form, Prune, TargetsCommand};
use crate::up::{self, UpArgs};

/// The command line or the configuration is wrong (EX_CONFIG): a service manager should not try again.
const BAD_CONFIGURATION: u8 = 78;
/// A just-in-time configuration has some KiB, the settings have less.
const LARGEST_ORDER: u64 = 4 << 20;

/// Warm target directories, a shared compile cache and honest books of minutes for Rust CI
#[derive(Debug, Parser)]
#[command(name = "hearth", version, max_term_width = 110, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Exec(Box<ExecArgs>),
    Up(UpArgs),
    Status(StatusArgs),
    Jobs(JobsArgs),
    Logs(LogsArgs),
    Drain(DrainArgs),
    /// Minutes, verdicts and costs of a month
    Report(ReportArgs),
    /// The documented budgets and how this month stands to each
    Budgets(BudgetsArgs),
    #[command(subcommand)]
    Targets(TargetsCommand),
    #[command(subcommand)]
    Runner(RunnerCommand),
    #[command(subcommand)]
    Config(ConfigCommand),
    Doctor(DoctorArgs),
    Register(Box<RegisterArgs>),
    Unregister(UnregisterArgs),
    Demo(DemoArgs),
    /// The process that looks after one runner; started by the daemon
    #[command(hide = true, name = dispatch::KEEPER_COMMAND)]
    Keep,
    #[command(hide = true, subcommand)]
    Hook(HookCommand),
    #[command(hide = true)]
    Upkeep,
    /// The process between a job and its agent; started by `exec` itself
    #[command(hide = true, name = supervision::GUARD_COMMAND)]
    Guard {
        descriptor: i32,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::of_this_process();
    if let Command::Guard { descriptor } = cli.command {
        // No configuration, no telemetry, no threads of a runtime: the guard is between a job and its end.
        return match hearth_host::guard::run(descriptor) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error.into()),
        };
    }
    if let Command::Keep = cli.command {
        return match keep(&environment) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error),
        };
    }
    if let Command::Hook(command) = cli.command {
        // Inside a job: no configuration of its environment is ours, and nothing here may fail it.
        hooks::run(command, &environment, &mut io::stdout().lock());
        return ExitCode::SUCCESS;
    }
    if let Command::Config(command) = &cli.command {
        return match config::run(command, &cli.settings, &environment, &mut io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&error.into());
                ExitCode::from(BAD_CONFIGURATION)
            }
        };
    }
    if let Command::Demo(args) = &cli.command {
        // Its jobs have a state and a configuration of their own.
        return match demo::run(args, &cli.settings, &environment) {
            Ok(code) => ExitCode::from(code),
            Err(error) => complain(&error.into()),
        };
    }
    let settings = match settings::load(&cli.settings, &environment) {
        Ok(settings) => settings,
        Err(error) => {
            complain(&anyhow::Error::from(error));
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    if let Command::Register(args) = &cli.command {
        return match register(args, &settings, &cli.settings, &environment) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error),
        };
    }
    match run(cli.command, settings, environment) {
        Ok(code) => ExitCode::from(code),
        Err(error) => complain(&error),
    }
}

fn run(command: Command, settings: Settings, environment: Environment) -> anyhow::Result<u8> {
    let surroundings = Surroundings {
        journal_stream: environment.text("JOURNAL_STREAM").map(str::to_owned),
        identity: hearth_host::users::standard_error_identity(),
    };
    let mut log = settings.file.log.clone();
    if !matches!(command, Command::Up(_)) && environment.text("HEARTH_LOG").is_none() && log.filter == "info" {
        // Commands say what a person needs; the log of a daemon would stand in between.
        "error".clone_into(&mut log.filter);
    }
    telemetry::start(&log, &surroundings).context("cannot start logging")?;
    match command {
        Command::Exec(args) => {
            let code = runtime()?.block_on(exec::run(*args, settings, environment))?;
            // A code is one byte to the system, whatever the command made of it.
            Ok(u8::try_from(code & 0xff).unwrap_or(exec::OWN_FAILURE))
        }
        Command::Up(args) => {
            runtime()?.block_on(up::run(args, settings, &environment))?;
            Ok(0)
        }
        Command::Status(args) => {
            let status = runtime()?.block_on(Status::look(&settings))?;
            let form = if args.json { status::Form::Json } else { status::Form::Text };
            let setting = Setting { now: status.now, zone: &settings.file.report.zone, screen: Screen::of_stdout() };
            status::print_status(&status, form, setting, &mut io::stdout().lock())?;
            Ok(status.verdict().exit_code())
        }
        Command::Jobs(args) => {
            let app = App::open(settings)?;
            jobs::print_jobs(&args, &app.book, question(&app), &mut io::stdout().lock())?;
            Ok(0)
        }
        Command::Logs(args) => {
            let app = App::open(settings)?;
            runtime()?.block_on(jobs::print_logs(&args, &app, &mut io::stdout().lock()))?;
            Ok(0)
        }
        Command::Drain(args) => Ok(runtime()?.block_on(status::drain(&args, &settings, &mut io::stderr()))?),
        Command::Report(args) => {
            let app = App::open(settings)?;
            report::run_report(&args, &app.book, question(&app), &mut io::stdout().lock())?;
            Ok(0)
        }
        Command::Budgets(args) => {
            let app = App::open(settings)?;
            report::run_budgets(&args, &app.book, question(&app), &mut io::stdout().lock())?;
            Ok(0)
        }
        Command::Targets(command) => answer_targets(command, settings, &environment),
        Command::Runner(command) => answer_runner(command, settings),
        Command::Doctor(args) => {
            let runtime = runtime()?;
            let worst = runtime.block_on(doctor::run(&args, settings, &mut io::stdout().lock()));
            // A disk that hangs would hold up the end.
            runtime.shutdown_background();
            Ok(u8::from(worst? == doctor::State::Bad))
        }
        Command::Unregister(args) => {
            runtime()?.block_on(enrollment::unregister(&args, &settings, &mut io::stdout().lock()))?;
            Ok(0)
        }
        Command::Upkeep => {
            runtime()?.block_on(crate::upkeep::run_once(settings))?;
            Ok(0)
        }
        Command::Guard { .. }
        | Command::Keep
        | Command::Hook(_)
        | Command::Config(_)
        | Command::Demo(_)
        | Command::Register(_) => Ok(0),
    }
}

/// The only command that asks which file the configuration stands in.
fn register(
    args: &RegisterArgs,
    settings: &Settings,
    sources: &SettingsArgs,
    environment: &Environment,
) -> anyhow::Result<()> {
    let config = settings::file(sources, environment).map(|(path, _)| path);
    let out = &mut io::stdout().lock();
    Ok(runtime()?.block_on(enrollment::register(args, settings, config.as_deref(), environment, out))?)
}

/// Looks after the runner that the daemon orders on standard input.
fn keep(environment: &Environment) -> anyhow::Result<()> {
    let mut order = Zeroizing::new(Vec::new());
    io::stdin().lock().take(LARGEST_ORDER).read_to_end(&mut order).context("cannot read the daemon's order")?;
    let order: Order = serde_json::from_slice(&order).context("this is no order of a daemon")?;
    let surroundings = Surroundings { journal_stream: None, identity: None };
    telemetry::start(&order.file.log, &surroundings).context("cannot start logging")?;
    let lock = slots::lock_file(&Places::at(&order.state).slot(order.slot));
    let lock = FileLock::from_parent(&lock).context("the daemon did not hand over the slot")?;
    // Whatever it says names the execution: a slot's log goes over many.
    let span = tracing::error_span!("keeper", job.execution = %order.execution);
    Ok(runtime()?.block_on(keeper::keep(order, lock, environment).instrument(span))?)
}

fn question(app: &App) -> Setting<'_> {
    Setting { now: app.clock.now(), zone: &app.settings.file.report.zone, screen: Screen::of_stdout() }
}

fn answer_targets(command: TargetsCommand, settings: Settings, environment: &Environment) -> anyhow::Result<u8> {
    let out = &mut io::stdout().lock();
    let form = |json| if json { Form::Json } else { Form::Text };
    let app = App::open(settings)?;
    match command {
        TargetsCommand::List { json } => app.targets.print_list(form(json), app.clock.as_ref(), out)?,
        TargetsCommand::Inspect { snapshot, json } => app.targets.print_inspection(&snapshot, form(json), out)?,
        TargetsCommand::Prune { to, dry_run } => {
            let how = if dry_run { Prune::DryRun } else { Prune::Remove };
            app.targets.print_prune(to, how, out)?;
        }
        TargetsCommand::Why { repo, job, lane, json } => {
            let expected = runtime()?.block_on(exec::expectation(&repo, &job, lane, &app.places, environment))?;
            match expected {
                Ok((key, trust)) => app.targets.print_why(&key, &trust, form(json), out)?,
                Err(why) => writeln!(out, "off: {why}")?,
            }
        }
    }
    Ok(0)
}

fn answer_runner(command: RunnerCommand, settings: Settings) -> anyhow::Result<u8> {
    let out = &mut io::stdout().lock();
    let app = App::open(settings)?;
    let versions = app.runner_versions()?;
    match command {
        RunnerCommand::List { json } => {
            let form = if json { runner_commands::Form::Json } else { runner_commands::Form::Text };
            versions.print_list(form, app.clock.as_ref(), out)?;
        }
        RunnerCommand::Install(args) => runner_commands::print_installed(install(args, &app, &versions)?, out)?,
        RunnerCommand::Rollback => versions.print_rollback(out)?,
        RunnerCommand::Pin { version, .. } => versions.print_pin(version, out)?,
    }
    Ok(0)
}

fn install(args: InstallArgs, app: &App, versions: &Versions) -> anyhow::Result<Installed> {
    let configured = app.settings.runner.archive.clone().filter(|_| args.version.is_none());
    if let Some(archive) = args.archive.or(configured) {
        return Ok(versions.install_archive(&archive, args.sha256)?);
    }
    let github = app.githubs()?.into_iter().next();
    let github =
        github.context("there is nowhere to get a runner from: name an --archive, or configure a [[github]]")?;
    let mut lines = ProgressLines::begin(Instant::now());
    let mut tell = |progress| {
        if let Some(line) = lines.step(progress, Instant::now()) {
            let _closed = writeln!(io::stderr().lock(), "hearth: {line}");
        }
    };
    Ok(runtime()?.block_on(versions.install_from_github(&github, args.version, &mut tell))?)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("cannot start the task runtime")
}

fn complain(error: &anyhow::Error) -> ExitCode {
    terminal::complain("hearth", error.as_ref());
    ExitCode::from(exec::OWN_FAILURE)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_does_not_contradict_itself() {
        super::Cli::command().debug_assert();
    }
}
