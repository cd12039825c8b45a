//! The facts of a local job: what git says, unless the caller knows better.

use hearth_model::{Event, Forge, JobFacts, Ref, RunFacts};

use super::ExecArgs;
use crate::checkout::{Checkout, Toolchain};
use crate::environment::Environment;

/// The triple that rustc names, or what this program was built for.
fn platform(toolchain: Option<&Toolchain>) -> String {
    let said = toolchain.and_then(Toolchain::host).map(str::to_owned);
    said.unwrap_or_else(|| format!("{}-unknown-{}", std::env::consts::ARCH, std::env::consts::OS))
}

pub(super) fn facts(
    args: &ExecArgs,
    checkout: &Checkout,
    toolchain: Option<&Toolchain>,
    environment: &Environment,
) -> JobFacts {
    let event = args.event.clone().unwrap_or(Event::Local);
    JobFacts {
        forge: Forge::Local,
        repository: checkout.repository.clone(),
        event,
        reference: args.reference.clone().map_or_else(|| checkout.reference.clone(), Ref::from),
        base_branch: args.base.clone(),
        default_branch: args.default_branch.clone().unwrap_or_else(|| checkout.default_branch.clone()),
        from_fork: args.from_fork,
        commit: checkout.commit.clone(),
        work_tree: checkout.work_tree,
        lock_digest: checkout.lock_digest.clone(),
        workflow: args.workflow.clone(),
        job: args.job.clone(),
        actor: environment.text("USER").or_else(|| environment.text("LOGNAME")).map(str::to_owned),
        platform: platform(toolchain),
        run: RunFacts { run_id: args.run_id, run_attempt: args.run_id.map(|_| args.attempt), ..RunFacts::default() },
    }
}
