//! Starting telemetry, which a process can do only once; hence a process of its own.

use hearth_daemon::telemetry::{FormatWord, LogFile, Surroundings, TelemetryError, start};

#[test]
fn telemetry_starts_once_with_or_without_a_journal() {
    let log = LogFile { format: FormatWord::Journald, ..LogFile::default() };
    let nowhere = Surroundings { journal_stream: None, identity: None };
    start(&log, &nowhere).unwrap();
    let again = start(&LogFile::default(), &nowhere);
    assert!(matches!(again, Err(TelemetryError::Twice { .. })), "{again:?}");
}
