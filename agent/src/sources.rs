//! Dependency sources: what cargo has downloaded for the jobs of one repository and scope. A forge's job begins with an
//! empty home, so that nothing of the last one reaches it; what cargo itself keeps there is handed on within its scope.
//!
//! ```text
//! sources/<repository and scope>/<execution>/registry, git      taken and given back by rename
//! ```
//!
//! A scope's sources are written by its jobs alone, so they are as trustworthy as its warm targets. Settings, credentials
//! and programs that stand beside them in a job's `CARGO_HOME` are never kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hearth_host::clones::{self, Means};
use hearth_host::tree;
use hearth_model::{ExecutionId, Scope};
use hearth_trust::Trust;

/// What is handed on.
const PARTS: [&str; 2] = ["registry", "git"];
/// As many copies of one scope's sources as this are kept for jobs that run side by side.
const COPIES: usize = 4;
/// Sources that nobody has used for so long are removed.
const UNUSED_FOR: Duration = Duration::from_hours(14 * 24);

/// All dependency sources of this machine.
#[derive(Debug, Clone)]
pub struct Sources {
    root: PathBuf,
    trash: PathBuf,
}

impl Sources {
    pub fn at(root: PathBuf, trash: PathBuf) -> Self {
        Self { root, trash }
    }

    fn of(&self, repository: &str, scope: &Scope) -> PathBuf {
        let key = blake3::hash(format!("{repository}\0{scope}").as_bytes());
        self.root.join(&key.to_hex()[..32])
    }

    /// Puts sources that this job may read into its `home`, which has none. Its own scope's are moved there; those of
    /// another one are cloned, where that costs next to nothing. Gives whose they are.
    pub fn hand_out(&self, repository: &str, trust: &Trust, home: &Path) -> io::Result<Option<Scope>> {
        for scope in &trust.reads {
            let place = self.of(repository, scope);
            for copy in newest_first(&place)? {
                if trust.writes.as_ref() == Some(scope) {
                    if move_parts(&copy, home)? {
                        let _emptied = fs::remove_dir(&copy);
                        return Ok(Some(scope.clone()));
                    }
                } else if clones::probe(&self.root)? == Means::Reflink {
                    for part in PARTS.iter().filter(|part| copy.join(part).is_dir()) {
                        let cloned = clones::mirror(&copy.join(part), &home.join(part), Means::Reflink, None);
                        // Taken away by a job of its own scope meanwhile: half of a clone is no use.
                        if let Err(error) = cloned {
                            tree::remove(&home.join(part))?;
                            tracing::debug!("dependency sources were not cloned: {error}");
                        }
                    }
                    return Ok(Some(scope.clone()));
                }
            }
        }
        Ok(None)
    }

    /// Takes the sources back out of a job's `home`. No process of the job is alive. One that may write no scope leaves
    /// none.
    pub fn give_back(&self, repository: &str, trust: &Trust, home: &Path, execution: ExecutionId) -> io::Result<bool> {
        let Some(scope) = &trust.writes else { return Ok(false) };
        let place = self.of(repository, scope);
        let partial = place.join(format!("{execution}.partial"));
        fs::create_dir_all(&partial)?;
        if !move_parts(home, &partial)? {
            fs::remove_dir(&partial)?;
            return Ok(false);
        }
        fs::rename(&partial, place.join(execution.to_string()))?;
        Ok(true)
    }

    /// Throws away what is too old or too many; gives how many copies went.
    pub fn trim(&self, now: SystemTime) -> io::Result<usize> {
        let mut gone = 0;
        for place in entries(&self.root)? {
            for (number, copy) in newest_first(&place)?.into_iter().enumerate() {
                let age = now.duration_since(copy.metadata()?.modified()?).unwrap_or_default();
                if number >= COPIES || age > UNUSED_FOR {
                    let name = copy.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    fs::rename(&copy, self.trash.join(format!("sources-{name}")))?;
                    gone += 1;
                }
            }
            // Only an empty one goes.
            let _still_used = fs::remove_dir(&place);
        }
        Ok(gone)
    }
}

