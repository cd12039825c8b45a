//! What a runner says on its output, as far as it helps. The text is for people and may change with every version, and
//! names in it are chosen by whoever writes a workflow: a hint makes nothing happen that its absence would not.

use hearth_daemon::terminal::for_terminal;

use super::exit::JobResult;
use super::version::RunnerVersion;

/// More of a line is not looked at.
const LONGEST_LINE: usize = 4096;
/// Of a name that somebody chose.
const LONGEST_NAME: usize = 200;

/// Something that a runner said. Texts in it are safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    Version(RunnerVersion),
    Connected,
    Listening,
    Running {
        job: String,
    },
    Completed {
        job: String,
        result: JobResult,
    },
    /// It cannot reach GitHub and goes on trying.
    Disconnected {
        why: String,
    },
    Reconnected,
}

/// Reads one line, without its end.
pub fn hint(line: &str) -> Option<Hint> {
    let line = line.get(..LONGEST_LINE).unwrap_or_else(|| beginning(line, LONGEST_LINE)).trim();
    let said = after_time(line);
    // These are always dated, which keeps the output of anything else from passing for them by chance.
    if let Some(said) = said {
        if said.starts_with("Listening for Jobs") {
            return Some(Hint::Listening);
        }
        if let Some(job) = said.strip_prefix("Running job: ") {
            return Some(Hint::Running { job: name(job) });
        }
        if let Some(rest) = said.strip_prefix("Job ") {
            // From the end: the name may hold the same words.
            let (job, result) = rest.rsplit_once(" completed with result: ")?;
            return Some(Hint::Completed { job: name(job), result: JobResult::from_word(result.trim())? });
        }
    }
    let said = said.unwrap_or(line);
    if let Some(why) = said.strip_prefix("Runner connect error: ") {
        let why = why.trim_end_matches(" Retrying until reconnected.");
        return Some(Hint::Disconnected { why: name(why) });
    }
    if said.starts_with("Runner reconnected") {
        return Some(Hint::Reconnected);
    }
    if said.contains("Connected to GitHub") {
        return Some(Hint::Connected);
    }
    let version = said.strip_prefix("Current runner version: ")?;
    version.trim_matches(['\'', ' ', '.']).parse().ok().map(Hint::Version)
}

/// What follows a time like `2026-11-22 18:34:23Z: `.
fn after_time(line: &str) -> Option<&str> {
    const SHAPE: &str = "0000-00-00 00:00:00Z: ";
    let (time, said) = line.split_at_checked(SHAPE.len())?;
    let fits =
        time.chars().zip(SHAPE.chars()).all(|(c, shape)| if shape == '0' { c.is_ascii_digit() } else { c == shape });
    fits.then_some(said)
}

fn name(text: &str) -> String {
    for_terminal(beginning(text.trim(), LONGEST_NAME)).into_owned()
}

/// At most so many bytes, in whole characters.
fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &Hint) {
        assert_eq!(hint(line).as_ref(), Some(expected), "{line}");
    }

    fn completed(job: &str, result: JobResult) -> Hint {
        Hint::Completed { job: job.to_owned(), result }
    }

    #[test]
    fn the_lines_of_a_runner_are_understood() {
        let job = |job: &str| Hint::Running { job: job.to_owned() };
        check("√ Connected to GitHub", &Hint::Connected);
        check("Current runner version: '2.336.0'", &Hint::Version(RunnerVersion::new(2, 336, 0)));
        check("2026-11-22 18:34:23Z: Listening for Jobs", &Hint::Listening);
        check("2026-11-22 18:34:23Z: Running job: build (linux)\r", &job("build (linux)"));
        let done = "2026-11-22 18:34:23Z: Job build (linux) completed with result: Succeeded";
        check(done, &completed("build (linux)", JobResult::Succeeded));
        check(
            "2026-11-22 18:34:23Z: Runner connect error: no route to host. Retrying until reconnected.",
            &Hint::Disconnected { why: "no route to host.".to_owned() },
        );
        check("2026-11-22 18:34:23Z: Runner reconnected.", &Hint::Reconnected);
    }

    #[test]
    fn everything_else_is_no_hint() {
        for line in [
            "",
            "Listening for Jobs",
            "Running job: build",
            "2026-11-22 18:34Z: Listening for Jobs",
            "2026-11-22 18:34:23Z: Job x completed with result: Glorious",
            "2026-11-22 18:34:23Z: Job x",
            "2026-11-22 18:34:2\u{fc}Z: Listening for Jobs",
            "Current runner version: 'latest'",
        ] {
            assert_eq!(hint(line), None, "{line}");
        }
    }

    #[test]
    fn a_name_cannot_pass_for_a_result_or_speak_to_the_terminal() {
        let named = "2026-11-22 18:34:23Z: Job a completed with result: Succeeded completed with result: Failed";
        check(named, &completed("a completed with result: Succeeded", JobResult::Failed));
        let running = "2026-11-22 18:34:23Z: Running job: 2026-11-22 18:34:23Z: Listening for Jobs";
        check(running, &Hint::Running { job: "2026-11-22 18:34:23Z: Listening for Jobs".to_owned() });
        check("2026-11-22 18:34:23Z: Running job: \u{1b}[2Jx", &Hint::Running { job: "\\u{1b}[2Jx".to_owned() });
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let long = format!("2026-11-22 18:34:23Z: Running job: {}", "ü".repeat(10_000));
        let Some(Hint::Running { job }) = hint(&long) else { panic!("{long}") };
        assert_eq!(job, "ü".repeat(LONGEST_NAME / 2));
    }
}
