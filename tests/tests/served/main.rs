//! A machine that serves GitHub, from outside: the real daemon against the strict fakes.

mod books;
mod disk;
mod faults;
mod figures;
mod first_job;
mod hooks;
mod killed;
mod left;
mod moments;
mod renames;
mod status;
mod stopped;
mod users;
mod warm;