/// Moves what is handed on; says whether there was anything. What a job has put a link into the place of stays behind.
fn move_parts(from: &Path, to: &Path) -> io::Result<bool> {
    let mut has_moved = false;
    for part in PARTS {
        let is_real = from.join(part).symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        if is_real {
            match fs::rename(from.join(part), to.join(part)) {
                Ok(()) => has_moved = true,
                // Another job was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(has_moved)
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whole copies; execution ids sort by time.
fn newest_first(place: &Path) -> io::Result<Vec<PathBuf>> {
    let mut copies = entries(place)?;
    copies.retain(|copy| copy.extension().is_none());
    copies.sort_by(|a, b| b.cmp(a));
    Ok(copies)
}

#[cfg(test)]
mod tests {
    use hearth_model::Timestamp;
    use hearth_trust::Class;

    use super::*;

    struct Machine {
        dir: tempfile::TempDir,
        sources: Sources,
        jobs: i64,
    }

    impl Machine {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let (root, trash) = (dir.path().join("sources"), dir.path().join("trash"));
            for path in [&root, &trash] {
                fs::create_dir(path).unwrap();
            }
            Self { sources: Sources::at(root, trash), dir, jobs: 0 }
        }

        /// A job that finds sources, leaves some of its own, and ends. Gives what it found.
        fn job(&mut self, repository: &str, trust: &Trust, leaves: &str) -> Option<String> {
            self.jobs += 1;
            let home = self.dir.path().join(format!("home-{}", self.jobs));
            fs::create_dir(&home).unwrap();
            self.sources.hand_out(repository, trust, &home).unwrap();
            let found = fs::read_to_string(home.join("registry/index")).ok();
            fs::create_dir_all(home.join("registry")).unwrap();
            fs::write(home.join("registry/index"), leaves).unwrap();
            fs::write(home.join("credentials.toml"), "secret").unwrap();
            let execution = ExecutionId::new(Timestamp::from_millis(1_000 * self.jobs));
            self.sources.give_back(repository, trust, &home, execution).unwrap();
            found
        }
    }

    fn trust(reads: &[Scope], writes: Option<Scope>) -> Trust {
        Trust { class: Class::Branch, reads: reads.to_vec(), writes }
    }

    #[test]
    fn sources_stay_within_repository_and_scope() {
        let mut machine = Machine::new();
        let main = trust(&[Scope::Trusted], Some(Scope::Trusted));
        let pull = trust(&[Scope::PullRequest(7)], Some(Scope::PullRequest(7)));
        let release = trust(&[], None);
        assert_eq!(machine.job("h/a/one", &main, "main"), None);
        assert_eq!(machine.job("h/a/one", &main, "main again").as_deref(), Some("main"));
        assert_eq!(machine.job("h/a/two", &main, "other"), None);
        assert_eq!(machine.job("h/a/one", &pull, "poison"), None);
        assert_eq!(machine.job("h/a/one", &release, "nothing"), None);
        assert_eq!(machine.job("h/a/one", &main, "").as_deref(), Some("main again"));
        assert_eq!(machine.job("h/a/one", &pull, "").as_deref(), Some("poison"));
    }

    #[test]
    fn another_scopes_sources_are_cloned_or_left() {
        let mut machine = Machine::new();
        let main = trust(&[Scope::Trusted], Some(Scope::Trusted));
        let branch = Scope::Branch("x".to_owned());
        let branch = trust(&[branch.clone(), Scope::Trusted], Some(branch));
        machine.job("h/a/one", &main, "main");
        let found = machine.job("h/a/one", &branch, "of the branch");
        let can_clone = clones::probe(machine.dir.path()).unwrap() == Means::Reflink;
        assert_eq!(found.as_deref(), can_clone.then_some("main"));
        assert_eq!(machine.job("h/a/one", &main, "").as_deref(), Some("main"), "it was never taken away");
    }

    #[test]
    fn a_link_and_everything_else_stay_behind() {
        let machine = Machine::new();
        let main = trust(&[Scope::Trusted], Some(Scope::Trusted));
        let home = machine.dir.path().join("home");
        fs::create_dir(&home).unwrap();
        std::os::unix::fs::symlink("/etc", home.join("registry")).unwrap();
        fs::write(home.join("config.toml"), "[build]").unwrap();
        let execution = ExecutionId::new(Timestamp::from_millis(1));
        assert!(!machine.sources.give_back("h/a/one", &main, &home, execution).unwrap());
        assert_eq!(machine.sources.hand_out("h/a/one", &main, &machine.dir.path().join("next")).unwrap(), None);
    }

    #[test]
    fn what_is_too_old_or_too_many_goes() {
        let machine = Machine::new();
        let place = machine.sources.of("h/a/one", &Scope::Trusted);
        for millis in 0..6 {
            let copy = place.join(ExecutionId::new(Timestamp::from_millis(millis)).to_string());
            fs::create_dir_all(copy.join("registry")).unwrap();
        }
        let now = place.metadata().unwrap().modified().unwrap();
        assert_eq!(machine.sources.trim(now).unwrap(), 6 - COPIES);
        assert_eq!(machine.sources.trim(now).unwrap(), 0);
        assert_eq!(machine.sources.trim(now + UNUSED_FOR + Duration::from_hours(1)).unwrap(), COPIES);
        assert!(!place.exists());
    }
}
