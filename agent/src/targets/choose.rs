//! The choice among snapshots of one lane. Pure.

use hearth_model::Scope;

use super::snapshot::Snapshot;

/// One snapshot that could be leased, with what decides for or against it.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub snapshot: Snapshot,
    /// Written out to the disk, or made since the machine started.
    pub is_durable: bool,
}

/// What a job starts from.
#[derive(Debug, Clone)]
pub enum Choice {
    Warm(Box<Snapshot>),
    Cold { why: String },
}

/// The newest good snapshot of the first scope that has one: own, then base, then trusted.
pub fn choose(candidates: &[Candidate], reads: &[Scope]) -> Choice {
    for scope in reads {
        let newest = candidates
            .iter()
            .filter(|c| c.is_durable && c.snapshot.scope == *scope)
            .max_by_key(|c| (c.snapshot.made_at, c.snapshot.id.clone()));
        if let Some(candidate) = newest {
            return Choice::Warm(Box::new(candidate.snapshot.clone()));
        }
    }
    let why = match candidates.first() {
        None => "no job of this lane has left a snapshot yet".to_owned(),
        Some(other) => format!(
            "snapshots exist only in scopes that this job may not read ({} and perhaps more)",
            other.snapshot.scope
        ),
    };
    Choice::Cold { why }
}

#[cfg(test)]
mod tests {
    use hearth_host::times::FileTime;
    use hearth_model::{Bytes, ExecutionId, Timestamp};

    use super::*;

    fn candidate(scope: &str, made_at: i64, is_durable: bool) -> Candidate {
        let execution = ExecutionId::new(Timestamp::from_millis(made_at));
        let snapshot = Snapshot {
            id: execution.into(),
            lane: "0123456789abcdef".parse().unwrap(),
            repository: "r".to_owned(),
            scope: scope.parse().unwrap(),
            job: "j".to_owned(),
            commit: None,
            tree: String::new(),
            lock_digest: None,
            parent: None,
            execution,
            made_at: Timestamp::from_millis(made_at),
            files: 0,
            bytes: Bytes(0),
            lease_began: FileTime(0),
            boot_id: String::new(),
            manifest_digest: String::new(),
        };
        Candidate { snapshot, is_durable }
    }

    fn check(candidates: &[Candidate], reads: &[&str], expected: Option<i64>) {
        let reads: Vec<Scope> = reads.iter().map(|s| s.parse().unwrap()).collect();
        let chosen = match choose(candidates, &reads) {
            Choice::Warm(snapshot) => Some(snapshot.made_at.as_millis()),
            Choice::Cold { .. } => None,
        };
        assert_eq!(chosen, expected);
    }

    #[test]
    fn own_scope_first_then_base_then_trusted_and_nothing_else() {
        let all = [
            candidate("trusted", 9, true),
            candidate("branch/x", 1, true),
            candidate("branch/x", 2, true),
            candidate("branch/x", 3, false),
            candidate("pr/7", 8, true),
        ];
        check(&all, &["branch/x", "trusted"], Some(2));
        check(&all, &["branch/y", "trusted"], Some(9));
        check(&all, &["trusted"], Some(9));
        check(&all, &["pr/8"], None);
        check(&[], &["trusted"], None);
    }
}
