//! Where tests look for final artifacts. A test program lies in `<build>/<profile>/deps/`, and many find the binary that
//! they test beside that directory. cargo puts final artifacts into `target/` only, so links stand in their place.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::checkout::Workspace;

/// Links every final artifact that the workspace can have into `build`, for every profile that it can be built in.
/// `triples` are the targets that the job names. A link whose artifact is not there yet points to where it will be.
pub fn link(build: &Path, workspace: &Workspace, triples: &[String]) -> io::Result<()> {
    let hosts = std::iter::once(PathBuf::new()).chain(triples.iter().map(PathBuf::from));
    for host in hosts.chain(directories_of_triples(build)?) {
        for profile in &workspace.profiles {
            let (inside, outside) =
                (build.join(&host).join(profile), workspace.target_directory.join(&host).join(profile));
            for artifact in &workspace.artifacts {
                link_one(&outside.join(artifact), &inside.join(artifact))?;
            }
        }
    }
    Ok(())
}

fn link_one(artifact: &Path, link: &Path) -> io::Result<()> {
    if fs::read_link(link).is_ok_and(|target| target == artifact) {
        return Ok(());
    }
    match link.symlink_metadata() {
        // What a job put there itself stays.
        Ok(metadata) if !metadata.is_symlink() => return Ok(()),
        Ok(_) => fs::remove_file(link)?,
        Err(_not_there) => {
            if let Some(parent) = link.parent() {
                fs::create_dir_all(parent)?;
            }
        }
    }
    symlink(artifact, link)
}

/// Targets that earlier jobs have built for: directories of `build` that hold profiles of their own.
fn directories_of_triples(build: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(build)? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        let is_triple = name.to_string_lossy().split('-').count() >= 3;
        if is_triple && entry.file_type()?.is_dir() {
            found.push(name);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stand_where_tests_look_and_nothing_of_the_job_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (build, target) = (dir.path().join("build"), dir.path().join("target"));
        fs::create_dir_all(build.join("x86_64-unknown-linux-musl/release")).unwrap();
        fs::create_dir_all(build.join("debug")).unwrap();
        fs::write(build.join("debug/kept"), "the job's").unwrap();
        let workspace = Workspace {
            target_directory: target.clone(),
            artifacts: ["app", "kept", "examples/show"].map(PathBuf::from).into(),
            profiles: ["debug", "release"].map(str::to_owned).into(),
        };
        for _again in 0..2 {
            link(&build, &workspace, &["aarch64-apple-darwin".to_owned()]).unwrap();
        }
        for below in [
            "debug/app",
            "release/examples/show",
            "x86_64-unknown-linux-musl/release/app",
            "aarch64-apple-darwin/debug/app",
        ] {
            assert_eq!(fs::read_link(build.join(below)).unwrap(), target.join(below), "{below}");
        }
        assert_eq!(fs::read_to_string(build.join("debug/kept")).unwrap(), "the job's");
    }
}
