//! What a node can be watched by: how its requests go, how each of its last minutes was, and all of it written out as
//! metrics. On the path of a request there are atomic additions and nothing else; none of the labels is anything that a
//! job can choose.

mod certificates;
mod collector;
mod histogram;
mod minutes;
mod page;
mod requests;
mod slowest;

pub(crate) use certificates::CertificatesCollector;
pub(crate) use collector::NodeCollector;
pub(crate) use histogram::{AGES, Histogram};
pub use minutes::Minute;
pub(crate) use minutes::{Minutes, Sums, keep_minutes};
pub(crate) use requests::Requests;
pub use slowest::SlowRequest;
