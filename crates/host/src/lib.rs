//! The machine under us: processes and their trees, mount namespaces, clones of directories, times of files, locks,
//! free space, signals. Platform `cfg` and `unsafe` live here and nowhere else. Decides nothing about jobs.

pub mod cgroups;
pub mod clock;
pub mod clones;
pub mod files;
pub mod guard;
pub mod lock;
pub mod memory;
pub mod open_files;
pub mod owners;
pub mod processes;
pub mod service_manager;
pub mod signals;
pub mod space;
pub mod times;
pub mod tree;
pub mod users;
pub mod view;
