//! The places at GitHub: what the forge finds out by asking, and what follows from the configuration alone.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_forge::doctor::{self, Check, Verdict};
use hearth_forge::settings::DemandSettings;
use hearth_forge::{Github, GithubSettings, InvalidLabels, Labels, OpenError};

use super::finding::{Finding, Section, State};
use super::patience::patiently;
use crate::dispatch::Proof;
use crate::journey::chain;

const CONFIGURATION: &str = "secrets and network";
const ANSWERS: &str = "answers";
const LABELS: &str = "labels";
const SCALE_SET: &str = "scale set";
/// Each call has its own deadline and is repeated where that helps; all of them together end here.
const EXAMINATION_LIMIT: Duration = Duration::from_mins(2);

/// One place, as far as it could be opened.
pub(crate) struct Place<'a> {
    pub(crate) settings: &'a GithubSettings,
    pub(crate) github: Result<Github, OpenError>,
}

/// Asks each of them. `version`: the runner program that comes next. `machine`: this machine's name.
pub(super) async fn look(places: Vec<Place<'_>>, version: Option<&str>, proof: &Proof, machine: &str) -> Vec<Section> {
    let sets: Vec<Option<String>> = places.iter().map(|place| scale_set(place.settings, machine)).collect();
    let mut sections = Vec::new();
    for (index, place) in places.into_iter().enumerate() {
        let url = place.settings.endpoint.web().to_string();
        let mut findings = patiently(&format!("asking {url}"), ask(&place, version)).await;
        findings.push(judge_labels(proof.labels(place.settings.labels.as_ref())));
        findings.extend(judge_scale_set(index, &sets));
        sections.push(Section::new(url, findings));
    }
    sections
}

/// What GitHub says of this place.
pub(crate) async fn ask(place: &Place<'_>, version: Option<&str>) -> Vec<Finding> {
    let github = match &place.github {
        Ok(github) => github,
        Err(error) => {
            let fix = "mend what it names: the file, its mode, or the key in [[github]]";
            return vec![Finding::bad(CONFIGURATION, chain(error), "GitHub cannot even be asked", fix)];
        }
    };
    let examined = tokio::time::timeout(EXAMINATION_LIMIT, doctor::examine(github, place.settings, version)).await;
    match examined {
        Ok(findings) => findings.into_iter().map(finding).collect(),
        Err(_elapsed) => {
            let found = format!("GitHub was not done answering within {} s", EXAMINATION_LIMIT.as_secs());
            let fix = "check name resolution, firewall and proxy";
            vec![Finding::bad(ANSWERS, found, "runners that are registered so slowly come too late", fix)]
        }
    }
}

fn finding(found: doctor::Finding) -> Finding {
    let name = match found.check {
        Check::Credentials => "credentials",
        Check::Permissions => "permissions",
        Check::Runners => "runners",
        Check::Clock => "clock",
        Check::Group => "runner group",
        Check::Name => "name",
        Check::PublicRepository => "public repositories",
        Check::Version => "runner version",
        Check::Limits => "limits",
    };
    let state = match found.verdict {
        Verdict::Good => State::Good,
        Verdict::Warning => State::Warning,
        Verdict::Bad => State::Bad,
        Verdict::Unknown => State::NotChecked,
    };
    Finding { name, state, found: found.what, why: found.why, fix: found.fix }
}

fn judge_labels(labels: Result<Labels, InvalidLabels>) -> Finding {
    match labels {
        Ok(labels) => Finding::good(LABELS, labels.to_string()),
        Err(error) => {
            let fix = "shorten `labels` of this [[github]]; the machine's own come on top";
            Finding::bad(LABELS, chain(&error), "GitHub refuses runners with such labels", fix)
        }
    }
}

/// The set by everything that makes it one at GitHub. Polling has none.
fn scale_set(settings: &GithubSettings, machine: &str) -> Option<String> {
    let DemandSettings::ScaleSet { name } = &settings.demand else { return None };
    let group = settings.group.as_deref().unwrap_or_default();
    let name = name.as_deref().unwrap_or(machine);
    Some(format!("{name} in {} of {}", or_default(group), settings.endpoint.web()).to_lowercase())
}

fn or_default(group: &str) -> String {
    if group.is_empty() { "the default group".to_owned() } else { format!("group {group}") }
}

fn judge_scale_set(index: usize, sets: &[Option<String>]) -> Option<Finding> {
    let own = sets.get(index)?.as_ref()?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for set in sets.iter().flatten() {
        *counts.entry(set).or_default() += 1;
    }
    if counts.get(own.as_str()).copied().unwrap_or_default() < 2 {
        return Some(Finding::good(SCALE_SET, own));
    }
    let found = format!("two [[github]] sections want to be {own}");
    let why = "GitHub lets one of them listen; the other gets no jobs";
    Some(Finding::bad(SCALE_SET, found, why, "give each a `scale_set` of its own, or take one of them away"))
}

#[cfg(test)]
mod tests {
    use hearth_forge::GithubFile;

    use super::*;

    fn settings(lines: &str) -> GithubSettings {
        let text = format!("token_file = '/etc/token'\n{lines}");
        toml::from_str::<GithubFile>(&text).unwrap().check().unwrap()
    }

    fn check(all: &[&str]) -> Vec<Option<State>> {
        let sets: Vec<_> = all.iter().map(|lines| scale_set(&settings(lines), "Box")).collect();
        (0..sets.len()).map(|index| judge_scale_set(index, &sets).map(|finding| finding.state)).collect()
    }

    #[test]
    fn two_sections_cannot_be_one_scale_set() {
        let acme = "url = 'https://github.com/acme'";
        let (good, bad) = (Some(State::Good), Some(State::Bad));
        assert_eq!(check(&[acme]), [good]);
        assert_eq!(check(&[acme, acme]), [bad, bad]);
        assert_eq!(check(&[acme, "url = 'https://github.com/acme'\nscale_set = 'box'"]), [bad, bad]);
        assert_eq!(check(&[acme, "url = 'https://github.com/acme'\nscale_set = 'big'"]), [good, good]);
        assert_eq!(check(&[acme, "url = 'https://github.com/acme'\ngroup = 'big'"]), [good, good]);
        assert_eq!(check(&[acme, "url = 'https://github.com/other'"]), [good, good]);
        let polling = "url = 'https://github.com/acme/app'\ndemand = 'polling'";
        assert_eq!(check(&[polling, polling]), [None, None]);
    }

    #[test]
    fn labels_that_github_refuses_are_bad() {
        assert_eq!(judge_labels(Labels::new(["gpu"])).state, State::Good);
        let many = judge_labels(Labels::new((0..101).map(|n| format!("label-{n}"))));
        assert_eq!(many.state, State::Bad);
        assert!(many.found.contains("101 labels") && many.fix.contains("labels"), "{many:?}");
    }
}
