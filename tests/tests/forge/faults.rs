//! The whole conversation while everything goes wrong at random: each job is told as often as it happened and runs
//! once, and nothing is left over. A seed repeats its run.

use std::collections::BTreeSet;
use std::time::Duration;

use fake_github::{FaultKind, Faults, Flow, Job, Options, ScaleSetRecord};
use hearth_forge::{AnyDemand, Demand, JobNews, MessageId, Registrar, RequestId, RunnerName};

use crate::place::{PREFIX, Place, options};
use crate::runner::Runner;

const JOBS: u32 = 12;
/// Bounds a run that never ends; one takes a tenth of it.
const ROUNDS: usize = 400;

/// Every kind but those that hold everything for a minute, as GitHub's limits do; they have tests of their own.
fn faults(seed: u64) -> Faults {
    let slow = [FaultKind::SecondaryLimit, FaultKind::TooManyRequests];
    let kinds = FaultKind::ALL.into_iter().filter(|kind| !slow.contains(kind));
    kinds.fold(Faults::random(seed), |faults, kind| faults.rate(kind, 0.06)).at_most(2)
}

/// What an agent does, in the least: journal, acknowledge, acquire, one runner for each that is wanted.
struct Agent {
    demand: AnyDemand,
    /// News that are told once. What is available is told until it is taken.
    journal: Vec<String>,
    messages: Vec<MessageId>,
    names: u32,
    seed: u64,
}

impl Agent {
    async fn round(&mut self) {
        let Ok(demanded) = self.demand.wait(4).await else { return };
        let available = |news: &JobNews| matches!(news, JobNews::Available { .. }).then(|| news.job().request);
        let requests: Vec<RequestId> = demanded.jobs.iter().filter_map(available).collect();
        for news in demanded.jobs.iter().filter(|news| available(news).is_none()) {
            self.journal.push(format!("{}{:?}", crate::place::word(news), news.job().times));
        }
        if let Some(message) = demanded.message {
            self.messages.push(message);
            // What is lost here comes again.
            let _ = self.demand.acknowledge(message).await;
        }
        let _ = self.demand.acquire(&requests).await;
        for _ in 0..demanded.wanted.min(4) {
            self.run_one().await;
        }
    }

    async fn run_one(&mut self) {
        let registrar = self.demand.registrar();
        self.names += 1;
        let name: RunnerName = format!("{PREFIX}{}-{}", self.seed, self.names).parse().unwrap();
        let Ok(ticket) = registrar.register(&name).await else { return };
        if let Some(runner) = Runner::start(&ticket).await
            && let Some(job) = runner.take().await
        {
            runner.complete(&job).await;
        }
        let _ = registrar.remove(ticket.runner).await;
    }

    /// Registrations whose answers were lost for good, as the sweep after a crash takes them away.
    async fn sweep(&self) {
        let registrar = self.demand.registrar();
        for seen in registrar.list(PREFIX).await.unwrap() {
            registrar.remove(seen.runner).await.unwrap();
        }
    }
}

async fn check(seed: u64, flow: Flow) {
    let place = Place::new(Options {
        faults: faults(seed),
        flow,
        slow_answer: Duration::from_millis(300),
        redeliver_after: Duration::from_millis(200),
        session_idle: Duration::from_secs(3),
        ..options()
    });
    let demand = crate::place::demand(&place.settings(""), None);
    let (journal, messages) = (Vec::new(), Vec::new());
    let mut agent = Agent { demand, journal, messages, names: 0, seed };
    for number in 0..JOBS {
        place.github.offer(Job::new("acme/widgets").named(&format!("job {number}")));
    }
    let mut rounds = 0;
    while !place.github.jobs().iter().all(fake_github::JobRecord::is_done) {
        rounds += 1;
        assert!(rounds < ROUNDS, "seed {seed} hangs: {:?}", agent.demand.health().counts());
        agent.round().await;
    }
    place.github.set_faults(Faults::none());
    agent.round().await;
    agent.sweep().await;
    agent.demand.close().await.unwrap();

    let jobs = place.github.jobs();
    let wrong: Vec<_> = jobs.iter().filter(|job| (job.acquired, job.completed) != (1, 1)).collect();
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    let distinct: BTreeSet<_> = agent.journal.iter().collect();
    assert_eq!(distinct.len(), agent.journal.len(), "seed {seed}: told twice: {:#?}", agent.journal);
    assert!(place.github.runners().is_empty(), "seed {seed}");
    assert!(!place.github.read(|state| state.scale_sets().any(ScaleSetRecord::has_session)), "seed {seed}");
    assert!(place.github.faults().len() >= 5, "seed {seed} was too kind: {:?}", place.github.faults());
    place.is_content();
}

#[tokio::test]
async fn jobs_that_are_assigned_run_once_whatever_goes_wrong() {
    for seed in [1, 2, 3] {
        check(seed, Flow::Assign).await;
    }
}

#[tokio::test]
async fn jobs_that_are_acquired_run_once_whatever_goes_wrong() {
    for seed in [4, 5, 6] {
        check(seed, Flow::Acquire).await;
    }
}
