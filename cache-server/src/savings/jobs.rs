//! What was saved and what was missed, summed up by job, by realm and by crate. Pure, and bounded.

use std::fmt;
use std::sync::Arc;

use hearth_model::{Bytes, Millis, Timestamp, WriterId};

use super::history::Why;
use super::recent::Recent;

const JOBS: usize = 2048;
const REALMS: usize = 512;
const CRATES: usize = 8192;
/// Jobs that are counted as those who stored what this one missed.
const PREDECESSORS: usize = 16;

/// What the cache has saved since the node was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavingsReport {
    /// Most saved first.
    pub realms: Vec<RealmSavings>,
    /// What cost most to compile because it was missed, first.
    pub missed: Vec<MissedCrate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealmSavings {
    /// The repository, or the group of repositories.
    pub realm: Arc<str>,
    pub hits: u64,
    pub misses: u64,
    pub bytes: Bytes,
    /// Compile time of what was hit, as it was seen when it was stored.
    pub saved: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedCrate {
    pub realm: Arc<str>,
    pub name: Box<str>,
    pub misses: u64,
    /// How long compiling it took in all.
    pub spent: Millis,
}

/// One job, or one static token's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSavings {
    pub realm: Arc<str>,
    pub hits: u64,
    pub bytes: Bytes,
    pub saved: Millis,
    pub misses: Misses,
    pub last_seen: Timestamp,
}

/// What a job did not find, and why, as far as what it then stored tells. Displayed, it is a sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Misses {
    pub all: u64,
    /// Compiling what was missed and stored took so long.
    pub spent: Millis,
    /// Crates that the realm had not stored before.
    pub new: u64,
    /// Crates that it had stored with another version, profile, target, compiler or other features.
    pub other_units: u64,
    /// Units that it had stored from other inputs: sources, dependencies, variables, directories.
    pub other_inputs: u64,
    /// Units that it had stored from the same inputs: evicted, or in a scope that the job does not read.
    pub out_of_reach: u64,
    /// Who had stored most of the units from other inputs, and how many of them.
    pub predecessor: Option<(WriterId, u64)>,
    hits: u64,
}

impl fmt::Display for Misses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, new, other_units, other_inputs, out_of_reach, .. } = self;
        let requests = all + self.hits;
        if *all == 0 {
            return write!(f, "nothing of {requests} was missed");
        }
        write!(f, "{all} of {requests} missed")?;
        let known = new + other_units + other_inputs + out_of_reach;
        let nearly_all = |part: u64| part > 0 && part * 10 >= known * 9;
        // One changed input of everything leaves no hit behind; changed sources leave most of them.
        let at_once = self.hits * 10 <= requests;
        match self.predecessor {
            _ if known == 0 => write!(f, "; none of it was stored, so nothing is known of it"),
            _ if nearly_all(*new) => write!(f, "; the cache had none of these crates"),
            _ if nearly_all(*out_of_reach) => {
                write!(f, "; it was stored before, but was evicted or lies in a scope that this job does not read")
            }
            Some((job, _)) if at_once && nearly_all(*other_inputs) => write!(
                f,
                "; all of it was stored under other keys by job {job}: an input of everything has changed, such as a \
                 CARGO_ variable or a directory"
            ),
            _ if at_once && nearly_all(*other_units) => {
                write!(f, "; all of it was stored with another compiler, profile, target or other features")
            }
            _ => write!(
                f,
                "; {other_inputs} with changed sources, dependencies or variables, {other_units} of other versions, \
                 features, profiles or compilers, {new} new, {out_of_reach} evicted or out of reach"
            ),
        }
    }
}

/// A realm and the name of a crate.
type OfCrate = (Arc<str>, Box<str>);

#[derive(Debug)]
pub(super) struct Jobs {
    writers: Recent<WriterId, Job>,
    realms: Recent<Arc<str>, Sum>,
    crates: Recent<OfCrate, (u64, Millis)>,
}

