//! What may keep a place at GitHub from working, each with why it matters and how to mend it. Asks and judges; what it
//! looks like is somebody else's business.

mod judge;

use hearth_model::Timestamp;

use crate::call::chain;
use crate::credentials::permissions;
use crate::endpoint::Scope;
use crate::http::Request;
use crate::rest::{Github, RunnerGroup};
use crate::settings::{DemandSettings, GithubSettings};
use crate::wire::Runners;
use crate::{CallError, RepositoryName};

use judge::Visible;

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Credentials,
    Permissions,
    Runners,
    Clock,
    Group,
    Name,
    PublicRepository,
    Version,
    Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Good,
    /// It works, and a person should know.
    Warning,
    /// It will not work.
    Bad,
    /// GitHub does not tell, or could not be asked.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub check: Check,
    pub verdict: Verdict,
    pub what: String,
    /// Why it matters. Empty when all is well.
    pub why: String,
    /// What to do about it. Empty when there is nothing to do.
    pub fix: String,
}

impl Finding {
    fn good(check: Check, what: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, what: what.into(), why: String::new(), fix: String::new() }
    }

    fn new(
        check: Check,
        verdict: Verdict,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { check, verdict, what: what.into(), why: why.into(), fix: fix.into() }
    }

    /// A question that was not answered.
    fn unanswered(check: Check, error: &CallError) -> Self {
        let why = "what cannot be asked cannot be promised";
        Self::new(check, Verdict::Unknown, chain(error), why, "mend what is reported above, and look again")
    }
}

/// Looks at one place. `version`: the runner program that is installed here. A dozen calls at most.
pub async fn examine(github: &Github, settings: &GithubSettings, version: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(credentials(github, settings).await);
    let runners = runners(github).await;
    let reachable = runners.verdict == Verdict::Good;
    findings.push(runners);
    if reachable {
        findings.extend(repositories(github, settings).await);
        if let Some(version) = version {
            findings.push(self::version(github, version).await);
        }
        match github.ask_limits().await {
            Ok(limits) => findings.push(judge::limits(&limits)),
            Err(error) => findings.push(Finding::unanswered(Check::Limits, &error)),
        }
    }
    findings.extend(github.clock_skew_ms().map(judge::clock));
    findings
}

async fn credentials(github: &Github, settings: &GithubSettings) -> Vec<Finding> {
    let scope = github.endpoint().scope();
    match github.installation().await {
        Err(error) => {
            let why = "without credentials nothing works";
            let fix = judge::remedy_of_credentials(&error, scope);
            vec![Finding::new(Check::Credentials, Verdict::Bad, chain(&error), why, fix)]
        }
        Ok(None) => vec![judge::token(scope)],
        Ok(Some(installation)) => {
            let needed = permissions(scope, &settings.demand);
            vec![
                Finding::good(Check::Credentials, format!("the app is installed at {scope}")),
                judge::permissions(scope, &needed, &installation.permissions),
            ]
        }
    }
}

/// The call that needs what registering needs.
async fn runners(github: &Github) -> Finding {
    let scope = github.endpoint().scope();
    let mut url = github.endpoint().scoped(&["actions", "runners"]);
    url.query_pairs_mut().append_pair("per_page", "1");
    let answer = github.get(Request::get(format!("list the runners of {scope}"), url)).await;
    match answer.and_then(|answer| answer.json::<Runners>()) {
        Ok(_) => Finding::good(Check::Runners, format!("the runners of {scope} can be listed")),
        Err(error) => {
            let why = "runners cannot be registered where they cannot even be listed";
            Finding::new(Check::Runners, Verdict::Bad, chain(&error), why, judge::remedy(&error, scope))
        }
    }
}

async fn repositories(github: &Github, settings: &GithubSettings) -> Vec<Finding> {
    if let Scope::Repository(name) = github.endpoint().scope() {
        return match github.repository(name).await {
            Ok(repository) => {
                let renamed = judge::renamed(name, &repository);
                renamed.into_iter().chain([judge::repository(&repository)]).collect()
            }
            Err(error) => vec![Finding::unanswered(Check::PublicRepository, &error)],
        };
    }
    let group = match group(github, settings).await {
        Ok(Ok(group)) => group,
        Ok(Err(finding)) => return vec![finding],
        Err(error) => return vec![Finding::unanswered(Check::Group, &error)],
    };
    let visible = if group.visibility == "selected" && matches!(github.endpoint().scope(), Scope::Organization(_)) {
        match github.group_repositories(group.id).await {
            Ok(repositories) => Visible::Selected(repositories),
            Err(error) => return vec![Finding::unanswered(Check::Group, &error)],
        }
    } else {
        Visible::AsDescribed
    };
    let wanted: &[RepositoryName] = match &settings.demand {
        DemandSettings::Polling { repositories, .. } => repositories,
        DemandSettings::ScaleSet { .. } => &[],
    };
    judge::group(&group, &visible, wanted)
}

/// The group that the settings name, or the default one; a finding when there is none.
async fn group(github: &Github, settings: &GithubSettings) -> Result<Result<RunnerGroup, Finding>, CallError> {
    let groups = github.runner_groups().await?;
    let found = groups.into_iter().find(|group| match &settings.group {
        Some(name) => group.name.eq_ignore_ascii_case(name),
        None => group.is_default,
    });
    Ok(found.ok_or_else(|| {
        let name = settings.group.as_deref().unwrap_or("the default group");
        let what = format!("{} has no runner group {name}", github.endpoint().scope());
        let why = "runners can only be registered into a group that exists";
        Finding::new(Check::Group, Verdict::Bad, what, why, "create the group, or correct `group`")
    }))
}

async fn version(github: &Github, version: &str) -> Finding {
    let now: Timestamp = github.outside().github_time();
    match github.deprecation(version).await {
        Ok(Some(deprecation)) => judge::version(&deprecation, now),
        Ok(None) => {
            let what = format!("GitHub does not tell until when it takes runner version {version}");
            Finding::new(Check::Version, Verdict::Unknown, what, "", "")
        }
        Err(error) => Finding::unanswered(Check::Version, &error),
    }
}
