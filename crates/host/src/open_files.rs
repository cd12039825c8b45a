//! How many files and sockets a process may have open.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// The limit in force for this process; `None` where there is none.
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Raises the limit of this process to the most that it may set for itself, and gives what is then in force. Processes
/// that it starts inherit it.
pub fn raise() -> io::Result<Option<u64>> {
    let mut limits = getrlimit(Resource::Nofile);
    limits.current = limits.maximum;
    setrlimit(Resource::Nofile, limits)?;
    Ok(limit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_open_some_and_may_ask_for_more() {
        let before = limit();
        assert!(before.is_none_or(|limit| limit > 3));
        let after = raise().unwrap();
        assert_eq!(after, getrlimit(Resource::Nofile).maximum);
        assert!(after.is_none() || after >= before);
    }
}
