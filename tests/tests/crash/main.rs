//! kill -9 at every named step of a job, of everything that looks after the job or takes part in it. Afterwards nothing
//! of the job runs on, its minutes stand in the ledger once, its clone is not handed on, and the next job builds what
//! its sources say.

mod aftermath;
mod books;
mod plan;
mod project;
mod rounds;
