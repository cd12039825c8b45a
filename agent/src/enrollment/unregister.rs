//! `hearth unregister URL`: removes what this agent has at a place: registrations by its own name, and its scale set.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_forge::{CallError, DemandError, GithubSettings, OpenError, Removal, RunnerSeen};
use hearth_host::clock::SystemClock;
use hearth_host::users;
use hearth_model::{Clock, Millis};
use tokio::time::Instant;

use crate::app::open_github;
use crate::dispatch::{Names, Presence};
use crate::doctor::{is_up, patiently};
use crate::places::Places;
use crate::settings::Settings;
use hearth_daemon::terminal::for_terminal;

/// How often it is looked whether a job is over. One call each; GitHub gives 5,000 an hour.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Remove what this machine has registered at GitHub
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --yes it says what it would remove. Other machines' registrations are never touched. The configuration stays as \
it is.")]
pub struct UnregisterArgs {
    /// The place, as it stands in the configuration
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub url: Option<String>,
    /// Every place of the configuration
    #[arg(long)]
    pub all: bool,
    /// Do it
    #[arg(long)]
    pub yes: bool,
    /// Wait for jobs that run, for at most so long, in the place of refusing
    #[arg(long, value_name = "TIME")]
    pub wait: Option<Millis>,
}

#[derive(Debug, thiserror::Error)]
pub enum UnregisterError {
    #[error("{url} is not in the configuration, which serves {}", known(.served))]
    Unknown { url: String, served: Vec<String> },
    #[error("no [[github]] is configured, so nothing is known of any registration")]
    Nothing,
    #[error("the daemon of {state} is up and would register anew; stop it first: `hearth drain`, then end it")]
    DaemonUp { state: PathBuf },
    #[error("nothing is kept in {state}, so no registration is this agent's; name its directory with --state")]
    NoState { state: PathBuf },
    #[error("cannot read or draw the number of this agent at {path}")]
    Number {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(transparent)]
    Open(OpenError),
    #[error("cannot find out what is registered at {url}; nothing was removed there")]
    List {
        url: String,
        #[source]
        cause: Box<CallError>,
    },
    #[error("jobs run at {url} on {}; let them end, or repeat with --wait 1h", .runners.join(", "))]
    Busy { url: String, runners: Vec<String> },
    #[error("cannot remove runner {runner} from {url}; repeat this when it can be")]
    Remove {
        runner: String,
        url: String,
        #[source]
        cause: Box<CallError>,
    },
    #[error("cannot delete the scale set at {url}; repeat this when it can be")]
    Retire {
        url: String,
        #[source]
        cause: Box<DemandError>,
    },
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

fn known(served: &[String]) -> String {
    if served.is_empty() { "nobody".to_owned() } else { served.join(", ") }
}

/// One place, and what is registered there.
struct Leaving {
    url: String,
    presence: Presence,
    registered: Vec<RunnerSeen>,
}

/// Answers `hearth unregister`.
pub async fn unregister(
    args: &UnregisterArgs,
    settings: &Settings,
    out: &mut impl Write,
) -> Result<(), UnregisterError> {
    let chosen = choose(&settings.github, args.url.as_deref())?;
    let root = settings.state.canonicalize().unwrap_or_else(|_| settings.state.clone());
    let places = Places::at(&root);
    if !root.is_dir() {
        return Err(UnregisterError::NoState { state: root });
    }
    if is_up(&places).await {
        return Err(UnregisterError::DaemonUp { state: root });
    }
    let mut leaving = Vec::new();
    // All of them are looked at before anything is removed anywhere.
    for settings in chosen {
        leaving.push(look(settings, &places).await?);
    }
    for place in &leaving {
        let runners = busy(&place.registered);
        if args.wait.is_none() && !runners.is_empty() {
            return Err(UnregisterError::Busy { url: place.url.clone(), runners });
        }
    }
    let limit = Instant::now() + args.wait.map(Millis::to_duration).unwrap_or_default();
    for place in leaving {
        let line = if args.yes { leave(place, limit).await? } else { intent(&place) };
        writeln!(out, "{}", for_terminal(&line)).map_err(UnregisterError::Write)?;
    }
    let last = if args.yes {
        "the configuration is as it was: take the [[github]] sections of these places out of it"
    } else {
        "nothing was removed; repeat with --yes to do it"
    };
    writeln!(out, "{last}").map_err(UnregisterError::Write)
}

fn choose<'a>(served: &'a [GithubSettings], url: Option<&str>) -> Result<Vec<&'a GithubSettings>, UnregisterError> {
    let Some(url) = url else {
        return if served.is_empty() { Err(UnregisterError::Nothing) } else { Ok(served.iter().collect()) };
    };
    let spelled = |settings: &GithubSettings| settings.endpoint.web().to_string();
    let wanted = url.trim().trim_end_matches('/');
    let found: Vec<_> = served.iter().filter(|place| spelled(place).eq_ignore_ascii_case(wanted)).collect();
    if found.is_empty() {
        return Err(UnregisterError::Unknown { url: url.to_owned(), served: served.iter().map(spelled).collect() });
    }
    Ok(found)
}

