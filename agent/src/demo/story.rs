//! What the demo shows, in order. Every figure is some job's own; nothing is made up here.

use std::process::Command;

use hearth_model::Millis;

use super::DemoError;
use super::figures::{DemoFigures, PipelineFigures, PipelinesFigures, StoryFigures};
use super::ground::Ground;
use super::plans::{Cache, Plan, Tools, missing, new_pipeline, old_pipeline, story};
use super::progress::say;
use super::project::{Change, NAME_FUNCTIONS, SAY_THE_ORDER};
use super::stage::Stream;
use crate::checkout::Toolchain;

/// Tells all of it.
pub(super) fn tell(ground: &mut Ground<'_>) -> Result<DemoFigures, DemoError> {
    let began = std::time::Instant::now();
    let toolchain = toolchain(ground)?;
    let mut left_out = Vec::new();
    if !toolchain.has_build_directory() {
        left_out.push(format!("{} has no build.build-dir (cargo 1.91 has), so no target stays warm", toolchain.cargo));
    }
    let tools = tools(ground)?;
    left_out.extend(missing(tools));
    repository(ground)?;

    say("\nOne job, four times; each in a checkout whose files are all new:");
    let cold = ground.job(&story("cold: nothing is there yet"))?;
    if let Some(why) = &cold.compile_off {
        left_out.push(format!("the compile cache is off: {why}"));
    }
    ground.forget_targets()?;
    let cache_only = ground.job(&story("other machine: no target, but the compile cache is warm"))?;
    let no_change = ground.job(&story("nothing changed: the same commit again, warm"))?;
    change(ground, &NAME_FUNCTIONS)?;
    let changed = ground.job(&story("one line changed and committed, warm"))?;

    say("\nThe document's pipelines, their jobs one after the other:");
    ground.forget_targets()?;
    let old = pipeline(ground, "old", &old_pipeline(1, tools))?;
    let new_first = pipeline(ground, "new", &new_pipeline("new pipeline, first run", 2, tools))?;
    change(ground, &SAY_THE_ORDER)?;
    let new_next = pipeline(ground, "new", &new_pipeline("new pipeline, next commit", 3, tools))?;
    left_out
        .push("the document's build job also builds a release; here the debug profile only, old and new".to_owned());

    Ok(DemoFigures {
        schema_version: 1,
        hearth: env!("CARGO_PKG_VERSION").to_owned(),
        rustc: toolchain.rustc.lines().next().unwrap_or_default().to_owned(),
        cargo: toolchain.cargo,
        cpu_count: std::thread::available_parallelism().map_or(1, usize::from),
        jobs: StoryFigures::new(cold, cache_only, no_change, changed),
        pipelines: PipelinesFigures::new(old, new_first, new_next),
        left_out,
        kept: None,
        took_ms: Millis::from(began.elapsed()),
    })
}

fn toolchain(ground: &mut Ground<'_>) -> Result<Toolchain, DemoError> {
    let mut ask = |program: &str, argument: &str, what| {
        let mut command = Command::new(program);
        command.arg(argument).current_dir(ground.project.root());
        let ran = ground.tool(command, what)?;
        Ok(ran.of(Stream::Output).collect::<Vec<_>>().join("\n"))
    };
    ask("git", "--version", "ask git for its version")?;
    let rustc = ask("rustc", "-vV", "ask rustc for its version")?;
    Ok(Toolchain { rustc, cargo: ask("cargo", "-V", "ask cargo for its version")? })
}

fn tools(ground: &mut Ground<'_>) -> Result<Tools, DemoError> {
    let clippy = ground.has("cargo", &["clippy", "--version"])?;
    Ok(Tools { clippy, rustfmt: ground.has("cargo", &["fmt", "--version"])? })
}

/// Makes the repository, with a lock file that is written once, from what crates.io has today.
fn repository(ground: &mut Ground<'_>) -> Result<(), DemoError> {
    ground.stage.progress.begin("fetch the crates that the workspace depends on");
    let mut fetch = Command::new("cargo");
    fetch.arg("fetch").current_dir(ground.project.root());
    // One more attempt is enough to find out that there is no network.
    fetch.env("CARGO_NET_RETRY", "1");
    let fetched = ground.unscrubbed_tool(fetch, "fetch crates from crates.io");
    let ran = fetched.map_err(|error| match error {
        DemoError::Tool { .. } => DemoError::Offline,
        other => other,
    })?;
    ground.stage.progress.end(&ran.took.to_string());
    let mut commands = ground.project.init();
    commands.extend(ground.project.commit("A small language for minutes and budgets"));
    for command in commands {
        ground.tool(command, "make a repository")?;
    }
    Ok(())
}

fn change(ground: &mut Ground<'_>, change: &Change) -> Result<(), DemoError> {
    ground.project.make(change)?;
    for command in ground.project.commit(change.title) {
        ground.tool(command, "commit a change")?;
    }
    say(&format!("  commit: {}", change.title));
    Ok(())
}

fn pipeline(ground: &mut Ground<'_>, workflow: &str, plans: &[Plan]) -> Result<PipelineFigures, DemoError> {
    let head = ground.tool(ground.project.head(), "ask git for the commit")?;
    let commit = head.of(Stream::Output).next().unwrap_or_default().to_owned();
    let mut jobs = Vec::new();
    for plan in plans {
        jobs.push(ground.job(plan)?);
        if plan.cache == Cache::Off {
            // Nobody starts from what it left, and a small disk does not hold four of them.
            ground.forget_targets()?;
        }
    }
    Ok(PipelineFigures::new(workflow, commit, jobs))
}
