//! The command line: what is asked of the program. Decides nothing about the answer.

use std::ffi::OsString;

/// What the program is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Run,
    Version,
    Commit,
    Usage,
    /// A secret in the argument list, where everybody on the machine can read it. The official one takes it.
    SecretArgument,
    /// A command of the official program that the fake does not play.
    NotPlayed(&'static str),
}

/// The command, and the words that the official program would complain of and then pass over.
pub(crate) fn parse(arguments: &[OsString]) -> (Command, Vec<String>) {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let has = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    let given = |name: &str| {
        let assigned = format!("{name}=");
        words.iter().any(|word| word.eq_ignore_ascii_case(name) || word.to_ascii_lowercase().starts_with(&assigned))
    };
    let command = if has("--help") {
        Command::Usage
    } else if has("--version") {
        Command::Version
    } else if has("--commit") {
        Command::Commit
    } else if let Some(name) = ["configure", "remove", "warmup"].into_iter().find(|name| has(name)) {
        Command::NotPlayed(name)
    } else if given("--jitconfig") {
        Command::SecretArgument
    } else if has("run") {
        Command::Run
    } else {
        Command::Usage
    };
    let known = ["run", "--help", "--version", "--commit", "--once", "--startuptype"];
    let is_known = |word: &String| known.iter().any(|known| word.eq_ignore_ascii_case(known));
    let unknown = words.iter().filter(|word| !is_known(word)).cloned();
    let unknown = if command == Command::Run { unknown.collect() } else { Vec::new() };
    (command, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_the_official_program_reads_them() {
        for (line, command, unknown) in [
            ("run", Command::Run, &[][..]),
            ("Run --bake", Command::Run, &["--bake"]),
            ("--version", Command::Version, &[]),
            ("--commit", Command::Commit, &[]),
            ("", Command::Usage, &[]),
            ("run --help", Command::Usage, &[]),
            ("run --jitconfig abc", Command::SecretArgument, &[]),
            ("run --JITCONFIG=abc", Command::SecretArgument, &[]),
            ("configure --url x", Command::NotPlayed("configure"), &[]),
        ] {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            let unknown: Vec<String> = unknown.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(parse(&words), (command, unknown), "{line}");
        }
    }
}
