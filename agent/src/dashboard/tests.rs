//! The page and its JSON over a real machine in a temporary directory: what stands there, what is safe, what is said
//! when something is missing.

use std::sync::Arc;

use hearth_cache_server::Ownership;
use hearth_forge::{DemandCounts, LimitState};
use hearth_ledger::{Fact, Observation, Owner as LedgerOwner, Place};
use hearth_model::{
    CompileCounts, Event, ExecutionId, Forge, JobFacts, Measures, Millis, Outcome, Ref, RunFacts, SlotNumber,
    Timestamp, UsageReading, WarmTarget, WorkTree,
};

use super::*;
use crate::dispatch::{PlaceFigures, RunnerTally, Standing};
use crate::environment::Environment;
use crate::settings::{self, HearthFile};
use crate::slots::{self, Record};

struct Machine {
    _state: tempfile::TempDir,
    app: Arc<App>,
    node: Node,
}

impl Machine {
    async fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let file = HearthFile { state: Some(state.path().join("state")), ..HearthFile::default() };
        let settings = settings::check(file, &Environment::from_pairs(&[])).unwrap();
        let app = Arc::new(App::open(settings).unwrap());
        let node = app.open_node(Ownership::Alone).await.unwrap();
        Self { _state: state, app, node }
    }

    fn overview(&self) -> Overview {
        Overview::read(&self.app, &self.node, &Control::of(Vec::new()))
    }

    fn page(&self) -> String {
        page::whole(&self.overview(), page::Age::Fresh).into_string()
    }

    fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    fn start(&self, owner: LedgerOwner, change: impl FnOnce(&mut JobFacts)) -> ExecutionId {
        let at = self.now();
        let id = ExecutionId::new(at);
        let mut facts = JobFacts {
            forge: Forge::Local,
            repository: "github.com/acme/anvil".to_owned(),
            event: Event::Local,
            reference: Ref::Branch("main".to_owned()),
            base_branch: None,
            default_branch: "main".to_owned(),
            from_fork: false,
            commit: None,
            work_tree: WorkTree::Clean,
            lock_digest: None,
            workflow: None,
            job: "test".to_owned(),
            actor: None,
            platform: "x86_64-unknown-linux-gnu".to_owned(),
            run: RunFacts::default(),
        };
        change(&mut facts);
        let place = Place { machine: "forge-1".to_owned(), slot: SlotNumber(0), cpu_count: None, owner };
        self.say(id, &[Fact::Accepted { at, facts: Box::new(facts), place }, Fact::Started { at }], 0);
        id
    }

    fn end(&self, id: ExecutionId, outcome: Outcome, ran: Millis) {
        let measures = Measures {
            usage: UsageReading::NOT_MEASURED,
            warm_target: WarmTarget::Partial,
            warm_bytes: None,
            compile: Some(CompileCounts { requests: 12, hits: 7, misses: 3, uncacheable: 2, errors: 0 }),
            compile_useful: None,
            compile_total: None,
            build_fingerprint: None,
            full_build: None,
        };
        let ended = Fact::Ended { at: self.now(), outcome, ran };
        self.say(id, &[Fact::Measured { measures: Box::new(measures) }, ended], 2);
    }

    fn say(&self, id: ExecutionId, facts: &[Fact], first: u32) {
        let said = (first..).zip(facts).map(|(n, fact)| Observation::by_agent(id, n, self.now(), fact.clone()));
        self.app.book.append(&said.collect::<Vec<_>>()).unwrap();
    }
}

fn us() -> LedgerOwner {
    let own = hearth_host::processes::identify(std::process::id()).unwrap();
    LedgerOwner { pid: own.pid, process_start_ticks: own.start_ticks, boot_id: own.boot_id }
}

fn nobody() -> LedgerOwner {
    LedgerOwner { process_start_ticks: 1, ..us() }
}

#[track_caller]
fn shows(page: &str, words: &[&str]) {
    for word in words {
        assert!(page.contains(word), "`{word}` is not on the page:\n{page}");
    }
}

#[tokio::test]
async fn a_new_machine_says_what_to_try() {
    let machine = Machine::new().await;
    shows(
        &machine.page(),
        &[
            "<code>hearth exec -- cargo test</code>",
            "No job is running.",
            "No job has ended in ",
            "No snapshot yet",
            "not measured",
            "not comparable",
            "no read yet",
        ],
    );
    let json = json::overview(&machine.overview());
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["recent_jobs"], serde_json::json!([]));
    assert_eq!(json["month"]["billable_minutes"], 0);
    assert!(json["month"]["days_utc"].as_array().unwrap().len() >= 28);
    assert_eq!(json["slots"][0]["occupancy"], "free");
}

#[tokio::test]
async fn jobs_stand_with_what_came_of_them() {
    let machine = Machine::new().await;
    let good = machine.start(us(), |facts| facts.reference = Ref::PullRequest(7));
    machine.end(good, Outcome::Exited { code: 0 }, Millis(61_000));
    let bad = machine.start(us(), |facts| facts.job = "lint".to_owned());
    machine.end(bad, Outcome::Exited { code: 101 }, Millis(5_000));
    let page = machine.page();
    shows(&page, &["succeeded", "failed with exit code 101", "1 min 01 s", "2 min", "warm, changed sources", "#7"]);
    shows(&page, &["7 hit", "3 missed", "3 minutes</strong> charged for 1 min 06 s that 2 jobs ran"]);
    let json = json::overview(&machine.overview());
    assert_eq!(json["month"]["billable_minutes"], 3);
    assert_eq!(json["recent_jobs"][0]["job"], "lint", "the newest first");
    assert_eq!(json["recent_jobs"][0]["exit_code"], 101);
    assert_eq!(json["recent_jobs"][1]["compile_misses"], 3);
}

