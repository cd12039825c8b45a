//! What tests from outside have in common. Nothing of the product depends on this package.

pub mod tidy;
