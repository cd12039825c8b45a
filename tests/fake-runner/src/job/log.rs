//! The log of a job, as it goes to the service: a time on each line, secrets masked, bounded.

use std::collections::VecDeque;

use crate::diagnostics::{Masks, Trace, now};

/// The service takes a log as one text; what comes first is dropped from a longer one.
const LARGEST: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Log {
    lines: VecDeque<String>,
    bytes: usize,
    dropped: usize,
    pub(crate) masks: Masks,
    trace: Trace,
}

impl Log {
    /// `trace` is the Worker's own log, which gets what the job's log gets.
    pub(crate) fn new(trace: Trace) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, dropped: 0, masks: Masks::default(), trace }
    }

    pub(crate) fn output(&mut self, line: &str) {
        let line = self.masks.hide(line);
        self.trace.line(&line);
        let line = format!("{} {line}", now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ"));
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > LARGEST
            && let Some(line) = self.lines.pop_front()
        {
            self.bytes -= line.len() + 1;
            self.dropped += 1;
        }
    }

    pub(crate) fn error(&mut self, message: &str) {
        self.output(&format!("##[error]{message}"));
    }

    pub(crate) fn warning(&mut self, message: &str) {
        self.output(&format!("##[warning]{message}"));
    }

    /// Several lines behind one heading.
    pub(crate) fn group(&mut self, heading: &str, lines: impl IntoIterator<Item = String>) {
        self.output(&format!("##[group]{heading}"));
        for line in lines {
            self.output(&line);
        }
        self.output("##[endgroup]");
    }

    /// For the Worker's log only.
    pub(crate) fn trace(&mut self, line: &str) {
        let line = self.masks.hide(line);
        self.trace.line(&line);
    }

    pub(crate) fn text(&self) -> String {
        let dropped =
            (self.dropped > 0).then(|| format!("fake runner: {} lines before this one dropped\n", self.dropped));
        let lines = self.lines.iter().flat_map(|line| [line.as_str(), "\n"]);
        dropped.as_deref().into_iter().chain(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (Log, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let trace = Trace::open(directory.path(), "Worker").unwrap();
        (Log::new(trace), directory)
    }

    #[test]
    fn a_secret_reaches_neither_log() {
        let (mut log, directory) = log();
        log.masks.add("open sesame");
        log.error("he said open sesame");
        log.trace("open sesame again");
        let file = std::fs::read_dir(directory.path().join("_diag")).unwrap().next().unwrap().unwrap().path();
        for text in [log.text(), std::fs::read_to_string(file).unwrap()] {
            assert!(text.contains("***") && !text.contains("sesame"), "{text}");
        }
        assert!(log.text().contains("Z ##[error]he said ***\n"), "{}", log.text());
    }

    #[test]
    fn a_long_log_loses_its_beginning_and_says_so() {
        let (mut log, _directory) = log();
        let line = "x".repeat(1 << 16);
        for _ in 0..20 {
            log.output(&line);
        }
        log.output("the end");
        let text = log.text();
        assert!(text.len() < LARGEST + 100 && text.ends_with("the end\n"), "{}", text.len());
        assert!(text.starts_with("fake runner: 5 lines before this one dropped\n"), "{}", &text[..60]);
    }
}
