//! Who gets which job and when it is taken away again: the service's own decisions, carried out whenever anything has
//! changed or time has passed.

use std::time::{Duration, Instant};

use super::news::News;
use super::{JobId, Phase, RanOn, Removal, RunnerRecord, ScaleSetRecord, State};
use crate::runner_protocol::{JobResult, StepResult};
use crate::server::clock::Now;
use crate::server::options::{Flow, RequestIds};

/// Why a runner may not take or keep a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotYours {
    Unknown,
    Taken,
}

/// What a runner says at the end of a job.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) result: JobResult,
    pub(crate) steps: Vec<StepResult>,
    pub(crate) log: String,
    pub(crate) summaries: Vec<String>,
}

impl State {
    /// Takes back what nobody cares for, then gives what waits.
    pub(crate) fn dispatch(&mut self, now: Now) {
        self.lose_silent_runners(now);
        self.close_idle_sessions(now.instant);
        self.take_back(now);
        self.serve_queue(now);
        let owed = |phase| matches!(phase, Phase::Assigned { .. });
        for id in self.engaged_jobs(owed) {
            let set = self.jobs.get(id).and_then(|job| job.scale_set);
            self.give_to_runner(id, set, now);
        }
    }

    /// Oldest first, and no further than there is anybody to take one.
    fn serve_queue(&mut self, now: Now) {
        let mut rooms = self.rooms();
        let free = |runner: &&RunnerRecord| runner.is_idle() && runner.scale_set.is_none();
        let mut free = self.runners.all().filter(free).count();
        if rooms.is_empty() && free == 0 {
            return;
        }
        let queued: Vec<_> = self.jobs.queued().map(|job| job.id).collect();
        for id in queued {
            if free > 0 && self.give_to_runner(id, None, now) {
                free -= 1;
            } else {
                self.offer_to_sets(id, &mut rooms, now);
            }
            if rooms.is_empty() && free == 0 {
                return;
            }
        }
    }

    fn engaged_jobs(&self, is: impl Fn(Phase) -> bool) -> Vec<JobId> {
        self.jobs.engaged().filter(|job| is(job.phase)).map(|job| job.id).collect()
    }

    fn lose_silent_runners(&mut self, now: Now) {
        let limit = self.options.lost_after;
        let silent = |heard: Instant| now.instant.saturating_duration_since(heard) >= limit;
        let lost: Vec<_> = self
            .runners
            .all()
            .filter(|runner| runner.session.as_ref().is_some_and(|session| silent(session.last_heard)))
            .map(|runner| runner.id)
            .collect();
        for id in lost {
            self.end_runner_session(id, now);
        }
    }

    /// A runner is offline from now on. Its registration stays; a job that it ran is lost, one that it was only given
    /// waits until its time is up, because nobody knows yet.
    pub(crate) fn end_runner_session(&mut self, id: u64, now: Now) {
        let Some(runner) = self.runners.get_mut(id) else { return };
        self.moves += 1;
        runner.session = None;
        let job = runner.job.take().filter(|_| std::mem::take(&mut runner.busy));
        if let Some(job) = job.and_then(|job| self.jobs.get_mut(job)) {
            job.lost = true;
            let id = job.id;
            self.finish(id, JobResult::Failed, now);
        }
    }

    fn close_idle_sessions(&mut self, now: Instant) {
        let limit = self.options.session_idle;
        let idle = |heard: Instant| now.saturating_duration_since(heard) >= limit;
        for set in self.sets.all_mut() {
            if set.session.as_ref().is_some_and(|session| idle(session.last_heard)) {
                set.session = None;
                set.capacity = 0;
                self.moves += 1;
            }
        }
    }

