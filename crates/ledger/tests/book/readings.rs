//! Readings that stand on measures: builds, caches, compile time, platforms.

use hearth_ledger::Verdict::{Met, Missed, NotMeasured};
use hearth_ledger::{Amount, Quantity, Reading, Verdict};
use hearth_model::{CompileCounts, Event, Millis, Outcome, Ref, WarmTarget};

use crate::statements::{END, amount, figures, november, record, verdicts};
use crate::support::{Job, LINUX, MAC_ARM, MAC_INTEL, MUSL, WINDOWS, World};

#[test]
fn builds_are_known_by_their_fingerprints() {
    let full = |name: &str, fingerprint: &str| {
        Job::new(name, "2026-11-01T08:00:00Z", 5).in_run(1).with(|m| {
            m.full_build = Some(true);
            m.build_fingerprint = Some(fingerprint.to_owned());
        })
    };
    let none = Job::new("fmt", "2026-11-01T08:00:00Z", 1).in_run(1).with(|m| m.full_build = Some(false));
    let unknown = Job::new("script", "2026-11-01T08:00:00Z", 1).in_run(1);
    let check = |jobs: &[Job], expected: [Verdict; 2], efficiency: Option<Amount>| {
        let world = World::at(END);
        let book = world.open();
        record(&book, jobs);
        let month = november(&book);
        assert_eq!(verdicts(&month, "duplicate_builds"), expected);
        assert_eq!(figures(&month).count_efficiency, efficiency);
    };
    let ratio = |part, whole| Some(Amount::Ratio { part, whole });
    check(&[full("a", "1"), full("b", "1"), full("c", "1"), full("d", "1")], [Missed, Missed], ratio(1, 4));
    check(&[full("debug", "1"), full("release", "2"), none.clone()], [Missed, Met], ratio(2, 2));
    check(&[full("build", "1"), none.clone()], [Met, Met], ratio(1, 1));
    check(&[full("build", "1"), unknown.clone()], [NotMeasured, NotMeasured], ratio(1, 1));
    check(&[full("a", "1"), full("b", "1"), unknown], [Missed, Missed], ratio(1, 2));
    check(&[none], [Met, Met], None);
}

#[test]
fn cache_lookups_have_three_classes_and_nothing_looked_up_is_not_measured() {
    let world = World::at(END);
    let book = world.open();
    let month = november(&book);
    assert_eq!(verdicts(&month, "cache_hit"), [Verdict::NotMeasured; 4]);

    let warm = |target: WarmTarget| Job::new("test", "2026-11-01T08:00:00Z", 1).with(|m| m.warm_target = target);
    let mut jobs: Vec<Job> = [WarmTarget::Exact, WarmTarget::None, WarmTarget::Unknown].map(warm).into();
    jobs.extend([(); 8].map(|()| warm(WarmTarget::Partial)));
    let pull_request = |target| {
        let mut job = warm(target);
        job.facts.event = Event::PullRequest;
        job.facts.reference = Ref::PullRequest(7);
        job
    };
    jobs.extend([pull_request(WarmTarget::Exact), pull_request(WarmTarget::Partial)]);
    record(&book, &jobs);
    let month = november(&book);
    assert_eq!(amount(&month, Quantity::CacheUsable).as_deref(), Some("91.7 %"), "11 of 12, not 2 of 12");
    assert_eq!(verdicts(&month, "cache_hit")[..2], [Verdict::Met, Verdict::Missed]);
    assert_eq!(amount(&month, Quantity::CacheExactPullRequest).as_deref(), Some("50 %"));
    assert_eq!(verdicts(&month, "cache_hit")[2..], [Verdict::NotMeasured; 2], "compiler calls are another number");
}

#[test]
fn compiler_hits_are_pooled_and_say_what_they_cover() {
    let world = World::at(END);
    let book = world.open();
    let compiled = |requests, hits, misses| {
        Job::new("test", "2026-11-01T08:00:00Z", 1).with(|m| {
            m.compile = Some(CompileCounts { requests, hits, misses, ..CompileCounts::default() });
        })
    };
    record(&book, &[compiled(20, 9, 1), compiled(180, 1, 89), compiled(50, 0, 0)]);
    let month = november(&book);
    let Reading::Measured(hits) = figures(&month).read(Quantity::CompilerHits, None) else { panic!("not measured") };
    assert_eq!(hits.amount, Amount::Ratio { part: 10, whole: 100 });
    assert!(hits.of.contains("coverage 40 % of 250 calls"), "{}", hits.of);
}

#[test]
fn efficiency_comes_from_compile_time_only() {
    let world = World::at(END);
    let book = world.open();
    let timed = |useful, all| {
        Job::new("test", "2026-11-01T08:00:00Z", 1).with(|m| {
            m.compile_useful = Some(Millis(useful));
            m.compile_total = Some(Millis(all));
        })
    };
    record(&book, &[timed(0, 0)]);
    assert_eq!(verdicts(&november(&book), "build_efficiency"), [Verdict::NotMeasured; 2]);
    record(&book, &[timed(9_000, 10_000), timed(10_000, 10_000)]);
    let month = november(&book);
    assert_eq!(amount(&month, Quantity::BuildEfficiency).as_deref(), Some("95 %"));
    assert_eq!(verdicts(&month, "build_efficiency"), [Verdict::Met, Verdict::Missed]);
    assert_eq!(verdicts(&month, "waste"), [Verdict::Met], "5 % is at most 5 %");
}

#[test]
fn a_platform_counts_when_it_was_built_well_on_the_default_branch_in_the_last_thirty_days() {
    let world = World::at("2026-11-20T12:00:00Z");
    let book = world.open();
    let built = |platform: &str, day: &str| {
        Job::new("build", &format!("{day}T08:00:00Z"), 1)
            .on(platform)
            .with(|m| m.build_fingerprint = Some("f".to_owned()))
    };
    assert_eq!(verdicts(&november(&book), "platforms"), [Verdict::NotMeasured; 2]);
    let mut on_branch = built(MUSL, "2026-11-01");
    on_branch.facts.reference = Ref::Branch("topic".to_owned());
    let mut failed = built(MAC_ARM, "2026-11-01");
    failed.outcome = Outcome::Exited { code: 101 };
    record(
        &book,
        &[built(LINUX, "2026-11-01"), on_branch, failed, built(WINDOWS, "2026-10-20"), built(MAC_INTEL, "2026-10-22")],
    );
    let month = november(&book);
    let names: Vec<&str> = month.platforms.iter().map(String::as_str).collect();
    assert_eq!(names, [MAC_INTEL, LINUX]);
    assert_eq!(verdicts(&month, "platforms"), [Verdict::Missed; 2]);
}
