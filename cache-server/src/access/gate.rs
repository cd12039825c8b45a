//! The gate: from what a request shows to the caller that it is, or to nobody. It looks into lists that may change at
//! any time; a change is seen within a second, and by requests only (one that is under way is asked about again when
//! its object is stored, see [`Gate::admits`]).

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use hearth_model::{Timestamp, WriterId};
use hearth_trust::{Claims, Signer, StaticToken, TokenError, inner_token};
use tracing::{error, info};
use zeroize::Zeroizing;

use super::allowances::Allowances;
use super::caller::{Caller, Who};
use super::files::{AccessError, AccessFiles, Lists, Stamp};
use super::groups::Groups;
use super::revoked::Stored;
use crate::keys::Space;

/// Why a request comes from nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// No credential, or a text that is none.
    Nobody,
    /// Not made with this node's key, or with another secret.
    Forged,
    Expired,
    Revoked,
}

/// Whether the lists are others than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reloaded {
    Same,
    Changed,
}

#[derive(Debug)]
pub(crate) struct Gate {
    signer: Signer,
    groups: Groups,
    files: AccessFiles,
    lists: RwLock<Current>,
    allowances: RwLock<Allowances>,
    /// Counts the changes of the lists and of what is allowed.
    edition: AtomicU64,
}

#[derive(Debug, Clone)]
struct Current {
    lists: Arc<Lists>,
    stamp: Stamp,
}

impl Gate {
    /// Blocks. Lists that cannot be read let nobody guess what they said: the node does not open.
    pub(crate) fn open(
        root: &Path,
        signer: Signer,
        groups: Groups,
        allowances: Allowances,
    ) -> Result<Self, AccessError> {
        let files = AccessFiles::of(root);
        // The stamp first: what changes between the two is read once more.
        let stamp = files.stamp();
        let lists = Arc::new(files.read()?);
        let (lists, allowances) = (RwLock::new(Current { lists, stamp }), RwLock::new(allowances));
        Ok(Self { signer, groups, files, lists, allowances, edition: AtomicU64::new(0) })
    }

    /// What callers may do from now on.
    pub(crate) fn allow(&self, allowances: Allowances) {
        *self.allowances.write().unwrap_or_else(PoisonError::into_inner) = allowances;
        self.edition.fetch_add(1, Ordering::Release);
    }

    /// Looks whether the lists have changed. Those that cannot be read leave the old ones in force. Blocks.
    pub(crate) fn reload(&self) -> Reloaded {
        let stamp = self.files.stamp();
        if stamp == self.current().stamp {
            return Reloaded::Same;
        }
        let before = self.lists();
        let lists = match self.files.read() {
            Ok(lists) => {
                let (tokens, revocations) = (lists.book.iter().count(), lists.revoked.iter().count());
                info!(cache.tokens = tokens, cache.revocations = revocations, "the access lists have changed");
                Arc::new(lists)
            }
            Err(error) => {
                error!(error = &error as &dyn std::error::Error, "the access lists stay as they were");
                before
            }
        };
        *self.lists.write().unwrap_or_else(PoisonError::into_inner) = Current { lists, stamp };
        // After the lists: whoever sees the new number sees them too.
        self.edition.fetch_add(1, Ordering::Release);
        Reloaded::Changed
    }

    /// Which edition of the lists is in force. A caller who was let in under another one has to show himself again.
    pub(crate) fn edition(&self) -> u64 {
        self.edition.load(Ordering::Acquire)
    }

    pub(crate) fn lists(&self) -> Arc<Lists> {
        self.current().lists
    }

