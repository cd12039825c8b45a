//! What the answers mean. Pure.

use std::collections::BTreeMap;

use hearth_model::{Millis, Timestamp};

use super::{Check, Finding, Verdict};
use crate::CallError;
use crate::credentials::CredentialError;
use crate::endpoint::{RepositoryName, Scope};
use crate::http::LimitState;
use crate::rest::RunnerGroup;
use crate::times::instant;
use crate::wire::{Deprecation, Repository};

/// Tokens and records survive this much.
const SKEW: Millis = Millis::from_secs(30);
/// Time enough for a person to bring a new version to every machine.
const VERSION_NOTICE: Millis = Millis::from_minutes(7 * 24 * 60);
/// Of an hour's calls.
const FEW_CALLS_PERCENT: u64 = 10;

/// Which repositories a group serves.
pub(super) enum Visible {
    /// All, or all private ones, as its visibility says.
    AsDescribed,
    Selected(Vec<Repository>),
}

pub(super) fn token(scope: &Scope) -> Finding {
    let needed = match scope {
        Scope::Repository(_) => "repo, or Administration: write",
        Scope::Organization(_) => "admin:org, or Self-hosted runners: write",
        Scope::Enterprise(_) => "manage_runners:enterprise",
    };
    let what = format!("a person's token is used; it needs {needed}");
    let why = "it ends when that person leaves, and may more than runners need";
    Finding::new(Check::Credentials, Verdict::Warning, what, why, "use a GitHub App where one may be installed")
}

pub(super) fn permissions(
    scope: &Scope,
    needed: &BTreeMap<&'static str, &'static str>,
    granted: &BTreeMap<String, String>,
) -> Finding {
    let enough = |level: &str, granted: &str| granted == level || granted == "write" || granted == "admin";
    let missing: Vec<String> = needed
        .iter()
        .filter(|(name, level)| !granted.get(**name).is_some_and(|granted| enough(level, granted)))
        .map(|(name, level)| format!("{name}: {level}"))
        .collect();
    if !missing.is_empty() {
        let what = format!("the app lacks {}", missing.join(", "));
        let fix = "grant it in the app's settings, and accept it where the app is installed";
        return Finding::new(Check::Permissions, Verdict::Bad, what, "GitHub will refuse to register runners", fix);
    }
    if matches!(scope, Scope::Repository(_)) {
        let why = "this permission also allows to delete the repository and to change who may write to it";
        let fix = "serve the organization instead: its `Self-hosted runners` permission allows nothing else";
        let what = "the app may administer the repository, as its runners need";
        return Finding::new(Check::Permissions, Verdict::Warning, what, why, fix);
    }
    Finding::good(Check::Permissions, "the app has the permissions that runners need")
}

/// What to do about a refused listing.
pub(super) fn remedy(error: &CallError, scope: &Scope) -> String {
    match error {
        CallError::Unauthorized { .. } => "make a new token, and put it into token_file".to_owned(),
        CallError::Forbidden { needs: Some(needs), .. } => format!("grant {needs}"),
        CallError::Forbidden { .. } => "grant the permission to manage self-hosted runners".to_owned(),
        CallError::NotFound { .. } => format!("check that {scope} is spelled so, and that the credentials may see it"),
        CallError::Limited { .. } => "wait for GitHub's limit to pass".to_owned(),
        CallError::Credentials { cause, .. } => remedy_of_credentials(cause, scope),
        CallError::Unreachable { .. } | CallError::Timeout { .. } | CallError::Broken { .. } => {
            "check name resolution, firewall, proxy and ca_file".to_owned()
        }
        _ => "look at GitHub's status page, and try again".to_owned(),
    }
}

/// What to do about credentials that cannot be had: they may be right and GitHub out of reach.
pub(super) fn remedy_of_credentials(error: &CredentialError, scope: &Scope) -> String {
    match error {
        CredentialError::Token { cause, .. } => remedy(cause, scope),
        _ => "check app.client_id, the key and where the app is installed".to_owned(),
    }
}

pub(super) fn clock(skew_ms: i64) -> Finding {
    let offset = Millis(skew_ms.unsigned_abs());
    if offset <= SKEW {
        return Finding::good(Check::Clock, "the clock goes with GitHub's");
    }
    let direction = if skew_ms > 0 { "behind" } else { "ahead of" };
    let what = format!("the clock is {offset} {direction} GitHub's");
    let why = "times in the books are wrong by so much; tokens are corrected for it, other programs are not";
    Finding::new(Check::Clock, Verdict::Warning, what, why, "let NTP set the clock")
}

/// The name in the configuration is a former one.
pub(super) fn renamed(configured: &RepositoryName, repository: &Repository) -> Option<Finding> {
    let name = &repository.full_name;
    let is_former = !name.eq_ignore_ascii_case(&configured.to_string());
    is_former.then(|| {
        let what = format!("repository {configured} is called {name} now");
        let why = "GitHub leads us there until somebody makes another repository of the old name";
        let fix = format!("write {name} into `url`");
        Finding::new(Check::Name, Verdict::Warning, what, why, fix)
    })
}

