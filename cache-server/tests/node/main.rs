//! The cache node from outside: real nodes and relays on ports of their own, real files, and the real sccache.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should end where it is")]

mod environment;
mod far;
mod faulty;
mod github;
mod power;
mod raw;
mod signing;
mod world;

mod across;
mod damage;
mod eviction;
mod faults;
mod full_disk;
mod paths;
mod plain_clients;
mod relay;
mod restart;
mod revoked;
mod s3;
mod s3_raw;
mod scopes;
mod tiers;
mod tokens;
mod uploads;

mod poison;
mod savings;
mod sccache;
