//! Who may do what. A caller is what a good credential says, and nothing that a request says otherwise: its spaces to
//! read, nearest first, and the one to write.
//!
//! ```text
//! header, signature, runtime token ─▶ gate ─▶ caller ─▶ overlay of spaces, rights, quota
//!                                      ▲
//!            tokens.toml, revoked.toml ┘ read again within a second of a change; what is revoked is removed
//!
//! every write and removal ─▶ queue ─▶ audit/writes.jsonl
//! ```

mod allowances;
mod audit;
mod book;
mod caller;
mod files;
mod follow;
mod gate;
mod groups;
#[cfg(test)]
mod overlay_tests;
mod quota;
mod rates;
mod remembered;
mod revoked;
mod rights;

pub use allowances::{Allowance, Allowances};
pub(crate) use audit::{Act, Audit, Done};
pub use book::{Book, BookError, InvalidKind, InvalidRealm, Kind, Rate, RealmPattern, StoredToken};
pub(crate) use caller::{Caller, Run, Who};
pub use files::{AccessError, AccessFiles, Lists};
pub(crate) use follow::follow;
pub(crate) use gate::{Gate, Refusal};
pub use groups::{Groups, GroupsError};
pub(crate) use quota::{Accounts, OverQuota, Quota};
pub(crate) use rates::{Pace, Rates};
pub(crate) use remembered::Remembered;
pub use revoked::{Objects, Revocation, RevocationError, Revocations, Revoked};
pub use rights::{InvalidRight, Right, Rights};
