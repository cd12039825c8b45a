//! Commands in the output of a step: `::warning file=a.rs::text`. Taking a line apart is pure; what a command does to the
//! log stands in [`OutputListener`].

use std::collections::BTreeMap;

use super::log::Log;

/// One command of a line.
#[derive(Debug, PartialEq, Eq)]
struct Command {
    name: String,
    properties: BTreeMap<String, String>,
    data: String,
}

/// Commands that every step may give, in the order of the official names.
const KNOWN: [&str; 14] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "warning",
];
const STOP: &str = "stop-commands";

/// Hears one step.
#[derive(Debug, Default)]
pub(crate) struct OutputListener {
    /// While commands are not obeyed: the word that ends this.
    paused_until: Option<String>,
    echoes: bool,
    /// A command that fails makes its step fail.
    pub(crate) failed: bool,
}

impl OutputListener {
    /// One line of output: obeyed when it is a command, logged otherwise.
    pub(crate) fn hear(&mut self, line: &str, log: &mut Log) {
        let resumes = self.paused_until.as_deref();
        let Some(command) = parse(line, |name| KNOWN.contains(&name) || name == STOP || Some(name) == resumes) else {
            return log.output(line);
        };
        if let Some(word) = resumes {
            if command.name == word {
                self.paused_until = None;
            }
            return log.output(line);
        }
        if let Err(why) = self.obey(&command, line, log) {
            log.error(&format!("the command `{}` cannot be obeyed: {why}", command.name));
            self.failed = true;
        }
    }

    fn obey(&mut self, command: &Command, line: &str, log: &mut Log) -> Result<(), &'static str> {
        let data = &command.data;
        match command.name.as_str() {
            STOP => {
                if data.is_empty() || data.eq_ignore_ascii_case("pause-logging") || KNOWN.contains(&data.as_str()) {
                    return Err("its word is empty or a command itself");
                }
                if data.len() > 6 {
                    log.masks.add(data);
                }
                log.output(line);
                self.paused_until = Some(data.clone());
            }
            "add-mask" if data.trim().is_empty() => log.warning("an empty text cannot be masked"),
            "add-mask" => log.masks.add(data),
            "error" => log.error(data),
            "warning" => log.warning(data),
            "notice" => log.output(&format!("##[notice]{data}")),
            "group" | "endgroup" => log.output(&format!("##[{}]{data}", command.name)),
            // Shown only in runs with debug logging, which the fake service does not offer.
            "debug" => log.trace(data),
            "echo" => match data.trim().to_ascii_lowercase().as_str() {
                "on" => self.echoes = true,
                "off" => self.echoes = false,
                _ => return Err("it takes `on` or `off`"),
            },
            "set-env" | "add-path" => return Err("it is disabled; use the files GITHUB_ENV and GITHUB_PATH"),
            "set-output" | "save-state" if command.properties.get("name").is_none_or(String::is_empty) => {
                return Err("it needs a property `name`");
            }
            // Outputs and states are for expressions and actions, problem matchers for annotations: no step sees them.
            _ if self.echoes => log.output(line),
            _ => log.trace(line),
        }
        Ok(())
    }
}

/// `::name key=value,key=value::data`, behind nothing but blanks. A name that is not known makes it a line like others.
fn parse(line: &str, is_known: impl Fn(&str) -> bool) -> Option<Command> {
    let (info, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let (name, properties) = info.split_once(' ').unwrap_or((info, ""));
    let pairs = properties.trim().split(',').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.filter(|(key, value)| !key.is_empty() && !value.is_empty());
    is_known(name).then(|| Command {
        name: name.to_owned(),
        properties: pairs.map(|(key, value)| (key.to_lowercase(), unescape(value, &PROPERTY))).collect(),
        data: unescape(data, &DATA),
    })
}

const DATA: [(&str, &str); 3] = [("%0D", "\r"), ("%0A", "\n"), ("%25", "%")];
const PROPERTY: [(&str, &str); 5] = [("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")];

/// The percent sign comes last, so that an escaped escape stays one.
fn unescape(text: &str, escapes: &[(&str, &str)]) -> String {
    escapes.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Trace;

    fn command(name: &str, properties: &[(&str, &str)], data: &str) -> Command {
        let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Command { name: name.to_owned(), properties, data: data.to_owned() }
    }

    fn check(line: &str, expected: Option<&Command>) {
        assert_eq!(parse(line, |name| KNOWN.contains(&name)).as_ref(), expected, "{line}");
    }

    #[test]
    fn commands_are_told_from_text() {
        check("::warning::careful", Some(&command("warning", &[], "careful")));
        check(
            "  ::error File=a.rs,line=1,x=::a%0Ab",
            Some(&command("error", &[("file", "a.rs"), ("line", "1")], "a\nb")),
        );
        check("::error title=a%3Ab%2Cc%2525::%250A", Some(&command("error", &[("title", "a:b,c%25")], "%0A")));
        check("x ::warning::careful", None);
        check("::bake::bread", None);
        check("std::fmt::Display", None);
        check("::warning", None);
    }

    /// What the log holds after these lines, without times, and whether the step failed.
    fn heard(lines: &[&str]) -> (Vec<String>, bool) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Log::new(Trace::open(directory.path(), "Worker").unwrap());
        let mut listener = OutputListener::default();
        for line in lines {
            listener.hear(line, &mut log);
        }
        let text = log.text();
        let lines = text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned());
        (lines.collect(), listener.failed)
    }

    #[test]
    fn a_mask_holds_from_its_line_on() {
        let (log, failed) = heard(&["a secret", "::add-mask::secret", "a secret"]);
        assert_eq!((log, failed), (vec!["a secret".to_owned(), "a ***".to_owned()], false));
    }

    #[test]
    fn annotations_and_groups_become_marks() {
        let (log, _) =
            heard(&["::group::g", "::error::e", "::warning::w", "::notice::n", "::endgroup::", "::debug::d"]);
        assert_eq!(log, ["##[group]g", "##[error]e", "##[warning]w", "##[notice]n", "##[endgroup]"]);
    }

    #[test]
    fn commands_are_text_until_the_word_comes() {
        let (log, failed) = heard(&["::stop-commands::the-word", "::error::e", "::the-word::", "::error::e"]);
        assert_eq!(log, ["::stop-commands::***", "::error::e", "::***::", "##[error]e"]);
        assert!(!failed);
    }

    #[test]
    fn commands_of_the_past_fail_their_step() {
        for line in ["::set-env name=A::1", "::add-path::/a", "::set-output::x", "::stop-commands::error", "::echo::x"]
        {
            assert!(heard(&[line]).1, "{line}");
        }
        assert!(!heard(&["::set-output name=a::x", "::echo::ON"]).1);
    }
}
