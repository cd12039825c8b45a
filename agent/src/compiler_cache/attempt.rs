//! Our wrapper around sccache, the bundled one or another: a compilation is tried with sccache in a process of its own, and without it when
//! sccache itself fails. sccache gives up, and the build with it, when its daemon dies between its question and the
//! first word of the answer, or cannot be started again.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode};

use super::wrapper::START_SERVER;
use crate::environment::{Environment, SCCACHE};

/// What sccache itself ends with when it fails; no rustc does.
const SCCACHE_FAILED: i32 = 2;
/// The name under which the attempt is started. It has the stem by which sccache knows that it is called as wrapper.
const ATTEMPT: &str = "sccache.attempt";

/// The compilation that a wrapper was called for, if this is one that has to be tried first: not the attempt itself,
/// not the daemon, not a question to it.
pub fn compilation(mut arguments: impl Iterator<Item = OsString>, environment: &Environment) -> Option<Vec<OsString>> {
    let program = arguments.next()?;
    let is_daemon = environment.text(START_SERVER) == Some("1");
    let rest: Vec<OsString> = arguments.collect();
    let is_compiler = |argument: &OsString| !argument.as_encoded_bytes().starts_with(b"-");
    let is_attempt = Path::new(&program).file_name() == Some(OsStr::new(ATTEMPT));
    (!is_attempt && !is_daemon && rest.first().is_some_and(is_compiler)).then_some(rest)
}

/// Compiles: `compilation` is the compiler and its arguments.
pub fn compile(compilation: &[OsString], environment: &Environment) -> ExitCode {
    let is_question = compilation.last().is_some_and(|last| last == "-vV");
    let tried = match environment.text(SCCACHE) {
        // Nothing that a cache could answer.
        _ if is_question => return without_sccache(compilation),
        Some("off") => return without_sccache(compilation),
        Some(program) if program != "bundled" => Command::new(program).args(compilation).status(),
        _ => std::env::current_exe().and_then(|own| Command::new(own).arg0(ATTEMPT).args(compilation).status()),
    };
    let why = match tried {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(SCCACHE_FAILED), _) => "sccache failed".to_owned(),
            (Some(code), _) => return exit_code(code),
            (None, signal) => return exit_code(128 + signal.unwrap_or_default()),
        },
        Err(error) => format!("sccache cannot be started: {error}"),
    };
    let _closed = writeln!(io::stderr(), "hearth: warning: {why}; compiling without it");
    without_sccache(compilation)
}

fn without_sccache(compilation: &[OsString]) -> ExitCode {
    let Some((compiler, arguments)) = compilation.split_first() else { return exit_code(SCCACHE_FAILED) };
    let error = Command::new(compiler).args(arguments).exec();
    let _closed = writeln!(io::stderr(), "hearth: error: cannot start {}: {error}", compiler.display());
    exit_code(127)
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], environment: &[(&str, &str)], expected: Option<&[&str]>) {
        let found = compilation(arguments.iter().map(OsString::from), &Environment::from_pairs(environment));
        let expected = expected.map(|words| words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(found, expected, "{arguments:?}");
    }

    #[test]
    fn only_a_compilation_is_tried_and_only_once() {
        check(&["/s/bin/sccache", "/t/rustc", "-vV"], &[], Some(&["/t/rustc", "-vV"]));
        check(&["sccache.attempt", "/t/rustc", "-vV"], &[], None);
        check(&["/s/bin/sccache", "--show-stats"], &[], None);
        check(&["/s/bin/sccache"], &[(START_SERVER, "1")], None);
        check(&["/s/bin/sccache", "/t/rustc"], &[(START_SERVER, "1")], None);
        check(&[], &[], None);
    }
}
