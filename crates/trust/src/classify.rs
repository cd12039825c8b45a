//! From the facts of a job to the scopes it may read and the one it may write.
//!
//! | what runs | reads, in this order | writes |
//! | --- | --- | --- |
//! | push, schedule, dispatch, merge queue or a person, on the default branch | trusted | trusted |
//! | the same on another branch | own branch, base branch, trusted | own branch |
//! | pull request | own number, base branch, trusted | own number |
//! | tag, release | trusted | nothing |
//! | everything else, and every contradiction in the facts | trusted | nothing |
//!
//! The rules must never let anything but the default branch write `trusted`, and never let `trusted` read anything
//! else: a release that reads what a pull request wrote is the accident that all of this exists to prevent.

use std::fmt;

use hearth_model::{Bytes, Event, JobFacts, Ref, Scope};
use serde::{Deserialize, Serialize};

/// A detached checkout's scope. Git refuses this name for a branch, and so do we ([`branch_scope`]).
const DETACHED: &str = "HEAD";

/// How far a job is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The default branch.
    Trusted,
    /// Another branch of the same repository.
    Branch,
    /// A pull request from the same repository.
    PullRequest,
    /// A pull request from another repository: its scope expires and has a quota.
    ForkPullRequest,
    /// A tag or a release: nothing that it reads may come from an unprotected place.
    Release,
    /// An event without a rule, or facts that contradict each other.
    Unknown,
}

impl Class {
    /// How much one job may store; `None` leaves it to the node.
    pub fn quota(self) -> Option<Bytes> {
        match self {
            Self::ForkPullRequest => Some(FORK_QUOTA),
            Self::Trusted | Self::Branch | Self::PullRequest | Self::Release | Self::Unknown => None,
        }
    }

    /// The name that stands in logs, records and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Branch => "branch",
            Self::PullRequest => "pull_request",
            Self::ForkPullRequest => "fork_pull_request",
            Self::Release => "release",
            Self::Unknown => "unknown",
        }
    }
}

/// What a job for a fork's pull request may store: several builds of a big workspace, and no more, because anybody can
/// open one.
const FORK_QUOTA: Bytes = Bytes::gib(2);

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was decided about one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    pub class: Class,
    /// Scopes to look in, nearest first: own, base, trusted. No scope stands here twice.
    pub reads: Vec<Scope>,
    /// The one scope that may be written; it is always among `reads`.
    pub writes: Option<Scope>,
}

/// Decides what a job may read and write. Total: facts that make no sense read `trusted` and write nothing.
pub fn classify(facts: &JobFacts) -> Trust {
    match (&facts.event, &facts.reference) {
        (Event::Release, _) => reader(Class::Release),
        (Event::PullRequest, Ref::PullRequest(number)) => {
            let class = if facts.from_fork { Class::ForkPullRequest } else { Class::PullRequest };
            writer(class, Scope::PullRequest(*number), facts)
        }
        (Event::PullRequest | Event::PullRequestTarget | Event::Other(_), _) => reader(Class::Unknown),
        // From here on: a push, a timer, a person or the merge queue. Only a pull request can come from a fork, so a
        // fork's branch `main` that claims to be a push is not believed.
        (_, _) if facts.from_fork => reader(Class::Unknown),
        (_, Ref::Tag(_)) => reader(Class::Release),
        (_, Ref::Branch(name)) => match branch_scope(name, facts) {
            Some(Scope::Trusted) => {
                Trust { class: Class::Trusted, reads: vec![Scope::Trusted], writes: Some(Scope::Trusted) }
            }
            Some(own) => writer(Class::Branch, own, facts),
            None => reader(Class::Unknown),
        },
        (Event::Local, Ref::Other(name)) if name == DETACHED => {
            writer(Class::Branch, Scope::Branch(DETACHED.to_owned()), facts)
        }
        (_, Ref::PullRequest(_) | Ref::Other(_)) => reader(Class::Unknown),
    }
}

/// The scope of a branch; the default branch's is `trusted`. `None` for names that git refuses: the empty one, one
/// with a zero byte (no scope can be spelled with it), and `HEAD` (a detached checkout's scope).
fn branch_scope(name: &str, facts: &JobFacts) -> Option<Scope> {
    if name.is_empty() || name.contains('\0') || name == DETACHED {
        None
    } else if name == facts.default_branch {
        Some(Scope::Trusted)
    } else {
        Some(Scope::Branch(name.to_owned()))
    }
}

fn reader(class: Class) -> Trust {
    Trust { class, reads: vec![Scope::Trusted], writes: None }
}

