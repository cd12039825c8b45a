//! Whole answers over fixed jobs: what stands on the page, what is safe, what is exact.

use std::sync::Arc;

use hearth_ledger::{Book, Fact, Observation, Owner, Place};
use hearth_model::{
    CompileCounts, Event, ExecutionId, Forge, JobFacts, ManualClock, Measures, Millis, Outcome, Ref, RunFacts,
    SlotNumber, Timestamp, UsageReading, WarmTarget, WorkTree,
};

use super::args::MonthArgs;
use super::*;

/// 2026-11-22T12:00:00Z
const NOW: Timestamp = Timestamp::from_millis(1_795_348_800_000);

struct Told {
    dir: tempfile::TempDir,
    book: Book,
}

impl Told {
    fn nothing() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path(), Arc::new(ManualClock::at(NOW))).unwrap().book;
        Self { dir, book }
    }

    /// Two jobs of one run on Linux and one on macOS that failed, all on 22 November; one that is still running.
    fn fixed() -> Self {
        let told = Self::nothing();
        told.job(1, "test", |_| {}, Millis(95_000), Outcome::Exited { code: 0 });
        told.job(2, "build", |facts| facts.run.run_id = Some(1), Millis(60_000), Outcome::Exited { code: 0 });
        let on_mac = |facts: &mut JobFacts| {
            facts.platform = "aarch64-apple-darwin".to_owned();
            facts.reference = Ref::Branch("=evil|\u{1b}[31m<b>".to_owned());
            facts.workflow = None;
        };
        told.job(3, "test", on_mac, Millis(1), Outcome::Exited { code: 101 });
        told
    }

    fn job(&self, n: u8, name: &str, change: impl FnOnce(&mut JobFacts), ran: Millis, outcome: Outcome) {
        let id: ExecutionId = format!("01936a00-0000-7000-8000-0000000000{n:02}").parse().unwrap();
        let mut facts = JobFacts {
            forge: Forge::GitHub { host: "github.com".to_owned() },
            repository: "github.com/acme/anvil".to_owned(),
            event: Event::Push,
            reference: Ref::Branch("main".to_owned()),
            base_branch: None,
            default_branch: "main".to_owned(),
            from_fork: false,
            commit: Some("c0ffee".to_owned()),
            work_tree: WorkTree::Clean,
            lock_digest: None,
            workflow: Some("ci".to_owned()),
            job: name.to_owned(),
            actor: None,
            platform: "x86_64-unknown-linux-gnu".to_owned(),
            run: RunFacts { run_id: Some(1), ..RunFacts::default() },
        };
        change(&mut facts);
        let place = Place {
            machine: "forge-1".to_owned(),
            slot: SlotNumber(0),
            cpu_count: Some(2),
            owner: Owner { pid: 1, process_start_ticks: 1, boot_id: "boot".to_owned() },
        };
        let start = NOW - Millis::from_minutes(60);
        let measures = Measures {
            usage: UsageReading { cpu_us: Some(5_000_000), ..UsageReading::NOT_MEASURED },
            warm_target: WarmTarget::Partial,
            warm_bytes: None,
            compile: Some(CompileCounts { requests: 10, hits: 6, misses: 2, uncacheable: 2, errors: 0 }),
            compile_useful: None,
            compile_total: None,
            build_fingerprint: None,
            full_build: Some(false),
        };
        let facts = [
            Fact::Accepted { at: start, facts: Box::new(facts), place },
            Fact::Started { at: start },
            Fact::Measured { measures: Box::new(measures) },
            Fact::Ended { at: start + ran, outcome, ran },
        ];
        let observations: Vec<Observation> =
            (0..).zip(facts).map(|(sequence, fact)| Observation::by_agent(id, sequence, NOW, fact)).collect();
        self.book.append(&observations).unwrap();
    }

    fn report(&self, change: impl FnOnce(&mut ReportArgs)) -> String {
        let mut args = ReportArgs { month: month(), by: GroupBy::Repository, format: Format::Table };
        change(&mut args);
        written(Screen::None, |setting, out| run_report(&args, &self.book, setting, out))
    }

    fn budgets(&self, format: Format) -> String {
        let args = BudgetsArgs { month: month(), format };
        written(Screen::None, |setting, out| run_budgets(&args, &self.book, setting, out))
    }
}

