//! What is not as it should be, cause first.

use super::layout::Page;
use crate::{
    disposition::Disposition,
    explain::{Confidence, Finding},
    report::{CheckResult, Report},
    verdict::{Level, VerdictKind},
};

/// More than this nobody reads on a terminal; the reports have all.
const SHOWN: usize = 20;

/// The causes, each with what it accounts for.
pub(super) fn findings(page: &mut Page, report: &Report) {
    for (place, finding) in report.findings.iter().enumerate().take(SHOWN) {
        let sure = match finding.confidence {
            Confidence::Certain => String::new(),
            other => format!(" ({})", other.as_str()),
        };
        page.title(&format!(
            "cause {}: {}, {}{sure}",
            place + 1,
            finding.layer,
            crate::clean::one_line(&finding.subject)
        ));
        page.item("", "", &finding.summary);
        for other in &finding.alternatives {
            page.item("", "or", &format!("{}, {}: {}", other.layer, other.subject, other.summary));
        }
        for (place, proof) in finding.proof.iter().enumerate().take(4) {
            page.item("", first(place, "seen"), proof);
        }
        for (place, advice) in finding.advice.iter().enumerate() {
            page.item("", first(place, "look at"), advice);
        }
        let explained = finding.checks.len();
        page.item("", "accounts for", &format!(" {explained} {}", if explained == 1 { "answer" } else { "answers" }));
    }
}

/// What the cluster does not keep.
pub(super) fn failures(page: &mut Page, report: &Report) {
    let red: Vec<&CheckResult> =
        report.results.iter().filter(|result| result.disposition == Disposition::Red).collect();
    if red.is_empty() {
        return;
    }
    page.title("failed");
    for result in red.iter().take(SHOWN) {
        result_item(page, report, result, &page.style().bad("FAILED"));
    }
    more(page, red.len());
}

/// What could not be told, and what to do about it.
pub(super) fn undetermined(page: &mut Page, report: &Report) {
    let unknown: Vec<&CheckResult> =
        report.results.iter().filter(|result| result.disposition == Disposition::Unknown).collect();
    let (aborted, asked): (Vec<&CheckResult>, Vec<&CheckResult>) =
        unknown.into_iter().partition(|result| result.is_aborted());
    if asked.is_empty() && aborted.is_empty() {
        return;
    }
    page.title("undetermined: this says nothing about the cluster yet");
    for result in asked.iter().take(SHOWN) {
        result_item(page, report, result, &page.style().odd("unknown"));
    }
    more(page, asked.len());
    if let Some(first) = aborted.first() {
        page.item(
            "",
            &page.style().odd("unknown"),
            &format!("{} answers were not asked for: {}", aborted.len(), first.reason),
        );
        page.item("", "", "run again to ask for them; `winconform cleanup` removes what a killed run left");
    }
}

fn result_item(page: &mut Page, report: &Report, result: &CheckResult, mark: &str) {
    let statement = if result.statement.is_empty() { String::new() } else { format!("{}, ", result.statement) };
    page.item("", mark, &format!("{} ({statement}{})", result.id, result.level));
    page.item("", "", &result.reason);
    let causes: Vec<String> = report
        .findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| result.findings.contains(&finding.id))
        .map(|(place, finding): (usize, &Finding)| {
            format!("cause {}: {}, {}", place + 1, finding.layer, finding.subject)
        })
        .collect();
    if !causes.is_empty() {
        page.item("", "why", &causes.join("; "));
    }
    for (place, evidence) in result.evidence.iter().enumerate().take(3) {
        let text = match (&evidence.path, &evidence.excerpt) {
            (Some(path), _) => format!("{} ({})", path, evidence.title),
            (None, Some(excerpt)) => format!("{}: {excerpt}", evidence.title),
            (None, None) => evidence.title.clone(),
        };
        page.item("", first(place, "evidence"), &text);
    }
    if causes.is_empty() {
        let target = result.target.as_ref().map(|target| format!(" --target {target}")).unwrap_or_default();
        page.item("", "look at", &format!("winconform run --check {}{target} --keep failed", result.check));
    }
}

/// What is worth knowing and needs no action.
pub(super) fn asides(page: &mut Page, report: &Report) {
    let notes = |result: &&CheckResult| {
        result.disposition == Disposition::Green
            && (matches!(result.verdict, VerdictKind::LimitationPresent | VerdictKind::LimitationLifted)
                || (result.level == Level::Info && result.verdict == VerdictKind::Failed)
                || result.flaky)
    };
    let skipped = |result: &&CheckResult| result.disposition == Disposition::Skipped;
    let limited = together(report.results.iter().filter(notes));
    let skipped = together(report.results.iter().filter(skipped));
    if limited.is_empty() && skipped.is_empty() && report.left_out.is_empty() {
        return;
    }
    page.blank();
    for (check, places, reason) in limited {
        page.item("", "noted", &format!("{check}{places}: {reason}"));
    }
    for (check, places, reason) in skipped {
        page.item("", "n/a", &format!("{check}{places}: {reason}"));
    }
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for left_out in &report.left_out {
        match reasons.iter_mut().find(|(reason, _)| *reason == left_out.reason) {
            Some((_, checks)) => checks.push(left_out.check.to_string()),
            None => reasons.push((&left_out.reason, vec![left_out.check.to_string()])),
        }
    }
    for (reason, checks) in reasons {
        let names = match checks.len() {
            0..=4 => checks.join(", "),
            count => format!("{count} checks"),
        };
        page.item("", "left out", &format!("{names}: {reason}"));
    }
}

/// The same check with the same reason at several places is said once.
fn together<'a>(results: impl Iterator<Item = &'a CheckResult>) -> Vec<(String, String, &'a str)> {
    let mut groups: Vec<(String, Vec<&str>, &str)> = Vec::new();
    for result in results {
        let check = result.check.to_string();
        let place = result.node.as_deref().or(result.target.as_deref());
        match groups.iter_mut().find(|(known, _, reason)| *known == check && *reason == result.reason) {
            Some((_, places, _)) => places.extend(place),
            None => groups.push((check, place.into_iter().collect(), &result.reason)),
        }
    }
    let said = |places: Vec<&str>| match places.len() {
        0 => String::new(),
        1..=3 => format!(" @ {}", places.join(", ")),
        count => format!(" @ {count} places"),
    };
    groups.into_iter().map(|(check, places, reason)| (check, said(places), reason)).collect()
}

fn more(page: &mut Page, count: usize) {
    if count > SHOWN {
        page.item("", "", &format!("and {} more, all in the reports", count - SHOWN));
    }
}

/// A label for the first line of several.
fn first(place: usize, label: &str) -> &str {
    if place == 0 { label } else { "" }
}
