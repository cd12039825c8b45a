//! What was looked at and how it stands, as values. Pure.

use serde::Serialize;

/// How one thing stands; the worse is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Good,
    /// There was nothing to look at, or nobody to ask.
    NotChecked,
    /// It works, and a person should know.
    Warning,
    /// It will not work.
    Bad,
}

impl State {
    pub(super) const ALL: [Self; 4] = [Self::Bad, Self::Warning, Self::NotChecked, Self::Good];

    pub const fn words(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NotChecked => "not checked",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub name: &'static str,
    pub state: State,
    pub found: String,
    /// Why it matters. Empty when all is well.
    pub why: String,
    /// What to do about it. Empty when there is nothing to do.
    pub fix: String,
}

impl Finding {
    pub(super) fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Good, found: found.into(), why: String::new(), fix: String::new() }
    }

    pub(super) fn not_checked(name: &'static str, found: impl Into<String>) -> Self {
        Self { state: State::NotChecked, ..Self::good(name, found) }
    }

    pub(super) fn warning(
        name: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { name, state: State::Warning, found: found.into(), why: why.into(), fix: fix.into() }
    }

    pub(super) fn bad(
        name: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { state: State::Bad, ..Self::warning(name, found, why, fix) }
    }
}

/// Findings about one part of the machine, or one place at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    pub about: String,
    pub findings: Vec<Finding>,
}

impl Section {
    pub(super) fn new(about: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self { about: about.into(), findings }
    }
}

/// Everything that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    pub sections: Vec<Section>,
}

impl Diagnosis {
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.sections.iter().flat_map(|section| &section.findings)
    }

    pub fn count(&self, state: State) -> usize {
        self.findings().filter(|finding| finding.state == state).count()
    }

    /// The worst of all. Nothing found is nothing wrong.
    pub fn worst(&self) -> State {
        self.findings().map(|finding| finding.state).max().unwrap_or(State::Good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides() {
        let good = Finding::good("a", "well");
        let unknown = Finding::not_checked("b", "nobody to ask");
        let warning = Finding::warning("c", "so", "because", "do");
        let bad = Finding::bad("d", "so", "because", "do");
        for (findings, worst) in [
            (vec![], State::Good),
            (vec![&good], State::Good),
            (vec![&unknown, &good], State::NotChecked),
            (vec![&good, &warning, &unknown], State::Warning),
            (vec![&warning, &bad, &good], State::Bad),
        ] {
            let findings = findings.into_iter().cloned();
            let diagnosis = Diagnosis { sections: findings.map(|f| Section::new("x", vec![f])).collect() };
            assert_eq!(diagnosis.worst(), worst);
        }
    }
}
