//! From a result to a test case.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Scope, duration, kind};
use crate::{
    clean,
    disposition::Disposition,
    report::{CheckResult, Report, Try},
    verdict::{Level, VerdictKind},
};

/// The class of cases about the run itself.
pub(super) const RUN_CLASS: &str = "winconform.run";

/// TestGrid shows the first and the last 70 characters of a message.
const LEAD: usize = 70;
/// What fits a table's cell in any consumer; the text has the rest.
const MESSAGE: usize = 300;
/// Jenkins keeps 50,000 characters at each end of what a failure says.
const TEXT: usize = 48_000;
/// An excerpt is there to save a look into a file, not to replace it.
const EXCERPT: usize = 4_000;
/// Attempts that are told one by one.
const RERUNS: usize = 20;

/// One test case.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) took: Duration,
    /// When it began, for consumers of the standard dialect.
    pub(super) timestamp: Option<String>,
    /// What TestGrid and Prow select and chart by, and what Jenkins keeps; for the standard dialect.
    pub(super) properties: Vec<(String, String)>,
    pub(super) kind: Kind,
    /// What is said of a case that did not simply pass.
    pub(super) said: Said,
    /// What is said of its other attempts.
    pub(super) reruns: Vec<Said>,
    /// What goes to `system-out`.
    pub(super) out: Option<String>,
}

/// The outcome of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Passed,
    Flaky,
    Failure,
    Error,
    Skipped,
}

/// What is said of a case, for consumers that show attributes and for those that show texts.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Empty where there is none: Surefire's schema allows no `type` on `skipped`.
    pub(super) ty: &'static str,
    pub(super) message: String,
    pub(super) text: String,
}

impl Case {
    pub(super) fn of_result(report: &Report, result: &CheckResult, scope: Scope) -> Self {
        let id = result.result_id();
        let kind = kind(result, scope);
        Self {
            name: id.local_name(),
            class: id.junit_class(),
            took: duration(result.seconds),
            timestamp: started(report, result).map(|at| format!("{at:.3}")),
            properties: properties(result),
            kind,
            said: said(report, result, kind),
            reruns: reruns(result, kind),
            out: system_out(result),
        }
    }

    fn about_the_run(name: &str, kind: Kind, said: Said) -> Self {
        Self {
            name: name.to_owned(),
            class: RUN_CLASS.to_owned(),
            took: Duration::ZERO,
            timestamp: None,
            properties: Vec::new(),
            kind,
            said,
            reruns: Vec::new(),
            out: None,
        }
    }
}

/// A run that asked nothing must not look like one where all is well.
pub(super) fn nothing_asked(report: &Report) -> Case {
    let why = report.run.aborted.as_deref().unwrap_or("no check was selected, or none concerns this cluster");
    Case::about_the_run("verified", Kind::Error, described("nothing_verified", "nothing was verified: ", why, why))
}

/// Objects that stayed behind. They say nothing of the cluster's conformance, so
/// the case is not red; skipped is what every consumer shows with its message.
pub(super) fn leftovers(report: &Report) -> Case {
    let count = report.leftovers.len();
    let lead = format!("not cleaned up: {count} of our objects stayed, run `winconform cleanup`");
    let text = format!("{lead}\n\n{}", report.leftovers.join("\n"));
    Case::about_the_run("cleanup", Kind::Skipped, described("", "", &lead, &text))
}

fn said(report: &Report, result: &CheckResult, kind: Kind) -> Said {
    match kind {
        Kind::Passed | Kind::Flaky => Said::default(),
        Kind::Failure if result.verdict == VerdictKind::NotApplicable => wrong("required", report, result),
        Kind::Failure if result.flaky => wrong("flaky", report, result),
        Kind::Error if result.is_aborted() => wrong("aborted", report, result),
        Kind::Failure | Kind::Error => wrong(result.verdict.as_str(), report, result),
        Kind::Skipped if result.disposition == Disposition::Excused => {
            let excuse = result.excuse.as_ref();
            let issue = excuse.and_then(|excuse| excuse.issue.as_deref()).map(|issue| format!(" {issue}"));
            let why = excuse.map(|excuse| excuse.why.as_str()).unwrap_or_default();
            let lead = clean::one_line(&format!("known failure:{} {why}:", issue.unwrap_or_default())) + " ";
            described("", &lead, &result.reason, &account(report, result))
        }
        Kind::Skipped => {
            let lead = match result.verdict {
                VerdictKind::NotApplicable => "not applicable: ",
                _ => "could not be told: ",
            };
            described("", lead, &result.reason, &result.reason)
        }
    }
}

/// The attempts that did not pass, but for the one that the outcome tells of: an
/// outcome that was the same each time was run again, another is flaky. Jenkins knows
/// no `flakyError`, so all are failures there.
fn reruns(result: &CheckResult, kind: Kind) -> Vec<Said> {
    let bad = |attempt: &&Try| matches!(attempt.verdict, VerdictKind::Failed | VerdictKind::Undetermined);
    let earlier = match kind {
        Kind::Skipped => return Vec::new(),
        Kind::Flaky if result.tries.is_empty() => return vec![failed_attempt(result)],
        Kind::Failure | Kind::Error if !result.flaky => result.tries.len().saturating_sub(1),
        _ => result.tries.len(),
    };
    result.tries.iter().take(earlier).filter(bad).take(RERUNS).map(rerun).collect()
}

