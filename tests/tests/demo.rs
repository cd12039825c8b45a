//! `hearth demo` from outside: what it shows is true, and nothing of it is left. Needs crates.io, as the demo does.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use hearth_tests::job::Call;
use hearth_tests::wait::{is_reached, until};
use hearth_tests::world::{World, entries, processes};
use rustix::process::Signal;
use serde_json::Value;

/// Four cold builds beside everything else that a busy machine does.
const LONGEST_DEMO: Duration = Duration::from_mins(20);

/// A demo that has a home and a temporary directory of its own, so that it shows what it leaves in them.
fn demo(world: &World) -> Call {
    fs::create_dir(temporary(world)).expect("a directory can be made");
    let directory = world.path("home");
    world.other(&world.program().to_string_lossy(), &directory).arg("demo").env("TMPDIR", temporary(world))
}

fn temporary(world: &World) -> PathBuf {
    world.path("tmp")
}

/// Nothing is left in either directory, and no process that knows of them.
#[track_caller]
fn nothing_is_left(world: &World) {
    for directory in [temporary(world), world.path("home")] {
        assert_eq!(entries(&directory), Vec::<PathBuf>::new());
    }
    let place = temporary(world);
    let place = place.as_os_str().as_encoded_bytes();
    let of_the_demo = |arguments: &[&[u8]]| arguments.iter().any(|a| a.windows(place.len()).any(|part| part == place));
    assert_eq!(processes(of_the_demo), Vec::<u32>::new());
}

fn number(figures: &Value, pointer: &str) -> u64 {
    let value = figures.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| unreachable!("{pointer} is no number in\n{figures:#}"))
}

#[test]
fn the_demo_shows_what_is_true_and_leaves_nothing() {
    let world = World::new();
    let json = world.path("figures.json");
    let mut running = demo(&world).arg("--json").arg(&json).start();
    assert!(is_reached(LONGEST_DEMO, || !running.is_running()), "{}", running.stderr());
    let ran = running.wait().expect_success();
    nothing_is_left(&world);

    let figures: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    let of = |job: &str, figure: &str| number(&figures, &format!("/jobs/{job}/{figure}"));
    let all = of("cold", "units/total");
    assert_eq!(of("cold", "units/compiled"), all, "everything is compiled\n{ran}");
    assert!(of("cold", "compile/misses") > 0, "{ran}");
    assert_eq!(figures["jobs"]["cold"]["warm_target"], "none");

    assert!(of("cache_only", "compile/hits") > 0, "{ran}");
    assert!(of("cache_only", "compile/misses") < of("cold", "compile/misses"), "{ran}");
    assert_eq!(figures["jobs"]["cache_only"]["warm_target"], "none");

    assert_eq!((of("no_change", "units/compiled"), of("no_change", "units/total")), (0, all), "{ran}");
    assert_eq!(figures["jobs"]["no_change"]["warm_target"], "exact");

    let changed = of("one_line_change", "units/compiled");
    assert!(0 < changed && changed < all, "{changed} of {all}\n{ran}");
    let packages = serde_json::json!(["kiln-engine", "kiln-cli"]);
    assert_eq!(figures["jobs"]["one_line_change"]["units"]["packages"], packages, "{ran}");
    for job in ["cache_only", "no_change", "one_line_change"] {
        assert_eq!(of(job, "units/tests_passed"), of("cold", "units/tests_passed"), "{job} ran the same tests");
    }

    let compiled = |run: &str| number(&figures, &format!("/pipelines/{run}/units_compiled"));
    assert!(compiled("new_first") < compiled("old") && compiled("new_next") < compiled("new_first"), "{ran}");
    for job in figures["pipelines"]["new_first"]["jobs"].as_array().unwrap() {
        let is_test = job["units"]["tests_passed"] != 0;
        assert!(!is_test || job["units"]["compiled"] == 0, "a test job compiled something\n{job:#}");
    }
    for word in ["cold : this", "old : this", "met", "missed", "not measured", "not comparable", "127.0.0.1:7788"] {
        assert!(ran.stdout.contains(word), "`{word}` is not shown\n{ran}");
    }
}

#[test]
fn a_demo_that_is_stopped_leaves_nothing() {
    let world = World::new();
    let running = demo(&world).start();
    let is_compiling = || {
        let stderr = running.stderr();
        stderr.lines().any(|line| line.trim_start().starts_with("cold:"))
    };
    until("the cold job under way", is_compiling);
    running.signal(Signal::INT);
    running.wait().expect_code(130).expect_said(&["is gone"]);
    nothing_is_left(&world);
}

#[test]
fn a_directory_with_something_in_it_is_refused() {
    let world = World::new();
    let mine = world.path("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("thesis.tex"), "1").unwrap();
    demo(&world).arg("--dir").arg(&mine).run().expect_code(125).expect_said(&["is not an empty directory"]);
    assert_eq!(entries(&mine), [mine.join("thesis.tex")]);
}

#[test]
fn a_machine_without_crates_io_gets_one_clear_error() {
    let world = World::new();
    // Nobody listens on the port for discarding things.
    let ran = demo(&world).env("CARGO_HTTP_PROXY", "http://127.0.0.1:9").run();
    let errors = ran.stderr.lines().filter(|line| line.starts_with("hearth: error: ")).count();
    assert_eq!(errors, 1, "{ran}");
    ran.expect_code(125).expect_said(&["needs crates.io"]);
    nothing_is_left(&world);
}
