//! One execution in and out of the tables.

use hearth_model::{ExecutionId, JobFacts, Ref};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use crate::error::LedgerError;
use crate::execution::Execution;
use crate::prices::Day;
use crate::store::Store;
use crate::sums::{RunKind, Stage, is_on_default, is_pull_request};

/// What has to be summed again because one of its executions changed.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) runs: std::collections::BTreeSet<i64>,
    /// UTC day and series.
    pub(super) tallies: std::collections::BTreeSet<(i64, i64)>,
}

impl Touched {
    fn note(&mut self, place: (i64, i64, Option<i64>)) {
        let (series, run, completed_at_ms) = place;
        self.runs.insert(run);
        if let Some(ms) = completed_at_ms {
            let day = Day::of(hearth_model::Timestamp::from_millis(ms));
            self.tallies.insert((day.0, series));
        }
    }
}

/// Writes the execution's row anew, wherever it was before.
pub(super) fn write(tx: &Transaction<'_>, execution: &Execution, touched: &mut Touched) -> rusqlite::Result<()> {
    let id = execution.id.to_string();
    let before = tx
        .prepare_cached("SELECT series, run, completed_at_ms FROM execution WHERE execution_id = ?1")?
        .query_row([&id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some(before) = before {
        touched.note(before);
    }
    let facts = execution.facts.as_ref();
    let series = series_id(tx, facts)?;
    let run = run_id(tx, execution.id, facts)?;
    let completed_at_ms = execution.completed_at.map(hearth_model::Timestamp::as_millis);
    touched.note((series, run, completed_at_ms));

    let measures = execution.measures.as_ref();
    let compile = measures.and_then(|m| m.compile);
    tx.prepare_cached(
        "INSERT INTO execution (execution_id, series, run, state, stage, commit_id, queued_at_ms, started_at_ms,
           completed_at_ms, ran_ms, billable_minutes, conclusion, ending, warm_target, compile_requests, compile_hits,
           compile_misses, compile_uncacheable, compile_errors, compile_useful_ms, compile_total_ms, build_fingerprint,
           full_build, cpu_us)
         VALUES (:execution_id, :series, :run, :state, :stage, :commit_id, :queued_at_ms, :started_at_ms,
           :completed_at_ms, :ran_ms, :billable_minutes, :conclusion, :ending, :warm_target, :compile_requests,
           :compile_hits, :compile_misses, :compile_uncacheable, :compile_errors, :compile_useful_ms, :compile_total_ms,
           :build_fingerprint, :full_build, :cpu_us)
         ON CONFLICT (execution_id) DO UPDATE SET
           series = excluded.series, run = excluded.run, state = excluded.state, stage = excluded.stage,
           commit_id = excluded.commit_id, queued_at_ms = excluded.queued_at_ms,
           started_at_ms = excluded.started_at_ms, completed_at_ms = excluded.completed_at_ms,
           ran_ms = excluded.ran_ms, billable_minutes = excluded.billable_minutes, conclusion = excluded.conclusion,
           ending = excluded.ending, warm_target = excluded.warm_target,
           compile_requests = excluded.compile_requests, compile_hits = excluded.compile_hits,
           compile_misses = excluded.compile_misses, compile_uncacheable = excluded.compile_uncacheable,
           compile_errors = excluded.compile_errors, compile_useful_ms = excluded.compile_useful_ms,
           compile_total_ms = excluded.compile_total_ms, build_fingerprint = excluded.build_fingerprint,
           full_build = excluded.full_build, cpu_us = excluded.cpu_us",
    )?
    .execute(named_params! {
        ":execution_id": id,
        ":series": series,
        ":run": run,
        ":state": execution.state.as_str(),
        ":stage": facts.and_then(|f| Stage::of(&f.job)).map(Stage::as_str),
        ":commit_id": facts.and_then(|f| f.commit.as_deref()),
        ":queued_at_ms": execution.accepted_at.map(hearth_model::Timestamp::as_millis),
        ":started_at_ms": execution.started_at.map(hearth_model::Timestamp::as_millis),
        ":completed_at_ms": completed_at_ms,
        ":ran_ms": execution.ran.map(|ran| stored(ran.0)),
        ":billable_minutes": execution.billable_minutes().map(stored),
        ":conclusion": execution.outcome.map(|o| o.conclusion().as_str()),
        ":ending": execution.ending.map(hearth_model::Ending::as_str),
        ":warm_target": measures.map(|m| m.warm_target.as_str()),
        ":compile_requests": compile.map(|c| stored(c.requests)),
        ":compile_hits": compile.map(|c| stored(c.hits)),
        ":compile_misses": compile.map(|c| stored(c.misses)),
        ":compile_uncacheable": compile.map(|c| stored(c.uncacheable)),
        ":compile_errors": compile.map(|c| stored(c.errors)),
        ":compile_useful_ms": measures.and_then(|m| m.compile_useful).map(|ms| stored(ms.0)),
        ":compile_total_ms": measures.and_then(|m| m.compile_total).map(|ms| stored(ms.0)),
        ":build_fingerprint": measures.and_then(|m| m.build_fingerprint.as_deref()),
        ":full_build": measures.and_then(|m| m.full_build),
        ":cpu_us": measures.and_then(|m| m.usage.cpu_us).map(stored),
    })?;
    let record = serde_json::to_string(execution).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    tx.prepare_cached(
        "INSERT INTO detail (row, record) SELECT row, ?2 FROM execution WHERE execution_id = ?1
         ON CONFLICT (row) DO UPDATE SET record = excluded.record",
    )?
    .execute((&id, record))?;
    Ok(())
}

/// SQLite's integers are signed; a figure beyond them is no figure of a job.
pub(super) fn stored(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}

fn series_id(tx: &Transaction<'_>, facts: Option<&JobFacts>) -> rusqlite::Result<i64> {
    let text = |pick: fn(&JobFacts) -> &str| facts.map_or("", pick);
    let branch = facts.map_or_else(String::new, |f| branch_name(&f.reference));
    let kind = facts.map_or(RunKind::Ci, RunKind::of);
    let is_pull_request = facts.is_some_and(is_pull_request);
    let on_default = facts.is_some_and(is_on_default);
    let values = (
        text(|f| &f.repository),
        text(|f| f.workflow.as_deref().unwrap_or_default()),
        text(|f| &f.job),
        &branch,
        text(|f| &f.platform),
        kind.as_str(),
        is_pull_request,
        on_default,
    );
    let found = tx
        .prepare_cached(
            "SELECT series_id FROM series WHERE repository = ?1 AND workflow = ?2 AND job = ?3 AND branch = ?4
               AND platform = ?5 AND kind = ?6 AND is_pull_request = ?7 AND on_default = ?8",
        )?
        .query_row(values, |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    tx.prepare_cached(
        "INSERT INTO series (repository, workflow, job, branch, platform, kind, is_pull_request, on_default)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .insert(values)
}

/// A branch by its name, everything else by its full ref: no branch is called `refs/tags/v1`.
fn branch_name(reference: &Ref) -> String {
    match reference {
        Ref::Branch(name) => name.clone(),
        other => other.to_string(),
    }
}

fn run_id(tx: &Transaction<'_>, execution: ExecutionId, facts: Option<&JobFacts>) -> rusqlite::Result<i64> {
    let key = match facts.and_then(|f| f.run.run_id.map(|run| (f, run))) {
        Some((f, run)) => {
            let attempt = f.run.run_attempt.unwrap_or(1);
            format!("{}/{}#{run}.{attempt}", f.forge.host(), f.repository)
        }
        None => format!("execution/{execution}"),
    };
    let found = tx
        .prepare_cached("SELECT run_id FROM run WHERE run_key = ?1")?
        .query_row([&key], |row| row.get(0))
        .optional()?;
    match found {
        Some(id) => Ok(id),
        None => tx.prepare_cached("INSERT INTO run (run_key) VALUES (?1)")?.insert([&key]),
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Execution> {
    let record: String = row.get(0)?;
    serde_json::from_str(&record).map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))
}

impl Store {
    pub(crate) fn execution(&self, id: ExecutionId) -> Result<Option<Execution>, LedgerError> {
        self.connection
            .prepare_cached("SELECT record FROM detail JOIN execution USING (row) WHERE execution_id = ?1")
            .and_then(|mut statement| statement.query_row([id.to_string()], read).optional())
            .map_err(self.failed("read an execution"))
    }

    pub(crate) fn open_executions(&self) -> Result<Vec<Execution>, LedgerError> {
        self.list(
            "SELECT record FROM execution JOIN detail USING (row) WHERE state IN ('accepted', 'running') ORDER BY row",
            [],
        )
    }

    /// The newest first: ids begin with the time they were made.
    pub(crate) fn recent(&self, limit: usize) -> Result<Vec<Execution>, LedgerError> {
        self.list(
            "SELECT record FROM execution JOIN detail USING (row) ORDER BY execution_id DESC LIMIT ?1",
            [stored(limit as u64)],
        )
    }

    pub(crate) fn recent_of(&self, repository: &str, limit: usize) -> Result<Vec<Execution>, LedgerError> {
        self.list(
            "SELECT record FROM execution JOIN detail USING (row) JOIN series ON series_id = series
             WHERE repository = ?1 ORDER BY execution_id DESC LIMIT ?2",
            (repository, stored(limit as u64)),
        )
    }

    pub(crate) fn named(&self, part: &str, limit: usize) -> Result<Vec<Execution>, LedgerError> {
        self.list(
            "SELECT record FROM execution JOIN detail USING (row)
             WHERE substr(execution_id, 1, length(?1)) = ?1 OR substr(execution_id, -length(?1)) = ?1
             ORDER BY execution_id DESC LIMIT ?2",
            (part, stored(limit as u64)),
        )
    }

    fn list<P: rusqlite::Params>(&self, sql: &str, parameters: P) -> Result<Vec<Execution>, LedgerError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(parameters, read)?.collect())
            .map_err(self.failed("list executions"))
    }

    /// Calls `each` for every execution that ended in the period, oldest first, until it says stop.
    pub(crate) fn each_execution(
        &self,
        period: &crate::period::Period,
        repository: Option<&str>,
        each: &mut dyn FnMut(Execution) -> std::ops::ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        let failed = self.failed("list executions");
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT record FROM execution e JOIN detail USING (row) JOIN series ON series_id = e.series
                 WHERE completed_at_ms >= ?1 AND completed_at_ms < ?2 AND (?3 IS NULL OR repository = ?3)
                 ORDER BY completed_at_ms, row",
            )
            .map_err(&failed)?;
        let mut rows =
            statement.query((period.start.as_millis(), period.end.as_millis(), repository)).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            if each(read(row).map_err(&failed)?).is_break() {
                break;
            }
        }
        Ok(())
    }
}