fn writer(class: Class, own: Scope, facts: &JobFacts) -> Trust {
    let mut reads = vec![own.clone()];
    let base = facts.base_branch.as_deref().and_then(|name| branch_scope(name, facts));
    for scope in base.into_iter().chain([Scope::Trusted]) {
        if !reads.contains(&scope) {
            reads.push(scope);
        }
    }
    Trust { class, reads, writes: Some(own) }
}

#[cfg(test)]
mod tests {
    use hearth_model::{Forge, RunFacts, WorkTree};
    use proptest::prelude::*;

    use super::*;

    fn job(event: &str, reference: &str) -> JobFacts {
        JobFacts {
            forge: Forge::Local,
            repository: "github.com/acme/rocket".to_owned(),
            event: Event::from(event.to_owned()),
            reference: Ref::from(reference.to_owned()),
            base_branch: None,
            default_branch: "main".to_owned(),
            from_fork: false,
            commit: None,
            work_tree: WorkTree::Clean,
            lock_digest: None,
            workflow: None,
            job: "test".to_owned(),
            actor: None,
            platform: "x86_64-unknown-linux-gnu".to_owned(),
            run: RunFacts::default(),
        }
    }

    fn onto(base: &str, facts: JobFacts) -> JobFacts {
        JobFacts { base_branch: Some(base.to_owned()), ..facts }
    }

    fn forked(facts: JobFacts) -> JobFacts {
        JobFacts { from_fork: true, ..facts }
    }

    #[track_caller]
    fn check(facts: &JobFacts, class: Class, reads: &[&str], writes: Option<&str>) {
        let expected = Trust {
            class,
            reads: reads.iter().map(|s| s.parse().unwrap()).collect(),
            writes: writes.map(|s| s.parse().unwrap()),
        };
        assert_eq!(classify(facts), expected, "{} on {}, base {:?}", facts.event, facts.reference, facts.base_branch);
    }

    const OWN_BRANCH_EVENTS: [&str; 5] = ["push", "schedule", "workflow_dispatch", "merge_group", "local"];

    #[test]
    fn the_default_branch_reads_and_writes_trusted_only() {
        for event in OWN_BRANCH_EVENTS {
            let facts = job(event, "refs/heads/main");
            check(&facts, Class::Trusted, &["trusted"], Some("trusted"));
            check(&onto("release/2", facts), Class::Trusted, &["trusted"], Some("trusted"));
        }
    }

    #[test]
    fn another_branch_writes_its_own_scope() {
        for event in OWN_BRANCH_EVENTS {
            let facts = job(event, "refs/heads/fix/it");
            check(&facts, Class::Branch, &["branch/fix/it", "trusted"], Some("branch/fix/it"));
            check(&onto("main", facts.clone()), Class::Branch, &["branch/fix/it", "trusted"], Some("branch/fix/it"));
            check(&onto("fix/it", facts.clone()), Class::Branch, &["branch/fix/it", "trusted"], Some("branch/fix/it"));
            let reads = ["branch/fix/it", "branch/next", "trusted"];
            check(&onto("next", facts), Class::Branch, &reads, Some("branch/fix/it"));
        }
    }

    #[test]
    fn a_branch_named_like_a_scope_is_only_a_branch() {
        let facts = job("push", "refs/heads/trusted");
        check(&facts, Class::Branch, &["branch/trusted", "trusted"], Some("branch/trusted"));
        let facts = job("push", "refs/heads/pr/7");
        check(&facts, Class::Branch, &["branch/pr/7", "trusted"], Some("branch/pr/7"));
    }

    #[test]
    fn a_pull_request_writes_its_own_number() {
        let facts = job("pull_request", "refs/pull/7/merge");
        for (base, reads) in [("main", vec!["pr/7", "trusted"]), ("next", vec!["pr/7", "branch/next", "trusted"])] {
            let facts = onto(base, facts.clone());
            check(&facts, Class::PullRequest, &reads, Some("pr/7"));
            assert_eq!(classify(&facts).class.quota(), None);
            assert_eq!(classify(&forked(facts.clone())).class.quota(), Some(FORK_QUOTA));
            check(&forked(facts), Class::ForkPullRequest, &reads, Some("pr/7"));
        }
        check(&facts, Class::PullRequest, &["pr/7", "trusted"], Some("pr/7"));
    }

    #[test]
    fn tags_and_releases_read_trusted_and_write_nothing() {
        for event in ["push", "workflow_dispatch", "release", "local"] {
            check(&job(event, "refs/tags/v1"), Class::Release, &["trusted"], None);
        }
        check(&job("release", "refs/heads/main"), Class::Release, &["trusted"], None);
    }

