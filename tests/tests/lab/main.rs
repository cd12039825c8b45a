//! The correctness lab: a warm target must never build anything else than a cold one does, and must save what a
//! workspace saves that nobody ever deletes. Every job starts in a fresh clone, as on CI.

mod workspace;

use std::fs::{self, File};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use hearth_tests::job::{Call, Ran};
use hearth_tests::repository::Repository;
use hearth_tests::world::{World, entries};
use serde_json::Value;
use workspace::COMMITS;

const HOPS: usize = 25;
/// Any seed will do; this one is written down so that a failure comes again.
const SEED: u64 = 20_261_122;

/// What one build came to.
#[derive(Debug)]
struct Built {
    printed: String,
    /// Units that were compiled, by package.
    compiled: Vec<String>,
}

struct Lab {
    world: World,
    source: Repository,
    commits: Vec<String>,
}

impl Lab {
    fn new() -> Self {
        let world = World::new();
        let source = world.repository("source");
        let commits = workspace::write(&source, |repository| {
            let cargo = world.other("cargo", repository.path()).args(["generate-lockfile", "--offline", "--quiet"]);
            cargo.run().expect_success();
        });
        Self { world, source, commits }
    }

    /// Builds and runs the program in the call's directory.
    fn build(&self, call: Call, target: &Path) -> Built {
        let messages = self.world.path("messages.json");
        let script = "cargo build --quiet --message-format json > \"$1\" && \"$2/debug/digest\"";
        let call = call.args(["sh", "-c", script, "sh"]).arg(&messages).arg(target);
        let ran = call.run().expect_success();
        Built { printed: ran.stdout, compiled: compiled(&messages) }
    }

    /// What a cold build of each commit prints.
    fn truth(&self) -> Vec<String> {
        let path = self.world.path("cold");
        let cold = |commit: &String| {
            let clone = self.source.clone_to(&path, commit);
            let target = clone.path().join("target");
            self.build(self.world.other("env", clone.path()).arg("CARGO_INCREMENTAL=0"), &target).printed
        };
        self.commits.iter().map(cold).collect()
    }

    /// The hops in one workspace that stays, with cargo alone.
    fn persistent(&self, hops: &[usize]) -> Vec<Built> {
        let clone = self.source.clone_to(&self.world.path("persistent"), &self.commits[0]);
        let target = clone.path().join("target");
        let hop = |hop: &usize| {
            clone.git(&["checkout", "--quiet", "--force", &self.commits[*hop]]);
            self.build(self.world.other("env", clone.path()), &target)
        };
        hops.iter().map(hop).collect()
    }

    /// The hops as jobs, each in a fresh clone at the same path.
    fn jobs(&self, hops: &[usize], mut after_clone: impl FnMut(&Repository)) -> Vec<Built> {
        let path = self.world.path("checkout");
        let hop = |(number, hop): (usize, &usize)| {
            let clone = self.source.clone_to(&path, &self.commits[*hop]);
            after_clone(&clone);
            // Some jobs find a clone ready, others come while it is being made.
            if number % 2 == 0 {
                self.world.upkeep_done();
            }
            let job = self.world.exec(&clone).args(["--event", "push", "--ref", "refs/heads/main", "--quiet", "--"]);
            self.build(job, &clone.path().join("target"))
        };
        hops.iter().enumerate().map(hop).collect()
    }
}

/// The units that cargo compiled, out of its messages.
fn compiled(messages: &Path) -> Vec<String> {
    let text = fs::read_to_string(messages).expect("cargo has written messages");
    let messages = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a message is JSON"));
    let built = messages.filter(|message| message["reason"] == "compiler-artifact" && message["fresh"] == false);
    built.map(|message| message["target"]["name"].to_string()).collect()
}

/// In order, back to the first, then anywhere.
fn hops() -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let in_order = 0..COMMITS.len();
    in_order.chain([0]).chain(std::iter::repeat_with(|| random.usize(..COMMITS.len()))).take(HOPS).collect()
}

/// What everything is measured against, made once for all tests of this program.
struct Measure {
    truth: Vec<String>,
    persistent: Vec<Built>,
}

fn measure() -> &'static Measure {
    static MEASURE: OnceLock<Measure> = OnceLock::new();
    MEASURE.get_or_init(|| {
        let lab = Lab::new();
        Measure { truth: lab.truth(), persistent: lab.persistent(&hops()) }
    })
}

