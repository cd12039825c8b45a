//! What the runner says: lines on the terminal, and the logs below `_diag`. Secrets that are known are masked in both.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hearth_host::clock::SystemClock;
use hearth_model::Clock;
use jiff::Timestamp;

/// This instant of the machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millisecond(SystemClock::default().now().as_millis()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// As the official program writes instants for people.
pub(crate) fn universal(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Replaces what must not be read.
#[derive(Debug, Default, Clone)]
pub(crate) struct Masks {
    /// The longest first, so that no part of one stays readable.
    values: Vec<String>,
}

impl Masks {
    /// Hides the value, and each of its lines.
    pub(crate) fn add(&mut self, value: &str) {
        let lines = value.split(['\r', '\n']).map(str::trim);
        for value in [value].into_iter().chain(lines).filter(|value| !value.is_empty()) {
            if !self.values.iter().any(|known| known == value) {
                self.values.push(value.to_owned());
            }
        }
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    pub(crate) fn hide(&self, text: &str) -> String {
        self.values.iter().fold(
            text.to_owned(),
            |text, value| {
                if text.contains(value) { text.replace(value, "***") } else { text }
            },
        )
    }
}

/// One log of `_diag`.
#[derive(Debug)]
pub(crate) struct Trace {
    file: File,
    source: &'static str,
}

impl Trace {
    /// A new log, or the end of the one that began in this very second.
    pub(crate) fn open(root: &Path, source: &'static str) -> io::Result<Self> {
        let directory = root.join("_diag");
        fs::create_dir_all(&directory)?;
        let name = format!("{source}_{}-utc.log", now().strftime("%Y%m%d-%H%M%S"));
        Ok(Self { file: append(&directory.join(name))?, source })
    }

    /// A log that cannot be written does not stop the runner.
    pub(crate) fn line(&mut self, text: &str) {
        let _full = writeln!(self.file, "[{} INFO {}] {text}", universal(now()), self.source);
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The terminal, and the Listener's own log behind it.
#[derive(Debug)]
pub(crate) struct Terminal {
    trace: Trace,
}

impl Terminal {
    pub(crate) fn new(trace: Trace) -> Self {
        Self { trace }
    }

    pub(crate) fn say(&mut self, text: &str) {
        print(text);
        self.trace.line(&format!("WRITE LINE: {text}"));
    }

    pub(crate) fn say_at(&mut self, text: &str) {
        self.say(&format!("{}: {text}", universal(now())));
    }

    pub(crate) fn complain(&mut self, text: &str) {
        complain(text);
        self.trace.line(&format!("WRITE ERROR: {text}"));
    }

    pub(crate) fn complain_at(&mut self, text: &str) {
        self.complain(&format!("{}: {text}", universal(now())));
    }

    pub(crate) fn trace(&mut self, text: &str) {
        self.trace.line(text);
    }
}

/// A line on standard output. Nobody may be listening.
pub(crate) fn print(text: &str) {
    let _closed = writeln!(io::stdout(), "{text}");
}

/// A line on standard error.
pub(crate) fn complain(text: &str) {
    let _closed = writeln!(io::stderr(), "{text}");
}

/// An error with all its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_hide_whole_values_and_their_lines() {
        let mut masks = Masks::default();
        masks.add("abc");
        masks.add("abcdef");
        masks.add("first\r\n second ");
        masks.add("");
        for (text, shown) in [
            ("abcdef", "***"),
            ("abc abcd", "*** ***d"),
            ("a second one, the first", "a *** one, the ***"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(masks.hide(text), shown);
        }
    }

    #[test]
    fn instants_are_written_as_the_official_program_writes_them() {
        assert_eq!(universal(Timestamp::from_second(1_766_426_400).unwrap()), "2025-12-22 18:00:00Z");
    }
}
