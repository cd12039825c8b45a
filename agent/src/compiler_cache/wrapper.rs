//! Which program is the job's compiler wrapper.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::Environment;

/// sccache's own switch for a process that is to be its daemon.
pub(super) const START_SERVER: &str = "SCCACHE_START_SERVER";

/// The section `[compiler_cache]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompilerCacheFile {
    /// `bundled` (this very binary), `off`, or the path of an sccache of your own.
    pub sccache: String,
}

impl Default for CompilerCacheFile {
    fn default() -> Self {
        Self { sccache: if cfg!(feature = "bundled-sccache") { "bundled" } else { "off" }.to_owned() }
    }
}

/// The wrapper, ready to be named in `RUSTC_WRAPPER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program(pub PathBuf);

/// Why a job has no wrapper.
#[derive(Debug, thiserror::Error)]
pub enum Unwrapped {
    #[error("switched off in the configuration")]
    Off,
    #[error("this hearth was built without the bundled sccache; set compiler_cache.sccache to the path of one")]
    NotBundled,
    #[error("RUSTC_WRAPPER is set to {0} already, and the job's own choice stands")]
    JobHasItsOwn(String),
    #[error("CARGO_INCREMENTAL=1 is set, with which sccache refuses to work")]
    Incremental,
    #[error("compiler_cache.sccache names {path}, which is not there")]
    Missing { path: PathBuf },
    #[error("cannot link the wrapper at {path}")]
    Link {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// Decides on the wrapper for a job with this environment. `own` is this binary, `programs` where its link stands.
pub fn choose_wrapper(
    config: &CompilerCacheFile,
    environment: &Environment,
    own: &Path,
    programs: &Path,
) -> Result<Program, Unwrapped> {
    if let Some(wrapper) = environment.text("RUSTC_WRAPPER").or_else(|| environment.text("CARGO_BUILD_RUSTC_WRAPPER")) {
        return Err(Unwrapped::JobHasItsOwn(wrapper.to_owned()));
    }
    match config.sccache.as_str() {
        "off" => return Err(Unwrapped::Off),
        "bundled" if !cfg!(feature = "bundled-sccache") => return Err(Unwrapped::NotBundled),
        _ if environment.text("CARGO_INCREMENTAL") == Some("1") => return Err(Unwrapped::Incremental),
        "bundled" => {}
        path => {
            let path = PathBuf::from(path);
            return if path.is_file() { Ok(Program(path)) } else { Err(Unwrapped::Missing { path }) };
        }
    }
    link_own(own, programs)
}

/// Makes this very program the wrapper: a link by whose name it knows that it is called as one.
pub fn link_own(own: &Path, programs: &Path) -> Result<Program, Unwrapped> {
    let link = programs.join("sccache");
    if fs::read_link(&link).is_ok_and(|target| target == own) {
        return Ok(Program(link));
    }
    let failed = |cause| Unwrapped::Link { path: link.clone(), cause };
    let partial = programs.join(format!(".sccache.{}.partial", std::process::id()));
    let _leftover = fs::remove_file(&partial);
    std::os::unix::fs::symlink(own, &partial).map_err(failed)?;
    fs::rename(&partial, &link).map_err(failed)?;
    Ok(Program(link))
}

/// Whether this process was started as the wrapper (by its name) or as its daemon (by sccache's own switch).
pub fn is_called_as_wrapper(program: Option<&std::ffi::OsStr>, environment: &Environment) -> bool {
    let by_name = program.map(Path::new).and_then(Path::file_stem).is_some_and(|stem| stem == "sccache");
    by_name || environment.text(START_SERVER) == Some("1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sccache: &str, environment: &[(&str, &str)], expected: Result<&str, &str>) {
        let dir = tempfile::tempdir().unwrap();
        let config = CompilerCacheFile { sccache: sccache.to_owned() };
        let chosen =
            choose_wrapper(&config, &Environment::from_pairs(environment), Path::new("/opt/hearth"), dir.path());
        match (chosen, expected) {
            (Ok(Program(path)), Ok(name)) => {
                assert_eq!(path.file_name().unwrap(), name);
                assert_eq!(fs::read_link(path).unwrap(), Path::new("/opt/hearth"));
            }
            (Err(why), Err(part)) => assert!(why.to_string().contains(part), "{why}"),
            (chosen, expected) => panic!("{chosen:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn the_jobs_own_choice_and_sccaches_refusals_come_first() {
        check("off", &[], Err("switched off"));
        check("bundled", &[("RUSTC_WRAPPER", "/usr/bin/kache")], Err("/usr/bin/kache"));
        check("bundled", &[("CARGO_INCREMENTAL", "1")], Err("CARGO_INCREMENTAL"));
        check("/nowhere/sccache", &[], Err("not there"));
        if cfg!(feature = "bundled-sccache") {
            check("bundled", &[("CARGO_INCREMENTAL", "0")], Ok("sccache"));
        }
    }

    #[test]
    fn the_wrapper_is_known_by_its_name() {
        let none = Environment::from_pairs(&[]);
        for (program, expected) in [("/x/bin/sccache", true), ("sccache.exe", true), ("hearth", false)] {
            assert_eq!(is_called_as_wrapper(Some(program.as_ref()), &none), expected, "{program}");
        }
        let daemon = Environment::from_pairs(&[("SCCACHE_START_SERVER", "1")]);
        assert!(is_called_as_wrapper(Some("hearth".as_ref()), &daemon));
    }
}
