//! What a person reads while the demo works: a line that moves on a terminal, plain lines elsewhere. Standard error
//! only; the result goes to standard output.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use hearth_model::Millis;

/// What is done before this needs no progress.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the moving line moves, and how often a plain line says that something is still going on.
const MOVES_EVERY: Duration = Duration::from_millis(200);
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Says a line.
pub(super) fn say(line: &str) {
    let _closed = writeln!(io::stderr().lock(), "{}", clean(line));
}

/// What is being done, for whoever waits for it.
#[derive(Debug)]
pub(super) struct Progress {
    is_terminal: bool,
    step: Option<Step>,
}

#[derive(Debug)]
struct Step {
    what: String,
    began: Instant,
    said: Option<Instant>,
    has_moving_line: bool,
}

impl Progress {
    pub(super) fn on_stderr() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), step: None }
    }

    /// Begins a step.
    pub(super) fn begin(&mut self, what: &str) {
        self.step = Some(Step { what: what.to_owned(), began: Instant::now(), said: None, has_moving_line: false });
    }

    /// Time has passed. `detail` says how far the step is.
    pub(super) fn tick(&mut self, detail: &str) {
        let Some(step) = &mut self.step else { return };
        let so_far = step.began.elapsed();
        let every = if self.is_terminal { MOVES_EVERY } else { PLAIN_EVERY };
        if so_far < PATIENCE || step.said.is_some_and(|said| said.elapsed() < every) {
            return;
        }
        step.said = Some(Instant::now());
        let line = line(&step.what, so_far, detail);
        if self.is_terminal {
            step.has_moving_line = true;
            // Longer than the terminal is wide, it would not move but pile up.
            let line: String = clean(&line).chars().take(78).collect();
            let mut stderr = io::stderr().lock();
            let _closed = write!(stderr, "\r\u{1b}[2K{line}").and_then(|()| stderr.flush());
        } else {
            say(&line);
        }
    }

    /// Ends the step with what came of it.
    pub(super) fn end(&mut self, outcome: &str) {
        let Some(step) = self.step.take() else { return };
        if step.has_moving_line {
            let _closed = write!(io::stderr().lock(), "\r\u{1b}[2K");
        }
        say(&format!("  {}: {outcome}", step.what));
    }

    /// Ends the step without a word.
    pub(super) fn drop_step(&mut self) {
        if self.step.take().is_some_and(|step| step.has_moving_line) {
            let _closed = write!(io::stderr().lock(), "\r\u{1b}[2K");
        }
    }
}

fn line(what: &str, so_far: Duration, detail: &str) -> String {
    let so_far = match so_far.as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds => Millis::from_secs(seconds).to_string(),
    };
    if detail.is_empty() { format!("  {what} … {so_far}") } else { format!("  {what} … {so_far}, {detail}") }
}

/// What a tool printed does not steer the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_for_how_long_and_how_far() {
        assert_eq!(line("cold job", Duration::from_millis(9_990), ""), "  cold job … 9 s");
        assert_eq!(line("cold job", Duration::from_secs(70), "12 units"), "  cold job … 1 min 10 s, 12 units");
    }

    #[test]
    fn what_tools_print_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Kb\nc"), "a\u{fffd}[2Kb\nc");
    }
}
