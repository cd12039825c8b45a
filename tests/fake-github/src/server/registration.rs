//! Registering a runner, which REST and the Actions service do alike: a record, and the blob that its program reads.

use crate::runner_protocol::{CredentialsData, CredentialsFile, JitConfiguration, KeyFile, RunnerFile};
use crate::server::clock::Now;
use crate::server::state::{RunnerRecord, Scope, Secret, State, random_token};

/// A runner to be registered, checked already.
#[derive(Debug)]
pub(crate) struct NewRunner {
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) group: u64,
    pub(crate) labels: Vec<String>,
    pub(crate) scale_set: Option<u64>,
    pub(crate) work_folder: String,
    pub(crate) disable_update: bool,
}

#[derive(Debug)]
pub(crate) enum NotRegistered {
    NameTaken(String),
}

const SECRET_LENGTH: usize = 40;

/// Registers a runner; its id and its JIT configuration.
pub(crate) fn register(state: &mut State, new: NewRunner, now: Now) -> Result<(u64, String), NotRegistered> {
    if state.runners.named(&new.scope, &new.name).is_some() {
        return Err(NotRegistered::NameTaken(new.name));
    }
    let id = state.runners.next_id();
    let secret = random_token("", SECRET_LENGTH);
    let configuration = JitConfiguration {
        runner: RunnerFile {
            agent_id: id,
            agent_name: new.name.clone(),
            pool_id: 1,
            pool_name: "Default".to_owned(),
            disable_update: new.disable_update,
            ephemeral: true,
            server_url: format!("{}/_runner", state.base),
            git_hub_url: format!("{}/{}", state.base, new.scope),
            work_folder: new.work_folder,
            use_v2_flow: true,
        },
        credentials: CredentialsFile {
            scheme: "OAuth".to_owned(),
            data: CredentialsData {
                client_id: uuid::Uuid::now_v7().to_string(),
                authorization_url: format!("{}/_runner/token", state.base),
            },
        },
        key: KeyFile { secret: secret.clone() },
    };
    state.runners.add(RunnerRecord {
        id,
        name: new.name,
        scope: new.scope,
        group: new.group,
        labels: new.labels,
        scale_set: new.scale_set,
        os: "unknown".to_owned(),
        version: None,
        registered_at: now.time,
        job: None,
        busy: false,
        secret: Secret(secret),
        session: None,
    });
    Ok((id, configuration.encode()))
}
