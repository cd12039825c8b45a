//! The dashboard of a real daemon after real jobs, in a real browser: what a person sees, that the browser has nothing
//! to complain about, and that it can be read on a phone, in the dark, and without a script.

#![expect(clippy::unwrap_used, reason = "everything in here is a test, the functions that prepare them too")]

mod browser;
mod cache_server;
mod picture;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use browser::Browser;
use hearth_tests::http;
use hearth_tests::job::Running;
use hearth_tests::repository::Repository;
use hearth_tests::skip::{has_programs, skipped};
use hearth_tests::wait::until;
use hearth_tests::world::World;
use picture::Picture;
use rustix::process::Signal;
use serde_json::Value;

const CHECK: &str = include_str!("page.js");

/// A running `hearth up` with the address of its pages.
struct Daemon {
    running: Running,
    address: SocketAddr,
}

impl Daemon {
    fn start(world: &World) -> Self {
        let mut running = world.hearth().args(["up", "--admin", "127.0.0.1:0"]).start();
        let announcement = world.state().join("daemon.json");
        until("the daemon's announcement", || !running.is_running() || announcement.exists());
        assert!(running.is_running(), "{}", running.stderr());
        let said: Value = serde_json::from_slice(&fs::read(announcement).unwrap()).unwrap();
        Self { running, address: said["admin"].as_str().unwrap().parse().unwrap() }
    }

    fn page(&self) -> String {
        format!("http://{}/", self.address)
    }

    fn overview(&self) -> Value {
        let answer = http::get(self.address, "/api/overview.json");
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    fn stop(self) {
        self.running.signal(Signal::TERM);
        self.running.wait().expect_success();
    }
}

/// A package with one test that succeeds and one that fails when it is asked for.
fn package(world: &World) -> Repository {
    let repository = world.repository("anvil");
    repository
        .write("Cargo.toml", "[package]\nname = \"anvil\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .write(
            "src/lib.rs",
            "#[test]\nfn rings() {}\n\n#[test]\n#[ignore = \"it fails\"]\nfn breaks() {\n    panic!()\n}\n",
        )
        .write(".gitignore", "target\n");
    repository.commit("first");
    repository
}

#[track_caller]
fn shows(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not on the page:\n{text}");
    }
}

/// Keeps a picture for people and gives its figures.
fn picture(browser: &Browser, name: &str) -> Picture {
    let bytes = browser.picture();
    fs::write(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("dashboard-{name}.png")), &bytes).unwrap();
    Picture::read(&bytes)
}

#[track_caller]
fn nothing_wrong(browser: &Browser, name: &str) {
    assert_eq!(browser.run(CHECK), serde_json::json!([]), "{name}");
}

/// What the browser made of the page is what was sent: its parser had nothing to mend.
const AS_SENT: &str = "\
    const sent = await (await fetch('/')).text();\
    const read = '<!DOCTYPE html>' + new DOMParser().parseFromString(sent, 'text/html').documentElement.outerHTML;\
    const plain = (text) => text.replaceAll('=\"\"', '').replace(/\\s+/g, ' ');\
    const [a, b] = [plain(sent), plain(read)];\
    let at = 0; while (at < a.length && a[at] === b[at]) at += 1;\
    return a === b ? '' : a.slice(at - 60, at + 60) + ' != ' + b.slice(at - 60, at + 60);";

