//! The `hearth` binary. Called by the name `sccache`, it is the compiler wrapper instead.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "bundled-sccache")]
    {
        let environment = hearth::environment::Environment::of_this_process();
        if hearth::compiler_cache::is_called_as_wrapper(std::env::args_os().next().as_deref(), &environment) {
            sccache::main();
            return ExitCode::SUCCESS;
        }
    }
    hearth::cli::main()
}
