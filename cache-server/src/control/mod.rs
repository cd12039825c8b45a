//! How the program's commands reach a store: over a socket in the server's directory where a server runs, so that no
//! second process ever touches what it owns; else the command opens the store by itself and answers its own question
//! over a pair of sockets. Both ways are the same words and the same work.
//!
//! ```text
//! command ─question─▶ desk ─▶ work: stats, list, verify, collect, pin, warm │ archive: export, import
//!         ◀─words, pieces of an archive─┘
//! ```

mod archive;
mod client;
mod desk;
mod protocol;
mod work;

pub(crate) use client::{ControlError, Line, Owner};
pub(crate) use desk::{Desk, SOCKET};
pub(crate) use protocol::{Ask, Damage, ObjectLine, Report, Said, ScopeUse, Stats, Which};
pub(crate) use protocol::{Piece, receive_piece, send_piece};
