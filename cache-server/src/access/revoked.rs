//! What was taken back: a token, a job, a scope, everything of a stretch of time. Two questions are asked of it: whether
//! somebody is still let in, and whether an object may stay. Pure; the file is read and replaced by [`super::files`].

use std::collections::HashSet;
use std::sync::Arc;

use hearth_model::{ExecutionId, Millis, Scope, Timestamp, WriterId};
use hearth_trust::TokenId;
use serde::{Deserialize, Serialize};

use super::book::RealmPattern;
use super::caller::{Caller, Who};
use crate::keys::Space;

/// More revocations at a time are refused.
const MAX_REVOCATIONS: usize = 10_000;

/// Older ones are forgotten when a new one is written down: no job token lives that long, and what they condemned is gone.
const REMEMBERED: Millis = Millis::from_minutes(90 * 24 * 60);

const HEADER: &str = "# What this cache node has taken back. `hearth-cache-server token revoke` writes this file.\n\
                      # Times are milliseconds since 1970.\n\n";

/// What becomes of the objects that a revoked token has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objects {
    Remove,
    Keep,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Revoked {
    /// A static token.
    Token { id: TokenId, objects: Objects },
    /// A job: its token is refused, and what it stored goes.
    Job { execution: ExecutionId },
    /// A scope: what was stored there until now goes, and jobs that began before may not write it any more.
    Scope { realm: String, scope: Scope },
    /// What was stored from one instant until another, wherever the pattern covers. Nobody is shut out.
    Stored { realms: RealmPattern, from: Timestamp, until: Timestamp },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    pub at: Timestamp,
    pub what: Revoked,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    #[error("there are more than 10000 revocations of the last 90 days")]
    TooMany,
    #[error("a stretch of time ends after it begins, and this one does not")]
    NoTime,
    #[error("the revocations are not in the form that this version writes")]
    Form(#[source] Box<toml::de::Error>),
}

/// What is known of an object that may have to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) space: &'a Space,
    pub(crate) writer: WriterId,
    pub(crate) at: Timestamp,
}

/// All that was taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revocations {
    all: Vec<Revocation>,
    jobs: HashSet<ExecutionId>,
    /// Writers of whom nothing stays.
    condemned: HashSet<WriterId>,
    scopes: Vec<(Space, Timestamp)>,
    times: Vec<(RealmPattern, Timestamp, Timestamp)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevocationsFile {
    #[serde(default, rename = "revoked")]
    all: Vec<Revocation>,
}

impl Revocations {
    pub fn parse(text: &str) -> Result<Self, RevocationError> {
        let file: RevocationsFile = toml::from_str(text).map_err(|cause| RevocationError::Form(Box::new(cause)))?;
        let mut read = Self::default();
        for revocation in file.all {
            read.note(revocation)?;
        }
        Ok(read)
    }

    pub fn to_text(&self) -> String {
        let file = RevocationsFile { all: self.all.clone() };
        let all = toml::to_string(&file).expect("a revocation holds texts and numbers");
        format!("{HEADER}{all}")
    }

    /// The same with one more, and without those that are too old to matter.
    pub fn with(&self, revocation: Revocation) -> Result<Self, RevocationError> {
        let oldest = revocation.at - REMEMBERED;
        let mut next = Self::default();
        for kept in self.all.iter().filter(|kept| kept.at >= oldest) {
            next.note(kept.clone())?;
        }
        next.note(revocation)?;
        Ok(next)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Revocation> {
        self.all.iter()
    }

    fn note(&mut self, revocation: Revocation) -> Result<(), RevocationError> {
        if self.all.len() >= MAX_REVOCATIONS {
            return Err(RevocationError::TooMany);
        }
        match &revocation.what {
            Revoked::Token { id, objects: Objects::Remove } => {
                self.condemned.insert((*id).into());
            }
            Revoked::Token { objects: Objects::Keep, .. } => {}
            Revoked::Job { execution } => {
                self.jobs.insert(*execution);
                self.condemned.insert((*execution).into());
            }
            Revoked::Scope { realm, scope } => {
                let space = Space { realm: Arc::from(realm.as_str()), scope: scope.clone() };
                self.scopes.push((space, revocation.at));
            }
            Revoked::Stored { realms, from, until } => {
                if from >= until {
                    return Err(RevocationError::NoTime);
                }
                self.times.push((realms.clone(), *from, *until));
            }
        }
        self.all.push(revocation);
        Ok(())
    }

    /// Whether the caller is still let in. A static token that was revoked is not in the book any more.
    pub(super) fn admits(&self, caller: &Caller) -> bool {
        let Who::Job { execution, .. } = &caller.who else { return true };
        let began_before = |at: Timestamp| execution.made_at().is_none_or(|made| made <= at);
        let lost = |(space, at): &(Space, Timestamp)| caller.writes() == Some(space) && began_before(*at);
        !self.jobs.contains(execution) && !self.scopes.iter().any(lost)
    }

    /// Whether any object may have to go.
    pub(super) fn condemns_any(&self) -> bool {
        !(self.condemned.is_empty() && self.scopes.is_empty() && self.times.is_empty())
    }

    /// Whether an object that lies there has to go.
    pub(crate) fn condemns(&self, stored: Stored<'_>) -> bool {
        self.condemned.contains(&stored.writer)
            || self.scopes.iter().any(|(space, at)| space == stored.space && stored.at <= *at)
            || self
                .times
                .iter()
                .any(|(realms, from, until)| (*from..*until).contains(&stored.at) && realms.covers(&stored.space.realm))
    }
}

#[cfg(test)]
mod tests {
    use hearth_trust::{Claims, Class};