fn written(screen: Screen, run: impl FnOnce(Setting<'_>, &mut Vec<u8>) -> Result<(), ReportError>) -> String {
    let mut out = Vec::new();
    run(Setting { now: NOW, zone: "UTC", screen }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn month() -> MonthArgs {
    MonthArgs { month: None, zone: None, repository: None }
}

/// The line that begins with `name`, with runs of blanks made one.
#[track_caller]
fn line(text: &str, name: &str) -> String {
    let found = text.lines().find(|line| line.trim_start().trim_start_matches("| ").starts_with(name));
    found.unwrap_or_else(|| panic!("no line `{name}` in:\n{text}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_table_shows_totals_groups_and_budgets_in_this_order() {
    let text = Told::fixed().report(|_| {});
    assert!(text.starts_with("Minutes of 2026-11 (UTC), all repositories, so far\n\nTotals\n"), "{text}");
    for (name, expected) in [
        ("Jobs", "Jobs | 3 jobs; 1 failed"),
        ("Runs", "Runs | 1 CI, 0 release"),
        ("Actual job-minutes", "Actual job-minutes | 2.6 min"),
        ("Billable job-minutes", "Billable job-minutes | 4 min"),
        ("Weighted job-minutes", "Weighted job-minutes | 13 min"),
        ("Rounding waste", "Rounding waste | 1.4 min, 35.4 % of billable"),
        ("Hosted equivalent", "Hosted equivalent | $0.08"),
        ("Self-hosted charge", "Self-hosted charge, simulated | < $0.01 (announced, not in force)"),
        ("Parallelism", "Parallelism | 1.63"),
        ("Cache lookups", "Cache lookups | 100 % usable; 3 lookups: 0 exact, 3 partial, 0 none"),
        ("Compiler calls", "Compiler calls | 75 % hits; 24 cacheable calls, coverage 80 % of 30 calls"),
        ("Full builds", "Full builds | 0, 0 of them redundant"),
        ("Build efficiency", "Build efficiency | not measured: no compile time was measured"),
        ("github.com/acme/anvil", "github.com/acme/anvil | 3 | 1 | 2.6 min | 4 min | 13 min | 1.4 min | $0.08"),
    ] {
        assert_eq!(line(&text, name), expected);
    }
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} in:\n{text}"));
    assert!(at("Totals") < at("Job-minutes by repository"));
    assert!(at("Job-minutes by repository") < at("Budgets of"));
    assert!(at("Budgets of") < at("Notes"));
}

#[test]
fn each_of_the_four_verdicts_can_be_seen() {
    let text = Told::fixed().report(|_| {});
    for row in [
        "Minutes per month [6 7 8] | target: < 400 min | 4 min | met | job-minutes, billable: 3 jobs",
        "Cache hit rate [14 15] | target, usable lookups: > 80 % | 100 % | met",
        "goal, compiler calls: >= 95 % | 75 % | missed | ratio: 24 cacheable calls",
        "Build efficiency [5 13 15] | target: > 90 % | - | not measured | ratio: no compile time was measured",
        "Minutes saved per month [2 4 5 7] | claim: >= 310 min | - | not comparable",
    ] {
        let found = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(found.into_iter().any(|line| line.contains(row)), "{row} in:\n{text}");
    }
}

#[test]
fn wall_clock_never_stands_under_job_minutes() {
    let told = Told::fixed();
    for text in [told.report(|_| {}), told.budgets(Format::Table), told.budgets(Format::Csv)] {
        let method = text.lines().find(|line| line.contains("by the document's method")).unwrap();
        assert!(method.contains("not comparable") && method.contains("wall-clock"), "{method}");
        assert!(!method.contains("job-minutes"), "{method}");
    }
}

#[test]
fn contradictions_are_named_where_they_matter_and_told_in_full_with_the_budgets() {
    let told = Told::fixed();
    assert!(told.report(|_| {}).contains("[1] 160 is judged on the sum of the jobs' minutes, and 35 beside it."));
    let budgets = told.budgets(Format::Markdown);
    for number in 1..=18 {
        assert!(budgets.contains(&format!("\n- \\[{number}\\] ")), "{number}");
    }
    assert!(line(&budgets, "Job-minutes per CI run").contains("&lt;= 160 min"), "{budgets}");
    assert!(budgets.contains("sum of the document's own diagram"));
}

#[test]
fn a_branch_cannot_draw_on_the_terminal_nor_leave_its_cell() {
    let told = Told::fixed();
    let table = told.report(|args| args.by = GroupBy::Branch);
    assert!(!table.contains('\u{1b}'));
    assert!(table.contains("=evil|\\u{1b}[31m<b>"), "{table}");
    let markdown = told.report(|args| {
        args.by = GroupBy::Branch;
        args.format = Format::Markdown;
    });
    assert!(
        markdown.contains("| =evil\\|\\\\u{1b}\\[31m&lt;b&gt; | 1 | 1 | 0 min | 1 min | 10 min | 1 min | $0.06 |"),
        "{markdown}"
    );
}

#[test]
fn what_nobody_said_has_a_line_of_its_own() {
    let text = Told::fixed().report(|args| args.by = GroupBy::Workflow);
    assert_eq!(line(&text, "(not known)"), "(not known) | 1 | 1 | 0 min | 1 min | 10 min | 1 min | $0.06");
}

#[test]
fn json_is_exact_and_knows_its_schema() {
    let told = Told::fixed();
    let report: serde_json::Value = serde_json::from_str(&told.report(|args| args.format = Format::Json)).unwrap();
    assert_eq!(report["schema_version"], 1);
    assert_eq!((&report["month"], &report["zone"]), (&"2026-11".into(), &"UTC".into()));
    assert_eq!(report["period"]["end"], "2026-12-01T00:00:00.000Z");
    let totals = &report["totals"];
    assert_eq!(totals["actual_ms"], 155_001);
    assert_eq!(totals["weighted_milliminutes"], 13_000);
    assert_eq!(totals["hosted_equivalent_micro_usd"], 3 * 6_000 + 62_000);
    assert_eq!(totals["compile_time"], serde_json::Value::Null, "not measured is not zero");
    assert_eq!(report["groups"][0]["name"], "github.com/acme/anvil");

    let budgets: serde_json::Value = serde_json::from_str(&told.budgets(Format::Json)).unwrap();
    assert_eq!(budgets["contradictions"].as_array().unwrap().len(), 18);
    let month = budgets["budgets"].as_array().unwrap().iter().find(|b| b["id"] == "month_minutes").unwrap();
    assert_eq!(month["limits"][0]["verdict"], "met");
    assert_eq!(month["limits"][0]["reading"]["amount"]["ms"], 4 * 60_000);
    assert_eq!(month["limits"][2]["verdict"], "not_comparable");
    assert_eq!(month["limits"][2]["reading"]["basis"], "wall");
}

#[test]
fn csv_has_every_execution_with_every_column_and_no_formula() {
    let text = Told::fixed().report(|args| args.format = Format::Csv);
    assert!(text.contains("\r\n"));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    let cell = |row: &csv::StringRecord, name: &str| {
        row.get(header.iter().position(|column| column == name).unwrap()).unwrap().to_owned()
    };
    let of = |n: u8| rows.iter().find(|row| cell(row, "execution_id").ends_with(&format!("{n:02}"))).unwrap();
    for (name, value) in [
        ("job", "test"),
        ("ref", "refs/heads/main"),
        ("outcome", "succeeded"),
        ("ran_ms", "95000"),
        ("billable_minutes", "2"),
        ("sku", "actions_linux"),
        ("weighted_milliminutes", "2000"),
        ("hosted_micro_usd", "12000"),
        ("completed_at", "2026-11-22T11:01:35.000Z"),
        ("cpu_us", "5000000"),
        ("peak_rss_bytes", ""),
        ("warm_target", "partial"),
        ("compile_hits", "6"),
        ("compile_useful_ms", ""),
        ("full_build", "false"),
        ("actor", ""),
    ] {
        assert_eq!(cell(of(1), name), value, "{name}");
    }
    assert_eq!(cell(of(3), "ref"), "refs/heads/=evil|\\u{1b}[31m<b>");
    assert_eq!((cell(of(3), "workflow"), cell(of(3), "exit_code")), (String::new(), "101".to_owned()));
}

#[test]
fn a_job_named_like_a_formula_stays_text_in_a_spreadsheet() {
    let told = Told::nothing();
    told.job(1, "=HYPERLINK(\"x\"),\n2", |_| {}, Millis(1), Outcome::Exited { code: 0 });
    let text = told.report(|args| args.format = Format::Csv);
    assert_eq!(text.matches("\r\n").count(), 2, "one line for the header and one for the job");
    assert!(text.contains("\"'=HYPERLINK(\"\"x\"\"),\\u{a}2\""), "{text}");
}

#[test]
fn a_terminal_gets_no_line_that_is_wider_than_it_is() {
    let told = Told::fixed();
    let args = ReportArgs { month: month(), by: GroupBy::Platform, format: Format::Table };
    for columns in [80, 120] {
        let text = written(Screen::Terminal { columns }, |setting, out| run_report(&args, &told.book, setting, out));
        let tables = text.split("\nNotes\n").next().unwrap();
        for line in tables.lines() {
            assert!(line.chars().count() <= usize::from(columns), "{columns}: {line}");
        }
    }
}

#[test]
fn an_empty_book_is_reported_and_meets_nothing() {
    let told = Told::nothing();
    let text = told.report(|_| {});
    assert_eq!(line(&text, "Jobs"), "Jobs | 0 jobs");
    let budgets: serde_json::Value = serde_json::from_str(&told.budgets(Format::Json)).unwrap();
    let met: Vec<&str> = budgets["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|b| b["limits"].as_array().unwrap().iter().any(|limit| limit["verdict"] == "met"))
        .map(|b| b["id"].as_str().unwrap())
        .collect();
    assert_eq!(met, Vec::<&str>::new());
    assert_eq!(told.report(|args| args.format = Format::Csv).matches("\r\n").count(), 1);
}

#[test]
fn a_month_or_zone_that_does_not_exist_is_an_error_that_says_so() {
    let told = Told::fixed();
    for (month_text, zone) in [("2026-13", "UTC"), ("2026-11", "Mars")] {
        let month = MonthArgs { month: Some(month_text.to_owned()), zone: Some(zone.to_owned()), repository: None };
        let args = ReportArgs { month, by: GroupBy::Job, format: Format::Table };
        let setting = Setting { now: NOW, zone: "UTC", screen: Screen::None };
        let error = run_report(&args, &told.book, setting, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, ReportError::Month(_)), "{error:?}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let told = Told::fixed();
    for format in [Format::Table, Format::Json, Format::Csv, Format::Markdown] {
        let setting = Setting { now: NOW, zone: "UTC", screen: Screen::None };
        let args = ReportArgs { month: month(), by: GroupBy::Job, format };
        run_report(&args, &told.book, setting, &mut Closed).unwrap();
        let args = BudgetsArgs { month: month(), format };
        run_budgets(&args, &told.book, setting, &mut Closed).unwrap();
    }
    drop(told.dir);
}
