//! The figures as tables for people: a column for each job or run, a row for each figure, narrow enough for any
//! terminal. Nothing is computed here; what was not measured is a dash.

use hearth_model::{CompileCounts, Millis};

use super::figures::{DemoFigures, JobFigures, PipelineFigures, Ratios};

const LEGEND: &str = "\
not fresh: units that cargo compiled or that the compile cache gave; not cacheable: links, proc macros, build scripts
upkeep after: the next clone made ready, on no job's path and in no other figure; all times are of this machine";

/// Both tables with their headings.
pub(super) fn tables(figures: &DemoFigures) -> String {
    let (story, pipelines) = (&figures.jobs, &figures.pipelines);
    let jobs = [&story.cold, &story.cache_only, &story.no_change, &story.one_line_change];
    let jobs = grid(&["One job", "cold", "other machine", "nothing changed", "one line changed"], &job_rows(&jobs));
    let runs = [&pipelines.old, &pipelines.new_first, &pipelines.new_next];
    let runs = grid(&["One pipeline", "old", "new, first run", "new, next commit"], &run_rows(&runs));
    format!("One job is `{}`.\n\n{jobs}\n{runs}\n{LEGEND}\n", story.cold.command)
}

type Row = Vec<String>;

fn job_rows(jobs: &[&JobFigures]) -> Vec<Row> {
    let row = |name: &str, cell: &dyn Fn(&JobFigures) -> String| {
        std::iter::once(name.to_owned()).chain(jobs.iter().map(|job| cell(job))).collect()
    };
    let count = |of: fn(&CompileCounts) -> u64| {
        move |job: &JobFigures| job.compile.as_ref().map_or_else(dash, |counts| of(counts).to_string())
    };
    vec![
        row("wall-clock", &|job| shown(job.wall_ms)),
        row("CPU", &|job| shown(job.cpu_ms)),
        row("cold : this, wall-clock", &|job| ratio(job.cold_by_this, |ratios| ratios.wall)),
        row("cold : this, CPU", &|job| ratio(job.cold_by_this, |ratios| ratios.cpu)),
        row("warm target", &|job| job.warm_target.to_string()),
        row("units not fresh", &|job| format!("{} of {}", job.units.compiled, job.units.total)),
        row("cache hits", &count(|counts| counts.hits)),
        row("cache misses", &count(|counts| counts.misses)),
        row("not cacheable", &count(|counts| counts.uncacheable)),
        row("tests passed", &|job| job.units.tests_passed.to_string()),
        row("upkeep after", &|job| job.upkeep_ms.to_string()),
    ]
}

fn run_rows(runs: &[&PipelineFigures]) -> Vec<Row> {
    let row = |name: &str, cell: &dyn Fn(&PipelineFigures) -> String| {
        std::iter::once(name.to_owned()).chain(runs.iter().map(|run| cell(run))).collect()
    };
    let mut rows = vec![
        row("wall-clock, one by one", &|run| shown(run.wall_ms)),
        row("job-minutes, actual", &|run| minutes(run.job_ms)),
        row("job-minutes, billed", &|run| format!("{} min", run.billable_minutes)),
        row("CPU", &|run| shown(run.cpu_ms)),
        row("old : this, wall-clock", &|run| ratio(run.old_by_this, |ratios| ratios.wall)),
        row("old : this, CPU", &|run| ratio(run.old_by_this, |ratios| ratios.cpu)),
        row("units not fresh", &|run| run.units_compiled.to_string()),
        row("upkeep after", &|run| run.jobs.iter().fold(Millis(0), |sum, job| sum + job.upkeep_ms).to_string()),
    ];
    let mut names: Vec<&str> = Vec::new();
    for job in runs.iter().flat_map(|run| &run.jobs) {
        if !names.contains(&job.job.as_str()) {
            names.push(&job.job);
        }
    }
    for name in names {
        let of = |run: &PipelineFigures| run.jobs.iter().find(|job| job.job == name).and_then(|job| job.wall_ms);
        rows.push(row(&format!("  {name}"), &|run| shown(of(run))));
    }
    rows
}

