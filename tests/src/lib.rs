//! What tests from outside have in common. Nothing of the product depends on this package.

pub mod tidy;

pub mod between;
pub mod binary;
pub mod cache_server;
pub mod disk;
pub mod environment;
pub mod family;
pub mod far;
pub mod github;
pub mod http;
pub mod job;
pub mod repository;
pub mod sccache_client;
pub mod served;
pub mod skip;
pub mod wait;
pub mod workspace;
pub mod world;
