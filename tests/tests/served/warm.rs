//! Warm directories: what one slot has built, another goes on with, at the same paths.

use fake_github::runner_protocol::JobResult;
use fake_github::{Job, JobId, JobRecord};
use hearth_tests::github::nothing_is_violated;
use hearth_tests::repository::Repository;
use hearth_tests::served::{Machine, Served};

/// Two crates, one of which needs the other.
pub(crate) fn project(served: &Served) -> Repository {
    let repository = served.world.repository("widgets");
    repository
        .write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"leaf\"]\n")
        .write("leaf/Cargo.toml", "[package]\nname = \"leaf\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .write("leaf/src/lib.rs", "pub fn word() -> &'static str {\n    \"one\"\n}\n")
        .write(
            "app/Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\nleaf = { path = \"../leaf\" }\n",
        )
        .write("app/src/main.rs", "fn main() {\n    println!(\"{} {}\", leaf::word(), file!());\n}\n")
        .write(".gitignore", "target\n");
    repository.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    repository.commit("first");
    repository
}

pub(crate) fn job(repository: &Repository) -> Job {
    job_after(repository, "true")
}

/// A job on main that checks the repository out after its first step.
pub(crate) fn job_after(repository: &Repository, first: &str) -> Job {
    let sha = repository.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let url = format!("file://{}", repository.path().display());
    let payload = serde_json::json!({"repository": {"id": 3001, "default_branch": "main"}});
    Job::new("acme/widgets")
        .labels(["self-hosted", "hearth"])
        .event("push", payload)
        .reference("refs/heads/main")
        .sha(&sha)
        .run(first)
        .checkout(&url, &sha)
}

pub(crate) fn ran(served: &mut Served, job: Job) -> JobRecord {
    let id: JobId = served.github.offer(job);
    served.done(&[id]);
    served.idle();
    let record = served.github.job(id).expect("a job that was offered is known");
    assert_eq!(record.result(), Some(JobResult::Succeeded), "{}\n{}", record.log, served.said());
    record
}

