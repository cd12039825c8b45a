//! Puts the dispatch together: places, listeners and the board, from the settings. Sends nothing yet.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use hearth_daemon::secrets::{self, Secret, SecretError};
use hearth_daemon::stop::Stop;
use hearth_daemon::tasks::Tasks;
use hearth_forge::demand::{AnyDemand, Machine};
use hearth_forge::{
    AnyRegistrar, Demand, Github, GithubSettings, InvalidLabels, OpenError, Scope, settings::NetworkSettings,
};
use hearth_host::users;
use hearth_ledger::Source;
use tokio::sync::{mpsc, watch};

use super::board::Board;
use super::control::{Control, Published, Way};
use super::labels::Proof;
use super::listen::{Listener, Place, read_session, session_file};
use super::walk::Ground;
use super::{Keepers, Names, Pace, Runners};
use crate::app::App;
use crate::keeper::WORK;

/// What is said to the board and not yet heard.
const INBOX: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    #[error("cannot read or draw the number of this agent at {path}")]
    Number {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot keep sessions in {path}")]
    Sessions {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(transparent)]
    Open(OpenError),
    #[error("the credentials for the proxy to {url} cannot be read")]
    Proxy {
        url: String,
        #[source]
        cause: SecretError,
    },
    #[error("the labels for {url} cannot be used")]
    Labels {
        url: String,
        #[source]
        cause: InvalidLabels,
    },
}

/// A dispatch that can be started.
#[derive(Debug)]
pub struct Dispatch<K: Runners = Keepers> {
    board: Board<AnyRegistrar, K>,
    listeners: Vec<(Listener, AnyDemand)>,
    pub control: Control,
    /// For questions beside the dispatch: downloads, limits.
    pub forges: Vec<Github>,
}

impl<K: Runners> Dispatch<K> {
    /// Reads secrets and certificates, and finds out what this machine can prove.
    pub async fn open(app: &Arc<App>, runners: K) -> Result<Self, DispatchError> {
        let githubs = app.githubs().map_err(DispatchError::Open)?;
        let proof = if githubs.is_empty() { None } else { Some(Proof::find(app.targets.means()).await) };
        let machine = users::host_name();
        let number = app.places.agent_number();
        let names =
            Names::open(&number, &machine).map_err(|cause| DispatchError::Number { path: number.clone(), cause })?;
        let sessions = app.places.sessions();
        std::fs::create_dir_all(&sessions)
            .map_err(|cause| DispatchError::Sessions { path: sessions.clone(), cause })?;
        let (tell, inbox) = mpsc::channel(INBOX);
        let forges = githubs.clone();
        let (mut places, mut listeners, mut ways) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (settings, github)) in app.settings.github.iter().zip(githubs).enumerate() {
            let Some(proof) = &proof else { break };
            let url = settings.endpoint.web().to_string();
            let labels = proof.labels(settings.labels.as_ref());
            let labels = labels.map_err(|cause| DispatchError::Labels { url: url.clone(), cause })?;
            let session = session_file(&sessions, settings);
            let machine = Machine {
                name: machine.clone(),
                prefix: names.prefix().to_owned(),
                labels,
                work_folder: WORK.to_owned(),
            };
            let demand = AnyDemand::new(github.clone(), settings, machine, read_session(&session));
            let (capacity, known) = watch::channel(0);
            let place = place(settings, url.clone(), demand.registrar())?;
            let counts = Arc::clone(&place.counts);
            ways.push(Way { url: url.clone(), counts, health: demand.health(), github });
            places.push((place, capacity));
            let source = match demand {
                AnyDemand::ScaleSet(_) => Source::ScaleSet,
                AnyDemand::Polling(_) => Source::Rest,
            };
            let listener = Listener {
                app: Arc::clone(app),
                names: names.clone(),
                heard: Arc::clone(&app.heard),
                place: index,
                url,
                source,
                session,
                capacity: known,
                tell: tell.clone(),
            };
            listeners.push((listener, demand));
        }
        let (stop_idle, stop) = watch::channel(false);
        let pace = Pace { idle_limit: app.settings.runner.idle_limit.to_duration() };
        let ground = Ground { app: Arc::clone(app), runners: Arc::new(runners), names, pace, stop };
        let (publish, published) = watch::channel(Published::default());
        let board = Board::new(ground, places, inbox, publish, stop_idle);
        Ok(Self { board, listeners, control: Control::new(tell, published, ways), forges })
    }

    /// Starts its tasks.
    pub fn start(self, tasks: &Tasks, stop: &Stop) {
        tasks.spawn("board", self.board.run(stop.clone()));
        for (listener, demand) in self.listeners {
            tasks.spawn("listener", listener.run(demand, stop.clone()));
        }
    }
}

fn place(
    settings: &GithubSettings,
    url: String,
    registrar: AnyRegistrar,
) -> Result<Place<AnyRegistrar>, DispatchError> {
    let repository = match settings.endpoint.scope() {
        Scope::Repository(name) => Some(name.to_string()),
        Scope::Organization(_) | Scope::Enterprise(_) => None,
    };
    let proxy = proxy(&settings.network).map_err(|cause| DispatchError::Proxy { url: url.clone(), cause })?;
    Ok(Place {
        url,
        host: settings.endpoint.host_name(),
        repository,
        share: settings.share,
        priority: settings.priority,
        max: settings.max.map_or(u32::MAX, u32::from),
        proxy: proxy.map(Arc::new),
        no_proxy: settings.network.no_proxy.clone(),
        registrar,
        counts: Arc::default(),
    })
}

/// The proxy's URL with its credentials in it, as programs want it.
fn proxy(network: &NetworkSettings) -> Result<Option<Secret>, SecretError> {
    let Some(mut url) = network.proxy.clone() else { return Ok(None) };
    if let Some(file) = &network.proxy_credentials {
        let credentials = file.read(secrets::exposure)?;
        let (name, password) = credentials.expose().split_once(':').unwrap_or((credentials.expose(), ""));
        // Only URLs without a host refuse them, and these were refused when the settings were checked.
        let _taken = url.set_username(name).and_then(|()| url.set_password(Some(password)));
    }
    Ok(Some(Secret::new(url.into())))
}
