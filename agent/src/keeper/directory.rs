//! The job's own part of the slot, new for every runner: nothing that one job left in its workspace, its home or its
//! temporary files reaches the next one.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hearth_model::ExecutionId;

use super::ownership::Ownership;

/// What every job finds in its place, empty. On `kept` stands a mount, where there is a view.
const DIRECTORIES: [&str; 6] = ["build", "home", CARGO, "kept", "tmp", "tools"];
/// The runner program's root: it is cleared by those who know what stands in it.
const RUNNER: &str = "runner";
/// The job's `CARGO_HOME`.
pub(super) const CARGO: &str = "home/.cargo";
/// Where the runner program works, below its root.
pub const WORK: &str = "_work";

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