#[derive(Debug, Default)]
struct Sum {
    hits: u64,
    misses: u64,
    bytes: Bytes,
    saved: Millis,
}

#[derive(Debug)]
struct Job {
    realm: Arc<str>,
    sum: Sum,
    misses: Misses,
    predecessors: Vec<(WriterId, u64)>,
    last_seen: Timestamp,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { writers: Recent::new(JOBS), realms: Recent::new(REALMS), crates: Recent::new(CRATES) }
    }
}

impl Jobs {
    pub(super) fn hit(
        &mut self,
        writer: WriterId,
        realm: &Arc<str>,
        length: Bytes,
        cost: Option<Millis>,
        now: Timestamp,
    ) {
        let of_realm = self.realms.entry(realm, Sum::default);
        let job = Self::job_of(&mut self.writers, writer, realm, now);
        for sum in [of_realm, &mut job.sum] {
            sum.hits += 1;
            sum.bytes += length;
            sum.saved += cost.unwrap_or_default();
        }
    }

    pub(super) fn missed(&mut self, writer: WriterId, realm: &Arc<str>, now: Timestamp) {
        self.realms.entry(realm, Sum::default).misses += 1;
        Self::job_of(&mut self.writers, writer, realm, now).sum.misses += 1;
    }

    /// The job stored a unit of this crate that it had missed.
    pub(super) fn explain(
        &mut self,
        writer: WriterId,
        realm: &Arc<str>,
        name: Box<str>,
        why: Why,
        cost: Millis,
        now: Timestamp,
    ) {
        let (misses, spent) = self.crates.entry(&(Arc::clone(realm), name), Default::default);
        *misses += 1;
        *spent += cost;
        let job = Self::job_of(&mut self.writers, writer, realm, now);
        job.misses.spent += cost;
        match why {
            Why::New => job.misses.new += 1,
            Why::OtherUnit => job.misses.other_units += 1,
            Why::OutOfReach => job.misses.out_of_reach += 1,
            Why::OtherInput(by) => {
                job.misses.other_inputs += 1;
                if let Some((_, count)) = job.predecessors.iter_mut().find(|(other, _)| *other == by) {
                    *count += 1;
                } else if job.predecessors.len() < PREDECESSORS {
                    job.predecessors.push((by, 1));
                }
            }
        }
    }

    pub(super) fn job(&self, writer: WriterId) -> Option<JobSavings> {
        let job = self.writers.get(&writer)?;
        let predecessor = job.predecessors.iter().max_by_key(|(_, count)| *count).copied();
        let Sum { hits, misses: all, bytes, saved } = job.sum;
        let misses = Misses { all, predecessor, hits, ..job.misses.clone() };
        Some(JobSavings { realm: Arc::clone(&job.realm), hits, bytes, saved, misses, last_seen: job.last_seen })
    }

    pub(super) fn report(&self, top: usize) -> SavingsReport {
        let of_realm = |(realm, sum): (&Arc<str>, &Sum)| {
            let Sum { hits, misses, bytes, saved } = *sum;
            RealmSavings { realm: Arc::clone(realm), hits, misses, bytes, saved }
        };
        let of_crate = |((realm, name), (misses, spent)): (&OfCrate, &(u64, Millis))| MissedCrate {
            realm: Arc::clone(realm),
            name: name.clone(),
            misses: *misses,
            spent: *spent,
        };
        let mut realms: Vec<_> = self.realms.iter().map(of_realm).collect();
        realms.sort_unstable_by(|a, b| b.saved.cmp(&a.saved).then_with(|| a.realm.cmp(&b.realm)));
        realms.truncate(top);
        let mut missed: Vec<_> = self.crates.iter().map(of_crate).collect();
        missed
            .sort_unstable_by(|a, b| b.spent.cmp(&a.spent).then_with(|| (&a.realm, &a.name).cmp(&(&b.realm, &b.name))));
        missed.truncate(top);
        SavingsReport { realms, missed }
    }

