//! Whole jobs in a root of their own, with real shells and a real git, without a service.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fake_github::runner_protocol::{Checkout, KeyFile, RunnerFile, Step};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::release::{FILE, Pace, Release};
use crate::stop::Stopper;

const PATIENCE: Duration = Duration::from_mins(1);

/// A root, and the environment that the runner was started with.
struct Bench {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["bin", "externals"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        fs::write(directory.path().join("bin").join(FILE), Release::new("2.335.1", Pace::BRISK).to_json()).unwrap();
        let environment = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
        Self { directory, environment }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Installs a hook: `STARTED` or `COMPLETED`.
    fn hook(self, which: &str, script: &str) -> Self {
        let path = self.path(&format!("{which}.sh"));
        fs::write(&path, script).unwrap();
        self.set(&format!("ACTIONS_RUNNER_HOOK_JOB_{which}"), path.to_str().unwrap())
    }

    fn run(&self, steps: &[Step]) -> Finished {
        self.run_until(steps, "never", Stop::No)
    }

    /// Tells the job to stop as soon as this file appears in the root.
    fn run_until(&self, steps: &[Step], file: &str, stop: Stop) -> Finished {
        let root = Root::of(&self.path("bin/Runner.Listener")).unwrap();
        let pairs = self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment = Environment::of(pairs);
        let configuration = configuration(&root);
        let site = Site { root: &root, environment: &environment, configuration: &configuration };
        let message = message(steps);
        let trace = Trace::open(root.path(), "Worker").unwrap();
        let (stopper, stopped) = Stopper::new();
        let signal = root.file(file);
        let tell = async {
            while !signal.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            stopper.tell(stop);
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let job = async {
                tokio::select! {
                    finished = run(&message, site, trace, stopped) => finished,
                    () = async { tell.await; std::future::pending().await } => unreachable!("it never ends"),
                }
            };
            tokio::time::timeout(PATIENCE, job).await.expect("the job ends in time")
        })
    }
}

fn configuration(root: &Root) -> Configuration {
    let runner = RunnerFile {
        agent_id: 1,
        agent_name: "oven-1".to_owned(),
        pool_id: 1,
        pool_name: "Default".to_owned(),
        disable_update: true,
        ephemeral: true,
        server_url: String::new(),
        git_hub_url: String::new(),
        work_folder: "_work".to_owned(),
        use_v2_flow: true,
    };
    Configuration { runner, key: KeyFile { secret: "top-secret".to_owned() }, work: root.file("_work") }
}

fn message(steps: &[Step]) -> JobMessage {
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    JobMessage {
        job_id: Uuid::new_v4().to_string(),
        request_id: 1,
        display_name: "build".to_owned(),
        github: text(&[("repository", "acme/widgets"), ("run_id", "7"), ("ref", "refs/heads/main")]),
        event: json!({"number": 5}),
        env: text(&[("A", "workflow"), ("B", "workflow")]),
        steps: steps.to_vec(),
    }
}

fn script(name: &str, script: &str) -> Step {
    let action = Action::Run(script.to_owned());
    Step { name: name.to_owned(), action, env: BTreeMap::new(), condition: Condition::Success, is_container: false }
}

fn when(step: Step, condition: Condition) -> Step {
    Step { condition, ..step }
}

/// The conclusions of the steps between `Set up job` and `Complete job`.
fn conclusions(finished: &Finished) -> Vec<(&str, Conclusion)> {
    let steps: Vec<_> = finished.steps.iter().map(|step| (step.name.as_str(), step.conclusion)).collect();
    assert_eq!(steps.first(), Some(&("Set up job", Conclusion::Success)), "{steps:?}");
    assert_eq!(steps.last(), Some(&("Complete job", Conclusion::Success)), "{steps:?}");
    steps[1..steps.len() - 1].to_vec()
}

