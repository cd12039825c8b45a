//! One place at the forge, and the task that listens to it. What it says of our runners is in the ledger before it is
//! acknowledged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_daemon::secrets::Secret;
use hearth_daemon::stop::Stop;
use hearth_forge::settings::DemandSettings;
use hearth_forge::{Demand, Demanded, GithubSettings, JobNews, RequestId, SessionRecord};
use hearth_host::tree;
use hearth_ledger::Source;
use tokio::sync::{mpsc, watch};

use super::board::Event;
use super::counts::RunnerCounts;
use super::heard::Said;
use super::{Heard, Names, news};
use crate::app::App;
use crate::journey::chain;

/// A place at the forge that this machine serves.
#[derive(Debug, Clone)]
pub struct Place<R> {
    /// As the operator wrote it.
    pub url: String,
    /// The forge's host, as it stands in the ledger.
    pub host: String,
    /// `owner/name`, when it is one repository.
    pub repository: Option<String>,
    pub share: u16,
    pub priority: i16,
    pub max: u32,
    /// How the runner program gets there, if not directly.
    pub proxy: Option<Arc<Secret>>,
    pub no_proxy: Vec<String>,
    pub registrar: R,
    pub(super) counts: Arc<RunnerCounts>,
}

/// What a listener needs beside its source of demand.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) app: Arc<App>,
    pub(super) names: Names,
    pub(super) heard: Arc<Heard>,
    /// Its place, by the board's number.
    pub(super) place: usize,
    pub(super) url: String,
    pub(super) source: Source,
    /// Where an open session is written down.
    pub(super) session: PathBuf,
    pub(super) capacity: watch::Receiver<u32>,
    pub(super) tell: mpsc::Sender<Event>,
}

impl Listener {
    /// Listens until the stop, then ends the session at the service.
    pub(super) async fn run<D: Demand>(mut self, mut demand: D, stop: Stop) {
        let mut written: Option<SessionRecord> = None;
        loop {
            let capacity = *self.capacity.borrow_and_update();
            let told = tokio::select! {
                told = demand.wait(capacity) => told,
                // Asked again with the new number: what is promised must be there.
                changed = self.capacity.changed() => if changed.is_ok() { continue } else { break },
                () = stop.requested() => break,
            };
            if demand.session() != written.as_ref() {
                written = demand.session().cloned();
                write_session(&self.session, written.as_ref());
            }
            let told = match told {
                Ok(told) => self.take(&mut demand, told, capacity).await,
                Err(error) => Err(chain(&error)),
            };
            if let Err(why) = told {
                tracing::warn!("{}: {why}", self.url);
                let _stopping = self.tell.send(Event::Unheard { place: self.place, why }).await;
            }
        }
        match demand.close().await {
            Ok(()) => write_session(&self.session, None),
            Err(error) => tracing::warn!("{}: the session is left open: {}", self.url, chain(&error)),
        }
    }

    async fn take<D: Demand>(&self, demand: &mut D, told: Demanded, capacity: u32) -> Result<(), String> {
        self.book(&told.jobs)?;
        if let Some(message) = told.message {
            demand.acknowledge(message).await.map_err(|error| chain(&error))?;
        }
        let available = told.jobs.iter().filter_map(|news| match news {
            JobNews::Available { job } => Some(job.request),
            _ => None,
        });
        let available: Vec<RequestId> = available.take(capacity as usize).collect();
        let mut wanted = told.wanted;
        if !available.is_empty() {
            let acquired = demand.acquire(&available).await.map_err(|error| chain(&error))?;
            wanted = wanted.max(u32::try_from(acquired.len()).unwrap_or(u32::MAX));
        }
        let ended = told.jobs.iter().filter_map(|news| news::ended(&self.names, news)).collect();
        // The board lives as long as we do.
        let _stopping = self.tell.send(Event::Wanted { place: self.place, count: wanted, ended }).await;
        Ok(())
    }

    fn book(&self, jobs: &[JobNews]) -> Result<(), String> {
        let now = self.app.clock.now();
        let mut said = Vec::new();
        for news in jobs {
            for (execution, observation) in news::observations(&self.names, self.source, news, now) {
                let repository = news.job().repository.clone();
                self.heard.note(execution, Said { repository, place: self.place });
                said.push(observation);
            }
        }
        if said.is_empty() {
            return Ok(());
        }
        let book = || self.app.book.append(&said).map_err(|error| chain(&error));
        tokio::task::block_in_place(book)
    }
}

/// Where the open session at the place with this URL is written down.
pub(super) fn session_file(sessions: &Path, settings: &GithubSettings) -> PathBuf {
    // One URL may be served by several scale sets.
    let set = match &settings.demand {
        DemandSettings::ScaleSet { name } => name.as_deref().unwrap_or_default(),
        DemandSettings::Polling { .. } => "",
    };
    let key = blake3::hash(format!("{}\0{set}", settings.endpoint.web()).as_bytes());
    sessions.join(format!("{}.json", &key.to_hex()[..16]))
}

/// The session that an earlier daemon may have left open.
pub(super) fn read_session(path: &Path) -> Option<SessionRecord> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

pub(super) fn write_session(path: &Path, session: Option<&SessionRecord>) {
    let written = match session {
        Some(session) => serde_json::to_vec(session)
            .map_err(std::io::Error::from)
            .and_then(|bytes| tree::write_atomically(path, &bytes)),
        None => match std::fs::remove_file(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        },
    };
    if let Err(error) = written {
        tracing::warn!("the session cannot be written to {}: {error}", path.display());
    }
}
