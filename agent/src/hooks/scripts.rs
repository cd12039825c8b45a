//! The two scripts that the runner program calls. It wants files with the ending of a shell; each only calls us, and
//! ends well whatever becomes of the call.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hearth_host::tree;

/// Where the scripts stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    pub started: PathBuf,
    pub completed: PathBuf,
}

impl Scripts {
    /// The runner program takes a script's path apart at blanks, and fails every job whose hook it then does not find.
    pub fn can_be_called(&self) -> bool {
        let has_blank = |path: &Path| path.to_string_lossy().contains(char::is_whitespace);
        !has_blank(&self.started) && !has_blank(&self.completed)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shell {
    Posix,
    PowerShell,
}

impl Shell {
    fn of_this_system() -> Self {
        if std::env::consts::OS == "windows" { Self::PowerShell } else { Self::Posix }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Posix => "sh",
            Self::PowerShell => "ps1",
        }
    }

    fn script(self, program: &str, hook: &str) -> String {
        match self {
            Self::Posix => {
                let program = program.replace('\'', r"'\''");
                format!(
                    "#!/bin/sh\n# Written by hearth. A job never fails because of it.\n'{program}' hook {hook} || true\n"
                )
            }
            Self::PowerShell => {
                let program = program.replace('\'', "''");
                format!(
                    "# Written by hearth. A job never fails because of it.\ntry {{ & '{program}' hook {hook} }} catch {{ }}\nexit 0\n"
                )
            }
        }
    }
}

/// Writes the scripts into `directory`. `program` is this very program.
pub fn write_scripts(directory: &Path, program: &Path) -> io::Result<Scripts> {
    let shell = Shell::of_this_system();
    let program = program.to_str().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no text, which a script is", program.display()))
    })?;
    let path = |hook: &str| directory.join(format!("job-{hook}.{}", shell.ending()));
    let scripts = Scripts { started: path("started"), completed: path("completed") };
    for (path, hook) in [(&scripts.started, "started"), (&scripts.completed, "completed")] {
        let text = shell.script(program, hook);
        // Running jobs may be reading it: only written when it would change.
        if std::fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
            continue;
        }
        tree::write_atomically(path, text.as_bytes())?;
        // Whoever the job runs as has to read it, whatever our own files are like.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(scripts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_a_quote_in_its_path_is_still_one_word() {
        assert!(Shell::Posix.script("/o'k/hearth", "started").contains(r"'/o'\''k/hearth' hook started || true"));
        assert!(Shell::PowerShell.script("C:\\o'k\\hearth.exe", "completed").contains("& 'C:\\o''k\\hearth.exe' hook"));
    }

    #[test]
    fn a_path_with_a_blank_is_no_path_of_a_hook() {
        for (directory, expected) in [("/var/lib/hearth/bin", true), ("/srv/my state/bin", false)] {
            let path = |name: &str| Path::new(directory).join(name);
            let scripts = Scripts { started: path("job-started.sh"), completed: path("job-completed.sh") };
            assert_eq!(scripts.can_be_called(), expected, "{directory}");
        }
    }

    #[test]
    fn a_script_ends_well_when_its_program_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let scripts = write_scripts(dir.path(), Path::new("/nowhere/hearth")).unwrap();
        for script in [scripts.started, scripts.completed] {
            let status = std::process::Command::new("sh").arg("-e").arg(script).status().unwrap();
            assert!(status.success());
        }
    }
}
