//! A diagnosis for a person, one table for each section, or as JSON. Pure but for the writing.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table};
use serde_json::json;

use super::finding::{Diagnosis, Finding, State};
use hearth_daemon::terminal::for_terminal;

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
}

pub(super) fn print(diagnosis: &Diagnosis, form: Form, out: &mut impl Write) -> io::Result<()> {
    let text = match form {
        Form::Text => text(diagnosis),
        Form::Json => json(diagnosis)?,
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that stops reading, as `head` does, has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn text(diagnosis: &Diagnosis) -> String {
    let sections = diagnosis.sections.iter();
    let sections: String = sections
        .map(|section| [&*for_terminal(&section.about), "\n", &table(&section.findings), "\n\n"].concat())
        .collect();
    format!("{sections}{}\n", summary(diagnosis))
}

/// One row for each finding; what is not good brings its reason and its remedy along.
pub(crate) fn table(findings: &[Finding]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["check", "state", "found"]);
    for finding in findings {
        let lines = [("", &finding.found), ("why: ", &finding.why), ("fix: ", &finding.fix)];
        let lines = lines.into_iter().filter(|(_, text)| !text.is_empty());
        let found: Vec<_> = lines.map(|(word, text)| [word, &*for_terminal(text)].concat()).collect();
        table.add_row([finding.name.to_owned(), finding.state.words().to_owned(), found.join("\n")]);
    }
    table.trim_fmt()
}

fn summary(diagnosis: &Diagnosis) -> String {
    let counts = State::ALL.map(|state| (diagnosis.count(state), state));
    let counts = counts.into_iter().filter(|(count, state)| *count > 0 || *state == State::Bad);
    counts.map(|(count, state)| format!("{count} {}", state.words())).collect::<Vec<_>>().join(", ")
}

fn json(diagnosis: &Diagnosis) -> io::Result<String> {
    let all = json!({
        "worst": diagnosis.worst(),
        "counts": {
            "bad": diagnosis.count(State::Bad),
            "warning": diagnosis.count(State::Warning),
            "not_checked": diagnosis.count(State::NotChecked),
            "good": diagnosis.count(State::Good),
        },
        "sections": diagnosis.sections,
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&all)?))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Section;
    use super::*;

    fn diagnosis() -> Diagnosis {
        Diagnosis {
            sections: vec![
                Section::new("machine", vec![Finding::good("clock", "it goes well")]),
                Section::new(
                    "https://github.com/acme\u{1b}[2J",
                    vec![
                        Finding::bad("group", "it serves no\nrepository", "no job comes", "add one"),
                        Finding::not_checked("version", "nobody tells"),
                    ],
                ),
            ],
        }
    }

    fn printed(form: Form) -> String {
        let mut out = Vec::new();
        print(&diagnosis(), form, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_person_reads_what_why_and_how_to_mend_it() {
        let text = printed(Form::Text);
        for expected in ["machine\n", "clock", "good", "why: no job comes", "fix: add one", "not checked"] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert!(text.ends_with("1 bad, 1 not checked, 1 good\n"), "{text}");
    }

    #[test]
    fn what_others_chose_does_not_speak_to_the_terminal() {
        let text = printed(Form::Text);
        assert!(!text.contains('\u{1b}') && text.contains("acme\\u{1b}[2J"), "{text}");
        assert!(text.contains("it serves no\\u{a}repository"), "{text}");
    }

    #[test]
    fn a_program_reads_the_same() {
        let json: serde_json::Value = serde_json::from_str(&printed(Form::Json)).unwrap();
        assert_eq!(json["worst"], "bad");
        assert_eq!(json["counts"], json!({ "bad": 1, "warning": 0, "not_checked": 1, "good": 1 }));
        let expected = json!({ "name": "group", "state": "bad", "found": "it serves no\nrepository", "why": "no job comes", "fix": "add one" });
        assert_eq!(json["sections"][1]["findings"][0], expected);
    }

    #[test]
    fn nothing_bad_is_said_in_so_many_words() {
        let fine = Diagnosis { sections: vec![Section::new("machine", vec![Finding::good("clock", "well")])] };
        assert_eq!(summary(&fine), "0 bad, 1 good");
    }

    #[test]
    fn a_reader_that_has_enough_is_no_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(print(&diagnosis(), Form::Text, &mut Closed).is_ok());
    }
}