/// The log without its times.
fn lines(finished: &Finished) -> Vec<&str> {
    finished.log.lines().map(|line| line.split_once(' ').map_or(line, |(_, text)| text)).collect()
}

#[track_caller]
fn assert_says(finished: &Finished, expected: &[&str]) {
    for line in expected {
        assert!(lines(finished).contains(line), "`{line}` is not in\n{}", finished.log);
    }
}

use Conclusion::{Cancelled, Failure, Skipped, Success};

#[test]
fn a_hook_prepares_every_later_step_and_another_comes_last() {
    let bench = Bench::new()
        .hook(
            "STARTED",
            "echo A=hook >> $GITHUB_ENV; echo C=hook >> $GITHUB_ENV; echo /hook >> $GITHUB_PATH\n\
             echo \"in $PWD as $RUNNER_NAME, run $GITHUB_RUN_ID, A=$A\"; grep number $GITHUB_EVENT_PATH\n\
             echo '# started' >> $GITHUB_STEP_SUMMARY",
        )
        .hook("COMPLETED", "echo \"completed with A=$A C=$C PATH=$PATH\"; echo '# top-secret' > $GITHUB_STEP_SUMMARY");
    let mut step = script("see", "echo \"A=$A B=$B C=$C D=$D PATH=$PATH\"");
    step.env.insert("C".to_owned(), "step".to_owned());
    let finished =
        bench.run(&[step, script("export", "echo D=1 >> $GITHUB_ENV"), script("again", "echo \"C=$C D=$D\"")]);
    let expected = ["Set up runner", "see", "export", "again", "Complete runner"].map(|name| (name, Success));
    assert_eq!(conclusions(&finished), expected);
    let workspace = bench.path("_work/widgets/widgets");
    assert_says(
        &finished,
        &[
            &format!("in {} as oven-1, run 7, A=", workspace.display()),
            "  \"number\": 5",
            "A=hook B=workflow C=step D= PATH=/hook:/usr/bin:/bin",
            "C=hook D=1",
            "completed with A= C= PATH=/hook:/usr/bin:/bin",
        ],
    );
    assert_eq!(
        (finished.result, finished.summaries),
        (JobResult::Succeeded, vec!["# started\n".to_owned(), "# ***\n".to_owned()])
    );
    assert_eq!(fs::read_dir(bench.path("_work/_temp")).unwrap().count(), 0);
}

#[test]
fn a_hook_that_fails_fails_the_job_but_not_what_runs_always() {
    let bench = Bench::new().hook("STARTED", "false; echo not reached").hook("COMPLETED", "echo completed");
    let steps = [
        script("skipped", "true"),
        when(script("always", "true"), Condition::Always),
        when(script("on failure", "true"), Condition::Failure),
    ];
    let finished = bench.run(&steps);
    assert_eq!(finished.result, JobResult::Failed);
    assert_eq!(
        conclusions(&finished),
        [
            ("Set up runner", Failure),
            ("skipped", Skipped),
            ("always", Success),
            ("on failure", Success),
            ("Complete runner", Success),
        ]
    );
    assert_says(&finished, &["##[error]Process completed with exit code 1.", "completed"]);
}

#[test]
fn a_hook_that_cannot_be_one_fails_the_job() {
    let bench = Bench::new();
    let text = bench.path("hook.txt");
    fs::write(&text, "echo hello").unwrap();
    for (path, why) in [(bench.path("missing.sh"), "does not exist"), (text, "cannot be a hook")] {
        let bench = Bench::new().set("ACTIONS_RUNNER_HOOK_JOB_STARTED", path.to_str().unwrap());
        let finished = bench.run(&[script("skipped", "true")]);
        assert_eq!(conclusions(&finished), [("Set up runner", Failure), ("skipped", Skipped)]);
        assert!(finished.log.contains(why), "{}", finished.log);
    }
}