async fn look(settings: &GithubSettings, places: &Places) -> Result<Leaving, UnregisterError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let path = places.agent_number();
    let names = Names::open(&path, &users::host_name()).map_err(|cause| UnregisterError::Number { path, cause })?;
    let github = open_github(settings, &clock).map_err(UnregisterError::Open)?;
    let url = settings.endpoint.web().to_string();
    let presence = Presence::new(github, settings, names, places);
    let listed = patiently(&format!("asking {url}"), presence.registrations()).await;
    let registered = listed.map_err(|cause| UnregisterError::List { url: url.clone(), cause: Box::new(cause) })?;
    Ok(Leaving { url, presence, registered })
}

fn busy(registered: &[RunnerSeen]) -> Vec<String> {
    registered.iter().filter(|runner| runner.busy == Some(true)).map(|runner| runner.name.clone()).collect()
}

fn intent(place: &Leaving) -> String {
    let names: Vec<_> = place.registered.iter().map(|runner| runner.name.as_str()).collect();
    let names = if names.is_empty() { "no runner".to_owned() } else { names.join(", ") };
    format!("{}: would remove {names}, and this machine's scale set where there is one", place.url)
}

/// Removes what is there, again and again until nothing is left or the time is up.
async fn leave(place: Leaving, limit: Instant) -> Result<String, UnregisterError> {
    let Leaving { url, presence, mut registered } = place;
    let mut removed = 0;
    loop {
        let mut runners = Vec::new();
        for runner in &registered {
            let gone = match runner.busy {
                Some(true) => Removal::Busy,
                _ => presence.remove(runner).await.map_err(|cause| UnregisterError::Remove {
                    runner: runner.name.clone(),
                    url: url.clone(),
                    cause: Box::new(cause),
                })?,
            };
            match gone {
                Removal::Gone => removed += 1,
                Removal::Busy => runners.push(runner.name.clone()),
            }
        }
        if runners.is_empty() {
            break;
        }
        if Instant::now() >= limit {
            return Err(UnregisterError::Busy { url, runners });
        }
        let _closed =
            writeln!(io::stderr().lock(), "hearth: waiting for {} of {url}", for_terminal(&runners.join(", ")));
        tokio::time::sleep_until((Instant::now() + LOOK_AGAIN).min(limit)).await;
        registered = presence
            .registrations()
            .await
            .map_err(|cause| UnregisterError::List { url: url.clone(), cause: Box::new(cause) })?;
    }
    presence.retire().await.map_err(|cause| UnregisterError::Retire { url: url.clone(), cause: Box::new(cause) })?;
    Ok(format!("{url}: removed {removed} registrations and this machine's scale set"))
}

#[cfg(test)]
mod tests {
    use hearth_forge::GithubFile;

    use super::*;

    fn served(urls: &[&str]) -> Vec<GithubSettings> {
        let of = |url: &&str| {
            let file: GithubFile = toml::from_str(&format!("url = '{url}'\ntoken_file = '/t'")).unwrap();
            file.check().unwrap()
        };
        urls.iter().map(of).collect()
    }

    #[test]
    fn a_place_is_found_by_its_url_however_it_is_spelled() {
        let served = served(&["https://github.com/acme", "https://github.com/other/app"]);
        for (url, expected) in [
            (None, 2),
            (Some("https://github.com/acme"), 1),
            (Some("https://GitHub.com/Acme/"), 1),
            (Some(" https://github.com/other/app"), 1),
        ] {
            assert_eq!(choose(&served, url).unwrap().len(), expected, "{url:?}");
        }
        let unknown = choose(&served, Some("https://github.com/nobody")).unwrap_err().to_string();
        assert!(unknown.contains("nobody is not in") && unknown.contains("https://github.com/acme"), "{unknown}");
        assert!(matches!(choose(&[], None), Err(UnregisterError::Nothing)));
    }
}
