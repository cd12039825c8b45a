//! What the forge said about our runners beside what their hooks said: which repository's job a runner carries. A hook
//! that says otherwise is not believed, unless both names are one repository's.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hearth_model::ExecutionId;

/// More than the slots of any machine; what is older has ended.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub struct Heard(Mutex<VecDeque<(ExecutionId, Said)>>);

/// The forge's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `owner/name`
    pub repository: String,
    /// Who said it, by the number of the place in the configuration.
    pub place: usize,
}

impl Heard {
    /// The forge says what this execution is a job of. What it said first stands.
    pub fn note(&self, execution: ExecutionId, said: Said) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|(id, _)| *id == execution) {
            return;
        }
        if known.len() >= MOST {
            known.pop_front();
        }
        known.push_back((execution, said));
    }

    /// What the forge said instead of `repository` (`host/owner/name`). What it has not spoken of is not contradicted.
    pub fn instead_of(&self, execution: ExecutionId, repository: &str) -> Option<Said> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, said) = known.iter().find(|(id, _)| *id == execution)?;
        (!said.repository.eq_ignore_ascii_case(without_host(repository))).then(|| said.clone())
    }

    /// It has turned out that the forge spoke of `repository` by another of its names.
    pub fn settle(&self, execution: ExecutionId, repository: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, said)) = known.iter_mut().find(|(id, _)| *id == execution) {
            without_host(repository).clone_into(&mut said.repository);
        }
    }
}

/// `owner/name` of `host/owner/name`.
pub(super) fn without_host(repository: &str) -> &str {
    repository.split_once('/').map_or(repository, |(_host, name)| name)
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
        let said = |repository: &str| Said { repository: repository.to_owned(), place: 3 };
        heard.note(known, said("Acme/rocket"));
        heard.note(known, said("acme/shuttle"));
        assert_eq!(heard.instead_of(known, "github.com/acme/rocket"), None);
        assert_eq!(heard.instead_of(known, "github.com/acme/secret"), Some(said("Acme/rocket")));
        assert_eq!(heard.instead_of(unknown, "github.com/acme/secret"), None);
        heard.settle(unknown, "github.com/acme/secret");
        heard.settle(known, "github.com/acme/shuttle");
        assert_eq!(heard.instead_of(known, "github.com/acme/shuttle"), None);
        assert_eq!(heard.instead_of(known, "github.com/acme/rocket"), Some(said("acme/shuttle")));
        for n in 0_i64..2048 {
            heard.note(ExecutionId::new(Timestamp::from_millis(10 + n)), said("a/b"));
        }
        assert_eq!(heard.0.lock().unwrap().len(), MOST);
    }
}
