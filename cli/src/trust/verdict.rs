//! What one fault came to: a pure function of what was expected and what a run said.

use std::collections::{BTreeMap, BTreeSet};

use winconform_reports::{
    Disposition, Level, Report, VerdictKind,
    explain::{Confidence, Finding},
    report::CheckResult,
};
use winconform_testbed::fault::{Counter, Expect, ExpectedFinding, ExpectedVerdict, Fault, Pattern, Patterns};

use super::report::{Cause, FaultRow, RowVerdict};

/// What a run against a fault showed.
#[derive(Debug)]
pub(super) struct Observed<'a> {
    pub(super) report: &'a Report,
    /// How often each effect was considered and applied.
    pub(super) counters: Vec<Counter>,
    /// What the same checks said of the healthy cluster, by result id.
    pub(super) healthy: &'a BTreeMap<String, Said>,
    /// The checks there are.
    pub(super) known: &'a BTreeSet<String>,
    pub(super) seconds: f64,
}

/// What a check said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) verdict: VerdictKind,
    pub(super) reason: String,
}

/// What a report's checks said, by result id.
pub(super) fn said(report: &Report) -> BTreeMap<String, Said> {
    let one =
        |result: &CheckResult| (result.id.clone(), Said { verdict: result.verdict, reason: result.reason.clone() });
    report.results.iter().map(one).collect()
}

/// Judges what a run made of a fault.
pub(super) fn judge(fault: &Fault, observed: &Observed<'_>) -> FaultRow {
    let nothing = Expect { verdict: ExpectedVerdict::Red, must: Vec::new(), may: Vec::new(), finding: None };
    let expect = fault.expect.clone().unwrap_or(nothing);
    let report = observed.report;
    let causes: Vec<Cause> = report.findings.iter().map(|finding| cause(finding, &expect, report)).collect();
    let right: Vec<&Finding> =
        report.findings.iter().zip(&causes).filter(|(_, cause)| cause.right).map(|(finding, _)| finding).collect();
    let missed: Vec<String> = expect.must.iter().filter(|check| !says(check, &expect, observed)).cloned().collect();
    let red = of(report, Disposition::Red);
    let unknown = of(report, Disposition::Unknown);
    let false_alarms = false_alarms(&expect, &red, &right, report);
    let caught = missed.is_empty()
        && match expect.verdict {
            ExpectedVerdict::Red => !red.is_empty(),
            ExpectedVerdict::Undetermined => !unknown.is_empty(),
            ExpectedVerdict::Reported | ExpectedVerdict::Quiet => true,
        };
    let finding_right = expect.finding.is_none() || !right.is_empty();
    let applied = observed.counters.iter().any(|counter| counter.applied > 0);
    let (verdict, reason) = if let Some(aborted) = &report.run.aborted {
        (RowVerdict::Unusable, format!("the run did not come to its end: {aborted}"))
    } else if !applied {
        (RowVerdict::Invalid, why_invalid(&observed.counters))
    } else if !caught {
        (RowVerdict::Missed, why_missed(&missed, observed))
    } else if !finding_right {
        (RowVerdict::WrongFinding, why_wrong(expect.finding.as_ref(), &causes))
    } else if !false_alarms.is_empty() {
        (RowVerdict::FalseAlarm, format!("red without cause: {}", false_alarms.join(", ")))
    } else {
        (RowVerdict::Caught, String::new())
    };
    FaultRow {
        id: fault.name.clone(),
        summary: fault.summary.clone(),
        verdict,
        reason,
        caught,
        finding_right,
        false_alarms,
        missed,
        red,
        unknown,
        expected: expect.into(),
        findings: causes,
        effects: observed.counters.clone(),
        seconds: observed.seconds,
        leaked: false,
        attempts: 1,
    }
}

