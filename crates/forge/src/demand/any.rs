//! A source of demand of either kind, as the operator's settings say.

use std::sync::Arc;

use super::{Demand, DemandError, DemandHealth, Demanded, Polling, ScaleSet, SessionRecord};
use crate::ids::{MessageId, RequestId};
use crate::labels::Labels;
use crate::registrar::{AnyRegistrar, RestRegistrar};
use crate::rest::Github;
use crate::scale_set::{ScaleSetService, WantedSet};
use crate::settings::{DemandSettings, GithubSettings};

/// What this machine is to the place that it serves.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The machine's name: the owner of its sessions, and of its scale set where the settings name none. Stable.
    pub name: String,
    /// How the names of its runners begin.
    pub prefix: String,
    /// All labels of its runners.
    pub labels: Labels,
    /// Where a runner works, below its own root.
    pub work_folder: String,
}

/// A source of demand.
#[derive(Debug)]
pub enum AnyDemand {
    ScaleSet(Box<ScaleSet>),
    Polling(Box<Polling>),
}

impl AnyDemand {
    /// Sends nothing yet. `left_over`: the session that was on disk, if any.
    pub fn new(github: Github, settings: &GithubSettings, machine: Machine, left_over: Option<SessionRecord>) -> Self {
        let group = settings.group.clone();
        match &settings.demand {
            DemandSettings::ScaleSet { name } => {
                let Machine { name: owner, labels, work_folder, .. } = machine;
                let name = name.clone().unwrap_or_else(|| owner.clone());
                let service = ScaleSetService::new(github, WantedSet { name, group, labels, work_folder });
                Self::ScaleSet(Box::new(ScaleSet::new(service, owner, left_over)))
            }
            DemandSettings::Polling { repositories, interval } => {
                let registrar =
                    RestRegistrar::new(github.clone(), machine.labels.clone(), group, machine.work_folder.clone());
                Self::Polling(Box::new(Polling::new(github, registrar, repositories.clone(), *interval, machine)))
            }
        }
    }
}

impl Demand for AnyDemand {
    type Registrar = AnyRegistrar;

    async fn wait(&mut self, capacity: u32) -> Result<Demanded, DemandError> {
        match self {
            Self::ScaleSet(demand) => demand.wait(capacity).await,
            Self::Polling(demand) => demand.wait(capacity).await,
        }
    }

    async fn acknowledge(&mut self, message: MessageId) -> Result<(), DemandError> {
        match self {
            Self::ScaleSet(demand) => demand.acknowledge(message).await,
            Self::Polling(demand) => demand.acknowledge(message).await,
        }
    }

    async fn acquire(&mut self, requests: &[RequestId]) -> Result<Vec<RequestId>, DemandError> {
        match self {
            Self::ScaleSet(demand) => demand.acquire(requests).await,
            Self::Polling(demand) => demand.acquire(requests).await,
        }
    }

    async fn close(&mut self) -> Result<(), DemandError> {
        match self {
            Self::ScaleSet(demand) => demand.close().await,
            Self::Polling(demand) => demand.close().await,
        }
    }

    async fn retire(&mut self) -> Result<(), DemandError> {
        match self {
            Self::ScaleSet(demand) => demand.retire().await,
            Self::Polling(demand) => demand.retire().await,
        }
    }

    fn registrar(&self) -> AnyRegistrar {
        match self {
            Self::ScaleSet(demand) => AnyRegistrar::ScaleSet(demand.registrar()),
            Self::Polling(demand) => AnyRegistrar::Rest(demand.registrar()),
        }
    }

    fn session(&self) -> Option<&SessionRecord> {
        match self {
            Self::ScaleSet(demand) => demand.session(),
            Self::Polling(demand) => demand.session(),
        }
    }

    fn health(&self) -> Arc<DemandHealth> {
        match self {
            Self::ScaleSet(demand) => demand.health(),
            Self::Polling(demand) => demand.health(),
        }
    }
}
