//! What one object is to eviction: whose it is, when it was used, how often, what it cost, and so what it is worth.
//! Knows neither its name nor where it lies. Pure.

use hearth_model::{Millis, Scope, Timestamp};

use crate::keys::Address;

/// Uses closer together than this are one: they are requests of one build.
const ONE_BUILD: Millis = Millis::from_minutes(1);
/// Counting further would let what the last compiler made outlive its time.
const MAX_USES: u8 = 7;
/// An object weighs at least this: its place in the index and in a file system's block is not free.
const MIN_WEIGHT: f32 = 4096.0;
/// Compile time of a byte for objects of which nobody has seen how long they took: the mean of measured debug builds.
const USUAL_MS_PER_BYTE: f32 = 0.000_8;
const HOUR_MS: f32 = 60.0 * 60.0 * 1000.0;

/// Who can have written an object, and so whose room it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Trusted,
    Branch,
    PullRequest,
    /// An entry of GitHub's cache service that no pull request wrote.
    Cache,
    /// What one run's jobs hand to each other.
    Artifact,
}

impl Class {
    pub(crate) const ALL: [Self; 5] = [Self::Trusted, Self::Branch, Self::PullRequest, Self::Cache, Self::Artifact];
    pub(crate) const COUNT: usize = Self::ALL.len();

    pub(crate) fn of(address: &Address) -> Self {
        match &address.space.scope {
            Scope::Run(_) => Self::Artifact,
            Scope::PullRequest(_) => Self::PullRequest,
            Scope::Trusted | Scope::Branch(_) if address.key.is_reserved() => Self::Cache,
            Scope::Trusted => Self::Trusted,
            Scope::Branch(_) => Self::Branch,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Branch => "branch",
            Self::PullRequest => "pull_request",
            Self::Cache => "cache",
            Self::Artifact => "artifact",
        }
    }

    /// How much an object counts beside one of the default branch that is used alike: what a pull request stores is
    /// read by nobody else.
    fn weight(self) -> f32 {
        match self {
            Self::PullRequest => 0.5,
            Self::Trusted | Self::Branch | Self::Cache | Self::Artifact => 1.0,
        }
    }
}

/// Whether eviction may take an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pin {
    Pinned,
    Free,
}

/// What the index keeps of an object for eviction, as it is at the moment of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) class: Class,
    pub(crate) stored: Timestamp,
    /// The last use; storing it was one.
    pub(crate) used: Timestamp,
    /// Builds that read it, as far as [`counts`] has counted.
    pub(crate) uses: u8,
    /// How long it took to make; `None` when nobody has seen that.
    pub(crate) cost: Option<Millis>,
    pub(crate) pin: Pin,
}

/// What a counter of uses says after one more, `since` the last one.
pub(crate) fn counts(uses: u8, since: Millis) -> u8 {
    if since >= ONE_BUILD { uses.saturating_add(1).min(MAX_USES) } else { uses }
}

impl Standing {
    /// For how long nobody has used it.
    pub(crate) fn idle(self, now: Timestamp) -> Millis {
        now.since(self.used)
    }

    /// Seconds of compiling that the next read is likely to save for each byte, as far as that can be guessed: what
    /// was read often and lately will be again. The power of three came out best of one to four on generated traces:
    /// what a build has left behind is of no use to anybody, however dear it was, and a whole build is left at once.
    pub(crate) fn worth(self, size: u64, now: Timestamp) -> f32 {
        /// All jobs of a push are over by then.
        const GRACE_HOURS: f32 = 4.0;
        let size = (size as f32).max(MIN_WEIGHT);
        let per_byte = self.cost.map_or(USUAL_MS_PER_BYTE, |cost| cost.0.max(1) as f32 / size);
        let uses = 1.0 + f32::from(self.uses);
        let idle_hours = self.idle(now).0 as f32 / HOUR_MS;
        per_byte * uses * self.class.weight() / (idle_hours + GRACE_HOURS).powi(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{ObjectKey, Reserved, Space};

    const T0: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR: Millis = Millis::from_minutes(60);

    #[test]
    fn a_class_is_known_by_scope_and_key() {
        let class = |key, scope| {
            let space = Space { realm: "github.com/acme/rocket".into(), scope };
            Class::of(&Address { space, key })
        };
        let plain = || ObjectKey::new("a/b").unwrap();
        let reserved = |below| ObjectKey::reserved(below, "x").unwrap();
        assert_eq!(class(plain(), Scope::Trusted), Class::Trusted);
        assert_eq!(class(plain(), Scope::Branch("next".to_owned())), Class::Branch);
        assert_eq!(class(plain(), Scope::PullRequest(1)), Class::PullRequest);
        assert_eq!(class(reserved(Reserved::Caches), Scope::Trusted), Class::Cache);
        assert_eq!(class(reserved(Reserved::Caches), Scope::PullRequest(1)), Class::PullRequest);
        assert_eq!(class(reserved(Reserved::Artifacts), Scope::Run(1)), Class::Artifact);
    }

    #[test]
    fn an_object_is_worth_more_when_used_often_lately_and_dear() {
        let standing = |class, cost, uses| {
            let cost = Some(Millis(cost));
            Standing { class, stored: T0, used: T0, uses, cost, pin: Pin::Free }
        };
        let now = T0 + HOUR;
        let worth = |standing: Standing, size: u64| standing.worth(size, now);
        let plain = worth(standing(Class::Trusted, 1000, 0), 100_000);
        assert!(plain < worth(standing(Class::Trusted, 2000, 0), 100_000), "dearer");
        assert!(plain > worth(standing(Class::Trusted, 1000, 0), 200_000), "bigger");
        assert!(plain < worth(standing(Class::Trusted, 1000, 1), 100_000), "used");
        assert!(plain > worth(standing(Class::PullRequest, 1000, 0), 100_000), "read by nobody else");
        assert!(plain > standing(Class::Trusted, 1000, 0).worth(100_000, now + HOUR), "idle");
        // However dear and often used: after a week it goes before a plain one of today.
        assert!(plain > standing(Class::Trusted, 30_000, MAX_USES).worth(100_000, now + Millis(HOUR.0 * 24 * 7)));
        for odd in [standing(Class::Trusted, 0, 0), standing(Class::Trusted, u64::MAX, MAX_USES)] {
            let worth = [worth(odd, 0), worth(odd, u64::MAX), odd.worth(0, Timestamp::from_millis(i64::MAX))];
            assert!(worth.iter().all(|worth| worth.is_finite() && *worth >= 0.0), "{worth:?}");
        }
    }

    #[test]
    fn requests_of_one_build_are_one_use() {
        assert_eq!(counts(0, Millis::from_secs(59)), 0);
        assert_eq!(counts(0, Millis::from_secs(60)), 1);
        assert_eq!(counts(MAX_USES, HOUR), MAX_USES);
    }
}