#[test]
fn another_slot_goes_on_with_what_one_has_built() {
    let mut served = Served::start(&Machine::default());
    let repository = project(&served);
    let build = "cargo build --workspace -v && cargo run -q -p app";
    let first = ran(&mut served, job(&repository).run(build));
    assert!(first.log.contains("Compiling leaf") && first.log.contains("one app/src/main.rs"), "{}", first.log);
    // The first slot is taken, so the next job gets the other.
    let lock = served.take_slot(0);
    let second = ran(&mut served, job(&repository).run(build));
    assert!(second.log.contains("Fresh leaf") && second.log.contains("Fresh app"), "{}", second.log);
    assert!(!second.log.contains("Compiling"), "{}", second.log);
    assert!(second.summaries.concat().contains("renamed in"), "{:?}", second.summaries);
    drop(lock);

    // What has changed is compiled, and nothing else.
    repository
        .write("app/src/main.rs", "fn main() {\n    println!(\"changed {}\", leaf::word());\n}\n")
        .commit("second");
    let third = ran(&mut served, job(&repository).run(build));
    assert!(third.log.contains("Fresh leaf") && third.log.contains("Compiling app"), "{}", third.log);
    assert!(third.log.contains("changed one"), "{}", third.log);
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn what_one_slot_has_compiled_another_finds_in_the_cache() {
    let mut served = Served::start(&Machine::default());
    let repository = project(&served);
    // Incremental compilations and programs are not sccache's: what is left is the library.
    let build = "cargo build --workspace --release -v 2>&1 | sed 's/^ *Compiling/BUILT/'";
    let first = ran(&mut served, job(&repository).key("one").run(build));
    assert!(first.summaries.concat().contains("0 hits, 1 miss (0 % hits)"), "{:?}", first.summaries);
    let lock = served.take_slot(0);
    // Another lane: nothing is warm but the cache.
    let second = ran(&mut served, job(&repository).key("two").run(build));
    assert_eq!(second.log.matches("Z BUILT ").count(), 2, "{}", second.log);
    assert!(second.summaries.concat().contains("1 hit, 0 misses (100 % hits)"), "{:?}", second.summaries);
    drop(lock);
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_toolchain_that_a_step_puts_on_the_path_is_warm_as_well() {
    let mut served = Served::start(&Machine::default());
    let repository = project(&served);
    // As set-up actions do it: a cargo of its own before ours, and a variable for all later steps.
    let set_up = "mkdir -p ~/tools && ln -s \"$(rustc --print sysroot)\"/bin/* ~/tools/ && echo ~/tools >> $GITHUB_PATH\n\
                  echo CARGO_HOME=$HOME/.cargo >> $GITHUB_ENV && echo CARGO_TERM_COLOR=always >> $GITHUB_ENV";
    let build = "command -v cargo; CARGO_TERM_COLOR=never cargo build --workspace -v && cargo clippy --version";
    let first = ran(&mut served, job_after(&repository, set_up).run(build));
    assert!(first.log.contains("home/tools/cargo") && first.log.contains("Compiling leaf"), "{}", first.log);
    let lock = served.take_slot(0);
    let second = ran(&mut served, job_after(&repository, set_up).run(build));
    assert!(second.log.contains("Fresh leaf") && !second.log.contains("Compiling"), "{}", second.log);
    drop(lock);
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn what_cargo_has_downloaded_stays_within_its_scope() {
    let mut served = Served::start(&Machine::default());
    let repository = project(&served);
    let look = "cat ~/.cargo/registry/mark ~/.cargo/config.toml 2>/dev/null || true";
    let leave =
        "mkdir -p ~/.cargo/registry && echo LEFT >> ~/.cargo/registry/mark && echo '# LEFT' > ~/.cargo/config.toml";
    let on_main = |script: &str| job(&repository).run(script);
    let on_branch = |script: &str| job(&repository).reference("refs/heads/other").run(script);
    let found = |record: &JobRecord| record.log.matches("Z LEFT").count() + record.log.matches("Z # LEFT").count();
    assert_eq!(found(&ran(&mut served, on_branch(leave))), 0);
    assert_eq!(found(&ran(&mut served, on_main(look))), 0, "a branch has written what main reads");
    assert_eq!(found(&ran(&mut served, on_branch(look))), 1, "the downloads come back, and nothing else");
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_job_sees_nothing_of_another_slot_nor_of_what_is_ours() {
    let mut served = Served::start(&Machine::default());
    let state = served.world.state().display().to_string();
    let secret = served.world.state().join("slots/0/job/home/secret");
    let first = served.github.offer(Job::new("acme/widgets").labels(["hearth"]).run("echo mine > ~/secret && sleep 2"));
    served.until("the first job's secret", |_| secret.exists());
    let look =
        format!("find {state} -maxdepth 2 | sort; echo; ls ~; cat {}; test ! -e {state}/ledger", secret.display());
    let second = served.github.offer(Job::new("acme/gadgets").labels(["hearth"]).run(&format!("{look} || true")));
    served.done(&[first, second]);
    served.idle();
    let log = served.github.job(second).unwrap().log;
    let paths: Vec<_> = log.lines().filter_map(|line| line.split_once(&state).map(|(_, path)| path)).collect();
    assert!(paths.contains(&"/view/home"), "{log}");
    let allowed = |path: &&str| path.is_empty() || path.starts_with("/view") || path.starts_with("/bin");
    let stray: Vec<_> =
        paths.iter().filter(|path| !allowed(path) && !path.contains("slots/0/job/home/secret")).collect();
    assert!(stray.is_empty(), "{stray:?}\n{log}");
    assert!(log.contains("No such file or directory") && !log.contains("Z mine"), "{log}");
    nothing_is_violated(&served.github);
    served.stop();
}