    fn job_of<'a>(
        jobs: &'a mut Recent<WriterId, Job>,
        writer: WriterId,
        realm: &Arc<str>,
        now: Timestamp,
    ) -> &'a mut Job {
        let new = || Job {
            realm: Arc::clone(realm),
            sum: Sum::default(),
            misses: Misses::default(),
            predecessors: Vec::new(),
            last_seen: now,
        };
        let job = jobs.entry(&writer, new);
        job.last_seen = now;
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_millis(1_000_000);

    fn writer(n: u8) -> WriterId {
        WriterId::from_bytes([n; 16])
    }

    #[test]
    fn hits_are_summed_by_job_and_realm() {
        let mut jobs = Jobs::default();
        let (rocket, boat): (Arc<str>, Arc<str>) = ("rocket".into(), "boat".into());
        jobs.hit(writer(1), &rocket, Bytes(10), Some(Millis(700)), T0);
        jobs.hit(writer(1), &rocket, Bytes(5), None, T0 + Millis(5));
        jobs.hit(writer(2), &rocket, Bytes(1), Some(Millis(300)), T0);
        jobs.missed(writer(3), &boat, T0);
        let job = jobs.job(writer(1)).unwrap();
        assert_eq!((job.hits, job.bytes, job.saved, job.last_seen), (2, Bytes(15), Millis(700), T0 + Millis(5)));
        let realms = jobs.report(9).realms;
        let told: Vec<_> = realms.iter().map(|r| (&*r.realm, r.hits, r.misses, r.saved)).collect();
        assert_eq!(told, [("rocket", 3, 0, Millis(1000)), ("boat", 0, 1, Millis(0))]);
        assert_eq!(jobs.job(writer(4)), None);
    }

    #[test]
    fn the_dearest_misses_come_first() {
        let mut jobs = Jobs::default();
        let realm: Arc<str> = "rocket".into();
        for (name, cost) in [("serde", 3000), ("libc", 100), ("serde", 2000), ("syn", 4000)] {
            jobs.explain(writer(1), &realm, name.into(), Why::New, Millis(cost), T0);
        }
        let missed = jobs.report(2).missed;
        let told: Vec<_> = missed.iter().map(|m| (&*m.name, m.misses, m.spent)).collect();
        assert_eq!(told, [("serde", 2, Millis(5000)), ("syn", 1, Millis(4000))]);
    }

    #[test]
    fn a_jobs_misses_are_explained_in_a_sentence() {
        let told = |hits: u64, misses: &[Why], unexplained: u64| {
            let mut jobs = Jobs::default();
            let realm: Arc<str> = "rocket".into();
            (0..hits).for_each(|_| jobs.hit(writer(9), &realm, Bytes(1), None, T0));
            for why in misses {
                jobs.missed(writer(9), &realm, T0);
                jobs.explain(writer(9), &realm, "a".into(), *why, Millis(1), T0);
            }
            (0..unexplained).for_each(|_| jobs.missed(writer(9), &realm, T0));
            jobs.job(writer(9)).unwrap().misses.to_string()
        };
        let check = |text: String, parts: &[&str]| {
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        };
        let [one, two] = [1, 2].map(|n| Why::OtherInput(writer(n)));
        check(told(5, &[], 0), &["nothing of 5 was missed"]);
        check(told(0, &[], 3), &["3 of 3 missed", "nothing is known"]);
        check(told(0, &[Why::New; 7], 0), &["7 of 7 missed", "had none of these"]);
        check(told(0, &[one, two, one, one], 0), &["4 of 4", &writer(1).to_string(), "CARGO_"]);
        check(told(30, &[one, one], 0), &["2 of 32", "2 with changed sources"]);
        check(told(0, &[Why::OtherUnit; 3], 0), &["another compiler"]);
        check(told(9, &[Why::OutOfReach; 3], 0), &["3 of 12", "evicted"]);
        check(
            told(0, &[Why::New, one, Why::OtherUnit, Why::OutOfReach], 0),
            &["1 with", "1 of other", "1 new", "1 evicted"],
        );
    }
}
