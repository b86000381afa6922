//! From a result to a test case.

use jiff::{SignedDuration, Timestamp};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestRerun};

use super::{Dialect, duration};
use crate::{
    clean,
    disposition::Disposition,
    report::{CheckResult, Report},
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

pub(super) fn of_result(report: &Report, result: &CheckResult, dialect: Dialect) -> TestCase {
    let id = result.result_id();
    let mut case = TestCase::new(id.local_name(), status(report, result));
    case.set_classname(id.junit_class());
    case.set_time(duration(result.seconds));
    if let Some(out) = system_out(result) {
        case.set_system_out(out);
    }
    if dialect == Dialect::Standard {
        if let Some(at) = started(report, result) {
            case.extra.insert("timestamp".into(), format!("{at:.3}").into());
        }
        for (name, value) in properties(result) {
            case.add_property((name.as_str(), value.as_str()));
        }
    }
    case
}

/// A run that asked nothing must not look like one where all is well.
pub(super) fn nothing_asked(report: &Report) -> TestCase {
    let why = report.run.aborted.as_deref().unwrap_or("no check was selected, or none concerns this cluster");
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type("nothing_verified");
    describe(&mut status, "nothing was verified: ", why, why);
    run_case("verified", status)
}

/// Objects that stayed behind. They say nothing of the cluster's conformance, so
/// the case is not red; skipped is what every consumer shows with its message.
pub(super) fn leftovers(report: &Report) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    let count = report.leftovers.len();
    let lead = format!("not cleaned up: {count} of our objects stayed, run `winconform cleanup`");
    describe(&mut status, "", &lead, &format!("{lead}\n\n{}", report.leftovers.join("\n")));
    run_case("cleanup", status)
}

fn run_case(name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(RUN_CLASS).set_time(std::time::Duration::ZERO);
    case
}

/// `failure` blames the cluster, `error` says that we could not tell.
fn status(report: &Report, result: &CheckResult) -> TestCaseStatus {
    match result.disposition {
        Disposition::Green => {
            let mut status = TestCaseStatus::success();
            if result.flaky {
                status.add_rerun(failed_attempt(result));
            }
            status
        }
        Disposition::Red => {
            let ty = match result.verdict {
                VerdictKind::NotApplicable => "required",
                _ if result.flaky => "flaky",
                verdict => verdict.as_str(),
            };
            non_success(NonSuccessKind::Failure, ty, report, result)
        }
        Disposition::Excused => {
            // Skipped, as xfail is everywhere: red would stop whom the user let pass.
            let mut status = TestCaseStatus::skipped();
            let excuse = result.excuse.as_ref();
            let issue = excuse.and_then(|excuse| excuse.issue.as_deref()).map(|issue| format!(" {issue}"));
            let why = excuse.map(|excuse| excuse.why.as_str()).unwrap_or_default();
            let lead = format!("known failure:{} {why}: ", issue.unwrap_or_default());
            describe(&mut status, &lead, &result.reason, &account(report, result));
            status
        }
        Disposition::Unknown => {
            let kind = if result.is_aborted() { "aborted" } else { result.verdict.as_str() };
            non_success(NonSuccessKind::Error, kind, report, result)
        }
        Disposition::Skipped => {
            // No `type`: Surefire's schema has none on `skipped`.
            let mut status = TestCaseStatus::skipped();
            let lead = match result.verdict {
                VerdictKind::NotApplicable => "not applicable: ",
                _ => "could not be told: ",
            };
            describe(&mut status, lead, &result.reason, &result.reason);
            status
        }
    }
}

fn non_success(kind: NonSuccessKind, ty: &str, report: &Report, result: &CheckResult) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(ty);
    // The cause comes first: it is what a table's narrow cell should show.
    let cause = report.findings_of(result).next();
    let lead = cause.map(|cause| format!("{}, {}: ", cause.layer, clean::one_line(&cause.subject))).unwrap_or_default();
    describe(&mut status, &lead, &result.reason, &account(report, result));
    status
}

/// Sets the message, and the text that begins with it.
fn describe(status: &mut TestCaseStatus, lead: &str, reason: &str, text: &str) {
    status.set_message(message(&format!("{lead}{}", clean::one_line(&clean::excerpt(reason, TEXT)))));
    // The serializer drops tabs, which would join words.
    let text = clean::plain(&clean::excerpt(text, TEXT)).replace('\t', "    ");
    status.set_description(format!("{lead}{text}"));
}

/// A message whose first 70 characters can be read alone: they end with a clause,
/// or with an ellipsis after a whole word.
pub(super) fn message(line: &str) -> String {
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
fn failed_attempt(result: &CheckResult) -> TestRerun {
    let earlier = result.attempts.saturating_sub(1);
    let text = format!(
        "failed {earlier} times before it passed: {}",
        clean::one_line(&clean::excerpt(&result.reason, EXCERPT))
    );
    let mut attempt = TestRerun::new(NonSuccessKind::Failure);
    attempt.set_type("flaky").set_message(message(&text)).set_stack_trace(text);
    attempt
}

/// When a result was begun to be asked for.
pub(super) fn started(report: &Report, result: &CheckResult) -> Option<Timestamp> {
    let after = SignedDuration::try_from(duration(result.started_s?)).ok()?;
    report.run.started?.checked_add(after).ok()
}

/// What TestGrid and Prow select and chart by, and what Jenkins keeps.
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
