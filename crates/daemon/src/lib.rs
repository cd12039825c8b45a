//! How our daemons live: configuration, secrets, telemetry, metrics, tasks and their orderly stop, upkeep, the admin
//! endpoints and what their pages share, talking to the service manager, and to a person's terminal. Knows nothing of
//! jobs and caches, never reads the environment, and holds no platform code: what differs between systems is handed in
//! or asked of the host room.

pub mod config;
pub mod key_file;
pub mod secrets;
pub mod terminal;

pub mod metrics;
pub mod telemetry;

pub mod main_loop;
pub mod stop;
pub mod tasks;
pub mod upkeep;

pub mod admin;
pub mod frames;
pub mod pages;
pub mod service_manager;