pub(super) fn repository(repository: &Repository) -> Finding {
    let name = &repository.full_name;
    if repository.private {
        return Finding::good(Check::PublicRepository, format!("{name} is not public"));
    }
    let why = "anybody can open a pull request, and its code would run on this machine";
    let fix = "require approval for all outside contributors in the repository's Actions settings, or keep it private";
    Finding::new(Check::PublicRepository, Verdict::Warning, format!("{name} is public"), why, fix)
}

pub(super) fn group(group: &RunnerGroup, visible: &Visible, wanted: &[RepositoryName]) -> Vec<Finding> {
    let name = &group.name;
    let mut findings = Vec::new();
    if let Visible::Selected(repositories) = visible {
        let serves = |wanted: &&RepositoryName| {
            repositories.iter().any(|repository| repository.full_name.eq_ignore_ascii_case(&wanted.to_string()))
        };
        let hidden: Vec<String> = wanted.iter().filter(|wanted| !serves(wanted)).map(ToString::to_string).collect();
        let fix = format!("add it to the repositories of runner group {name}");
        if repositories.is_empty() {
            let what = format!("runner group {name} serves no repository");
            findings.push(Finding::new(Check::Group, Verdict::Bad, what, "no job will ever come", fix));
        } else if !hidden.is_empty() {
            let what = format!("runner group {name} does not serve {}", hidden.join(", "));
            findings.push(Finding::new(Check::Group, Verdict::Bad, what, "their jobs will wait for ever", fix));
        }
        let public: Vec<&str> =
            repositories.iter().filter(|repository| !repository.private).map(|r| r.full_name.as_str()).collect();
        if !public.is_empty() && !group.allows_public_repositories {
            let what = format!("runner group {name} serves {}, but no public repositories", public.join(", "));
            let fix = "allow public repositories in the group, if their pull requests may run here";
            findings.push(Finding::new(Check::Group, Verdict::Warning, what, "their jobs will wait for ever", fix));
        }
    }
    if group.restricted_to_workflows {
        let what = format!("runner group {name} serves selected workflows only");
        let why = "jobs of all others will wait for ever";
        findings.push(Finding::new(Check::Group, Verdict::Warning, what, why, "check the group's list of workflows"));
    }
    if group.allows_public_repositories {
        let what = format!("runner group {name} serves public repositories");
        let why = "anybody can open a pull request there, and its code would run on this machine";
        let fix = "take it away, or require approval for all outside contributors";
        findings.push(Finding::new(Check::PublicRepository, Verdict::Warning, what, why, fix));
    }
    if findings.is_empty() {
        findings.push(Finding::good(Check::Group, format!("runner group {name} serves the repositories")));
    }
    findings
}

pub(super) fn version(deprecation: &Deprecation, now: Timestamp) -> Finding {
    let version = &deprecation.runner_version;
    let at = |text: &Option<String>| text.as_deref().and_then(instant);
    let ends = [at(&deprecation.registration_deprecates_at), at(&deprecation.runtime_deprecates_at)];
    let Some(end) = ends.into_iter().flatten().min() else {
        return Finding::good(Check::Version, format!("GitHub names no end for runner version {version}"));
    };
    let (why, fix) = ("an older runner gets no jobs", "install the current version: `hearth runner install`");
    if end <= now {
        let what = format!("GitHub does not take runner version {version} any more");
        return Finding::new(Check::Version, Verdict::Bad, what, why, fix);
    }
    let days = end.since(now).0 / Millis::from_minutes(24 * 60).0;
    let what = format!("GitHub takes runner version {version} for {days} more days");
    if end.since(now) <= VERSION_NOTICE {
        return Finding::new(Check::Version, Verdict::Warning, what, why, fix);
    }
    Finding::good(Check::Version, what)
}

