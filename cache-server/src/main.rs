//! The `hearth-cache-server` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    hearth_cache_server::cli::main()
}
