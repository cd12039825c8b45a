//! The guided fuzzer, for one target: the one that `HEARTH_FUZZ_TARGET` names. `tests/fuzz/run` builds and starts it.
#![no_main]

mod environment;

use std::sync::LazyLock;

use hearth_cache_server::fuzzing::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = environment::target();
    let named = TARGETS.iter().find(|target| target.name == name);
    *named.unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        unreachable!("{} is `{name}`, which is none of {}", environment::TARGET, names.join(", "))
    })
});

fuzz_target!(init: { LazyLock::force(&CHOSEN); }, |bytes: &[u8]| (CHOSEN.run)(bytes));
