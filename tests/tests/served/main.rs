//! A machine that serves GitHub, from outside: the real daemon against the strict fakes.

mod books;
mod first_job;
mod users;
mod warm;