/// The row of a fault against which no run could be made.
pub(super) fn unusable(fault: &Fault, reason: String, seconds: f64) -> FaultRow {
    let nothing = Expect { verdict: ExpectedVerdict::Red, must: Vec::new(), may: Vec::new(), finding: None };
    FaultRow {
        id: fault.name.clone(),
        summary: fault.summary.clone(),
        verdict: RowVerdict::Unusable,
        reason,
        caught: false,
        finding_right: false,
        false_alarms: Vec::new(),
        missed: Vec::new(),
        red: Vec::new(),
        unknown: Vec::new(),
        expected: fault.expect.clone().unwrap_or(nothing).into(),
        findings: Vec::new(),
        effects: Vec::new(),
        seconds,
        leaked: false,
        attempts: 1,
    }
}

/// The results of one disposition, by id.
fn of(report: &Report, disposition: Disposition) -> Vec<String> {
    let these = report.results.iter().filter(|result| result.disposition == disposition);
    these.map(|result| result.id.clone()).collect()
}

/// Whether a check says what it must, somewhere.
fn says(check: &str, expect: &Expect, observed: &Observed<'_>) -> bool {
    let pattern = Pattern::new(check);
    let mut results = observed.report.results.iter().filter(|result| pattern.matches(&result.check.to_string()));
    match expect.verdict {
        ExpectedVerdict::Red => results.any(|result| result.disposition == Disposition::Red),
        ExpectedVerdict::Undetermined => results.any(|result| result.disposition == Disposition::Unknown),
        ExpectedVerdict::Reported => results.any(|result| reports(result, expect, observed)),
        ExpectedVerdict::Quiet => true,
    }
}

/// Whether an info or limitation result tells of the subject what a healthy cluster's does not.
fn reports(result: &CheckResult, expect: &Expect, observed: &Observed<'_>) -> bool {
    let now = Said { verdict: result.verdict, reason: result.reason.clone() };
    let news = observed.healthy.get(&result.id) != Some(&now);
    let names = expect.finding.as_ref().is_none_or(|finding| {
        let by_findings =
            observed.report.findings_of(result).any(|found| is_about(&finding.subject, found, observed.report));
        by_findings || contains(&finding.subject, &result.reason)
    });
    matches!(result.level, Level::Info | Level::Limitation) && news && names
}

/// Whether one of the subjects stands in the text.
fn contains(subject: &Patterns, text: &str) -> bool {
    let all = match subject {
        Patterns::One(pattern) => std::slice::from_ref(pattern),
        Patterns::Many(patterns) => patterns,
    };
    all.iter().any(|pattern| Pattern::new(format!("*{pattern}*")).matches(text))
}

/// Red results that nothing explains: no expectation, and no right finding that accounts for them.
fn false_alarms(expect: &Expect, red: &[String], right: &[&Finding], report: &Report) -> Vec<String> {
    let allowed: Vec<Pattern> = expect.must.iter().chain(&expect.may).map(Pattern::new).collect();
    let is_allowed = |id: &String| {
        let check = report.results.iter().find(|result| result.id == *id).map(|result| result.check.to_string());
        check.is_some_and(|check| {
            expect.verdict != ExpectedVerdict::Quiet && allowed.iter().any(|glob| glob.matches(&check))
        })
    };
    let accounted = |id: &String| right.iter().any(|finding| finding.checks.contains(id));
    red.iter().filter(|id| !is_allowed(id) && !accounted(id)).cloned().collect()
}

fn cause(finding: &Finding, expect: &Expect, report: &Report) -> Cause {
    let right = expect.finding.as_ref().is_some_and(|expected| is_right(finding, expected, report));
    Cause {
        layer: finding.layer.to_string(),
        subject: finding.subject.clone(),
        summary: finding.summary.clone(),
        confidence: finding.confidence.as_str().to_owned(),
        right,
    }
}

