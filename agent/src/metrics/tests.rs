//! What a scrape gives, over a real machine in a temporary directory.

use std::os::unix::fs::PermissionsExt;

use hearth_daemon::metrics::{BuildInfo, Metrics};
use hearth_daemon::stop::Stop;
use hearth_daemon::tasks::Tasks;
use hearth_forge::GithubFile;
use hearth_ledger::{Fact, Loss, Observation, Owner, Place};
use hearth_model::{
    CompileCounts, Event, ExecutionId, Forge, JobFacts, Measures, Millis, Outcome, Ref, RunFacts, SlotNumber,
    UsageReading, WarmTarget, WorkTree,
};

use super::reading::{Reader, Reading};
use super::*;
use crate::dispatch::Standing;
use crate::environment::Environment;
use crate::runner::{RunnerVersion, sample};
use crate::settings::{self, HearthFile};
use crate::slots::Record;

const LINUX: &str = "x86_64-unknown-linux-gnu";

struct Machine {
    _state: tempfile::TempDir,
    app: Arc<App>,
}

impl Machine {
    fn new() -> Self {
        Self::serving(&[])
    }

    fn serving(urls: &[&str]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let token = state.path().join("token");
        std::fs::write(&token, "token").unwrap();
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
        let github = urls.iter().map(|url| format!("url = {url:?}\ntoken_file = {token:?}\n"));
        let github = github.map(|text| toml::from_str::<GithubFile>(&text).unwrap()).collect();
        let file = HearthFile { state: Some(state.path().join("state")), github, ..HearthFile::default() };
        let settings = settings::check(file, &Environment::from_pairs(&[])).unwrap();
        let app = Arc::new(App::open(settings).unwrap());
        Self { _state: state, app }
    }

    /// What `/metrics` gives, with the reader's memory of earlier scrapes.
    fn scrape(&self, reader: &Arc<Reader>) -> String {
        let metrics = Metrics::new(BuildInfo { program: "hearth", version: "0", commit: "none" });
        let reader = Arc::clone(reader);
        let latest: Latest<Reading> = Latest::new(Duration::ZERO, Duration::from_mins(1), move || reader.read());
        let collector = AgentCollector::new(Arc::clone(&self.app), latest);
        metrics.register(|registry| registry.register_collector(Box::new(collector)));
        metrics.encode().unwrap()
    }

    fn start(&self, change: impl FnOnce(&mut JobFacts)) -> ExecutionId {
        let at = self.app.clock.now();
        let id = ExecutionId::new(at);
        let mut facts = JobFacts {
            forge: Forge::Local,
            repository: "acme/anvil".to_owned(),
            event: Event::Push,
            reference: Ref::Branch("main".to_owned()),
            base_branch: None,
            default_branch: "main".to_owned(),
            from_fork: false,
            commit: None,
            work_tree: WorkTree::Clean,
            lock_digest: None,
            workflow: Some("ci".to_owned()),
            job: "test".to_owned(),
            actor: None,
            platform: LINUX.to_owned(),
            run: RunFacts::default(),
        };
        change(&mut facts);
        let place = Place {
            machine: "forge-1".to_owned(),
            slot: SlotNumber(0),
            cpu_count: None,
            owner: Owner { pid: 1, process_start_ticks: 1, boot_id: "another".to_owned() },
        };
        self.say(id, 0, &[Fact::Accepted { at, facts: Box::new(facts), place }, Fact::Started { at }]);
        id
    }

    fn end(&self, id: ExecutionId, outcome: Outcome, ran: Millis) {
        let measures = Measures {
            usage: UsageReading { cpu_us: Some(2_500_000), ..UsageReading::NOT_MEASURED },
            warm_target: WarmTarget::Exact,
            warm_bytes: None,
            compile: Some(CompileCounts { requests: 10, hits: 6, misses: 2, uncacheable: 1, errors: 1 }),
            compile_useful: None,
            compile_total: None,
            build_fingerprint: None,
            full_build: None,
        };
        let ended = Fact::Ended { at: self.app.clock.now(), outcome, ran };
        self.say(id, 2, &[Fact::Measured { measures: Box::new(measures) }, ended]);
    }

    fn say(&self, id: ExecutionId, first: u32, facts: &[Fact]) {
        let at = self.app.clock.now();
        let said = (first..).zip(facts).map(|(n, fact)| Observation::by_agent(id, n, at, fact.clone()));
        self.app.book.append(&said.collect::<Vec<_>>()).unwrap();
    }
}

