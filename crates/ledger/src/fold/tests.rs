//! The fold is a function of a set: properties over colliding observations, and the rule of each field by example.

use hearth_model::{
    Event, ExecutionId, Forge, MeasuredBy, Measures, Ref, SlotNumber, UsageReading, WarmTarget, WorkTree,
};
use proptest::prelude::*;

use super::*;
use crate::observation::Owner;

const SOURCES: [Source; 5] = [Source::Agent, Source::Hook, Source::ScaleSet, Source::Webhook, Source::Rest];

fn id() -> ExecutionId {
    "01936a00-0000-7000-8000-000000000001".parse().unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn facts(job: &str, run_id: Option<u64>, actor: Option<&str>) -> JobFacts {
    JobFacts {
        forge: Forge::Local,
        repository: "github.com/o/r".to_owned(),
        event: Event::Push,
        reference: Ref::Branch("main".to_owned()),
        base_branch: None,
        default_branch: "main".to_owned(),
        from_fork: false,
        commit: None,
        work_tree: WorkTree::Clean,
        lock_digest: None,
        workflow: None,
        job: job.to_owned(),
        actor: actor.map(str::to_owned),
        platform: "x86_64-unknown-linux-gnu".to_owned(),
        run: RunFacts { run_id, ..RunFacts::default() },
    }
}

fn place() -> Place {
    Place {
        machine: "anvil".to_owned(),
        slot: SlotNumber(0),
        cpu_count: Some(2),
        owner: Owner { pid: 7, process_start_ticks: 1, boot_id: "boot".to_owned() },
    }
}

fn said(source: Source, event: u32, heard: i64, fact: Fact) -> Observation {
    Observation { source, event_id: format!("{}/{event}", source.as_str()), execution: id(), heard_at: at(heard), fact }
}

fn accepted(facts: JobFacts) -> Fact {
    Fact::Accepted { at: at(1_000), facts: Box::new(facts), place: place() }
}

fn ended(outcome: Outcome, ran: u64, ms: i64) -> Fact {
    Fact::Ended { at: at(ms), outcome, ran: Millis(ran) }
}

fn lost(how: Loss, ran: u64) -> Fact {
    Fact::Lost {
        at: at(90_000),
        how,
        last_beat: Some(Beat { ran: Millis(ran), at: at(2_000 + i64::try_from(ran).unwrap()) }),
    }
}

const OK: Outcome = Outcome::Exited { code: 0 };

fn any_fact() -> impl Strategy<Value = Fact> {
    let outcome = prop_oneof![
        Just(OK),
        Just(Outcome::Exited { code: 1 }),
        Just(Outcome::Cancelled { signal: 2, code: 130 }),
        Just(Outcome::NeverStarted { code: 127 }),
        Just(Outcome::Lost),
    ];
    prop_oneof![
        (0_u64..3, proptest::option::of(1_u64..3), proptest::option::of("[ab]"))
            .prop_map(|(job, run, actor)| accepted(facts(&job.to_string(), run, actor.as_deref()))),
        (0_i64..5).prop_map(|ms| Fact::Started { at: at(ms * 1_000) }),
        (0_u32..3).prop_map(|cpus| Fact::Measured {
            measures: Box::new(Measures {
                usage: UsageReading {
                    cpu_count: Some(cpus),
                    measured_by: MeasuredBy::Wait4,
                    ..UsageReading::NOT_MEASURED
                },
                warm_target: WarmTarget::Unknown,
                warm_bytes: None,
                compile: None,
                compile_useful: None,
                compile_total: None,
                build_fingerprint: None,
                full_build: None,
            })
        }),
        (outcome, 0_u64..4, 0_i64..8).prop_map(|(outcome, ran, ms)| ended(outcome, ran * 3_000, ms * 1_000)),
        (any::<bool>(), 0_u64..4)
            .prop_map(|(crashed, ran)| { lost(if crashed { Loss::Crashed } else { Loss::Lost }, ran * 1_000) }),
    ]
}

/// Observations that collide as often as possible: few sources, few keys, few times.
fn any_observations() -> impl Strategy<Value = Vec<Observation>> {
    let one = (0..SOURCES.len(), 0_u32..4, 0_i64..3, any_fact())
        .prop_map(|(source, event, heard, fact)| said(SOURCES[source], event, heard, fact));
    proptest::collection::vec(one, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_order_with_any_repetition_folds_to_the_same_row(
        (observations, shuffled, repeated) in any_observations().prop_flat_map(|all| {
            let picks = proptest::collection::vec(0..all.len(), 0..8);
            (Just(all.clone()), Just(all).prop_shuffle(), picks)
        })
    ) {
        let expected = fold(&observations);
        let mut other = shuffled;
        for pick in repeated {
            let again = observations[pick].clone();
            other.insert(pick % (other.len() + 1), again);
        }
        prop_assert_eq!(fold(&other), expected);
    }

    #[test]
    fn a_closed_row_is_charged_and_an_open_one_is_not(observations in any_observations()) {
        let execution = fold(&observations).unwrap();
        prop_assert_eq!(execution.billable_minutes().is_none(), execution.state.is_open());
        prop_assert_eq!(execution.completed_at.is_none(), execution.state.is_open());
        prop_assert_eq!(execution.end_basis == EndBasis::Open, execution.state.is_open());
    }
}

#[test]
fn nothing_said_is_no_execution() {
    assert_eq!(fold(&[]), None);
}

#[test]
fn each_field_is_taken_from_who_knows_it_best() {
    let execution = fold(&[
        said(Source::Agent, 1, 1, accepted(facts("from agent", None, Some("agent's actor")))),
        said(Source::Rest, 1, 9, accepted(facts("from rest", Some(7), None))),
        said(Source::Agent, 2, 2, ended(Outcome::Exited { code: 1 }, 61_000, 62_000)),
        said(Source::Rest, 2, 9, ended(Outcome::TimedOut, 63_500, 63_000)),
    ])
    .unwrap();
    let facts = execution.facts.unwrap();
    assert_eq!((facts.job.as_str(), facts.run.run_id), ("from rest", Some(7)));
    assert_eq!(facts.actor.as_deref(), Some("agent's actor"), "the better source does not know it");
    assert_eq!(execution.ran, Some(Millis(61_000)), "our monotonic clock");
    assert_eq!(execution.end_basis, EndBasis::Monotonic);
    assert_eq!(execution.outcome, Some(Outcome::TimedOut), "the forge knows how it ended");
    assert_eq!(execution.disagreements, 1, "2.5 s apart");
}

#[test]
fn why_a_job_failed_is_kept_where_the_forge_knows_only_that_it_did() {
    let failed = Outcome::Exited { code: 1 };
    for (ours, theirs, expected) in [
        (Outcome::DiskFull { code: 1 }, failed, Outcome::DiskFull { code: 1 }),
        (Outcome::OutOfMemory, failed, Outcome::OutOfMemory),
        (Outcome::OutOfMemory, OK, OK),
        (Outcome::DiskFull { code: 1 }, Outcome::TimedOut, Outcome::TimedOut),
        (Outcome::Exited { code: 7 }, failed, failed),
    ] {
        for forge in [Source::ScaleSet, Source::Webhook, Source::Rest] {
            let all = [said(Source::Agent, 1, 2, ended(ours, 1, 2_000)), said(forge, 2, 1, ended(theirs, 1, 2_000))];
            assert_eq!(fold(&all).unwrap().outcome, Some(expected), "{ours:?} {theirs:?} {forge:?}");
        }
    }
}

#[test]
fn only_what_started_is_charged() {
    let started = said(Source::Agent, 2, 2, Fact::Started { at: at(2_000) });
    let cases = [
        (vec![started.clone()], ended(OK, 0, 2_000), State::Ended, 1),
        (vec![], ended(Outcome::Cancelled { signal: 15, code: 143 }, 0, 2_000), State::Voided, 0),
        (vec![started.clone()], ended(Outcome::Cancelled { signal: 15, code: 143 }, 0, 2_000), State::Ended, 1),
        (vec![started.clone()], ended(Outcome::NeverStarted { code: 127 }, 0, 2_000), State::Voided, 0),
        (vec![], lost(Loss::Crashed, 0), State::Voided, 0),
        (vec![], lost(Loss::Crashed, 10_000), State::Ended, 1),
        (vec![started.clone()], lost(Loss::Lost, 0), State::Ended, 1),
        (vec![started], lost(Loss::Lost, 60_001), State::Ended, 2),
    ];
    for (mut all, end, state, minutes) in cases {
        all.push(said(Source::Agent, 3, 3, end.clone()));
        let execution = fold(&all).unwrap();
        assert_eq!((execution.state, execution.billable_minutes()), (state, Some(minutes)), "{end:?}");
    }
}

#[test]
fn a_real_end_beats_a_lost_one_whenever_it_comes() {
    let loss = said(Source::Agent, 8, 100, lost(Loss::Lost, 40_000));
    let closed = fold(std::slice::from_ref(&loss)).unwrap();
    assert_eq!((closed.ending, closed.end_basis), (Some(Ending::Lost), EndBasis::Heartbeat));
    assert_eq!(closed.completed_at, Some(at(42_000)), "when it was last seen alive");

    for heard in [1, 200] {
        let end = said(Source::Agent, 3, heard, ended(OK, 95_000, 97_000));
        let execution = fold(&[loss.clone(), end]).unwrap();
        assert_eq!(execution.ran, Some(Millis(95_000)));
        assert_eq!((execution.ending, execution.end_basis), (Some(Ending::Clean), EndBasis::Monotonic));
    }
    let crashed = fold(&[said(Source::Agent, 8, 100, lost(Loss::Crashed, 1))]).unwrap();
    assert_eq!(crashed.ending, Some(Ending::Crashed));
    let started = said(Source::Agent, 1, 50_000, Fact::Started { at: at(50_000) });
    assert_eq!(fold(&[started, loss]).unwrap().completed_at, Some(at(50_000)), "it did not end before it started");
}

#[test]
fn a_wall_clock_that_ran_backwards_costs_a_disagreement_and_no_time() {
    let execution = fold(&[
        said(Source::Rest, 1, 1, Fact::Started { at: at(5_000) }),
        said(Source::Rest, 2, 2, ended(OK, at(2_000).since(at(5_000)).0, 2_000)),
    ])
    .unwrap();
    assert_eq!((execution.ran, execution.disagreements), (Some(Millis(0)), 1));
    assert_eq!(execution.billable_minutes(), Some(1));
}
