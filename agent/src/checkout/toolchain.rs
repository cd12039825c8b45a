//! Which cargo and rustc a job in this directory would get, as they say themselves.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// rustup may have to read its settings, never to download: that would take longer and is the job's own affair.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    #[error("cannot run `{program} {argument}`")]
    Run {
        program: &'static str,
        argument: &'static str,
        #[source]
        cause: io::Error,
    },
    #[error("`{program} {argument}` failed: {said}")]
    Failed { program: &'static str, argument: &'static str, said: String },
    #[error("`{program} {argument}` gave no answer within {} s", DEADLINE.as_secs())]
    Hung { program: &'static str, argument: &'static str },
}

#[expect(clippy::unsafe_derive_deserialize, reason = "the unsafe code is inside tokio::join!, and of other values")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toolchain {
    /// All of `rustc -vV`.
    pub rustc: String,
    /// `cargo -V`.
    pub cargo: String,
}

/// The triple that rustc names, or what this program was built for.
pub fn platform(toolchain: Option<&Toolchain>) -> String {
    let said = toolchain.and_then(Toolchain::host).map(str::to_owned);
    said.unwrap_or_else(|| format!("{}-unknown-{}", std::env::consts::ARCH, std::env::consts::OS))
}

impl Toolchain {
    pub async fn of(directory: &Path) -> Result<Self, ToolchainError> {
        let (rustc, cargo) = tokio::join!(ask("rustc", "-vV", directory), ask("cargo", "-V", directory));
        Ok(Self { rustc: rustc?, cargo: cargo? })
    }

    /// The machine's target triple.
    pub fn host(&self) -> Option<&str> {
        self.rustc.lines().find_map(|line| line.strip_prefix("host: "))
    }

    /// `1.95.0` out of `cargo 1.95.0 (f2d3ce0bd 2026-03-21)`, as numbers.
    pub fn cargo_version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.cargo.split(' ').nth(1)?.split(['.', '-']);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }

    /// Whether cargo can keep intermediate files apart from final ones (`build.build-dir`, stable from 1.91).
    pub fn has_build_directory(&self) -> bool {
        self.cargo_version().is_some_and(|version| version >= (1, 91))
    }
}

async fn ask(program: &'static str, argument: &'static str, directory: &Path) -> Result<String, ToolchainError> {
    let answer = Command::new(program)
        .arg(argument)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(DEADLINE, answer).await {
        Err(_elapsed) => Err(ToolchainError::Hung { program, argument }),
        Ok(Err(cause)) => Err(ToolchainError::Run { program, argument, cause }),
        Ok(Ok(output)) if !output.status.success() => Err(ToolchainError::Failed {
            program,
            argument,
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
        Ok(Ok(output)) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_directories_exist_from_cargo_1_91() {
        let of = |cargo: &str| Toolchain { rustc: "host: x".to_owned(), cargo: cargo.to_owned() };
        for (said, has) in [
            ("cargo 1.90.0 (840b83a10 2025-07-30)", false),
            ("cargo 1.91.0", true),
            ("cargo 1.100.0-beta.2 (x)", true),
            ("cargo 2.0.0", true),
            ("something else", false),
        ] {
            assert_eq!(of(said).has_build_directory(), has, "{said}");
        }
        assert_eq!(of("").host(), Some("x"));
    }
}
