//! Pages are what is there when they are asked for, whatever is kept of the log between them; and what they cost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::task::JoinSet;

use super::*;
use crate::reads::Part;
use crate::testing::{Shed, body, plain, space};
use crate::upkeep::{Pace, compact};

/// What happens between two pages.
#[derive(Debug, Clone)]
enum Step {
    Put(u8),
    Remove(u8),
    /// Records come to lie elsewhere.
    Compact,
    /// The log is written anew.
    Merge,
    Rest,
    Page {
        after: u8,
        limit: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40u8).prop_map(Step::Put),
        2 => (0..40u8).prop_map(Step::Remove),
        1 => Just(Step::Compact),
        1 => Just(Step::Merge),
        1 => Just(Step::Rest),
        4 => (0..40u8, 1..20usize).prop_map(|(after, limit)| Step::Page { after, limit }),
    ]
}

fn text(key: u8) -> String {
    format!("k/{key:02}")
}

async fn follow(steps: Vec<Step>) {
    let shed = Shed::new().await;
    let mut model = BTreeSet::new();
    for step in steps {
        let on = Arc::clone(&shed.store);
        match step {
            Step::Put(key) => {
                shed.put(&plain(1, &text(key)), &body(u64::from(key), 50)).await.unwrap();
                shed.put(&plain(2, &text(key)), b"elsewhere").await.unwrap();
                model.insert(text(key));
            }
            Step::Remove(key) => {
                let name = plain(1, &text(key)).name();
                tokio::task::spawn_blocking(move || on.remove(name)).await.unwrap();
                model.remove(&text(key));
            }
            Step::Compact => compact(&on, Pace::Urgent, |_| true).await,
            Step::Merge => {
                let keep = move || on.book.logs.merge(|fact| on.book.learn(fact), Some);
                tokio::task::spawn_blocking(keep).await.unwrap().unwrap();
            }
            Step::Rest => on.windows.rest().await,
            Step::Page { after, limit } => {
                let after = text(after);
                let expected = model.iter().filter(|key| **key > after).take(limit).cloned().collect::<Vec<_>>();
                assert_eq!(shed.page(1, "k/", &after, limit).await, expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_page_is_what_is_there_when_it_is_asked_for(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(follow(steps));
    }
}

#[tokio::test]
async fn a_list_longer_than_a_window_is_whole_and_the_memory_bounded() {
    let shed = Shed::new().await;
    let long = "x".repeat(900);
    // More than two windows of texts.
    let count = 2 * LARGEST / 900 + 1000;
    for n in 0..count {
        shed.put(&plain(1, &format!("{long}/{n:06}")), b"").await.unwrap();
    }
    let (mut after, mut seen) = (String::new(), 0);
    loop {
        let page = shed.page(1, &long, &after, 1001).await;
        assert!(page.is_sorted());
        let Some(last) = page.last() else { break };
        seen += page.len();
        after.clone_from(last);
        let windows = shed.store.windows.0.lock().await;
        assert!(windows.iter().all(|window| window.bytes <= LARGEST) && windows.len() <= KEPT);
    }
    assert_eq!(seen, count);
    shed.store.windows.rest().await;
    shed.store.windows.rest().await;
    assert!(shed.store.windows.0.lock().await.is_empty(), "nobody looks through them any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures, which only an optimized build has"]
async fn the_pages_of_a_hundred_thousand_objects() {
    const OBJECTS: usize = 100_000;
    let shed = Arc::new(Shed::new().await);
    let address = |n: usize| plain(1, &format!("b/{}", blake3::hash(&n.to_le_bytes()).to_hex()));
    for n in 0..OBJECTS {
        shed.put(&address(n), b"x").await.unwrap();
    }
    let began = Instant::now();
    shed.store.scan(&Filter::of_space(&space(1)), |_| {}).unwrap();
    let walk = began.elapsed();
    let done = Arc::new(AtomicBool::new(false));
    let mut reader = JoinSet::new();
    let (on, until) = (Arc::clone(&shed), Arc::clone(&done));
    reader.spawn(async move {
        let mut took = Vec::new();
        while !until.load(Ordering::Relaxed) {
            let began = Instant::now();
            assert!(on.get(&address(took.len() % OBJECTS), Part::Whole).await.is_some());
            took.push(began.elapsed());
            tokio::task::yield_now().await;
        }
        took
    });
    for round in ["first", "second"] {
        let (mut after, mut seen, mut took) = ("b/".to_owned(), 0, Vec::new());
        loop {
            let began = Instant::now();
            let page = shed.page(1, "b/", &after, 1001).await;
            took.push(began.elapsed());
            seen += page.len().min(1000);
            if page.len() < 1001 {
                break;
            }
            after.clone_from(&page[999]);
        }
        assert_eq!(seen, OBJECTS);
        println!("{round} list, {} pages: {}; the whole log takes {walk:?}", took.len(), spread(&mut took));
    }
    done.store(true, Ordering::Relaxed);
    let mut reads = reader.join_next().await.unwrap().unwrap();
    println!("{} reads meanwhile: {}", reads.len(), spread(&mut reads));
}

fn spread(took: &mut [Duration]) -> String {
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    let sum: Duration = took.iter().sum();
    format!("p50 {:?}, p99 {:?}, longest {:?}, {sum:?} together", at(50), at(99), at(100))
}
