//! The program from its arguments to its exit code: what it needs before it can ask the service for anything.

use std::fs;
use std::io;
use std::process::ExitCode;

use crate::commands::{Command, parse};
use crate::configuration::{Configuration, ConfigurationError};
use crate::diagnostics::{Terminal, Trace, chain, complain, print};
use crate::environment::{Environment, arguments, own_file};
use crate::exit::{SUCCESS, TERMINATED_ERROR};
use crate::job::Site;
use crate::listener::Listener;
use crate::root::{Root, RootError};
use crate::service::Service;
use crate::stop::{Stopper, listen_to_signals};

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot find the file of this program")]
    OwnFile {
        #[source]
        cause: io::Error,
    },
    #[error("cannot find the root of this runner")]
    Root {
        #[source]
        cause: RootError,
    },
    #[error("cannot write the log below _diag")]
    Trace {
        #[source]
        cause: io::Error,
    },
    #[error("this runner cannot be configured")]
    Configuration {
        #[source]
        cause: ConfigurationError,
    },
    #[error("cannot make the work folder")]
    Work {
        #[source]
        cause: io::Error,
    },
    #[error("cannot listen to signals")]
    Signals {
        #[source]
        cause: io::Error,
    },
    #[error("cannot make the runtime")]
    Runtime {
        #[source]
        cause: io::Error,
    },
    #[error("cannot make a client for HTTP")]
    Client {
        #[source]
        cause: reqwest::Error,
    },
}

/// Plays the official program from its arguments to its exit code.
pub fn play() -> ExitCode {
    match start() {
        Ok(code) => code.into(),
        Err(error) => {
            complain(&format!("An error occurred: {}", chain(&error)));
            TERMINATED_ERROR.into()
        }
    }
}

fn start() -> Result<u8, StartError> {
    let mut environment = Environment::of_this_process();
    let program = own_file().map_err(|cause| StartError::OwnFile { cause })?;
    let root = Root::of(&program).map_err(|cause| StartError::Root { cause })?;
    if let Ok(dot_env) = fs::read_to_string(root.file(".env")) {
        environment.load(&dot_env);
    }
    let (command, unknown) = parse(&arguments());
    for word in unknown {
        complain(&format!("The argument {word} is not known and passed over"));
    }
    match command {
        Command::Version => print(&root.release.version),
        Command::Commit => print("fake runner: built from no commit"),
        Command::Usage => print("usage: Runner.Listener run | --version | --commit | --help"),
        Command::NotPlayed(name) => {
            complain(&format!("fake runner: the command {name} is not played"));
            return Ok(TERMINATED_ERROR);
        }
        Command::SecretArgument => {
            complain("fake runner: a JIT configuration is a secret and does not belong into the argument list");
            return Ok(TERMINATED_ERROR);
        }
        Command::Run => return run(environment, &root),
    }
    Ok(SUCCESS)
}

fn run(mut environment: Environment, root: &Root) -> Result<u8, StartError> {
    let trace = Trace::open(root.path(), "Runner").map_err(|cause| StartError::Trace { cause })?;
    let jit = environment.take_input("jitconfig");
    let loaded = Configuration::load(root, jit.as_deref());
    let configuration = loaded.map_err(|cause| StartError::Configuration { cause })?;
    fs::create_dir_all(&configuration.work).map_err(|cause| StartError::Work { cause })?;
    let service = Service::new(&configuration.runner.server_url).map_err(|cause| StartError::Client { cause })?;
    let (stopper, stopped) = Stopper::new();
    let farewell = listen_to_signals(stopper.clone()).map_err(|cause| StartError::Signals { cause })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| StartError::Runtime { cause })?;
    let site = Site { root, environment: &environment, configuration: &configuration };
    let terminal = Terminal::new(trace);
    let mut listener = Listener { site, service, stopper, stopped, farewell, terminal };
    Ok(runtime.block_on(listener.run()))
}
