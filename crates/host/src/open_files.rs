//! How many files and sockets a process may have open.

/// The limit in force for this process; `None` where there is none.
pub fn limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_open_some() {
        assert!(limit().is_none_or(|limit| limit > 3));
    }
}
