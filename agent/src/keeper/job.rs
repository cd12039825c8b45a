//! The one job of a runner, from its started hook to the record. Answers the hooks' questions one after the other.
//!
//! ```text
//!  (no job) ──started hook, or the program's own word──▶ Running ──program's end──▶ in the ledger
//!  its warm target:  Waiting ──take──▶ Taken ──restored──▶ Restored        Off, with the reason
//! ```

use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use hearth_host::clones::{self, Means};
use hearth_ledger::Owner;
use hearth_model::{CompileCounts, JobFacts, Millis, Outcome, UsageReading};

use super::Setting;
use super::container::is_in_container;
use super::directory::CARGO;
use super::ownership::Ownership;
use crate::checkout::Checkout;
use crate::desk::{Desk, DeskError, NodeAccess};
use crate::environment::{Environment, SCCACHE};
use crate::hooks::{Account, Answer, Ask, Given, Handed, Refused, Seen, markdown};
use crate::journey::{Begun, Finish, Intent, Receipt, Stage, Target, Wish, chain};
use crate::slots::JobPlace;
use crate::supervision::{CompileCache, Supervisor, Without, wrapper};
use crate::targets::{LaneKey, LanePaths, Origin, Restored, Swept};

/// A job that runs.
#[derive(Debug)]
pub(super) struct Job {
    desk: Desk,
    begun: Begun,
    facts: JobFacts,
    ownership: Ownership,
    began: Instant,
    /// When the first build asked for the warm target.
    first_build: Option<Millis>,
    compile: Result<CompileCache, Without>,
    target: WarmTarget,
    checkout: Option<Checkout>,
    restored: Option<Restored>,
}

/// Where the job's warm target is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum WarmTarget {
    Waiting,
    /// In its place; the one who took it over this connection restores the times.
    Taken {
        connection: u64,
    },
    Restored,
    Off {
        why: String,
    },
}

impl Job {
    /// Writes the job into the ledger and starts its compile cache. `facts` are the forge's.
    pub(super) async fn begin(
        setting: &Setting,
        facts: JobFacts,
        owner: Owner,
        ownership: Ownership,
        supervisor: &mut Supervisor,
    ) -> Result<Self, DeskError> {
        let began = Instant::now();
        let (mut desk, warnings) = Desk::open(setting.settings.clone()).await?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let intent = Intent {
            execution: setting.order.execution,
            facts: facts.clone(),
            slot: setting.order.slot,
            owner,
            target: Target::Later,
            stage: Stage::Running,
        };
        let (begun, access) = desk.begin(intent).await?;
        let (compile, target) = if is_in_container(&setting.place.ours.join("runner")) {
            let why = "the job runs in a container, where our paths do not exist".to_owned();
            (Err(Without::Container), WarmTarget::Off { why })
        } else {
            (compile_cache(setting, &desk, &begun, &access, supervisor).await, WarmTarget::Waiting)
        };
        if let Err(error) = hand_out_sources(setting, &begun, ownership) {
            tracing::warn!("cargo has to download dependencies anew: {error}");
        }
        if let Err(why) = &compile {
            tracing::warn!("the job runs without compile cache: {}", chain(why));
        }
        Ok(Self {
            desk,
            begun,
            facts,
            ownership,
            began,
            first_build: None,
            compile,
            target,
            checkout: None,
            restored: None,
        })
    }

    /// What all later steps get.
    pub(super) fn given(&self, setting: &Setting) -> Given {
        let mut variables = Vec::new();
        let has_target = self.target == WarmTarget::Waiting;
        if has_target {
            let wrapper = setting.wrapper.0.to_string_lossy().into_owned();
            variables.push(("RUSTC_WRAPPER".to_owned(), wrapper));
            // A constant of the view: every CARGO_ variable is part of sccache's key.
            let build = setting.place.seen.join("build").to_string_lossy().into_owned();
            variables.push(("CARGO_BUILD_BUILD_DIR".to_owned(), build));
        }
        let mut said = vec![format!(
            "{} in slot {} of {}: may read {}, may write {}",
            self.begun.trust.class,
            setting.order.slot,
            hearth_host::users::host_name(),
            self.begun.trust.reads.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            self.begun.trust.writes.as_ref().map_or("nothing".to_owned(), ToString::to_string),
        )];
        match &self.compile {
            Ok(cache) => {
                let own = cache.variables().into_iter();
                variables.extend(own.map(|(name, value)| (name.to_owned(), value.to_string_lossy().into_owned())));
                variables.push((SCCACHE.to_owned(), setting.settings.file.compiler_cache.sccache.clone()));
            }
            Err(why) => {
                if has_target {
                    variables.push((SCCACHE.to_owned(), "off".to_owned()));
                }
                said.push(format!("no compile cache: {}", chain(why)));
            }
        }
        Given { variables, said }
    }

