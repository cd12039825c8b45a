//! What the forge said about our runners beside what their hooks said: which repository's job a runner carries. A hook
//! that says otherwise is not believed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hearth_model::ExecutionId;

/// More than the slots of any machine; what is older has ended.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub struct Heard(Mutex<VecDeque<(ExecutionId, String)>>);

impl Heard {
    /// The forge says that this execution is a job of `repository` (`owner/name`).
    pub fn note(&self, execution: ExecutionId, repository: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|(id, _)| *id == execution) {
            return;
        }
        if known.len() >= MOST {
            known.pop_front();
        }
        known.push_back((execution, repository.to_owned()));
    }

    /// Whether the forge named another repository than `repository` (`host/owner/name`). What it has not spoken of is
    /// not contradicted.
    pub fn contradicts(&self, execution: ExecutionId, repository: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = known.iter().find(|(id, _)| *id == execution);
        let claimed = repository.split_once('/').map_or(repository, |(_host, name)| name);
        said.is_some_and(|(_, said)| !said.eq_ignore_ascii_case(claimed))
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Timestamp;

    use super::*;

    #[test]
    fn only_a_contradiction_is_one() {
        let heard = Heard::default();
        let (known, unknown) =
            (ExecutionId::new(Timestamp::from_millis(1)), ExecutionId::new(Timestamp::from_millis(2)));
        heard.note(known, "Acme/rocket");
        assert!(!heard.contradicts(known, "github.com/acme/rocket"));
        assert!(heard.contradicts(known, "github.com/acme/secret"));
        assert!(!heard.contradicts(unknown, "github.com/acme/secret"));
        for n in 0_i64..2048 {
            heard.note(ExecutionId::new(Timestamp::from_millis(10 + n)), "a/b");
        }
        assert_eq!(heard.0.lock().unwrap().len(), MOST);
    }
}