    /// Jobs whose set or runner did nothing in time go back into the queue, or are given up.
    fn take_back(&mut self, now: Now) {
        let limit = self.options.pickup_limit;
        let overdue = |since: Instant| now.instant.saturating_duration_since(since) >= limit;
        let late = |phase| match phase {
            Phase::Assigned { since } | Phase::Given { since } => overdue(since),
            _ => false,
        };
        for id in self.engaged_jobs(late) {
            self.moves += 1;
            self.forget_given(id);
            self.tell_set(id, News::Completed(JobResult::Canceled));
            let again = self.options.assigned_again;
            let request = match self.options.request_ids {
                RequestIds::NewEachTime => Some(self.jobs.next_request()),
                RequestIds::Kept => None,
            };
            let Some(job) = self.jobs.get_mut(id) else { continue };
            if job.assignments > again {
                // The set was told already.
                job.scale_set = None;
                self.finish(id, JobResult::Canceled, now);
                continue;
            }
            (job.scale_set, job.runner, job.assigned_at) = (None, None, None);
            job.announced.clear();
            job.request_id = request.unwrap_or(job.request_id);
            self.jobs.put(id, Phase::Queued);
        }
    }

    fn forget_given(&mut self, id: JobId) {
        for runner in self.runners.all_mut().filter(|runner| runner.job == Some(id) && !runner.busy) {
            runner.job = None;
        }
    }

    /// Gives a job to any idle runner of the set, or to any of no set that has its labels.
    fn give_to_runner(&mut self, id: JobId, set: Option<u64>, now: Now) -> bool {
        let Some(job) = self.jobs.get(id) else { return false };
        let Some(repository) = self.accounts.repository(&job.job.repository) else { return false };
        let idle = self.runners.all().filter(|runner| runner.is_idle() && runner.scale_set == set);
        let fit: Vec<_> = idle
            .filter(|runner| set.is_some() || job.matches(&runner.labels))
            .filter(|runner| self.accounts.serves(&runner.scope, runner.group, repository))
            .map(|runner| runner.id)
            .collect();
        let Some(chosen) = self.dice.choice(fit) else { return false };
        self.moves += 1;
        if let Some(runner) = self.runners.get_mut(chosen) {
            runner.job = Some(id);
        }
        self.jobs.put(id, Phase::Given { since: now.instant });
        true
    }

    /// Offers a job to the sets that may have it: to the roomiest, or to all of them when they have to ask.
    fn offer_to_sets(&mut self, id: JobId, rooms: &mut Vec<(u32, u64)>, now: Now) {
        let Some(job) = self.jobs.get(id) else { return };
        let Some(repository) = self.accounts.repository(&job.job.repository) else { return };
        let may =
            |set: &ScaleSetRecord| job.matches(&set.labels) && self.accounts.serves(&set.scope, set.group, repository);
        let fit: Vec<_> = rooms
            .iter()
            .map(|(room, set)| (*room, *set))
            .filter(|(_, set)| self.sets.get(*set).is_some_and(may))
            .collect();
        match self.options.flow {
            Flow::Assign => {
                let Some((_, chosen)) = fit.into_iter().max() else { return };
                self.assign(id, chosen, now);
                for (room, _) in rooms.iter_mut().filter(|(_, set)| *set == chosen) {
                    *room -= 1;
                }
                rooms.retain(|(room, _)| *room > 0);
            }
            Flow::Acquire => {
                for (_, set) in fit {
                    let first_time = self.jobs.get_mut(id).is_some_and(|job| job.announced.insert(set));
                    if first_time {
                        self.tell(set, id, News::Available);
                    }
                }
            }
        }
    }

    /// The sets that listen and have room, with how many more jobs each can take.
    fn rooms(&self) -> Vec<(u32, u64)> {
        let listening = self.sets.all().filter(|set| set.has_session());
        listening.map(|set| (self.room(set.id), set.id)).filter(|(room, _)| *room > 0).collect()
    }

