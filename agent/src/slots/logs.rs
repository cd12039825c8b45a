//! What is written down about the runners of a slot, where it stands, and which of it is about one of them. A slot's
//! logs go over many runners, so each of them begins with a heading.

use std::path::{Path, PathBuf};

use hearth_model::ExecutionId;

/// What a runner program says to people; beside it, with `.old`, what no longer fits.
pub fn runner_log(slot: &Path) -> PathBuf {
    slot.join("runner.log")
}

/// The generation before the current one.
pub fn older(log: &Path) -> PathBuf {
    log.with_added_extension("old")
}

/// What the processes say that look after runners.
pub fn keeper_log(slot: &Path) -> PathBuf {
    slot.join("keeper.log")
}

/// The runner programs' own logs, a directory for each start that left some.
pub fn diagnostics(slot: &Path) -> PathBuf {
    slot.join("diagnostics")
}

const HEADING: &str = "--- hearth starts the runner for execution ";

/// The line before everything that the runner of this execution says.
pub fn heading(execution: ExecutionId) -> String {
    format!("{HEADING}{execution}\n")
}

/// The part of a log that is behind the heading of this execution; `None` when there is none, or no longer. A line that
/// only looks like a heading, because a job chose its name so, comes after the real ones and finds nothing.
pub fn section(log: &str, execution: ExecutionId) -> Option<&str> {
    let heading = heading(execution);
    let begin = match log.strip_prefix(&heading) {
        Some(rest) => rest,
        None => log.split_once(&format!("\n{heading}"))?.1,
    };
    Some(before_heading(begin))
}

/// What is before the next heading, or everything.
pub fn before_heading(log: &str) -> &str {
    let next = if log.starts_with(HEADING) { Some(0) } else { log.find(&format!("\n{HEADING}")).map(|at| at + 1) };
    &log[..next.unwrap_or(log.len())]
}

#[cfg(test)]
mod tests {
    use hearth_model::Timestamp;

    use super::*;

    #[test]
    fn a_section_goes_from_its_heading_to_the_next() {
        let [first, second, third] = [1, 2, 3].map(|ms| ExecutionId::new(Timestamp::from_millis(ms)));
        let log = format!("before\n{}one\ntwo\n{}{}three\n", heading(first), heading(second), heading(third));
        for (execution, expected) in [(first, Some("one\ntwo\n")), (second, Some("")), (third, Some("three\n"))] {
            assert_eq!(section(&log, execution), expected);
        }
        assert_eq!(section(&heading(first), first), Some(""));
        assert_eq!(section(&log, ExecutionId::new(Timestamp::from_millis(4))), None);
        assert_eq!(section("", first), None);
    }

    #[test]
    fn a_forged_heading_takes_nothing_from_the_real_one() {
        let [ours, other] = [1, 2].map(|ms| ExecutionId::new(Timestamp::from_millis(ms)));
        let log = format!("{}mine\n{}forged: {}", heading(ours), heading(other), heading(ours));
        assert_eq!(section(&log, ours), Some("mine\n"));
    }
}
