//! Sums per UTC day and series. A tally is always computed again from its executions, never added to: an execution
//! that is corrected, moved or folded twice cannot leave a trace in it.

use rusqlite::{Row, Transaction};

use hearth_model::Millis;

use crate::prices::Day;
use crate::sums::Sums;

/// The columns of `tally`, in the order of [`read_sums`], over rows of `execution`.
pub(super) const SUMS: &str = "
  sum(state = 'ended'), sum(state = 'voided'),
  sum(state = 'ended' AND conclusion <> 'success'), sum(state = 'ended' AND ending IN ('lost', 'crashed')),
  coalesce(sum(ran_ms) FILTER (WHERE state = 'ended'), 0), sum(billable_minutes),
  coalesce(max(ran_ms) FILTER (WHERE state = 'ended'), 0),
  coalesce(sum(warm_target = 'exact'), 0), coalesce(sum(warm_target = 'partial'), 0),
  coalesce(sum(warm_target = 'none'), 0),
  sum(compile_requests IS NOT NULL), coalesce(sum(compile_requests), 0), coalesce(sum(compile_hits), 0),
  coalesce(sum(compile_misses), 0),
  sum(compile_useful_ms IS NOT NULL AND compile_total_ms > 0),
  coalesce(sum(compile_useful_ms) FILTER (WHERE compile_total_ms > 0), 0),
  coalesce(sum(compile_total_ms) FILTER (WHERE compile_useful_ms IS NOT NULL), 0),
  sum(build_fingerprint IS NOT NULL), sum(build_fingerprint IS NOT NULL AND conclusion = 'success')";

pub(super) const TALLY_COLUMNS: &str =
    "jobs, voided, failed, lost, ran_ms, billable_minutes, longest_ms, exact, partial, cold,
  compile_jobs, requests, hits, misses, timed_jobs, useful_ms, total_ms, built, built_well";

/// Reads the columns of [`SUMS`] or [`TALLY_COLUMNS`], which begin at `at`.
pub(super) fn read_sums(row: &Row<'_>, at: usize) -> rusqlite::Result<Sums> {
    let figure = |column: usize| row.get::<_, i64>(at + column).map(|figure| u64::try_from(figure).unwrap_or(0));
    Ok(Sums {
        jobs: figure(0)?,
        voided: figure(1)?,
        failed: figure(2)?,
        lost: figure(3)?,
        actual: Millis(figure(4)?),
        billable_minutes: figure(5)?,
        longest: Millis(figure(6)?),
        exact: figure(7)?,
        partial: figure(8)?,
        cold: figure(9)?,
        compile_jobs: figure(10)?,
        requests: figure(11)?,
        hits: figure(12)?,
        misses: figure(13)?,
        timed_jobs: figure(14)?,
        useful: Millis(figure(15)?),
        compile_total: Millis(figure(16)?),
        built: figure(17)?,
        built_well: figure(18)?,
    })
}

pub(super) fn recompute(tx: &Transaction<'_>, day: Day, series: i64) -> rusqlite::Result<()> {
    let (start, end) = (day.start().as_millis(), Day(day.0 + 1).start().as_millis());
    tx.prepare_cached("DELETE FROM tally WHERE day = ?1 AND series = ?2")?.execute((day.0, series))?;
    tx.prepare_cached(&format!(
        "INSERT INTO tally (day, series, {TALLY_COLUMNS})
         SELECT ?1, ?2, {SUMS} FROM execution
         WHERE series = ?2 AND completed_at_ms >= ?3 AND completed_at_ms < ?4 HAVING count(*) > 0"
    ))?
    .execute((day.0, series, start, end))?;
    Ok(())
}
