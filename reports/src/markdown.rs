//! Markdown: what one pastes into an issue, and what GitHub shows of a job.
//!
//! Differences first, then causes, then tables; every text from a cluster is
//! escaped, so that it neither formats the page nor mentions anybody. A page has a
//! [`Limit`], since its consumers cut or refuse what is longer: parts that do not
//! fit are left out from the end, and the page says so.

mod escape;
mod sections;

use self::sections::sections;
use crate::report::Report;

/// How long a page may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The body of an issue on GitHub: 65,536 characters.
    Issue,
    /// The summary of a step on GitHub: 1 MiB.
    StepSummary,
}

impl Limit {
    /// The most bytes of a page.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Issue => 65_536,
            Self::StepSummary => 1_048_576,
        }
    }

    /// How many lines of one kind are listed.
    fn lines(self) -> usize {
        match self {
            Self::Issue => 25,
            Self::StepSummary => 200,
        }
    }
}

/// What is said where parts were left out.
const LEFT_OUT: &str =
    "\n_More was left out, since this page may not be longer; the JSON and HTML reports have all of it._\n";

/// Writes a report as Markdown.
#[must_use]
pub fn to_markdown(report: &Report, limit: Limit) -> String {
    let mut page = String::new();
    for section in sections(report, limit.lines()) {
        if page.len() + section.len() + LEFT_OUT.len() > limit.bytes() {
            page.push_str(LEFT_OUT);
            break;
        }
        page.push_str(&section);
    }
    page
}

#[cfg(test)]
mod tests;
