//! The runner program: where its archives are, and until when GitHub takes a version. And the limits, on request.

use super::Github;
use crate::call::CallError;
use crate::http::{LimitState, Request};
use crate::wire::{Deprecation, Download};

impl Github {
    /// The archives of the version that GitHub recommends, for every system.
    pub async fn downloads(&self) -> Result<Vec<Download>, CallError> {
        let what = format!("list the runner archives for {}", self.endpoint().scope());
        self.get(Request::get(what, self.endpoint().scoped(&["actions", "runners", "downloads"]))).await?.json()
    }

    /// Until when GitHub takes a version. `None` where it does not tell, as an own server.
    pub async fn deprecation(&self, version: &str) -> Result<Option<Deprecation>, CallError> {
        let what = format!("ask until when GitHub takes runner version {version}");
        let url = self.endpoint().scoped(&["actions", "runners", "deprecations", version]);
        match self.get(Request::get(what, url)).await {
            Ok(answer) => answer.json().map(Some),
            Err(CallError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for the limits, which is free, instead of waiting for the next answer to tell.
    pub async fn ask_limits(&self) -> Result<LimitState, CallError> {
        let request = Request::get("ask for the rate limits", self.endpoint().api(&["rate_limit"]));
        self.get(request).await?;
        Ok(self.limits())
    }
}
