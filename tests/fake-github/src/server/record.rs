//! What the fake saw: every operation, and everything that a real GitHub would not have forgiven, or should not.

use std::collections::BTreeMap;
use std::fmt;

/// Something that must not have been said, by whoever called or by the fake itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The operation, or method and address of a call that is none.
    pub call: String,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.what)
    }
}

/// Enough to see what is wrong; a client that is wrong in a loop fills no memory.
const MOST_VIOLATIONS: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct Record {
    operations: BTreeMap<String, u64>,
    violations: Vec<Violation>,
}

impl Record {
    pub(crate) fn call(&mut self, operation: String) {
        *self.operations.entry(operation).or_default() += 1;
    }

    pub(crate) fn violation(&mut self, call: impl Into<String>, what: impl Into<String>) {
        if self.violations.len() < MOST_VIOLATIONS {
            self.violations.push(Violation { call: call.into(), what: what.into() });
        }
    }

    pub(crate) fn operations(&self) -> &BTreeMap<String, u64> {
        &self.operations
    }

    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }
}
