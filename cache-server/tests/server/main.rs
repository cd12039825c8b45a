//! The real program from outside: started, asked over its ports, told to stop, killed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should end where it is")]

mod disk;
mod environment;
mod http;
mod process;
mod world;

mod addresses;
mod aws;
mod commands;
mod crashes;
mod crowd;
mod disks;
mod life;
mod networks;
mod operate;
mod soak;
mod tokens;
mod transport;
mod upstream;
mod watching;
