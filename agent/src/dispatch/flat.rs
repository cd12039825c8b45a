//! A long life in short: thousands of jobs through the real board, listener, walk and ledger, with a forge and runners
//! that are played in memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_daemon::secrets::Secret;
use hearth_daemon::stop::Stop;
use hearth_forge::{
    CallError, Demand, DemandError, DemandHealth, Demanded, JobNews, JobSeen, JobTimes, MessageId, RegisterError,
    Registrar, Removal, RequestId, RunnerId, RunnerName, RunnerSeen, SessionRecord, Ticket,
};
use hearth_host::processes;
use hearth_ledger::{Owner, Source};
use hearth_model::{Conclusion, Event, Forge, JobFacts, Millis, Outcome, Ref, RunFacts, UsageReading, WorkTree};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::board::Board;
use super::control::{Control, Published};
use super::listen::Listener;
use super::walk::Ground;
use super::{Names, Pace, Place, Runners, Running, StartFailure};
use crate::app::App;
use crate::environment::Environment;
use crate::journey::{self, Finish, Intent, Stage, Target};
use crate::keeper::Order;
use crate::settings::{self, HearthFile};
use crate::slots::{Ended, Record, Slot};
use crate::targets::Swept;

const JOBS: u64 = 10_000;
/// The first jobs fill caches, pools and the allocator's own lists.
const WARM_UP: u64 = 2_000;
const SLOTS: u16 = 4;
/// What eight thousand jobs may leave behind in memory, in all.
const MAY_GROW: u64 = 8 << 20;

/// The forge as it is played.
#[derive(Debug, Default)]
struct Play {
    /// Jobs that wait for a runner.
    queued: AtomicU64,
    /// Jobs that wait or run.
    unfinished: AtomicU64,
    ids: AtomicU64,
    /// Runners whose jobs have ended, to be told of.
    ended: Mutex<VecDeque<RunnerName>>,
}

#[derive(Debug, Clone)]
struct Actor(Arc<Play>);

impl Registrar for Actor {
    async fn register(&self, name: &RunnerName) -> Result<Ticket, RegisterError> {
        let runner = RunnerId(i64::try_from(self.0.ids.fetch_add(1, Ordering::Relaxed)).unwrap());
        Ok(Ticket { runner, name: name.clone(), jit: Secret::new("jit".to_owned()) })
    }
    async fn find(&self, _name: &RunnerName) -> Result<Option<RunnerSeen>, CallError> {
        Ok(None)
    }
    async fn list(&self, _prefix: &str) -> Result<Vec<RunnerSeen>, CallError> {
        Ok(Vec::new())
    }
    async fn remove(&self, _runner: RunnerId) -> Result<Removal, CallError> {
        Ok(Removal::Gone)
    }
}

struct Queue {
    play: Arc<Play>,
    messages: i64,
    acknowledged: i64,
}

impl Demand for Queue {
    type Registrar = Actor;

    async fn wait(&mut self, _capacity: u32) -> Result<Demanded, DemandError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(self.acknowledged, self.messages, "the last message was acknowledged before the next was asked for");
        self.messages += 1;
        let ended: Vec<_> = self.play.ended.lock().unwrap().drain(..).collect();
        let jobs = ended.into_iter().map(|name| completed(&name, self.messages)).collect();
        let wanted = self.play.unfinished.load(Ordering::Relaxed).min(100);
        Ok(Demanded { message: Some(MessageId(self.messages)), wanted: u32::try_from(wanted).unwrap(), jobs })
    }
    async fn acknowledge(&mut self, message: MessageId) -> Result<(), DemandError> {
        self.acknowledged = message.0;
        Ok(())
    }
    async fn acquire(&mut self, requests: &[RequestId]) -> Result<Vec<RequestId>, DemandError> {
        Ok(requests.to_vec())
    }
    async fn close(&mut self) -> Result<(), DemandError> {
        Ok(())
    }
    async fn retire(&mut self) -> Result<(), DemandError> {
        Ok(())
    }
    fn registrar(&self) -> Actor {
        Actor(Arc::clone(&self.play))
    }
    fn session(&self) -> Option<&SessionRecord> {
        None
    }
    fn health(&self) -> Arc<DemandHealth> {
        Arc::default()
    }
}

fn completed(runner: &RunnerName, number: i64) -> JobNews {
    let at = hearth_model::Timestamp::from_millis(1_000 + number);
    let job = JobSeen {
        request: RequestId(number),
        repository: "acme/rocket".to_owned(),
        job: None,
        workflow: None,
        display_name: "test".to_owned(),
        run: None,
        event: None,
        labels: Vec::new(),
        times: JobTimes { started: Some(at), finished: Some(at), ..JobTimes::default() },
    };
    let (runner_name, conclusion) = (Some(runner.to_string()), Some(Conclusion::Success));
    JobNews::Completed { job, runner: None, runner_name, conclusion, said: "succeeded".to_owned() }
}

/// Runners that do in this process what a keeper does in its own.
#[derive(Debug)]
struct Actors {
    app: Arc<App>,
    play: Arc<Play>,
}

struct Acting(JoinSet<()>);

impl Running for Acting {
    async fn ended(&mut self) {
        while self.0.join_next().await.is_some() {}
    }
    fn stop_idle(&self) {}
}

impl Runners for Actors {
    type Running = Acting;

    fn is_ready(&self) -> Result<(), String> {
        Ok(())
    }

