//! Workflows as JSON files describe them: jobs, what they wait for, how long they take.

use std::collections::BTreeMap;

use kiln_core::Quantity;
use serde::{Deserialize, Serialize};

/// Why a file is no workflow.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot read the workflow")]
    Json(#[source] serde_json::Error),
    #[error("job {job} needs {needs}, which does not stand before it")]
    Order { job: String, needs: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    pub name: String,
    pub jobs: Vec<Job>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub name: String,
    pub minutes: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

impl Workflow {
    /// Reads and checks a workflow.
    pub fn from_json(text: &str) -> Result<Self, RecordError> {
        let workflow: Self = serde_json::from_str(text).map_err(RecordError::Json)?;
        workflow.ends()?;
        Ok(workflow)
    }

    /// What all jobs together use.
    pub fn job_time(&self) -> Quantity {
        minutes(self.jobs.iter().map(|job| job.minutes).sum())
    }

    /// How long the workflow takes when every job starts as soon as it may.
    pub fn wall_time(&self) -> Result<Quantity, RecordError> {
        Ok(minutes(self.ends()?.into_values().fold(0.0, f64::max)))
    }

    fn ends(&self) -> Result<BTreeMap<&str, f64>, RecordError> {
        let mut ends: BTreeMap<&str, f64> = BTreeMap::new();
        for job in &self.jobs {
            let mut start = 0.0_f64;
            for needs in &job.needs {
                let missing = || RecordError::Order { job: job.name.clone(), needs: needs.clone() };
                start = start.max(*ends.get(needs.as_str()).ok_or_else(missing)?);
            }
            ends.insert(&job.name, start + job.minutes);
        }
        Ok(ends)
    }
}

fn minutes(amount: f64) -> Quantity {
    Quantity::of(amount, "min").expect("minutes are a unit")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workflow(jobs: &[(&str, f64, &[&str])]) -> Workflow {
        let jobs = jobs.iter().map(|(name, minutes, needs)| Job {
            name: (*name).to_owned(),
            minutes: *minutes,
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
        });
        Workflow { name: "ci".to_owned(), jobs: jobs.collect() }
    }

    #[test]
    fn jobs_beside_each_other_take_as_long_as_the_longest() {
        let staged = workflow(&[("build", 12.0, &[]), ("unit", 5.0, &["build"]), ("e2e", 4.0, &["build"])]);
        assert_eq!(staged.wall_time().unwrap().to_string(), "17 min");
        assert_eq!(staged.job_time().to_string(), "21 min");
    }

    #[test]
    fn a_job_cannot_need_what_comes_later() {
        assert!(workflow(&[("unit", 5.0, &["build"]), ("build", 12.0, &[])]).wall_time().is_err());
    }

    #[test]
    fn json_is_read_back_and_strange_keys_are_refused() {
        let before = workflow(&[("build", 12.0, &[]), ("unit", 5.0, &["build"])]);
        let text = serde_json::to_string(&before).unwrap();
        assert_eq!(Workflow::from_json(&text).unwrap(), before);
        assert!(Workflow::from_json(r#"{"name":"x","jobs":[],"steps":[]}"#).is_err());
    }
}
