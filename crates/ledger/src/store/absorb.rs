//! From the journal into the tables. One way only: a line is absorbed once, in order, with the watermark in the same
//! transaction, so that being killed here costs nothing and a rebuild is the same walk from the start.

use std::collections::{BTreeMap, BTreeSet};

use hearth_model::ExecutionId;
use rusqlite::{Transaction, TransactionBehavior};

use crate::error::LedgerError;
use crate::fold::fold;
use crate::journal::Journal;
use crate::observation::Observation;
use crate::prices::Day;
use crate::store::rows::{self, Touched, stored};
use crate::store::{Store, run_tally, runs, tally};

/// What absorbing met with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Absorbed {
    /// Lines that are no observations.
    pub(crate) skipped: u64,
    /// Files that became shorter than their watermark.
    pub(crate) shrank: Vec<String>,
}

/// Whether the journal has what an observation says.
#[derive(Debug, Clone, Copy)]
enum Journaled {
    Yes,
    NotYet,
}

impl Store {
    /// Whether the journal holds bytes that the database has not seen. Looks at file lengths only.
    pub(crate) fn is_behind(&self, journal: &Journal) -> Result<bool, LedgerError> {
        let watermarks = self.watermarks()?;
        let files = files(journal)?;
        Ok(files.iter().any(|(file, len)| watermarks.get(file).copied().unwrap_or(0) != *len))
    }

    /// Takes in everything new. The caller holds the journal's lock, so no line is half written.
    pub(crate) fn absorb(&mut self, journal: &Journal) -> Result<Absorbed, LedgerError> {
        let mut absorbed = Absorbed::default();
        let watermarks = self.watermarks()?;
        for (file, len) in files(journal)? {
            let mut offset = watermarks.get(&file).copied().unwrap_or(0);
            if offset > len {
                absorbed.shrank.push(file.clone());
                offset = 0;
            }
            loop {
                let chunk = journal
                    .read(&file, offset)
                    .map_err(|cause| LedgerError::ReadJournal { path: journal.path(&file), cause })?;
                if chunk.next_offset == offset {
                    break;
                }
                offset = chunk.next_offset;
                absorbed.skipped +=
                    self.take(&chunk.lines, &file, offset).map_err(self.failed("absorb the journal"))?;
            }
        }
        Ok(absorbed)
    }

    fn take(&mut self, lines: &[Vec<u8>], file: &str, offset: u64) -> rusqlite::Result<u64> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut skipped = 0;
        let mut changed = BTreeSet::new();
        for line in lines {
            let text = std::str::from_utf8(line).ok();
            match text.and_then(|text| serde_json::from_str::<Observation>(text).ok().zip(Some(text))) {
                Some((observation, text)) => {
                    insert(&tx, &observation, text, Journaled::Yes)?;
                    changed.insert(observation.execution);
                }
                None => skipped += 1,
            }
        }
        refold(&tx, &changed)?;
        tx.prepare_cached(
            "INSERT INTO watermark (file, absorbed) VALUES (?1, ?2)
             ON CONFLICT (file) DO UPDATE SET absorbed = excluded.absorbed",
        )?
        .execute((file, stored(offset)))?;
        tx.commit()?;
        Ok(skipped)
    }

    /// Takes observations that the journal could not take, synced like it. They are owed to the journal.
    pub(crate) fn keep_for_journal(&mut self, observations: &[(Observation, String)]) -> Result<(), LedgerError> {
        let failed = self.failed("keep observations for the journal");
        self.connection.pragma_update(None, "synchronous", "full").map_err(&failed)?;
        let kept = self.keep(observations).map_err(&failed);
        self.connection.pragma_update(None, "synchronous", "normal").map_err(&failed)?;
        kept
    }

    fn keep(&mut self, observations: &[(Observation, String)]) -> rusqlite::Result<()> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut changed = BTreeSet::new();
        for (observation, text) in observations {
            insert(&tx, observation, text, Journaled::NotYet)?;
            changed.insert(observation.execution);
        }
        refold(&tx, &changed)?;
        tx.commit()
    }

    /// The lines that the database owes to the journal.
    pub(crate) fn owed_to_journal(&self) -> Result<Vec<String>, LedgerError> {
        self.connection
            .prepare_cached("SELECT payload FROM observation WHERE journaled = 0 ORDER BY observation_id")
            .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
            .map_err(self.failed("read what the journal lacks"))
    }

    fn watermarks(&self) -> Result<BTreeMap<String, u64>, LedgerError> {
        self.connection
            .prepare_cached("SELECT file, absorbed FROM watermark")
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0))))?
                    .collect()
            })
            .map_err(self.failed("read the watermarks"))
    }

    /// How many executions the book holds.
    pub(crate) fn count_executions(&self) -> Result<u64, LedgerError> {
        self.connection
            .query_row("SELECT count(*) FROM execution", [], |row| row.get::<_, i64>(0))
            .map(|count| u64::try_from(count).unwrap_or(0))
            .map_err(self.failed("count executions"))
    }
}

fn files(journal: &Journal) -> Result<Vec<(String, u64)>, LedgerError> {
    journal.files().map_err(|cause| LedgerError::ReadJournal { path: journal.path(""), cause })
}

/// A second saying of the same thing changes nothing but that the journal now has it.
fn insert(tx: &Transaction<'_>, observation: &Observation, text: &str, journaled: Journaled) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO observation (execution_id, source, event_id, payload, journaled) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (source, event_id) DO UPDATE SET journaled = max(journaled, excluded.journaled)",
    )?
    .execute((
        observation.execution.to_string(),
        observation.source.as_str(),
        &observation.event_id,
        text,
        matches!(journaled, Journaled::Yes),
    ))?;
    Ok(())
}

fn refold(tx: &Transaction<'_>, changed: &BTreeSet<ExecutionId>) -> rusqlite::Result<()> {
    let mut touched = Touched::default();
    for id in changed {
        let said: Vec<String> = tx
            .prepare_cached("SELECT payload FROM observation WHERE execution_id = ?1")?
            .query_map([id.to_string()], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        // What an older or newer program wrote and this one cannot read is left out, as in the journal.
        let said: Vec<Observation> = said.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        if let Some(execution) = fold(&said) {
            rows::write(tx, &execution, &mut touched)?;
        }
    }
    sum_again(tx, &touched)
}

fn sum_again(tx: &Transaction<'_>, touched: &Touched) -> rusqlite::Result<()> {
    let mut places = BTreeSet::new();
    for run in &touched.runs {
        places.extend(runs::recompute(tx, *run)?);
    }
    for place in &places {
        run_tally::recompute(tx, place)?;
    }
    for (day, series) in &touched.tallies {
        tally::recompute(tx, Day(*day), *series)?;
    }
    Ok(())
}