#[test]
fn commands_act_on_the_log_and_on_later_steps() {
    let finished = Bench::new().run(&[
        script("mask", "echo ::add-mask::hush; echo hush; echo '::group::g'; echo '::error::e'"),
        script(
            "export",
            "{ echo 'M<<EOF'; echo one; echo two; echo EOF; } >> $GITHUB_ENV\necho NODE_OPTIONS=x >> $GITHUB_ENV",
        ),
        script("see", "echo \"$M\" | wc -l; echo \"node: $NODE_OPTIONS hush\""),
        script("broken", "echo nothing >> $GITHUB_ENV"),
    ]);
    assert_eq!(conclusions(&finished).last(), Some(&("broken", Failure)));
    assert_says(
        &finished,
        &[
            "***",
            "##[group]g",
            "##[error]e",
            "2",
            "node:  ***",
            "##[error]NODE_OPTIONS cannot be set through GITHUB_ENV",
        ],
    );
}

#[test]
fn a_cancellation_ends_the_running_step_and_leaves_what_runs_always() {
    let bench = Bench::new().hook("COMPLETED", "echo completed");
    let steps = [
        script("long", "touch $RUNNER_WORKSPACE/../../ready; sleep 60"),
        script("skipped", "true"),
        when(script("always", "echo still here"), Condition::Always),
    ];
    let finished = bench.run_until(&steps, "ready", Stop::Canceled);
    assert_eq!(finished.result, JobResult::Canceled);
    let expected = [("long", Cancelled), ("skipped", Skipped), ("always", Success), ("Complete runner", Success)];
    assert_eq!(conclusions(&finished), expected);
}

#[test]
fn a_cancellation_does_not_end_a_step_that_runs_always() {
    let always = script("always", "touch $RUNNER_WORKSPACE/../../ready; sleep 1; echo finished");
    let finished = Bench::new().run_until(&[when(always, Condition::Always)], "ready", Stop::Canceled);
    assert_eq!((finished.result, conclusions(&finished)), (JobResult::Canceled, vec![("always", Success)]));
    assert_says(&finished, &["finished"]);
}

#[test]
fn a_shutdown_skips_even_what_runs_always_and_the_completed_hook() {
    let bench = Bench::new().hook("COMPLETED", "echo completed");
    let long = script("long", "touch $RUNNER_WORKSPACE/../../ready; sleep 60");
    let steps = [when(long, Condition::Always), when(script("always", "true"), Condition::Always)];
    let finished = bench.run_until(&steps, "ready", Stop::Shutdown);
    assert_eq!(finished.result, JobResult::Failed);
    assert_eq!(conclusions(&finished), [("long", Cancelled), ("always", Skipped), ("Complete runner", Skipped)]);
    assert_says(&finished, &["##[error]The runner has received a shutdown signal."]);
}

#[test]
fn what_a_step_leaves_behind_is_killed_unless_it_hides() {
    let bench = Bench::new();
    let (seen, hidden) = (bench.path("seen"), bench.path("hidden"));
    // Each writes its number itself, so that it is what it will be when the step ends.
    let leave = |file: &Path, prefix: &str| {
        let file = file.display();
        let stays = format!("echo $$ > {file}; while :; do sleep 1; done");
        format!("{prefix} bash -c '{stays}' > /dev/null 2>&1 &\nuntil [ -s {file} ]; do sleep 0.01; done\n")
    };
    let leaves = leave(&seen, "") + &leave(&hidden, "RUNNER_TRACKING_ID=");
    let finished = bench.run(&[script("leave", &leaves)]);
    let pid = |file: &Path| fs::read_to_string(file).unwrap().trim().to_owned();
    assert_says(&finished, &[&format!("Terminate orphan process: pid ({}) (bash)", pid(&seen))]);
    let kill = |pid: &str| Command::new("kill").arg(pid).status().unwrap().success();
    assert!(kill(&pid(&hidden)), "a process without the id is left alone");
}