fn rerun(attempt: &Try) -> Said {
    let reason = clean::one_line(&clean::excerpt(&attempt.reason, EXCERPT));
    let text = format!("round {}, attempt {}: {reason}", attempt.round, attempt.attempt);
    Said { ty: attempt.verdict.as_str(), message: message(&text), text }
}

fn wrong(ty: &'static str, report: &Report, result: &CheckResult) -> Said {
    // The cause comes first: it is what a table's narrow cell should show.
    let cause = report.findings_of(result).next();
    let lead = cause.map(|cause| format!("{}, {}: ", cause.layer, clean::one_line(&cause.subject))).unwrap_or_default();
    described(ty, &lead, &result.reason, &account(report, result))
}

/// A message, and the text that begins with it.
fn described(ty: &'static str, lead: &str, reason: &str, text: &str) -> Said {
    let message = message(&format!("{lead}{}", clean::one_line(&clean::excerpt(reason, TEXT))));
    // Some consumers drop tabs, which would join words.
    let text = clean::plain(&clean::excerpt(text, TEXT)).replace('\t', "    ");
    Said { ty, message, text: format!("{lead}{text}") }
}

/// A message whose first 70 characters can be read alone: they end with a clause,
/// or with an ellipsis after a whole word.
pub(crate) fn message(line: &str) -> String {
    let Some((at, _)) = line.char_indices().nth(LEAD) else { return line.to_owned() };
    let (head, _) = line.split_at(at);
    let clause_ends = [": ", "; ", ", ", ". ", " ("].iter().any(|end| head.rfind(end).is_some_and(|at| at > LEAD / 3));
    let line = if clause_ends {
        line.to_owned()
    } else {
        let lead = clean::shortened(line, LEAD);
        let rest = line.strip_prefix(lead.trim_end_matches('…')).unwrap_or_default();
        format!("{lead} {}", rest.trim_start())
    };
    clean::shortened(&line, MESSAGE).into_owned()
}

/// All that is known of a result that is not as it should be.
fn account(report: &Report, result: &CheckResult) -> String {
    let mut text = vec![
        result.reason.clone(),
        String::new(),
        format!("{} ({}, {})", result.title, result.statement, result.level),
    ];
    for finding in report.findings_of(result) {
        text.push(String::new());
        text.push(format!(
            "cause ({}, {}, {}): {}",
            finding.layer,
            finding.subject,
            finding.confidence.as_str(),
            finding.summary
        ));
        text.extend(
            finding
                .alternatives
                .iter()
                .map(|other| format!("  or: {} ({}, {})", other.summary, other.layer, other.subject)),
        );
        text.extend(finding.proof.iter().take(8).map(|proof| format!("  seen: {proof}")));
        text.extend(finding.advice.iter().map(|advice| format!("  look at: {advice}")));
    }
    for evidence in &result.evidence {
        text.push(String::new());
        text.push(match &evidence.path {
            Some(path) => format!("{}: {path}", evidence.title),
            None => evidence.title.clone(),
        });
        text.extend(evidence.excerpt.as_deref().map(|excerpt| clean::excerpt(excerpt, EXCERPT).into_owned()));
    }
    text.join("\n")
}

/// Notes of what passed, and evidence of what did not.
fn system_out(result: &CheckResult) -> Option<String> {
    let mut lines = Vec::new();
    let kind = match (result.verdict, result.level) {
        (VerdictKind::LimitationPresent, _) => Some("limitation present"),
        (VerdictKind::LimitationLifted, _) => Some("limitation lifted"),
        (_, Level::Info) => Some("note"),
        _ => None,
    };
    if let Some(kind) = kind.filter(|_| result.disposition == Disposition::Green) {
        let reason = clean::plain(&clean::excerpt(&result.reason, EXCERPT)).replace('\t', "    ");
        lines.push(format!("{kind}: {reason}"));
    }
    // Jenkins and GitLab want each on a line of its own.
    let paths = result.evidence.iter().filter_map(|evidence| evidence.path.as_deref());
    lines.extend(paths.map(|path| format!("[[ATTACHMENT|{}]]", clean::one_line(path))));
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// A check that passed only at a later attempt. Both the attribute and the stack
/// trace are set: Jenkins reads one, others the other, the schemas want both.
fn failed_attempt(result: &CheckResult) -> Said {
    let earlier = result.attempts.saturating_sub(1);
    let text = format!(
        "failed {earlier} times before it passed: {}",
        clean::one_line(&clean::excerpt(&result.reason, EXCERPT))
    );
    Said { ty: "flaky", message: message(&text), text }
}

/// When a result was begun to be asked for.
pub(super) fn started(report: &Report, result: &CheckResult) -> Option<Timestamp> {
    let after = SignedDuration::try_from(duration(result.started_s?)).ok()?;
    report.run.started?.checked_add(after).ok()
}

fn properties(result: &CheckResult) -> Vec<(String, String)> {
    let mut properties = vec![
        ("level".to_owned(), result.level.to_string()),
        ("statement".to_owned(), clean::one_line(&result.statement)),
        ("verdict".to_owned(), result.verdict.to_string()),
    ];
    if result.level == Level::Info {
        properties.push(("lifecycle".to_owned(), "informing".to_owned()));
    }
    properties.extend(result.findings.iter().map(|finding| ("finding".to_owned(), clean::one_line(finding))));
    properties.extend(result.phases.iter().map(|phase| {
        let name = clean::one_line(&phase.name).replace([' ', '-'], "_");
        (format!("seconds_{name}"), format!("{:.3}", std::time::Duration::from_millis(phase.ms).as_secs_f64()))
    }));
    properties
}
