//! The files by which a step speaks to the runner: `GITHUB_ENV`, `GITHUB_PATH`, `GITHUB_OUTPUT`, `GITHUB_STATE`,
//! `GITHUB_STEP_SUMMARY`. Fresh for each step, read when it ended, however it ended.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// A summary that is larger is left out.
pub(crate) const LARGEST_SUMMARY: u64 = 1 << 20;
/// More than anybody exports; keeps a step from filling our memory.
const LARGEST_FILE: u64 = 8 << 20;

/// Name in the context `github`, and beginning of the file's name.
const KINDS: [(&str, &str); 5] = [
    ("env", "set_env_"),
    ("path", "add_path_"),
    ("output", "set_output_"),
    ("state", "save_state_"),
    ("step_summary", "step_summary_"),
];

/// The files of one step.
#[derive(Debug)]
pub(crate) struct FileCommands {
    directory: PathBuf,
    suffix: String,
}

/// What stands in them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) exported: Vec<(String, String)>,
    pub(crate) prepended: Vec<String>,
    pub(crate) outputs: Vec<(String, String)>,
    pub(crate) summary: Option<String>,
    /// Complaints that do not fail the step.
    pub(crate) refused: Vec<String>,
    /// Complaints that do.
    pub(crate) broken: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPairs {
    #[error("line `{0}` is neither NAME=VALUE nor NAME<<DELIMITER")]
    Format(String),
    #[error("line `{0}` lacks a name or a delimiter")]
    Empty(String),
    #[error("the delimiter `{0}` never comes on a line of its own")]
    Delimiter(String),
    #[error("the last line before the delimiter `{0}` has no end")]
    LastLine(String),
}

impl FileCommands {
    /// Makes the files, empty, below the runner's temporary directory.
    pub(crate) fn new(temporary: &Path) -> io::Result<Self> {
        let directory = temporary.join("_runner_file_commands");
        fs::create_dir_all(&directory)?;
        let commands = Self { directory, suffix: Uuid::new_v4().to_string() };
        for (_, path) in commands.paths() {
            File::create(path)?;
        }
        Ok(commands)
    }

    /// By their names in the context `github`.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        KINDS.into_iter().map(|(name, beginning)| (name, self.path(beginning)))
    }

    fn path(&self, beginning: &str) -> PathBuf {
        self.directory.join(format!("{beginning}{}", self.suffix))
    }

    /// Reads them. One that was deleted says nothing.
    pub(crate) fn read(&self) -> Said {
        let mut said = Said::default();
        for (name, beginning) in KINDS {
            if let Err(why) = take(&mut said, name, &self.path(beginning)) {
                said.broken.push(format!("the file of GITHUB_{} cannot be used: {why}", name.to_uppercase()));
            }
        }
        said
    }
}

fn take(said: &mut Said, name: &str, path: &Path) -> Result<(), String> {
    if name == "step_summary" {
        let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
        if length > LARGEST_SUMMARY {
            let (has, may) = (length >> 10, LARGEST_SUMMARY >> 10);
            said.refused.push(format!("the step summary has {has} KiB and may have {may} KiB: it is left out"));
            return Ok(());
        }
    }
    let text = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
        Ok(text) => text,
    };
    let broken = match name {
        "env" => {
            let (pairs, broken) = pairs(&text);
            let is_refused = |(name, _): &(String, String)| name.eq_ignore_ascii_case("NODE_OPTIONS");
            let (refused, exported): (Vec<_>, Vec<_>) = pairs.into_iter().partition(is_refused);
            said.exported = exported;
            said.refused.extend(refused.iter().map(|(name, _)| format!("{name} cannot be set through GITHUB_ENV")));
            broken
        }
        "path" => {
            said.prepended.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
            None
        }
        "output" => {
            let (pairs, broken) = pairs(&text);
            said.outputs = pairs;
            broken
        }
        // Only actions have a later part that reads the state.
        "state" => pairs(&text).1,
        _ => {
            said.summary = Some(text).filter(|text| !text.is_empty());
            None
        }
    };
    broken.map_or(Ok(()), |broken| Err(broken.to_string()))
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "fake runner: it is larger than 8 MiB"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `NAME=VALUE` and `NAME<<DELIMITER` … `DELIMITER`; whichever sign comes first on the line decides. Blank lines say
/// nothing. What stands before a broken line counts.
pub(crate) fn pairs(text: &str) -> (Vec<(String, String)>, Option<BadPairs>) {
    let mut pairs = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        match pair(&mut rest) {
            Ok(pair) => pairs.extend(pair),
            Err(broken) => return (pairs, Some(broken)),
        }
    }
    (pairs, None)
}

