//! A place at the fake GitHub, as an operator would configure it, and the forge opened on it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fake_github::{FakeGithub, Options, Scope};
use hearth_daemon::secrets::Exposure;
use hearth_forge::{
    AnyDemand, Demand, Demanded, Github, GithubFile, GithubSettings, JobNews, Labels, Machine, RunnerName,
    SessionRecord, Surroundings,
};
use hearth_host::clock::SystemClock;
use hearth_tests::environment::Environment;
use tempfile::TempDir;

pub(crate) const CLIENT_ID: &str = "Iv23liHearthFake";
pub(crate) const PREFIX: &str = "hearth-box-";
pub(crate) const OWNER: &str = "box";

/// A fake GitHub and the files of an operator.
pub(crate) struct Place {
    pub(crate) github: FakeGithub,
    files: TempDir,
}

/// What the fake is started with: short holds, so that a test of silence is short.
pub(crate) fn options() -> Options {
    Options {
        openapi: Environment::of_this_process().github_openapi(),
        poll_hold: Duration::from_millis(300),
        ..Options::default()
    }
}

impl Place {
    pub(crate) fn new(options: Options) -> Self {
        // It starts a runtime, which a thread that is inside of one may not.
        let github = std::thread::spawn(|| FakeGithub::start(options)).join().unwrap().unwrap();
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("key.pem"), github.app_key().pkcs1_pem()).unwrap();
        Self { github, files }
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.files.path().join("key.pem")
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.files.path().join("token")
    }

    /// `[[github]]` for the organization, with the App's key and these lines.
    pub(crate) fn settings(&self, lines: &str) -> GithubSettings {
        self.settings_of(&Scope::Organization("acme".to_owned()), lines)
    }

    pub(crate) fn settings_of(&self, scope: &Scope, lines: &str) -> GithubSettings {
        let key = self.key_file();
        let app = format!("app = {{ client_id = '{CLIENT_ID}', private_key_file = '{}' }}", key.display());
        self.settings_with(scope, &app, lines)
    }

    /// With a person's token in the place of the App's key.
    pub(crate) fn settings_with_token(&self, scope: &Scope, token: &str, lines: &str) -> GithubSettings {
        std::fs::write(self.token_file(), token).unwrap();
        let credentials = format!("token_file = '{}'", self.token_file().display());
        self.settings_with(scope, &credentials, lines)
    }

    fn settings_with(&self, scope: &Scope, credentials: &str, lines: &str) -> GithubSettings {
        let text = format!("url = '{}'\n{credentials}\n{lines}", self.github.url_of(scope));
        let file: GithubFile = toml::from_str(&text).unwrap();
        file.check().unwrap()
    }

    /// Nothing was said that GitHub would not have understood.
    pub(crate) fn is_content(&self) {
        let violations: Vec<String> = self.github.violations().iter().map(ToString::to_string).collect();
        assert!(violations.is_empty(), "{violations:#?}");
    }

    /// How many calls operations with this text in their names had.
    pub(crate) fn calls(&self, operation: &str) -> u64 {
        let operations = self.github.operations();
        operations.iter().filter(|(name, _)| name.contains(operation)).map(|(_, calls)| calls).sum()
    }
}

pub(crate) fn open(settings: &GithubSettings) -> Github {
    Github::open(settings, &surroundings()).unwrap()
}

pub(crate) fn demand(settings: &GithubSettings, left_over: Option<SessionRecord>) -> AnyDemand {
    AnyDemand::new(open(settings), settings, machine(), left_over)
}

fn surroundings() -> Surroundings {
    Surroundings { clock: Arc::new(SystemClock::default()), exposure: |_| Ok(Exposure::Private) }
}

pub(crate) fn machine() -> Machine {
    Machine {
        name: OWNER.to_owned(),
        prefix: PREFIX.to_owned(),
        labels: Labels::new(["self-hosted", "linux", "hearth"]).unwrap(),
        work_folder: "_work".to_owned(),
    }
}

pub(crate) fn name(number: u32) -> RunnerName {
    format!("{PREFIX}{number}").parse().unwrap()
}

/// The news as words: `assigned build`.
pub(crate) fn words(demanded: &Demanded) -> Vec<String> {
    demanded.jobs.iter().map(word).collect()
}

pub(crate) fn word(news: &JobNews) -> String {
    let kind = match news {
        JobNews::Available { .. } => "available",
        JobNews::Assigned { .. } => "assigned",
        JobNews::Started { .. } => "started",
        JobNews::Completed { .. } => "completed",
    };
    format!("{kind} {}", news.job().display_name)
}

/// Waits until something is told, acknowledges it as if it stood in a journal, and gives it back.
pub(crate) async fn told(demand: &mut AnyDemand, capacity: u32) -> Demanded {
    for _ in 0..100 {
        let demanded = demand.wait(capacity).await.unwrap();
        if let Some(message) = demanded.message {
            demand.acknowledge(message).await.unwrap();
        }
        if !demanded.jobs.is_empty() {
            return demanded;
        }
    }
    unreachable!("nothing was told in a hundred polls")
}