    /// Answers a question that a running job may ask.
    pub(super) async fn answer(&mut self, setting: &Setting, connection: u64, ask: Ask) -> Answer {
        match ask {
            Ask::Started(_) => Answer::Refused(Refused::StartedBefore),
            Ask::Completed => self.summary(setting).await,
            Ask::IsWarmTargetWaiting => match &self.target {
                WarmTarget::Waiting => Answer::Waiting,
                WarmTarget::Off { why } => Answer::Refused(Refused::NoTarget { why: why.clone() }),
                WarmTarget::Taken { .. } | WarmTarget::Restored => Answer::Refused(Refused::HandedOutBefore),
            },
            Ask::Take(seen) => self.take(setting, connection, *seen).await,
            Ask::Restored { checkout, counts } => {
                if self.target != (WarmTarget::Taken { connection }) {
                    return Answer::Refused(Refused::HandedOutBefore);
                }
                self.target = WarmTarget::Restored;
                self.checkout = outside(&setting.place, *checkout);
                self.restored = Some(counts);
                Answer::Noted
            }
        }
    }

    async fn take(&mut self, setting: &Setting, connection: u64, seen: Seen) -> Answer {
        if self.target != WarmTarget::Waiting {
            return Answer::Refused(Refused::HandedOutBefore);
        }
        self.first_build = Some(self.ran());
        match self.lease(setting, seen).await {
            Ok(handed) => {
                self.target = WarmTarget::Taken { connection };
                Answer::Handed(Box::new(handed))
            }
            Err(why) => {
                tracing::warn!("the job has no warm target: {why}");
                self.target = WarmTarget::Off { why: why.clone() };
                Answer::Refused(Refused::NoTarget { why })
            }
        }
    }

    async fn lease(&mut self, setting: &Setting, seen: Seen) -> Result<Handed, String> {
        let workspace = seen.checkout.top.clone();
        if outside(&setting.place, seen.checkout).is_none() {
            return Err(format!("the checkout {} is not in the job's own place", workspace.display()));
        }
        let paths = LanePaths {
            workspace,
            build_directory: setting.place.seen.join("build"),
            cargo_home: seen.cargo_home.into(),
        };
        let job = match &self.facts.workflow {
            Some(workflow) => format!("{workflow}/{}", self.facts.job),
            None => self.facts.job.clone(),
        };
        let variables = seen.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let key =
            LaneKey::new(self.begun.claims.repository.clone(), job, &seen.toolchain, paths).with_environment(variables);
        let (execution, reads) = (self.begun.execution, self.begun.trust.reads.clone());
        let wish = Wish { execution, slot: setting.order.slot, key, reads };
        let lease = self.desk.lease(wish).await.map_err(|error| chain(&error))?;
        if let Some(kept) = lease.kept(&setting.places.targets()).filter(|kept| kept.exists()) {
            // Not in the job's own place, where it could put a link of its own under our hands.
            let copied = clones::mirror(&kept, &setting.kept.ours, Means::Copy, None);
            copied.map_err(|error| format!("the generated sources cannot be shown to the job: {}", chain(&error)))?;
        }
        let manifest = match &lease.origin {
            Origin::Warm { manifest, .. } => Some((**manifest).clone()),
            Origin::Cold { .. } => None,
        };
        let given = self.ownership.give(&lease.build);
        self.begun.lease = Some(lease);
        given.map_err(|error| format!("the clone cannot be handed over: {error}"))?;
        Ok(Handed { manifest, kept: setting.kept.seen.clone() })
    }

    async fn summary(&self, setting: &Setting) -> Answer {
        let (compile, why_no_cache) = match &self.compile {
            Ok(cache) => (cache.counts().await, None),
            Err(why) => (None, Some(chain(why))),
        };
        let machine = hearth_host::users::host_name();
        let why_no_target = match &self.target {
            WarmTarget::Off { why } => Some(why.as_str()),
            _ => None,
        };
        let account = Account {
            class: self.begun.trust.class.as_str(),
            machine: &machine,
            slot: setting.order.slot.0,
            ran: self.ran(),
            first_build: self.first_build,
            lease: self.begun.lease.as_ref(),
            restored: self.restored,
            why_no_target,
            compile,
            why_no_cache: why_no_cache.as_deref(),
        };
        Answer::Summary { markdown: markdown(&account), said: Vec::new() }
    }

    pub(super) fn ran(&self) -> Millis {
        Millis::from(self.began.elapsed())
    }

    /// Tells the ledger that the job still runs.
    pub(super) async fn beat(&self) {
        self.desk.beat(self.begun.execution, self.ran()).await;
    }