fn pair(rest: &mut &str) -> Result<Option<(String, String)>, BadPairs> {
    let (line, _) = next_line(rest);
    let equals = line.find('=').unwrap_or(usize::MAX);
    let heredoc = line.find("<<").unwrap_or(usize::MAX);
    if line.is_empty() {
        Ok(None)
    } else if equals < heredoc {
        Ok(Some((line[..equals].to_owned(), line[equals + 1..].to_owned())))
    } else if heredoc < equals {
        let (name, delimiter) = (&line[..heredoc], &line[heredoc + 2..]);
        if name.is_empty() || delimiter.is_empty() {
            return Err(BadPairs::Empty(line.to_owned()));
        }
        Ok(Some((name.to_owned(), value(rest, delimiter)?)))
    } else {
        Err(BadPairs::Format(line.to_owned()))
    }
}

/// The lines up to the delimiter, without the last line's end.
fn value(rest: &mut &str, delimiter: &str) -> Result<String, BadPairs> {
    let mut lines = Vec::new();
    loop {
        if rest.is_empty() {
            return Err(BadPairs::Delimiter(delimiter.to_owned()));
        }
        let (line, has_end) = next_line(rest);
        if line == delimiter {
            return Ok(lines.join("\n"));
        }
        if !has_end {
            return Err(BadPairs::LastLine(delimiter.to_owned()));
        }
        lines.push(line);
    }
}

/// Takes a line off; says whether it had an end. Only a line feed ends one.
fn next_line<'a>(rest: &mut &'a str) -> (&'a str, bool) {
    let (line, after, has_end) = rest.split_once('\n').map_or((*rest, "", false), |(line, after)| (line, after, true));
    *rest = after;
    (line, has_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)], broken: Option<BadPairs>) {
        let expected = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(pairs(text), (expected, broken), "{text:?}");
    }

    #[test]
    fn both_forms_are_read() {
        check("", &[], None);
        check("A=1\n\nB=x=y\nC=", &[("A", "1"), ("B", "x=y"), ("C", "")], None);
        check("A<<EOF\none\n\n  two\nEOF\nB=2", &[("A", "one\n\n  two"), ("B", "2")], None);
        check("A<<EOF\nEOF", &[("A", "")], None);
        check("A<<X=\nx\nX=\n", &[("A", "x")], None);
        check("A=<<EOF\n", &[("A", "<<EOF")], None);
        check("A=1\r\n", &[("A", "1\r")], None);
        check("=1\n", &[("", "1")], None);
    }

    #[test]
    fn broken_lines_are_refused_and_what_stands_before_them_counts() {
        check("A=1\nnothing\nB=2", &[("A", "1")], Some(BadPairs::Format("nothing".to_owned())));
        check("<<EOF\nEOF\n", &[], Some(BadPairs::Empty("<<EOF".to_owned())));
        check("A<<\n", &[], Some(BadPairs::Empty("A<<".to_owned())));
        check("A<<EOF\none\n", &[], Some(BadPairs::Delimiter("EOF".to_owned())));
        check("A<<EOF\none", &[], Some(BadPairs::LastLine("EOF".to_owned())));
    }

    /// What a step said that wrote these files.
    fn said(files: &[(&str, &str)]) -> Said {
        let directory = tempfile::tempdir().unwrap();
        let commands = FileCommands::new(directory.path()).unwrap();
        for (name, path) in commands.paths() {
            assert_eq!(fs::read(&path).unwrap(), b"", "{name} is fresh");
            if let Some((_, text)) = files.iter().find(|(file, _)| *file == name) {
                fs::write(path, text).unwrap();
            }
        }
        commands.read()
    }

    #[test]
    fn a_step_is_heard_through_every_file() {
        let said = said(&[
            ("env", "A=1\nnode_options=--require x\n"),
            ("path", "/a\n\n/b\n"),
            ("output", "O=2"),
            ("step_summary", "# done"),
        ]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(said.exported, [pair("A", "1")]);
        assert_eq!(said.prepended, ["/a", "/b"]);
        assert_eq!(said.outputs, [pair("O", "2")]);
        assert_eq!(said.summary.as_deref(), Some("# done"));
        assert_eq!((said.refused.len(), said.broken.len()), (1, 0));
    }

    #[test]
    fn a_broken_file_does_not_silence_the_others() {
        let said = said(&[("env", "A=1\nnothing"), ("state", "A<<"), ("path", "/a")]);
        assert_eq!((said.broken.len(), said.prepended.len(), said.exported.len()), (2, 1, 1), "{said:?}");
    }

    #[test]
    fn a_summary_above_the_limit_is_left_out_without_failing_the_step() {
        let largest = "x".repeat(usize::try_from(LARGEST_SUMMARY).unwrap());
        assert!(said(&[("step_summary", &largest)]).summary.is_some());
        let said = said(&[("step_summary", &format!("{largest}x"))]);
        assert_eq!((said.summary, said.refused.len(), said.broken.len()), (None, 1, 0));
    }
}
