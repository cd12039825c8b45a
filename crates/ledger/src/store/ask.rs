//! What reports ask of the tables. Whole days come from the tally, the two ends of a month in a local zone from the
//! executions themselves; nothing here reads all executions of a month.

use std::collections::BTreeSet;
use std::ops::Range;

use hearth_model::{Millis, Timestamp};
use rusqlite::{Row, params};

use crate::error::LedgerError;
use crate::period::Period;
use crate::prices::Day;
use crate::store::Store;
use crate::store::run_tally::KindOfRuns;
use crate::store::tally::{SUMS, TALLY_COLUMNS, read_sums};
use crate::sums::{RunKind, Sums};

/// How far back a platform counts as covered.
const COVERAGE_DAYS: i64 = 30;

/// One combination of what a report can group by. An empty text means that nobody said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    pub repository: String,
    pub workflow: String,
    pub job: String,
    pub branch: String,
    pub platform: String,
    pub kind: RunKind,
    pub is_pull_request: bool,
}

/// The sums of one series on one UTC day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub day: Day,
    pub series: Series,
    pub sums: Sums,
}

/// Everything that a month's report is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthData {
    pub period: Period,
    pub cells: Vec<Cell>,
    pub ci: KindOfRuns,
    pub release: KindOfRuns,
    /// The longest CI run and release run of one commit, added up.
    pub worst_merge: Option<Millis>,
    /// Platforms with a successful build on the default branch or a tag in the 30 days before the period's end.
    pub platforms: BTreeSet<String>,
    /// Whether any execution of those days is known to be a build at all.
    pub knows_builds: bool,
    /// Executions that had not ended when the report was made; they are in none of the sums.
    pub open: u64,
}

impl Store {
    pub(crate) fn month(
        &self,
        period: &Period,
        repository: Option<&str>,
        now: Timestamp,
    ) -> Result<MonthData, LedgerError> {
        self.ask_month(period, repository, now).map_err(self.failed("add up a month"))
    }

    fn ask_month(&self, period: &Period, repository: Option<&str>, now: Timestamp) -> rusqlite::Result<MonthData> {
        // Until the month is over its last 30 days end today.
        let last_day = Day::of(period.end.min(now).max(period.start) - Millis(1)).0;
        let window = (last_day - COVERAGE_DAYS + 1, last_day + 1);
        let (platforms, knows_builds) = self.coverage(window, repository)?;
        Ok(MonthData {
            cells: self.cells(period, repository)?,
            ci: self.runs_of(RunKind::Ci, period, repository)?,
            release: self.runs_of(RunKind::Release, period, repository)?,
            worst_merge: self.worst_merge(period, repository)?,
            platforms,
            knows_builds,
            open: self.open_count(repository)?,
            period: period.clone(),
        })
    }

    fn cells(&self, period: &Period, repository: Option<&str>) -> rusqlite::Result<Vec<Cell>> {
        let parts = Parts::of(period);
        let mut cells: Vec<Cell> = self
            .connection
            .prepare_cached(&format!(
                "SELECT repository, workflow, job, branch, platform, kind, is_pull_request, day, {TALLY_COLUMNS}
                 FROM tally JOIN series ON series_id = series
                 WHERE day >= ?1 AND day < ?2 AND (?3 IS NULL OR repository = ?3)"
            ))?
            .query_map(params![parts.days.start.0, parts.days.end.0, repository], read_cell)?
            .collect::<rusqlite::Result<_>>()?;
        for edge in &parts.edges {
            cells.extend(self.cells_of_part(edge.start, edge.end, repository)?);
        }
        Ok(cells)
    }

    fn cells_of_part(&self, start: Timestamp, end: Timestamp, repository: Option<&str>) -> rusqlite::Result<Vec<Cell>> {
        self.connection
            .prepare_cached(&format!(
                "SELECT repository, workflow, job, branch, platform, kind, is_pull_request, ?4, {SUMS}
                 FROM execution JOIN series ON series_id = series
                 WHERE completed_at_ms >= ?1 AND completed_at_ms < ?2 AND (?3 IS NULL OR repository = ?3)
                 GROUP BY series"
            ))?
            .query_map(params![start.as_millis(), end.as_millis(), repository, Day::of(start).0], read_cell)?
            .collect()
    }

    fn worst_merge(&self, period: &Period, repository: Option<&str>) -> rusqlite::Result<Option<Millis>> {
        self.connection
            .prepare_cached(
                "SELECT max(release.wall_ms + ci.wall_ms)
                 FROM run release JOIN run ci ON ci.repository = release.repository AND ci.commit_id = release.commit_id
                 WHERE release.completed_at_ms >= ?1 AND release.completed_at_ms < ?2
                   AND (?3 IS NULL OR release.repository = ?3)
                   AND release.kind = 'release' AND ci.kind = 'ci'
                   AND release.open_jobs = 0 AND ci.open_jobs = 0 AND release.jobs > 0 AND ci.jobs > 0",
            )?
            .query_row(params![period.start.as_millis(), period.end.as_millis(), repository], |row| millis(row, 0))
    }

    fn coverage(&self, days: (i64, i64), repository: Option<&str>) -> rusqlite::Result<(BTreeSet<String>, bool)> {
        let mut knows_builds = false;
        let mut platforms = BTreeSet::new();
        let mut statement = self.connection.prepare_cached(
            "SELECT platform, max(on_default AND built_well > 0)
             FROM tally JOIN series ON series_id = series
             WHERE day >= ?1 AND day < ?2 AND built > 0 AND (?3 IS NULL OR repository = ?3) GROUP BY platform",
        )?;
        let mut rows = statement.query(params![days.0, days.1, repository])?;
        while let Some(row) = rows.next()? {
            knows_builds = true;
            if row.get::<_, bool>(1)? {
                platforms.insert(row.get(0)?);
            }
        }
        Ok((platforms, knows_builds))
    }

    fn open_count(&self, repository: Option<&str>) -> rusqlite::Result<u64> {
        self.connection
            .prepare_cached(
                "SELECT count(*) FROM execution JOIN series ON series_id = series
                 WHERE state IN ('accepted', 'running') AND (?1 IS NULL OR repository = ?1)",
            )?
            .query_row([repository], |row| figure(row, 0))
    }
}

/// A period as whole UTC days, which are tallied, and what is left of it at both ends.
pub(super) struct Parts {
    pub(super) days: Range<Day>,
    pub(super) edges: Vec<Range<Timestamp>>,
}

impl Parts {
    pub(super) fn of(period: &Period) -> Self {
        let day_ms = Day(1).start().as_millis();
        let first_whole = Day((period.start.as_millis() + day_ms - 1).div_euclid(day_ms));
        let after_whole = Day(Day::of(period.end).0.max(first_whole.0));
        let edges = [period.start..first_whole.start(), after_whole.start()..period.end];
        Self { days: first_whole..after_whole, edges: edges.into_iter().filter(|edge| !edge.is_empty()).collect() }
    }
}

fn read_cell(row: &Row<'_>) -> rusqlite::Result<Cell> {
    let kind: String = row.get(5)?;
    Ok(Cell {
        series: Series {
            repository: row.get(0)?,
            workflow: row.get(1)?,
            job: row.get(2)?,
            branch: row.get(3)?,
            platform: row.get(4)?,
            kind: if kind == "release" { RunKind::Release } else { RunKind::Ci },
            is_pull_request: row.get(6)?,
        },
        day: Day(row.get(7)?),
        sums: read_sums(row, 8)?,
    })
}

pub(super) fn figure(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

pub(super) fn millis(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Millis>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|ms| Millis(u64::try_from(ms).unwrap_or(0))))
}
