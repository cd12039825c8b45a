//! One reading of the machine for many who ask. It is made when somebody asks and the last one is too old, by one
//! thread at a time, and nobody waits for it longer than the patience: a slow disk makes figures old, never a page slow.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

type Read<T> = dyn Fn() -> T + Send + Sync;

/// The newest reading, and how to make the next. Clones share.
pub struct Latest<T> {
    inner: Arc<Inner<T>>,
    /// Younger readings are not made again.
    age: Duration,
    patience: Duration,
}

struct Inner<T> {
    read: Box<Read<T>>,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    reading: Option<(Instant, Arc<T>)>,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Idle,
    Reading,
}

/// What somebody who asked is given.
#[derive(Debug)]
pub enum Answer<T> {
    Fresh(Arc<T>),
    /// A newer one could not be had in time.
    Old(Arc<T>),
    Nothing,
}

impl<T> Answer<T> {
    pub fn reading(self) -> Option<Arc<T>> {
        match self {
            Self::Fresh(reading) | Self::Old(reading) => Some(reading),
            Self::Nothing => None,
        }
    }
}

impl<T: Send + Sync + 'static> Latest<T> {
    pub fn new(age: Duration, patience: Duration, read: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let state = Mutex::new(State { reading: None, progress: Progress::Idle });
        Self { inner: Arc::new(Inner { read: Box::new(read), state, changed: Condvar::new() }), age, patience }
    }

    /// The reading, made anew when it is too old. Blocks for at most the patience.
    pub fn get(&self) -> Answer<T> {
        let asked_at = Instant::now();
        let mut state = self.inner.lock();
        if let Some((made_at, reading)) = &state.reading
            && made_at.elapsed() < self.age
        {
            return Answer::Fresh(Arc::clone(reading));
        }
        if state.progress == Progress::Idle && self.start() {
            state.progress = Progress::Reading;
        }
        while state.progress == Progress::Reading {
            let left = self.patience.saturating_sub(asked_at.elapsed());
            if left.is_zero() {
                break;
            }
            (state, _) = self.inner.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        match &state.reading {
            Some((made_at, reading)) if *made_at >= asked_at => Answer::Fresh(Arc::clone(reading)),
            Some((_, reading)) => Answer::Old(Arc::clone(reading)),
            None => Answer::Nothing,
        }
    }

    /// A thread of its own, and not one of the runtime's: when the disk hangs, it hangs alone.
    fn start(&self) -> bool {
        let inner = Arc::clone(&self.inner);
        let reading = move || {
            let mut end = End { inner: &inner, reading: None };
            end.reading = Some(Arc::new((inner.read)()));
        };
        let started = thread::Builder::new().name("reading".to_owned()).spawn(reading);
        started.inspect_err(|error| tracing::error!("no thread to read figures in: {error}")).is_ok()
    }
}

impl<T> Inner<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a reading, also one that panicked: those who wait must not wait for ever, and the next one is tried again.
struct End<'a, T> {
    inner: &'a Inner<T>,
    reading: Option<Arc<T>>,
}

impl<T> Drop for End<'_, T> {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        state.progress = Progress::Idle;
        if let Some(reading) = self.reading.take() {
            state.reading = Some((Instant::now(), reading));
        }
        self.inner.changed.notify_all();
    }
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), age: self.age, patience: self.patience }
    }
}

impl<T> fmt::Debug for Latest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latest").field("age", &self.age).field("patience", &self.patience).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn many_who_ask_at_once_cost_one_reading() {
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let latest = Latest::new(LONG, LONG, move || counted.fetch_add(1, Ordering::SeqCst));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert!(matches!(latest.get(), Answer::Fresh(reading) if *reading == 0)));
            }
        });
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_reading_that_is_too_old_is_made_again() {
        let count = AtomicU64::new(0);
        let latest = Latest::new(Duration::ZERO, LONG, move || count.fetch_add(1, Ordering::SeqCst));
        assert_eq!(latest.get().reading().as_deref(), Some(&0));
        assert_eq!(latest.get().reading().as_deref(), Some(&1));
    }

    /// Reads 0, 1, 2 …; from the `first` on each waits until it is let go.
    fn that_hangs(first: u64) -> (Latest<u64>, Arc<AtomicU64>, mpsc::Sender<()>) {
        let (let_go, gate) = mpsc::channel();
        let gate = Mutex::new(gate);
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let latest = Latest::new(Duration::ZERO, Duration::from_millis(20), move || {
            let n = counted.fetch_add(1, Ordering::SeqCst);
            if n >= first {
                gate.lock().unwrap().recv().unwrap();
            }
            n
        });
        (latest, count, let_go)
    }

    #[test]
    fn a_disk_that_hangs_from_the_start_gives_nothing_and_is_asked_once() {
        let (latest, count, let_go) = that_hangs(0);
        for _ in 0..3 {
            assert!(matches!(latest.get(), Answer::Nothing));
        }
        assert_eq!(count.load(Ordering::SeqCst), 1, "nobody starts a second one beside it");
        let_go.send(()).unwrap();
    }

    #[test]
    fn a_disk_that_hangs_later_gives_the_old_reading_until_it_answers() {
        let (latest, count, let_go) = that_hangs(1);
        let patient = Latest { patience: LONG, ..latest.clone() };
        assert_eq!(patient.get().reading().as_deref(), Some(&0));
        for _ in 0..3 {
            assert!(matches!(latest.get(), Answer::Old(reading) if *reading == 0));
        }
        assert_eq!(count.load(Ordering::SeqCst), 2);
        // The one under way may end before it is waited for; then the next one is.
        let_go.send(()).unwrap();
        let_go.send(()).unwrap();
        assert!(matches!(patient.get(), Answer::Fresh(reading) if *reading >= 1));
    }

    #[test]
    fn a_reading_that_panics_is_no_reading_and_the_next_one_is_tried() {
        let count = AtomicU64::new(0);
        let latest = Latest::new(LONG, LONG, move || {
            let n = count.fetch_add(1, Ordering::SeqCst);
            assert!(n > 0, "the first one fails");
            n
        });
        assert!(matches!(latest.get(), Answer::Nothing));
        assert_eq!(latest.get().reading().as_deref(), Some(&1));
    }
}
