//! `hearth doctor`: every precondition of this machine looked at, each with what was found, why it matters and how to
//! mend it. Looks and judges; changes nothing, makes nothing, and takes no lock for longer than a look.
//!
//! ```text
//!  storage ─▶ walls ─▶ daemon ─▶ programs ─▶ runner ─▶ github (one section for each place) ──▶ diagnosis ──▶ print
//! ```

mod daemon;
mod finding;
mod github;
mod patience;
mod print;
mod programs;
mod runner;
mod storage;
mod walls;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use hearth_host::clock::SystemClock;
use hearth_host::clones::Means;
use hearth_host::users;
use hearth_model::Clock;

use crate::app::open_github;
use crate::dispatch::Proof;
use crate::places::Places;
use crate::settings::Settings;

pub use finding::{Diagnosis, Finding, Section, State};
pub use print::Form;

pub(crate) use daemon::is_up;
pub(crate) use github::{Place, ask};
pub(crate) use patience::patiently;
pub(crate) use print::table;

/// A disk that does not answer must not hold up the rest.
const MACHINE_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// Look at everything that this machine needs to take jobs, and say how to mend what is wrong
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The exit code is 1 when something is bad, else 0: warnings do not count. Run it as the user whom the daemon runs as; it \
needs no daemon and disturbs none.")]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Answers `hearth doctor`; gives the worst that was found.
pub async fn run(args: &DoctorArgs, settings: Settings, out: &mut impl Write) -> Result<State, DoctorError> {
    let diagnosis = examine(settings).await;
    let form = if args.json { Form::Json } else { Form::Text };
    print::print(&diagnosis, form, out).map_err(DoctorError::Write)?;
    Ok(diagnosis.worst())
}

/// Looks at everything.
pub async fn examine(settings: Settings) -> Diagnosis {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let now = clock.now();
    let root = settings.state.canonicalize().unwrap_or_else(|_| settings.state.clone());
    let (settings, places) = (Arc::new(settings), Places::at(&root));

    let looked = {
        let (settings, places) = (Arc::clone(&settings), places.clone());
        let look = tokio::task::spawn_blocking(move || machine(&settings, &places));
        patiently("looking at the state directory", tokio::time::timeout(MACHINE_LIMIT, look)).await
    };
    // Neither an answer in time nor a look that stumbled.
    let looked = looked.ok().and_then(Result::ok).unwrap_or_else(|| silent(&places));
    let standing = looked.standing;
    let mut machine = Section::new("machine", looked.findings);
    machine.findings.extend(daemon::look(&settings, &places, now).await);

    let (env, sccache) = (&settings.runner.env, &settings.file.compiler_cache);
    let programs =
        patiently("asking git, rustc and cargo", programs::look(&places.view().join("home"), env, sccache)).await;
    let (runner, version) = match standing {
        storage::Standing::Unusable => {
            (vec![Finding::not_checked("versions", "the state directory cannot be used")], None)
        }
        storage::Standing::Missing | storage::Standing::Usable => runner::look(&settings, &places, now),
    };
    let mut sections =
        vec![machine, Section::new("programs of jobs", programs), Section::new("runner program", runner)];
    sections.extend(github(&settings, &clock, version.as_deref(), looked.means).await);
    Diagnosis { sections }
}

/// What the disk and the kernel have answered.
struct Looked {
    findings: Vec<Finding>,
    standing: storage::Standing,
    means: Option<Means>,
}

fn machine(settings: &Settings, places: &Places) -> Looked {
    let (standing, state) = storage::look_at_state(places.root());
    let file = &settings.file;
    let mut findings = vec![state];
    let (targets, cache) = (file.targets.free_reserve.0, file.cache.free_reserve.0);
    let means = storage::means(places.root(), standing);
    findings.extend(storage::look_at_disk(places, means.clone(), targets, cache));
    findings.extend(walls::look(places.root(), standing, file.slots.count, &file.slots.user, &settings.limits));
    Looked { findings, standing, means: means.and_then(Result::ok) }
}

fn silent(places: &Places) -> Looked {
    let found = format!("{} did not answer within {} s", places.root().display(), MACHINE_LIMIT.as_secs());
    let fix = "look at the disk, and at the kernel's log";
    let finding = Finding::bad(storage::STATE, found, "a disk that hangs hangs every job", fix);
    Looked { findings: vec![finding], standing: storage::Standing::Unusable, means: None }
}

async fn github(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    version: Option<&str>,
    means: Option<Means>,
) -> Vec<Section> {
    if settings.github.is_empty() {
        let found = "no [[github]] is configured; `hearth register URL` checks and writes one";
        return vec![Section::new("GitHub", vec![Finding::not_checked("places", found)])];
    }
    let proof = Proof::find(means.unwrap_or(Means::Copy)).await;
    let places = settings.github.iter();
    let places = places.map(|settings| Place { settings, github: open_github(settings, clock) }).collect();
    github::look(places, version, &proof, &users::host_name()).await
}
