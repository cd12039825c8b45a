//! The job's own part of the slot, new for every runner: nothing that one job left in its workspace, its home or its
//! temporary files reaches the next one.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hearth_host::{files, tree};
use hearth_model::{Bytes, ExecutionId};

use super::ownership::Ownership;
use crate::slots;

/// The job's build directory, which may become the next one's.
const BUILD: &str = "build";
/// What every job finds in its place, empty. On `kept` stands a mount, where there is a view.
const DIRECTORIES: [&str; 6] = [BUILD, "home", CARGO, "kept", "tmp", "tools"];
/// The runner program's root: it is cleared by those who know what stands in it.
const RUNNER: &str = "runner";
/// The job's `CARGO_HOME`.
pub(super) const CARGO: &str = "home/.cargo";
/// Where the runner program works, below its root.
pub const WORK: &str = "_work";

/// Room that is kept from the job, beside its part of the slot.
const RESERVE: &str = "reserve";
/// Many times what the end of a job takes in the books.
const RESERVED: Bytes = Bytes::mib(1);

/// Throws away what the previous job left in `job` and in `kept`, and makes both anew. What is thrown away is removed
/// later, off everybody's path.
pub(super) fn renew(job: &Path, kept: &Path, trash: &Path, execution: ExecutionId) -> io::Result<()> {
    let runner = job.join(RUNNER);
    // A job may have put a link into its place, behind which is somebody else's work.
    if runner.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
        fs::remove_file(&runner)?;
    }
    fs::create_dir_all(&runner)?;
    let mut left = vec![kept.to_owned(), runner.join(WORK)];
    for entry in fs::read_dir(job)? {
        let entry = entry?;
        if entry.file_name() != RUNNER {
            left.push(entry.path());
        }
    }
    for (number, path) in left.iter().enumerate() {
        match fs::rename(path, trash.join(format!("before-{execution}-{number}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for name in DIRECTORIES {
        fs::create_dir_all(job.join(name))?;
    }
    fs::create_dir_all(kept)?;
    for path in [job, kept] {
        // Who may come here is decided by what is above.
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Keeps room for the books on a disk that the job, or somebody else, fills. [`clear`] gives it back.
pub(super) fn reserve(slot: &Path) -> io::Result<()> {
    let path = slot.join(RESERVE);
    if path.metadata().is_ok_and(|there| there.len() == RESERVED.0) {
        return Ok(());
    }
    files::allocate(&File::create(path)?, RESERVED.0)
}

/// Whether what a job has built is still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildDirectory {
    Wanted,
    Unwanted,
}

/// Removes at once what an ended job left in its slot, and the reserve: for a disk without room, where throwing away and removing later
/// is no help. The runner program's own root stays, but for where it worked.
pub fn clear(slot: &Path, build: BuildDirectory) -> io::Result<()> {
    match fs::remove_file(slot.join(RESERVE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let job = slots::job_directory(slot);
    for entry in fs::read_dir(&job)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let is_directory = entry.file_type()?.is_dir();
        if name == RUNNER && is_directory {
            tree::remove(&path.join(WORK))?;
        } else if name == BUILD && build == BuildDirectory::Wanted {
            // It goes to the next job, or to the trash.
        } else if is_directory {
            tree::empty(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    tree::remove(&slots::kept_directory(slot))
}

/// Gives the job's user what it has to write: everything but the runner program, which is not its to change.
pub(super) fn give(job: &Path, ownership: Ownership) -> io::Result<()> {
    for name in DIRECTORIES {
        ownership.give(&job.join(name))?;
    }
    let runner = job.join(RUNNER);
    for entry in fs::read_dir(&runner)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            ownership.give_one(&entry.path())?;
        }
    }
    ownership.give_one(&runner)?;
    ownership.give_one(job)
}

#[cfg(test)]
mod tests {
    use hearth_model::Timestamp;

    use super::*;

    #[test]
    fn nothing_of_the_job_before_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (job, kept, trash) = (dir.path().join("job"), dir.path().join("kept"), dir.path().join("trash"));
        fs::create_dir(&trash).unwrap();
        for millis in [1, 2] {
            renew(&job, &kept, &trash, ExecutionId::new(Timestamp::from_millis(millis))).unwrap();
            for left in [job.join("home/.ssh"), job.join("runner/_work/app"), kept.join("generated"), job.join("new")] {
                assert!(!left.exists(), "{}", left.display());
                fs::create_dir_all(left).unwrap();
            }
            fs::write(job.join("runner/.path"), "for those who know").unwrap();
        }
        assert!(job.join("runner/.path").exists());
        assert!(fs::read_dir(&trash).unwrap().count() >= 7);
    }

    #[test]
    fn all_of_a_job_is_cleared_but_what_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let job = dir.path().join("job");
        let left = ["home/big", "runner/_work/app/big", "kept-by-nobody", "build/debug/app"].map(|path| job.join(path));
        let stays = [job.join("runner/.path"), dir.path().join("runner.json")];
        for path in left.iter().chain(&stays).chain([&dir.path().join("kept/generated")]) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let there = |paths: &[std::path::PathBuf]| paths.iter().filter(|path| path.exists()).count();
        reserve(dir.path()).unwrap();
        assert!(dir.path().join(RESERVE).exists());
        clear(dir.path(), BuildDirectory::Wanted).unwrap();
        assert!(!dir.path().join(RESERVE).exists());
        assert_eq!((there(&left), left[3].exists(), there(&stays)), (1, true, 2));
        clear(dir.path(), BuildDirectory::Unwanted).unwrap();
        assert_eq!((there(&left), there(&stays)), (0, 2));
        assert!(job.join("build").is_dir() && !dir.path().join("kept").exists());
    }

    #[test]
    fn a_link_that_a_job_has_made_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (job, kept, trash) = (dir.path().join("job"), dir.path().join("kept"), dir.path().join("trash"));
        let others = dir.path().join("others");
        for directory in [&job, &trash, &others.join(WORK)] {
            fs::create_dir_all(directory).unwrap();
        }
        std::os::unix::fs::symlink(&others, job.join(RUNNER)).unwrap();
        renew(&job, &kept, &trash, ExecutionId::new(Timestamp::from_millis(1))).unwrap();
        assert!(others.join(WORK).exists() && job.join(RUNNER).symlink_metadata().unwrap().is_dir());
    }
}
