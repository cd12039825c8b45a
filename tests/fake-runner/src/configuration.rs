//! The registration of this runner: the files that a JIT configuration holds, in the root while the runner lives.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fake_github::runner_protocol::{BadJitConfiguration, JitConfiguration, KeyFile, RunnerFile};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::root::Root;

const RUNNER: &str = ".runner";
const CREDENTIALS: &str = ".credentials";
const KEY: &str = ".credentials_rsaparams";

#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) runner: RunnerFile,
    pub(crate) key: KeyFile,
    /// The root with the configured folder, which may be absolute.
    pub(crate) work: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationError {
    #[error("the JIT configuration cannot be read")]
    Jit {
        #[source]
        cause: BadJitConfiguration,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path} is not a runner's configuration")]
    Parse {
        path: PathBuf,
        #[source]
        cause: serde_json::Error,
    },
    #[error("the runner is not configured: {root} has no file .runner, and no JIT configuration was given")]
    NotConfigured { root: PathBuf },
}

impl Configuration {
    /// Writes the files of a JIT configuration, when one was given, and reads what stands in the root.
    pub(crate) fn load(root: &Root, jit: Option<&str>) -> Result<Self, ConfigurationError> {
        if let Some(encoded) = jit {
            let jit = JitConfiguration::decode(encoded).map_err(|cause| ConfigurationError::Jit { cause })?;
            write(&root.file(RUNNER), &jit.runner)?;
            write(&root.file(CREDENTIALS), &jit.credentials)?;
            write(&root.file(KEY), &jit.key)?;
        }
        if !root.file(RUNNER).exists() {
            return Err(ConfigurationError::NotConfigured { root: root.path().to_owned() });
        }
        let runner: RunnerFile = read(&root.file(RUNNER))?;
        let key = read(&root.file(KEY))?;
        let work = root.file(&runner.work_folder);
        Ok(Self { runner, key, work })
    }

    /// What an ephemeral runner takes away after its job, by the names that it says it removed.
    pub(crate) fn delete(root: &Root) -> Vec<&'static str> {
        let removed = |name: &&str| fs::remove_file(root.file(name)).is_ok();
        let _key = removed(&KEY);
        [CREDENTIALS, RUNNER].into_iter().filter(removed).collect()
    }
}

/// Readable by nobody else: these are the runner's secrets.
fn write(path: &Path, value: &impl Serialize) -> Result<(), ConfigurationError> {
    let failed = |cause| ConfigurationError::Write { path: path.to_owned(), cause };
    let text = serde_json::to_vec_pretty(value).expect("texts and numbers are JSON");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    options.open(path).and_then(|mut file| file.write_all(&text)).map_err(failed)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigurationError> {
    let text = fs::read(path).map_err(|cause| ConfigurationError::Read { path: path.to_owned(), cause })?;
    serde_json::from_slice(&text).map_err(|cause| ConfigurationError::Parse { path: path.to_owned(), cause })
}
