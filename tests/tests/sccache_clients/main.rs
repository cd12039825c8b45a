//! Real sccache clients: those that people install and the one in Hearth, by way of `hearth exec` and by themselves
//! before a cache server. What a build costs them in compilations and in requests.

mod exec;
mod machines;
mod requests;