    #[test]
    fn events_without_a_rule_write_nothing() {
        for event in ["pull_request_target", "issue_comment", "workflow_run", "pull_request "] {
            for reference in ["refs/heads/main", "refs/pull/7/merge", "refs/tags/v1", "HEAD"] {
                check(&job(event, reference), Class::Unknown, &["trusted"], None);
            }
        }
        for reference in ["refs/heads/main", "refs/heads/x", "refs/tags/v1", "HEAD"] {
            check(&job("pull_request", reference), Class::Unknown, &["trusted"], None);
        }
        for reference in ["refs/pull/7/merge", "refs/notes/x"] {
            check(&job("push", reference), Class::Unknown, &["trusted"], None);
        }
    }

    #[test]
    fn a_forks_main_is_never_main() {
        for event in OWN_BRANCH_EVENTS {
            check(&forked(job(event, "refs/heads/main")), Class::Unknown, &["trusted"], None);
        }
        check(&forked(job("pull_request", "refs/heads/main")), Class::Unknown, &["trusted"], None);
    }

    #[test]
    fn a_detached_checkout_has_a_scope_that_no_branch_can_have() {
        check(&job("local", "HEAD"), Class::Branch, &["branch/HEAD", "trusted"], Some("branch/HEAD"));
        check(&job("push", "HEAD"), Class::Unknown, &["trusted"], None);
        check(&job("push", "refs/heads/HEAD"), Class::Unknown, &["trusted"], None);
        let facts = onto("HEAD", job("push", "refs/heads/x"));
        check(&facts, Class::Branch, &["branch/x", "trusted"], Some("branch/x"));
    }

    #[test]
    fn a_nameless_default_branch_trusts_nobody() {
        let mut facts = job("push", "refs/heads/x");
        facts.reference = Ref::Branch(String::new());
        facts.default_branch = String::new();
        check(&facts, Class::Unknown, &["trusted"], None);
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("main".to_owned()),
            Just("next".to_owned()),
            Just("HEAD".to_owned()),
            Just(String::new()),
            "\\PC{0,12}",
            Just("a\0b".to_owned()),
        ]
    }

    fn facts() -> impl Strategy<Value = JobFacts> {
        let event = prop::sample::select(vec![
            "local",
            "push",
            "schedule",
            "workflow_dispatch",
            "merge_group",
            "pull_request",
            "pull_request_target",
            "release",
            "issue_comment",
        ]);
        let reference = prop_oneof![
            name().prop_map(Ref::Branch),
            name().prop_map(Ref::Tag),
            any::<u64>().prop_map(Ref::PullRequest),
            name().prop_map(Ref::Other),
        ];
        (event, reference, prop::option::of(name()), name(), any::<bool>()).prop_map(
            |(event, reference, base_branch, default_branch, from_fork)| JobFacts {
                reference,
                base_branch,
                default_branch,
                from_fork,
                ..job(event, "HEAD")
            },
        )
    }

    proptest! {
        #[test]
        fn trusted_never_reads_another_scope(facts in facts()) {
            let trust = classify(&facts);
            if trust.class == Class::Trusted || trust.writes == Some(Scope::Trusted) {
                prop_assert_eq!(trust.reads, vec![Scope::Trusted]);
            }
        }

        #[test]
        fn only_the_default_branch_writes_trusted(facts in facts()) {
            let trust = classify(&facts);
            prop_assert_eq!(trust.writes == Some(Scope::Trusted), trust.class == Class::Trusted);
            if trust.class == Class::Trusted {
                prop_assert_eq!(&facts.reference, &Ref::Branch(facts.default_branch.clone()));
                prop_assert!(!facts.from_fork);
            }
        }

        #[test]
        fn what_is_written_can_be_read_first_and_trusted_last(facts in facts()) {
            let trust = classify(&facts);
            if trust.writes.is_some() {
                prop_assert_eq!(trust.reads.first(), trust.writes.as_ref());
            }
            prop_assert_eq!(trust.reads.last(), Some(&Scope::Trusted));
            let mut unique = trust.reads.clone();
            unique.sort();
            unique.dedup();
            prop_assert_eq!(unique.len(), trust.reads.len());
        }

        #[test]
        fn every_scope_survives_its_name(facts in facts()) {
            for scope in classify(&facts).reads {
                prop_assert_eq!(scope.to_string().parse::<Scope>(), Ok(scope));
            }
        }
    }
}
