//! Labels of one runner: read, added, set, taken away. The read-only ones stay whatever is asked.

use serde::Deserialize;
use serde_json::json;

use super::runners::{check_labels, find, is_read_only, labels};
use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::state::State;

const MOST_LABELS: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Labels {
    labels: Vec<String>,
}

pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let labels = labels(find(state, call)?);
    Ok(Answer::ok(json!({ "total_count": labels.len(), "labels": labels })))
}

pub(super) fn add(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked: Labels = call.body()?;
    if asked.labels.is_empty() {
        return Err(Answer::invalid("there must be at least one label"));
    }
    let before = find(state, call)?.labels.clone();
    put(state, call, before, asked.labels)
}

pub(super) fn set(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked: Labels = call.body()?;
    let kept = read_only(state, call)?;
    put(state, call, kept, asked.labels)
}

pub(super) fn clear(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let kept = read_only(state, call)?;
    put(state, call, kept, Vec::new())
}

pub(super) fn remove(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let name = call.parameter("name").to_lowercase();
    let before = find(state, call)?.labels.clone();
    if !before.contains(&name) {
        return Err(Answer::not_found());
    }
    if is_read_only(&name) {
        return Err(Answer::invalid(&format!("label {name} is read-only")));
    }
    let kept = before.into_iter().filter(|label| *label != name).collect();
    put(state, call, kept, Vec::new())
}

fn read_only(state: &State, call: &Call) -> Result<Vec<String>, Answer> {
    let labels = find(state, call)?.labels.iter();
    Ok(labels.filter(|label| is_read_only(label)).cloned().collect())
}

fn put(state: &mut State, call: &Call, mut labels: Vec<String>, more: Vec<String>) -> Result<Answer, Answer> {
    check_labels(&more)?;
    for label in more.into_iter().map(|label| label.to_lowercase()) {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    if labels.len() > MOST_LABELS {
        return Err(Answer::invalid(&format!("a runner has at most {MOST_LABELS} labels")));
    }
    let id = find(state, call)?.id;
    if let Some(runner) = state.runners.get_mut(id) {
        runner.labels = labels;
    }
    list(state, call)
}
