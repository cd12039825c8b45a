//! What GitHub offers: the newest version on its list of downloads, and until when it takes those that are installed.

use hearth_daemon::secrets::Secret;
use hearth_forge::{CallError, Download, Github};
use hearth_model::{Millis, Timestamp};

use super::checksum::{InvalidChecksum, Sha256};
use super::deadline::DeprecationAnswer;
use super::download::{Downloads, Offered, Progress};
use super::install::{InstallError, Installed};
use super::version::{ArchiveName, InvalidName, Platform, RunnerVersion};
use super::versions::{Versions, VersionsError};

/// Dates change rarely; a day is early enough for a warning that comes a week before.
const ASK_AGAIN_AFTER: Millis = Millis::from_minutes(24 * 60);

#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    #[error("cannot learn which runner GitHub offers")]
    List(#[source] CallError),
    #[error("GitHub offers no runner for {platform}")]
    Nothing { platform: Platform },
    #[error("GitHub offers a runner whose archive has another name than all before")]
    Name(#[source] InvalidName),
    #[error("GitHub offers {name} with a checksum that is none")]
    Checksum {
        name: ArchiveName,
        #[source]
        cause: InvalidChecksum,
    },
    #[error("GitHub offers runner {offered} and no {wanted}; install another version with --archive")]
    Other { wanted: RunnerVersion, offered: RunnerVersion },
    #[error("cannot learn until when GitHub takes runner {version}")]
    Deprecation {
        version: RunnerVersion,
        #[source]
        cause: CallError,
    },
    #[error(transparent)]
    Versions(VersionsError),
    #[error(transparent)]
    Install(InstallError),
    #[error("following GitHub's list was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// The newest archive on the list that is for this platform.
fn newest(list: Vec<Download>, platform: Platform) -> Result<Offered, OfferError> {
    let ours = list.into_iter().filter(|item| item.os == platform.os && item.architecture == platform.architecture);
    let named: Result<Vec<(ArchiveName, Download)>, InvalidName> =
        ours.map(|item| item.filename.parse().map(|name| (name, item))).collect();
    let newest = named.map_err(OfferError::Name)?.into_iter().max_by_key(|(name, _)| name.version);
    let (name, item) = newest.ok_or(OfferError::Nothing { platform })?;
    let sha256 = item.sha256_checksum.filter(|sum| !sum.is_empty());
    let sha256: Option<Sha256> =
        sha256.map(|sum| sum.parse()).transpose().map_err(|cause| OfferError::Checksum { name, cause })?;
    let token = item.temp_download_token.filter(|token| !token.is_empty()).map(Secret::new);
    Ok(Offered { name, url: item.download_url, token, sha256 })
}

/// Whether GitHub has to be asked again about a version.
fn is_due(answer: Option<DeprecationAnswer>, now: Timestamp) -> bool {
    answer.is_none_or(|answer| answer.asked_at > now || answer.asked_at + ASK_AGAIN_AFTER <= now)
}

impl Versions {
    /// Installs the version that GitHub offers, which must be `wanted` where a person said so.
    pub async fn install_from_github(
        &self,
        github: &Github,
        wanted: Option<RunnerVersion>,
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Installed, OfferError> {
        let offered = self.ask_offer(github).await?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != offered.name.version) {
            return Err(OfferError::Other { wanted, offered: offered.name.version });
        }
        let downloads = Downloads::new(github.downloads_client());
        self.install_offered(&offered, &downloads, on_progress).await.map_err(OfferError::Install)
    }

    /// One look at what GitHub offers and says: a new version is installed when the next start would take it. May be
    /// dropped at any `.await`.
    pub async fn follow_github(&self, github: &Github) -> Result<Option<Installed>, OfferError> {
        let offered = self.ask_offer(github).await?;
        let version = offered.name.version;
        let mut installed = None;
        // With an archive of its own, a machine takes nothing from the network.
        if self.settings().archive.is_none() && self.apart(move |versions| versions.wants(version)).await? {
            let downloads = Downloads::new(github.downloads_client());
            let done = self.install_offered(&offered, &downloads, &mut |_| {}).await;
            installed = match done {
                Ok(done) => Some(done),
                // A person does it, or another agent.
                Err(InstallError::Versions(VersionsError::Installing)) => None,
                Err(error) => return Err(OfferError::Install(error)),
            };
        }
        self.ask_deadlines(github).await?;
        Ok(installed)
    }

    async fn ask_offer(&self, github: &Github) -> Result<Offered, OfferError> {
        let list = github.downloads().await.map_err(OfferError::List)?;
        let offered = newest(list, self.platform())?;
        let version = offered.name.version;
        self.apart(move |versions| versions.note_offer(version)).await?;
        Ok(offered)
    }

    async fn ask_deadlines(&self, github: &Github) -> Result<(), OfferError> {
        let now = self.now();
        for (version, answer) in self.apart(Self::answers).await? {
            if !is_due(answer, now) {
                continue;
            }
            let said = github.deprecation(&version.to_string()).await;
            let said = said.map_err(|cause| OfferError::Deprecation { version, cause })?;
            // A server that does not tell leaves it to the rule of thirty days.
            let Some(said) = said else { continue };
            let (registration_ends_at, use_ends_at) = (said.registration_ends_at(), said.use_ends_at());
            let answer = DeprecationAnswer { asked_at: now, registration_ends_at, use_ends_at };
            self.apart(move |versions| versions.note_answer(version, answer)).await?;
        }
        Ok(())
    }

    /// Files and locks are waited for by threads that may wait.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, VersionsError> + Send + 'static,
    ) -> Result<T, OfferError> {
        let versions = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&versions)).await;
        done.map_err(OfferError::Interrupted)?.map_err(OfferError::Versions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINUX: Platform = Platform { os: "linux", architecture: "x64" };

    fn item(os: &str, architecture: &str, version: &str, sha256: Option<&str>) -> Download {
        let filename = format!("actions-runner-{os}-{architecture}-{version}.tar.gz");
        Download {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            download_url: format!("https://example.com/{filename}"),
            filename,
            temp_download_token: Some(String::new()),
            sha256_checksum: sha256.map(str::to_owned),
        }
    }

    #[test]
    fn the_newest_archive_for_this_machine_is_chosen() {
        let sum = "ab".repeat(32);
        let list = vec![
            item("osx", "arm64", "2.999.0", None),
            item("linux", "x64", "2.335.0", None),
            item("linux", "x64", "2.336.0", Some(&sum)),
            item("linux", "arm64", "2.998.0", None),
        ];
        let offered = newest(list, LINUX).unwrap();
        assert_eq!(offered.name.to_string(), "actions-runner-linux-x64-2.336.0.tar.gz");
        assert_eq!(offered.url, "https://example.com/actions-runner-linux-x64-2.336.0.tar.gz");
        assert_eq!(offered.sha256.unwrap().to_string(), sum);
        assert!(offered.token.is_none());
    }

    #[test]
    fn a_list_that_is_of_no_use_says_why() {
        let said = |list| crate::journey::chain(&newest(list, LINUX).unwrap_err());
        assert_eq!(said(vec![item("osx", "x64", "2.336.0", None)]), "GitHub offers no runner for linux-x64");
        assert!(said(vec![item("linux", "x64", "next", None)]).contains("actions-runner-linux-x64-next.tar.gz"));
        assert!(said(vec![item("linux", "x64", "2.336.0", Some("abc"))]).contains("64 hexadecimal digits"));
        let empty = newest(vec![item("linux", "x64", "2.336.0", Some(""))], LINUX).unwrap();
        assert_eq!(empty.sha256, None);
    }

    #[test]
    fn github_is_asked_about_a_version_once_a_day() {
        let at = |hours: u64| Timestamp::default() + Millis::from_minutes(hours * 60);
        let answered = |asked_at| Some(DeprecationAnswer { asked_at, registration_ends_at: None, use_ends_at: None });
        for (answer, now, due) in [
            (None, at(0), true),
            (answered(at(10)), at(11), false),
            (answered(at(10)), at(34), true),
            (answered(at(10)), at(5), true),
        ] {
            assert_eq!(is_due(answer, now), due, "{answer:?}");
        }
    }
}
