//! `hearth register URL`: asks GitHub whether this machine could serve there, and prints or writes the section.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_daemon::secrets::SecretFile;
use hearth_forge::settings::{AppFile, DemandKind};
use hearth_forge::{GithubFile, InvalidSettings};
use hearth_host::clock::SystemClock;
use hearth_model::Clock;

use super::file::{self, FileError};
use super::section;
use crate::app::open_github;
use crate::doctor::{self, Finding, Place, State, patiently};
use crate::environment::Environment;
use crate::settings::Settings;

/// Ask GitHub whether this machine could serve a place there, and write the section of the configuration
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is registered at GitHub by this: the daemon does that, job by job. What was found out goes to standard error, the \
section to standard output; secrets stay in their files.")]
pub struct RegisterArgs {
    /// Whom to serve: `https://github.com/ORGANIZATION`, …/OWNER/REPOSITORY or …/enterprises/ENTERPRISE
    pub url: String,
    /// The client id of a GitHub App, the narrower grant
    #[arg(long, value_name = "ID", requires = "private_key_file", conflicts_with = "token_file")]
    pub app_client_id: Option<String>,
    /// The App's private key, in PEM form
    #[arg(long, value_name = "FILE", requires = "app_client_id")]
    pub private_key_file: Option<PathBuf>,
    /// The App's installation [default: found by the URL]
    #[arg(long, value_name = "NUMBER", requires = "app_client_id")]
    pub installation_id: Option<i64>,
    /// A file with a personal access token
    #[arg(long, value_name = "FILE", required_unless_present = "app_client_id")]
    pub token_file: Option<PathBuf>,
    /// A label beside those that the machine proves by itself; may be repeated
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// The runner group [default: GitHub's default group]
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// The scale set's name [default: the machine's name]
    #[arg(long, value_name = "NAME", conflicts_with = "polling")]
    pub scale_set: Option<String>,
    /// Look at the queues of repositories again and again, where GitHub has no scale sets
    #[arg(long)]
    pub polling: bool,
    /// With --polling: whose queue to look at; may be repeated
    #[arg(long = "repository", value_name = "OWNER/NAME", requires = "polling")]
    pub repositories: Vec<String>,
    /// Certificates to trust beside the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// An HTTP proxy, like `http://proxy.example:3128`
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// A file with NAME:PASSWORD for the proxy
    #[arg(long, value_name = "FILE", requires = "proxy")]
    pub proxy_credentials_file: Option<PathBuf>,
    /// Append the section to the configuration file
    #[arg(long)]
    pub write: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("such a section would not be right")]
    Section(#[source] InvalidSettings),
    #[error("{url} is in the configuration already; `hearth doctor` checks it")]
    Known { url: String },
    #[error("{url} cannot be served as things are, so nothing was written; mend what is bad above and try again")]
    NotReady { url: String },
    #[error("the section cannot be written as TOML")]
    Text(#[source] toml::ser::Error),
    #[error("there is no place for a configuration: HOME is not set; name a file with --config or HEARTH_CONFIG")]
    NoFile,
    #[error(transparent)]
    File(FileError),
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// Answers `hearth register`. `config`: the configuration file in force, whether it is there or not.
pub async fn register(
    args: &RegisterArgs,
    settings: &Settings,
    config: Option<&Path>,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), RegisterError> {
    let file = args.section();
    let wanted = file.clone().check().map_err(RegisterError::Section)?;
    let url = wanted.endpoint.web().to_string();
    let is_same = |known: &hearth_forge::GithubSettings| known.endpoint.web().as_str().eq_ignore_ascii_case(&url);
    if settings.github.iter().any(is_same) {
        return Err(RegisterError::Known { url });
    }
    let text = section::text(&file).map_err(RegisterError::Text)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let place = Place { settings: &wanted, github: open_github(&wanted, &clock) };
    let findings = patiently(&format!("asking {url}"), doctor::ask(&place, None)).await;
    show(&findings);
    if findings.iter().any(|finding| finding.state == State::Bad) {
        return Err(RegisterError::NotReady { url });
    }
    if !args.write {
        return out.write_all(text.as_bytes()).map_err(RegisterError::Write);
    }
    let config = config.ok_or(RegisterError::NoFile)?;
    file::append(config, &text, &file, environment).map_err(RegisterError::File)?;
    let said = writeln!(
        out,
        "{url} is in {}; start the daemon (`hearth up`), or restart the one that is up",
        config.display()
    );
    said.map_err(RegisterError::Write)
}

fn show(findings: &[Finding]) {
    let _closed = writeln!(io::stderr().lock(), "{}", doctor::table(findings));
}

impl RegisterArgs {
    fn section(&self) -> GithubFile {
        let secret = |path: &PathBuf| SecretFile::new(absolute(path));
        let app = self.app_client_id.clone().zip(self.private_key_file.as_ref());
        let app = app.map(|(client_id, key)| AppFile {
            client_id,
            private_key_file: secret(key),
            installation_id: self.installation_id,
        });
        GithubFile {
            url: self.url.clone(),
            app,
            token_file: self.token_file.as_ref().map(secret),
            labels: self.labels.clone(),
            group: self.group.clone(),
            demand: if self.polling { DemandKind::Polling } else { DemandKind::ScaleSet },
            scale_set: self.scale_set.clone(),
            repositories: self.repositories.clone(),
            ca_file: self.ca_file.as_ref().map(|path| absolute(path)),
            proxy: self.proxy.clone(),
            proxy_credentials_file: self.proxy_credentials_file.as_ref().map(secret),
            ..GithubFile::default()
        }
    }
}

/// The daemon runs in another directory than the person who types.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
