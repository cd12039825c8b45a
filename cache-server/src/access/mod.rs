//! Who may do what. A caller is what a good credential says, and nothing that a request says otherwise: its spaces to
//! read, nearest first, and the one to write.

mod caller;
mod remembered;

pub(crate) use caller::Caller;
pub(crate) use remembered::Remembered;
