//! `hearth targets list|why|inspect|prune`.