    /// How many more jobs a set can take, by what it said itself.
    fn room(&self, set: u64) -> u32 {
        let held = self.jobs.engaged().filter(|job| job.scale_set == Some(set)).count();
        let capacity = self.sets.get(set).map_or(0, |set| set.capacity);
        capacity.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX))
    }

    fn assign(&mut self, id: JobId, set: u64, now: Now) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.scale_set = Some(set);
            job.assigned_at = Some(now.time);
            job.assignments += 1;
        }
        self.jobs.put(id, Phase::Assigned { since: now.instant });
        self.tell(set, id, News::Assigned);
    }

    /// Assigns those of these requests that are still to be had, as far as the set has room.
    pub(crate) fn acquire_for_set(&mut self, set: u64, requests: &[i64], now: Now) -> Vec<i64> {
        let wanted = |request: &i64| {
            let found = self.jobs.queued().find(|job| job.request_id == *request)?;
            found.announced.contains(&set).then_some((*request, found.id))
        };
        let wanted: Vec<_> = requests.iter().filter_map(wanted).collect();
        let room = usize::try_from(self.room(set)).unwrap_or(usize::MAX);
        let acquired: Vec<_> = wanted.into_iter().take(room).collect();
        for (_, id) in &acquired {
            self.assign(*id, set, now);
        }
        acquired.into_iter().map(|(request, _)| request).collect()
    }

    /// A runner takes the job that it was given. Only now it is busy.
    pub(crate) fn acquire(&mut self, runner: u64, id: JobId, now: Now) -> Result<(), NotYours> {
        let found = self.runners.get_mut(runner).ok_or(NotYours::Unknown)?;
        let job = self.jobs.get_mut(id).ok_or(NotYours::Unknown)?;
        if found.job != Some(id) || !matches!(job.phase, Phase::Given { .. }) {
            return Err(NotYours::Taken);
        }
        found.busy = true;
        let group_name = self.accounts.group(&found.scope, found.group).map(|group| group.name).unwrap_or_default();
        job.runner = Some(RanOn { id: found.id, name: found.name.clone(), group: found.group, group_name });
        job.runner_assigned_at = Some(now.time);
        job.acquired += 1;
        self.jobs.put(id, Phase::Running);
        self.tell_set(id, News::Started);
        Ok(())
    }

    /// A runner is done with its job, and its registration with it.
    pub(crate) fn complete(&mut self, runner: u64, id: JobId, ending: Ending, now: Now) -> Result<(), NotYours> {
        let found = self.runners.get(runner).ok_or(NotYours::Unknown)?;
        let job = self.jobs.get_mut(id).ok_or(NotYours::Unknown)?;
        if found.job != Some(id) || job.phase != Phase::Running {
            return Err(NotYours::Taken);
        }
        job.completed += 1;
        (job.steps, job.log, job.summaries) = (ending.steps, ending.log, ending.summaries);
        self.finish(id, ending.result, now);
        self.runners.remove(runner, Removal::Finished);
        Ok(())
    }

    /// Somebody cancels a job: at once when no runner has it, by its runner otherwise.
    pub(crate) fn cancel(&mut self, id: JobId, now: Now) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| !job.is_done()) else { return };
        job.cancel = true;
        if job.phase != Phase::Running {
            self.forget_given(id);
            self.finish(id, JobResult::Canceled, now);
        }
    }

    fn finish(&mut self, id: JobId, result: JobResult, now: Now) {
        self.moves += 1;
        if let Some(job) = self.jobs.get_mut(id) {
            job.finished_at = Some(now.time);
        }
        self.jobs.put(id, Phase::Done(result));
        self.tell_set(id, News::Completed(result));
    }

    /// How long until `dispatch` may have something to do though nobody calls.
    pub(crate) fn look_again_after(&self) -> Duration {
        const OFTEN: u32 = 20;
        let options = &self.options;
        let shortest = [options.pickup_limit, options.lost_after, options.session_idle, options.redeliver_after];
        let shortest = shortest.into_iter().min().unwrap_or(options.pickup_limit);
        (shortest / OFTEN).clamp(Duration::from_millis(10), Duration::from_millis(250))
    }
}
