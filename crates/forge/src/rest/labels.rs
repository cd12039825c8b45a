//! Labels of a registered runner. Every call answers with all labels that the runner has then.

use reqwest::Method;

use super::Github;
use crate::call::CallError;
use crate::http::{Repeat, Request, Resource};
use crate::ids::RunnerId;
use crate::labels::Labels;
use crate::wire::{LabelList, LabelRequest};

impl Github {
    pub async fn labels(&self, runner: RunnerId) -> Result<Vec<String>, CallError> {
        self.change_labels("list the labels of", Method::GET, runner, None, None).await
    }

    pub async fn add_labels(&self, runner: RunnerId, labels: &Labels) -> Result<Vec<String>, CallError> {
        self.change_labels("add labels to", Method::POST, runner, None, Some(labels)).await
    }

    /// Replaces the labels that an operator gave it; those of the system stay.
    pub async fn set_labels(&self, runner: RunnerId, labels: &Labels) -> Result<Vec<String>, CallError> {
        self.change_labels("set the labels of", Method::PUT, runner, None, Some(labels)).await
    }

    pub async fn remove_label(&self, runner: RunnerId, label: &str) -> Result<Vec<String>, CallError> {
        self.change_labels("remove a label from", Method::DELETE, runner, Some(label), None).await
    }

    async fn change_labels(
        &self,
        what: &str,
        method: Method,
        runner: RunnerId,
        label: Option<&str>,
        labels: Option<&Labels>,
    ) -> Result<Vec<String>, CallError> {
        let (what, runner) = (format!("{what} runner {runner}"), runner.to_string());
        let mut segments = vec!["actions", "runners", &runner, "labels"];
        segments.extend(label);
        // Doing it twice leaves the same labels.
        let mut request = Request::new(what, method, self.endpoint().scoped(&segments), Repeat::Harmless);
        if let Some(labels) = labels {
            request = request.with_body(&LabelRequest { labels: labels.iter().collect() });
        }
        let answer: LabelList = self.call(request, Resource::Core).await?.json()?;
        Ok(answer.labels.into_iter().map(|label| label.name).collect())
    }
}
