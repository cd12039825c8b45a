//! The `hearth` binary. Called by the name `sccache`, it is the compiler wrapper instead.

use std::process::ExitCode;

use hearth::environment::Environment;
use hearth::{compiler_cache, hooks};

fn main() -> ExitCode {
    let environment = Environment::of_this_process();
    if compiler_cache::is_called_as_wrapper(std::env::args_os().next().as_deref(), &environment) {
        if let Some(compilation) = compiler_cache::compilation(std::env::args_os(), &environment) {
            hooks::prepare(&compilation, &environment);
            return compiler_cache::compile(&compilation, &environment);
        }
        #[cfg(feature = "bundled-sccache")]
        {
            sccache::main();
            return ExitCode::SUCCESS;
        }
    }
    hearth::cli::main()
}
