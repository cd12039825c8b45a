//! Every request, by dialect, operation and outcome, and how long its answer took. A request is counted when it begins
//! and when it ends, whichever way it does, so what is under way is the difference.

use std::time::{Duration, Instant};

use hearth_model::Clock;
use hyper::{Method, Request, StatusCode};

use super::histogram::{ANSWERS, Histogram};
use super::slowest::{SlowRequest, Slowest};
use crate::counts::Count;
use crate::http::router::Dialect;

/// What a request wants, as far as its method tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Head,
    Put,
    Delete,
    /// Calls, lists of collections, and whatever else a dialect has.
    Other,
}

impl Operation {
    pub(crate) const ALL: [Self; 5] = [Self::Get, Self::Head, Self::Put, Self::Delete, Self::Other];

    fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::PUT => Self::Put,
            Method::DELETE => Self::Delete,
            _ => Self::Other,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Other => "other",
        }
    }
}

/// How a request ended, as its client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// There is no such thing.
    Absent,
    /// Who asked may not.
    Refused,
    /// What was asked is not possible or makes no sense.
    Rejected,
    /// It is our fault: no room, too slow.
    Failed,
    /// The client was gone before it was answered.
    BrokenOff,
}

impl Outcome {
    pub(crate) const ALL: [Self; 6] =
        [Self::Done, Self::Absent, Self::Refused, Self::Rejected, Self::Failed, Self::BrokenOff];

    fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            404 => Self::Absent,
            401 | 403 => Self::Refused,
            400..500 => Self::Rejected,
            500.. => Self::Failed,
            _ => Self::Done,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::BrokenOff => "broken_off",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Requests {
    series: [[Series; Operation::ALL.len()]; Dialect::ALL.len()],
    pub(crate) slowest: Slowest,
}

/// The requests of one dialect that want one thing.
#[derive(Debug)]
pub(crate) struct Series {
    begun: Count,
    ended: [Count; Outcome::ALL.len()],
    /// Microseconds from a request's head to the head of its answer; uploads are in it whole.
    pub(crate) answers: Histogram<{ ANSWERS.len() }>,
}

impl Default for Series {
    fn default() -> Self {
        let ended = std::array::from_fn(|_| Count::default());
        Self { begun: Count::default(), ended, answers: Histogram::new(&ANSWERS) }
    }
}

impl Series {
    pub(crate) fn ended(&self, outcome: Outcome) -> u64 {
        self.ended[outcome as usize].get()
    }

    pub(crate) fn under_way(&self) -> u64 {
        // Read first: what ends meanwhile must not be counted as ended and not as begun.
        let ended: u64 = self.ended.iter().map(Count::get).sum();
        self.begun.get().saturating_sub(ended)
    }
}

impl Requests {
    pub(crate) fn all(&self) -> impl Iterator<Item = (Dialect, Operation, &Series)> {
        Dialect::ALL.into_iter().zip(&self.series).flat_map(|(dialect, series)| {
            Operation::ALL.into_iter().zip(series).map(move |(operation, series)| (dialect, operation, series))
        })
    }

    pub(crate) fn begin<'a, B>(&'a self, dialect: Dialect, request: &Request<B>, clock: &'a dyn Clock) -> UnderWay<'a> {
        let operation = Operation::of(request.method());
        let series = &self.series[dialect as usize][operation as usize];
        series.begun.one();
        let path = ShortPath::of(request.uri().path());
        let (slowest, outcome) = (&self.slowest, Outcome::BrokenOff);
        UnderWay { series, slowest, clock, dialect, operation, outcome, path, began: Instant::now() }
    }
}

/// A request that is not answered yet. Dropped before it is, its client is gone.
#[derive(Debug)]
pub(crate) struct UnderWay<'a> {
    series: &'a Series,
    slowest: &'a Slowest,
    clock: &'a dyn Clock,
    dialect: Dialect,
    operation: Operation,
    outcome: Outcome,
    path: ShortPath,
    began: Instant,
}

impl UnderWay<'_> {
    pub(crate) fn answered(mut self, status: StatusCode) {
        self.outcome = Outcome::of(status);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.series.ended[self.outcome as usize].one();
        self.series.answers.observe(micros(took));
        if self.slowest.is_of_interest(took) {
            let (dialect, operation, outcome) = (self.dialect.as_str(), self.operation.as_str(), self.outcome.as_str());
            let (at, path) = (self.clock.now(), self.path.text());
            self.slowest.note(SlowRequest { at, dialect, operation, outcome, took, path });
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The beginning of a path, kept where the request is: to hold on to the request's own text would keep the buffer of its
/// connection from being used again.
#[derive(Debug, Clone, Copy)]
struct ShortPath {
    bytes: [u8; Self::ROOM],
    length: u8,
}

impl ShortPath {
    /// What sccache asks for fits.
    const ROOM: usize = 95;

    fn of(path: &str) -> Self {
        let mut bytes = [0; Self::ROOM];
        let length = path.floor_char_boundary(Self::ROOM);
        bytes[..length].copy_from_slice(&path.as_bytes()[..length]);
        Self { bytes, length: u8::try_from(length).unwrap_or(0) }
    }

    fn text(&self) -> Box<str> {
        String::from_utf8_lossy(&self.bytes[..usize::from(self.length)]).into()
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{ManualClock, Timestamp};

    use super::*;

    fn clock() -> ManualClock {
        ManualClock::at(Timestamp::from_millis(1_700_000_000_000))
    }

    fn series(requests: &Requests, dialect: Dialect, operation: Operation) -> &Series {
        requests.all().find(|(d, o, _)| (*d, *o) == (dialect, operation)).unwrap().2
    }

    #[test]
    fn a_request_is_under_way_until_it_is_answered() {
        let (requests, clock) = (Requests::default(), clock());
        let request = Request::put("/0/1/2/012").body(()).unwrap();
        let puts = series(&requests, Dialect::S3, Operation::Put);
        let under_way = requests.begin(Dialect::S3, &request, &clock);
        assert_eq!((puts.under_way(), puts.answers.seen(1e6).count), (1, 0));
        under_way.answered(StatusCode::CREATED);
        assert_eq!((puts.under_way(), puts.ended(Outcome::Done), puts.answers.seen(1e6).count), (0, 1, 1));
        assert_eq!(series(&requests, Dialect::Plain, Operation::Put).ended(Outcome::Done), 0);
    }

    #[test]
    fn a_client_that_goes_leaves_nothing_under_way() {
        let (requests, clock) = (Requests::default(), clock());
        drop(requests.begin(Dialect::Plain, &Request::get("/a").body(()).unwrap(), &clock));
        let gets = series(&requests, Dialect::Plain, Operation::Get);
        assert_eq!((gets.under_way(), gets.ended(Outcome::BrokenOff)), (0, 1));
    }

    #[test]
    fn outcomes_are_what_the_status_says() {
        let check = |status: u16, expected| assert_eq!(Outcome::of(StatusCode::from_u16(status).unwrap()), expected);
        check(200, Outcome::Done);
        check(207, Outcome::Done);
        check(304, Outcome::Done);
        check(401, Outcome::Refused);
        check(404, Outcome::Absent);
        check(409, Outcome::Rejected);
        check(503, Outcome::Failed);
        check(507, Outcome::Failed);
    }

    #[test]
    fn a_long_path_is_cut_between_characters() {
        assert_eq!(&*ShortPath::of("/a").text(), "/a");
        let long = format!("/{}", "ü".repeat(100));
        assert_eq!(&*ShortPath::of(&long).text(), format!("/{}", "ü".repeat(47)));
    }
}
