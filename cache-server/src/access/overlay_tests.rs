//! The rules of the overlay, over jobs of every kind: who sees whose objects, and that nobody of a lower class changes
//! what a trusted job reads. The expectations are written from the facts of the jobs, not from their scopes.

use std::collections::HashMap;

use hearth_model::{Event, ExecutionId, Forge, JobFacts, Millis, Ref, RunFacts, Scope, Timestamp, WorkTree};
use hearth_trust::{Claims, Class, classify};
use proptest::prelude::*;

use super::{Caller, Groups};
use crate::keys::{ObjectKey, ObjectName};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The first two share what they trust.
const REPOSITORIES: [&str; 3] = ["h/acme/one", "h/acme/two", "h/else/three"];

fn groups() -> Groups {
    let shared = [REPOSITORIES[0].to_owned(), REPOSITORIES[1].to_owned()];
    Groups::new([("acme", shared.as_slice())]).unwrap()
}

fn share_what_they_trust(one: &JobFacts, other: &JobFacts) -> bool {
    one.repository == other.repository || (one.repository != REPOSITORIES[2] && other.repository != REPOSITORIES[2])
}

fn caller(facts: &JobFacts) -> Caller {
    let trust = classify(facts);
    let claims = Claims {
        execution: ExecutionId::new(NOW),
        repository: facts.repository.clone(),
        reads: trust.reads,
        writes: trust.writes,
        expires_at: NOW + Millis::from_minutes(1),
        quota: None,
        class: trust.class,
        run: None,
    };
    Caller::job(claims, &groups())
}

fn facts() -> impl Strategy<Value = JobFacts> {
    let event = prop::sample::select(vec![
        "push",
        "local",
        "pull_request",
        "pull_request_target",
        "release",
        "merge_group",
        "workflow_run",
    ]);
    let reference = prop::sample::select(vec![
        "refs/heads/main",
        "refs/heads/next",
        "refs/heads/fix",
        "refs/heads/trusted",
        "refs/heads/pr/7",
        "refs/pull/7/merge",
        "refs/pull/8/merge",
        "refs/tags/v1",
        "HEAD",
    ]);
    let base = prop::option::of(prop::sample::select(vec!["main", "next", "trusted"]));
    let repository = prop::sample::select(REPOSITORIES.to_vec());
    (event, reference, base, repository, any::<bool>()).prop_map(|(event, reference, base, repository, from_fork)| {
        JobFacts {
            forge: Forge::Local,
            repository: repository.to_owned(),
            event: Event::from(event.to_owned()),
            reference: Ref::from(reference.to_owned()),
            base_branch: base.map(str::to_owned),
            default_branch: "main".to_owned(),
            from_fork,
            commit: None,
            work_tree: WorkTree::Clean,
            lock_digest: None,
            workflow: None,
            job: "test".to_owned(),
            actor: None,
            platform: "x86_64-unknown-linux-gnu".to_owned(),
            run: RunFacts::default(),
        }
    })
}

/// Whether what `writer` stores may be seen by `reader`, in the words of the rules.
fn may_see(reader: &JobFacts, writer: &JobFacts) -> bool {
    let has_base = matches!(classify(reader).class, Class::Branch | Class::PullRequest | Class::ForkPullRequest);
    let is_base = |branch: &str| has_base && reader.base_branch.as_deref() == Some(branch);
    let same_repository = reader.repository == writer.repository;
    match (classify(writer).class, &writer.reference) {
        (Class::Trusted, _) => share_what_they_trust(reader, writer),
        (Class::Branch, Ref::Branch(branch)) => {
            let same_branch = classify(reader).class == Class::Branch && reader.reference == writer.reference;
            same_repository && (same_branch || is_base(branch))
        }
        // A detached checkout is seen by detached checkouts only.
        (Class::Branch, _) => {
            same_repository && classify(reader).class == Class::Branch && reader.reference == writer.reference
        }
        (Class::PullRequest | Class::ForkPullRequest, _) => {
            let reads_its_own = matches!(classify(reader).class, Class::PullRequest | Class::ForkPullRequest);
            same_repository && reads_its_own && reader.reference == writer.reference
        }
        (Class::Release | Class::Unknown, _) => false,
    }
}

fn key(n: u8) -> ObjectKey {
    ObjectKey::new(&format!("k/{n}")).unwrap()
}

/// What a node does with objects, without the node: the first writer of a name wins, and a removal frees it.
#[derive(Default)]
struct Model(HashMap<ObjectName, usize>);

impl Model {
    fn put(&mut self, by: &Caller, key: &ObjectKey, what: usize) {
        if let Some(address) = by.writable(key) {
            self.0.entry(address.name()).or_insert(what);
        }
    }

    fn remove(&mut self, by: &Caller, key: &ObjectKey) {
        if let Some(name) = by.removable(key) {
            self.0.remove(&name);
        }
    }

    fn get(&self, by: &Caller, key: &ObjectKey) -> Option<usize> {
        by.readable(key).iter().find_map(|name| self.0.get(name)).copied()
    }
}

#[derive(Debug, Clone)]
enum Act {
    Put,
    Remove,
}

/// Only these may change what a trusted job reads.
fn is_trusted(facts: &JobFacts) -> bool {
    classify(facts).class == Class::Trusted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn an_object_is_seen_by_exactly_those_who_may(reader in facts(), writer in facts()) {
        let mut model = Model::default();
        model.put(&caller(&writer), &key(0), 1);
        let seen = model.get(&caller(&reader), &key(0)).is_some();
        prop_assert_eq!(seen, may_see(&reader, &writer), "{:?} reads, {:?} wrote", reader, writer);
    }

    #[test]
    fn the_nearest_scope_wins_and_the_own_one_is_nearest(facts in facts()) {
        let caller = caller(&facts);
        let scopes: Vec<&Scope> = caller.reads().iter().map(|space| &space.scope).collect();
        if let Some(own) = caller.writes() {
            prop_assert_eq!(caller.reads().first(), Some(own));
        }
        let is_trusted = |scope: &&Scope| **scope == Scope::Trusted;
        let first_trusted = scopes.iter().position(is_trusted).unwrap_or(scopes.len());
        prop_assert!(scopes[first_trusted..].iter().all(is_trusted), "{:?}", scopes);
    }

    #[test]
    fn nobody_of_a_lower_class_changes_what_a_trusted_job_or_a_release_reads(
        acts in prop::collection::vec((facts(), 0..3_u8, prop_oneof![4 => Just(Act::Put), 1 => Just(Act::Remove)]), 0..40),
        repository in prop::sample::select(REPOSITORIES.to_vec()),
        class in prop::sample::select(vec![("push", "refs/heads/main"), ("release", "refs/tags/v1")]),
        some in facts(),
    ) {
        let (mut all, mut trusted_only) = (Model::default(), Model::default());
        for (n, (facts, on, act)) in acts.iter().enumerate() {
            let by = caller(facts);
            for model in [Some(&mut all), is_trusted(facts).then_some(&mut trusted_only)].into_iter().flatten() {
                match act {
                    Act::Put => model.put(&by, &key(*on), n),
                    Act::Remove => model.remove(&by, &key(*on)),
                }
            }
        }
        let (event, reference) = (Event::from(class.0.to_owned()), Ref::from(class.1.to_owned()));
        let reader = JobFacts { repository: repository.to_owned(), event, reference, from_fork: false, ..some };
        let reader = caller(&reader);
        for n in 0..3 {
            prop_assert_eq!(all.get(&reader, &key(n)), trusted_only.get(&reader, &key(n)));
        }
    }
}