/// Whether a finding is the expected one, or, not being sure, names it among others.
fn is_right(finding: &Finding, expected: &ExpectedFinding, report: &Report) -> bool {
    let layer = |words: &str| words == expected.layer.as_words();
    let named = layer(finding.layer.as_words()) && is_about(&expected.subject, finding, report);
    let among = finding.confidence == Confidence::Possible
        && finding.alternatives.iter().filter(|other| layer(other.layer.as_words())).any(|other| {
            // Where only the layer is in doubt, the place is the finding's own.
            let same_place = other.subject == finding.subject && is_about(&expected.subject, finding, report);
            same_place || expected.subject.matches(&other.subject)
        });
    named || among
}

/// Whether a finding is about the subject: by its name, or by what the nodes that it lies in are called.
fn is_about(subject: &Patterns, finding: &Finding, report: &Report) -> bool {
    let nodes: BTreeSet<&str> = finding.nodes.iter().map(String::as_str).collect();
    let fitting = report.nodes.iter().map(|node| node.name.as_str()).filter(|name| subject.matches(name));
    subject.matches(&finding.subject)
        || called(&finding.nodes, report).into_iter().any(|name| subject.matches(name))
        || !nodes.is_empty() && fitting.collect::<BTreeSet<_>>() == nodes
}

/// What exactly these nodes are called: the node, the target, or the system that all of them, and no others, belong to.
///
/// A single node is also called by its target: where a pattern says the build, the node was one of it.
fn called<'a>(nodes: &'a [String], report: &'a Report) -> Vec<&'a str> {
    let mut names = Vec::new();
    if let [node] = nodes {
        names.push(node.as_str());
        let known = report.nodes.iter().find(|known| known.name == *node);
        names.extend(known.and_then(|known| known.target.as_deref()));
    }
    let set: BTreeSet<&str> = nodes.iter().map(String::as_str).collect();
    for target in &report.targets {
        if !set.is_empty() && target.nodes.iter().map(String::as_str).collect::<BTreeSet<_>>() == set {
            names.push(&target.name);
        }
    }
    for os in ["windows", "linux"] {
        let of_os = report.nodes.iter().filter(|node| node.os == os).map(|node| node.name.as_str());
        if !set.is_empty() && of_os.collect::<BTreeSet<_>>() == set {
            names.push(os);
        }
    }
    names
}

fn why_invalid(counters: &[Counter]) -> String {
    let considered: u64 = counters.iter().map(|counter| counter.considered).sum();
    match considered {
        0 => "no effect was ever considered: nothing in the run came near it".to_owned(),
        _ => format!("its effects were considered {considered} times and changed nothing"),
    }
}

fn why_missed(missed: &[String], observed: &Observed<'_>) -> String {
    let exists = |check: &String| observed.known.iter().any(|known| Pattern::new(check).matches(known));
    let (there, not_there): (Vec<&String>, Vec<&String>) = missed.iter().partition(|check| exists(check));
    let mut words = Vec::new();
    for check in there {
        let pattern = Pattern::new(check);
        let results = observed.report.results.iter().filter(|result| pattern.matches(&result.check.to_string()));
        let verdicts: BTreeSet<&str> = results.map(|result| result.verdict.as_str()).collect();
        let verdicts: Vec<&str> = verdicts.into_iter().collect();
        words.push(format!(
            "{check} said {}",
            if verdicts.is_empty() { "nothing".to_owned() } else { verdicts.join(", ") }
        ));
    }
    words.extend(not_there.into_iter().map(|check| format!("there is no check {check}")));
    if words.is_empty() { "nothing turned red".to_owned() } else { words.join("; ") }
}

fn why_wrong(expected: Option<&ExpectedFinding>, causes: &[Cause]) -> String {
    let Some(expected) = expected else { return String::new() };
    let subject = match &expected.subject {
        Patterns::One(pattern) => pattern.to_string(),
        Patterns::Many(patterns) => patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
    };
    let found: Vec<String> = causes.iter().map(|cause| format!("{} {}", cause.layer, cause.subject)).collect();
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    format!("the finding should be {} {subject}; there is {found}", expected.layer)
}

#[cfg(test)]
mod tests;
