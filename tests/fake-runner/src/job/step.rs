//! One step of a job: a hook of the machine, a script, a checkout. Each runs in the workspace with file commands of its
//! own; what it exports holds for the steps after it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fake_github::runner_protocol::{Action, Checkout, Conclusion, Condition, Step};
use uuid::Uuid;

use super::Job;
use super::checkout::{self, Call, Or};
use super::file_commands::{FileCommands, Said};
use super::folders::FolderError;
use super::workflow_commands::OutputListener;
use crate::diagnostics::chain;
use crate::environment::Variables;
use crate::process::{self, Ended, Launch, split, which};
use crate::stop::{Stop, reached};

/// What a planned step does.
#[derive(Debug)]
pub(crate) enum Work<'a> {
    Hook { path: PathBuf, when: &'static str },
    Step { step: &'a Step, name: String },
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error("the file {0} of the hook does not exist")]
    NoHook(PathBuf),
    #[error("{0} cannot be a hook: its name must end in .sh, .ps1 or .js")]
    HookKind(PathBuf),
    #[error("fake runner: {0} are not played")]
    NotPlayed(&'static str),
    #[error("{0}: command not found")]
    NoProgram(&'static str),
    #[error("cannot use the directory of temporary files")]
    Folders {
        #[source]
        cause: FolderError,
    },
    #[error("cannot write the files of this step")]
    Files {
        #[source]
        cause: io::Error,
    },
    #[error("cannot start {program} in {directory}")]
    Start {
        program: PathBuf,
        directory: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot delete what stands in {directory}")]
    Empty {
        directory: PathBuf,
        #[source]
        cause: io::Error,
    },
}

impl Job<'_> {
    /// Runs one step to its conclusion. `condition` decides whether a cancellation ends it.
    pub(super) async fn carry_out(&mut self, work: &Work<'_>, condition: Condition) -> Conclusion {
        let mut listener = OutputListener::default();
        let until = if condition == Condition::Always { Stop::Shutdown } else { Stop::Canceled };
        let (ended, said) = match self.prepare() {
            Ok((files, github)) => {
                let ended = self.start(work, github, until, &mut listener).await;
                (ended, files.read())
            }
            Err(error) => (Err(error), Said::default()),
        };
        let is_understood = self.take(said);
        match ended {
            Ok(Ended::Canceled) => {
                self.log.error("The operation was canceled.");
                Conclusion::Cancelled
            }
            Ok(Ended::Exited(0)) if is_understood && !listener.failed => Conclusion::Success,
            Ok(Ended::Exited(code)) => {
                if code != 0 {
                    self.log.error(&format!("Process completed with exit code {code}."));
                }
                Conclusion::Failure
            }
            Err(error) => {
                self.log.error(&chain(&error));
                Conclusion::Failure
            }
        }
    }

    /// The event and fresh file commands, with their places in the context `github`.
    fn prepare(&mut self) -> Result<(FileCommands, BTreeMap<String, String>), StepError> {
        let event = self.folders.write_event(&self.message.event).map_err(|cause| StepError::Folders { cause })?;
        self.context.github.insert("event_path".to_owned(), text(&event));
        let files = FileCommands::new(&self.folders.temporary).map_err(|cause| StepError::Files { cause })?;
        let github = files.paths().map(|(name, path)| (name.to_owned(), text(&path))).collect();
        Ok((files, github))
    }

    /// What a step said in its files; `false` when a file was broken, which fails the step.
    fn take(&mut self, said: Said) -> bool {
        self.context.env.extend(said.exported);
        for path in said.prepended {
            self.context.prepend(path);
        }
        for (name, value) in said.outputs {
            self.log.trace(&format!("Set output {name} = {value}"));
        }
        self.summaries.extend(said.summary.map(|summary| self.log.masks.hide(&summary)));
        for complaint in said.refused.iter().chain(&said.broken) {
            self.log.error(complaint);
        }
        said.broken.is_empty()
    }

    async fn start(
        &mut self,
        work: &Work<'_>,
        mut github: BTreeMap<String, String>,
        until: Stop,
        listener: &mut OutputListener,
    ) -> Result<Ended, StepError> {
        match work {
            Work::Hook { path, when } => {
                self.log.output(&format!("This machine runs a hook when a job {when}"));
                let (program, arguments) = self.of_hook(path)?;
                self.log.group(&format!("Run '{}'", path.display()), [format!("shell: {}", program.display())]);
                let variables = self.context.of_hook(&github);
                self.process(&program, arguments, &self.folders.workspace.clone(), variables, until, listener).await
            }
            Work::Step { step, .. } if step.is_container => Err(StepError::NotPlayed("containers")),
            Work::Step { step, name } => {
                github.insert("action".to_owned(), name.clone());
                let variables = self.context.of_step(&step.env, &github);
                match &step.action {
                    Action::Run(script) => {
                        self.print_script(step, script);
                        let (program, arguments) = self.of_script(script)?;
                        let directory = self.folders.workspace.clone();
                        self.process(&program, arguments, &directory, variables, until, listener).await
                    }
                    Action::Checkout(checkout) => self.check_out(checkout, variables, until, listener).await,
                }
            }
        }
    }

    fn of_hook(&self, path: &Path) -> Result<(PathBuf, Vec<OsString>), StepError> {
        if !path.is_file() {
            return Err(StepError::NoHook(path.to_owned()));
        }
        match path.extension().and_then(OsStr::to_str) {
            Some("sh") => {
                let shell = self.which("bash").or_else(|_| self.which("sh"))?;
                Ok((shell, split(&format!("-e {}", path.display()))))
            }
            Some("ps1") => {
                let arguments = vec!["-command".into(), format!(". '{}'", path.display()).into()];
                Ok((self.which("pwsh")?, arguments))
            }
            Some("js") => Err(StepError::NotPlayed("hooks in JavaScript")),
            _ => Err(StepError::HookKind(path.to_owned())),
        }
    }

    fn of_script(&self, script: &str) -> Result<(PathBuf, Vec<OsString>), StepError> {
        let shell = self.which("bash")?;
        let file = self.folders.temporary.join(format!("{}.sh", Uuid::new_v4()));
        fs::write(&file, script).map_err(|cause| StepError::Files { cause })?;
        Ok((shell, split(&format!("--noprofile --norc -e -o pipefail {}", file.display()))))
    }

    fn print_script(&mut self, step: &Step, script: &str) {
        let first = script.trim_start().lines().next().unwrap_or_default().to_owned();
        let mut env = self.context.env.clone();
        env.extend(step.env.clone());
        let heading = (!env.is_empty()).then(|| "env:".to_owned());
        let env = env.iter().map(|(name, value)| format!("  {name}: {value}"));
        self.log.group(&format!("Run {first}"), script.lines().map(str::to_owned).chain(heading).chain(env));
    }

    /// As `actions/checkout`: the workspace, or a directory below it, becomes a clean work tree of one commit.
    async fn check_out(
        &mut self,
        checkout: &Checkout,
        mut variables: Variables,
        until: Stop,
        listener: &mut OutputListener,
    ) -> Result<Ended, StepError> {
        let git = self.which("git")?;
        let directory = self.folders.workspace.join(checkout.path.as_deref().unwrap_or_default());
        variables.insert("GIT_TERMINAL_PROMPT".into(), "0".into());
        fs::create_dir_all(&directory).map_err(|cause| StepError::Empty { directory: directory.clone(), cause })?;
        let mut place = Place { git, directory, variables, until };
        checkout::unlock(&place.directory);
        let mut is_clean = self.is_of_remote(&place, &checkout.url).await?;
        if is_clean {
            match self.calls(&mut place, checkout::clean(), listener).await? {
                Ended::Exited(code) => is_clean = code == 0,
                Ended::Canceled => return Ok(Ended::Canceled),
            }
        }
        let mut calls = Vec::new();
        if !is_clean {
            let directory = place.directory.clone();
            checkout::empty(&directory).map_err(|cause| StepError::Empty { directory, cause })?;
            calls = checkout::begin(&checkout.url);
        }
        let of_job = |key: &str| self.context.github.get(key).map(String::as_str);
        calls.extend(checkout::get(checkout, of_job("ref"), of_job("sha")));
        self.calls(&mut place, calls, listener).await
    }

    /// Whether the directory is a work tree of this remote already.
    async fn is_of_remote(&mut self, place: &Place, url: &str) -> Result<bool, StepError> {
        if !place.directory.join(".git").exists() {
            return Ok(false);
        }
        let mut said = Vec::new();
        let launch = place.launch(&checkout::remote());
        let mut stopped = self.stopped.clone();
        let ended = process::run(launch, &self.site.root.release.pace, reached(&mut stopped, place.until), |line| {
            said.push(line.to_owned());
        });
        let ended = ended.await.map_err(|cause| place.failed(cause))?;
        Ok(ended == Ended::Exited(0) && said == [url])
    }

    /// Calls git until a call fails.
    async fn calls(
        &mut self,
        place: &mut Place,
        calls: Vec<Call>,
        listener: &mut OutputListener,
    ) -> Result<Ended, StepError> {
        for call in calls {
            self.log.output(&format!("[command]{} {}", place.git.display(), call.arguments.join(" ")));
            let Launch { program, arguments, directory, variables } = place.launch(&call);
            let ended = self.process(program, arguments, directory, variables, place.until, listener).await?;
            if ended != Ended::Exited(0) {
                if call.or == Or::BeginAnew {
                    self.log.warning("the repository cannot be cleaned: it is made anew");
                }
                return Ok(ended);
            }
        }
        Ok(Ended::Exited(0))
    }

    async fn process(
        &mut self,
        program: &Path,
        arguments: Vec<OsString>,
        directory: &Path,
        variables: Variables,
        until: Stop,
        listener: &mut OutputListener,
    ) -> Result<Ended, StepError> {
        let mut stopped = self.stopped.clone();
        let pace = &self.site.root.release.pace;
        let launch = Launch { program, arguments, directory, variables };
        let log = &mut self.log;
        let run = process::run(launch, pace, reached(&mut stopped, until), |line| listener.hear(line, log));
        run.await.map_err(|cause| StepError::Start {
            program: program.to_owned(),
            directory: directory.to_owned(),
            cause,
        })
    }

    fn which(&self, name: &'static str) -> Result<PathBuf, StepError> {
        which(name, &self.context.search_path()).ok_or(StepError::NoProgram(name))
    }
}

/// Where git is called.
struct Place {
    git: PathBuf,
    directory: PathBuf,
    variables: Variables,
    until: Stop,
}

impl Place {
    /// The directory may belong to another user, as after a container's step.
    fn launch(&self, call: &Call) -> Launch<'_> {
        let trust = format!("safe.directory={}", self.directory.display());
        let arguments = ["-c".to_owned(), trust].into_iter().chain(call.arguments.iter().cloned());
        let (program, directory) = (&self.git, &self.directory);
        Launch { program, arguments: arguments.map(Into::into).collect(), directory, variables: self.variables.clone() }
    }

    fn failed(&self, cause: io::Error) -> StepError {
        StepError::Start { program: self.git.clone(), directory: self.directory.clone(), cause }
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