    /// Reads what the compile cache has counted; the processes are still there.
    pub(super) async fn count(&mut self) -> Option<CompileCounts> {
        match std::mem::replace(&mut self.compile, Err(Without::Ended)) {
            Ok(cache) => cache.finish().await.compile,
            Err(_) => None,
        }
    }

    /// Takes dependency sources and build back from the job's user. No process of the job is alive. A build that cannot
    /// be taken back is not kept.
    pub(super) fn take_back(&mut self, setting: &Setting) -> std::io::Result<()> {
        let home = setting.place.ours.join(CARGO);
        let (repository, trust) = (&self.begun.claims.repository, &self.begun.trust);
        let taken = self.ownership.take_back(&home);
        let kept = taken.and_then(|()| setting.sources().give_back(repository, trust, &home, self.begun.execution));
        if let Err(error) = kept {
            tracing::warn!("the next job has to download dependencies anew: {error}");
        }
        let Some(lease) = &self.begun.lease else { return Ok(()) };
        let taken = self.ownership.take_back(&lease.build);
        if taken.is_err() {
            self.checkout = None;
        }
        taken
    }

    /// Hands in how the job ended, when every process of it is gone.
    pub(super) async fn finish(
        mut self,
        outcome: Outcome,
        ran: Millis,
        swept: Swept,
        usage: UsageReading,
        compile: Option<CompileCounts>,
    ) -> Result<Receipt, DeskError> {
        let build_options = String::new();
        let (begun, checkout) = (self.begun, self.checkout.take());
        self.desk.finish(Finish { begun, checkout, outcome, ran, swept, usage, compile, build_options }).await
    }
}

/// Gives the job what cargo has downloaded for its scope before.
fn hand_out_sources(setting: &Setting, begun: &Begun, ownership: Ownership) -> std::io::Result<()> {
    let home = setting.place.ours.join(CARGO);
    if setting.sources().hand_out(&begun.claims.repository, &begun.trust, &home)?.is_some() {
        ownership.give(&home)?;
    }
    Ok(())
}

async fn compile_cache(
    setting: &Setting,
    desk: &Desk,
    begun: &Begun,
    access: &NodeAccess,
    supervisor: &mut Supervisor,
) -> Result<CompileCache, Without> {
    // The job's own environment is not known yet; what it sets later wins over ours.
    let nothing = Environment::from_pairs(&[]);
    let program = wrapper(&setting.settings.file.compiler_cache, &nothing, &setting.places.programs())?;
    let place = setting.place.clone();
    CompileCache::start(program, desk, begun, access, supervisor, place, &nothing).await
}

/// The checkout by its path outside the job's view. `None` when it is not in the job's place, or when its listing names
/// what is not below it: the job said so, and a job may lie.
fn outside(place: &JobPlace, checkout: Checkout) -> Option<Checkout> {
    let is_plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    let below = checkout.top.strip_prefix(&place.seen).ok()?;
    let names = checkout.listing.files.keys().chain(checkout.listing.directories.keys());
    let is_good = is_plain(below) && names.map(PathBuf::from).all(|path| is_plain(&path));
    let top = place.ours.join(below);
    is_good.then_some(Checkout { top, ..checkout })
}

#[cfg(test)]
mod tests {
    use hearth_model::{Ref, WorkTree};

    use super::*;
    use crate::checkout::{DirectoryStamp, Listing};

    fn check(top: &str, inside: &str, expected: Option<&str>) {
        let stamp = DirectoryStamp { identity: String::new(), modified: hearth_host::times::FileTime(1) };
        let checkout = Checkout {
            top: top.into(),
            repository: String::new(),
            reference: Ref::Branch("main".to_owned()),
            default_branch: "main".to_owned(),
            commit: None,
            work_tree: WorkTree::Clean,
            lock_digest: None,
            listing: Listing { files: [].into(), directories: [(inside.to_owned(), stamp)].into() },
        };
        let place = JobPlace { ours: "/state/slots/3/job".into(), seen: "/state/view".into(), user: None };
        let found = outside(&place, checkout).map(|checkout| checkout.top);
        assert_eq!(found.as_deref(), expected.map(Path::new), "{top} {inside}");
    }

    #[test]
    fn only_what_is_in_the_jobs_own_place_is_believed() {
        check("/state/view/work/app/app", "src", Some("/state/slots/3/job/work/app/app"));
        check("/state/view/work/app/app", "", Some("/state/slots/3/job/work/app/app"));
        check("/state/targets", "src", None);
        check("/state/view/../targets", "src", None);
        check("/state/view/work", "../../../targets", None);
        check("/state/view/work", "/etc", None);
    }
}
