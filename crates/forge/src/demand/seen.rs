//! What the caller's journal holds already. Messages come again until they are acknowledged, and news may come again in
//! another message. Nothing counts as seen before the caller has acknowledged it.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::mem::{Discriminant, discriminant};

use super::{JobNews, JobTimes};
use crate::ids::{MessageId, RequestId};

/// More than a busy day of one machine; a repetition comes within minutes.
const NEWS_LIMIT: usize = 8_192;
const MESSAGES_LIMIT: usize = 1_024;

/// The same news has the same times; a job that is assigned again has another.
type Key = (RequestId, Discriminant<JobNews>, JobTimes);

#[derive(Debug)]
pub(super) struct Seen {
    messages: Recent<MessageId>,
    news: Recent<Key>,
    /// Handed out and not acknowledged.
    delivered: Option<(MessageId, Vec<Key>)>,
    last: Option<MessageId>,
}

impl Default for Seen {
    fn default() -> Self {
        let (messages, news) = (Recent::new(MESSAGES_LIMIT), Recent::new(NEWS_LIMIT));
        Self { messages, news, delivered: None, last: None }
    }
}

impl Seen {
    pub(super) fn has(&self, message: MessageId) -> bool {
        self.messages.has(&message)
    }

    /// Hands a message out: the news that are new, and how many are not.
    pub(super) fn deliver(&mut self, message: MessageId, jobs: Vec<JobNews>) -> (Vec<JobNews>, usize) {
        let before = jobs.len();
        let mut keys = HashSet::new();
        let fresh = |news: &JobNews| !self.news.has(&key(news)) && keys.insert(key(news));
        let jobs: Vec<JobNews> = jobs.into_iter().filter(fresh).collect();
        self.delivered = Some((message, jobs.iter().map(key).collect()));
        let repeated = before - jobs.len();
        (jobs, repeated)
    }

    /// The caller's journal holds this message.
    pub(super) fn acknowledged(&mut self, message: MessageId) {
        if let Some((_, keys)) = self.delivered.take_if(|(delivered, _)| *delivered == message) {
            for key in keys {
                self.news.add(key);
            }
        }
        self.messages.add(message);
        self.last = self.last.max(Some(message));
    }

    /// The newest message that was acknowledged in this session.
    pub(super) fn last(&self) -> Option<MessageId> {
        self.last
    }

    /// A new session may number its messages anew. News stay known.
    pub(super) fn new_session(&mut self) {
        self.messages = Recent::new(MESSAGES_LIMIT);
        self.delivered = None;
        self.last = None;
    }
}

fn key(news: &JobNews) -> Key {
    (news.job().request, discriminant(news), news.job().times)
}

/// A set that forgets what was added first.
#[derive(Debug)]
struct Recent<T> {
    set: HashSet<T>,
    order: VecDeque<T>,
    limit: usize,
}

impl<T: Copy + Eq + Hash> Recent<T> {
    fn new(limit: usize) -> Self {
        Self { set: HashSet::new(), order: VecDeque::new(), limit }
    }

    fn has(&self, item: &T) -> bool {
        self.set.contains(item)
    }

    fn add(&mut self, item: T) {
        if self.set.insert(item) {
            self.order.push_back(item);
        }
        while self.order.len() > self.limit {
            let Some(oldest) = self.order.pop_front() else { break };
            self.set.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Timestamp;

    use super::super::tests::job;
    use super::*;

    fn assigned(request: i64, at: i64) -> JobNews {
        let mut job = job(request);
        job.times.assigned = Some(Timestamp::from_millis(at));
        JobNews::Assigned { job }
    }

    fn deliver(seen: &mut Seen, message: i64, jobs: &[JobNews]) -> (usize, usize) {
        let (fresh, repeated) = seen.deliver(MessageId(message), jobs.to_vec());
        (fresh.len(), repeated)
    }

    #[test]
    fn what_was_not_acknowledged_is_told_again() {
        let mut seen = Seen::default();
        let news = [assigned(1, 10), assigned(2, 10)];
        assert_eq!(deliver(&mut seen, 5, &news), (2, 0));
        assert_eq!(deliver(&mut seen, 5, &news), (2, 0));
        assert!(!seen.has(MessageId(5)) && seen.last().is_none());
        seen.acknowledged(MessageId(5));
        assert!(seen.has(MessageId(5)) && seen.last() == Some(MessageId(5)));
        assert_eq!(deliver(&mut seen, 6, &news), (0, 2));
    }

    #[test]
    fn news_are_told_once_however_often_they_stand_in_a_message() {
        assert_eq!(deliver(&mut Seen::default(), 1, &[assigned(1, 10), assigned(1, 10)]), (1, 1));
    }

    #[test]
    fn a_job_that_is_assigned_again_is_news() {
        let mut seen = Seen::default();
        deliver(&mut seen, 1, &[assigned(1, 10)]);
        seen.acknowledged(MessageId(1));
        assert_eq!(deliver(&mut seen, 2, &[assigned(1, 70), JobNews::Available { job: job(1) }]), (2, 0));
    }

    #[test]
    fn a_new_session_may_number_its_messages_anew() {
        let mut seen = Seen::default();
        deliver(&mut seen, 9, &[assigned(1, 10)]);
        seen.acknowledged(MessageId(9));
        seen.new_session();
        assert!(!seen.has(MessageId(9)) && seen.last().is_none());
        assert_eq!(deliver(&mut seen, 9, &[assigned(1, 10)]), (0, 1));
    }

    #[test]
    fn messages_out_of_order_do_not_turn_the_last_one_back() {
        let mut seen = Seen::default();
        seen.acknowledged(MessageId(4));
        seen.acknowledged(MessageId(3));
        assert_eq!(seen.last(), Some(MessageId(4)));
        assert!(seen.has(MessageId(3)));
    }

    #[test]
    fn the_memory_of_news_is_bounded() {
        let mut recent = Recent::new(3);
        (0..10).for_each(|n| recent.add(n));
        recent.add(9);
        assert_eq!((recent.set.len(), recent.order.len()), (3, 3));
        assert!(recent.has(&7) && !recent.has(&6));
    }
}
