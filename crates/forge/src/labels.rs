//! Labels: what `runs-on` asks for and a runner offers. GitHub keeps them in lower case and compares them so.

use std::collections::BTreeSet;
use std::fmt;

/// How many labels a registration may carry.
const COUNT_LIMIT: usize = 100;
const LENGTH_LIMIT: usize = 256;

/// The labels of one kind of runner: distinct, in lower case, between 1 and 100.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(BTreeSet<String>);

/// Why these are no labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabels {
    #[error("label `{0}` is longer than 256 characters")]
    TooLong(String),
    #[error("label `{0}` is empty or has a comma, a quote or a character that does not print")]
    Characters(String),
    #[error("there are {0} labels; GitHub takes between 1 and 100")]
    Count(usize),
}

impl Labels {
    pub fn new<I>(labels: I) -> Result<Self, InvalidLabels>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let labels: BTreeSet<String> =
            labels.into_iter().map(|label| spelled(label.as_ref())).collect::<Result<_, _>>()?;
        if !(1..=COUNT_LIMIT).contains(&labels.len()) {
            return Err(InvalidLabels::Count(labels.len()));
        }
        Ok(Self(labels))
    }

    /// With these as well.
    pub fn and<I>(&self, more: I) -> Result<Self, InvalidLabels>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let more: Vec<I::Item> = more.into_iter().collect();
        Self::new(self.iter().chain(more.iter().map(AsRef::as_ref)))
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a runner with these labels may take a job that asks for those. A job that asks for nothing is not ours:
    /// so does one look whose `runs-on` GitHub could not resolve yet.
    pub fn satisfy<S: AsRef<str>>(&self, wanted: &[S]) -> bool {
        !wanted.is_empty() && wanted.iter().all(|label| self.0.contains(&label.as_ref().to_lowercase()))
    }
}

fn spelled(label: &str) -> Result<String, InvalidLabels> {
    let label = label.trim();
    if label.chars().count() > LENGTH_LIMIT {
        return Err(InvalidLabels::TooLong(label.to_owned()));
    }
    if label.is_empty() || label.contains(|c: char| c.is_control() || matches!(c, ',' | '"' | '\'')) {
        return Err(InvalidLabels::Characters(label.to_owned()));
    }
    Ok(label.to_lowercase())
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_distinct_and_in_lower_case() {
        let labels = Labels::new(["Linux", "self-hosted", "linux "]).unwrap();
        assert_eq!(labels.to_string(), "linux, self-hosted");
        assert_eq!(labels.and(["GPU"]).unwrap().to_string(), "gpu, linux, self-hosted");
    }

    #[test]
    fn labels_that_github_refuses_are_refused_here() {
        let check = |labels: &[&str]| Labels::new(labels).unwrap_err().to_string();
        assert_eq!(check(&[]), "there are 0 labels; GitHub takes between 1 and 100");
        assert_eq!(check(&["a,b"]), "label `a,b` is empty or has a comma, a quote or a character that does not print");
        assert_eq!(check(&[" "]), "label `` is empty or has a comma, a quote or a character that does not print");
        let long = "x".repeat(257);
        assert_eq!(check(&[&long]), format!("label `{long}` is longer than 256 characters"));
        let many: Vec<String> = (0..101).map(|n| format!("label-{n}")).collect();
        assert_eq!(Labels::new(&many), Err(InvalidLabels::Count(101)));
        assert!(Labels::new(&many[..100]).is_ok());
    }

    #[test]
    fn a_job_is_ours_when_we_offer_all_that_it_asks_for() {
        let labels = Labels::new(["self-hosted", "linux", "x64"]).unwrap();
        for (wanted, ours) in [
            (&["self-hosted"][..], true),
            (&["Linux", "X64"], true),
            (&["linux", "gpu"], false),
            (&["${{ matrix.os }}"], false),
            (&[], false),
        ] {
            assert_eq!(labels.satisfy(wanted), ours, "{wanted:?}");
        }
    }
}
