//! The program that plays `Runner.Listener`. Everything it does stands in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    fake_runner::play()
}
