//! The sums of all time: read whole once, then only from what was said since, because a scrape must not read a million
//! executions.

use hearth_model::{CompileCounts, Conclusion, Ending, Millis};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::LedgerError;
use crate::fold::fold;
use crate::observation::Observation;
use crate::store::Store;
use crate::sums::RunKind;
use crate::totals::{BranchClass, Close, Mark, Origin, TotalSums, Totals};

impl Store {
    /// Adds up every execution.
    pub(crate) fn totals(&self) -> Result<Totals, LedgerError> {
        self.at_one_moment(whole).map_err(self.failed("add up all time"))
    }

    /// Takes in what was said since; `None` when that was another database.
    pub(crate) fn totals_since(&self, known: &Totals) -> Result<Option<Totals>, LedgerError> {
        if known.mark.generation != self.generation {
            return Ok(None);
        }
        let followed = self.at_one_moment(|tx, mark| follow(tx, known.clone(), mark));
        followed.map(Some).map_err(self.failed("add up what is new"))
    }

    /// One state of the database for all questions, whatever is written meanwhile.
    fn at_one_moment(
        &self,
        read: impl FnOnce(&Connection, Mark) -> rusqlite::Result<Totals>,
    ) -> rusqlite::Result<Totals> {
        let tx = self.connection.unchecked_transaction()?;
        let newest = newest(&tx)?;
        let mark = Mark { generation: self.generation.clone(), observation: newest.as_ref().map_or(0, |n| n.0) };
        let mut totals = read(&tx, mark)?;
        totals.last_heard = newest.and_then(|(_, said)| said).map(|said| said.heard_at);
        Ok(totals)
    }
}

/// The last observation with its number.
fn newest(tx: &Connection) -> rusqlite::Result<Option<(i64, Option<Observation>)>> {
    tx.prepare_cached("SELECT observation_id, payload FROM observation ORDER BY observation_id DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, serde_json::from_str(&row.get::<_, String>(1)?).ok())))
        .optional()
}

fn whole(tx: &Connection, mark: Mark) -> rusqlite::Result<Totals> {
    let mut totals = Totals::nothing(mark);
    let mut statement = tx.prepare_cached(
        "SELECT repository, workflow, platform, kind, is_pull_request, on_default, conclusion, ending,
           count(*), coalesce(sum(ran_ms) FILTER (WHERE state = 'ended'), 0), coalesce(sum(billable_minutes), 0),
           coalesce(sum(cpu_us), 0), coalesce(sum(compile_requests), 0), coalesce(sum(compile_hits), 0),
           coalesce(sum(compile_misses), 0), coalesce(sum(compile_uncacheable), 0), coalesce(sum(compile_errors), 0),
           coalesce(sum(warm_target = 'exact'), 0), coalesce(sum(warm_target = 'partial'), 0),
           coalesce(sum(warm_target = 'none'), 0)
         FROM execution JOIN series ON series_id = series
         GROUP BY series, conclusion, ending ORDER BY min(row)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let origin = read_origin(row)?;
        totals.meet(&origin);
        if let Some(close) = read_close(row)? {
            totals.add(origin, close, &read_sums(row)?);
        }
    }
    Ok(totals)
}

/// What an execution said before the mark is folded too, so that a correction takes away what it had added.
fn follow(tx: &Connection, mut totals: Totals, mark: Mark) -> rusqlite::Result<Totals> {
    let mut changed = tx.prepare_cached(
        "SELECT execution_id FROM execution
         WHERE execution_id IN (SELECT execution_id FROM observation WHERE observation_id > ?1) ORDER BY row",
    )?;
    let changed: Vec<String> =
        changed.query_map([totals.mark.observation], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut said = tx.prepare_cached("SELECT observation_id, payload FROM observation WHERE execution_id = ?1")?;
    for id in changed {
        let (mut before, mut all) = (Vec::new(), Vec::new());
        let mut rows = said.query([id])?;
        while let Some(row) = rows.next()? {
            let Ok(observation) = serde_json::from_str::<Observation>(&row.get::<_, String>(1)?) else { continue };
            if row.get::<_, i64>(0)? <= totals.mark.observation {
                before.push(observation.clone());
            }
            all.push(observation);
        }
        if let Some(now) = fold(&all) {
            totals.replace(fold(&before).as_ref(), &now);
        }
    }
    totals.mark = mark;
    Ok(totals)
}

fn read_origin(row: &Row<'_>) -> rusqlite::Result<Origin> {
    let kind: String = row.get(3)?;
    let kind = if kind == RunKind::Release.as_str() { RunKind::Release } else { RunKind::Ci };
    Ok(Origin {
        repository: row.get(0)?,
        workflow: row.get(1)?,
        platform: row.get(2)?,
        branch: BranchClass::new(kind, row.get(4)?, row.get(5)?),
    })
}

/// `None` while the executions are open.
fn read_close(row: &Row<'_>) -> rusqlite::Result<Option<Close>> {
    let word = |column: usize| row.get::<_, Option<String>>(column);
    let unknown = |column, word: String| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("`{word}` is no such word").into())
    };
    let (Some(conclusion), Some(ending)) = (word(6)?, word(7)?) else { return Ok(None) };
    Ok(Some(Close {
        conclusion: Conclusion::from_word(&conclusion).ok_or_else(|| unknown(6, conclusion))?,
        ending: Ending::from_word(&ending).ok_or_else(|| unknown(7, ending))?,
    }))
}

fn read_sums(row: &Row<'_>) -> rusqlite::Result<TotalSums> {
    let figure = |column: usize| row.get::<_, i64>(column).map(|figure| u64::try_from(figure).unwrap_or(0));
    Ok(TotalSums {
        jobs: figure(8)?,
        actual: Millis(figure(9)?),
        billable_minutes: figure(10)?,
        cpu_us: figure(11)?,
        compile: CompileCounts {
            requests: figure(12)?,
            hits: figure(13)?,
            misses: figure(14)?,
            uncacheable: figure(15)?,
            errors: figure(16)?,
        },
        exact: figure(17)?,
        partial: figure(18)?,
        cold: figure(19)?,
    })
}
