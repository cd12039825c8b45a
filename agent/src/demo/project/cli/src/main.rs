//! `kiln`: evaluates scripts about minutes and budgets.

mod output;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kiln_engine::Engine;
use kiln_records::Workflow;
use output::Format;

/// A small language for minutes and budgets
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Evaluate a script and show its values, one a line
    Eval {
        /// A workflow whose times the script may use
        #[arg(long, value_name = "FILE")]
        workflow: Option<PathBuf>,
        /// How to show the values
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// The script itself
        script: String,
    },
    /// List all units
    Units,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("kiln: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<String, Box<dyn std::error::Error>> {
    match command {
        Command::Eval { workflow, format, script } => {
            let mut engine = Engine::default();
            if let Some(path) = workflow {
                engine.load(&Workflow::from_json(&fs::read_to_string(path)?)?)?;
            }
            Ok(output::values(&engine.run(&script)?, format))
        }
        Command::Units => Ok(output::units()),
    }
}
