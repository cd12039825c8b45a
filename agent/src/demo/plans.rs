//! Which jobs there are: the four of the story, and the document's old and new pipeline on this machine. Pure; the
//! commands are those that a workflow file would name.

/// Makes cargo say what it built, for programs; diagnostics stay for people. Nothing is downloaded in a job.
const SAID: &str = "--frozen --message-format=json-render-diagnostics";

/// Whether a job may use the compile cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cache {
    On,
    Off,
}

/// One job, before it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// What a person reads while it runs.
    pub(super) title: String,
    pub(super) job: &'static str,
    pub(super) workflow: &'static str,
    /// Groups the jobs of one pipeline run in the ledger.
    pub(super) run_id: Option<u64>,
    /// The warm targets that it uses; those of its own name when absent.
    pub(super) lane: Option<&'static str>,
    pub(super) cache: Cache,
    pub(super) steps: Vec<String>,
}

impl Plan {
    /// The command as a person would type it.
    pub(super) fn command(&self) -> String {
        self.steps.join(" && ")
    }
}

/// Tools that a small toolchain may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tools {
    pub(super) clippy: Presence,
    pub(super) rustfmt: Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    There,
    Missing,
}

/// The same job each time: build everything, run all tests.
pub(super) fn story(title: &str) -> Plan {
    Plan {
        title: title.to_owned(),
        job: "test",
        workflow: "story",
        run_id: None,
        lane: None,
        cache: Cache::On,
        steps: vec![format!("cargo test --workspace {SAID}")],
    }
}

/// Four jobs that each build, in directories of their own, without Hearth's cache.
pub(super) fn old_pipeline(run_id: u64, tools: Tools) -> Vec<Plan> {
    let build = || format!("cargo build --workspace {SAID}");
    let job = |job: &'static str, rest: Vec<String>| Plan {
        title: format!("old pipeline: {job}"),
        job,
        workflow: "old",
        run_id: Some(run_id),
        lane: None,
        cache: Cache::Off,
        steps: [vec![build()], rest].concat(),
    };
    vec![
        job("sanity", checks(tools)),
        job("unit", vec![unit_tests()]),
        job("e2e", vec![test("e2e")]),
        job("ovsm", vec![test("scripts")]),
    ]
}

/// One job builds, four use it.
pub(super) fn new_pipeline(title: &str, run_id: u64, tools: Tools) -> Vec<Plan> {
    let job = |job: &'static str, steps: Vec<String>| Plan {
        title: format!("{title}: {job}"),
        job,
        workflow: "new",
        run_id: Some(run_id),
        lane: Some("pipeline"),
        cache: Cache::On,
        steps,
    };
    let build = vec![format!("cargo build --workspace {SAID}"), format!("cargo test --workspace --no-run {SAID}")];
    let all = vec![
        job("sanity", checks(tools)),
        job("build", build),
        job("unit", vec![unit_tests()]),
        job("e2e", vec![test("e2e")]),
        job("ovsm", vec![test("scripts")]),
        job("integration", vec![test("integration")]),
    ];
    all.into_iter().filter(|plan| !plan.steps.is_empty()).collect()
}

/// Why some checks are left out.
pub(super) fn missing(tools: Tools) -> Vec<String> {
    let mut said = Vec::new();
    if tools.clippy == Presence::Missing {
        said.push("clippy is not installed, so no sanity job runs it (`rustup component add clippy`)".to_owned());
    }
    if tools.rustfmt == Presence::Missing {
        said.push("rustfmt is not installed, so no sanity job runs it (`rustup component add rustfmt`)".to_owned());
    }
    said
}

fn checks(tools: Tools) -> Vec<String> {
    let mut steps = Vec::new();
    if tools.clippy == Presence::There {
        steps.push(format!("cargo clippy --workspace --all-targets {SAID}"));
    }
    if tools.rustfmt == Presence::There {
        steps.push("cargo fmt --all --check".to_owned());
    }
    steps
}

fn unit_tests() -> String {
    format!("cargo test --workspace --lib --bins {SAID}")
}

/// All packages, so that features are the same as in the build, but one test program.
fn test(name: &str) -> String {
    format!("cargo test --workspace --test {name} {SAID}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Tools = Tools { clippy: Presence::There, rustfmt: Presence::There };
    const NONE: Tools = Tools { clippy: Presence::Missing, rustfmt: Presence::Missing };

    fn builds(plans: &[Plan]) -> usize {
        plans.iter().filter(|plan| plan.steps.iter().any(|step| step.starts_with("cargo build "))).count()
    }

    #[test]
    fn the_old_pipeline_builds_four_times_and_the_new_one_once() {
        let (old, new) = (old_pipeline(1, ALL), new_pipeline("new", 2, ALL));
        assert_eq!((old.len(), builds(&old)), (4, 4));
        assert_eq!((new.len(), builds(&new)), (6, 1));
        assert!(old.iter().all(|plan| plan.cache == Cache::Off && plan.lane.is_none() && plan.run_id == Some(1)));
        assert!(new.iter().all(|plan| plan.cache == Cache::On && plan.lane == Some("pipeline")));
    }

    #[test]
    fn what_is_not_installed_is_said_and_left_out() {
        let (old, new) = (old_pipeline(1, NONE), new_pipeline("new", 2, NONE));
        assert_eq!(old[0].steps.len(), 1, "the old sanity job still builds");
        assert!(new.iter().all(|plan| plan.job != "sanity"), "the new one would do nothing");
        assert_eq!(missing(NONE).len(), 2);
        assert_eq!(missing(ALL), Vec::<String>::new());
        let only_fmt = Tools { rustfmt: Presence::There, ..NONE };
        assert_eq!(new_pipeline("new", 2, only_fmt)[0].command(), "cargo fmt --all --check");
    }

    #[test]
    fn every_job_of_the_document_has_its_budget() {
        let budgets = hearth_ledger::Budgets::documented();
        for plan in new_pipeline("new", 2, ALL) {
            let id = format!("job_ci_{}", plan.job);
            assert!(budgets.get(&id).is_some(), "{id}");
        }
    }
}
