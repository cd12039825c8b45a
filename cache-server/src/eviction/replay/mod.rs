//! Generated traces replayed against our policy and its rivals: hits, bytes and seconds of compiling saved. The parts of
//! ours that decide are those of the product.
//!
//! ```text
//! cargo test --release -p hearth-cache-server --lib -- --ignored --nocapture replay::tests::figures
//! ```

mod ours;
mod rivals;
mod trace;

use std::collections::HashSet;

use self::ours::Ours;
use self::rivals::{Gdsf, Lru, S3Fifo, Sieve};
use self::trace::{Request, trace};
use super::budgets::percent;
use super::standing::Class;

#[derive(Debug, Clone, Copy)]
struct Object {
    size: u32,
    cost_ms: u32,
    class: Class,
}

trait Policy {
    fn name(&self) -> &'static str;
    fn get(&mut self, id: u64, at: u32) -> bool;
    fn put(&mut self, id: u64, object: Object, at: u32);
    fn bytes(&self) -> u64;
    fn evict(&mut self, target: u64, at: u32);
}

/// What a policy made of a trace: parts of one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Score {
    hits: f64,
    bytes: f64,
    saved: f64,
}

/// Reads own and trusted scope, writes the own one, as a node does. All policies evict at the same marks.
fn replay(trace: &[Request], budget: u64, policy: &mut dyn Policy) -> Score {
    let (mut all, mut hit) = ([0_u64; 3], [0_u64; 3]);
    for request in trace {
        let amounts = [1, u64::from(request.size), u64::from(request.cost_ms)];
        let own = request.id_in(request.own);
        let found = policy.get(own, request.at)
            || request.own != request.repository && policy.get(request.id_in(request.repository), request.at);
        for n in 0..3 {
            all[n] += amounts[n];
            hit[n] += if found { amounts[n] } else { 0 };
        }
        if found {
            continue;
        }
        let class = if request.own == request.repository { Class::Trusted } else { Class::PullRequest };
        policy.put(own, Object { size: request.size, cost_ms: request.cost_ms, class }, request.at);
        if policy.bytes() > percent(budget, 95) {
            policy.evict(percent(budget, 85), request.at);
        }
    }
    let [hits, bytes, saved] = [0, 1, 2].map(|n| hit[n] as f64 / all[n] as f64);
    Score { hits, bytes, saved }
}

/// What the trace would fill without any eviction.
fn footprint(trace: &[Request]) -> u64 {
    let mut seen = HashSet::new();
    trace.iter().filter(|request| seen.insert(request.id_in(request.own))).map(|request| u64::from(request.size)).sum()
}

fn policies(budget: u64) -> [Box<dyn Policy>; 5] {
    [
        Box::new(Lru::default()),
        Box::new(Sieve::default()),
        Box::new(S3Fifo::default()),
        Box::new(Gdsf::default()),
        Box::new(Ours::new(budget)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Budgets in thousandths of the footprint. With the roomy ones nearly everything that is ever read again fits, and
    /// policies differ by what the share of pull requests and the marks leave unused.
    const TIGHT: [u64; 3] = [6, 12, 24];
    const ROOMY: [u64; 2] = [36, 80];

    #[test]
    fn ours_is_at_least_as_good_as_lru_on_traces_it_was_not_chosen_on() {
        const ROUNDING: f64 = 0.001;
        for seed in 1001..=1003 {
            let trace = trace(seed, 2, 10);
            for thousandths in TIGHT.into_iter().chain(ROOMY) {
                let budget = footprint(&trace) / 1000 * thousandths;
                let lru = replay(&trace, budget, &mut Lru::default());
                let ours = replay(&trace, budget, &mut Ours::new(budget));
                let told = format!("seed {seed}, {thousandths} of 1000: {ours:?} against {lru:?}");
                let least = if TIGHT.contains(&thousandths) { 0.0 } else { -ROUNDING };
                assert!(ours.saved - lru.saved >= least && ours.hits - lru.hits >= least, "{told}");
            }
        }
    }

    #[test]
    fn a_trace_looks_like_the_builds_that_were_measured() {
        let trace = trace(7, 3, 7);
        let mut seen = HashSet::new();
        let mut sizes: Vec<u32> = trace.iter().filter(|r| seen.insert(r.key)).map(|r| r.size).collect();
        sizes.sort_unstable();
        let at = |thousandth: usize| sizes[sizes.len() * thousandth / 1000];
        assert!((60_000..400_000).contains(&at(500)), "half are below {}", at(500));
        assert!((800_000..3_000_000).contains(&at(900)), "nine tenths are below {}", at(900));
        assert!(trace.is_sorted_by_key(|request| request.at));
        let again = super::trace::trace(7, 3, 7);
        assert!(trace.iter().zip(&again).all(|(a, b)| (a.at, a.key, a.size) == (b.at, b.key, b.size)));
    }

    #[test]
    #[ignore = "figures for docs/performance.md; takes minutes without --release"]
    fn figures() {
        let seeds = 2001..=2010;
        println!(
            "thousandths  policy      hits    bytes   seconds saved   (means of {} traces)",
            seeds.clone().count()
        );
        let traces: Vec<_> = seeds.map(|seed| trace(seed, 2 + u32::try_from(seed % 4).unwrap(), 21)).collect();
        for thousandths in TIGHT.into_iter().chain(ROOMY) {
            let mut sums = policies(0).map(|policy| (policy.name(), [0.0; 3], f64::INFINITY));
            for trace in &traces {
                let budget = footprint(trace) / 1000 * thousandths;
                let mut lru = None;
                for (policy, (_, sum, least)) in policies(budget).iter_mut().zip(&mut sums) {
                    let score = replay(trace, budget, policy.as_mut());
                    let lru = *lru.get_or_insert(score.saved);
                    *least = least.min(score.saved - lru);
                    for (sum, one) in sum.iter_mut().zip([score.hits, score.bytes, score.saved]) {
                        *sum += 100.0 * one / traces.len() as f64;
                    }
                }
            }
            for (name, [hits, bytes, saved], least) in sums {
                let least = 100.0 * least;
                println!(
                    "{thousandths:11}  {name:8} {hits:6.2} % {bytes:6.2} % {saved:6.2} %   worst against LRU {least:+.2}"
                );
            }
        }
    }
}
