//! Taking this agent away from a place at the forge: its registrations, its open session, its scale set. Only what
//! carries this very agent's name is touched.

use std::path::PathBuf;

use hearth_forge::demand::{AnyDemand, Machine};
use hearth_forge::{
    AnyRegistrar, CallError, Demand, DemandError, Github, GithubSettings, Labels, Registrar, Removal, RunnerSeen,
};
use hearth_host::users;

use super::Names;
use super::listen::{read_session, session_file, write_session};
use crate::keeper::WORK;
use crate::places::Places;

/// What this agent has at one place.
#[derive(Debug)]
pub struct Presence {
    demand: AnyDemand,
    registrar: AnyRegistrar,
    names: Names,
    session: PathBuf,
}

impl Presence {
    /// Sends nothing yet.
    pub fn new(github: Github, settings: &GithubSettings, names: Names, places: &Places) -> Self {
        let session = session_file(&places.sessions(), settings);
        let machine = Machine {
            name: users::host_name(),
            prefix: names.prefix().to_owned(),
            // What leaves registers nothing, so nobody will ever see them.
            labels: Labels::new(["hearth"]).expect("one short word is a label"),
            work_folder: WORK.to_owned(),
        };
        let demand = AnyDemand::new(github, settings, machine, read_session(&session));
        let registrar = demand.registrar();
        Self { demand, registrar, names, session }
    }

    /// The registrations that this agent has made and that are still there.
    pub async fn registrations(&self) -> Result<Vec<RunnerSeen>, CallError> {
        let mut seen = self.registrar.list(self.names.prefix()).await?;
        seen.retain(|runner| self.names.execution(&runner.name).is_some());
        Ok(seen)
    }

    pub async fn remove(&self, runner: &RunnerSeen) -> Result<Removal, CallError> {
        self.registrar.remove(runner.runner).await
    }

    /// Closes a session that was left open and deletes the scale set, where there is one.
    pub async fn retire(mut self) -> Result<(), DemandError> {
        self.demand.retire().await?;
        write_session(&self.session, None);
        Ok(())
    }
}
