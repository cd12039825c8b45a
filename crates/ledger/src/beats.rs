//! Heartbeats: one small file per open execution, written over in place, so that a killed agent leaves behind how long
//! its job had run. Not the journal: a beat every ten seconds is worth nothing once the next one is there.
//!
//! A file holds two records of one size; the older one is overwritten. A torn record fails its checksum, and then the
//! other one stands.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hearth_model::{ExecutionId, Millis, Timestamp};

use crate::observation::Beat;

/// `<20 digits> <20 digits> <8 hex digits>\n`
const RECORD: usize = 20 + 1 + 20 + 1 + 8 + 1;
/// A beat that is lost in a power cut may cost this much; a killed process loses none.
const SYNC_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Beats {
    dir: PathBuf,
    synced: Mutex<HashMap<ExecutionId, Duration>>,
}

impl Beats {
    pub(crate) fn at(dir: PathBuf) -> Self {
        Self { dir, synced: Mutex::default() }
    }

    pub(crate) fn path(&self, execution: ExecutionId) -> PathBuf {
        self.dir.join(execution.to_string())
    }

    /// Makes the file, so that a beat on a full disk has its room already. Not synced: without the file an execution
    /// ran for 0 ms, as with it.
    pub(crate) fn create(&self, execution: ExecutionId, at: Timestamp) -> io::Result<()> {
        // Never over a file that is there: a start that is said again must not take its beats.
        let mut file = OpenOptions::new().create_new(true).write(true).open(self.path(execution))?;
        let record = encode(Beat { ran: Millis(0), at });
        file.write_all(record.repeat(2).as_bytes())
    }

    pub(crate) fn write(&self, execution: ExecutionId, beat: Beat, monotonic: Duration) -> io::Result<()> {
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(self.path(execution))?;
        let records = read_records(&mut file)?;
        let at = if records[0].is_none_or(|first| records[1].is_some_and(|second| second.ran >= first.ran)) {
            0
        } else {
            RECORD
        };
        file.seek(SeekFrom::Start(at as u64))?;
        file.write_all(encode(beat).as_bytes())?;
        if self.is_due(execution, monotonic) {
            file.sync_data()?;
        }
        Ok(())
    }

    fn is_due(&self, execution: ExecutionId, monotonic: Duration) -> bool {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let due = synced.get(&execution).is_none_or(|last| monotonic.saturating_sub(*last) >= SYNC_EVERY);
        if due {
            synced.insert(execution, monotonic);
        }
        due
    }

    /// The last beat that is whole. `None` when there is none, or no file.
    pub(crate) fn last(&self, execution: ExecutionId) -> io::Result<Option<Beat>> {
        match File::open(self.path(execution)) {
            Ok(mut file) => Ok(read_records(&mut file)?.into_iter().flatten().max_by_key(|beat| (beat.ran, beat.at))),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Forgets an execution that has ended. A file that stays behind is harmless and swept at the next open.
    pub(crate) fn remove(&self, execution: ExecutionId) {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).remove(&execution);
        let _ = std::fs::remove_file(self.path(execution));
    }

    /// The executions that have a file.
    pub(crate) fn list(&self) -> io::Result<Vec<ExecutionId>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            found.extend(name.to_str().and_then(|name| name.parse::<ExecutionId>().ok()));
        }
        Ok(found)
    }
}

fn read_records(file: &mut File) -> io::Result<[Option<Beat>; 2]> {
    let mut bytes = Vec::with_capacity(2 * RECORD);
    file.take(2 * RECORD as u64).read_to_end(&mut bytes)?;
    let record = |at: usize| bytes.get(at..at + RECORD).and_then(decode);
    Ok([record(0), record(RECORD)])
}

fn encode(beat: Beat) -> String {
    let body = format!("{:020} {:020}", beat.ran.0, beat.at.as_millis());
    format!("{body} {:08x}\n", checksum(body.as_bytes()))
}

fn decode(record: &[u8]) -> Option<Beat> {
    let text = std::str::from_utf8(record).ok()?.strip_suffix('\n')?;
    let (body, sum) = text.rsplit_once(' ')?;
    if u32::from_str_radix(sum, 16).ok()? != checksum(body.as_bytes()) {
        return None;
    }
    let (ran, at) = body.split_once(' ')?;
    Some(Beat { ran: Millis(ran.parse().ok()?), at: Timestamp::from_millis(at.parse().ok()?) })
}

/// FNV-1a: enough to tell a torn record from a whole one.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(ran: u64) -> Beat {
        Beat { ran: Millis(ran), at: Timestamp::from_millis(1_000 + i64::try_from(ran).unwrap()) }
    }

    #[test]
    fn the_last_whole_beat_survives_a_torn_write_at_any_byte() {
        let dir = tempfile::tempdir().unwrap();
        let beats = Beats::at(dir.path().to_owned());
        let id = ExecutionId::new(Timestamp::from_millis(1));
        beats.create(id, beat(0).at).unwrap();
        let room = std::fs::metadata(beats.path(id)).unwrap().len();
        for ran in [10_000, 20_000, 30_000] {
            beats.write(id, beat(ran), Duration::ZERO).unwrap();
            assert!(beats.create(id, beat(0).at).is_err(), "a beat is not forgotten");
            assert_eq!(beats.last(id).unwrap(), Some(beat(ran)));
        }
        let whole = std::fs::read(beats.path(id)).unwrap();
        assert_eq!(whole.len() as u64, room, "no beat needs more room than the first");
        let next = encode(beat(40_000));
        // The fourth beat goes to the second place, over the second one; it is torn after `cut` bytes.
        for cut in 0..RECORD {
            let mut torn = whole.clone();
            torn[RECORD..RECORD + cut].copy_from_slice(&next.as_bytes()[..cut]);
            std::fs::write(beats.path(id), &torn).unwrap();
            let last = beats.last(id).unwrap().unwrap();
            assert!(last == beat(30_000) || last == beat(40_000), "cut at {cut}: {last:?}");
        }
    }

    #[test]
    fn an_execution_without_a_file_never_beat() {
        let dir = tempfile::tempdir().unwrap();
        let beats = Beats::at(dir.path().to_owned());
        assert_eq!(beats.last(ExecutionId::new(Timestamp::from_millis(1))).unwrap(), None);
    }
}
