//! The work folder of a runner: where a repository's workspace stands, and the directories beside it.
//!
//! ```text
//!   _work/<repository>/<repository>   the workspace; stays as the last job left it
//!        /_temp                       wiped before and after each job
//!        /_actions  /_tool            actions of this job; tools, unless RUNNER_TOOL_CACHE says otherwise
//!        /_PipelineMapping/…          which repository has which directory
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::diagnostics::{now, universal};

#[derive(Debug)]
pub(crate) struct Folders {
    pub(crate) workspace: PathBuf,
    /// The directory above the workspace.
    pub(crate) pipeline: PathBuf,
    pub(crate) temporary: PathBuf,
    pub(crate) tools: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("`{0}` is not the name of a repository: OWNER/NAME")]
    Repository(String),
    #[error("cannot make the directory {path}")]
    Make {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot wipe the directory {path}")]
    Wipe {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Mapping<'a> {
    repository_name: &'a str,
    pipeline_directory: &'a str,
    workspace_directory: &'a str,
    last_run_on: String,
}

impl Folders {
    /// Makes what a job of this repository needs.
    pub(crate) fn prepare(work: &Path, repository: &str, tools: Option<PathBuf>) -> Result<Self, FolderError> {
        let name = name_of(repository).ok_or_else(|| FolderError::Repository(repository.to_owned()))?;
        let workspace_directory = format!("{name}/{name}");
        let folders = Self {
            workspace: work.join(&workspace_directory),
            pipeline: work.join(name),
            temporary: work.join("_temp"),
            tools: tools.unwrap_or_else(|| work.join("_tool")),
        };
        folders.wipe_temporary()?;
        let actions = work.join("_actions");
        wipe(&actions)?;
        let mapping = work.join("_PipelineMapping").join(repository);
        for path in [&folders.workspace, &folders.temporary, &folders.tools, &actions, &mapping] {
            fs::create_dir_all(path).map_err(|cause| FolderError::Make { path: path.clone(), cause })?;
        }
        let path = mapping.join("PipelineFolder.json");
        let mapping = Mapping {
            repository_name: repository,
            pipeline_directory: name,
            workspace_directory: &workspace_directory,
            last_run_on: universal(now()),
        };
        let text = serde_json::to_vec_pretty(&mapping).expect("texts are JSON");
        fs::write(&path, text).map_err(|cause| FolderError::Write { path, cause })?;
        Ok(folders)
    }

    /// Empties the directory of temporary files.
    pub(crate) fn wipe_temporary(&self) -> Result<(), FolderError> {
        wipe(&self.temporary)
    }

    /// Puts the event on disk; gives its path.
    pub(crate) fn write_event(&self, event: &serde_json::Value) -> Result<PathBuf, FolderError> {
        let directory = self.temporary.join("_github_workflow");
        fs::create_dir_all(&directory).map_err(|cause| FolderError::Make { path: directory.clone(), cause })?;
        let path = directory.join("event.json");
        let text = serde_json::to_vec_pretty(event).expect("JSON stays JSON");
        fs::write(&path, text).map_err(|cause| FolderError::Write { path: path.clone(), cause })?;
        Ok(path)
    }
}

/// Deletes what stands inside; one that does not exist is empty.
fn wipe(path: &Path) -> Result<(), FolderError> {
    let failed = |cause| FolderError::Wipe { path: path.to_owned(), cause };
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let is_directory = entry.file_type().map_err(failed)?.is_dir();
        let removed = if is_directory { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        removed.map_err(failed)?;
    }
    Ok(())
}

fn name_of(repository: &str) -> Option<&str> {
    let (owner, name) = repository.split_once('/')?;
    let is_name = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['/', '\0']);
    (is_name(owner) && is_name(name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_stays_and_temporary_files_go() {
        let directory = tempfile::tempdir().unwrap();
        let folders = Folders::prepare(directory.path(), "acme/widgets", None).unwrap();
        assert_eq!(folders.workspace, directory.path().join("widgets/widgets"));
        fs::write(folders.workspace.join("kept"), "").unwrap();
        fs::create_dir(folders.temporary.join("gone")).unwrap();
        let event = folders.write_event(&serde_json::json!({"a": 1})).unwrap();
        assert_eq!(event, directory.path().join("_temp/_github_workflow/event.json"));
        let folders = Folders::prepare(directory.path(), "acme/widgets", None).unwrap();
        assert!(folders.workspace.join("kept").exists());
        assert_eq!(fs::read_dir(&folders.temporary).unwrap().count(), 0);
        let mapping = directory.path().join("_PipelineMapping/acme/widgets/PipelineFolder.json");
        assert!(fs::read_to_string(mapping).unwrap().contains("\"workspaceDirectory\": \"widgets/widgets\""));
    }

    #[test]
    fn a_repository_cannot_lead_out_of_the_work_folder() {
        for name in ["widgets", "acme/", "acme/..", "../widgets", "acme/a/b", "/x"] {
            assert_eq!(name_of(name), None, "{name}");
        }
    }
}
