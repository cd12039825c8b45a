//! The compile cache fails in the middle of a build, in every way in which a node or its daemon can. The build goes
//! well each time, and takes no longer than the same build without any cache.

mod allowance;
mod daemon;
mod node;