    async fn start(&self, order: Order, slot: &Slot) -> Result<Acting, StartFailure> {
        let (app, play, directory) = (Arc::clone(&self.app), Arc::clone(&self.play), slot.directory.clone());
        let mut acting = JoinSet::new();
        acting.spawn_blocking(move || {
            let own = processes::identify(std::process::id()).unwrap();
            let owner = Owner { pid: own.pid, process_start_ticks: own.start_ticks, boot_id: own.boot_id.clone() };
            let record = Record::read(&directory).unwrap().unwrap();
            let record = record.started(own, app.clock.now()).unwrap();
            record.write(&directory).unwrap();
            let take = |queued: u64| queued.checked_sub(1);
            if play.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                // One more than there were jobs, because another had ended when this one was started.
                return record.finished(Ended::Idle, app.clock.now()).unwrap().write(&directory).unwrap();
            }
            let intent = Intent {
                execution: order.execution,
                facts: facts(&order, play.unfinished.load(Ordering::Relaxed)),
                slot: order.slot,
                owner,
                target: Target::Later,
                stage: Stage::Running,
            };
            let begun = journey::begin(&app, intent).unwrap();
            let record = record.busy(app.clock.now()).unwrap();
            record.write(&directory).unwrap();
            let finish = Finish {
                begun,
                checkout: None,
                outcome: Outcome::Exited { code: 0 },
                ran: Millis(1),
                swept: Swept::AllGone,
                usage: UsageReading::NOT_MEASURED,
                compile: None,
                build_options: String::new(),
            };
            journey::finish(&app, finish).unwrap();
            record.finished(Ended::Job, app.clock.now()).unwrap().write(&directory).unwrap();
            play.unfinished.fetch_sub(1, Ordering::Relaxed);
            play.ended.lock().unwrap().push_back(order.runner);
        });
        Ok(Acting(acting))
    }
}

fn facts(order: &Order, number: u64) -> JobFacts {
    JobFacts {
        forge: Forge::GitHub { host: order.host.clone() },
        // A busy machine serves many; the ledger adds up days by repository.
        repository: format!("{}/acme/rocket-{}", order.host, number % 100),
        event: Event::Push,
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
        run: RunFacts { runner_name: Some(order.runner.to_string()), ..RunFacts::default() },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_jobs_leave_nothing_behind_in_memory() {
    // What is written and synced in earnest elsewhere need not wait for a disk here.
    let memory = std::path::Path::new("/dev/shm");
    let state = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let mut file = HearthFile { state: Some(state.path().to_owned()), ..HearthFile::default() };
    file.slots.count = SLOTS;
    let app = Arc::new(App::open(settings::check(file, &Environment::from_pairs(&[])).unwrap()).unwrap());
    let play = Arc::new(Play::default());
    let names = Names::open(&app.places.agent_number(), "box").unwrap();

    let (tell, inbox) = mpsc::channel(16);
    let (capacity, known) = watch::channel(0);
    let (stop_idle, idle_stops) = watch::channel(false);
    let place = Place {
        url: "https://github.com/acme".to_owned(),
        host: "github.com".to_owned(),
        repository: None,
        share: 1,
        priority: 0,
        max: u32::MAX,
        proxy: None,
        no_proxy: Vec::new(),
        counts: Arc::default(),
        registrar: Actor(Arc::clone(&play)),
    };
    let runners = Arc::new(Actors { app: Arc::clone(&app), play: Arc::clone(&play) });
    let pace = Pace { idle_limit: Duration::from_hours(1) };
    let ground = Ground { app: Arc::clone(&app), runners, names: names.clone(), pace, stop: idle_stops };
    let (publish, published) = watch::channel(Published::default());
    let board = Board::new(ground, vec![(place, capacity)], inbox, publish, stop_idle);
    let listener = Listener {
        app: Arc::clone(&app),
        names,
        heard: Arc::clone(&app.heard),
        place: 0,
        url: "https://github.com/acme".to_owned(),
        source: Source::ScaleSet,
        session: state.path().join("session.json"),
        capacity: known,
        tell: tell.clone(),
    };
    let (stop, mut tasks) = (Stop::default(), JoinSet::new());
    tasks.spawn(board.run(stop.clone()));
    tasks.spawn(listener.run(Queue { play: Arc::clone(&play), messages: 0, acknowledged: 0 }, stop.clone()));

    let mut resident = Vec::new();
    for count in [WARM_UP, JOBS - WARM_UP] {
        play.queued.fetch_add(count, Ordering::Relaxed);
        play.unfinished.fetch_add(count, Ordering::Relaxed);
        while play.unfinished.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        resident.push(processes::resident_memory().unwrap().0);
    }
    println!("resident after {WARM_UP} and {JOBS} jobs: {resident:?} bytes");
    let control = Control::new(tell, published, Vec::new());
    control.drain().await;
    control.drained().await;
    stop.signal(15);
    while tasks.join_next().await.is_some() {}

    let rows = app.book.recent(usize::try_from(2 * JOBS).unwrap()).unwrap();
    assert_eq!(rows.len() as u64, JOBS, "every job once");
    assert!(rows.iter().all(|row| row.outcome == Some(Outcome::Exited { code: 0 })));
    assert!((0..SLOTS).all(|n| !Record::stands_in(&app.places.slot(hearth_model::SlotNumber(n)))));
    let grown = resident[1].saturating_sub(resident[0]);
    assert!(grown < MAY_GROW, "{} KiB more after {} jobs: {resident:?}", grown >> 10, JOBS - WARM_UP);
}
