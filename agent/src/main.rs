//! The `hearth` binary. Called by the name `sccache`, it is the compiler wrapper instead.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "bundled-sccache")]
    {
        use hearth::compiler_cache;

        let environment = hearth::environment::Environment::of_this_process();
        if compiler_cache::is_called_as_wrapper(std::env::args_os().next().as_deref(), &environment) {
            if let Some(compilation) = compiler_cache::compilation(std::env::args_os(), &environment) {
                return compiler_cache::compile(&compilation);
            }
            sccache::main();
            return ExitCode::SUCCESS;
        }
    }
    hearth::cli::main()
}