    fn current(&self) -> Current {
        self.lists.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What signs the addresses that callers are handed out.
    pub(crate) fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Whether an object that comes from elsewhere was revoked.
    pub(crate) fn condemns(&self, space: &Space, writer: WriterId, at: Timestamp) -> bool {
        self.lists().revoked.condemns(Stored { space, writer, at })
    }

    /// Who shows this text: a job token, bare or in its coat, or a static token.
    pub(crate) fn admit(&self, shown: &str, now: Timestamp) -> Result<Caller, Refusal> {
        let caller = match StaticToken::parse(shown) {
            Some(token) => {
                let lists = self.lists();
                let kept = lists.book.find(&token).ok_or(Refusal::Forged)?;
                Caller::token(kept, &self.groups)
            }
            None => match inner_token(shown) {
                Some(inner) => self.job(inner.expose(), now)?,
                None => self.job(shown, now)?,
            },
        };
        self.let_in(caller, now)
    }

    /// Who has the access key id, and the secret key that he signs with. A static token's is its id alone, so whoever
    /// uses this must check that the request was signed with the secret.
    pub(crate) fn admit_s3(&self, key_id: &str, now: Timestamp) -> Result<(Caller, Zeroizing<String>), Refusal> {
        let caller = match key_id.parse() {
            Ok(id) => {
                let lists = self.lists();
                let kept = lists.book.get(id).ok_or(Refusal::Forged)?;
                Caller::token(kept, &self.groups)
            }
            Err(_) => self.job(key_id, now)?,
        };
        Ok((self.let_in(caller, now)?, self.signer.s3_secret(key_id)))
    }

    /// Whether a caller that was let in would still be.
    pub(crate) fn admits(&self, caller: &Caller) -> bool {
        let lists = self.lists();
        let is_kept = match &caller.who {
            Who::Job { .. } => true,
            Who::Token { id, .. } => lists.book.get(*id).is_some(),
        };
        is_kept && lists.revoked.admits(caller)
    }

    /// A job whose claims somebody vouches for.
    pub(crate) fn admit_claims(&self, claims: Claims, now: Timestamp) -> Result<Caller, Refusal> {
        self.let_in(Caller::job(claims, &self.groups), now)
    }

    fn job(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        match self.signer.verify(token, now) {
            Ok(claims) => Ok(Caller::job(claims, &self.groups)),
            Err(TokenError::Malformed) => Err(Refusal::Nobody),
            Err(TokenError::Forged) => Err(Refusal::Forged),
            Err(TokenError::Expired) => Err(Refusal::Expired),
        }
    }

    fn let_in(&self, caller: Caller, now: Timestamp) -> Result<Caller, Refusal> {
        if !caller.is_good(now) {
            Err(Refusal::Expired)
        } else if !self.admits(&caller) {
            Err(Refusal::Revoked)
        } else {
            Ok(self.allowances.read().unwrap_or_else(PoisonError::into_inner).apply(caller))
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{Bytes, ExecutionId, Millis, Scope};
    use hearth_trust::{Class, RuntimeToken, TokenId};
    use tempfile::TempDir;

    use super::*;
    use crate::access::Allowance;
    use crate::access::book::{Kind, StoredToken};
    use crate::access::revoked::{Objects, Revocation, Revoked};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR: Millis = Millis::from_minutes(60);

    fn signer() -> Signer {
        Signer::from_key([7; 32])
    }

    fn claims() -> Claims {
        Claims {
            execution: ExecutionId::new(NOW),
            repository: "h/acme/rocket".to_owned(),
            reads: vec![Scope::PullRequest(7), Scope::Trusted],
            writes: Some(Scope::PullRequest(7)),
            expires_at: NOW + HOUR,
            quota: Some(Bytes(1000)),
            class: Class::PullRequest,
            run: Some(42),
        }
    }

    struct World {
        dir: TempDir,
        files: AccessFiles,
        gate: Gate,
        token: StaticToken,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let files = AccessFiles::of(dir.path());
            let token = StaticToken::new(TokenId::new(NOW), [1; 32]);
            let kept = StoredToken {
                id: token.id(),
                name: "another CI".to_owned(),
                kind: Kind::Machine,
                hash: token.hash(),
                rights: Kind::Machine.usual_rights(),
                realms: vec!["h/acme/rocket".parse().unwrap()],
                reads: vec![Scope::Trusted],
                writes: Some(Scope::Trusted),
                daily_quota: None,
                created_at: NOW,
                expires_at: Some(NOW + HOUR),
                rate: None,
            };
            let add = |lists: &mut Lists| lists.book.add(kept).map_err(|_| AccessError::Busy { path: "-".into() });
            files.change(add).unwrap();
            let gate = Gate::open(dir.path(), signer(), Groups::default(), Allowances::default()).unwrap();
            Self { dir, files, gate, token }
        }

        fn revoke(&self, what: Revoked) {
            let change = |lists: &mut Lists| -> Result<(), AccessError> {
                lists.revoked = lists.revoked.with(Revocation { at: NOW, what }).unwrap();
                Ok(())
            };
            self.files.change(change).unwrap();
            assert_eq!(self.gate.reload(), Reloaded::Changed);
        }
    }

    #[test]
    fn a_job_is_the_same_caller_bare_in_its_coat_and_through_s3() {
        let world = World::new();
        let claims = claims();
        let token = signer().sign(&claims);
        let coat = RuntimeToken::around(&token, &claims, NOW);
        let expected = Caller::job(claims.clone(), &Groups::default());
        assert_eq!(world.gate.admit(token.expose(), NOW), Ok(expected.clone()));
        assert_eq!(world.gate.admit(coat.expose(), NOW), Ok(expected.clone()));
        let (caller, secret) = world.gate.admit_s3(token.expose(), NOW).unwrap();
        assert_eq!((caller, secret), (expected, signer().s3_secret(token.expose())));
        for shown in [token.expose(), coat.expose()] {
            assert_eq!(world.gate.admit(shown, claims.expires_at), Err(Refusal::Expired));
        }
    }

    #[test]
    fn a_static_token_is_known_by_its_secret_and_its_s3_key_by_its_id() {
        let world = World::new();
        let (shown, id) = (world.token.expose(), world.token.id().to_string());
        let caller = world.gate.admit(&shown, NOW).unwrap();
        assert_eq!(caller.writes().map(ToString::to_string).as_deref(), Some("h/acme/rocket trusted"));
        assert_eq!(world.gate.admit_s3(&id, NOW).unwrap(), (caller, signer().s3_secret(&id)));
        assert_eq!(world.gate.admit(&shown, NOW + HOUR), Err(Refusal::Expired));
        let guessed = StaticToken::new(world.token.id(), [2; 32]);
        assert_eq!(world.gate.admit(&guessed.expose(), NOW), Err(Refusal::Forged));
        // The id is no secret, so by itself it is nobody.
        assert_eq!(world.gate.admit(&id, NOW), Err(Refusal::Nobody));
        let unknown = TokenId::new(NOW).to_string();
        assert_eq!(world.gate.admit_s3(&unknown, NOW), Err(Refusal::Forged));
    }

    #[test]
    fn what_is_allowed_is_changed_for_everybody_at_once() {
        let world = World::new();
        let token = signer().sign(&claims());
        let before = world.gate.edition();
        let limited = Allowance { quota: Some(Bytes(5)), ..Allowance::default() };
        world.gate.allow(Allowances { pull_requests: limited, tokens: limited, ..Allowances::default() });
        assert_ne!(world.gate.edition(), before, "who was let in before shows himself again");
        let quota = |caller: Caller| caller.quota.map(|quota| quota.bytes);
        assert_eq!(quota(world.gate.admit(token.expose(), NOW).unwrap()), Some(Bytes(5)));
        assert_eq!(quota(world.gate.admit_s3(token.expose(), NOW).unwrap().0), Some(Bytes(5)));
        assert_eq!(quota(world.gate.admit_claims(claims(), NOW).unwrap()), Some(Bytes(5)));
        assert_eq!(quota(world.gate.admit(&world.token.expose(), NOW).unwrap()), Some(Bytes(5)));
    }

    #[test]
    fn texts_that_are_no_tokens_are_nobody() {
        let world = World::new();
        let stranger = Signer::from_key([8; 32]).sign(&claims());
        assert_eq!(world.gate.admit(stranger.expose(), NOW), Err(Refusal::Forged));
        for shown in ["", "x", "hs1.", "hj1..", "a.b.c", "AKIAIOSFODNN7EXAMPLE"] {
            assert_eq!(world.gate.admit(shown, NOW), Err(Refusal::Nobody), "{shown}");
            assert_eq!(world.gate.admit_s3(shown, NOW).map(drop), Err(Refusal::Nobody), "{shown}");
        }
    }

    #[test]
    fn who_was_revoked_is_shut_out_everywhere_from_then_on() {
        let world = World::new();
        let claims = claims();
        let token = signer().sign(&claims);
        let caller = world.gate.admit(token.expose(), NOW).unwrap();
        assert!(world.gate.admits(&caller));
        world.revoke(Revoked::Job { execution: claims.execution });
        assert_eq!(world.gate.admit(token.expose(), NOW), Err(Refusal::Revoked));
        assert_eq!(world.gate.admit_s3(token.expose(), NOW).map(drop), Err(Refusal::Revoked));
        assert!(!world.gate.admits(&caller));
    }

    #[test]
    fn a_static_token_that_is_taken_out_of_the_book_is_forged() {
        let world = World::new();
        let caller = world.gate.admit(&world.token.expose(), NOW).unwrap();
        let take_out = |lists: &mut Lists| -> Result<(), AccessError> {
            lists.book.remove(world.token.id()).unwrap();
            let what = Revoked::Token { id: world.token.id(), objects: Objects::Keep };
            lists.revoked = lists.revoked.with(Revocation { at: NOW, what }).unwrap();
            Ok(())
        };
        world.files.change(take_out).unwrap();
        assert_eq!(world.gate.reload(), Reloaded::Changed);
        assert_eq!(world.gate.admit(&world.token.expose(), NOW), Err(Refusal::Forged));
        assert!(!world.gate.admits(&caller));
    }

    #[test]
    fn lists_that_break_leave_the_old_ones_in_force_and_do_not_open_a_node() {
        let world = World::new();
        let claims = claims();
        world.revoke(Revoked::Job { execution: claims.execution });
        std::fs::write(world.dir.path().join("access/revoked.toml"), "what?").unwrap();
        world.gate.reload();
        assert_eq!(world.gate.admit(signer().sign(&claims).expose(), NOW), Err(Refusal::Revoked));
        assert_eq!(world.gate.reload(), Reloaded::Same);
        let opened = Gate::open(world.dir.path(), signer(), Groups::default(), Allowances::default());
        assert!(matches!(opened, Err(AccessError::Revocations { .. })));
    }
}
