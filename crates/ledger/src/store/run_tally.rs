//! Sums over closed runs, per UTC day, repository and kind: computed again from the runs, like the tally of executions,
//! and added up for a period with what its two ends hold.

use hearth_model::Millis;
use rusqlite::{Row, Transaction, params};

use crate::period::Period;
use crate::prices::Day;
use crate::store::Store;
use crate::store::ask::{Parts, figure, millis};
use crate::store::runs::Place;
use crate::sums::RunKind;

/// The closed runs of one kind that ended in the period. The worst is what a budget per run is judged on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KindOfRuns {
    pub runs: u64,
    /// Those that a pull request caused.
    pub pull_request_runs: u64,
    pub actual: Millis,
    pub worst_actual: Option<Millis>,
    pub wall: Millis,
    pub worst_wall: Option<Millis>,
    /// First start to last completion, summed: what parallelism is measured against.
    pub exec_wall: Millis,
    pub worst_build_stage: Option<Millis>,
    pub worst_test_stage: Option<Millis>,
    pub worst_deploy_stage: Option<Millis>,
    pub full_builds: u64,
    pub worst_full_builds: u64,
    pub distinct_builds: u64,
    pub worst_redundant_builds: u64,
    /// Jobs of which nobody knows whether they built everything.
    pub unknown_builds: u64,
}

impl KindOfRuns {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.pull_request_runs += other.pull_request_runs;
        self.actual += other.actual;
        self.worst_actual = self.worst_actual.max(other.worst_actual);
        self.wall += other.wall;
        self.worst_wall = self.worst_wall.max(other.worst_wall);
        self.exec_wall += other.exec_wall;
        self.worst_build_stage = self.worst_build_stage.max(other.worst_build_stage);
        self.worst_test_stage = self.worst_test_stage.max(other.worst_test_stage);
        self.worst_deploy_stage = self.worst_deploy_stage.max(other.worst_deploy_stage);
        self.full_builds += other.full_builds;
        self.worst_full_builds = self.worst_full_builds.max(other.worst_full_builds);
        self.distinct_builds += other.distinct_builds;
        self.worst_redundant_builds = self.worst_redundant_builds.max(other.worst_redundant_builds);
        self.unknown_builds += other.unknown_builds;
    }
}

/// The columns of `run_tally`, over rows of `run`.
const SUMS: &str = "count(*), coalesce(sum(is_pull_request), 0), coalesce(sum(ran_ms), 0), max(ran_ms),
  coalesce(sum(wall_ms), 0), max(wall_ms), coalesce(sum(exec_wall_ms), 0), max(build_stage_ms), max(test_stage_ms),
  max(deploy_stage_ms), coalesce(sum(full_builds), 0), coalesce(max(full_builds), 0),
  coalesce(sum(distinct_builds), 0), coalesce(max(full_builds - distinct_builds), 0), coalesce(sum(unknown_builds), 0)";

const COLUMNS: &str = "runs, pull_request_runs, ran_ms, worst_ran_ms, wall_ms, worst_wall_ms, exec_wall_ms,
  worst_build_stage_ms, worst_test_stage_ms, worst_deploy_stage_ms, full_builds, worst_full_builds, distinct_builds,
  worst_redundant_builds, unknown_builds";

/// A run that counts: nothing of it is open and something of it ran.
const CLOSED: &str = "open_jobs = 0 AND jobs > 0";

pub(super) fn recompute(tx: &Transaction<'_>, (day, repository, kind): &Place) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM run_tally WHERE day = ?1 AND repository = ?2 AND kind = ?3")?
        .execute(params![day, repository, kind])?;
    tx.prepare_cached(&format!(
        "INSERT INTO run_tally (day, repository, kind, {COLUMNS})
         SELECT ?1, ?2, ?3, {SUMS} FROM run
         WHERE repository = ?2 AND kind = ?3 AND completed_at_ms >= ?4 AND completed_at_ms < ?5 AND {CLOSED}
         HAVING count(*) > 0"
    ))?
    .execute(params![day, repository, kind, Day(*day).start().as_millis(), Day(day + 1).start().as_millis()])?;
    Ok(())
}

impl Store {
    pub(super) fn runs_of(
        &self,
        kind: RunKind,
        period: &Period,
        repository: Option<&str>,
    ) -> rusqlite::Result<KindOfRuns> {
        let parts = Parts::of(period);
        let mut total = KindOfRuns::default();
        let days = params![parts.days.start.0, parts.days.end.0, repository, kind.as_str()];
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM run_tally
             WHERE day >= ?1 AND day < ?2 AND (?3 IS NULL OR repository = ?3) AND kind = ?4"
        ))?;
        for day in statement.query_map(days, read)? {
            total.add(&day?);
        }
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {SUMS} FROM run
             WHERE completed_at_ms >= ?1 AND completed_at_ms < ?2 AND (?3 IS NULL OR repository = ?3) AND kind = ?4
               AND {CLOSED}"
        ))?;
        for edge in &parts.edges {
            let edge = params![edge.start.as_millis(), edge.end.as_millis(), repository, kind.as_str()];
            total.add(&statement.query_row(edge, read)?);
        }
        Ok(total)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<KindOfRuns> {
    Ok(KindOfRuns {
        runs: figure(row, 0)?,
        pull_request_runs: figure(row, 1)?,
        actual: Millis(figure(row, 2)?),
        worst_actual: millis(row, 3)?,
        wall: Millis(figure(row, 4)?),
        worst_wall: millis(row, 5)?,
        exec_wall: Millis(figure(row, 6)?),
        worst_build_stage: millis(row, 7)?,
        worst_test_stage: millis(row, 8)?,
        worst_deploy_stage: millis(row, 9)?,
        full_builds: figure(row, 10)?,
        worst_full_builds: figure(row, 11)?,
        distinct_builds: figure(row, 12)?,
        worst_redundant_builds: figure(row, 13)?,
        unknown_builds: figure(row, 14)?,
    })
}
