//! Real sccache clients: those that people install and the one in Hearth.

mod exec;
