//! How our daemons live: configuration, secrets, telemetry, metrics, tasks and their orderly stop, upkeep, the admin
//! endpoints, and talking to the service manager. Knows nothing of jobs and caches, never reads the environment, and
//! holds no platform code: what differs between systems is handed in.

pub mod config;
pub mod secrets;

pub mod metrics;
pub mod telemetry;

pub mod stop;
pub mod tasks;
pub mod upkeep;

pub mod admin;
pub mod service_manager;