pub(super) fn limits(limits: &LimitState) -> Finding {
    let few = limits.buckets.iter().filter(|(_, bucket)| {
        bucket.limit > 0 && bucket.remaining.saturating_mul(100) < bucket.limit.saturating_mul(FEW_CALLS_PERCENT)
    });
    let few: Vec<String> =
        few.map(|(name, bucket)| format!("{name} ({} of {})", bucket.remaining, bucket.limit)).collect();
    if few.is_empty() {
        return Finding::good(Check::Limits, "GitHub's limits leave room");
    }
    let what = format!("few calls are left until GitHub's hour is over: {}", few.join(", "));
    let fix = "find out what else uses these credentials, or give this machine its own app";
    Finding::new(Check::Limits, Verdict::Warning, what, "then runners cannot be registered for a while", fix)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Bad, Good, Warning};
    use super::*;
    use crate::http::Bucket;

    #[test]
    fn a_missing_permission_is_named() {
        let scope = Scope::Organization("acme".to_owned());
        let needed = BTreeMap::from([("actions", "read"), ("organization_self_hosted_runners", "write")]);
        let check = |granted: &[(&str, &str)]| {
            let granted = granted.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect();
            let finding = permissions(&scope, &needed, &granted);
            (finding.verdict, finding.what)
        };
        assert_eq!(check(&[("actions", "write"), ("organization_self_hosted_runners", "write")]).0, Good);
        let (verdict, what) = check(&[("actions", "read"), ("organization_self_hosted_runners", "read")]);
        assert_eq!((verdict, what.as_str()), (Bad, "the app lacks organization_self_hosted_runners: write"));
        let repository = Scope::Repository(RepositoryName::parse("a/b").unwrap());
        assert_eq!(permissions(&repository, &BTreeMap::new(), &BTreeMap::new()).verdict, Warning);
    }

    #[test]
    fn a_github_out_of_reach_is_not_the_credentials_fault() {
        let scope = Scope::Organization("acme".to_owned());
        let call = || crate::Call::new("find the installation");
        let after = std::time::Duration::from_secs(30);
        let token = |cause| CredentialError::Token {
            app: "Iv23".to_owned(),
            target: "acme".to_owned(),
            cause: Box::new(cause),
        };
        let check = |error: CredentialError| remedy_of_credentials(&error, &scope);
        assert!(check(token(CallError::Timeout { call: call(), after })).contains("firewall"));
        assert!(check(CredentialError::NotAHeader).contains("app.client_id"));
        let wrapped = token(CallError::Timeout { call: call(), after });
        let wrapped = CallError::Credentials { call: call(), cause: Box::new(wrapped) };
        assert!(remedy(&wrapped, &scope).contains("firewall"));
    }

    #[test]
    fn a_clock_that_is_off_is_told_with_its_direction() {
        for (skew, verdict, what) in [
            (0, Good, "the clock goes with GitHub's"),
            (-29_000, Good, "the clock goes with GitHub's"),
            (600_000, Warning, "the clock is 10 min 00 s behind GitHub's"),
            (-600_000, Warning, "the clock is 10 min 00 s ahead of GitHub's"),
        ] {
            let finding = clock(skew);
            assert_eq!((finding.verdict, finding.what.as_str()), (verdict, what));
        }
    }

    #[test]
    fn a_group_that_hides_from_the_repositories_is_found() {
        let runner_group = |allows_public_repositories| RunnerGroup {
            id: 2,
            name: "hearth".to_owned(),
            visibility: "selected".to_owned(),
            is_default: false,
            allows_public_repositories,
            restricted_to_workflows: false,
        };
        let repository = |name: &str, private| Repository { id: 1, full_name: name.to_owned(), private };
        let wanted = [RepositoryName::parse("acme/widgets").unwrap()];
        let check = |allows, repositories: Vec<Repository>| -> Vec<(Check, Verdict)> {
            let findings = group(&runner_group(allows), &Visible::Selected(repositories), &wanted);
            findings.iter().map(|finding| (finding.check, finding.verdict)).collect()
        };
        assert_eq!(check(false, vec![repository("Acme/Widgets", true)]), [(Check::Group, Good)]);
        assert_eq!(check(false, vec![]), [(Check::Group, Bad)]);
        assert_eq!(check(false, vec![repository("acme/other", true)]), [(Check::Group, Bad)]);
        assert_eq!(check(false, vec![repository("acme/widgets", false)]), [(Check::Group, Warning)]);
        assert_eq!(check(true, vec![repository("acme/widgets", false)]), [(Check::PublicRepository, Warning)]);
    }

    #[test]
    fn a_former_name_is_told_with_the_present_one() {
        let configured = RepositoryName::parse("acme/widgets").unwrap();
        let check = |name: &str| {
            let repository = Repository { id: 1, full_name: name.to_owned(), private: true };
            renamed(&configured, &repository).map(|finding| finding.fix)
        };
        assert_eq!(check("Acme/Widgets"), None);
        assert_eq!(check("acme/sprockets").as_deref(), Some("write acme/sprockets into `url`"));
    }

    #[test]
    fn a_version_s_end_is_seen_coming() {
        let now = Timestamp::from_millis(1_795_372_463_000);
        let check = |registration: Option<&str>, runtime: Option<&str>| {
            let deprecation = Deprecation {
                runner_version: "2.330.0".to_owned(),
                registration_deprecates_at: registration.map(str::to_owned),
                runtime_deprecates_at: runtime.map(str::to_owned),
            };
            version(&deprecation, now).verdict
        };
        assert_eq!(check(None, None), Good);
        assert_eq!(check(Some("2027-01-01T00:00:00Z"), None), Good);
        assert_eq!(check(Some("2027-01-01T00:00:00Z"), Some("2026-11-25T00:00:00Z")), Warning);
        assert_eq!(check(Some("2026-11-22T18:34:23Z"), None), Bad);
    }

    #[test]
    fn few_calls_left_are_named() {
        let state = |remaining| {
            let bucket = Bucket { limit: 5_000, remaining, used: 0, resets: Timestamp::from_millis(0) };
            LimitState { buckets: BTreeMap::from([("core".to_owned(), bucket)]), ..LimitState::default() }
        };
        assert_eq!(limits(&state(500)).verdict, Good);
        assert!(limits(&state(499)).what.contains("core (499 of 5000)"));
    }
}
