//! The walls around a slot, with a real guard and real processes: as whom they run, what they see, whose their files
//! are, what becomes of their output, and that all of them end.

mod cgroups;
mod guarded;
mod identity;
mod output;
mod owners;
mod view;
