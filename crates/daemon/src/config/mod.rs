//! Configuration: one TOML file, the environment and the command line, read into one checked-by-type value.
//!
//! A binary writes its file as a struct that is `Deserialize + Serialize + JsonSchema` with `deny_unknown_fields` and
//! `default`, hands its sources in, and gets the value and where each part of it came from. Flags win over the
//! environment, the environment over the file, the file over the defaults. This room never reads the environment
//! itself and knows no key of any binary.
//!
//! ```text
//! file ──parse──▶ tree ◀──set── environment ◀──set── flags
//!                  └──deserialize──▶ T ──show──▶ TOML with origins
//! ```

mod deserialize;
mod error;
mod origin;
mod show;
mod sources;
mod tree;
mod values;

pub use error::{ConfigError, Problem};
pub use origin::Origin;
pub use sources::{Effective, Presence, Sources};
pub use values::{ByteSize, TimeSpan};

/// The JSON schema (2020-12) of a configuration file, for editors and for `config schema`.
pub fn schema<T: schemars::JsonSchema>() -> serde_json::Value {
    schemars::schema_for!(T).to_value()
}

#[cfg(test)]
mod tests;
