//! `hearth unregister` takes away what is this agent's, and nobody else's.

use std::fs;

use fake_github::{Job, Scope};
use hearth_daemon::secrets::Exposure;
use hearth_forge::{AnyDemand, Demand, Github, GithubFile, Labels, Machine as Forged, Registrar, Surroundings};
use hearth_host::clock::SystemClock;
use hearth_tests::github::nothing_is_violated;
use hearth_tests::served::{Machine, Served};

const OWN_FAILURE: i32 = 125;
/// The name of another agent's runner, which only looks like ours.
const STRANGER: &str = "hearth-99999999-box-0123456789abcdef0123456789abcdef";

fn url(served: &Served) -> String {
    served.github.url_of(&Scope::Organization("acme".to_owned()))
}

/// Registers a runner of another agent at the same place.
fn register_stranger(served: &Served) {
    let key = served.world.path("app.pem");
    let text = format!(
        "url = '{}'\napp = {{ client_id = 'Iv23liHearthFake', private_key_file = '{}' }}\ndemand = 'polling'\n\
         repositories = ['acme/widgets']",
        url(served),
        key.display()
    );
    let settings =
        toml::from_str::<GithubFile>(&text).expect("the section is TOML").check().expect("the section is right");
    let clock = std::sync::Arc::new(SystemClock::default());
    let github = Github::open(&settings, &Surroundings { clock, exposure: |_| Ok(Exposure::Private) });
    let github = github.expect("the key is one");
    let labels = Labels::new(["elsewhere"]).expect("a word is a label");
    let (name, prefix, work_folder) = ("other".to_owned(), "hearth-99999999-".to_owned(), "_work".to_owned());
    let demand = AnyDemand::new(github, &settings, Forged { name, prefix, labels, work_folder }, None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be had");
    let name = STRANGER.parse().expect("the name is one");
    runtime.block_on(demand.registrar().register(&name)).expect("anybody may register here");
}

fn names(served: &Served) -> Vec<String> {
    served.github.runners().into_iter().map(|runner| runner.name).collect()
}

fn sets(served: &Served) -> usize {
    served.github.read(|state| state.scale_sets().count())
}

#[test]
fn a_stopped_machine_leaves_and_takes_nobody_along() {
    let mut served = Served::start(&Machine::default());
    served.until("the machine's scale set", |state| state.scale_sets().count() == 1);
    register_stranger(&served);
    let refused = served.hearth().args(["unregister", &url(&served), "--yes"]).run();
    refused.expect_code(OWN_FAILURE).expect_said(&["is up and would register anew", "hearth drain"]);
    served.stop();
    assert_eq!(sets(&served), 1);

    let preview = served.hearth().args(["unregister", "--all"]).run().expect_success();
    assert!(preview.stdout.contains("would remove") && preview.stdout.contains("--yes"), "{preview}");
    assert_eq!(sets(&served), 1);

    let configuration = fs::read(served.configuration()).unwrap();
    let ran = served.hearth().args(["unregister", &url(&served), "--yes"]).run().expect_success();
    assert!(ran.stdout.contains("this machine's scale set") && ran.stdout.contains("[[github]]"), "{ran}");
    assert_eq!((sets(&served), names(&served)), (0, vec![STRANGER.to_owned()]));
    assert_eq!(fs::read(served.configuration()).unwrap(), configuration);
    served.hearth().args(["unregister", "--all", "--yes"]).run().expect_success();
    nothing_is_violated(&served.github);
}

#[test]
fn a_job_that_runs_is_refused_or_waited_for() {
    let mut served = Served::start(&Machine::default());
    let go = served.world.path("go");
    let script = format!("until test -e '{}'; do sleep 0.05; done", go.display());
    let job = served.github.offer(Job::new("acme/widgets").labels(["self-hosted", "hearth"]).run(&script));
    served.until("a job that runs", |state| state.runners().any(|runner| runner.busy));
    served.kill();

    let (before, place) = (names(&served), url(&served));
    let refused = served.hearth().args(["unregister", &place, "--yes"]).run();
    refused.expect_code(OWN_FAILURE).expect_said(&["jobs run at", &before[0], "--wait"]);
    assert_eq!((names(&served), sets(&served)), (before.clone(), 1));

    let (waiting, said) = served.hearth().args(["unregister", &place, "--yes", "--wait", "2m"]).start_told();
    assert!(said.iter().any(|line| line.contains("waiting for") && line.contains(&before[0])));
    fs::write(&go, "").unwrap();
    waiting.wait().expect_success();
    assert_eq!((names(&served), sets(&served)), (vec![], 0));
    assert!(served.github.job(job).unwrap().is_done());
    nothing_is_violated(&served.github);
}

#[test]
fn a_place_that_is_not_served_is_named_with_those_that_are() {
    let served = Served::prepare(&Machine::default());
    let unknown = served.hearth().args(["unregister", "https://github.com/nobody", "--yes"]).run();
    unknown.expect_code(OWN_FAILURE).expect_said(&["https://github.com/nobody is not in", &url(&served)]);
    let never = served.hearth().args(["unregister", "--all", "--yes"]).run();
    never.expect_code(OWN_FAILURE).expect_said(&["nothing is kept in", "--state"]);
}