fn units(all: &[Built]) -> usize {
    all.iter().map(|built| built.compiled.len()).sum()
}

fn check_nothing_is_stale(jobs: &[Built]) {
    for (number, (hop, job)) in hops().into_iter().zip(jobs).enumerate() {
        assert_eq!(job.printed, measure().truth[hop], "hop {number} is stale: {}", COMMITS[hop].what);
    }
    // A lab in which nothing is rebuilt, or everything always, would prove nothing.
    let cold = jobs[0].compiled.len();
    let is_partial = |built: &&Built| !built.compiled.is_empty() && built.compiled.len() * 2 < cold;
    assert!(jobs.iter().filter(is_partial).count() > HOPS / 2);
}

#[test]
fn fresh_clones_build_what_cold_builds_do_and_save_what_a_persistent_workspace_does() {
    let (lab, hops) = (Lab::new(), hops());
    let persistent = &measure().persistent;
    check_nothing_is_stale(persistent);
    let jobs = lab.jobs(&hops, |_clone| ());
    check_nothing_is_stale(&jobs);
    for (number, (job, measure)) in jobs.iter().zip(persistent).enumerate() {
        let (ours, theirs, what) = (&job.compiled, &measure.compiled, COMMITS[hops[number]].what);
        assert!(ours.len() <= theirs.len(), "hop {number} ({what}): {ours:?} instead of {theirs:?}");
    }
    println!("{HOPS} hops: {} units compiled, {} in a persistent workspace", units(&jobs), units(persistent));
}

#[test]
fn a_checkout_whose_clock_lies_is_not_stale() {
    let lab = Lab::new();
    let jobs = lab.jobs(&hops(), |clone| set_back(clone.path(), an_hour_ago()));
    check_nothing_is_stale(&jobs);
    println!("{HOPS} hops an hour behind: {} units compiled", units(&jobs));
}

fn an_hour_ago() -> SystemTime {
    let probe = tempfile::tempfile().and_then(|file| file.metadata()).and_then(|metadata| metadata.modified());
    probe.expect("a new file has a time") - Duration::from_hours(1)
}

/// Gives everything in a checkout this time.
fn set_back(path: &Path, time: SystemTime) {
    for entry in entries(path).iter().filter(|entry| !entry.ends_with(".git")) {
        if entry.is_dir() {
            set_back(entry, time);
        }
    }
    File::open(path).and_then(|file| file.set_modified(time)).expect("a time can be set");
    for file in entries(path).iter().filter(|entry| entry.is_file()) {
        File::options().append(true).open(file).and_then(|file| file.set_modified(time)).expect("a time can be set");
    }
}

/// A package whose build script writes a module into `src/`, which git ignores.
fn with_generated_source(repository: &Repository, template: &str) -> String {
    let script = "fn main() {\n    println!(\"cargo::rerun-if-changed=template.txt\");\n    \
                  let text = std::fs::read_to_string(\"template.txt\").unwrap();\n    \
                  std::fs::write(\"src/generated.rs\", format!(\"pub const TEXT: &str = {text:?};\")).unwrap();\n}\n";
    repository
        .write(".gitignore", "/target\n/src/generated.rs\n")
        .write("Cargo.toml", "[package]\nname = \"generating\"\nedition = \"2024\"\nversion = \"0.1.0\"\n")
        .write("build.rs", script)
        .write("template.txt", template)
        .write("src/main.rs", "mod generated;\nfn main() { println!(\"{}\", generated::TEXT); }\n");
    repository.commit(template)
}

#[test]
fn a_generated_source_that_git_ignores_is_there_in_a_fresh_clone() {
    let world = World::new();
    let source = world.repository("source");
    let (one, two) = (with_generated_source(&source, "one"), with_generated_source(&source, "two"));
    let job = |commit: &str| -> Ran {
        let clone = source.clone_to(&world.path("checkout"), commit);
        world.upkeep_done();
        world.exec(&clone).args(["--event", "push", "--ref", "refs/heads/main"]).sh("cargo run").expect_success()
    };
    assert_eq!(job(&one).stdout, "one\n");
    let again = job(&one);
    assert_eq!(again.stdout, "one\n");
    assert!(again.compiled().is_empty(), "{again}");
    assert_eq!(again.receipt()["sources_put_back"], 1);
    assert_eq!(job(&two).stdout, "two\n");
    assert_eq!(job(&one).stdout, "one\n");
}