#[test]
fn a_checkout_cleans_what_is_there_and_gets_one_commit() {
    let bench = Bench::new();
    let repository = bench.path("repository");
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=Test", "-c", "user.email=test@hearth.example", "-C"])
            .arg(&repository)
            .args(arguments);
        let output = git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    fs::create_dir(&repository).unwrap();
    git(&["init", "--quiet", "--initial-branch=main"]);
    fs::write(repository.join("file"), "1").unwrap();
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "one"]);
    let url = format!("file://{}", repository.display());
    let checkout = |path: Option<&str>| {
        let action = Action::Checkout(Checkout {
            url: url.clone(),
            reference: "refs/heads/main".to_owned(),
            path: path.map(str::to_owned),
        });
        Step { action, ..script("checkout", "") }
    };
    let workspace = bench.path("_work/widgets/widgets");
    fs::create_dir_all(&workspace).unwrap();
    fs::write(workspace.join("stray"), "").unwrap();
    let steps = [checkout(None), script("soil", "touch untracked .git/index.lock; git rev-list --count HEAD")];
    let finished = bench.run(&steps);
    assert_eq!(finished.result, JobResult::Succeeded, "{}", finished.log);
    assert_says(&finished, &["1"]);
    assert!(!workspace.join("stray").exists() && workspace.join("untracked").exists());

    fs::write(repository.join("file"), "2").unwrap();
    git(&["commit", "--quiet", "--all", "--message", "two"]);
    let finished = bench.run(&[checkout(None), checkout(Some("below"))]);
    assert_eq!(finished.result, JobResult::Succeeded, "{}", finished.log);
    assert!(!workspace.join("untracked").exists());
    for file in ["file", "below/file"] {
        assert_eq!(fs::read_to_string(workspace.join(file)).unwrap(), "2");
    }
}

#[test]
fn the_slot_is_described_in_the_log_and_the_message_in_the_diagnostics() {
    let bench = Bench::new();
    let groups = json!([{"Group": "Hearth", "Detail": "slot 1\nwarm"}, {"Group": "_internal_x", "Detail": "hidden"}]);
    fs::write(bench.path(".setup_info"), groups.to_string()).unwrap();
    let finished = bench.run(&[]);
    assert_says(&finished, &["##[group]Hearth", "slot 1", "warm", "##[endgroup]"]);
    assert!(!finished.log.contains("hidden"));
    let log = fs::read_dir(bench.path("_diag")).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_to_string(log).unwrap().contains("\"displayName\": \"build\""));
}

#[test]
fn a_job_without_a_work_folder_fails_before_its_steps() {
    let bench = Bench::new();
    fs::write(bench.path("_work"), "no directory").unwrap();
    let finished = bench.run(&[script("skipped", "true")]);
    let steps: Vec<_> = finished.steps.iter().map(|step| (step.name.as_str(), step.conclusion)).collect();
    assert_eq!((finished.result, steps), (JobResult::Failed, vec![("Set up job", Failure)]));
}

#[test]
fn what_follows_a_step_depends_on_the_job_so_far() {
    use Condition as C;
    use JobResult::{Canceled, Failed, Succeeded};
    for (status, expected) in
        [(Succeeded, [true, true, false]), (Failed, [true, false, true]), (Canceled, [true, false, false])]
    {
        assert_eq!(
            [C::Always, C::Success, C::Failure].map(|condition| holds(condition, status)),
            expected,
            "{status:?}"
        );
    }
}

#[test]
fn a_canceled_job_stays_canceled_and_a_stopped_runner_fails_its_job() {
    use JobResult::{Canceled, Failed, Succeeded};
    for (stop, expected) in [
        (Stop::No, [Succeeded, Failed, Canceled]),
        (Stop::Canceled, [Canceled, Canceled, Canceled]),
        (Stop::Shutdown, [Failed, Failed, Canceled]),
    ] {
        assert_eq!([Succeeded, Failed, Canceled].map(|status| status_after(status, stop)), expected, "{stop:?}");
    }
}
