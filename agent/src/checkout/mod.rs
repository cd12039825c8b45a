//! The checkout that a job runs in: whose repository it is, which commit, and what identifies every source file.
//! Facts come from the real `git`; nothing here changes the checkout.

mod facts;
mod git;
mod sources;
mod toolchain;
mod workspace;

pub use facts::{Checkout, inspect};
pub use git::{GitError, repository_name};
pub use sources::{DirectoryStamp, FileStamp, Listing};
pub use toolchain::{Toolchain, ToolchainError, platform};
pub use workspace::Workspace;