fn reader(machine: &Machine) -> Arc<Reader> {
    Arc::new(Reader::new(Arc::clone(&machine.app), Control::of(Vec::new())))
}

/// The value of one series; fails when there is none.
#[track_caller]
fn value<'a>(page: &'a str, series: &str) -> &'a str {
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no series {series} in:\n{page}"))
}

const SUCCEEDED: &str =
    r#"agent_jobs_total{repository="acme/anvil",workflow="ci",conclusion="success",ending="clean"}"#;
const CRASHED: &str =
    r#"agent_jobs_total{repository="acme/anvil",workflow="ci",conclusion="failure",ending="crashed"}"#;

#[test]
fn a_new_machine_has_every_series_that_can_be_foreseen_at_zero() {
    let machine = Machine::new();
    let page = machine.scrape(&reader(&machine));
    for outcome in ["hit", "miss", "uncacheable", "error"] {
        let series = format!("agent_compile_requests_total{{outcome=\"{outcome}\"}}");
        assert_eq!(value(&page, &series), "0", "{series}");
    }
    for series in ["agent_ledger_write_errors_total", "agent_label_overflow_total", "agent_ledger_open_executions"] {
        assert_eq!(value(&page, series), "0", "{series}");
    }
    assert_eq!(value(&page, "agent_slots{state=\"free\"}"), "2");
    assert_eq!(value(&page, "agent_ledger_readable"), "1");
    assert_eq!(value(&page, "agent_warm_target_budget_bytes"), (40_u64 << 30).to_string());
    let limit = r#"agent_budget_limit_seconds{budget="month_minutes",limit="target",basis="job_minutes_billable"}"#;
    assert_eq!(value(&page, limit), "24000.0", "400 minutes");
    assert!(!page.contains("agent_budget_spent_seconds{"), "what is not measured is not zero");
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn a_series_is_at_zero_before_its_first_job_ends() {
    let machine = Machine::new();
    let reader = reader(&machine);
    let id = machine.start(|_| {});
    let page = machine.scrape(&reader);
    assert_eq!(value(&page, SUCCEEDED), "0");
    assert_eq!(value(&page, "agent_ledger_open_executions"), "1");

    machine.end(id, Outcome::Exited { code: 0 }, Millis(90_000));
    let page = machine.scrape(&reader);
    let expected = [
        (SUCCEEDED, "1"),
        (
            r#"agent_job_seconds_total{repository="acme/anvil",workflow="ci",platform="x86_64-unknown-linux-gnu",branch_class="default",conclusion="success"}"#,
            "90.0",
        ),
        (
            r#"agent_job_billable_seconds_total{repository="acme/anvil",platform="x86_64-unknown-linux-gnu",sku="actions_linux"}"#,
            "120.0",
        ),
        (r#"agent_rounding_waste_seconds_total{repository="acme/anvil"}"#, "30.0"),
        (r#"agent_job_cpu_seconds_total{repository="acme/anvil"}"#, "2.5"),
        (r#"agent_compile_requests_total{outcome="hit"}"#, "6"),
        (r#"agent_compile_requests_total{outcome="error"}"#, "1"),
        (r#"agent_warm_targets_total{outcome="exact"}"#, "1"),
        (r#"agent_budget_spent_seconds{budget="month_minutes",limit="goal",basis="job_minutes_billable"}"#, "120.0"),
        ("agent_ledger_open_executions", "0"),
    ];
    for (series, expected) in expected {
        assert_eq!(value(&page, series), expected, "{series}");
    }
}

#[test]
fn a_counter_never_goes_down_and_catches_up() {
    let machine = Machine::new();
    let reader = reader(&machine);
    let job = machine.start(|_| {});
    let execution = machine.app.book.execution(job).unwrap().unwrap();
    machine.app.book.heartbeat(job, Millis(1_000)).unwrap();
    machine.app.book.close_lost(&execution, Loss::Crashed, machine.app.clock.now()).unwrap();
    let page = machine.scrape(&reader);
    assert_eq!((value(&page, CRASHED), value(&page, SUCCEEDED)), ("1", "0"));

    machine.end(job, Outcome::Exited { code: 0 }, Millis(1_000));
    let page = machine.scrape(&reader);
    assert_eq!((value(&page, CRASHED), value(&page, SUCCEEDED)), ("1", "1"), "held, not taken back");

    let again = machine.start(|_| {});
    let execution = machine.app.book.execution(again).unwrap().unwrap();
    machine.app.book.heartbeat(again, Millis(1_000)).unwrap();
    machine.app.book.close_lost(&execution, Loss::Crashed, machine.app.clock.now()).unwrap();
    assert_eq!(value(&machine.scrape(&reader), CRASHED), "1", "the book has caught up with it");
    assert_eq!(value(&machine.scrape(&self::reader(&machine)), CRASHED), "1");
}

#[test]
fn a_label_cannot_break_the_page() {
    let machine = Machine::new();
    machine.start(|facts| {
        facts.workflow = Some("a\"b\\c\nd} 1\n# EOF".to_owned());
        facts.platform = "p".repeat(1_000);
    });
    let page = machine.scrape(&reader(&machine));
    assert_eq!(
        page.matches("# EOF").count(),
        page.matches("\n# EOF\n").count() + page.matches("d} 1\u{fffd}# EOF").count()
    );
    assert!(page.contains(r#"workflow="a\"b\\c"#), "{page}");
    assert!(page.lines().all(|line| line.len() < 600));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_scrape_inside_the_runtime_waits_without_holding_it_up() {
    let machine = Machine::new();
    let metrics = Metrics::new(BuildInfo { program: "hearth", version: "0", commit: "none" });
    register(&metrics, Arc::clone(&machine.app), Control::of(Vec::new()));
    let page = Tasks::new(Stop::default()).spawn("scrape", async move { metrics.encode().unwrap() });
    assert!(page.await.unwrap().contains("\nagent_slots{state=\"busy\"} 0\n"));
}

#[test]
fn a_place_has_its_series_from_the_start() {
    let machine = Machine::new();
    assert!(!machine.scrape(&reader(&machine)).contains("agent_place_"), "there is none");
    let machine = Machine::serving(&["https://github.com/acme"]);
    let standing = Standing { wanted: 3, have: 1, capacity: 2, trouble: Some("no runner".to_owned()) };
    let github = machine.app.githubs().unwrap().remove(0);
    let at = machine.app.clock.now();
    for (number, url) in [(0, "https://github.com/acme"), (1, "https://github.com/gone")] {
        let slot = machine.app.places.slot(SlotNumber(number));
        std::fs::create_dir_all(&slot).unwrap();
        let (name, id) = ("hearth-1".parse().unwrap(), ExecutionId::new(at));
        Record::intent(name, id, url.to_owned(), at).write(&slot).unwrap();
    }
    let control = Control::of(vec![(github, standing)]);
    let page = machine.scrape(&Arc::new(Reader::new(Arc::clone(&machine.app), control)));
    let place = "place=\"https://github.com/acme\"";
    for (name, labels, expected) in [
        ("agent_place_wanted_runners", "", "3"),
        ("agent_place_promised_runners", "", "2"),
        ("agent_place_troubled", "", "1"),
        ("agent_place_runners", ",state=\"intent\"", "1"),
        ("agent_place_runners", ",state=\"busy\"", "0"),
        ("agent_runner_registrations_total", "", "0"),
        ("agent_runner_ends_total", ",end=\"failed\"", "0"),
        ("agent_demand_events_total", ",event=\"deaf\"", "0"),
        ("agent_github_limit_hits_total", ",limit=\"secondary\"", "0"),
    ] {
        assert_eq!(value(&page, &format!("{name}{{{place}{labels}}}")), expected, "{name}{labels}");
    }
    assert!(!page.contains("agent_github_clock_skew_seconds{"), "GitHub has not spoken yet");
    assert!(!page.contains("https://github.com/gone"), "its label would have no bound");
}

#[test]
fn the_runner_program_is_told_of_where_there_is_one() {
    let machine = Machine::new();
    let reader = Arc::new(Reader::new(Arc::clone(&machine.app), Control::of(Vec::new())));
    assert!(!machine.scrape(&reader).contains("agent_runner"));
    assert!(!machine.app.places.runner().exists(), "a scrape makes nothing");
    let archives = tempfile::tempdir().unwrap();
    let (path, sum) = sample::file(archives.path(), RunnerVersion::new(2, 336, 0));
    machine.app.runner_versions().unwrap().install_archive(&path, Some(sum)).unwrap();
    let text = machine.scrape(&reader);
    let ends_at = sample::BUILT_AT_SECONDS + 30 * 86_400;
    for line in [
        "agent_runner_versions{state=\"new\"} 1".to_owned(),
        "agent_runner_versions{state=\"given_up\"} 0".to_owned(),
        "agent_runner_version{version=\"2.336.0\"} 1".to_owned(),
        format!("agent_runner_version_deadline_timestamp_seconds {ends_at}.0"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}
