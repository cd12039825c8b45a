//! How much a writer may store: the account of each writer that has a limit.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hearth_model::{Bytes, Timestamp, WriterId};
use serde::{Deserialize, Serialize};

/// Writers with a limit that can have an account at the same time. Only who has a token can open one.
const MAX_ACCOUNTS: usize = 64 * 1024;

/// So many bytes in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quota {
    pub(crate) bytes: Bytes,
    pub(crate) period: Period,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Period {
    /// A job's: as long as its token is good.
    Until(Timestamp),
    /// Of UTC.
    Day,
}

impl Period {
    fn end(self, now: Timestamp) -> Timestamp {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        match self {
            Self::Until(end) => end,
            Self::Day => Timestamp::from_millis((now.as_millis().div_euclid(DAY_MS) + 1).saturating_mul(DAY_MS)),
        }
    }
}

/// The writer has stored as much as he may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverQuota;

#[derive(Debug, Default)]
pub(crate) struct Accounts(Mutex<Ledger>);

#[derive(Debug, Default)]
struct Ledger {
    by_writer: HashMap<WriterId, Account>,
    /// Before this instant no account of a full ledger ends, so it need not be looked through.
    full_until: Option<Timestamp>,
}

#[derive(Debug)]
struct Account {
    used: u64,
    until: Timestamp,
}

impl Accounts {
    /// Takes `length` from what the writer may still store. Bytes that turn out to be there already count too: whoever
    /// may fill his own scope only must not keep a node busy without limit.
    pub(crate) fn take(&self, writer: WriterId, quota: Quota, length: u64, now: Timestamp) -> Result<(), OverQuota> {
        let mut ledger = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !ledger.by_writer.contains_key(&writer) && !ledger.has_room(now) {
            return Err(OverQuota);
        }
        let fresh = || Account { used: 0, until: quota.period.end(now) };
        let account = ledger.by_writer.entry(writer).or_insert_with(fresh);
        if now >= account.until {
            *account = fresh();
        }
        let used = account.used.saturating_add(length);
        if used > quota.bytes.0 {
            return Err(OverQuota);
        }
        account.used = used;
        Ok(())
    }
}

impl Ledger {
    /// Whether one more account fits; those that have ended make room for it.
    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.by_writer.len() < MAX_ACCOUNTS {
            return true;
        }
        if self.full_until.is_some_and(|until| now < until) {
            return false;
        }
        self.by_writer.retain(|_, account| now < account.until);
        self.full_until = self.by_writer.values().map(|account| account.until).min();
        self.by_writer.len() < MAX_ACCOUNTS
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Millis;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const DAY: Millis = Millis::from_minutes(24 * 60);

    fn writer(n: u128) -> WriterId {
        WriterId::from_bytes(n.to_be_bytes())
    }

    #[test]
    fn an_account_is_full_at_its_limit_and_empty_on_the_next_day() {
        let accounts = Accounts::default();
        let daily = Quota { bytes: Bytes(1000), period: Period::Day };
        let take = |length, now| accounts.take(writer(1), daily, length, now);
        assert_eq!(take(600, NOW), Ok(()));
        assert_eq!(take(401, NOW), Err(OverQuota));
        assert_eq!(take(400, NOW), Ok(()));
        assert_eq!(take(1, NOW), Err(OverQuota));
        assert_eq!(take(u64::MAX, NOW), Err(OverQuota));
        let midnight = Period::Day.end(NOW);
        assert_eq!(take(1, midnight - Millis(1)), Err(OverQuota));
        assert_eq!(take(1000, midnight), Ok(()));
        assert_eq!(take(1, midnight + Millis(1)), Err(OverQuota));
        assert_eq!(take(1, midnight + DAY), Ok(()));
    }

    #[test]
    fn accounts_are_bounded_and_make_room_when_they_end() {
        let accounts = Accounts::default();
        let quota = |until| Quota { bytes: Bytes(1000), period: Period::Until(until) };
        for n in 0..MAX_ACCOUNTS as u128 {
            assert_eq!(accounts.take(writer(n), quota(NOW + DAY), 1, NOW), Ok(()));
        }
        let one_more = writer(u128::MAX);
        assert_eq!(accounts.take(one_more, quota(NOW + DAY), 1, NOW), Err(OverQuota));
        assert_eq!(accounts.take(writer(0), quota(NOW + DAY), 999, NOW), Ok(()));
        assert_eq!(accounts.take(one_more, quota(NOW + DAY + DAY), 1, NOW + DAY), Ok(()));
        assert_eq!(accounts.0.lock().unwrap().by_writer.len(), 1);
    }
}
