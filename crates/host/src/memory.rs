//! The machine's memory.

use hearth_model::Bytes;

/// All that is installed, less what the system keeps for itself.
pub fn total() -> Option<Bytes> {
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    #[expect(unsafe_code, reason = "no safe wrapper for sysconf in our dependencies")]
    // SAFETY: sysconf reads a number and touches no memory of ours.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    Some(Bytes(u64::try_from(pages).ok()?.checked_mul(page)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_memory() {
        assert!(total().is_some_and(|memory| memory > Bytes::mib(64)));
    }
}