#[test]
fn a_new_machine_says_what_to_try() {
    if !has_programs(&Browser::PROGRAMS) {
        return skipped("there is no chromium with a chromedriver");
    }
    let world = World::new();
    let daemon = Daemon::start(&world);
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.open(&daemon.page());
    let text = browser.text();
    shows(&text, &["Slots busy", "0 of 2", "hearth exec -- cargo test", "No job is running.", "No snapshot yet"]);
    shows(&text, &["not measured", "not comparable", "Compile cache"]);
    nothing_wrong(&browser, "at 0 jobs");
    assert_eq!(browser.run(AS_SENT), "");
    picture(&browser, "empty").expect_something();
    assert_eq!(browser.console(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn jobs_are_shown_as_a_person_reads_them() {
    if !has_programs(&Browser::PROGRAMS) {
        return skipped("there is no chromium with a chromedriver");
    }
    let world = World::new();
    let daemon = Daemon::start(&world);
    let repository = package(&world);
    let named = |job: &str| world.exec(&repository).args(["--job", job, "--workflow", "<i>ci</i>"]);
    named("test").sh("cargo test").expect_success();
    named("stress").sh("cargo test -- --ignored").expect_code(101);

    let browser = Browser::start();
    browser.size(1280, 900);
    browser.prefer("light");
    browser.open(&daemon.page());
    let text = browser.text();
    shows(&text, &["succeeded", "failed with exit code 101", "stress", "<i>ci</i>", "2 minutes charged"]);
    shows(&text, &["2, 1 failed", "trusted", "Minutes per month", "< 400 min", "met", "missed"]);
    let overview = daemon.overview();
    assert_eq!(overview["month"]["billable_minutes"], 2);
    assert_eq!(overview["recent_jobs"][0]["said"], "failed with exit code 101");
    let charged = "return document.querySelectorAll('svg.plot.wide rect.charged').length";
    assert_eq!(browser.run(charged), 1, "one bar for the one day with jobs");

    nothing_wrong(&browser, "wide and light");
    assert_eq!(browser.run(AS_SENT), "");
    let light = picture(&browser, "wide-light");
    light.expect_something();
    browser.prefer("dark");
    nothing_wrong(&browser, "wide and dark");
    let dark = picture(&browser, "wide-dark");
    dark.expect_something();
    assert!(light.brightness > 200 && dark.brightness < 60, "{light:?} {dark:?}");

    browser.size(390, 844);
    nothing_wrong(&browser, "narrow and dark");
    browser.prefer("light");
    nothing_wrong(&browser, "narrow and light");
    let narrow = picture(&browser, "narrow-light");
    narrow.expect_something();
    assert_eq!(narrow.width, 390);
    assert!(narrow.height > 844, "the picture shows the whole page: {narrow:?}");
    assert_eq!(browser.console(), Vec::<String>::new());

    // The page brings itself up to date without being loaded again.
    browser.run(
        "window.stays = true; document.querySelector('summary').click(); document.querySelector('summary').focus()",
    );
    named("late").sh("cargo test").expect_success();
    until("the third job on the page", || {
        browser.run("document.dispatchEvent(new Event('visibilitychange'))");
        browser.text().contains("late")
    });
    let kept = "return window.stays && document.activeElement.closest('details[open]') !== null";
    assert_eq!(browser.run(kept), true, "it was not loaded again, and what was opened is open under the keyboard");

    daemon.stop();
    until("a page that says that nobody answers", || {
        browser.run("document.dispatchEvent(new Event('visibilitychange'))");
        browser.text().contains("The daemon does not answer")
    });
    shows(&browser.text(), &["succeeded"]);
}

#[test]
fn a_running_job_is_in_its_slot_and_in_the_metrics() {
    let world = World::new();
    let daemon = Daemon::start(&world);
    let repository = package(&world);
    let job = world.exec(&repository).args(["--job", "long"]).start_sh("sleep 600");
    until("the job in its slot", || daemon.overview()["slots"][0]["execution_id"].is_string());
    let page = http::get(daemon.address, "/");
    assert!(page.head.contains("content-security-policy: default-src 'self'"), "{}", page.head);
    shows(&page.body, &["<bdi>long</bdi>", "1<small> of 2</small>", "http-equiv=\"refresh\""]);
    let metrics = http::get(daemon.address, "/metrics").body;
    shows(&metrics, &["\nagent_slots{state=\"busy\"} 1\n", "\nagent_ledger_open_executions 1\n"]);
    job.signal(Signal::TERM);
    let _ended = job.wait();
    until("the job's minute in the metrics", || {
        let metrics = http::get(daemon.address, "/metrics").body;
        let billable = metrics.lines().find(|line| line.starts_with("agent_job_billable_seconds_total{"));
        billable.is_some_and(|line| line.ends_with(" 60.0"))
    });
    daemon.stop();
}