#[tokio::test]
async fn a_slot_shows_its_job_and_a_job_without_a_process_is_told_apart() {
    let machine = Machine::new().await;
    let _slot = slots::try_claim(&machine.app.places, 2).unwrap().unwrap();
    let running = machine.start(us(), |facts| facts.job = "here".to_owned());
    machine.start(nobody(), |facts| facts.job = "orphan".to_owned());
    let json = json::overview(&machine.overview());
    assert_eq!(json["slots"][0]["occupancy"], "busy");
    assert_eq!(json["slots"][0]["execution_id"], running.to_string());
    let owners: Vec<_> = json["open_jobs"].as_array().unwrap().iter().map(|job| job["owner"].clone()).collect();
    assert_eq!(owners, ["alive", "gone"]);
    let page = machine.page();
    shows(&page, &["its process is gone"]);
    assert_eq!(page.matches("<bdi>here</bdi>").count(), 1, "in its slot and nowhere else");
}

#[tokio::test]
async fn names_from_jobs_are_text_and_nothing_else() {
    let machine = Machine::new().await;
    let id = machine.start(us(), |facts| {
        facts.repository = "<script>alert(1)</script>".to_owned();
        facts.job = "\"><img src=x onerror=alert(1)>".to_owned();
        facts.workflow = Some("a\u{1b}[31m&amp;".to_owned());
        facts.reference = Ref::Branch("x".repeat(5_000));
    });
    machine.end(id, Outcome::Exited { code: 0 }, Millis(1));
    let page = machine.page();
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x") && !page.contains('\u{1b}'), "{page}");
    shows(&page, &["<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>", "a\u{fffd}[31m&amp;amp;"]);
    assert!(!page.contains(&"x".repeat(200)), "a name does not fill the page");
    let json = json::overview(&machine.overview());
    assert_eq!(json["recent_jobs"][0]["repository"], "<script>alert(1)</script>");
}

#[tokio::test]
async fn places_stand_with_their_trouble_and_runners_with_their_slot() {
    let machine = Machine::new().await;
    assert!(!machine.page().contains("Places that this machine serves"), "it serves none");
    let mut overview = machine.overview();
    let place = |trouble: Option<&str>| PlaceFigures {
        url: "https://github.com/acme".to_owned(),
        standing: Standing { wanted: 3, have: 1, capacity: 2, trouble: trouble.map(str::to_owned) },
        runners: RunnerTally::default(),
        demand: DemandCounts { last_heard: Some(overview.read_at - Millis(1_000)), ..DemandCounts::default() },
        limits: LimitState::default(),
        clock_skew_ms: None,
    };
    let runner = Record::intent(
        "hearth-1".parse().unwrap(),
        ExecutionId::new(overview.read_at),
        "https://github.com/acme".to_owned(),
        overview.read_at - Millis(90_000),
    );
    overview.forge = overview::Forge {
        is_draining: false,
        places: vec![place(None), place(Some("<b>refused</b>"))],
        runners: vec![(SlotNumber(0), Ok(runner)), (SlotNumber(1), Err("the record is damaged".to_owned()))],
    };
    let page = page::whole(&overview, page::Age::Fresh).into_string();
    shows(&page, &["listening", "1.0 s ago", "&lt;b&gt;refused&lt;/b&gt;", "hearth-1", "intent", "1 min 30 s"]);
    shows(&page, &["the record is damaged"]);
    assert!(!page.contains("being drained") && !page.contains("<b>refused"), "{page}");
    let json = json::overview(&overview);
    assert_eq!(json["github"]["places"][1]["trouble"], "<b>refused</b>");
    assert_eq!(json["github"]["runners"][0]["state"], "intent");

    overview.forge.is_draining = true;
    shows(&page::whole(&overview, page::Age::Fresh).into_string(), &["takes no more jobs until its daemon is started"]);
}

#[tokio::test]
async fn a_part_that_cannot_be_read_is_a_sentence_and_the_rest_stands() {
    let machine = Machine::new().await;
    let mut overview = machine.overview();
    overview.jobs = Err("cannot list executions: disk I/O error".to_owned());
    overview.month = Err("cannot add up a month: disk I/O error".to_owned());
    let page = page::whole(&overview, page::Age::Old).into_string();
    shows(
        &page,
        &[
            "The jobs cannot be read: cannot list executions: disk I/O error.",
            "The month cannot be read: cannot add up a month: disk I/O error.",
            "No snapshot yet",
            "Objects on disk",
            "newer ones could not be read in time",
        ],
    );
    let json = json::overview(&overview);
    assert_eq!(json["month"], serde_json::Value::Null);
    assert_eq!(json["unreadable"]["month"], "cannot add up a month: disk I/O error");
}

#[tokio::test]
async fn a_corrupt_ledger_does_not_take_the_page_down() {
    let machine = Machine::new().await;
    let id = machine.start(us(), |_| {});
    machine.end(id, Outcome::Exited { code: 0 }, Millis(1));
    for suffix in ["", "-wal", "-shm"] {
        let path = machine.app.places.ledger().join(format!("ledger.sqlite3{suffix}"));
        if path.exists() {
            std::fs::write(path, "no database".repeat(1_000)).unwrap();
        }
    }
    shows(&machine.page(), &["Warm targets", "Compile cache"]);
}
