//! A book in a directory of its own, a clock moved by hand, and jobs that are written in one line.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_ledger::{Book, Fact, Observation, Opened, Owner, Place, Warning};
use hearth_model::{
    Clock as _, Event, ExecutionId, Forge, JobFacts, ManualClock, MeasuredBy, Measures, Millis, Outcome, Ref, RunFacts,
    SlotNumber, Timestamp, UsageReading, WarmTarget, WorkTree,
};

pub(crate) const LINUX: &str = "x86_64-unknown-linux-gnu";
pub(crate) const MUSL: &str = "x86_64-unknown-linux-musl";
pub(crate) const MAC_INTEL: &str = "x86_64-apple-darwin";
pub(crate) const MAC_ARM: &str = "aarch64-apple-darwin";
pub(crate) const WINDOWS: &str = "x86_64-pc-windows-msvc";
pub(crate) const OK: Outcome = Outcome::Exited { code: 0 };

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

impl World {
    pub(crate) fn at(instant: &str) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: Arc::new(ManualClock::at(instant_of(instant))) }
    }

    pub(crate) fn open(&self) -> Book {
        let Opened { book, warnings } = Book::open(self.path(), self.clock.clone()).unwrap();
        assert_eq!(warnings, []);
        book
    }

    pub(crate) fn open_with_warnings(&self) -> (Book, Vec<Warning>) {
        let Opened { book, warnings } = Book::open(self.path(), self.clock.clone()).unwrap();
        (book, warnings)
    }

    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("ledger.sqlite3")
    }

    /// Moves everything out of the write-ahead log, which closing a book does not do.
    pub(crate) fn empty_log(&self) {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }

    pub(crate) fn journal(&self) -> PathBuf {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.path().join("journal"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        assert_eq!(files.len(), 1);
        files.remove(0)
    }
}

pub(crate) fn instant_of(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// A job that is about to be told to a book.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) id: ExecutionId,
    pub(crate) facts: JobFacts,
    pub(crate) accepted_at: Timestamp,
    pub(crate) ran: Millis,
    pub(crate) outcome: Outcome,
    pub(crate) measures: Option<Measures>,
}

impl Job {
    /// `minutes` of work that began at `start`.
    pub(crate) fn new(name: &str, start: &str, minutes: u64) -> Self {
        let accepted_at = instant_of(start);
        Self {
            id: ExecutionId::new(accepted_at),
            accepted_at,
            ran: Millis::from_minutes(minutes),
            outcome: OK,
            measures: None,
            facts: JobFacts {
                forge: Forge::GitHub { host: "github.com".to_owned() },
                repository: "github.com/acme/anvil".to_owned(),
                event: Event::Push,
                reference: Ref::Branch("main".to_owned()),
                base_branch: None,
                default_branch: "main".to_owned(),
                from_fork: false,
                commit: Some("c0ffee".to_owned()),
                work_tree: WorkTree::Clean,
                lock_digest: None,
                workflow: Some("ci".to_owned()),
                job: name.to_owned(),
                actor: None,
                platform: LINUX.to_owned(),
                run: RunFacts::default(),
            },
        }
    }

    pub(crate) fn in_run(mut self, run: u64) -> Self {
        self.facts.run.run_id = Some(run);
        self
    }

    pub(crate) fn on(mut self, platform: &str) -> Self {
        platform.clone_into(&mut self.facts.platform);
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Measures)) -> Self {
        let mut measures = self.measures.take().unwrap_or(Measures {
            usage: UsageReading { measured_by: MeasuredBy::Cgroup2, ..UsageReading::NOT_MEASURED },
            warm_target: WarmTarget::Unknown,
            warm_bytes: None,
            compile: None,
            compile_useful: None,
            compile_total: None,
            build_fingerprint: None,
            full_build: None,
        });
        change(&mut measures);
        self.measures = Some(measures);
        self
    }

    pub(crate) fn after(mut self, minutes: u64) -> Self {
        self.accepted_at = self.accepted_at + Millis::from_minutes(minutes);
        self
    }

    pub(crate) fn start(&self) -> Vec<Observation> {
        let at = self.accepted_at;
        let place = Place {
            machine: "forge-1".to_owned(),
            slot: SlotNumber(0),
            cpu_count: Some(2),
            owner: Owner { pid: 4242, process_start_ticks: 99, boot_id: "boot-1".to_owned() },
        };
        let accepted = Fact::Accepted { at, facts: Box::new(self.facts.clone()), place };
        vec![
            Observation::by_agent(self.id, 0, at, accepted),
            Observation::by_agent(self.id, 1, at, Fact::Started { at }),
        ]
    }

    pub(crate) fn end(&self) -> Vec<Observation> {
        let at = self.accepted_at + self.ran;
        let measured = self.measures.clone().map(|measures| {
            let measures = Box::new(measures);
            Observation::by_agent(self.id, 2, at, Fact::Measured { measures })
        });
        let ended = Fact::Ended { at, outcome: self.outcome, ran: self.ran };
        let ended = Observation::by_agent(self.id, 3, at, ended);
        measured.into_iter().chain([ended]).collect()
    }

    pub(crate) fn whole(&self) -> Vec<Observation> {
        self.start().into_iter().chain(self.end()).collect()
    }
}

pub(crate) fn minutes_of(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}
