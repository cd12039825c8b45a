//! The official runner program.

mod book;
mod checksum;
mod choose;
pub mod commands;
mod deadline;
mod diagnostics;
mod download;
mod exit;
mod following;
mod hints;
mod install;
mod jit;
mod layout;
mod offers;
mod root;
mod sealed;
mod settings;
mod start;
mod unpack;
mod version;
mod versions;

pub use book::{BookError, Trial, WhyGivenUp};
pub use checksum::{InvalidChecksum, Sha256};
pub use choose::{NoVersion, Started};
pub use deadline::{Basis, Deadline, DeprecationAnswer, NewestOffer, Warning};
pub use download::{DownloadError, Downloads, Offered, Progress, ShownUrl};
pub use exit::{Ending, Heard, JobResult, Stop};
pub use following::follow;
pub use hints::{Hint, hint};
pub use install::{InstallError, Installed};
pub use jit::{JitError, without_updates};
pub use offers::OfferError;
pub use root::{Root, RootError, RootPlace, SetupGroup, Sharing, prepare};
pub use settings::{RunnerFile, RunnerSettings, RunnerSettingsError};
pub use start::{Hooks, Rank, RunnerProxy, RunnerStart, SlotPlaces, User, UserIdentity, search_path};
pub use unpack::UnpackError;
pub use version::{ArchiveName, InvalidName, Packing, Platform, RunnerVersion};
pub use versions::{Held, ListedVersion, Tidied, Versions, VersionsError};

#[cfg(test)]
pub(crate) mod sample;
