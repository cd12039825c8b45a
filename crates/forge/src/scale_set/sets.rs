//! The scale set itself: found by its name, made when it is missing, mended when it differs from what the operator says.

use std::sync::atomic::Ordering;

use reqwest::Method;
use tracing::{info, warn};

use super::{Ask, ScaleSetService};
use crate::Remedy;
use crate::call::CallError;
use crate::http::Repeat;
use crate::wire::{List, RunnerSetting, ScaleSet, ScaleSetLabel, ScaleSetRequest, ServiceGroup, Statistics};

const SETS: &[&str] = &["_apis", "runtime", "runnerscalesets"];
/// The group of everything that no other group is named for.
const DEFAULT_GROUP: i64 = 1;
/// The versions of the runner program are ours to choose.
const SETTING: RunnerSetting = RunnerSetting { disable_update: true };

impl ScaleSetService {
    /// The scale set's number; it is found or made at the first question.
    pub(crate) async fn set_id(&self) -> Result<i64, CallError> {
        let mut set = self.0.set.lock().await;
        if let Some(id) = *set {
            return Ok(id);
        }
        let id = self.ensure().await?;
        *set = Some(id);
        self.0.set_number.store(id, Ordering::Relaxed);
        Ok(id)
    }

    /// The service does not know the scale set any more: somebody deleted it.
    pub(crate) async fn forget_set(&self) {
        *self.0.set.lock().await = None;
        self.0.set_number.store(0, Ordering::Relaxed);
    }

    /// The service's counts of jobs, asked for anew.
    pub(crate) async fn statistics(&self) -> Result<Option<Statistics>, CallError> {
        let id = self.set_id().await?.to_string();
        let path = [SETS, &[&id]].concat();
        let what = format!("look up scale set {}", self.name());
        let set: ScaleSet = self.call(Ask::new(what, Method::GET, &path, Repeat::Harmless)).await?.json()?;
        Ok(set.statistics)
    }

    /// Deletes the scale set. One that is not there is gone.
    pub(crate) async fn delete_set(&self) -> Result<(), CallError> {
        let group = self.group_number().await?;
        let Some(set) = self.find(group).await? else { return Ok(()) };
        let id = set.id.to_string();
        let path = [SETS, &[&id]].concat();
        let what = format!("delete scale set {}", self.name());
        self.forget_set().await;
        match self.call(Ask::new(what, Method::DELETE, &path, Repeat::Harmless)).await {
            Ok(_) | Err(CallError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn ensure(&self) -> Result<i64, CallError> {
        let group = self.group_number().await?;
        if let Some(set) = self.find(group).await? {
            return self.mend(set, group).await;
        }
        let what = format!("create scale set {}", self.name());
        let request = self.request(group);
        let created = self.call(Ask::new(what, Method::POST, SETS, Repeat::Never).with_body(&request)).await;
        match created.and_then(|answer| answer.json::<ScaleSet>()) {
            Ok(set) => {
                info!(scale_set = set.id, "created scale set {}", self.name());
                Ok(set.id)
            }
            // The answer was lost, or another task was faster: it is there under its name, or the error stands.
            Err(error) if error.remedy() == Remedy::FindOut => self.find(group).await?.map(|set| set.id).ok_or(error),
            Err(error) => Err(error),
        }
    }

    async fn find(&self, group: i64) -> Result<Option<ScaleSet>, CallError> {
        let what = format!("look for scale set {}", self.name());
        let group = group.to_string();
        let query = [("runnerGroupId", group.as_str()), ("name", self.name())];
        let ask = Ask { query: &query, ..Ask::new(what, Method::GET, SETS, Repeat::Harmless) };
        let list: List<ScaleSet> = self.call(ask).await?.json()?;
        Ok(list.value.into_iter().find(|set| set.name.eq_ignore_ascii_case(self.name())))
    }

    /// Brings an existing set up to what the operator says.
    async fn mend(&self, set: ScaleSet, group: i64) -> Result<i64, CallError> {
        if self.is_as_wanted(&set) {
            return Ok(set.id);
        }
        let id = set.id.to_string();
        let path = [SETS, &[&id]].concat();
        let what = format!("update scale set {}", self.name());
        let ask = Ask::new(what, Method::PATCH, &path, Repeat::Harmless).with_body(&self.request(group));
        let mended: ScaleSet = self.call(ask).await?.json()?;
        if !self.is_as_wanted(&mended) {
            let shown = mended.labels.iter().map(|label| label.name.as_str()).collect::<Vec<_>>().join(", ");
            warn!(
                scale_set = mended.id,
                "GitHub keeps the labels of scale set {} as they were ({shown}); choose another name for other labels",
                self.name()
            );
        }
        Ok(set.id)
    }

    fn is_as_wanted(&self, set: &ScaleSet) -> bool {
        let mut theirs: Vec<String> = set.labels.iter().map(|label| label.name.to_lowercase()).collect();
        theirs.sort_unstable();
        theirs.iter().map(String::as_str).eq(self.0.wanted.labels.iter()) && set.runner_setting == Some(SETTING)
    }

    fn request(&self, group: i64) -> ScaleSetRequest<'_> {
        let label = |name: &str| ScaleSetLabel { kind: "System".to_owned(), name: name.to_owned() };
        ScaleSetRequest {
            name: self.name(),
            runner_group_id: group,
            labels: self.0.wanted.labels.iter().map(label).collect(),
            runner_setting: SETTING,
        }
    }

    /// The service numbers groups itself.
    async fn group_number(&self) -> Result<i64, CallError> {
        let Some(name) = &self.0.wanted.group else { return Ok(DEFAULT_GROUP) };
        let what = format!("look for runner group {name}");
        // The service wants the slash at the end.
        let path = ["_apis", "runtime", "runnergroups", ""];
        let query = [("groupName", name.as_str())];
        let ask = Ask { query: &query, ..Ask::new(what, Method::GET, &path, Repeat::Harmless) };
        let answer = self.call(ask).await?;
        let list: List<ServiceGroup> = answer.json()?;
        let found = list.value.into_iter().find(|group| group.name.eq_ignore_ascii_case(name));
        let missing = || CallError::NotFound { call: answer.call.clone(), message: "no such group".to_owned() };
        found.map(|group| group.id).ok_or_else(missing)
    }
}