fn dash() -> String {
    "-".to_owned()
}

fn shown(time: Option<Millis>) -> String {
    time.map_or_else(dash, |time| time.to_string())
}

/// In hundredths, rounded.
fn minutes(time: Millis) -> String {
    let hundredths = (time.0 * 100 + 30_000) / 60_000;
    format!("{}.{:02} min", hundredths / 100, hundredths % 100)
}

fn ratio(ratios: Option<Ratios>, of: fn(Ratios) -> Option<f64>) -> String {
    match ratios.and_then(of) {
        None => dash(),
        Some(ratio) if ratio < 10.0 => format!("{ratio:.1}"),
        Some(ratio) => format!("{ratio:.0}"),
    }
}

/// The first column is text, the others are figures.
fn grid(header: &[&str], rows: &[Row]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        padded.collect::<Vec<_>>().join(" | ").trim_end().to_owned() + "\n"
    };
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(&mut header.iter().copied());
    text.push_str(&(rules.join("-+-") + "\n"));
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::job;
    use super::super::figures::{PipelinesFigures, StoryFigures};
    use super::*;

    fn figures() -> DemoFigures {
        let run = |ms, cpu| PipelineFigures::new("w", "c".to_owned(), vec![job("unit", ms, cpu), job("e2e", ms, cpu)]);
        DemoFigures {
            schema_version: 1,
            hearth: "0".to_owned(),
            rustc: "rustc".to_owned(),
            cargo: "cargo".to_owned(),
            cpu_count: 2,
            jobs: StoryFigures::new(
                job("test", 16_000, Some(25_000)),
                job("test", 8_000, Some(9_000)),
                job("test", 400, Some(300)),
                job("test", 1_400, None),
            ),
            pipelines: PipelinesFigures::new(run(20_000, Some(1)), run(9_000, None), run(1_000, Some(1))),
            left_out: Vec::new(),
            kept: None,
            took_ms: Millis(1),
        }
    }

    fn check(text: &str, beginning: &str, expected: &[&str]) {
        let line = text.lines().find(|line| line.starts_with(beginning)).unwrap_or_default();
        let cells: Vec<&str> = line.split('|').skip(1).map(str::trim).collect();
        assert_eq!(cells, expected, "{beginning} in\n{text}");
    }

    #[test]
    fn a_column_says_what_a_job_took_and_how_much_less_that_is() {
        let text = tables(&figures());
        let (jobs, runs) = text.split_at(text.find("One pipeline").unwrap());
        check(jobs, "wall-clock", &["16.1 s", "8.1 s", "500 ms", "1.5 s"]);
        check(jobs, "CPU", &["25.0 s", "9.0 s", "300 ms", "-"]);
        check(jobs, "cold : this, wall-clock", &["-", "2.0", "32", "11"]);
        check(jobs, "cold : this, CPU", &["-", "2.8", "83", "-"]);
        check(jobs, "units not fresh", &["7 of 40", "7 of 40", "7 of 40", "7 of 40"]);
        check(runs, "wall-clock", &["40.2 s", "18.2 s", "2.2 s"]);
        check(runs, "job-minutes, actual", &["0.67 min", "0.30 min", "0.03 min"]);
        check(runs, "job-minutes, billed", &["2 min", "2 min", "2 min"]);
        check(runs, "old : this, wall-clock", &["-", "2.2", "18"]);
        check(runs, "  e2e", &["20.1 s", "9.1 s", "1.1 s"]);
    }

    #[test]
    fn a_job_that_a_pipeline_does_not_have_is_a_dash() {
        let mut figures = figures();
        figures.pipelines.old.jobs.pop();
        check(&tables(&figures), "  e2e", &["-", "9.1 s", "1.1 s"]);
    }

    #[test]
    fn a_grid_is_as_wide_as_its_widest_cells() {
        let rows = [vec!["x".to_owned(), "1".to_owned()], vec!["longer".to_owned(), "22222".to_owned()]];
        assert_eq!(grid(&["", "a"], &rows), "       |     a\n-------+------\nx      |     1\nlonger | 22222\n");
    }
}
