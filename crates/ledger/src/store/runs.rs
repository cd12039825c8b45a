//! Sums per run and attempt. Computed again from the run's executions whenever one of them changes.

use std::collections::BTreeSet;

use hearth_model::Timestamp;
use rusqlite::{OptionalExtension, Transaction, named_params};

use crate::prices::Day;
use crate::store::rows::stored;

/// What a run's sums need of one of its executions.
#[derive(Debug, Clone, Default, PartialEq)]
struct Job {
    state: String,
    stage: Option<String>,
    queued_at_ms: Option<i64>,
    started_at_ms: Option<i64>,
    completed_at_ms: Option<i64>,
    ran_ms: Option<i64>,
    billable_minutes: Option<i64>,
    build_fingerprint: Option<String>,
    full_build: Option<bool>,
    repository: String,
    kind: String,
    commit_id: Option<String>,
    is_pull_request: bool,
}

/// One run's sums. Times of the wall are NULL when no job of theirs ran.
#[derive(Debug, Default, PartialEq)]
struct Run {
    open_jobs: i64,
    jobs: i64,
    completed_at_ms: Option<i64>,
    ran_ms: i64,
    billable_minutes: i64,
    /// From the first job accepted to the last completed: waiting in between counts.
    wall_ms: Option<i64>,
    /// From the first job started to the last completed.
    exec_wall_ms: Option<i64>,
    build_stage_ms: Option<i64>,
    test_stage_ms: Option<i64>,
    deploy_stage_ms: Option<i64>,
    full_builds: i64,
    distinct_builds: i64,
    /// Jobs of which nobody knows whether they built everything.
    unknown_builds: i64,
}

fn sum_up(jobs: &[Job]) -> Run {
    let open_jobs = jobs.iter().filter(|job| matches!(job.state.as_str(), "accepted" | "running")).count();
    let ended: Vec<&Job> = jobs.iter().filter(|job| job.state == "ended").collect();
    let completed_at_ms = ended.iter().filter_map(|job| job.completed_at_ms).max();
    let since = |first: Option<i64>| Some(completed_at_ms?.saturating_sub(first?).max(0));
    let stage = |name: &str| {
        let of_stage = || ended.iter().filter(|job| job.stage.as_deref() == Some(name));
        let last = of_stage().filter_map(|job| job.completed_at_ms).max()?;
        let first = of_stage().filter_map(|job| job.started_at_ms).min()?;
        Some((last - first).max(0))
    };
    let full: Vec<&&Job> = ended.iter().filter(|job| job.full_build == Some(true)).collect();
    let distinct: BTreeSet<&str> = full.iter().filter_map(|job| job.build_fingerprint.as_deref()).collect();
    let unknown = ended
        .iter()
        .filter(|job| job.full_build.is_none() || (job.full_build == Some(true) && job.build_fingerprint.is_none()))
        .count();
    let without_fingerprint = full.iter().filter(|job| job.build_fingerprint.is_none()).count();
    Run {
        open_jobs: stored(open_jobs as u64),
        jobs: stored(ended.len() as u64),
        completed_at_ms,
        ran_ms: ended.iter().filter_map(|job| job.ran_ms).sum(),
        billable_minutes: ended.iter().filter_map(|job| job.billable_minutes).sum(),
        wall_ms: since(ended.iter().filter_map(|job| job.queued_at_ms.or(job.started_at_ms)).min()),
        exec_wall_ms: since(ended.iter().filter_map(|job| job.started_at_ms).min()),
        build_stage_ms: stage("build"),
        test_stage_ms: stage("test"),
        deploy_stage_ms: stage("deploy"),
        full_builds: stored(full.len() as u64),
        // A build without a fingerprint is counted as distinct: it is not known to repeat another.
        distinct_builds: stored((distinct.len() + without_fingerprint) as u64),
        unknown_builds: stored(unknown as u64),
    }
}

/// A UTC day, a repository and a kind of run: what the sums of a day are kept by.
pub(super) type Place = (i64, String, String);

/// Sums up one run again; answers which days it was and is in.
pub(super) fn recompute(tx: &Transaction<'_>, run: i64) -> rusqlite::Result<Vec<Place>> {
    let mut places = Vec::from_iter(place_of(tx, run)?);
    let jobs = jobs_of(tx, run)?;
    // The first of them in time order names the run: its facts are the same for all.
    let Some(first) = jobs.first() else {
        tx.prepare_cached("DELETE FROM run WHERE run_id = ?1")?.execute([run])?;
        return Ok(places);
    };
    write(tx, run, first, &sum_up(&jobs), &jobs)?;
    places.extend(place_of(tx, run)?);
    Ok(places)
}

