//! The command line: which commands there are and which room answers each. Prints errors with all their causes.

mod config;
mod operate;
mod print;
mod token;

use std::io;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use hearth_daemon::telemetry::{self, LogFile, Surroundings};
use hearth_daemon::terminal;

use crate::environment::{Environment, LOG};
use crate::serve::{self, ServeArgs};
use crate::settings::{Origin, ServerFile, Settings, SettingsArgs, SettingsError};
use config::ConfigCommand;
use operate::OperateCommand;
use token::TokenCommand;

/// How our lines begin.
const PROGRAM: &str = "hearth-cache-server";
/// What was asked for cannot be done.
const FAILURE: u8 = 1;
/// It was done, and something was damaged or refused.
const UNCLEAN: u8 = 3;
/// The configuration is wrong (EX_CONFIG): a service manager should not try again.
const BAD_CONFIGURATION: u8 = 78;

/// A compile cache for Rust teams: every client's dialect, trust scopes, never the reason that a build fails
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, max_term_width = 110, propagate_version = true)]
#[command(after_help = "\
Exit codes: 0 done; 1 it could not be done, the reason is on standard error; 2 the command line is wrong; 3 done, and \
something was damaged or refused, which was said; 78 the configuration is wrong.")]
struct Cli {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(ServeArgs),
    #[command(subcommand)]
    Config(ConfigCommand),
    #[command(subcommand)]
    Token(TokenCommand),
    #[command(flatten)]
    Operate(OperateCommand),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::of_this_process();
    if let Command::Config(command) = &cli.command {
        let done = config::run(command, &cli.settings, &environment, &mut io::stdout().lock());
        return match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error.into(), BAD_CONFIGURATION),
        };
    }
    let flags = match &cli.command {
        Command::Serve(args) => args.values(),
        Command::Config(_) | Command::Token(_) | Command::Operate(_) => Vec::new(),
    };
    let origin = Origin { args: cli.settings, flags, environment };
    let read = origin.read().map_err(SettingsError::Config);
    match read.and_then(|read| Ok((origin.check(&read)?, read.value))) {
        Ok((settings, file)) => match run(&cli.command, settings, file, origin) {
            Ok(code) => code,
            Err(error) => complain(&error, FAILURE),
        },
        Err(error) => complain(&error.into(), BAD_CONFIGURATION),
    }
}

fn run(command: &Command, settings: Settings, file: ServerFile, origin: Origin) -> anyhow::Result<ExitCode> {
    let environment = &origin.environment;
    let mut log = settings.log.clone();
    if !matches!(command, Command::Serve(_)) && environment.text(LOG).is_none() && log == LogFile::default() {
        // Commands say what a person needs; the log of a daemon would stand in between.
        "error".clone_into(&mut log.filter);
    }
    let surroundings = Surroundings {
        journal_stream: environment.text("JOURNAL_STREAM").map(str::to_owned),
        identity: hearth_host::users::standard_error_identity(),
    };
    telemetry::start(&log, &surroundings).context("cannot start logging")?;
    match command {
        Command::Serve(_) => runtime()?.block_on(serve::run(settings, file, origin))?,
        Command::Token(command) => token::run(command, &settings, &mut io::stdout().lock())?,
        Command::Operate(command) => {
            let report = runtime()?.block_on(operate::run(command, &settings, &mut io::stdout()))?;
            if !report.is_clean() {
                return Ok(ExitCode::from(UNCLEAN));
            }
        }
        Command::Config(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the task runtime")
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    terminal::complain(PROGRAM, error.as_ref());
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_does_not_contradict_itself() {
        super::Cli::command().debug_assert();
    }
}
