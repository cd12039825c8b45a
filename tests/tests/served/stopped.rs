//! The daemon is asked to stop, and the next one goes on; what an earlier one has left at GitHub is swept.

use std::collections::BTreeSet;
use std::fs;

use fake_github::runner_protocol::JobResult;
use fake_github::{FaultKind, Injection, Scope};
use hearth_daemon::secrets::Exposure;
use hearth_forge::{AnyDemand, Demand, Github, GithubFile, Labels, Machine, Registrar, RunnerName, Surroundings};
use hearth_host::clock::SystemClock;
use hearth_tests::github::nothing_is_violated;
use hearth_tests::served::{ORGANIZATION, Served};
use hearth_tests::wait::until;

use crate::books::{Witness, each_ran_once};
use crate::left::nothing_is_left;
use crate::moments::{Gate, REGISTER, idle_runner, machine, reach};

#[test]
fn a_stop_lets_idle_runners_go_and_busy_ones_go_on() {
    let mut served = Served::start(&machine(2));
    let gate = Gate::new(&served, 1);
    let job = Witness::offer(&served, 1, &gate.script());
    until("a job that runs", || job.has_begun());
    reach(&mut served, "busy", 1);
    idle_runner(&mut served);
    served.stop();
    assert_eq!(served.records(), ["busy"]);
    let runners = served.github.runners();
    assert!(matches!(runners.as_slice(), [runner] if runner.busy), "{runners:#?}");
    served.up();
    gate.open();
    served.done(&[job.job]);
    nothing_is_left(&mut served);
    each_ran_once(&served, &[job], &BTreeSet::new());
    assert!(served.github.runners().is_empty());
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_job_that_ends_while_no_daemon_is_up_is_in_the_books_when_the_next_one_comes() {
    let mut served = Served::start(&machine(1));
    let gate = Gate::new(&served, 1);
    let job = Witness::offer(&served, 1, &gate.script());
    until("a job that runs", || job.has_begun());
    reach(&mut served, "busy", 1);
    served.stop();
    gate.open();
    served.done(&[job.job]);
    reach(&mut served, "finished", 1);
    served.up();
    nothing_is_left(&mut served);
    each_ran_once(&served, &[job], &BTreeSet::new());
    nothing_is_violated(&served.github);
    served.stop();
}

/// Registers runners as somebody else does who serves the same organization.
fn register(served: &Served, names: &[String]) {
    let token = served.world.path("token");
    fs::write(&token, served.github.personal_token(&fake_github::ALL_SCOPES)).expect("a file can be written");
    let url = served.github.url_of(&Scope::Organization(ORGANIZATION.to_owned()));
    let demand = "demand = 'polling'\nrepositories = ['acme/widgets']";
    let file: GithubFile = toml::from_str(&format!("url = '{url}'\ntoken_file = '{}'\n{demand}", token.display()))
        .expect("it is a configuration");
    let settings = file.check().expect("a configuration that can be used");
    let surroundings =
        Surroundings { clock: std::sync::Arc::new(SystemClock::default()), exposure: |_| Ok(Exposure::Private) };
    let machine = Machine {
        name: "stranger".to_owned(),
        prefix: "stranger-".to_owned(),
        labels: Labels::new(["self-hosted"]).expect("a label"),
        work_folder: "_work".to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    runtime.block_on(async {
        let github = Github::open(&settings, &surroundings).expect("the token can be read");
        let registrar = AnyDemand::new(github, &settings, machine, None).registrar();
        for name in names {
            let name: RunnerName = name.parse().expect("a name that GitHub takes");
            registrar.register(&name).await.expect("the fake registers it");
        }
    });
}

#[test]
fn what_a_lost_answer_left_is_swept_and_no_stranger_is_ever_touched() {
    let mut served = Served::start(&machine(1));
    // The answer is lost, and so is every answer about what became of it.
    served.github.inject(Injection::of(FaultKind::LostAnswer).on(REGISTER));
    served
        .github
        .inject(Injection::of(FaultKind::ServerError).on("GET /_apis/distributedtask/pools/0/agents").times(4));
    let job = Witness::offer(&served, 1, "true");
    served.done(&[job.job]);
    served.idle();
    let left = served.github.runners();
    let [orphan] = left.as_slice() else { unreachable!("one registration is left, and not {left:#?}") };
    assert!(!orphan.is_online());

    let number = fs::read_to_string(served.world.state().join("agent.id")).unwrap();
    let execution = orphan.name.rsplit('-').next().unwrap().to_owned();
    let other = if number.starts_with('0') { "1" } else { "0" };
    let strangers = [
        format!("hearth-{number}"),
        format!("hearth-{number}-box"),
        format!("hearth-{number}-box-{}", &execution[1..]),
        format!("hearth-{other}{}-box-{execution}", &number[1..]),
        format!("hearth-box-{execution}"),
        "build-7".to_owned(),
    ];
    register(&served, &strangers);
    served.stop();
    served.up();
    let name = orphan.name.clone();
    served.until("a sweep", |state| state.runners().all(|runner| runner.name != name));
    served.stop();
    let left: BTreeSet<_> = served.github.runners().into_iter().map(|runner| runner.name).collect();
    assert_eq!(left, strangers.into_iter().collect());
    nothing_is_left(&mut served);
    assert_eq!(served.github.job(job.job).unwrap().result(), Some(JobResult::Succeeded));
    each_ran_once(&served, &[job], &BTreeSet::new());
    nothing_is_violated(&served.github);
}
