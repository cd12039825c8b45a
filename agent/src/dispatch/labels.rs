//! What this machine offers to `runs-on`: the words that GitHub knows, `hearth`, and what can be proved of the machine.
//! Pure, but for the one function that looks.

use hearth_forge::{InvalidLabels, Labels};
use hearth_host::clones::Means;
use hearth_host::memory;
use hearth_model::Bytes;

use crate::checkout::Toolchain;

/// What was found out about this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub system: &'static str,
    pub architecture: &'static str,
    pub cpus: Option<usize>,
    pub memory: Option<Bytes>,
    pub clones: Means,
    pub toolchain: Option<Toolchain>,
}

impl Proof {
    /// Looks at this machine.
    pub async fn find(clones: Means) -> Self {
        let toolchain = Toolchain::of(std::path::Path::new("/")).await.ok();
        Self {
            system: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            cpus: std::thread::available_parallelism().ok().map(usize::from),
            memory: memory::total(),
            clones,
            toolchain,
        }
    }

    /// The labels that follow from it, and those that the operator adds.
    pub fn labels(&self, operators: Option<&Labels>) -> Result<Labels, InvalidLabels> {
        let mut labels = vec!["self-hosted".to_owned(), system(self.system), architecture(self.architecture)];
        labels.push("hearth".to_owned());
        labels.extend(self.cpus.map(|cpus| format!("cpus-{cpus}")));
        labels.extend(self.memory.map(|memory| format!("memory-{}g", memory.0 >> 30)));
        labels.push(match self.clones {
            Means::Reflink => "clone-reflink".to_owned(),
            Means::Copy => "clone-copy".to_owned(),
        });
        if let Some(toolchain) = &self.toolchain {
            labels.extend(rust_version(&toolchain.rustc).map(|version| format!("rust-{version}")));
            labels.extend(toolchain.host().map(|host| format!("target-{host}")));
        }
        let ours = Labels::new(labels)?;
        match operators {
            Some(operators) => ours.and(operators.iter()),
            None => Ok(ours),
        }
    }
}

/// GitHub's word for a system.
fn system(name: &str) -> String {
    if name == "macos" { "macOS".to_owned() } else { name.to_owned() }
}

/// GitHub's word for an architecture.
fn architecture(name: &str) -> String {
    match name {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    }
    .to_owned()
}

/// `1.95` out of `rustc 1.95.0 (…)`.
fn rust_version(rustc: &str) -> Option<String> {
    let mut numbers = rustc.split_whitespace().nth(1)?.split('.');
    let (major, minor) = (numbers.next()?, numbers.next()?);
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (is_number(major) && is_number(minor)).then(|| format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof() -> Proof {
        Proof {
            system: "linux",
            architecture: "x86_64",
            cpus: Some(16),
            memory: Some(Bytes(33_000_000_000)),
            clones: Means::Reflink,
            toolchain: Some(Toolchain {
                rustc: "rustc 1.95.0 (59807616e 2026-04-14)\nhost: x86_64-unknown-linux-gnu".to_owned(),
                cargo: "cargo 1.95.0".to_owned(),
            }),
        }
    }

    #[test]
    fn a_machine_offers_what_it_can_prove() {
        let labels = proof().labels(None).unwrap();
        let expected = "clone-reflink, cpus-16, hearth, linux, memory-30g, rust-1.95, self-hosted, \
                        target-x86_64-unknown-linux-gnu, x64";
        assert_eq!(labels.to_string(), expected);
        let bare = Proof { cpus: None, memory: None, clones: Means::Copy, toolchain: None, ..proof() };
        assert_eq!(bare.labels(None).unwrap().to_string(), "clone-copy, hearth, linux, self-hosted, x64");
    }

    #[test]
    fn the_operator_may_add_some_until_there_are_too_many() {
        let more = Labels::new(["GPU"]).unwrap();
        assert!(proof().labels(Some(&more)).unwrap().satisfy(&["gpu", "linux"]));
        let many = Labels::new((0..99).map(|n| format!("label-{n}"))).unwrap();
        assert!(matches!(proof().labels(Some(&many)), Err(InvalidLabels::Count(_))));
    }

    #[test]
    fn versions_without_numbers_are_left_out() {
        assert_eq!(rust_version("rustc 1.97.0-nightly (x)"), Some("1.97".to_owned()));
        assert_eq!(rust_version("rustc"), None);
        assert_eq!(rust_version("rustc next.release"), None);
    }
}
