//! What the node's operator allows each kind of caller, where the credential says nothing of its own. Can be changed while
//! the node runs. Pure.

use hearth_model::Bytes;
use hearth_trust::Class;

use super::book::Rate;
use super::caller::{Caller, Who};
use super::quota::{Period, Quota};

/// What one caller of a kind may do; `None` for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Requests.
    pub rate: Option<Rate>,
    /// Bytes of objects, read and written, in each second of a longer while.
    pub bytes_per_second: Option<Bytes>,
    /// What a job may store, or the owner of a static token in a day. `None` leaves that to the token.
    pub quota: Option<Bytes>,
}

/// By kind of caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowances {
    pub trusted: Allowance,
    pub branches: Allowance,
    pub pull_requests: Allowance,
    pub forks: Allowance,
    /// Jobs that store nothing for others: tags, releases, events without a rule.
    pub others: Allowance,
    /// Each static token.
    pub tokens: Allowance,
}

impl Allowances {
    fn of(&self, who: &Who) -> Allowance {
        match who {
            Who::Job { class: Class::Trusted, .. } => self.trusted,
            Who::Job { class: Class::Branch, .. } => self.branches,
            Who::Job { class: Class::PullRequest, .. } => self.pull_requests,
            Who::Job { class: Class::ForkPullRequest, .. } => self.forks,
            Who::Job { class: Class::Release | Class::Unknown, .. } => self.others,
            Who::Token { .. } => self.tokens,
        }
    }

    /// The caller with what he is allowed here. A static token's own limits were made for it and win; what a job's token
    /// says is only what is usual where it was made.
    pub(super) fn apply(&self, mut caller: Caller) -> Caller {
        let Allowance { rate, bytes_per_second, quota } = self.of(&caller.who);
        caller.rate = caller.rate.or(rate);
        caller.bytes_per_second = bytes_per_second;
        caller.quota = match (&caller.who, caller.expires_at) {
            (Who::Job { .. }, Some(end)) => {
                quota.map(|bytes| Quota { bytes, period: Period::Until(end) }).or(caller.quota)
            }
            _ => caller.quota.or(quota.map(|bytes| Quota { bytes, period: Period::Day })),
        };
        caller
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{ExecutionId, Millis, Timestamp};
    use hearth_trust::Claims;

    use super::*;
    use crate::access::Groups;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn job(class: Class) -> Caller {
        let claims = Claims {
            execution: ExecutionId::new(NOW),
            repository: "h/acme/rocket".to_owned(),
            reads: Vec::new(),
            writes: None,
            expires_at: NOW + Millis::from_minutes(60),
            quota: class.quota(),
            class,
            run: None,
        };
        Caller::job(claims, &Groups::default())
    }

    #[test]
    fn each_class_has_its_own_and_the_operator_decides_about_jobs() {
        let only = |n| Allowance { bytes_per_second: Some(Bytes(n)), ..Allowance::default() };
        let all = Allowances {
            trusted: only(1),
            branches: only(2),
            pull_requests: only(3),
            forks: Allowance { quota: Some(Bytes(77)), rate: Some(Rate { per_second: 5, burst: 6 }), ..only(4) },
            others: only(5),
            tokens: only(6),
        };
        let of = |class| all.apply(job(class));
        let classes = [Class::Trusted, Class::Branch, Class::PullRequest, Class::ForkPullRequest, Class::Release];
        assert_eq!(classes.map(|class| of(class).bytes_per_second.map(|bytes| bytes.0)), [1, 2, 3, 4, 5].map(Some));
        let fork = of(Class::ForkPullRequest);
        assert_eq!((fork.quota.map(|quota| quota.bytes), fork.rate.map(|rate| rate.burst)), (Some(Bytes(77)), Some(6)));
        assert_eq!(of(Class::Trusted).quota, None);
        let usual = job(Class::ForkPullRequest);
        assert_eq!(Allowances::default().apply(usual.clone()), usual, "nothing said leaves what the token says");
    }
}
