//! The demo's own directory: taken only when nobody else's things are in it, and taken away whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hearth_host::{space, tree};
use hearth_model::Bytes;

use super::DemoError;
use crate::environment::Environment;

/// What the demo writes at most, with as much again for a larger toolchain.
const ROOM: Bytes = Bytes::gib(2);

#[derive(Debug)]
pub(super) struct Home {
    root: PathBuf,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Made,
    /// It was there, and empty.
    Found,
}

impl Home {
    /// Takes `named`, or makes a new directory where temporary things on a disk belong.
    pub(super) fn claim(named: Option<&Path>, name: &str, environment: &Environment) -> Result<Self, DemoError> {
        let path = named.map_or_else(|| temporary(environment).join(name), Path::to_owned);
        let failed = |what| {
            let path = path.clone();
            move |cause| DemoError::File { what, path, cause }
        };
        let origin = match fs::read_dir(&path).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Err(DemoError::NotEmpty { path }),
            Ok(false) => Origin::Found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Not its parents: what the demo has not made it would not take away.
                fs::create_dir(&path).map_err(failed("make"))?;
                Origin::Made
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(DemoError::NotEmpty { path }),
            Err(cause) => return Err(failed("read")(cause)),
        };
        let root = path.canonicalize().map_err(failed("find"))?;
        let home = Self { root, origin };
        match space::of(&home.root) {
            Ok(room) if room.available < ROOM => {
                let full = DemoError::Room { path: home.root.clone(), needed: ROOM, available: room.available };
                home.leave()?;
                Err(full)
            }
            _ => Ok(home),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Takes everything away that was not there before.
    pub(super) fn leave(self) -> Result<(), DemoError> {
        let failed = |path: &Path, cause| DemoError::File { what: "remove", path: path.to_owned(), cause };
        if self.origin == Origin::Made {
            return tree::remove(&self.root).map_err(|cause| failed(&self.root, cause));
        }
        let entries = fs::read_dir(&self.root).map_err(|cause| failed(&self.root, cause))?;
        for entry in entries {
            let path = entry.map_err(|cause| failed(&self.root, cause))?.path();
            let is_directory = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
            let gone = if is_directory { tree::remove(&path) } else { fs::remove_file(&path) };
            gone.map_err(|cause| failed(&path, cause))?;
        }
        Ok(())
    }
}

/// `/tmp` is memory on many machines, `/var/tmp` is a disk.
fn temporary(environment: &Environment) -> PathBuf {
    let named = environment.text("TMPDIR").map(PathBuf::from);
    let on_disk = || Some(PathBuf::from("/var/tmp")).filter(|path| path.is_dir());
    named.or_else(on_disk).unwrap_or_else(|| PathBuf::from("/tmp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(path: &Path) -> Result<Home, DemoError> {
        Home::claim(Some(path), "unused", &Environment::from_pairs(&[]))
    }

    #[test]
    fn a_directory_with_something_in_it_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("mine"), "1").unwrap();
        assert!(matches!(claim(directory.path()), Err(DemoError::NotEmpty { .. })));
        assert!(matches!(claim(&directory.path().join("mine")), Err(DemoError::NotEmpty { .. })));
        assert_eq!(fs::read_to_string(directory.path().join("mine")).unwrap(), "1");
        assert!(claim(&directory.path().join("no/parent")).is_err());
        assert!(!directory.path().join("no").exists());
    }

    #[test]
    fn what_was_made_goes_whole_and_what_was_found_stays_empty() {
        let directory = tempfile::tempdir().unwrap();
        for (path, is_left) in [(directory.path().join("new"), false), (directory.path().join("found"), true)] {
            if is_left {
                fs::create_dir(&path).unwrap();
            }
            let home = claim(&path).unwrap();
            fs::create_dir(home.root().join("state")).unwrap();
            fs::write(home.root().join("file"), "1").unwrap();
            home.leave().unwrap();
            assert_eq!(path.exists(), is_left, "{}", path.display());
        }
        assert_eq!(fs::read_dir(directory.path().join("found")).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_of_ones_own_is_made_where_the_environment_says() {
        let directory = tempfile::tempdir().unwrap();
        let environment = Environment::from_pairs(&[("TMPDIR", directory.path().to_str().unwrap())]);
        let home = Home::claim(None, "hearth-demo-1", &environment).unwrap();
        assert_eq!(home.root(), directory.path().canonicalize().unwrap().join("hearth-demo-1"));
    }
}
