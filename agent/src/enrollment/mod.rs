//! How this machine comes to serve a place at GitHub, and how it takes its leave: `hearth register` asks GitHub whether
//! everything is in place and writes the `[[github]]` section; `hearth unregister` removes what this agent has there.

mod file;
mod register;
mod section;
mod unregister;

pub use file::FileError;
pub use register::{RegisterArgs, RegisterError, register};
pub use unregister::{UnregisterArgs, UnregisterError, unregister};