fn write(tx: &Transaction<'_>, run: i64, first: &Job, sums: &Run, jobs: &[Job]) -> rusqlite::Result<()> {
    let kind = if jobs.iter().any(|job| job.kind == "release") { "release" } else { "ci" };
    tx.prepare_cached(
        "UPDATE run SET repository = :repository, kind = :kind, commit_id = :commit_id,
           is_pull_request = :is_pull_request, open_jobs = :open_jobs, jobs = :jobs,
           completed_at_ms = :completed_at_ms, ran_ms = :ran_ms, billable_minutes = :billable_minutes,
           wall_ms = :wall_ms, exec_wall_ms = :exec_wall_ms, build_stage_ms = :build_stage_ms,
           test_stage_ms = :test_stage_ms, deploy_stage_ms = :deploy_stage_ms, full_builds = :full_builds,
           distinct_builds = :distinct_builds, unknown_builds = :unknown_builds
         WHERE run_id = :run",
    )?
    .execute(named_params! {
        ":run": run,
        ":repository": first.repository,
        ":kind": kind,
        ":commit_id": first.commit_id,
        ":is_pull_request": first.is_pull_request,
        ":open_jobs": sums.open_jobs,
        ":jobs": sums.jobs,
        ":completed_at_ms": sums.completed_at_ms,
        ":ran_ms": sums.ran_ms,
        ":billable_minutes": sums.billable_minutes,
        ":wall_ms": sums.wall_ms,
        ":exec_wall_ms": sums.exec_wall_ms,
        ":build_stage_ms": sums.build_stage_ms,
        ":test_stage_ms": sums.test_stage_ms,
        ":deploy_stage_ms": sums.deploy_stage_ms,
        ":full_builds": sums.full_builds,
        ":distinct_builds": sums.distinct_builds,
        ":unknown_builds": sums.unknown_builds,
    })?;
    Ok(())
}

fn place_of(tx: &Transaction<'_>, run: i64) -> rusqlite::Result<Option<Place>> {
    let place = tx
        .prepare_cached("SELECT completed_at_ms, repository, kind FROM run WHERE run_id = ?1")?
        .query_row([run], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    Ok(place.and_then(|(ms, repository, kind): (_, Option<String>, Option<String>)| {
        let day = Day::of(Timestamp::from_millis(ms?));
        Some((day.0, repository?, kind?))
    }))
}

fn jobs_of(tx: &Transaction<'_>, run: i64) -> rusqlite::Result<Vec<Job>> {
    tx.prepare_cached(
        "SELECT state, stage, queued_at_ms, started_at_ms, completed_at_ms, ran_ms, billable_minutes,
           build_fingerprint, full_build, repository, kind, commit_id, is_pull_request
         FROM execution JOIN series ON series_id = series WHERE run = ?1 ORDER BY execution_id",
    )?
    .query_map([run], |row| {
        Ok(Job {
            state: row.get(0)?,
            stage: row.get(1)?,
            queued_at_ms: row.get(2)?,
            started_at_ms: row.get(3)?,
            completed_at_ms: row.get(4)?,
            ran_ms: row.get(5)?,
            billable_minutes: row.get(6)?,
            build_fingerprint: row.get(7)?,
            full_build: row.get(8)?,
            repository: row.get(9)?,
            kind: row.get(10)?,
            commit_id: row.get(11)?,
            is_pull_request: row.get(12)?,
        })
    })?
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(stage: Option<&str>, start: i64, minutes: i64) -> Job {
        Job {
            state: "ended".to_owned(),
            stage: stage.map(str::to_owned),
            queued_at_ms: Some(start * 60_000),
            started_at_ms: Some(start * 60_000),
            completed_at_ms: Some((start + minutes) * 60_000),
            ran_ms: Some(minutes * 60_000),
            billable_minutes: Some(minutes),
            full_build: Some(false),
            ..Job::default()
        }
    }

    #[test]
    fn a_staged_run_has_the_wall_of_its_stages_and_the_minutes_of_its_jobs() {
        let tests = || job(Some("test"), 15, 5);
        let run = sum_up(&[job(None, 0, 3), job(Some("build"), 3, 12), tests(), tests(), tests(), tests()]);
        assert_eq!((run.ran_ms, run.billable_minutes), (35 * 60_000, 35));
        assert_eq!(run.exec_wall_ms, Some(20 * 60_000), "parallelism 35/20 = 1.75");
        assert_eq!((run.build_stage_ms, run.test_stage_ms), (Some(12 * 60_000), Some(5 * 60_000)));
        assert_eq!(run.deploy_stage_ms, None, "no such job is not a stage of no time");
    }

    #[test]
    fn two_profiles_are_two_builds_and_none_is_redundant() {
        let build = |fingerprint: &str| Job {
            full_build: Some(true),
            build_fingerprint: Some(fingerprint.to_owned()),
            ..job(Some("build"), 0, 1)
        };
        let check = |jobs: &[Job], full, distinct| {
            let run = sum_up(jobs);
            assert_eq!((run.full_builds, run.distinct_builds), (full, distinct));
        };
        check(&[build("debug"), build("release")], 2, 2);
        check(&[build("a"), build("a"), build("a"), build("a")], 4, 1);
        check(&[job(None, 0, 1)], 0, 0);
    }

    #[test]
    fn a_voided_job_counts_nothing_and_an_open_one_keeps_the_run_open() {
        let voided = Job { state: "voided".to_owned(), ..job(None, 0, 9) };
        let open = Job {
            state: "running".to_owned(),
            completed_at_ms: None,
            ran_ms: None,
            billable_minutes: None,
            ..job(None, 0, 9)
        };
        let run = sum_up(&[job(None, 0, 1), voided, open]);
        assert_eq!((run.jobs, run.open_jobs, run.billable_minutes), (1, 1, 1));
    }
}