    use super::*;
    use crate::access::Groups;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const REALM: &str = "h/acme/rocket";

    fn job(execution: ExecutionId, own: &Scope) -> Caller {
        let claims = Claims {
            execution,
            repository: REALM.to_owned(),
            reads: vec![own.clone(), Scope::Trusted],
            writes: Some(own.clone()),
            expires_at: NOW + Millis::from_minutes(60),
            quota: None,
            class: Class::PullRequest,
            run: None,
        };
        Caller::job(claims, &Groups::default())
    }

    fn revoked(what: Revoked) -> Revocations {
        Revocations::default().with(Revocation { at: NOW, what }).unwrap()
    }

    fn condemns(revocations: &Revocations, realm: &str, scope: Scope, writer: WriterId, at: Timestamp) -> bool {
        revocations.condemns(Stored { space: &Space { realm: realm.into(), scope }, writer, at })
    }

    #[test]
    fn a_revoked_job_is_shut_out_and_nothing_of_it_stays() {
        let [bad, good] = [ExecutionId::new(NOW), ExecutionId::new(NOW)];
        let revocations = revoked(Revoked::Job { execution: bad });
        assert!(!revocations.admits(&job(bad, &Scope::PullRequest(7))));
        assert!(revocations.admits(&job(good, &Scope::PullRequest(7))));
        for scope in [Scope::PullRequest(7), Scope::Trusted] {
            assert!(condemns(&revocations, REALM, scope.clone(), bad.into(), NOW + Millis(1)));
            assert!(!condemns(&revocations, REALM, scope, good.into(), NOW));
        }
    }

    #[test]
    fn a_revoked_scope_is_emptied_and_begins_anew() {
        let scope = Scope::PullRequest(7);
        let revocations = revoked(Revoked::Scope { realm: REALM.to_owned(), scope: scope.clone() });
        let [running, later] = [NOW, NOW + Millis(1)].map(ExecutionId::new);
        assert!(!revocations.admits(&job(running, &scope)));
        assert!(revocations.admits(&job(running, &Scope::PullRequest(8))));
        assert!(revocations.admits(&job(later, &scope)));
        assert!(condemns(&revocations, REALM, scope.clone(), running.into(), NOW));
        assert!(!condemns(&revocations, REALM, scope.clone(), later.into(), NOW + Millis(1)));
        assert!(!condemns(&revocations, "h/acme/other", scope, running.into(), NOW));
        assert!(!condemns(&revocations, REALM, Scope::Trusted, running.into(), NOW));
    }

    #[test]
    fn a_stretch_of_time_takes_objects_and_shuts_nobody_out() {
        let realms: RealmPattern = "h/acme/*".parse().unwrap();
        let revocations = revoked(Revoked::Stored { realms, from: NOW, until: NOW + Millis(10) });
        let job_then = ExecutionId::new(NOW);
        assert!(revocations.admits(&job(job_then, &Scope::Trusted)));
        for (realm, at, expected) in [
            (REALM, NOW - Millis(1), false),
            (REALM, NOW, true),
            (REALM, NOW + Millis(9), true),
            (REALM, NOW + Millis(10), false),
            ("h/other/rocket", NOW, false),
        ] {
            assert_eq!(condemns(&revocations, realm, Scope::Trusted, job_then.into(), at), expected, "{realm} {at:?}");
        }
        let nothing = Revoked::Stored { realms: "*".parse().unwrap(), from: NOW, until: NOW };
        let refused = Revocations::default().with(Revocation { at: NOW, what: nothing });
        assert_eq!(refused, Err(RevocationError::NoTime));
    }

    #[test]
    fn a_token_may_go_and_leave_its_objects() {
        let id = TokenId::new(NOW);
        for (objects, expected) in [(Objects::Remove, true), (Objects::Keep, false)] {
            let revocations = revoked(Revoked::Token { id, objects });
            assert_eq!(condemns(&revocations, REALM, Scope::Trusted, id.into(), NOW), expected);
        }
    }

    #[test]
    fn revocations_survive_their_text_and_old_ones_are_forgotten() {
        let all = [
            Revoked::Token { id: TokenId::new(NOW), objects: Objects::Keep },
            Revoked::Job { execution: ExecutionId::new(NOW) },
            Revoked::Scope { realm: REALM.to_owned(), scope: Scope::Branch("x y".to_owned()) },
            Revoked::Stored { realms: "*".parse().unwrap(), from: NOW, until: NOW + Millis(1) },
        ];
        let mut revocations = Revocations::default();
        for what in all.clone() {
            revocations = revocations.with(Revocation { at: NOW, what }).unwrap();
        }
        assert_eq!(Revocations::parse(&revocations.to_text()), Ok(revocations.clone()));
        assert_eq!(Revocations::parse(""), Ok(Revocations::default()));
        for wrong in ["[[revoked]]\nat = 1\n", "[[revoked]]\nat = 1\nwhat = { kind = \"world\" }\n", "x = 1"] {
            assert!(matches!(Revocations::parse(wrong), Err(RevocationError::Form(_))), "{wrong}");
        }
        let later = Revocation { at: NOW + REMEMBERED + Millis(1), what: all[1].clone() };
        assert_eq!(revocations.with(later).unwrap().iter().count(), 1);
    }
}
