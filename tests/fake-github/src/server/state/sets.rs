//! Scale sets and their message queues: what lies in them, what is delivered, and what came back as acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::Scope;

/// The most news that one message carries.
const LARGEST_MESSAGE: usize = 50;

#[derive(Debug, Clone)]
pub struct ScaleSetRecord {
    pub id: u64,
    pub scope: Scope,
    pub group: u64,
    pub name: String,
    pub labels: Vec<String>,
    pub disable_update: bool,
    pub created_on: Timestamp,
    /// What the last poll said that the set can take in all.
    pub capacity: u32,
    pub(crate) session: Option<MessageSession>,
    pub(crate) queue: MessageQueue,
}

impl ScaleSetRecord {
    pub fn has_session(&self) -> bool {
        self.session.is_some()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct MessageSession {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) last_heard: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: u64,
    /// A JSON array, as a text.
    pub(crate) body: String,
    delivered: Instant,
}

/// In which order news are put into messages, and messages delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

/// What happened, and the messages that tell it until they are acknowledged.
#[derive(Debug, Clone, Default)]
pub(crate) struct MessageQueue {
    news: VecDeque<Value>,
    unacknowledged: VecDeque<Message>,
    last_id: u64,
    last_acknowledged: Option<Message>,
}

impl MessageQueue {
    pub(crate) fn tell(&mut self, news: Value) {
        self.news.push_back(news);
    }

    /// The next message after `last`: one that was never told, or one that was not acknowledged for `redeliver_after`.
    pub(crate) fn next(
        &mut self,
        last: u64,
        order: Order,
        redeliver_after: Duration,
        now: Instant,
    ) -> Option<&Message> {
        let mut waiting = self.unacknowledged.iter().enumerate().filter(|(_, message)| message.id > last);
        let next = match order {
            Order::OldestFirst => waiting.next(),
            Order::NewestFirst => waiting.next_back(),
        };
        let mut index = next.map(|(index, _)| index);
        if index.is_none() && !self.news.is_empty() {
            index = Some(self.write(order, now));
        }
        let overdue = |message: &Message| now.saturating_duration_since(message.delivered) >= redeliver_after;
        let index = index.or_else(|| self.unacknowledged.iter().position(overdue))?;
        let message = &mut self.unacknowledged[index];
        message.delivered = now;
        Some(message)
    }

    /// Puts news into a message; its place among the unacknowledged.
    fn write(&mut self, order: Order, now: Instant) -> usize {
        let count = self.news.len().min(LARGEST_MESSAGE);
        let mut news: Vec<_> = self.news.drain(..count).collect();
        if order == Order::NewestFirst {
            news.reverse();
        }
        self.last_id += 1;
        self.unacknowledged.push_back(Message {
            id: self.last_id,
            body: Value::Array(news).to_string(),
            delivered: now,
        });
        self.unacknowledged.len() - 1
    }

    /// The message that was acknowledged last, for whoever wants to send it again.
    pub(crate) fn last_acknowledged(&self) -> Option<&Message> {
        self.last_acknowledged.as_ref()
    }

    /// Whether this message exists or did; it is not told again.
    pub(crate) fn acknowledge(&mut self, id: u64) -> bool {
        if let Some(index) = self.unacknowledged.iter().position(|message| message.id == id) {
            self.last_acknowledged = self.unacknowledged.remove(index);
        }
        (1..=self.last_id).contains(&id)
    }
}

#[derive(Debug, Default)]
pub(crate) struct ScaleSets {
    by_id: BTreeMap<u64, ScaleSetRecord>,
    last_id: u64,
}

impl ScaleSets {
    pub(crate) fn add(&mut self, make: impl FnOnce(u64) -> ScaleSetRecord) -> u64 {
        self.last_id += 1;
        self.by_id.insert(self.last_id, make(self.last_id));
        self.last_id
    }

    pub(crate) fn get(&self, id: u64) -> Option<&ScaleSetRecord> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut ScaleSetRecord> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &ScaleSetRecord> {
        self.by_id.values()
    }

    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut ScaleSetRecord> {
        self.by_id.values_mut()
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.by_id.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(2);

    fn next(queue: &mut MessageQueue, last: u64, now: Instant) -> Option<(u64, String)> {
        queue.next(last, Order::OldestFirst, LATER, now).map(|message| (message.id, message.body.clone()))
    }

    #[test]
    fn a_message_comes_again_until_it_is_acknowledged() {
        let mut queue = MessageQueue::default();
        let now = Instant::now();
        assert_eq!(next(&mut queue, 0, now), None);
        queue.tell(1.into());
        queue.tell(2.into());
        let first = (1, "[1,2]".to_owned());
        assert_eq!(next(&mut queue, 0, now), Some(first.clone()));
        assert_eq!(next(&mut queue, 1, now), None, "not yet again to whoever has seen it");
        assert_eq!(next(&mut queue, 0, now), Some(first.clone()), "to whoever has not");
        queue.tell(3.into());
        assert_eq!(next(&mut queue, 1, now), Some((2, "[3]".to_owned())));
        assert_eq!(next(&mut queue, 2, now + LATER), Some(first));
        assert!(queue.acknowledge(1) && queue.acknowledge(2));
        assert_eq!(next(&mut queue, 0, now + LATER * 2), None);
        assert!(queue.acknowledge(1), "twice is no mistake");
        assert!(!queue.acknowledge(3));
    }

    #[test]
    fn a_message_is_not_larger_than_the_service_makes_it() {
        let mut queue = MessageQueue::default();
        (0..60).for_each(|number| queue.tell(number.into()));
        let now = Instant::now();
        let mut lengths = Vec::new();
        while let Some((id, body)) = next(&mut queue, 0, now) {
            lengths.push(serde_json::from_str::<Vec<u32>>(&body).unwrap().len());
            queue.acknowledge(id);
        }
        assert_eq!(lengths, [50, 10]);
    }

    #[test]
    fn news_can_be_told_in_disorder() {
        let mut queue = MessageQueue::default();
        (0..3).for_each(|number| queue.tell(number.into()));
        let message = queue.next(0, Order::NewestFirst, LATER, Instant::now()).unwrap();
        assert_eq!(message.body, "[2,1,0]");
    }
}
