//! The official runner program.

mod book;
mod checksum;
mod choose;
mod deadline;
mod download;
mod install;
mod layout;
mod sealed;
mod settings;
mod unpack;
mod version;
mod versions;

pub use book::{BookError, Trial, WhyGivenUp};
pub use checksum::{InvalidChecksum, Sha256};
pub use choose::{NoVersion, Started};
pub use deadline::{Basis, Deadline, DeprecationAnswer, NewestOffer, Warning};
pub use download::{DownloadError, Downloads, Offered, Progress, ShownUrl};
pub use install::{InstallError, Installed};
pub use settings::{RunnerFile, RunnerSettings, RunnerSettingsError};
pub use unpack::UnpackError;
pub use version::{ArchiveName, InvalidName, Packing, Platform, RunnerVersion};
pub use versions::{Held, ListedVersion, Tidied, Versions, VersionsError};

#[cfg(test)]
mod sample;
