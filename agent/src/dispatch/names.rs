//! Names of runners. A name carries which agent registered it and which execution it is for, so that every
//! registration of ours is known by its name alone, and no stranger's is ever taken for one.

use std::fs;
use std::io;
use std::path::Path;

use hearth_forge::RunnerName;
use hearth_host::tree;
use hearth_model::{ExecutionId, SnapshotId};

/// As much of the machine's name as fits.
const MACHINE_LIMIT: usize = 14;
const ID_LENGTH: usize = 8;
/// A UUID without its hyphens.
const EXECUTION_LENGTH: usize = 32;

/// How this agent names its runners: by a number of its own, drawn once, because machines may share a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    prefix: String,
    machine: String,
}

impl Names {
    /// Reads the agent's number from `path`, or draws it.
    pub fn open(path: &Path, machine: &str) -> io::Result<Self> {
        let draw = || {
            let mut number = [0; 4];
            getrandom::fill(&mut number)?;
            tree::write_private_once(path, format!("{:08x}", u32::from_be_bytes(number)).as_bytes())
        };
        if !path.exists() {
            draw()?;
        }
        let text = fs::read_to_string(path)?;
        let is_good = text.len() == ID_LENGTH && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_good {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not the number of an agent; remove it"));
        }
        Ok(Self::new(&text, machine))
    }

    fn new(number: &str, machine: &str) -> Self {
        let machine = machine.chars().filter(char::is_ascii_alphanumeric).take(MACHINE_LIMIT).collect();
        Self { prefix: format!("hearth-{number}-"), machine }
    }

    /// What the names of all our runners begin with, and nobody else's.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn of(&self, execution: ExecutionId) -> RunnerName {
        let name = format!("{}{}-{}", self.prefix, self.machine, SnapshotId::from(execution));
        name.parse().expect("letters, digits and hyphens, 63 at most")
    }

    /// The execution that one of our runners is for.
    pub fn execution(&self, runner: &str) -> Option<ExecutionId> {
        let rest = runner.strip_prefix(&self.prefix)?;
        let (_machine, execution) = rest.rsplit_once('-')?;
        (execution.len() == EXECUTION_LENGTH).then(|| execution.parse().ok())?
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Timestamp;

    use super::*;

    #[test]
    fn a_name_tells_its_agent_and_its_execution() {
        let execution = ExecutionId::new(Timestamp::from_millis(1_000));
        for machine in ["box", "a-very-long-machine-name.example.org", "", "ünïcode"] {
            let names = Names::new("0123abcd", machine);
            let name = names.of(execution);
            assert!(name.as_str().starts_with("hearth-0123abcd-") && name.as_str().len() <= 64, "{name}");
            assert_eq!(names.execution(name.as_str()), Some(execution));
            assert_eq!(Names::new("99999999", machine).execution(name.as_str()), None);
        }
    }

    #[test]
    fn what_only_looks_like_ours_is_a_strangers() {
        let names = Names::new("0123abcd", "box");
        for stranger in ["hearth-0123abcd-box", "hearth-0123abcd-box-1", "hearth-box-1", "", "hearth-0123abcd--"] {
            assert_eq!(names.execution(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn the_number_is_drawn_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.id");
        let first = Names::open(&path, "box").unwrap();
        assert_eq!(Names::open(&path, "box").unwrap(), first);
        fs::write(&path, "nonsense").unwrap();
        assert!(Names::open(&path, "box").is_err());
    }
}
