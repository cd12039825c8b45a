//! One job, by as much of its id as a person cares to type.

use hearth_ledger::{Book, Execution, LedgerError};
use hearth_model::ExecutionId;

/// Fewer characters fit too many jobs to be a name.
const SHORTEST: usize = 4;
/// So many are named when several fit.
const MOST_NAMED: usize = 5;

#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("`{0}` is no job: give its id, or at least {SHORTEST} of its first or last characters; see hearth jobs")]
    NoId(String),
    #[error("no job with the id {0} is in the ledger; see hearth jobs")]
    Unknown(String),
    #[error("several jobs have the id {part}: {}; give more of it", ids.join(", "))]
    Several { part: String, ids: Vec<String> },
    #[error("cannot look for job {part} in the ledger")]
    Ledger {
        part: String,
        #[source]
        cause: Box<LedgerError>,
    },
}

/// The job whose id this is, or begins or ends so.
pub(super) fn find(book: &Book, said: &str) -> Result<Execution, FindError> {
    let part = part(said).ok_or_else(|| FindError::NoId(said.to_owned()))?;
    let ledger = |cause| FindError::Ledger { part: part.clone(), cause: Box::new(cause) };
    let mut found = book.named(&part, MOST_NAMED).map_err(ledger)?;
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(FindError::Unknown(part)),
        (Some(execution), true) => Ok(execution),
        (Some(execution), false) => {
            found.push(execution);
            Err(FindError::Several { part, ids: found.iter().map(|execution| execution.id.to_string()).collect() })
        }
    }
}

/// As the ledger writes it.
fn part(said: &str) -> Option<String> {
    if let Ok(id) = said.parse::<ExecutionId>() {
        return Some(id.to_string());
    }
    let is_part = said.len() >= SHORTEST && said.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    is_part.then(|| said.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_hexadecimal_and_long_enough() {
        let id = "019ab3f0-1111-7222-8333-0123456789ab";
        for (said, expected) in [
            (id, Some(id)),
            ("019AB3F0111172228333-0123456789ab", Some("019ab3f0111172228333-0123456789ab")),
            ("019ab3f01111722283330123456789ab", Some(id)),
            ("89AB", Some("89ab")),
            ("9ab", None),
            ("build", None),
            ("%%%%", None),
            ("", None),
        ] {
            assert_eq!(part(said).as_deref(), expected, "{said}");
        }
    }
}
